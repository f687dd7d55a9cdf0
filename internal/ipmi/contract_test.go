package ipmi

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/fault"
	"nightshift/internal/inventory"
	"nightshift/internal/live"
)

// A controller is what the contract is tested against: go-ipmi's server in every run, OpenIPMI's ipmi_sim end to end.
type controller struct {
	address string
	// controls are the Chassis Controls that arrived: "on", "off", "soft".
	controls func() []string
	uuid     string
	serial   string
	model    string
	firmware string
	suite17  bool // it knows it
	// anybodyOperates: it gives an operator's rights to whoever logs in.
	anybodyOperates bool
}

// contract is what holds with every controller. start makes one whose server is off.
func contract(t *testing.T, start func(*testing.T) *controller) {
	tests := map[string]func(*testing.T, *controller, *proxy){
		"state and identity":                     testState,
		"on, soft, off":                          testControls,
		"a wrong password":                       testWrongPassword,
		"an unknown user":                        testUnknownUser,
		"a user who may only look":               testNoOperator,
		"a lost answer to a control":             testLostAnswer,
		"a lost control":                         testLostControl,
		"lost reads":                             testLostReads,
		"lost messages of the login":             testLostLogin,
		"datagrams that come twice":              testTwice,
		"slow answers":                           testSlow,
		"garbled and forged answers":             testForged,
		"weaker algorithms":                      testWeaker,
		"a session that has ended":               testEndedSession,
		"a session that was not used for a time": testIdleSession,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // they wait
			c := start(t)
			test(t, c, between(t, c.address))
		})
	}
}

func testState(t *testing.T, is *controller, p *proxy) {
	c := open(t, p.address, quick())
	got, err := c.System(t.Context())
	require.NoError(t, err)
	require.True(t, live.SameUUID(is.uuid, got.UUID), "%s, %s", is.uuid, got.UUID)
	require.Equal(t, live.BMC{Power: live.Off, UUID: got.UUID, Serial: is.serial, Model: is.model, Firmware: is.firmware,
		ResetTypes: []string{"On", "ForceOff", "GracefulShutdown"}}, got)
	if is.suite17 {
		require.Equal(t, 1, p.count(typeOpenRequest))
	} else {
		require.Greater(t, p.count(typeOpenRequest), 1)
	}
	before := p.inSession()
	_, err = c.System(t.Context())
	require.NoError(t, err)
	require.Equal(t, before+1, p.inSession(), "who it is does not change in a session")

	require.NoError(t, c.Close(t.Context()))
	require.NoError(t, c.Close(t.Context()))
	require.Equal(t, before+2, p.inSession(), "logged out once")
}

func testControls(t *testing.T, is *controller, p *proxy) {
	c := open(t, p.address, quick())
	for _, x := range []struct{ send, arrives, power string }{
		{"On", "on", live.On}, {"GracefulShutdown", "soft", ""}, {"ForceOff", "off", live.Off},
	} {
		before := p.inSession()
		require.NoError(t, c.Reset(t.Context(), x.send))
		require.Equal(t, before+1, p.inSession(), "one datagram")
		controls := is.controls()
		require.Equal(t, x.arrives, controls[len(controls)-1])
		if x.power != "" {
			got, err := c.System(t.Context())
			require.NoError(t, err)
			require.Equal(t, x.power, got.Power)
		}
	}
	require.Equal(t, []string{"on", "soft", "off"}, is.controls())

	before := p.inSession()
	err := c.Reset(t.Context(), "ForceRestart")
	require.ErrorIs(t, err, fault.Unsupported)
	require.ErrorIs(t, err, fault.NotDone)
	require.ErrorContains(t, err, "On, ForceOff, GracefulShutdown")
	require.Equal(t, before, p.inSession())
}

// A wrong password is noticed by what the controller makes of the right one: nothing is sent that was made with it.
func testWrongPassword(t *testing.T, _ *controller, p *proxy) {
	r := at(t, p.address)
	r.Password = inventory.NewSecret("wrong-wrong")
	_, err := connect(t.Context(), r, quick())
	require.ErrorIs(t, err, fault.Auth)
	require.ErrorContains(t, err, "BMC of esx21")
	require.NotContains(t, err.Error(), "wrong-wrong")
	require.Equal(t, 1, p.count(typeRAKP1), "asked once")
	require.Zero(t, p.count(typeRAKP3), "nothing made with the wrong password arrives")
}

