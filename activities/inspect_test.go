package activities

import (
	"context"
	"errors"
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
