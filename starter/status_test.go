package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/ledger"
	"nightshift/internal/plan"
	"nightshift/internal/runapi"
)

const runA, runB = "power-down-home-20261120-220000", "power-up-home-20261119-060000"

// busyLab has one of everything that status tells.
func busyLab() *fakeLab {
	holder := func(run string) ledger.Holder {
		return ledger.Holder{Workflow: run, FirstRun: "1", Runbook: "power-down", By: "ann@desk"}
	}
	return &fakeLab{
		plan: littlePlan(), script: []runapi.Sheet{sheet("db.")},
		list:  []runInfo{{Run: runA, Runbook: "power-down", State: "executing", Open: true, Started: midnight().Add(-time.Minute)}},
		infos: map[string]runInfo{runA: {Run: runA, Open: true}, runB: {Run: runB, State: "terminated"}},
		state: ledger.State{Lab: "home",
			Locks: []ledger.Lock{{Scope: "lab", Holder: holder(runA), Since: midnight()}, {Scope: "host:esx21", Holder: holder(runB), Since: midnight().Add(-24 * time.Hour)}},
			Debts: []plan.Debt{{ID: "vc1/domain-c8/ha", Target: plan.Target{Kind: plan.Cluster, Name: "Lab"}, Setting: plan.HA, Was: "true", Run: runA, Since: midnight()},
				{ID: "vc1/domain-c8/vcls", Target: plan.Target{Kind: plan.Cluster, Name: "Lab"}, Setting: plan.VCLS, Run: runA, Since: midnight()}},
			Memory: []plan.RememberedGuest{{Name: "web01"}, {Name: "db01"}},
			Hold:   &ledger.Hold{Until: midnight().Add(10 * time.Hour), Reason: "backup runs late", By: "bob@nas", Since: midnight()}},
		unsent: &unsent{Number: 2, At: midnight().Add(-time.Hour), Event: "blocked", Run: runB, Error: "not sent through channel mail: 535 authentication failed"},
		scheds: []runapi.Schedule{
			{Name: "nightly", Lab: "home", Runbook: "power-down", Cron: "0 23 * * *", Zone: "Europe/Berlin", Next: midnight(), Missed: 1},
			{Name: "morning", Lab: "home", Runbook: "power-up", Cron: "0 6 * * 1-5", Zone: "Europe/Berlin", Paused: true, Note: "paused by ann@desk: holidays"}},
	}
}

func TestStatusTellsEverythingThatIsOpen(t *testing.T) {
	c := newConsole(t, busyLab())
	require.Equal(t, exitDone, c.run("status"), c.stderr)
	golden(t, "status.txt", c.stdout.String())

	require.Equal(t, exitDone, c.run("status", "-o", "json"))
	var st labStatus
	require.NoError(t, json.Unmarshal(c.stdout.Bytes(), &st))
	require.Equal(t, []orphan{{runB, "terminated"}}, st.Orphans)
	require.Equal(t, "shutdown-guest:db01", st.Runs[0].Blocked[0].ID)
}

func TestStatusOfAQuietLab(t *testing.T) {
	c := newConsole(t, &fakeLab{})
	require.Equal(t, exitDone, c.run("status"), c.stderr)
	require.Contains(t, c.stdout.String(), "Nothing is under way, nothing is owed, no hold.")
}

func TestUnlockOnlyFreesWhatIsClosed(t *testing.T) {
	lab := busyLab()
	c := newConsole(t, lab)
	require.Equal(t, exitUsage, c.run("unlock", runB))
	require.Equal(t, exitRefused, c.run("unlock", runA, "--reason", "impatient"))
	require.Empty(t, lab.changes)
	require.Equal(t, exitDone, c.run("unlock", runB, "--reason", "looked at it"), c.stderr)
	require.Equal(t, []ledger.Change{{By: "ann@desk", Unlock: &ledger.Unlock{Workflow: runB, Reason: "looked at it"}}}, lab.changes)
	require.Len(t, lab.state.Locks, 1)
}

