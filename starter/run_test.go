package main

import (
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/plan"
	"nightshift/internal/report"
	"nightshift/internal/runapi"
)

func TestRunShowsThePlanAsksAndCarriesItOut(t *testing.T) {
	lab := &fakeLab{plan: littlePlan(), script: []runapi.Sheet{
		inPhase(runapi.PhasePlan), inPhase(runapi.PhaseApprove), sheet("rr."), sheet("dr."), sheet("ddr"), ended(sheet("ddd"), runapi.Done, "")}}
	c := newConsole(t, lab)
	c.in = strings.NewReader("yes\n")
	require.Equal(t, exitDone, c.run("run", "power-down"), c.stderr)

	require.Len(t, lab.started, 1)
	require.Equal(t, runapi.Params{Lab: "home", Runbook: "power-down", By: "ann@desk"}, lab.started[0])
	require.Len(t, lab.orders, 1)
	require.Equal(t, runapi.Approve, lab.orders[0].Verb)
	require.Equal(t, runapi.Order{By: "ann@desk", Hash: littlePlan().Hash()}, lab.orders[0].Order)
	require.Contains(t, c.stderr.String(), "Carry out this plan?")
	out := c.stdout.String()
	require.Less(t, strings.Index(out, "Power down lab home"), strings.Index(out, "begun"), "the plan comes first:\n%s", out)
	require.Contains(t, out, "done      Shut down host esx21")
	require.Contains(t, out, "3 of 3 done")
}

func TestRunWithoutAnAnswerTouchesNothing(t *testing.T) {
	for _, tc := range []struct{ name, answer, reason string }{
		{"no", "no\n", "answered no"},
		{"anything else", "ja\n", "answered no"},
		{"nobody there", "", errNoAnswer.Error()},
	} {
		t.Run(tc.name, func(t *testing.T) {
			lab := &fakeLab{plan: littlePlan(), script: []runapi.Sheet{inPhase(runapi.PhaseApprove)}}
			c := newConsole(t, lab)
			c.in = strings.NewReader(tc.answer)
			require.Equal(t, exitRefused, c.run("run", "power-down"))
			require.Len(t, lab.orders, 1)
			require.Equal(t, runapi.Reject, lab.orders[0].Verb)
			require.Equal(t, tc.reason, lab.orders[0].Reason)
			require.Contains(t, c.stderr.String(), "othing was touched")
		})
	}
}

func TestRunYesAsksNobody(t *testing.T) {
	lab := &fakeLab{plan: littlePlan(), script: []runapi.Sheet{sheet("rr."), ended(sheet("ddd"), runapi.Done, "")}}
	c := newConsole(t, lab)
	require.Equal(t, exitDone, c.run("run", "power-down", "--yes", "--wait", "--on-failure", "skip"), c.stderr)
	require.True(t, lab.started[0].Approved)
	require.True(t, lab.started[0].Wait)
	require.Equal(t, plan.Skip, lab.started[0].OnFailure)
	require.Empty(t, lab.orders)
}

func TestRunYesIsNoApprovalWhereTheLabFileDemandsOne(t *testing.T) {
	lab := &fakeLab{plan: littlePlan(), script: []runapi.Sheet{inPhase(runapi.PhaseApprove)}}
	c := newConsole(t, lab)
	require.Equal(t, exitBlocked, c.run("run", "power-down", "--yes"))
	require.Empty(t, lab.orders)
	require.Contains(t, c.stderr.String(), "nightshift approve power-down-home-20261120-220000")
}

func TestRunDetach(t *testing.T) {
	lab := &fakeLab{plan: littlePlan(), script: []runapi.Sheet{sheet("rr.")}}
	c := newConsole(t, lab)
	require.Equal(t, exitDone, c.run("run", "power-down", "--yes", "--detach", "-o", "json"), c.stderr)
	var got map[string]string
	require.NoError(t, json.Unmarshal(c.stdout.Bytes(), &got))
	require.Equal(t, "power-down-home-20261120-220000", got["run"])
	require.Equal(t, "http://ui/namespaces/default/workflows/power-down-home-20261120-220000", got["link"])
}

func TestDetachedAndApprovedBeforehandNobodyReadsThePlan(t *testing.T) {
	lab := &fakeLab{plan: littlePlan(), script: []runapi.Sheet{sheet("rr.")}}
	c := newConsole(t, lab)
	require.Equal(t, exitDone, c.run("run", "power-down", "--yes", "--detach"), c.stderr)
	require.Equal(t, "Power down lab home: 1 host, 2 guests\nRun "+runA+" is under way.\n  http://ui/namespaces/default/workflows/"+runA+"\n  nightshift watch "+runA+"\n", c.stdout.String())
}

