package runbooks_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/runbooks"
)

// unnoticedDown is a lab after a power-down whose vCenter goes on to call every host connected.
func unnoticedDown() *fixture {
	f := allDown()
	for i := range f.vc().Hosts {
		f.vc().Hosts[i].Connection, f.vc().Hosts[i].Power = live.Connected, live.PoweredOn
	}
	for i := range f.vc().Guests {
		f.vc().Guests[i].Connection = live.Connected
	}
	return f
}

func TestPowerDownBelievesTheBMCOfAHostThatWasMadeReady(t *testing.T) {
	p := unnoticedDown().plan(t, runbooks.PowerDown)
	require.Empty(t, p.Blockers)
	require.Empty(t, p.Steps)
	require.Contains(t, p.Title, "Nothing to do")
	require.True(t, among(p.Warnings, finding{"host esx21", "vCenter still says connected"}))
}

func TestPowerUpOfHostsWhoseVCenterHasNotNoticed(t *testing.T) {
	f := unnoticedDown()
	p := f.plan(t, runbooks.PowerUp)
	require.Empty(t, p.Blockers)
	require.True(t, among(p.Warnings, finding{"host esx21", "vCenter still says connected"}))
	require.True(t, has(p, "power-on-host:esx21"))
	require.JSONEq(t, string(plan.Encode(plan.HostParams{Host: "esx21", Unnoticed: true})), string(step(t, p, "await-host:esx21").Params),
		"what vCenter says before the host has booted proves nothing")
	require.Contains(t, step(t, p, "exit-maintenance:esx21").Needs, "await-host:esx21")
	for _, g := range []string{"dc01", "db01", "web01", "web02", "win-old"} {
		require.True(t, has(p, "power-on-guest:"+g), g)
	}
	require.NotContains(t, string(step(t, allDown().plan(t, runbooks.PowerUp), "await-host:esx21").Params), "unnoticed")
}

// What a run does itself is nothing to warn of when it plans anew what is left. What anybody else does is.
func TestTasksOfTheRunItselfAreNotWarnedOf(t *testing.T) {
	for name, c := range map[string]struct {
		task, mark string
		warned     bool
	}{
		"its own":                      {"HostSystem.enterMaintenanceMode", us, false},
		"its own, on a cluster":        {"ClusterComputeResource.reconfigureEx", us, false},
		"before it has begun":          {"HostSystem.enterMaintenanceMode", "", true},
		"of a kind that it never does": {"VirtualMachine.reconfigure", us, true},
	} {
		f := homeLab()
		f.vc().Mark = c.mark
		f.vc().Tasks = []live.Task{{Ref: "task-9", Name: c.task, Entity: f.host("esx21").Ref}}
		p := f.plan(t, runbooks.PowerDown)
		require.Equal(t, c.warned, among(p.Warnings, finding{"host esx21", "the task " + c.task + " is under way"}), name)
	}
}

// Of which hosts nobody can tell whether guests still run from a datastore that goes down after its vCenter, the plan says.
func TestStorageUnderHostsThatNobodyCanAsk(t *testing.T) {
	const text = "serves datastores to hosts that stay up, without esxi: in the lab file (esx3)"
	warned := func(change func(f *fixture)) bool {
		f := insideLab()
		for _, name := range []string{"db01", "secret"} {
			f.guest(name).Power = live.PoweredOff
		}
		f.labHost("esx3").Keep = true
		change(f)
		return among(f.observed().plan(t, runbooks.PowerDown).Warnings, finding{"guest ss1", text})
	}
	require.True(t, warned(func(*fixture) {}))
	require.False(t, warned(func(f *fixture) { f.esxi("esx3") }), "it can be asked")
	require.False(t, warned(func(f *fixture) { f.labHost("esx3").Keep = false }), "it is seen off before")
}
