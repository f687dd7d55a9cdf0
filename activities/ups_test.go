package activities

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/inventory"
	"nightshift/internal/live"
	"nightshift/internal/nut"
	"nightshift/internal/nut/nuttest"
	"nightshift/internal/plan"
	"nightshift/runbooks"
)

// A powerRig is the world with its host on a UPS.
type powerRig struct {
	world *world
	nut   *nuttest.Server
	acts  *Activities
}

func newPowerRig(t *testing.T) powerRig {
	t.Helper()
	w := newWorld()
	w.bmc.Power = live.Off
	server := nuttest.Start(t, map[string]*nuttest.UPS{"rack": {
		Vars:     map[string]string{"ups.status": "OB DISCHRG", "battery.charge": "30", "ups.delay.shutdown": "20", "ups.delay.start": "30", "ups.timer.shutdown": "-1"},
		Writable: []string{"ups.delay.shutdown", "ups.delay.start"}, Commands: []string{"load.off", "shutdown.return"},
	}})
	secret := filepath.Join(t.TempDir(), "nut")
	require.NoError(t, os.WriteFile(secret, []byte(server.Password), 0o600))
	a := newActivities(w)
	a.lab.UPS = []inventory.UPS{{Name: "rack", Server: server.Address(), User: server.User, Password: inventory.SecretRef("file:" + secret), Feeds: []string{"esx21"}}}
	return powerRig{w, server, a}
}

func loadOffCall(change func(*plan.LoadOffParams)) plan.Call {
	p := plan.LoadOffParams{UPS: "rack", Hosts: []string{"esx21"}, Delay: plan.Duration(40 * time.Second), RestartDelay: plan.Duration(5 * time.Minute)}
	if change != nil {
		change(&p)
	}
	return plan.Call{Run: "run-1", Lab: "home", Step: "order-load-off:rack", Target: plan.Target{Kind: plan.UPS, Name: "rack"}, Params: plan.Encode(p)}
}

func TestLoadOffIsOrderedOnce(t *testing.T) {
	r := newPowerRig(t)
	out, err := attemptOf(t, r.acts, plan.OrderLoadOff, loadOffCall(nil), nil)
	require.NoError(t, err)
	require.True(t, out.Acted)
	want := []string{"SET VAR rack ups.delay.shutdown 40", "SET VAR rack ups.delay.start 300", "INSTCMD rack shutdown.return"}
	require.Equal(t, want, r.nut.Orders())

	// Another attempt with the memo of the first only looks: the countdown tells that the order arrived.
	memo := r.world.memos[len(r.world.memos)-1]
	r.nut.Set("rack", "ups.timer.shutdown", "31")
	out, err = attemptOf(t, r.acts, plan.OrderLoadOff, loadOffCall(nil), &memo)
	require.NoError(t, err)
	require.Equal(t, "it switches its load off in 31s", out.Evidence)
	require.Equal(t, want, r.nut.Orders())
}

func TestLoadOffWithoutAnAnswer(t *testing.T) {
	r := newPowerRig(t)
	r.nut.Lose("INSTCMD")
	call := loadOffCall(func(p *plan.LoadOffParams) { p.Delay = plan.Duration(50 * time.Millisecond) })
	out, err := attemptOf(t, r.acts, plan.OrderLoadOff, call, nil)
	require.NoError(t, err)
	require.NotNil(t, out.Unclear, "its driver shows no countdown: nobody knows")
	require.False(t, out.Unclear.NeverArrived)
	require.Len(t, r.nut.Orders(), 3)
}

