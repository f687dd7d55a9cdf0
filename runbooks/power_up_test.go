package runbooks_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/inventory"
	"nightshift/internal/ledger"
	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/runbooks"
)

func TestClusterIsBackBeforeItsGuests(t *testing.T) {
	p := allDown().plan(t, runbooks.PowerUp)
	all := before(p)
	chain := []string{"settle-vcls:Lab", "settle-drs:Lab", "settle-dpm:Lab", "settle-ha:Lab", "power-on-guest:dc01", "check-guest:dc01", "power-on-guest:db01",
		"check-guest:db01", "power-on-guest:web02", "check-guest:web02", "forget-running", "unmark-lab:vc1"}
	for i := 1; i < len(chain); i++ {
		require.True(t, all[chain[i]][chain[i-1]], "%s after %s", chain[i], chain[i-1])
	}
	for _, h := range []string{"esx21", "esx22", "esx23", "esx24"} {
		require.True(t, all["settle-vcls:Lab"]["await-datastores:"+h], h)
		require.True(t, all["await-datastores:"+h]["power-on-host:"+h], h)
	}
	require.Equal(t, plan.AwaitDatastoresParams{Host: "esx21", Datastores: []string{"datastore-1", "datastore-2"}},
		params[plan.AwaitDatastoresParams](t, step(t, p, "await-datastores:esx21")))
}

func TestHealthChecks(t *testing.T) {
	f := allDown()
	p := f.plan(t, runbooks.PowerUp)
	db := step(t, p, "check-guest:db01")
	require.Equal(t, plan.CheckGuestParams{Tools: true, TCP: []string{"192.168.4.31:5432"}}, params[plan.CheckGuestParams](t, db))
	require.Equal(t, 7*minute, db.Timeout, "what the lab file says, and a margin to say what was seen")
	require.False(t, has(p, "check-guest:win-old"), "it never ran Tools")

	no := false
	f.labGuest("db01").Health = &inventory.Health{Tools: &no}
	p = f.plan(t, runbooks.PowerUp)
	require.False(t, has(p, "check-guest:db01"))
	require.Equal(t, []string{"power-on-guest:db01"}, step(t, p, "power-on-guest:web01").Needs)
}

func TestForgetRunsAlwaysAndTakesOnlyWhatIsRemembered(t *testing.T) {
	f := allDown()
	f.ledger.Memory = f.ledger.Memory[:2] // dc01, db01
	s := step(t, f.plan(t, runbooks.PowerUp), "forget-running")
	require.True(t, s.Always, "after an abort, too: what was started is not remembered any more")
	require.Len(t, params[plan.RememberParams](t, s).Guests, 2)
	require.Equal(t, []string{"check-guest:db01", "check-guest:dc01"}, s.Needs)
}

func TestWhatRunsAlreadyIsForgottenAndNotStarted(t *testing.T) {
	f := homeLab()
	f.ledger.Memory = allDown().ledger.Memory
	p := f.plan(t, runbooks.PowerUp)
	require.Len(t, p.Steps, 1)
	require.Equal(t, plan.ForgetRunning, p.Steps[0].Action)
	require.Equal(t, "Power up lab home: hosts and guests are up, the rest is left", p.Title)
}

func TestHalfDonePowerUp(t *testing.T) {
	f := allDown()
	up := homeLab()
	*f.host("esx21"), *f.bmc("esx21") = *up.host("esx21"), *up.bmc("esx21")
	f.host("esx21").Maintenance = true // connected, not taken out yet
	f.bmc("esx22").Power = live.On     // boots
	f.bmc("esx23").Power = live.PoweringOn
	p := f.plan(t, runbooks.PowerUp)
	require.Empty(t, p.Blockers)
	require.False(t, has(p, "await-host:esx21"))
	require.True(t, has(p, "exit-maintenance:esx21"))
	require.False(t, has(p, "power-on-host:esx22"))
	require.True(t, has(p, "await-host:esx22"))
	require.False(t, has(p, "power-on-host:esx23"))
	require.True(t, has(p, "await-host:esx23"))
	require.True(t, has(p, "power-on-host:esx24"))
}

