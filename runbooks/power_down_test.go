package runbooks_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/inventory"
	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/runbooks"
)

func params[T any](t *testing.T, s plan.Step) T {
	t.Helper()
	var v T
	require.NoError(t, json.Unmarshal(s.Params, &v))
	return v
}

func TestNoGuestGoesDownBeforeItIsRemembered(t *testing.T) {
	p := homeLab().plan(t, runbooks.PowerDown)
	all := before(p)
	for _, s := range p.Steps {
		if s.Action != plan.MarkLab && s.Action != plan.RememberRunning {
			require.True(t, all[s.ID]["remember-running"], s.ID)
		}
	}
	m := params[plan.RememberParams](t, step(t, p, "remember-running"))
	require.Len(t, m.Guests, 5)
	require.Equal(t, plan.RememberedGuest{Endpoint: "vc1", UUID: uuid(2, 12), Name: "db01", Host: "esx22", Tools: true}, m.Guests[0])
}

// Without settings to take first, too: in a cluster of which something stays.
func TestGuestsOfPartOfAClusterAreRememberedFirst(t *testing.T) {
	f := homeLab()
	f.labHost("esx21").Keep = true
	p := f.plan(t, runbooks.PowerDown)
	all := before(p)
	require.True(t, has(p, "shutdown-guest:db01"))
	require.False(t, has(p, "suspend-ha:Lab"))
	for _, s := range p.Steps {
		if s.Action != plan.MarkLab && s.Action != plan.RememberRunning {
			require.True(t, all[s.ID]["remember-running"], s.ID)
		}
	}
}

func TestRememberOnlyAdds(t *testing.T) {
	f := homeLab()
	f.ledger.Memory = []plan.RememberedGuest{{Endpoint: "vc1", UUID: f.guest("db01").UUID, Name: "db01"}}
	m := params[plan.RememberParams](t, step(t, f.plan(t, runbooks.PowerDown), "remember-running"))
	require.Len(t, m.Guests, 4)
	for _, g := range m.Guests {
		require.NotEqual(t, "db01", g.Name)
	}
}

func TestHostWaitsOnlyForItsOwnGuests(t *testing.T) {
	p := homeLab().plan(t, runbooks.PowerDown)
	require.Equal(t, []string{"shutdown-guest:web02", "shutdown-guest:win-old", "suspend-vcls:Lab"}, step(t, p, "enter-maintenance:esx24").Needs)
	require.Equal(t, []string{"shutdown-guest:dc01", "suspend-vcls:Lab"}, step(t, p, "enter-maintenance:esx21").Needs)
}

func TestSettingsThatAreOffAlreadyAreLeft(t *testing.T) {
	f := homeLab()
	c := &f.vc().Clusters[1]
	c.HA, c.DPM, c.DRSLevel = false, false, "manual"
	p := f.plan(t, runbooks.PowerDown)
	for _, id := range []string{"suspend-ha:Lab", "suspend-drs:Lab", "suspend-dpm:Lab"} {
		require.False(t, has(p, id), id)
	}
	require.True(t, has(p, "suspend-vcls:Lab"))
}

func TestVCLSIsAskedToLeaveWhereThereIsAny(t *testing.T) {
	no := "false"
	for version, want := range map[string]bool{"6.7.0": false, "7.0.0": false, "7.0.1": true, "8.0.2": true, "8.0.3": false, "9.0.0": false, "": false} {
		f := homeLab()
		f.vc().Version = version
		require.True(t, has(f.plan(t, runbooks.PowerDown), "suspend-vcls:Lab"), "its VMs are there, whatever the version %q", version)
		f.vc().Guests = f.vc().Guests[:len(f.vc().Guests)-2]
		require.Equal(t, want, has(f.plan(t, runbooks.PowerDown), "suspend-vcls:Lab"), version)
		f.vc().Clusters[1].VCLS = &no
		require.False(t, has(f.plan(t, runbooks.PowerDown), "suspend-vcls:Lab"), "%s retreats already", version)
	}
}

