package activities

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/endpoint"
	"nightshift/internal/fault"
	"nightshift/internal/inventory"
	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/internal/vsphere"
)

func TestShutdownGuestFollowsItsPolicy(t *testing.T) {
	ms := within(10 * time.Millisecond)
	for name, c := range map[string]struct {
		params plan.ShutdownGuestParams
		guest  func(*live.Guest)
		call   func(*plan.Call)
		ignore bool // the request to shut down
		sent   string
		fails  string
	}{
		"power off at once":           {params: plan.ShutdownGuestParams{Method: "powerOff"}, sent: "PowerOffGuest"},
		"suspend at once":             {params: plan.ShutdownGuestParams{Method: "suspend"}, sent: "SuspendGuest"},
		"suspend what cannot be":      {params: plan.ShutdownGuestParams{Method: "suspend"}, guest: func(g *live.Guest) { g.NoSuspend = "vGPU" }, fails: Precondition},
		"no Tools, leave":             {params: plan.ShutdownGuestParams{Method: "shutdown", NoTools: "leave", Timeout: ms}, guest: noTools, fails: Precondition},
		"no Tools, power off":         {params: plan.ShutdownGuestParams{Method: "shutdown", NoTools: "powerOff", Timeout: ms}, guest: noTools, sent: "PowerOffGuest"},
		"no Tools, forced":            {params: plan.ShutdownGuestParams{Method: "shutdown", NoTools: "leave", Timeout: ms}, guest: noTools, call: force, sent: "PowerOffGuest"},
		"ignores it, leave":           {params: plan.ShutdownGuestParams{Method: "shutdown", OnTimeout: "leave", Timeout: ms}, ignore: true, fails: Precondition},
		"ignores it, suspend":         {params: plan.ShutdownGuestParams{Method: "shutdown", OnTimeout: "suspend", Timeout: ms}, ignore: true, sent: "SuspendGuest"},
		"waits for an answer":         {params: patient, guest: func(g *live.Guest) { g.Question = &live.Question{Text: "moved or copied?"} }, fails: Precondition},
		"nightshift itself":           {params: patient, guest: called("nuc-vm"), call: at("nuc-vm"), fails: Unsafe},
		"the vCenter":                 {params: patient, guest: called("vcsa"), call: at("vcsa"), fails: Unsafe},
		"kept by the lab file":        {params: patient, guest: called("mgmt01"), call: at("mgmt01"), fails: Unsafe},
		"a template":                  {params: patient, guest: func(g *live.Guest) { g.Template = true }, fails: Unsafe},
		"vSphere's own":               {params: patient, guest: func(g *live.Guest) { g.VCLS = true }, fails: Unsafe},
		"orphaned":                    {params: patient, guest: func(g *live.Guest) { g.Connection = "orphaned" }, fails: Precondition},
		"its UUID is not told":        {params: patient, guest: func(g *live.Guest) { g.UUID = "" }, fails: Transient},
		"tagged as kept":              {params: patient, guest: func(g *live.Guest) { g.Tags = []string{"KeepOn"} }, fails: Unsafe},
		"on a host that is not seen":  {params: patient, guest: func(g *live.Guest) { g.Connection, g.Power = live.Disconnected, "unknown" }, fails: Transient},
		"asked before, Tools stopped": {params: plan.ShutdownGuestParams{Method: "shutdown", NoTools: "leave", OnTimeout: "powerOff", Timeout: ms}, guest: noTools, call: func(c *plan.Call) { c.Decision = 1 }, sent: "PowerOffGuest"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			if c.guest != nil {
				c.guest(&w.guest)
			}
			if c.ignore {
				w.react["ShutdownGuest"] = func() error { return nil }
			}
			call := guestCall(c.params)
			if c.call != nil {
				c.call(&call)
			}
			a := newActivities(w)
			a.lab.Guests = append(a.lab.Guests, inventory.Guest{Name: "mgmt01", VCenter: "vc1", Keep: true})
			_, err := attemptOf(t, a, plan.ShutdownGuest, call, nil)
			if c.fails != "" {
				requireType(t, err, c.fails)
				require.Zero(t, w.count("PowerOffGuest")+w.count("SuspendGuest"))
				require.True(t, c.ignore || w.count("ShutdownGuest") == 0, "it was asked to shut down")
				return
			}
			require.NoError(t, err)
			require.Equal(t, 1, w.count(c.sent))
		})
	}
}

func noTools(g *live.Guest) { g.Tools = false }
func force(c *plan.Call)    { c.Force = true }

func called(name string) func(*live.Guest) { return func(g *live.Guest) { g.Name = name } }
func at(name string) func(*plan.Call)      { return func(c *plan.Call) { c.Target.Name = name } }

// Tools that stop between the plan and the call are the same as Tools that were never there.
func TestNoToolsAtTheCall(t *testing.T) {
	w := newWorld()
	w.react["ShutdownGuest"] = func() error { return vsphere.ErrNoTools }
	p := plan.ShutdownGuestParams{Method: "shutdown", NoTools: "powerOff", OnTimeout: "leave", Timeout: within(time.Minute)}
	_, err := attemptOf(t, newActivities(w), plan.ShutdownGuest, guestCall(p), nil)
	require.NoError(t, err)
	require.Equal(t, 1, w.count("PowerOffGuest"))
}