func TestWhenTheLoadStaysOn(t *testing.T) {
	for name, c := range map[string]struct {
		change func(powerRig)
		call   func(*plan.LoadOffParams)
		says   string
	}{
		"a host is on":             {change: func(r powerRig) { r.world.bmc.Power = live.On }, says: "the BMC of host esx21 says On"},
		"another machine's BMC":    {change: func(r powerRig) { r.world.bmc.Serial = "TAG2" }, says: "the load is left on: the BMC of host esx21 cannot be read"},
		"another than was planned": {call: func(p *plan.LoadOffParams) { p.Servers = map[string]plan.Server{"esx21": {Serial: "TAG9"}} }, says: "is another machine's than when the plan was made"},
		"another UUID": {call: func(p *plan.LoadOffParams) {
			p.Servers = map[string]plan.Server{"esx21": {UUID: "99999999-2222-4333-8444-555555555555"}}
		}, says: "is another machine's"},
		"a host without a BMC":   {change: func(r powerRig) { r.acts.lab.Hosts[0].BMC = nil }, says: "no BMC that says Off"},
		"it feeds another since": {change: func(r powerRig) { r.acts.lab.UPS[0].Feeds = []string{"esx21", "nuc"} }, says: "feeds other hosts now"},
		"no such command": {change: func(r powerRig) {
			r.nut.Change("rack", func(u *nuttest.UPS) { u.Commands = []string{"load.off"} })
		}, says: "knows neither shutdown.return nor load.off.delay"},
		"a fixed delay that is too short": {change: func(r powerRig) {
			r.nut.Change("rack", func(u *nuttest.UPS) { u.Writable = nil })
		}, says: "ups.delay.shutdown cannot be set, and is 20"},
		"a wrong password": {change: func(r powerRig) { r.nut.Password = "another" }, says: "ACCESS-DENIED"},
		"another UPS":      {call: func(p *plan.LoadOffParams) { p.UPS = "shelf" }, says: `UPS "shelf" is not in the lab file`},
	} {
		t.Run(name, func(t *testing.T) {
			r := newPowerRig(t)
			if c.change != nil {
				c.change(r)
			}
			_, err := attemptOf(t, r.acts, plan.OrderLoadOff, loadOffCall(c.call), nil)
			require.ErrorContains(t, err, c.says)
			require.Empty(t, r.nut.Orders())
			if name == "a wrong password" { // it is not tried a second time, though it would be right now
				r.nut.Password = "geheim"
				_, err = attemptOf(t, r.acts, plan.OrderLoadOff, loadOffCall(nil), nil)
				require.ErrorContains(t, err, "not tried again with the same password")
				require.Empty(t, r.nut.Orders())
			}
		})
	}
}

func TestTheMainsAreBackBeforeTheLoadIsOff(t *testing.T) {
	r := newPowerRig(t)
	r.nut.Set("rack", "ups.status", "OL CHRG")
	out, err := attemptOf(t, r.acts, plan.OrderLoadOff, loadOffCall(nil), nil)
	require.NoError(t, err)
	require.Contains(t, out.Note, "the mains are back: its load stays on")
	require.False(t, out.Acted)
	require.Empty(t, r.nut.Orders())

	r.nut.Set("rack", "ups.status", "OL FSD") // it will be switched off in any case
	_, err = attemptOf(t, r.acts, plan.OrderLoadOff, loadOffCall(nil), nil)
	require.NoError(t, err)
	require.Contains(t, r.nut.Orders(), "INSTCMD rack shutdown.return")
}

func TestLoadOffThatDoesNotComeBack(t *testing.T) {
	r := newPowerRig(t)
	r.nut.Change("rack", func(u *nuttest.UPS) { u.Commands, u.Writable = []string{"load.off.delay"}, nil })
	out, err := attemptOf(t, r.acts, plan.OrderLoadOff, loadOffCall(nil), nil)
	require.NoError(t, err)
	require.Contains(t, out.Note, "it stays off when the mains are back")
	require.Equal(t, []string{"INSTCMD rack load.off.delay 40"}, r.nut.Orders())
}

func TestCheckMainsAtAServer(t *testing.T) {
	call := plan.Call{Run: "run-1", Lab: "home", Step: "check-mains", Target: plan.Target{Kind: plan.UPS, Name: "rack"},
		Params: plan.Encode(plan.MainsParams{UPS: []string{"rack"}, Steady: plan.Duration(20 * time.Millisecond)})}
	for name, c := range map[string]struct {
		change func(powerRig)
		end    bool
	}{
		"on battery":         {func(powerRig) {}, false},
		"the mains are back": {func(r powerRig) { r.nut.Set("rack", "ups.status", "OL CHRG") }, true},
		"forced":             {func(r powerRig) { r.nut.Set("rack", "ups.status", "OL FSD") }, false},
		"lost":               {func(r powerRig) { r.nut.Change("rack", func(u *nuttest.UPS) { u.Err = "DRIVER-NOT-CONNECTED" }) }, false},
		"no server":          {func(r powerRig) { r.nut.Close() }, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := newPowerRig(t)
			c.change(r)
			out, err := attemptOf(t, r.acts, plan.CheckMains, call, nil)
			require.NoError(t, err)
			require.False(t, out.Acted)
			if c.end {
				require.Contains(t, out.End, "the mains are back, for 20ms now, and no host has gone down yet")
				forced := call
				forced.Force = true
				out, err = attemptOf(t, r.acts, plan.CheckMains, forced, nil)
				require.NoError(t, err)
				require.Empty(t, out.End, "somebody wants it all the same")
				return
			}
			require.Empty(t, out.End)
			require.Contains(t, out.Evidence, "past the point of no return")
		})
	}
}