func TestOffGuestsDoNotBreakTheOrder(t *testing.T) {
	f := homeLab()
	f.guest("db01").Power = live.PoweredOff
	all := before(f.plan(t, runbooks.PowerDown))
	require.True(t, all["shutdown-guest:dc01"]["shutdown-guest:web01"], "web01 needs dc01 through db01, which is off")
}

func TestPoliciesAndLimitsReachTheSteps(t *testing.T) {
	f := homeLab()
	f.lab.Runbooks["power-down"] = inventory.Runbook{OnFailure: plan.Force}
	f.labGuest("db01").Shutdown = &inventory.GuestPolicy{Timeout: 20 * minute, OnTimeout: plan.LeaveGuest}
	f.labHost("esx21").Shutdown = &inventory.HostPolicy{Via: plan.ViaBMC, OnTimeout: plan.ForceOffBMC}
	p := f.plan(t, runbooks.PowerDown)

	db := step(t, p, "shutdown-guest:db01")
	require.Equal(t, "Shut down guest db01 (Tools, 20 min, then ask)", db.Title)
	require.Equal(t, plan.ShutdownGuestParams{Method: "shutdown", Timeout: 20 * minute, OnTimeout: "leave", NoTools: "leave", Host: "host-22"}, params[plan.ShutdownGuestParams](t, db))
	require.Greater(t, db.Timeout, 20*minute)
	require.Equal(t, []string{"vcenter:vc1", "host:esx22"}, db.Holds)
	host := step(t, p, "shutdown-host:esx21")
	require.Equal(t, "Ask the BMC of host esx21 to shut it down, and see it say Off", host.Title)
	require.Equal(t, plan.ShutdownHostParams{Host: "esx21", Via: "graceful", NoRights: "leave", Timeout: 15 * minute, OnTimeout: "forceOff"}, params[plan.ShutdownHostParams](t, host))
	require.Equal(t, map[string]int{"vcenter": 16, "host": 4, "bmc": 1}, p.Limits)
	for _, s := range p.Steps {
		want := plan.Force
		if s.Action == plan.UnmarkLab {
			want = plan.Skip
			require.True(t, s.Always)
		}
		require.Equal(t, want, s.OnFailure, s.ID)
		require.Positive(t, s.Timeout, s.ID)
		require.Positive(t, s.Estimate, s.ID)
	}
}

func TestGuestsOfOneNameAreToldApart(t *testing.T) {
	f := homeLab()
	f.addGuest(60, "web01", "esx21")
	p := f.plan(t, runbooks.PowerDown)
	require.True(t, has(p, "shutdown-guest:web01@vm-13"))
	require.True(t, has(p, "shutdown-guest:web01@vm-60"))
}

func TestHostsByTheirNameInVCenter(t *testing.T) {
	f := homeLab()
	f.labHost("esx21").Address = "ESX21.home.example"
	f.host("esx21").Name = "esx21.home.example"
	s := step(t, f.plan(t, runbooks.PowerDown), "shutdown-host:esx21")
	require.Equal(t, plan.Target{Kind: plan.Host, Name: "esx21.home.example", Endpoint: "vc1", Ref: "host-21", UUID: uuid(1, 21)}, s.Target)
	require.Equal(t, "esx21", params[plan.ShutdownHostParams](t, s).Host)
}

func TestSelfHostIsKept(t *testing.T) {
	f := homeLab()
	f.lab.Self = inventory.Self{Host: "esx21"}
	p := f.plan(t, runbooks.PowerDown)
	require.Empty(t, p.Blockers)
	require.False(t, has(p, "shutdown-host:esx21"))
	require.False(t, has(p, "shutdown-guest:dc01"))
	require.False(t, has(p, "suspend-ha:Lab"), "the cluster stays in part")
}

func TestKeptClusterIsLeftAlone(t *testing.T) {
	f := homeLab()
	f.lab.Clusters = []inventory.Cluster{{Name: "Lab", VCenter: "vc1", Keep: true}}
	p := f.plan(t, runbooks.PowerDown)
	require.Empty(t, p.Steps)
	require.Len(t, p.Untouched, 5)
}