func TestHold(t *testing.T) {
	lab := &fakeLab{}
	c := newConsole(t, lab)
	for _, bad := range [][]string{
		{"hold"}, {"hold", "--for", "1h"}, {"hold", "--for", "-1h", "--reason", "x"}, {"hold", "--until", "8 o'clock", "--reason", "x"},
		{"hold", "--until", "2020-01-01 08:00", "--reason", "x"}, {"hold", "--until", "08:00", "--for", "1h", "--reason", "x"}, {"hold", "--end", "--for", "1h"},
	} {
		require.Equal(t, exitUsage, c.run(bad...), "%v", bad)
	}
	require.Equal(t, exitUsage, c.run("hold", "--for", "12", "--reason", "x"))
	require.Contains(t, c.stderr.String(), "write 12h, 12m or 12s")
	require.Empty(t, lab.changes)
	require.Equal(t, exitDone, c.run("hold", "--until", "08:00", "--reason", "backup"), c.stderr)
	require.Equal(t, midnight().Add(10*time.Hour), lab.state.Hold.Until, "the next 08:00 is tomorrow's")
	require.Equal(t, "ann@desk", lab.state.Hold.By)
	require.Equal(t, exitDone, c.run("hold", "--end"))
	require.Nil(t, lab.state.Hold)
	require.Equal(t, exitFailed, c.run("hold", "--end"), "there is none any more")
}

func TestForgive(t *testing.T) {
	lab := busyLab()
	c := newConsole(t, lab)
	require.Equal(t, exitUsage, c.run("settle", "--forgive", "vc1/domain-c8/ha"))
	require.Equal(t, exitDone, c.run("settle", "--forgive", "vc1/domain-c8/ha", "--reason", "done by hand"), c.stderr)
	require.Len(t, lab.state.Debts, 1)
	require.Equal(t, exitFailed, c.run("settle", "--forgive", "no-such-debt", "--reason", "x"))
}

func TestSchedules(t *testing.T) {
	lab := &fakeLab{}
	c := newConsole(t, lab)
	add := func(args ...string) int { return c.run(append([]string{"schedule", "add"}, args...)...) }
	require.Equal(t, exitUsage, add("nightly", "power-down"))
	require.Equal(t, exitUsage, add("nightly", "power-down", "--cron", "0 23 * *"))
	require.Equal(t, exitUsage, add("nightly", "power-down", "--cron", "0 23 * * *", "--zone", "Mars/Olympus"))
	require.Equal(t, exitUsage, add("Every Night", "power-down", "--cron", "0 23 * * *", "--zone", "UTC"))
	require.Equal(t, exitUsage, add("nightly", "no-such", "--cron", "0 23 * * *", "--zone", "UTC"))
	for _, bad := range [][]string{{"--calendar", "every 2 weeks at 6:00"}, {"--calendar", "every day at 6:00", "--cron", "0 6 * * *"}, {"--cron", "0 6 31 2 *"},
		{"--cron", "0 6 * * *", "--until", "2020-01-01"}, {"--cron", "0 6 * * *", "--until", "soon"}, {"--cron", "0 6 * * *", "--jitter", "-1m"},
		{"--cron", "0 6 * * *", "--jitter", "13h"}, {"--cron", "0 6 * * *", "--on-failure", "panic"}, {"--cron", "0 6 * * *", "--deadline", "-1h"}} {
		require.Equal(t, exitUsage, add(append([]string{"nightly", "power-down", "--zone", "UTC"}, bad...)...), "%v", bad)
	}
	require.Empty(t, lab.scheds)
	require.Equal(t, exitDone, add("nightly", "power-up", "--cron", "0 6 * * *", "--zone", "Europe/Berlin", "--tag", "StartUp"), c.stderr)
	require.Equal(t, "power-up-home-nightly", lab.scheds[0].ID())
	require.Equal(t, map[string]string{"tag": "StartUp"}, lab.scheds[0].Parameters)
	require.Equal(t, exitDone, c.run("schedule", "pause", "nightly", "--reason", "holidays"))
	require.True(t, lab.scheds[0].Paused)
	require.Equal(t, exitDone, c.run("schedule", "list"))
	require.Contains(t, c.stdout.String(), "paused by ann@desk: holidays")
	require.Equal(t, exitDone, c.run("schedule", "remove", "nightly"))
	require.Empty(t, lab.scheds)
}

