package activities

import (
	"context"
	"errors"
	"log/slog"
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
)

// silentHost is the world's host without a BMC: what was its BMC are its witnesses.
func silentHost(w *world) *Activities {
	a := newActivities(w)
	h := &a.lab.Hosts[0]
	h.BMC, h.WakeOnLAN = nil, &inventory.WakeOnLAN{MAC: "00:11:22:33:44:55", Witness: []string{"esx21.lab:443"}}
	a.clients.wake = func(string, inventory.WakeOnLAN) (bmc.Session, error) { return worldBMC{w}, nil }
	a.clients.dialBMC = func(context.Context, endpoint.Resolved, *inventory.BMC) (bmc.Session, error) {
		return nil, errors.New("there is no BMC")
	}
	return a
}

// The silence of its witnesses is no proof that a host is off: its vCenter must have lost it as well.
func TestSilenceIsOffOnlyWhereTheVCenterLostTheHost(t *testing.T) {
	asked := &plan.Memo{Intent: "ShutdownHost", Phase: viaVCenter, At: time.Now(), Answered: true}
	for name, c := range map[string]struct {
		change func(*world)
		memo   *plan.Memo
		done   bool
	}{
		"asked, and lost":               {func(w *world) { w.host.Connection = live.NotResponding }, asked, true},
		"asked, and disconnected":       {func(w *world) { w.host.Connection = live.Disconnected }, asked, true},
		"asked, and stands by":          {func(w *world) { w.host.Power = "standBy" }, asked, true},
		"asked, and still connected":    {func(*world) {}, asked, false},
		"asked, and nobody can say":     {func(w *world) { w.readErr = fault.As(fault.Unreachable, errors.New("no vCenter")) }, asked, false},
		"not asked, and lost":           {func(w *world) { w.host.Connection = live.NotResponding }, nil, true},
		"not asked, and nobody can say": {func(w *world) { w.readErr = fault.As(fault.Unreachable, errors.New("no vCenter")) }, nil, false},
		"another host":                  {func(w *world) { w.host.Connection, w.host.UUID = live.NotResponding, "u-other" }, asked, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := offWorld()
			w.bmc.Power = live.Off
			c.change(w)
			a := silentHost(w)
			out, err := attemptOf(t, a, plan.ShutdownHost, hostCall(down(30*time.Millisecond)), c.memo)
			require.Equal(t, c.done, err == nil && out.Unclear == nil, "%v %v", err, out.Unclear)
			require.Zero(t, w.count("ShutdownHost"))
		})
	}
}

// Without its vCenter, silence is all that there is of a host without a BMC, and a broken network looks the same: it is off
// only if this run has asked for it.
func TestSilenceThatNobodyAskedForIsNotOff(t *testing.T) {
	asked := &plan.Memo{Intent: "ShutdownHost", Phase: viaVCenter, At: time.Now(), Answered: true}
	for name, c := range map[string]struct {
		memo, before *plan.Memo
		done         bool
	}{"asked": {asked, nil, true}, "asked before": {nil, asked, true}, "not asked": {nil, nil, false}} {
		t.Run(name, func(t *testing.T) {
			w := offWorld()
			w.bmc.Power, w.away = live.Off, func() bool { return true }
			dial := directActivities(w).clients.dialVC
			a := silentHost(w)
			a.lab.Hosts[0].ESXi = &inventory.Endpoint{URL: "https://esx21"}
			a.clients.dialVC = dial
			call := direct(hostCall(down(30 * time.Millisecond)))
			call.Before = c.before
			out, err := attemptOf(t, a, plan.ShutdownHost, call, c.memo)
			require.Equal(t, c.done, err == nil && out.Unclear == nil, "%v %v", err, out.Unclear)
			if !c.done {
				requireType(t, err, Transient)
				require.ErrorContains(t, err, "this run did not ask for it")
			}
			require.Zero(t, w.count("ShutdownHost"))
		})
	}
}

func TestShutdownOfAHostWithoutABMC(t *testing.T) {
	w := offWorld()
	w.react["ShutdownHost"] = func() error { w.bmc.Power, w.host.Connection = live.Off, live.NotResponding; return nil }
	out, err := attemptOf(t, silentHost(w), plan.ShutdownHost, hostCall(down(time.Minute)), nil)
	require.NoError(t, err)
	require.Equal(t, plan.Outcome{Evidence: "off (no witness of it answers, and the vCenter has lost it)", Acted: true}, out)
	require.Equal(t, 1, w.count("ShutdownHost"))
}

// Silence with a vCenter that sees the host run is no shutdown that was there before: it is asked for all the same.
func TestSilenceOfAHostAtWorkIsNotOff(t *testing.T) {
	w := offWorld()
	w.bmc.Power = live.Off
	w.react["ShutdownHost"] = func() error { return nil }
	out, err := attemptOf(t, silentHost(w), plan.ShutdownHost, hostCall(down(20*time.Millisecond)), nil)
	require.NoError(t, err)
	require.NotNil(t, out.Unclear)
	require.Contains(t, out.Unclear.Evidence, "the vCenter says connected")
}

// A host that wakes is seen on when it has booted, which takes longer than a BMC's word.
func TestWakingAHost(t *testing.T) {
	w := offWorld()
	w.bmc.Power = live.Off
	a := silentHost(w)
	s, err := a.clients.server(&a.lab.Hosts[0])
	require.NoError(t, err)
	require.Equal(t, 20*time.Minute, s.onLimit(20*time.Minute))
	require.Equal(t, bmcOnLimit, s.onLimit(time.Second))
	out, err := attemptOf(t, a, plan.PowerOnHost, hostCall(plan.PowerOnHostParams{Host: "esx21"}), nil)
	require.NoError(t, err)
	require.Equal(t, "on (a witness of it answers)", out.Evidence)
	require.Equal(t, 1, w.count("Reset On"))
	require.Equal(t, "a magic packet to host esx21.lab", w.memos[0].Intent)
}

func TestHostsWithoutABMCAreAskedForThePlan(t *testing.T) {
	a := silentHost(newWorld())
	got := a.inspectBMC(t.Context(), &a.lab.Hosts[0])
	require.Equal(t, "esx21", got.Host)
	require.Equal(t, live.On, got.Power)
	require.Empty(t, got.Err)
}

// The scheme of the URL chooses how a BMC is reached.
func TestSchemesOfBMCs(t *testing.T) {
	c := newClients(testLab(), slog.New(slog.DiscardHandler))
	for _, scheme := range []string{"ipmi", "http"} {
		u := &url.URL{Scheme: scheme, Host: "127.0.0.1:1"}
		_, err := c.dialBMC(t.Context(), endpoint.Resolved{Name: "BMC", URL: u, User: "u", Password: inventory.NewSecret("calvin-says-no")}, &inventory.BMC{Endpoint: inventory.Endpoint{URL: u.String()}})
		require.ErrorIs(t, err, fault.Unreachable)
		require.ErrorContains(t, err, "("+scheme+"://127.0.0.1:1)")
	}
	_, err := c.wake("nuc1", inventory.WakeOnLAN{MAC: "no"})
	require.ErrorIs(t, err, fault.Invalid)
}