func TestHowTheCommandWasStarted(t *testing.T) {
	require.Equal(t, "go run ./starter", startedAs("/root/.cache/go-build/ab/starter"))
	require.Equal(t, "go run ./starter", startedAs("/tmp/go-build123/b001/exe/starter"))
	require.Equal(t, "./nightshift", startedAs("./nightshift"))
	require.Equal(t, "'/my tools/nightshift'", startedAs("/my tools/nightshift"))
}

func TestCtrlCDetachesAndTheRunGoesOn(t *testing.T) {
	lab := &fakeLab{plan: littlePlan(), script: []runapi.Sheet{sheet("rr.")}}
	c := newConsole(t, lab)
	ctx, cancel := context.WithCancel(t.Context())
	c.ctx = ctx
	lab.onLook = func(n int) {
		if n == 5 {
			cancel()
		}
	}
	require.Equal(t, exitDetached, c.run("run", "power-down", "--yes"))
	require.Empty(t, lab.orders, "the run was told something")
	require.Contains(t, c.stderr.String(), "goes on")
	require.Contains(t, c.stderr.String(), "nightshift watch power-down-home-20261120-220000")
}

// A run that waits for an answer keeps the lab locked: who leaves without one has said no.
func TestCtrlCAtTheQuestionIsANo(t *testing.T) {
	lab := &fakeLab{plan: littlePlan(), script: []runapi.Sheet{inPhase(runapi.PhaseApprove)}}
	c := newConsole(t, lab)
	r, w, err := os.Pipe() // nobody ever types anything
	require.NoError(t, err)
	t.Cleanup(func() { _, _ = r.Close(), w.Close() })
	c.in = r
	ctx, cancel := context.WithCancel(t.Context())
	c.ctx = ctx
	c.err = writerFunc(func(b []byte) (int, error) {
		if strings.Contains(string(b), "[yes/no]") {
			cancel()
		}
		return c.stderr.Write(b)
	})
	require.Equal(t, exitRefused, c.run("run", "power-down"))
	require.Len(t, lab.orders, 1)
	require.Equal(t, runapi.Reject, lab.orders[0].Verb)
	require.Equal(t, "Ctrl-C at the question", lab.orders[0].Reason)
	require.Equal(t, "ann@desk", lab.orders[0].By)
	require.Contains(t, c.stderr.String(), "Not carried out (Ctrl-C at the question); nothing was touched.")
}