func TestPowerOnGuest(t *testing.T) {
	c := guestCall(plan.ShutdownGuestParams{})
	c.Params = nil
	w := newWorld()
	w.guest.Power = live.PoweredOff
	out, err := attemptOf(t, newActivities(w), plan.PowerOnGuest, c, nil)
	require.NoError(t, err)
	require.True(t, out.Acted)
	out, err = attemptOf(t, newActivities(w), plan.PowerOnGuest, c, nil)
	require.NoError(t, err)
	require.Equal(t, "was already on, Tools running", out.Note)
	require.Equal(t, 1, w.count("PowerOnGuest"))
}

// An unreadyHost refuses to start guests: at once, or in the task. away: then it is not seen for some looks.
type unreadyHost struct {
	*world
	no     error
	inTask bool
	away   int
}

func (u *unreadyHost) Guest(ctx context.Context, ref string) (live.Guest, error) {
	got, err := u.world.Guest(ctx, ref)
	if u.count("PowerOnGuest") > 0 && u.away > 0 {
		u.away--
		got.Connection = live.Disconnected
	}
	return got, err
}

func (u *unreadyHost) PowerOnGuest(ctx context.Context, ref string) (string, error) {
	u.react["PowerOnGuest"] = func() error {
		if u.inTask {
			return nil
		}
		return u.no
	}
	return u.world.PowerOnGuest(ctx, ref)
}

func (u *unreadyHost) Task(context.Context, string) (vsphere.TaskInfo, error) {
	return vsphere.TaskInfo{State: vsphere.TaskError, Err: u.no}, nil
}

// A host that is not connected for a moment, or whose storage is away, refuses to start guests: to try again is a decision.
func TestAStartThatAHostIsNotReadyFor(t *testing.T) {
	for name, kind := range map[string]error{"not connected": fault.Unreachable, "its datastore is away": fault.State} {
		for _, inTask := range []bool{false, true} {
			for _, away := range []int{0, 3} {
				t.Run(fmt.Sprintf("%s, in the task %v, not seen for %d looks", name, inTask, away), func(t *testing.T) {
					w := newWorld()
					w.guest.Power = live.PoweredOff
					u := &unreadyHost{world: w, no: fault.As(kind, fault.As(fault.TurnedAway, errors.New("not now"))), inTask: inTask, away: away}
					a := newActivities(w)
					a.clients.dialVC = func(context.Context, endpoint.Resolved) (vcenter, error) { return u, nil }
					out, err := attemptOf(t, a, plan.PowerOnGuest, guestCall(plan.ShutdownGuestParams{}), nil)
					require.NoError(t, err)
					require.NotNil(t, out.Unclear)
					require.True(t, out.Unclear.NeverArrived, "%+v", out.Unclear)
					require.Equal(t, 1, w.count("PowerOnGuest"))
				})
			}
		}
	}
	w := newWorld() // any other no is one
	w.guest.Power = live.PoweredOff
	w.react["PowerOnGuest"] = func() error { return fault.As(fault.State, errors.New("not enough resources")) }
	_, err := attemptOf(t, newActivities(w), plan.PowerOnGuest, guestCall(plan.ShutdownGuestParams{}), nil)
	requireType(t, err, Precondition)
}

// A guest whose start was skipped, or that went off again, is not waited for as long as one that boots.
func TestCheckOfAGuestThatIsOff(t *testing.T) {
	w := newWorld()
	w.guest.Power = live.PoweredOff
	a := newActivities(w)
	a.settle = 10 * time.Millisecond
	a.lab.Guests = []inventory.Guest{{Name: "web01", VCenter: "vc1", Health: &inventory.Health{Timeout: within(time.Hour)}}}
	call := guestCall(plan.ShutdownGuestParams{})
	call.Params = plan.Encode(plan.CheckGuestParams{Tools: true})
	_, err := attemptOf(t, a, plan.CheckGuest, call, nil)
	requireType(t, err, Precondition)
	require.ErrorContains(t, err, "off, and stays so")
}

func TestCheckGuest(t *testing.T) {
	up, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer up.Close()
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, gone.Close())
	status := func(code int) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }))
		t.Cleanup(s.Close)
		return s.URL
	}
	for name, c := range map[string]struct {
		params  plan.CheckGuestParams
		beat    string
		noTools bool
		says    string
	}{
		"all is well":    {params: plan.CheckGuestParams{Tools: true, TCP: []string{up.Addr().String()}, HTTP: []string{status(200)}}, beat: "green"},
		"no heartbeat":   {params: plan.CheckGuestParams{Tools: true}, beat: "red", says: "heartbeat"},
		"none yet":       {params: plan.CheckGuestParams{Tools: true}, beat: "gray", says: "heartbeat"},
		"none is told":   {params: plan.CheckGuestParams{Tools: true}},
		"no Tools":       {params: plan.CheckGuestParams{Tools: true}, noTools: true, says: "without running Tools"},
		"nobody listens": {params: plan.CheckGuestParams{TCP: []string{gone.Addr().String()}}, says: gone.Addr().String()},
		"web is ill":     {params: plan.CheckGuestParams{HTTP: []string{status(503)}}, says: "503"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			w.guest.Heartbeat, w.guest.Tools = c.beat, !c.noTools
			a := newActivities(w)
			a.lab.Guests = []inventory.Guest{{Name: "web01", VCenter: "vc1", Health: &inventory.Health{Timeout: within(20 * time.Millisecond)}}}
			call := guestCall(plan.ShutdownGuestParams{})
			call.Params = plan.Encode(c.params)
			out, err := attemptOf(t, a, plan.CheckGuest, call, nil)
			require.Empty(t, w.events)
			if c.says == "" {
				require.NoError(t, err)
				require.False(t, out.Acted)
				return
			}
			requireType(t, err, Precondition)
			require.ErrorContains(t, err, c.says)
		})
	}
}