func TestMaintenanceModeOfAPersonIsLeft(t *testing.T) {
	f := homeLab()
	f.host("esx21").Maintenance = true
	p := f.plan(t, runbooks.PowerUp)
	require.Empty(t, p.Steps)
	require.True(t, among(p.Warnings, finding{"host esx21", "stays in it"}))
}

func TestWithoutMemoryTheStartTagDecides(t *testing.T) {
	f := allDown()
	f.ledger = ledgerWithoutMemory(f)
	p := f.plan(t, runbooks.PowerUp)
	require.True(t, has(p, "power-on-guest:web01") && has(p, "power-on-guest:web02"))
	require.True(t, has(p, "power-on-guest:db01"), "is pulled in")
	require.False(t, has(p, "power-on-guest:win-old"))

	up := homeLab() // but nothing starts in a lab that is up
	up.guest("web01").Power = live.PoweredOff
	p = up.plan(t, runbooks.PowerUp)
	require.Empty(t, p.Steps)
	require.True(t, among(p.Untouched, finding{"1 guest with the tag StartUp", "tag=StartUp"}))
}

func TestTagLeavesTheOthersRemembered(t *testing.T) {
	f := allDown()
	f.params = map[string]string{"tag": "web"}
	p := f.plan(t, runbooks.PowerUp)
	require.True(t, has(p, "power-on-guest:web02"))
	require.False(t, has(p, "power-on-guest:web01"))
	require.True(t, among(p.Warnings, finding{"2 guests that ran before", "remembered for the next power-up"}))
	require.Len(t, params[plan.RememberParams](t, step(t, p, "forget-running")).Guests, 3, "web02, and db01 and dc01 that it needs")
}

func TestClusterParameter(t *testing.T) {
	f := allDown()
	f.vc().Clusters = append(f.vc().Clusters, live.Cluster{Ref: "domain-c9", Name: "Test"})
	f.addHost(31, "esx31", "domain-c9")
	f.lab.Hosts = append(f.lab.Hosts, labHost("esx31"))
	f.host("esx31").Connection, f.bmc("esx31").Power = live.NotResponding, live.Off
	f.params = map[string]string{"cluster": "Test"}
	p := f.plan(t, runbooks.PowerUp)
	require.Equal(t, "Power up lab home: 1 host, 0 guests", p.Title)
	require.False(t, has(p, "settle-ha:Lab"))
	f.params = map[string]string{"cluster": "Lab"}
	p = f.plan(t, runbooks.PowerUp)
	require.Equal(t, "Power up lab home: 4 hosts, 5 guests", p.Title)
	require.False(t, has(p, "power-on-host:esx31"))
}

func TestPowerUpWarnings(t *testing.T) {
	for _, c := range []findingCase{
		{"gone", func(f *fixture) {
			f.ledger.Memory = append(f.ledger.Memory, plan.RememberedGuest{Endpoint: "vc1", UUID: "gone", Name: "old01"})
		}, finding{"guest old01", "stays remembered"}},
		{"need that is not met", func(f *fixture) { f.ledger.Memory = f.ledger.Memory[1:] }, finding{"guest db01", "needs guest dc01, which does not run"}},
		{"lost host", func(f *fixture) { f.guest("web01").Connection = "orphaned" }, finding{"guest web01", "is not started"}},
		{"kept host is down", func(f *fixture) { f.host("nuc").Connection = live.NotResponding }, finding{"host nuc", "is kept, but vCenter says notResponding"}},
		{"disconnected by a person", func(f *fixture) { f.bmc("esx21").Power, f.host("esx21").Connection = live.On, live.Disconnected }, finding{"host esx21", "does not connect to it again"}},
		{"cluster is gone", func(f *fixture) { f.ledger.Debts[0].Target.Ref = "domain-c99" }, finding{"cluster Lab", "has no such cluster any more"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			expect(t, runbooks.PowerUp, c, func(p plan.Plan) []plan.Finding {
				require.Empty(t, p.Blockers)
				return p.Warnings
			})
		})
	}
}

// Who bears the start tag on a kept host is left alone as the host is.
func TestGuestsOfKeptHostsAreNotStarted(t *testing.T) {
	f := allDown()
	g := f.addGuest(71, "backup", "nuc")
	g.Power, g.Tags = live.PoweredOff, []string{"StartUp"}
	f.params = map[string]string{"tag": "StartUp"}
	p := f.plan(t, runbooks.PowerUp)
	require.False(t, has(p, "power-on-guest:backup"))
	require.True(t, among(p.Untouched, finding{"guest backup", "its host nuc is left alone"}))
}

