package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/ledger"
	"nightshift/internal/plan"
	"nightshift/internal/runapi"
)

// A group in time, one that is late, changes too much and will have no space, one that is as late as can be, and one of which nothing
// has arrived whole; one that was never replicated, and what is left of one that the lab file has no more.
func TestStatusTellsHowGroupsAreDoing(t *testing.T) {
	group := func(name string, ago time.Duration, volumes ...ledger.Volume) ledger.Group {
		m := ledger.Measured{Group: name, Run: "replicate-home-" + name, At: midnight(), Point: midnight().Add(-ago), Every: plan.Duration(time.Hour), Free: 200 << 30, Volumes: volumes}
		return ledger.Group{Measured: m}
	}
	quiet := ledger.Volume{Dataset: "tank/log", PerDay: 1 << 20}
	late := group("mail", 150*time.Minute, ledger.Volume{Dataset: "tank/mail", PerDay: 3 << 29, Noisy: true}, quiet)
	late.Full = time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC)
	none := group("web", 0, ledger.Volume{Dataset: "tank/web", PerDay: -1})
	none.Point = time.Time{}
	ahead := group("erp", -365*24*time.Hour) // measured with a clock that was a year ahead
	c := newConsole(t, &fakeLab{state: ledger.State{Lab: "home", Groups: []ledger.Group{group("files", 90*time.Hour, quiet), group("crm", time.Hour, quiet), group("db", 2*time.Hour, quiet), late,
		group("shop", 3*time.Hour, quiet), group("wiki", 210*time.Minute, quiet), none, ahead}}})
	storageAlone(t, "crm", "db", "shop", "wiki", "web", "erp", "new")
	require.Equal(t, exitDone, c.run("status"), c.stderr)
	golden(t, "status-groups.txt", c.stdout.String())
}

// What was measured after a replication is in the report of its run, whole.
func TestAReportTellsHowItsGroupIsDoing(t *testing.T) {
	const said = "critical: the newest recovery point on the other side is 3h30m0s old, 3.5 times the interval; warning: tank/mail changes by 1.5 GiB a day, more than 1 GiB: " +
		"swap and temporary files would be better elsewhere; warning: 200 GiB left in backup/ss1, full about 2026-11-30 if all goes on so"
	p := &plan.Plan{Schema: plan.SchemaVersion, Runbook: "replicate", Title: "Replicate group mail from ss1 to ss2", Lab: "home", Created: midnight(), Steps: []plan.Step{
		{ID: "measure:mail", Title: "Measure change rate, lag and space", Group: "End", Action: plan.MeasureGroup, Target: plan.Target{Kind: plan.ProtectionGroup, Name: "mail"}}}}
	s := runapi.Sheet{Lab: "home", Runbook: p.Runbook, Title: p.Title, Hash: p.Hash(), Started: midnight().Add(-time.Minute), Total: 1, Done: 1, Steps: "d", Begun: []int64{0}, Finished: []int64{20},
		Runs: 1, Notes: map[string]string{"measure:mail": said}}
	c := newConsole(t, &fakeLab{plan: p, script: []runapi.Sheet{ended(s, runapi.Done, "")}})
	require.Equal(t, exitDone, c.run("report", runA), c.stderr)
	require.Contains(t, strings.Join(strings.Fields(c.stdout.String()), " "), "Measure change rate, lag and space: "+said)
}