func TestAScheduleWithEverything(t *testing.T) {
	lab := &fakeLab{}
	c := newConsole(t, lab)
	require.Equal(t, exitDone, c.run("schedule", "add", "monthly", "power-down", "--calendar", "last Friday of the month at 20:00", "--zone", "Europe/Prague", "--jitter", "10m",
		"--until", "2027-12-31", "--on-failure", "skip", "--deadline", "2h", "--paused", "--host", "esx21"), c.stderr)
	require.Equal(t, "Schedule monthly: power-down of lab home, last Friday of the month at 20:00 Europe/Prague, up to 10m0s later, until 2027-12-31, on failure skip, ends after 2h0m0s. "+
		"See it with `nightshift schedule list`.\n", c.stdout.String())
	require.Equal(t, []runapi.Schedule{{Name: "monthly", Lab: "home", Runbook: "power-down", Calendar: "last Friday of the month at 20:00", Zone: "Europe/Prague",
		Jitter: plan.Duration(10 * time.Minute), Until: "2027-12-31", OnFailure: plan.Skip, Deadline: plan.Duration(2 * time.Hour), Paused: true,
		Note: "paused by ann@desk when it was added", Parameters: map[string]string{"host": "esx21"}}}, lab.scheds)
}

func TestScheduleList(t *testing.T) {
	lab := busyLab()
	at := midnight()
	lab.scheds[0].Times = []time.Time{at.Add(24 * time.Hour), at.Add(60 * 24 * time.Hour)}
	lab.scheds[0].LastRun, lab.scheds[0].LastAt, lab.scheds[0].Declared = runB, at, true
	lab.scheds[1].Skipped = 2
	lab.infos[runB] = runInfo{Run: runB, State: runapi.Skipped}
	lab.script = []runapi.Sheet{{Phase: runapi.PhaseEnd, Outcome: runapi.Skipped, Why: "lab is locked by run x"}}
	c := newConsole(t, lab)
	require.Equal(t, exitDone, c.run("schedule", "list"), c.stderr)
	golden(t, "schedules.txt", c.stdout.String())
	require.Equal(t, exitDone, c.run("schedule", "list", "-o", "json"))
	var list []runapi.Schedule
	require.NoError(t, json.Unmarshal(c.stdout.Bytes(), &list))
	require.Equal(t, runapi.Skipped, list[0].Outcome)
	require.Equal(t, "lab is locked by run x", list[0].Why)
}