func TestCtrlCBeforeThePlanEndsARunThatNobodyApproved(t *testing.T) {
	for _, yes := range []bool{false, true} {
		lab := &fakeLab{plan: littlePlan(), script: []runapi.Sheet{inPhase(runapi.PhasePlan)}}
		c := newConsole(t, lab)
		ctx, cancel := context.WithCancel(t.Context())
		c.ctx = ctx //nolint:fatcontext // a console of its own each time
		lab.onLook = func(int) { cancel() }
		if yes {
			require.Equal(t, exitDetached, c.run("run", "power-down", "--yes"))
			require.Empty(t, lab.orders, "it was approved: it goes on")
			continue
		}
		require.Equal(t, exitRefused, c.run("run", "power-down"))
		require.Equal(t, runapi.Abort, lab.orders[0].Verb)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

func TestRunEndsAtOnceWhenAllThatIsLeftIsBlocked(t *testing.T) {
	lab := &fakeLab{plan: littlePlan(), script: []runapi.Sheet{sheet("rr."), sheet("db.")}}
	c := newConsole(t, lab)
	require.Equal(t, exitBlocked, c.run("run", "power-down", "--yes"))
	require.Contains(t, c.stdout.String(), "blocked   Shut down guest db01 (Tools, 5 min, then ask): the guest is still up after 5m")
	require.Contains(t, c.stdout.String(), "nightshift retry power-down-home-20261120-220000 shutdown-guest:db01")
}

func TestWatchedAtATerminalABlockedRunIsWatchedOn(t *testing.T) {
	lab := &fakeLab{plan: littlePlan(), script: []runapi.Sheet{sheet("db."), sheet("db."), sheet("db."), sheet("db."), sheet("db."),
		ended(sheet("dds"), runapi.Partial, "1 of 3 steps was skipped")}}
	c := newConsole(t, lab)
	c.inTerminal, c.outTerminal = true, true
	require.Equal(t, exitPartial, c.run("watch", "power-down-home-20261120-220000"))
}

func TestExitCodesOfRuns(t *testing.T) {
	for outcome, code := range map[string]int{runapi.Done: 0, runapi.Failed: 1, runapi.Refused: 4, runapi.Aborted: 5, runapi.Partial: 6, runapi.Skipped: 7} {
		t.Run(outcome, func(t *testing.T) {
			lab := &fakeLab{plan: littlePlan(), script: []runapi.Sheet{ended(sheet("ddd"), outcome, "for a reason")}}
			c := newConsole(t, lab)
			require.Equal(t, code, c.run("run", "power-down", "--yes"), c.stderr)
			require.Equal(t, code, c.run("watch", "x"))
			require.Equal(t, code, c.run("report", "x"))
			require.Contains(t, c.stdout.String(), outcome+": for a reason")
		})
	}
}

func TestRunOfAnotherPlanIsRefusedBeforeItStarts(t *testing.T) {
	p := *littlePlan()
	for name, tc := range map[string]struct {
		change func(*plan.File)
		code   int
		say    string
	}{
		"tampered":    {func(f *plan.File) { f.Plan.Steps = f.Plan.Steps[:2] }, exitRefused, "changed after it was made"},
		"newer":       {func(f *plan.File) { f.Plan.Schema++ }, exitUsage, "newer nightshift"},
		"not valid":   {func(f *plan.File) { f.Plan.Steps[0].Needs = []string{"shutdown-host:esx21"} }, exitUsage, "circle"},
		"other book":  {func(f *plan.File) { f.Plan.Runbook = "power-up"; f.Hash = f.Plan.Hash() }, exitUsage, "is for runbook power-up"},
		"another lab": {func(f *plan.File) { f.Plan.Lab = "away"; f.Hash = f.Plan.Hash() }, exitUsage, "is for lab away"},
	} {
		t.Run(name, func(t *testing.T) {
			lab := &fakeLab{plan: &p, script: []runapi.Sheet{ended(sheet("ddd"), runapi.Done, "")}}
			c := newConsole(t, lab)
			f := plan.File{Hash: p.Hash(), Plan: *littlePlan()}
			tc.change(&f)
			b, err := json.Marshal(f)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile("p.json", b, 0o600))
			require.Equal(t, tc.code, c.run("run", "power-down", "--plan", "p.json", "--yes"))
			require.Contains(t, c.stderr.String(), tc.say)
			require.Empty(t, lab.started)
		})
	}
}

func TestPlanOutIsWhatRunPlanCarriesOut(t *testing.T) {
	lab := &fakeLab{plan: littlePlan(), script: []runapi.Sheet{ended(sheet("ddd"), runapi.Done, "")}}
	c := newConsole(t, lab)
	require.Equal(t, exitDone, c.run("plan", "power-down", "--out", "p.json"), c.stderr)
	require.Equal(t, exitDone, c.run("run", "power-down", "--plan", "p.json", "--yes"), c.stderr)
	require.Equal(t, littlePlan().Hash(), lab.started[0].PlanHash)

	require.Equal(t, exitDone, c.run("plan", "power-down", "-o", "json"))
	var f plan.File
	require.NoError(t, json.Unmarshal(c.stdout.Bytes(), &f))
	require.Equal(t, f.Plan.Hash(), f.Hash)
	require.Equal(t, exitDone, c.run("plan", "power-down", "-o", "mermaid"))
	require.Contains(t, c.stdout.String(), "flowchart")
}

func TestPlanWithBlockersIsRefused(t *testing.T) {
	p := littlePlan()
	p.Blockers = []plan.Finding{{Subject: "guest web01", Text: "a backup is running", Remedy: "wait for it"}}
	c := newConsole(t, &fakeLab{plan: p})
	require.Equal(t, exitRefused, c.run("plan", "power-down"))
	require.Contains(t, c.stdout.String(), "a backup is running")
}

func TestRunJSONIsOneReport(t *testing.T) {
	lab := &fakeLab{plan: littlePlan(), script: []runapi.Sheet{sheet("rr."), ended(sheet("ddd"), runapi.Done, "")}}
	c := newConsole(t, lab)
	require.Equal(t, exitDone, c.run("run", "power-down", "--yes", "-o", "json"), c.stderr)
	var r report.Report
	require.NoError(t, json.Unmarshal(c.stdout.Bytes(), &r), c.stdout)
	require.Equal(t, "done", r.Outcome)
	require.Len(t, r.Steps, 3)
}

func TestDriftIsTold(t *testing.T) {
	lab := &fakeLab{plan: littlePlan(), script: []runapi.Sheet{ended(sheet(""), runapi.Refused, "the lab has changed")}}
	c := newConsole(t, lab)
	was := *littlePlan()
	was.Steps = was.Steps[:1]
	require.NoError(t, writePlanFile("p.json", was))
	require.Equal(t, exitRefused, c.run("run", "power-down", "--plan", "p.json", "--yes"))
	require.Contains(t, c.stderr.String(), "Since p.json was made:")
	require.Contains(t, c.stderr.String(), "Shut down guest db01")
}

func TestTwoRunsInOneSecond(t *testing.T) {
	lab := &fakeLab{plan: littlePlan(), script: []runapi.Sheet{ended(sheet("ddd"), runapi.Done, "")}, taken: map[string]bool{"power-down-home-20261120-220000": true}}
	c := newConsole(t, lab)
	require.Equal(t, exitDone, c.run("run", "power-down", "--yes"), c.stderr)
	require.Contains(t, c.stdout.String(), "power-down-home-20261120-220001")
}