// A session ends, and the password is another by now: it is asked for once, whoever asks how often.
func testEndedSession(t *testing.T, is *controller, p *proxy) {
	c := open(t, p.address, hasty())
	c.password = "wrong-wrong"
	c.session.managed++ // as if the controller had forgotten ours
	_, err := c.System(t.Context())
	require.ErrorIs(t, err, fault.Unreachable)
	before := p.count(typeRAKP1)
	for range 3 {
		_, err = c.System(t.Context())
		require.ErrorIs(t, err, fault.Auth)
		err = c.Reset(t.Context(), "On")
		require.ErrorIs(t, err, fault.Auth)
		require.ErrorIs(t, err, fault.NotDone)
	}
	require.Equal(t, before+1, p.count(typeRAKP1))
	require.Empty(t, is.controls())
}

func testIdleSession(t *testing.T, is *controller, p *proxy) {
	c := open(t, p.address, quick())
	before := p.count(typeRAKP3)
	c.used = time.Now().Add(-2 * time.Hour)
	require.NoError(t, c.Reset(t.Context(), "On"), "a control in a session that has ended would be lost")
	require.Equal(t, before+1, p.count(typeRAKP3))
	require.Equal(t, []string{"on"}, is.controls())
}

func testUnknownUser(t *testing.T, _ *controller, p *proxy) {
	r := at(t, p.address)
	r.User = "nobody"
	_, err := connect(t.Context(), r, hasty())
	require.Error(t, err)
	require.NotErrorIs(t, err, fault.Permission)
	require.Zero(t, p.count(typeRAKP3))
}

func testNoOperator(t *testing.T, is *controller, p *proxy) {
	if is.anybodyOperates {
		t.Skip("this controller gives an operator's rights to every user")
	}
	r := at(t, p.address)
	r.User = "looker"
	_, err := connect(t.Context(), r, quick())
	require.ErrorIs(t, err, fault.Permission)
	require.ErrorContains(t, err, "Operator")
	require.Empty(t, is.controls())
}

// UDP: whether the request or its answer was lost is not to be told. It is not sent again.
func testLostAnswer(t *testing.T, is *controller, p *proxy) {
	c := open(t, p.address, hasty())
	p.set(arrives, lost)
	before := p.inSession()
	err := c.Reset(t.Context(), "On")
	require.ErrorIs(t, err, fault.Unreachable)
	require.NotErrorIs(t, err, fault.NotDone)
	require.ErrorContains(t, err, "may have arrived")
	require.Equal(t, before+1, p.inSession(), "one datagram")
	require.Equal(t, []string{"on"}, is.controls())

	p.set(arrives, arrives)
	got, err := c.System(t.Context()) // in a new session
	require.NoError(t, err)
	require.Equal(t, live.On, got.Power)
	require.Equal(t, []string{"on"}, is.controls())
}

func testLostControl(t *testing.T, is *controller, p *proxy) {
	c := open(t, p.address, hasty())
	p.set(lost, arrives)
	before := p.inSession()
	err := c.Reset(t.Context(), "On")
	require.ErrorIs(t, err, fault.Unreachable)
	require.NotErrorIs(t, err, fault.NotDone)
	require.Equal(t, before+1, p.inSession(), "one datagram")
	require.Empty(t, is.controls())
}

// oneLost loses one of so many datagrams of each kind, the first of them.
func oneLost(of int) fate {
	seen := map[byte]int{}
	return func(p []byte) [][]byte {
		if seen[p[5]]++; seen[p[5]]%of == 1 {
			return nil
		}
		return [][]byte{p}
	}
}

func testLostReads(t *testing.T, _ *controller, p *proxy) {
	c := open(t, p.address, quick())
	p.set(oneLost(2), arrives)
	_, err := c.System(t.Context())
	require.NoError(t, err)
	p.set(arrives, oneLost(2))
	_, err = c.System(t.Context())
	require.NoError(t, err)
	p.set(arrives, arrives)
}

func testLostLogin(t *testing.T, is *controller, p *proxy) {
	patience := quick()
	patience.login = 500 * time.Millisecond
	for _, way := range []struct{ there, back fate }{{oneLost(100), arrives}, {arrives, oneLost(100)}} {
		p.set(way.there, way.back)
		c, err := connect(t.Context(), at(t, p.address), patience)
		require.NoError(t, err)
		_, err = c.System(t.Context())
		require.NoError(t, err)
		p.set(arrives, arrives)
		require.NoError(t, c.Close(t.Context()))
	}
	require.Empty(t, is.controls())
}