func TestTriggerAndBackfill(t *testing.T) {
	lab := busyLab()
	lab.script = []runapi.Sheet{{Phase: runapi.PhaseEnd, Outcome: runapi.Skipped}}
	c := newConsole(t, lab)
	require.Equal(t, exitDone, c.run("schedule", "trigger", "nightly"), c.stderr)
	require.Contains(t, c.stdout.String(), "has started run "+runA)
	require.Equal(t, exitSkipped, c.run("schedule", "trigger", "nightly", "--wait"), "the run's code")

	fill := func(args ...string) int {
		return c.run(append([]string{"schedule", "backfill", "nightly"}, args...)...)
	}
	for _, bad := range [][]string{nil, {"--from", "2026-11-01"}, {"--from", "2026-11-02", "--to", "2026-11-01"}, {"--from", "2026-11-01", "--to", "2026-12-24"},
		{"--from", "yesterday", "--to", "2026-11-01"}, {"--from", "1999-01-01", "--to", "2026-11-01"}} {
		require.Equal(t, exitUsage, fill(bad...), "%v", bad)
	}
	require.Equal(t, exitDone, fill("--from", "2026-11-01", "--to", "2026-11-02"))
	require.Contains(t, c.stdout.String(), "nothing is started")
	for i := range 12 {
		lab.times = append(lab.times, midnight().Add(-time.Duration(i)*24*time.Hour))
	}
	require.Equal(t, exitRefused, fill("--from", "2026-11-01", "--to", "2026-11-14"))
	require.Contains(t, c.stderr.String(), "Start 12 runs of schedule nightly now")
	require.Contains(t, c.stderr.String(), "and 2 more")
	require.Regexp(t, `(?m)^  \w+ \d+ \w+ \d\d:\d\d CES?T$`, c.stderr.String(), "in the schedule's zone, as it was given")
	require.Empty(t, lab.backfilled)
	c.in = strings.NewReader("yes\n")
	require.Equal(t, exitDone, fill("--from", "2026-11-01", "--to", "2026-11-14"), c.stderr)
	require.Len(t, lab.backfilled, 1)
	ran := "power-down-home-nightly-2026-11-05T22:00:00Z"
	lab.list = append(lab.list, runInfo{Run: ran, Runbook: "power-down", State: runapi.Skipped, Started: time.Date(2026, 11, 5, 22, 1, 0, 0, time.UTC)})
	require.Equal(t, exitRefused, fill("--from", "2026-11-01", "--to", "2026-11-14", "--yes"))
	require.Contains(t, c.stderr.String(), "schedule nightly has started 1 run of that time: "+ran+". A second one would hide its report")
	require.Len(t, lab.backfilled, 1)
	require.Equal(t, exitDone, fill("--from", "2026-11-06", "--to", "2026-11-14", "--yes"), c.stderr)
	lab.times = make([]time.Time, 101)
	require.Equal(t, exitUsage, fill("--from", "2026-11-01", "--to", "2026-11-14", "--yes"))
}

func TestOrdersCarryNameReasonAndSteps(t *testing.T) {
	for _, tc := range []struct {
		args []string
		want runapi.Record
	}{
		{[]string{"pause", runA}, runapi.Record{Verb: "pause", Order: runapi.Order{By: "ann@desk"}}},
		{[]string{"abort", runA, "--reason", "storm"}, runapi.Record{Verb: "abort", Order: runapi.Order{By: "ann@desk", Reason: "storm"}}},
		{[]string{"skip", runA, "shutdown-guest:db01", "--reason", "by hand"}, runapi.Record{Verb: "skip",
			Order: runapi.Order{By: "ann@desk", Reason: "by hand", Steps: []string{"shutdown-guest:db01"}}}},
		{[]string{"retry", runA}, runapi.Record{Verb: "retry", Order: runapi.Order{By: "ann@desk", Steps: []string{"shutdown-guest:db01"}}}},
		{[]string{"retry", runA, "shutdown-guest:db01", "-p", "timeout=10m", "-p", "onTimeout=powerOff", "--force"}, runapi.Record{Verb: "retry",
			Order: runapi.Order{By: "ann@desk", Steps: []string{"shutdown-guest:db01"}, Force: true, Params: map[string]any{"timeout": "10m", "onTimeout": "powerOff"}}}},
		{[]string{"retry", runA, "--all", "-p", "timeout=10m"}, runapi.Record{Verb: "retry",
			Order: runapi.Order{By: "ann@desk", Steps: []string{"shutdown-guest:db01"}, Params: map[string]any{"timeout": "10m"}}}},
	} {
		lab := busyLab()
		c := newConsole(t, lab)
		require.Equal(t, exitDone, c.run(tc.args...), "%v: %s", tc.args, c.stderr)
		require.Equal(t, []runapi.Record{tc.want}, lab.orders)
	}
}

func TestOrdersThatMakeNoSense(t *testing.T) {
	lab := busyLab()
	c := newConsole(t, lab)
	for _, bad := range [][]string{{"abort", runA}, {"reject", runA}, {"skip", runA, "--reason", "x"}, {"skip", runA, "s"},
		{"retry", runA, "s", "--all"}, {"retry", runA, "s", "-p", "timeout"}} {
		require.Equal(t, exitUsage, c.run(bad...), "%v", bad)
	}
	require.Empty(t, lab.orders)
}