// TestCheckMainsAfterARestart: whoever begins anew has not watched yet, however long ago the step began.
func TestCheckMainsAfterARestart(t *testing.T) {
	call := plan.Call{Run: "run-1", Lab: "home", Step: "check-mains", Target: plan.Target{Kind: plan.UPS, Name: "rack"},
		Params: plan.Encode(plan.MainsParams{UPS: []string{"rack"}, Steady: plan.Duration(20 * time.Millisecond)})}
	r := newPowerRig(t)
	r.nut.Set("rack", "ups.status", "OL CHRG")
	memo := plan.Memo{At: time.Now().Add(-12 * time.Minute)}
	out, err := attemptOf(t, r.acts, plan.CheckMains, call, &memo)
	require.NoError(t, err)
	require.Contains(t, out.End, "the mains are back")

	call.Memo = &memo // as a hand-over passes it on
	out, err = attemptOf(t, r.acts, plan.CheckMains, call, nil)
	require.NoError(t, err)
	require.Contains(t, out.End, "the mains are back")
}

func TestPointOfNoReturn(t *testing.T) {
	const online, battery, low, forced, lost = "OL", "OB", "OB LB", "OL FSD", ""
	at := time.Date(2026, 11, 20, 22, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		looks [][]string // of two UPSes, ten seconds apart
		done  bool
		back  bool
	}{
		{[][]string{{battery, battery}}, true, false},
		{[][]string{{online, online}}, false, false},
		{[][]string{{online, online}, {online, online}, {online, online}}, false, false},
		{[][]string{{online, online}, {online, online}, {online, online}, {online, online}}, true, true},
		{[][]string{{online, online}, {online, online}, {online, battery}}, true, false},
		{[][]string{{online, lost}, {online, lost}, {online, lost}}, false, false},
		{[][]string{{online, lost}, {online, lost}, {online, lost}, {online, lost}}, true, false},
		{[][]string{{lost, lost}, {online, lost}, {lost, online}, {online, online}}, false, false},
		{[][]string{{online, online}, {online, lost}, {online, online}, {online, online}}, false, false},
		{[][]string{{online, "OFF"}, {online, "OFF"}, {online, "OFF"}, {online, "OFF"}}, true, false},
		{[][]string{{online, low}}, true, false},
		{[][]string{{online, forced}}, true, false},
	} {
		m := &mains{upses: []*inventory.UPS{{Name: "a"}, {Name: "b"}}, again: 30 * time.Second, since: make([]time.Time, 2), was: make([]string, 2)}
		var got seen
		for i, look := range c.looks {
			states, errs := make([]nut.Status, 2), make([]error, 2)
			for k, status := range look {
				states[k] = nut.Vars{"ups.status": status}.Status()
				if status == lost {
					errs[k] = errors.New("no answer")
				}
			}
			got = m.judge(at.Add(time.Duration(i)*10*time.Second), states, errs, "words")
			require.False(t, got.done && i < len(c.looks)-1, "%v", c.looks)
		}
		require.Equal(t, []bool{c.done, c.back}, []bool{got.done, m.back != ""}, "%v", c.looks)
	}
}

func TestAPowerUpReadsTheUPSes(t *testing.T) {
	r := newPowerRig(t)
	read := func() live.UPS {
		st, err := r.acts.inspectFor(t.Context(), r.world.book, runbooks.Reads{UPSes: true}, nil)
		require.NoError(t, err)
		require.Len(t, st.UPSes, 1)
		return st.UPSes[0]
	}
	require.Equal(t, live.UPS{Name: "rack", OnBattery: true}, read())
	r.nut.Set("rack", "ups.timer.shutdown", "31")
	require.Equal(t, live.UPS{Name: "rack", OnBattery: true, GoesOff: true}, read())
	r.nut.Set("rack", "ups.timer.shutdown", "-1")
	r.nut.Set("rack", "ups.status", "OL FSD")
	require.Equal(t, live.UPS{Name: "rack", GoesOff: true}, read())
	r.nut.Change("rack", func(u *nuttest.UPS) { u.Err = "DRIVER-NOT-CONNECTED" })
	require.Contains(t, read().Err, "DRIVER-NOT-CONNECTED")
}