func testTwice(t *testing.T, is *controller, p *proxy) {
	p.set(arrives, twice)
	c := open(t, p.address, quick())
	for range 3 {
		_, err := c.System(t.Context())
		require.NoError(t, err)
	}
	require.NoError(t, c.Reset(t.Context(), "On"))
	require.Equal(t, []string{"on"}, is.controls())
}

// An answer that comes after the read was sent again is an answer.
func testSlow(t *testing.T, _ *controller, p *proxy) {
	c := open(t, p.address, quick())
	_, err := c.System(t.Context()) // who it is takes many reads
	require.NoError(t, err)
	p.set(arrives, func(packet []byte) [][]byte {
		late := time.NewTimer(2 * quick().again)
		<-late.C
		return [][]byte{packet}
	})
	got, err := c.System(t.Context())
	require.NoError(t, err)
	require.Equal(t, live.Off, got.Power)
	p.set(arrives, arrives)
}

// What anybody can send is not there: packets without or with a wrong authentication code, of an IPMI 1.5 session,
// cut short, and those of another session.
func testForged(t *testing.T, _ *controller, p *proxy) {
	c := open(t, p.address, quick())
	p.set(arrives, func(packet []byte) [][]byte {
		flipped := append([]byte(nil), packet...)
		flipped[len(flipped)-1] ^= 1
		naked := append(append([]byte(nil), packet[:5]...), typeIPMI)
		naked = append(naked, packet[6:]...)
		out := [][]byte{forged(t, c.session, 1), response15(c.session.number, 1), flipped, naked, packet[:len(packet)/2], packet[:payloadAt], {}, {6}, make([]byte, 400)}
		return append(out, packet)
	})
	for range 3 {
		got, err := c.System(t.Context())
		require.NoError(t, err)
		require.Equal(t, live.Off, got.Power)
	}
	p.set(arrives, arrives)
}

// says is the message that a controller would send.
func says(number, power byte) []byte {
	m := []byte{busConsole, (getChassisStatus.netFn | 1) << 2}
	m = append(m, checksum(m), busController, number<<2, getChassisStatus.cmd, 0, power, 0, 0)
	return append(m, checksum(m[3:]))
}

// response15 is an answer without any authentication, as IPMI 1.5 has it.
func response15(number, power byte) []byte {
	m := says(number, power)
	return append([]byte{6, 0, 0xFF, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, byte(len(m))}, m...)
}

// forged is an answer that is right in all but its authentication code.
func forged(t *testing.T, of *session, power byte) []byte {
	p, err := (&session{suite: of.suite, managed: of.console, k1: make([]byte, 32), k2: of.k2, out: of.in.last}).seal(says(of.number, power))
	require.NoError(t, err)
	return p
}

// Who stands in between may answer that no authentication is known: that is not taken.
func testWeaker(t *testing.T, _ *controller, p *proxy) {
	p.set(arrives, func(packet []byte) [][]byte {
		if packet[5] == typeOpenResponse && packet[payloadAt+1] == 0 {
			for _, algorithm := range []int{16, 24, 32} {
				packet[payloadAt+algorithm] = 0
			}
		}
		return [][]byte{packet}
	})
	_, err := connect(t.Context(), at(t, p.address), quick())
	require.ErrorIs(t, err, fault.Identity)
	require.Zero(t, p.count(typeRAKP1))
}

func TestNobodyThere(t *testing.T) {
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = silent.Close() })
	_, err = connect(t.Context(), at(t, silent.LocalAddr().String()), hasty())
	require.ErrorIs(t, err, fault.Unreachable)
	require.ErrorContains(t, err, "no answer")

	require.NoError(t, silent.Close())
	_, err = connect(t.Context(), at(t, silent.LocalAddr().String()), quick())
	require.ErrorIs(t, err, fault.Unreachable)
	require.ErrorContains(t, err, "refused")
}

func TestWhatIPMICannotTakeIsNotSent(t *testing.T) {
	p := between(t, "127.0.0.1:1")
	for name, change := range map[string]struct {
		user, password, says string
	}{
		"no user":       {"", password, "wants a user"},
		"no password":   {user, "", "wants a user"},
		"long user":     {"seventeen-letters", password, "16 bytes"},
		"long password": {user, "twenty-one-characters", "20 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			r := at(t, p.address)
			r.User, r.Password = change.user, inventory.NewSecret(change.password)
			_, err := connect(t.Context(), r, quick())
			require.ErrorIs(t, err, fault.Invalid)
			require.ErrorContains(t, err, change.says)
			require.Zero(t, p.count(typeOpenRequest))
		})
	}
}
