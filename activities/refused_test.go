package activities

import (
	"context"
	"errors"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/bmc"
	"nightshift/internal/endpoint"
	"nightshift/internal/fault"
	"nightshift/internal/inventory"
	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/runbooks"
)

// A refuser is a vCenter, with a BMC, that took the login and later refuses the account: its password was changed.
type refuser struct {
	*world
	password string
	logins   int
}

var errExpired = fault.As(fault.Auth, errors.New("log in as ns: refused"))

func (r *refuser) Mark(ctx context.Context) (string, error) {
	s, err := r.world.Mark(ctx)
	return s, errors.Join(err, r.readErr)
}

type refusingBMC struct{ worldBMC }

func (refusingBMC) System(context.Context) (live.BMC, error) { return live.BMC{}, errExpired }

func (r *refuser) activities(bmcToo bool) *Activities {
	a := newActivities(r.world)
	a.clients.resolve = func(_ context.Context, name string, _ inventory.Endpoint, _ string) (endpoint.Resolved, error) {
		return endpoint.Resolved{Name: name, URL: &url.URL{Scheme: "https", Host: name}, User: "ns", Password: inventory.NewSecret(r.password)}, nil
	}
	a.clients.dialVC = func(context.Context, endpoint.Resolved) (vcenter, error) {
		r.logins++
		return r, nil
	}
	if bmcToo {
		a.clients.dialBMC = func(context.Context, endpoint.Resolved, *inventory.BMC) (bmc.Session, error) {
			r.logins++
			return refusingBMC{}, nil
		}
	}
	return a
}

// Whichever step hears that the account is refused: no step logs in with the same password again, and the corrected one
// is used at once, without a restart.
func TestARefusalInTheMiddleEndsTheSession(t *testing.T) {
	read := func(action plan.Action, c plan.Call) func(*testing.T, *Activities) error {
		return func(t *testing.T, a *Activities) error {
			_, err := attemptOf(t, a, action, c, nil)
			return err
		}
	}
	for name, step := range map[string]func(*testing.T, *Activities) error{
		"guest":   read(plan.ShutdownGuest, guestCall(patient)),
		"host":    read(plan.EnterMaintenance, hostCall(plan.HostParams{Host: "esx21"})),
		"cluster": read(plan.SuspendSetting, clusterCall(plan.HA)),
		"memory": read(plan.ForgetRunning, plan.Call{Lab: "home", Params: plan.Encode(plan.RememberParams{
			Guests: []plan.RememberedGuest{{Endpoint: "vc1", UUID: "u-guest", Name: "web01", Ref: "vm-1"}}})}),
		"mark": read(plan.MarkLab, plan.Call{Target: plan.Target{Kind: plan.Lab, Name: "home", Endpoint: "vc1"}}),
		"bmc":  read(plan.PowerOnHost, hostCall(plan.PowerOnHostParams{Host: "esx21"})),
		"plan": func(t *testing.T, a *Activities) error {
			_, err := makePlan(t, a, plan.Request{Runbook: runbooks.PowerDown, Lab: "home"})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := &refuser{world: newWorld(), password: "old"}
			r.readErr = errExpired
			a := r.activities(name == "bmc")
			requireType(t, step(t, a), Auth)
			for range 3 {
				err := step(t, a)
				requireType(t, err, Auth)
				require.ErrorContains(t, err, "not tried again with the same password")
			}
			require.Equal(t, 1, r.logins)
			r.password = "new"
			requireType(t, step(t, a), Auth)
			require.Equal(t, 2, r.logins, "the corrected password was not used")
			require.Empty(t, r.events)
		})
	}
}

// A BMC that is neither On nor Off is not off: it may stay so for ever.
func TestABMCBetweenOnAndOffIsNotOff(t *testing.T) {
	for _, power := range []string{live.PoweringOff, live.PoweringOn, "Paused", "Unknown"} {
		w := offWorld()
		w.bmc.Power = power
		w.react["ShutdownHost"] = func() error { return nil }
		out, err := attemptOf(t, newActivities(w), plan.ShutdownHost, hostCall(down(15*time.Millisecond)), nil)
		require.True(t, err != nil || out.Unclear != nil, "%s: %+v", power, out)
	}
}

// What is given back is what was there, and not the default.
func TestSettingsComeBackAsTheyWere(t *testing.T) {
	for _, before := range []live.Cluster{
		{HA: true, DRS: true, DRSLevel: "fullyAutomated", DPM: true},
		{HA: true, DRS: true, DRSLevel: "partiallyAutomated"},
	} {
		w := newWorld()
		before.Ref, before.Name = w.cluster.Ref, w.cluster.Name
		w.cluster = before
		for _, action := range []plan.Action{plan.SuspendSetting, plan.SettleDebt} {
			for _, s := range []plan.Setting{plan.HA, plan.DRS, plan.DPM} {
				_, err := attemptOf(t, newActivities(w), action, clusterCall(s), nil)
				require.NoError(t, err)
			}
			require.Equal(t, action == plan.SettleDebt, before == w.cluster)
		}
		require.Empty(t, w.book.Debts)
	}
}

func TestADatastoreThatIsMissingIsNotAccessible(t *testing.T) {
	w := newWorld()
	_, err := attemptOf(t, newActivities(w), plan.AwaitDatastores, hostCall(plan.AwaitDatastoresParams{Host: "esx21", Datastores: []string{"ds-1", "ds-2"}}), nil)
	requireType(t, err, Precondition)
	require.ErrorContains(t, err, "ds-2")
}

func TestUnknownHealthIsNotWell(t *testing.T) {
	well := live.Guest{Power: live.PoweredOn, Tools: true, Heartbeat: "green"}
	require.True(t, health(t.Context(), well, plan.CheckGuestParams{Tools: true}).done)
	for name, bend := range map[string]func(*live.Guest){
		"power unknown":     func(g *live.Guest) { g.Power = "unknown" },
		"power not told":    func(g *live.Guest) { g.Power = "" },
		"heartbeat gray":    func(g *live.Guest) { g.Heartbeat = "gray" },
		"heartbeat unknown": func(g *live.Guest) { g.Heartbeat = "unknown" },
		"Tools not running": func(g *live.Guest) { g.Tools, g.Heartbeat = false, "" },
	} {
		g := well
		bend(&g)
		require.False(t, health(t.Context(), g, plan.CheckGuestParams{Tools: true}).done, name)
	}
}