func TestGoneGuestsAreNotForgotten(t *testing.T) {
	f := allDown()
	f.ledger.Memory = append(f.ledger.Memory, plan.RememberedGuest{Endpoint: "vc1", UUID: "gone", Name: "old01"})
	f.ledger.Debts[0].ID, f.ledger.Debts[0].Target.Ref = "vc1/domain-c99/ha", "domain-c99"
	p := f.plan(t, runbooks.PowerUp)
	for _, g := range params[plan.RememberParams](t, step(t, p, "forget-running")).Guests {
		require.NotEqual(t, "old01", g.Name)
	}
	warnings := fmt.Sprint(p.Warnings)
	require.Contains(t, warnings, "`nightshift settle --forget vc1/gone --reason …`", "the way to forget is named")
	require.Contains(t, warnings, "`nightshift settle --forgive vc1/domain-c99/ha --reason …`")
}

func TestRunningNeedsAreMet(t *testing.T) {
	f := allDown()
	f.labGuest("db01").After = []string{"mgmt"} // runs on the kept NUC
	p := f.plan(t, runbooks.PowerUp)
	require.Empty(t, p.Warnings)
	require.Equal(t, []string{"settle-ha:Lab"}, step(t, p, "power-on-guest:db01").Needs)
}

func TestHostThatIsOffStartsNothingOnStaleNews(t *testing.T) {
	f := allDown() // vCenter may show the last known state of the guests of a host that is away
	f.guest("web01").Power = live.PoweredOn
	require.True(t, has(f.plan(t, runbooks.PowerUp), "power-on-guest:web01"))
}

func TestSettleOnlyWhereAHostIsUp(t *testing.T) {
	p := allDown().plan(t, runbooks.Settle)
	require.Empty(t, p.Steps)
	require.Equal(t, "Nothing to do now: what lab home is owed can't be given back yet", p.Title)
	require.True(t, among(p.Warnings, finding{"cluster Lab", "no host of it is connected"}))
	require.Equal(t, "Nothing to do: lab home is owed nothing", homeLab().plan(t, runbooks.Settle).Title)
}

func ledgerWithoutMemory(f *fixture) (l ledger.State) {
	l = f.ledger
	l.Memory = nil
	return l
}

// A host that was in maintenance mode before the power-down is switched on, and left in it; its neighbours are not.
func TestAHostThatWasInMaintenanceBeforeStaysInIt(t *testing.T) {
	f := allDown()
	f.ledger.Debts = slices.DeleteFunc(f.ledger.Debts, func(d plan.Debt) bool { return d.Target.Name == "esx22" })
	p := f.plan(t, runbooks.PowerUp)
	require.Empty(t, p.Blockers)
	require.True(t, has(p, "power-on-host:esx22"))
	require.False(t, has(p, "exit-maintenance:esx22"))
	require.True(t, has(p, "exit-maintenance:esx21"))
	require.True(t, among(p.Warnings, finding{"host esx22", "stays in it"}))
}

// Where nothing is written down, a host that the run switches on is taken out of maintenance mode: nightshift is new here.
func TestHostsOfALabThatWasPutDownByHandComeBack(t *testing.T) {
	f := allDown()
	f.ledger.Debts, f.ledger.Memory = nil, nil
	p := f.plan(t, runbooks.PowerUp)
	require.True(t, has(p, "exit-maintenance:esx22"))
}

func TestSettleTakesHostsOutOfMaintenance(t *testing.T) {
	f := homeLab()
	f.putAside("esx21")
	f.putAside("esx22")
	f.host("esx22").Connection = live.NotResponding
	f.host("esx23").Maintenance = true
	p := f.plan(t, runbooks.Settle)
	require.True(t, has(p, "exit-maintenance:esx21"))
	require.False(t, has(p, "exit-maintenance:esx22"), "nobody answers there")
	require.False(t, has(p, "exit-maintenance:esx23"), "a person did that")
	require.True(t, among(p.Warnings, finding{"host esx22", "not connected"}))
}