// What is to be approved is shown beside the question, on stderr: in its colours where that is a terminal, whatever stdout is.
func TestApproveShowsThePlanInTheColoursOfStderr(t *testing.T) {
	for _, terminal := range []bool{true, false} {
		c := newConsole(t, &fakeLab{plan: littlePlan(), script: []runapi.Sheet{inPhase(runapi.PhaseApprove)}})
		c.outTerminal, c.errTerminal = !terminal, terminal
		c.err = safely(c.stderr, terminal)
		require.Equal(t, exitRefused, c.run("approve", runA), "nobody there")
		require.Contains(t, c.stderr.String(), littlePlan().Title)
		require.NotContains(t, c.stderr.String(), "␛")
		require.Equal(t, terminal, strings.Contains(c.stderr.String(), "\x1b["))
	}
}

func TestApproveReadsThePlanThatItApproves(t *testing.T) {
	lab := &fakeLab{plan: littlePlan(), script: []runapi.Sheet{inPhase(runapi.PhaseApprove)}}
	c := newConsole(t, lab)
	require.Equal(t, exitRefused, c.run("approve", runA, "--hash", "000000000000"))
	require.Equal(t, exitRefused, c.run("approve", runA), "nobody there")
	require.Empty(t, lab.orders)
	require.Equal(t, exitDone, c.run("approve", runA, "--hash", littlePlan().Hash()[:12]), c.stderr)
	require.Equal(t, littlePlan().Hash(), lab.orders[0].Hash)
}

func TestAGuestIsForgottenWithAReason(t *testing.T) {
	f := &fakeLab{state: ledger.State{Memory: []plan.RememberedGuest{{Endpoint: "vc", UUID: "u1", Name: "web01"}, {Endpoint: "vc2", UUID: "u2", Name: "db01"}}}}
	c := newConsole(t, f)
	for _, bad := range [][]string{{"--forget", "web01"}, {"--forget", "web01", "--forgive", "d", "--reason", "x"}, {"--forget", "web01", "--recover", "r1"}} {
		require.Equal(t, exitUsage, c.run(append([]string{"settle"}, bad...)...), "%v", bad)
	}
	require.Empty(t, f.changes)
	require.Equal(t, exitDone, c.run("settle", "--forget", "web01", "--reason", "deleted"), c.stderr)
	require.Equal(t, exitDone, c.run("settle", "--forget", "vc2/u2", "--reason", "deleted"), c.stderr)
	require.Equal(t, []ledger.Change{{By: "ann@desk", ForgetGuest: &ledger.ForgetGuest{Guest: "web01", Reason: "deleted"}},
		{By: "ann@desk", ForgetGuest: &ledger.ForgetGuest{Endpoint: "vc2", Guest: "u2", Reason: "deleted"}}}, f.changes)
	require.Contains(t, c.stdout.String(), "Guest vc2/u2 is forgotten; 0 remembered guests left.")
	require.Empty(t, f.state.Memory)
}

func TestRecoverPutsBackWhatARunKnew(t *testing.T) {
	debt := plan.Debt{ID: "vc/domain-c8/ha", Was: "true"}
	guest := plan.RememberedGuest{Endpoint: "vc", UUID: "u1", Name: "web01"}
	f := &fakeLab{script: []runapi.Sheet{{Outcome: runapi.Done, Owed: []plan.Debt{debt}}},
		plan: &plan.Plan{Steps: []plan.Step{{ID: "remember-running", Action: plan.RememberRunning, Params: plan.Encode(plan.RememberParams{Guests: []plan.RememberedGuest{guest}})}}}}
	c := newConsole(t, f)
	require.Equal(t, exitUsage, c.run("settle", "--recover", "r1", "--forgive", "d", "--reason", "x"))
	require.Empty(t, f.changes)
	require.Equal(t, exitDone, c.run("settle", "--recover", "r1"))
	require.Equal(t, []ledger.Change{{Owe: &debt}, {Remember: []plan.RememberedGuest{guest}}}, f.changes)
	require.Contains(t, c.stdout.String(), "1 debt and 1 remembered guest are in the ledger")
}
