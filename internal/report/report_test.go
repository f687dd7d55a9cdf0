package report

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestMain makes local times in golden files the same everywhere.
func TestMain(m *testing.M) {
	time.Local = time.UTC
	os.Exit(m.Run())
}

func golden(t *testing.T, name string, got string) {
	t.Helper()
	path := "testdata/" + name
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

func started() time.Time { return time.Date(2026, 11, 20, 22, 0, 0, 0, time.UTC) }

func fiveGuests() *plan.Plan {
	p := &plan.Plan{Runbook: "power-down", Parameters: map[string]string{"cluster": "Old Lab"},
		Untouched: []plan.Finding{{Subject: "guest mgmt01", Text: "bears the tag KeepOn"}}}
	for _, s := range []string{"web01", "web02", "db01", "db02", "dc01"} {
		p.Steps = append(p.Steps, plan.Step{ID: "shutdown-guest:" + s, Title: "Shut down guest " + s, Group: "Guests", Target: plan.Target{Kind: plan.Guest, Name: s}})
	}
	return p
}

// aborted is a run with a step of every state that an end can leave.
func aborted() runapi.Sheet {
	return runapi.Sheet{
		Lab: "home", Runbook: "power-down", Title: "Power down lab home", Hash: "0123456789abcdef", By: "ann@desk",
		Phase: runapi.PhaseEnd, Outcome: runapi.Aborted, Why: "by bob@nas: storm", Started: started(), Ended: started().Add(2 * time.Minute),
		Total: 5, Done: 2, Skipped: 1, Untouched: 2, Steps: "ddshu",
		Begun: []int64{0, 0, 300, 600, -1}, Finished: []int64{155, 200, 350, -1, -1},
		Notes:    map[string]string{"shutdown-guest:db01": "skipped by ann@desk: by hand", "shutdown-guest:db02": "the shutdown was sent, its end was not seen"},
		Attempts: map[string]int{"shutdown-guest:web02": 2},
		Decisions: []runapi.Decision{{At: started().Add(time.Minute), Step: "shutdown-guest:web02", By: "nightshift", Verdict: "act again",
			Evidence: "no task of it, the guest is as it was"}},
		Orders: []runapi.Record{{At: started().Add(50 * time.Second), Verb: "skip", Order: runapi.Order{By: "ann@desk", Reason: "by hand", Steps: []string{"shutdown-guest:db01"}}},
			{At: started().Add(90 * time.Second), Verb: "abort", Order: runapi.Order{By: "bob@nas", Reason: "storm"}}},
		Warnings: []plan.Finding{{Subject: "guest old", Text: "has no Tools", Remedy: "install them"}},
		Runs:     1,
	}
}

const run = "power-down-home-20261120-220000"

// Safety rule 14: what is done, what is half done, what is untouched, and which command goes on from there.
func TestAReportOfAnAbortedRun(t *testing.T) {
	r := Assemble(run, aborted(), fiveGuests(), started().Add(time.Hour))
	var b bytes.Buffer
	r.Text(&b)
	golden(t, "aborted.txt", b.String())
	states := map[string]string{}
	for _, s := range r.Steps {
		states[s.Target] = s.State
	}
	require.Equal(t, map[string]string{"guest web01": StateDone, "guest web02": StateDone, "guest db01": StateSkipped, "guest db02": StateHalfDone, "guest dc01": StateUntouched}, states)
	require.Equal(t, "nightshift run power-down -p 'cluster=Old Lab'", r.Next[0].Type)
	require.Equal(t, 120.0, r.Seconds)
}

func TestSummaryOfABlockedRunNamesTheCommands(t *testing.T) {
	s := aborted()
	s.Phase, s.Outcome, s.Why, s.Ended, s.Steps = runapi.PhaseExecute, "", "", time.Time{}, "ddsb."
	s.Blocked, s.Untouched = 1, 0
	r := Assemble(run, s, fiveGuests(), started().Add(time.Minute))
	var b bytes.Buffer
	r.Summary(&b)
	golden(t, "blocked.txt", b.String())
}

func TestEveryEndNamesWhatGoesOn(t *testing.T) {
	for outcome, want := range map[string]string{
		runapi.Done: "nightshift run power-up", runapi.Refused: "nightshift run power-down -p 'cluster=Old Lab'", runapi.Skipped: "nightshift hold --end",
		runapi.Failed: "nightshift lab check", runapi.Partial: "nightshift run power-down -p 'cluster=Old Lab'",
	} {
		s := aborted()
		s.Outcome, s.Why = outcome, runapi.OnHold+" tomorrow"
		require.Equal(t, want, Assemble(run, s, fiveGuests(), started()).Next[0].Type, outcome)
	}
	s := aborted()
	s.Outcome, s.Why = runapi.Done, "Nothing to do: "+plan.AllLeft+" (keep: true)"
	require.Empty(t, Assemble(run, s, nil, started()).Next, "nothing went down")
	s.Outcome, s.Orphan = runapi.Refused, "power-down-old"
	require.Equal(t, "nightshift unlock power-down-old --reason WHY", Assemble(run, s, fiveGuests(), started()).Next[1].Type)
	s.Outcome, s.Orphan, s.Why = runapi.Skipped, "", "lab is locked by run x"
	require.Equal(t, "nightshift run power-down -p 'cluster=Old Lab'", Assemble(run, s, fiveGuests(), started()).Next[0].Type, "there is no hold to be ended")
	s.Parameters = map[string]string{"group": "mail"}
	require.Equal(t, "nightshift run power-down -p group=mail", Assemble(run, s, nil, started()).Next[0].Type, "it has ended before its plan")
	s = aborted()
	s.Phase, s.Outcome = runapi.PhaseApprove, ""
	require.Equal(t, "nightshift approve "+run, Assemble(run, s, fiveGuests(), started()).Next[0].Type)
}

// TestWhoIsStillQuietIsSaid: after an aborted power-up nobody may be alarmed of anything.
func TestWhoIsStillQuietIsSaid(t *testing.T) {
	s := aborted()
	s.Runbook, s.Outcome = "power-up", runapi.Aborted
	s.Owed = []plan.Debt{{Setting: plan.HA, Target: plan.Target{Kind: plan.Cluster, Name: "Lab"}}}
	settle := func() []runapi.Command {
		return slices.DeleteFunc(Assemble(run, s, fiveGuests(), started()).Next, func(c runapi.Command) bool { return c.Type != "nightshift settle" })
	}
	require.Empty(t, settle())
	s.Owed = append(s.Owed, plan.Debt{Setting: plan.Alarms, Target: plan.Target{Kind: plan.Host, Name: "esx21"}}, plan.Debt{Setting: plan.Watch, Target: plan.Target{Kind: plan.Watcher, Name: "zabbix"}})
	require.Equal(t, []runapi.Command{{Type: "nightshift settle", Why: "lets the alarms of 1 object, monitoring zabbix act again, where hosts are up: nobody is alarmed until then"}}, settle())
	s.Outcome = runapi.Partial
	require.Empty(t, settle(), "what is left is done by another power-up")
}

// A plan that was never carried out: nothing of it is to do any more.
func TestWhatWasGivenBackSinceIsNotLeft(t *testing.T) {
	at := time.Date(2026, 11, 20, 23, 0, 0, 0, time.UTC)
	debt := func(s plan.Setting, since time.Time) plan.Debt {
		return plan.Debt{ID: plan.DebtID("vc1", "domain-c8", s), Setting: s, Target: plan.Target{Kind: plan.Cluster, Name: "Lab"}, Since: since}
	}
	s := runapi.Sheet{Runbook: "power-down", Outcome: runapi.Done, Owed: []plan.Debt{debt(plan.HA, at), debt(plan.DRS, at)}}
	told := func(open ...plan.Debt) string {
		r := Assemble("power-down-home", s, nil, at)
		r.Since(open)
		var b bytes.Buffer
		r.Text(&b)
		r.Markdown(&b, false)
		return b.String()
	}
	require.Contains(t, told(s.Owed...), "Left: 2 settings to be given back, which the power-up does.")
	require.Contains(t, told(s.Owed[1]), "Left: 1 setting to be given back, which the power-up does. 1 setting given back since.")
	up := told()
	require.Contains(t, up, "Nothing is left to do. 2 settings given back since.")
	require.Contains(t, up, "Given back 2 settings since it ended")
	require.NotContains(t, up, "nightshift run power-up")
	require.Contains(t, told(debt(plan.HA, at.Add(24*time.Hour))), "Nothing is left to do.", "what a later power-down owes is not this one's")
}

func TestARefusedRunTouchedNothing(t *testing.T) {
	s := aborted()
	s.Outcome, s.Steps, s.Done, s.Skipped, s.Untouched = runapi.Refused, ".....", 0, 0, 0
	r := Assemble(run, s, fiveGuests(), started())
	for _, st := range r.Steps {
		require.Equal(t, StateUntouched, st.State)
	}
	r.Blockers = []plan.Finding{{Subject: "host esx21", Text: "has no BMC"}}
	var summary, text, markdown bytes.Buffer
	r.Summary(&summary)
	r.Text(&text)
	r.Markdown(&markdown, true)
	for _, b := range []string{summary.String(), text.String(), markdown.String()} {
		require.Contains(t, b, "5 steps planned, none of them begun")
		require.Contains(t, b, "host esx21: has no BMC")
		require.NotContains(t, b, "Untouched", "the steps of a plan that was refused are no list of what is left undone")
	}
	require.Less(t, strings.Index(summary.String(), "Blockers"), strings.Index(summary.String(), "Warnings"))
}

// A run that was terminated in the Temporal UI tells no end: what ran is half done.
func TestABrokenRun(t *testing.T) {
	s := aborted()
	s.Phase, s.Outcome, s.Steps, s.Running = runapi.PhaseExecute, "", "ddsr.", 1
	r := Assemble(run, s, fiveGuests(), started())
	r.Broken("somebody terminated it", "terminated")
	require.Equal(t, StateHalfDone, r.Steps[3].State)
	require.Equal(t, StateUntouched, r.Steps[4].State)
	require.Equal(t, Counts{Total: 5, Done: 2, Skipped: 1, HalfDone: 1, Untouched: 2}, r.Counts)
	require.Equal(t, "nightshift unlock "+run+" --reason WHY", r.Next[0].Type)
}

// What only looks, and what is known to have sent nothing, is not half done.
func TestABrokenRunIsNotHalfDoneWhereNothingWasSent(t *testing.T) {
	s := aborted()
	s.Phase, s.Outcome, s.Steps, s.Running, s.Blocked = runapi.PhaseExecute, "", "dbrbr", 2, 2
	s.Begun, s.Unsent = []int64{0, 0, 300, 600, 600}, []string{"shutdown-guest:web02"}
	p := fiveGuests()
	p.Steps[2].Action, p.Steps[3].Action, p.Steps[4].Action = plan.CheckGuest, plan.ShutdownGuest, plan.ShutdownGuest
	r := Assemble(run, s, p, started())
	r.Broken("somebody terminated it", "terminated")
	var states []string
	for _, st := range r.Steps {
		states = append(states, st.State)
	}
	require.Equal(t, []string{StateDone, StateUntouched, StateUntouched, StateHalfDone, StateHalfDone}, states)
	require.Equal(t, 2, r.Counts.HalfDone)
}

// A run that was aborted when its first step was refused has begun, and tells why that was.
func TestARunThatBeganAndSentNothing(t *testing.T) {
	s := aborted()
	s.Done, s.Skipped, s.Untouched, s.Steps, s.Begun = 0, 0, 5, "uuuuu", []int64{0, -1, -1, -1, -1}
	s.Notes = map[string]string{"shutdown-guest:web01": "it bears the tag KeepOn"}
	var b strings.Builder
	Assemble(run, s, fiveGuests(), started()).Summary(&b)
	require.Contains(t, b.String(), "0 of 5 done, 5 untouched")
	require.Contains(t, b.String(), "Untouched: not begun, or nothing was sent\n  Shut down guest web01: it bears the tag KeepOn\n")
}

func TestJSONHasListsAndNoNulls(t *testing.T) {
	b, err := json.Marshal(Assemble(run, runapi.Sheet{Lab: "home", Runbook: "settle", Phase: runapi.PhasePlan, Started: started()}, nil, started()))
	require.NoError(t, err)
	require.NotContains(t, string(b), "null")
}

// A plug that was pulled is told where people read what was done, and an order is told once.
func TestForceAndAmendmentsAreTold(t *testing.T) {
	p := fiveGuests()
	p.Steps[0].Action = plan.ShutdownGuest
	s := aborted()
	at := started().Add(time.Minute)
	evidence := "ShutdownGuest of guest web01: it is still on. Next: bring it into the right state, then `nightshift retry` (or `nightshift skip`)"
	order := func(force bool, params map[string]any) runapi.Record {
		return runapi.Record{At: at, Verb: runapi.Retry, Order: runapi.Order{By: "ann@desk", Steps: []string{"shutdown-guest:web01"}, Force: force, Params: params, Reason: "late"}}
	}
	s.Orders = []runapi.Record{order(false, map[string]any{"timeout": "15m"}), order(true, nil)}
	s.Decisions = append(s.Decisions, runapi.Decision{At: at, Step: "shutdown-guest:web01", By: "ann@desk", Verdict: "act again", Evidence: evidence + "; late"})
	text := func() string {
		var b bytes.Buffer
		Assemble(run, s, p, started()).Text(&b)
		return b.String()
	}
	require.Contains(t, text(), "Shut down guest web01 (changed: timeout=15m), by force, as ann@desk said\n")
	require.Contains(t, text(), "retry by ann@desk: shutdown-guest:web01, by force: late\n      it was blocked: it is still on. Next: bring it into the right state\n")
	require.Equal(t, 1, strings.Count(text(), "act again"), "of nightshift's own")
	s.Notes["shutdown-guest:web01"] = "was already off"
	require.NotContains(t, text(), ", by force, as", "nothing was done by force")
}

func TestAReportTellsHowTheRunWasPlannedAnew(t *testing.T) {
	s, p := aborted(), fiveGuests()
	s.Amendments = []runapi.Amendment{
		{At: started(), Why: "guest web01 is on host esx22 now", From: "a", To: "b", Changed: 1, Changes: []string{"changed: Shut down guest web01: it runs at another place"}},
		{At: started(), Why: "asked for by ann@desk", From: "b", To: "c", Added: 1, ApprovedBy: "bob"},
		{At: started(), Why: "host esx21 is dead", From: "c", Refused: "rejected by bob: not that one"},
		{At: started(), Why: "the run slept", From: "c", To: "c"},
	}
	var b bytes.Buffer
	Assemble(run, s, p, started()).Text(&b)
	for _, want := range []string{"Planned anew\n", "guest web01 is on host esx22 now): 0 steps added, 1 changed, 0 no longer needed\n      changed: Shut down guest web01: it runs at another place\n",
		"1 step added, 0 changed, 0 no longer needed, approved by bob\n", "no new plan (host esx21 is dead): rejected by bob: not that one\n", "nothing is other than before\n"} {
		require.Contains(t, b.String(), want)
	}
	s.Outcome, s.Phase, s.Stale, s.Proposal = "", runapi.PhaseExecute, "nightshift slept", &runapi.Amendment{}
	var next []string
	for _, c := range Assemble(run, s, p, started()).Next {
		next = append(next, c.Type)
	}
	require.Equal(t, []string{"nightshift resume " + run, "nightshift approve " + run, "nightshift reject " + run + " --reason WHY"}, next[:3])
}
