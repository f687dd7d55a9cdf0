package activities

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"

	"nightshift/internal/bmc"
	"nightshift/internal/endpoint"
	"nightshift/internal/fault"
	"nightshift/internal/inventory"
	"nightshift/internal/ledger"
	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/runbooks"
)

// inspect reads what every runbook looks at.
func (a *Activities) inspect(ctx context.Context, book ledger.State) (*live.State, error) {
	return a.inspectFor(ctx, book, runbooks.Reads{}, nil)
}

func (w *world) Inspect(context.Context) (live.VCenter, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.onInspect != nil {
		defer w.onInspect()
	}
	return live.VCenter{Hosts: []live.Host{w.host}, Guests: []live.Guest{w.guest}, Clusters: []live.Cluster{w.cluster}, Mark: w.mark}, w.readErr
}

func makePlan(t *testing.T, a *Activities, r plan.Request) (plan.Reply, error) {
	t.Helper()
	env := newEnv()
	env.RegisterActivityWithOptions(a.MakePlan, activity.RegisterOptions{Name: plan.MakePlan})
	v, err := env.ExecuteActivity(a.MakePlan, r)
	if err != nil {
		return plan.Reply{}, err
	}
	var reply plan.Reply
	require.NoError(t, v.Get(&reply))
	return reply, nil
}

func TestMakePlan(t *testing.T) {
	w := newWorld()
	reply, err := makePlan(t, newActivities(w), plan.Request{Runbook: runbooks.PowerDown, Lab: "home"})
	require.NoError(t, err)
	p, err := plan.Unpack(reply.Packed)
	require.NoError(t, err)
	require.Equal(t, p.Hash(), reply.Hash)
	require.Len(t, p.Steps, reply.Steps)
	require.Empty(t, w.events, "nothing is changed")
}

// The page for a person lies there before a run of power-down begins, wherever its vCenter runs. A preview writes nothing, and a page
// that cannot be written stops no run: a UPS may have begun it.
func TestARunOfPowerDownLeavesThePageFirst(t *testing.T) {
	ask := func(a *Activities, runbook, run string) plan.Reply {
		reply, err := makePlan(t, a, plan.Request{Runbook: runbook, Lab: "home", Run: run})
		require.NoError(t, err)
		require.True(t, reply.Steps > 0 || runbook == runbooks.PowerUp)
		return reply
	}
	able := func(w *world) *Activities {
		a := newActivities(w)
		a.lab.Self.Guest, a.lab.Guests, a.lab.Hosts = "", nil, a.lab.Hosts[:1]
		a.lab.Policies.Guest.Timeout, a.lab.Policies.Host.Timeout = within(time.Minute), within(time.Minute)
		a.papers = filepath.Join(t.TempDir(), "state")
		return a
	}
	w := newWorld()
	w.guest.Path = "[vmfs1] web01/web01.vmx"
	a := able(w)
	path := filepath.Join(a.papers, "restore-home.txt")
	preview := ask(a, runbooks.PowerDown, "")
	require.Empty(t, preview.Blockers)
	require.NoFileExists(t, path)
	ask(a, runbooks.PowerDown, "run-1")
	page, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Contains(t, string(page), "in run run-1")
	require.Contains(t, string(page), "web01 on host esx21: [vmfs1] web01/web01.vmx")
	require.Empty(t, w.events, "nothing is changed")

	up := able(offWorld())
	ask(up, runbooks.PowerUp, "run-2")
	require.NoDirExists(t, up.papers)

	file := filepath.Join(t.TempDir(), "a file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	a.papers = filepath.Join(file, "state")
	reply := ask(a, runbooks.PowerDown, "run-3")
	require.Equal(t, preview.Hash, reply.Hash)
	require.Contains(t, reply.Warnings[len(reply.Warnings)-1].String(), "nightshift report --manual run-3")
}

// A vCenter takes a while to notice that a host has died. A run waits for that, for as long as it may take; a preview tells it.
func TestARunWaitsUntilItsVCenterNoticesADeadHost(t *testing.T) {
	dead := func() *world {
		w := offWorld()
		w.bmc.Power, w.host.Maintenance, w.host.Power = live.Off, false, live.PoweredOn
		return w
	}
	ask := func(w *world, run string) plan.Reply {
		a := newActivities(w)
		a.lab.Self.Guest, a.lab.Guests, a.lab.Hosts = "", nil, a.lab.Hosts[:1]
		a.lab.Policies.Guest.Timeout, a.lab.Policies.Host.Timeout = within(time.Minute), within(time.Minute)
		if w.onInspect != nil {
			a.settle = time.Minute // something comes
		}
		reply, err := makePlan(t, a, plan.Request{Runbook: runbooks.PowerDown, Lab: "home", Run: run})
		require.NoError(t, err)
		return reply
	}
	noticing := func(w *world) *world {
		looks := 0
		w.onInspect = func() {
			if looks++; looks > 3 {
				w.host.Connection = live.NotResponding
			}
		}
		return w
	}
	require.Empty(t, ask(noticing(dead()), "run-1").Blockers)
	for _, reply := range []plan.Reply{ask(noticing(dead()), ""), ask(dead(), "run-1")} {
		require.Len(t, reply.Blockers, 1)
		require.Contains(t, reply.Blockers[0].Text, "its BMC says Off, but vCenter says connected")
	}
	w := noticing(dead())
	w.guest.Power, w.guest.FT = live.PoweredOn, true // what does not pass is told at once
	w.bmc.Power, w.host.Maintenance = live.On, false
	w.onInspect = func() { w.guest.FT = false }
	require.NotEmpty(t, ask(w, "run-1").Blockers)
}

// A run that looks at its end what would have to be done again must not take a host for lost that does not answer for a moment.
func TestAHostOutOfSightIsWaitedForWhereTheEndIsLookedAt(t *testing.T) {
	for name, tc := range map[string]struct {
		again bool
		power string
		looks int
	}{
		"at the end":       {again: true, power: live.On, looks: 4},
		"before":           {power: live.On, looks: 1},
		"its BMC says Off": {again: true, power: live.Off, looks: 1},
		"its BMC does not": {again: true, looks: 4},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			w.host.Connection, w.bmc.Power = live.NotResponding, tc.power
			looks := 0
			w.onInspect = func() {
				if looks++; looks == 3 {
					w.host.Connection = live.Connected
				}
			}
			a := newActivities(w)
			a.settle = time.Minute
			_, err := makePlan(t, a, plan.Request{Runbook: runbooks.PowerUp, Lab: "home", Run: "run-1", Again: tc.again})
			require.NoError(t, err)
			require.Equal(t, tc.looks, looks)
		})
	}
}