func TestOpenDebtsDoNotStopAPowerDown(t *testing.T) {
	f := homeLab()
	f.owe(plan.HA, "true")
	p := f.plan(t, runbooks.PowerDown)
	require.Empty(t, p.Blockers)
	require.True(t, has(p, "suspend-ha:Lab"), "it is on, whatever is owed")
}

func TestStandbyHostIsDown(t *testing.T) {
	f := homeLab()
	f.host("esx21").Power, f.bmc("esx21").Power = "standBy", live.Off
	f.guest("dc01").Power = live.PoweredOff
	p := f.plan(t, runbooks.PowerDown)
	require.Empty(t, p.Blockers)
	require.False(t, has(p, "shutdown-host:esx21"))
	require.True(t, has(p, "suspend-ha:Lab"), "the whole cluster will be down")
}

func TestOurOwnMarkIsNoObstacle(t *testing.T) {
	f := homeLab()
	f.vc().Mark = us
	require.Empty(t, f.plan(t, runbooks.PowerDown).Blockers)
}

func TestTwoVCentersWithTheSameNames(t *testing.T) {
	f := homeLab()
	f.withSecondVCenter()
	f.lab.Groups[0].Guests = nil // web01 would be ambiguous
	f.lab.Guests = append(f.lab.Guests, inventory.Guest{Name: "web01", VCenter: "vc2", After: []string{"dc01"}})
	p := f.plan(t, runbooks.PowerDown)
	require.Empty(t, p.Blockers)
	one, two := step(t, p, "shutdown-guest:web01@vm-13@vc1"), step(t, p, "shutdown-guest:web01@vm-13@vc2")
	require.Equal(t, "vc2", two.Target.Endpoint)
	require.Equal(t, []string{"vcenter:vc2", "host:esx51"}, two.Holds)
	require.Contains(t, step(t, p, "shutdown-guest:dc01").Needs, two.ID, "over the border between vCenters")
	require.NotContains(t, step(t, p, "shutdown-guest:dc01").Needs, one.ID)
	require.True(t, has(p, "suspend-ha:Lab@domain-c8@vc1") && has(p, "suspend-ha:Lab@domain-c8@vc2"))
	require.Contains(t, step(t, p, "remember-running").Needs, "mark-lab:vc2")
}

func TestGuestsOfKeptHostsAreNoDrift(t *testing.T) {
	f, g := homeLab(), homeLab()
	g.addGuest(70, "backup", "nuc")
	require.Equal(t, f.plan(t, runbooks.PowerDown).Hash(), g.plan(t, runbooks.PowerDown).Hash())
}

func TestLargeMemoryIsSplit(t *testing.T) {
	f := homeLab()
	for i := range 600 {
		f.addGuest(1000+i, fmt.Sprintf("many%03d", i), "esx21")
	}
	p := f.plan(t, runbooks.PowerDown)
	part := func(p plan.Plan, id string) []plan.RememberedGuest {
		return params[plan.RememberParams](t, step(t, p, id)).Guests
	}
	one, two := part(p, "remember-running:1"), part(p, "remember-running:2")
	require.Equal(t, 605, len(one)+len(two))
	require.Less(t, max(len(one), len(two)), 400)
	require.Equal(t, fmt.Sprintf("Remember the %d guests that run (part 2 of 2)", len(two)), step(t, p, "remember-running:2").Title)
	require.Equal(t, []string{"remember-running:1"}, step(t, p, "remember-running:2").Needs)
	require.Equal(t, []string{"remember-running:2"}, step(t, p, "suspend-ha:Lab").Needs)

	f.ledger.Memory = append(f.ledger.Memory, one[:100]...) // a new plan, when a step is done in part: no guest is in another step than before
	again := f.plan(t, runbooks.PowerDown)
	require.Equal(t, one[100:], part(again, "remember-running:1"))
	require.Equal(t, two, part(again, "remember-running:2"))
	f.ledger.Memory = append(f.ledger.Memory, one[100:]...)
	again = f.plan(t, runbooks.PowerDown)
	require.False(t, has(again, "remember-running:1"))
	require.Equal(t, two, part(again, "remember-running:2"))
}