func TestMakePlanRefuses(t *testing.T) {
	for name, r := range map[string]plan.Request{
		"another lab":       {Runbook: runbooks.PowerDown, Lab: "other"},
		"unknown runbook":   {Runbook: "power-sideways", Lab: "home"},
		"unknown parameter": {Runbook: runbooks.PowerDown, Lab: "home", Parameters: map[string]string{"nonsense": "1"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := makePlan(t, newActivities(newWorld()), r)
			requireType(t, err, InvalidInput)
		})
	}
}

func TestAnUnreachableVCenterEndsTheInspection(t *testing.T) {
	w := newWorld()
	w.readErr = fault.As(fault.Unreachable, errors.New("no route to vc1"))
	a := newActivities(w)
	a.lab.Guests = nil // it runs outside of the lab
	_, err := makePlan(t, a, plan.Request{Runbook: runbooks.PowerDown, Lab: "home"})
	requireType(t, err, Transient)
	require.ErrorContains(t, err, "no route to vc1")
}

// On battery what other vCenters know of must not stay up for one that cannot be read, whatever the reason.
func TestOnBatteryAVCenterThatCannotBeReadIsLeftOut(t *testing.T) {
	for name, why := range map[string]error{"no answer": fault.As(fault.Unreachable, errors.New("no route to vc2")), "refused": fault.As(fault.Auth, errors.New("wrong password for vc2"))} {
		t.Run(name, func(t *testing.T) {
			r := newPowerRig(t)
			a := r.acts
			a.lab.Guests = nil // vCenters run outside of the lab
			a.lab.VCenters = append(a.lab.VCenters, inventory.VCenter{Name: "vc2", Endpoint: a.lab.VCenters[0].Endpoint})
			dial := a.clients.resolve
			a.clients.resolve = func(ctx context.Context, name string, e inventory.Endpoint, dir string) (endpoint.Resolved, error) {
				if name == "vc2" {
					return endpoint.Resolved{}, why
				}
				return dial(ctx, name, e, dir)
			}
			_, err := makePlan(t, a, plan.Request{Runbook: runbooks.PowerDown, Lab: "home"})
			require.ErrorContains(t, err, why.Error(), "not on battery")

			onBattery := plan.Request{Runbook: runbooks.PowerDown, Lab: "home", Parameters: map[string]string{"ups": "rack"}}
			reply, err := makePlan(t, a, onBattery)
			require.NoError(t, err)
			for _, b := range reply.Blockers {
				require.NotContains(t, b.Subject, "vCenter")
			}
			r.world.readErr = fault.As(fault.Unreachable, errors.New("no route to vc1"))
			_, err = makePlan(t, a, onBattery)
			require.ErrorContains(t, err, "no route to vc1", "nothing is known of anything: it is tried again")
		})
	}
}

func TestTheBMCOfAnotherServerTellsNothing(t *testing.T) {
	w := newWorld()
	w.bmc.Serial = "TAG2"
	st, err := newActivities(w).inspect(t.Context(), ledger.State{})
	require.NoError(t, err)
	require.Contains(t, st.BMCs[0].Err, "it is the BMC of another server")
	require.Empty(t, st.BMCs[0].Power)
}

func TestABMCThatCannotBeReadSaysWhy(t *testing.T) {
	a := newActivities(newWorld())
	a.clients.dialBMC = func(context.Context, endpoint.Resolved, *inventory.BMC) (bmc.Session, error) {
		return nil, fault.As(fault.Unreachable, errors.New("no route to esx21-oob"))
	}
	st, err := a.inspect(t.Context(), ledger.State{})
	require.NoError(t, err)
	require.Equal(t, "me", st.Instance)
	require.Equal(t, "vc1", st.VCenters[0].Name)
	require.Equal(t, live.BMC{Host: "esx21", Err: "no route to esx21-oob"}, st.BMCs[0])
}
