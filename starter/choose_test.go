package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
)

func TestTheRunMayBeLeftOut(t *testing.T) {
	for _, args := range []string{"pause", "abort --reason storm", "retry", "retry db01", "retry latest db01", "skip shutdown-guest:db01 --reason x", "skip " + runA + " db01 --reason x"} {
		lab := busyLab()
		c := newConsole(t, lab)
		require.Equal(t, exitDone, c.run(strings.Fields(args)...), "%s: %s", args, c.stderr)
		require.Len(t, lab.orders, 1)
		if args != "pause" && !strings.HasPrefix(args, "abort") {
			require.Equal(t, []string{"shutdown-guest:db01"}, lab.orders[0].Steps, args)
		}
	}
}

func TestWhereItIsNotClearWhichRunIsMeantNothingIsSent(t *testing.T) {
	lab := busyLab()
	c := newConsole(t, lab)
	lab.list = append(lab.list, runInfo{Run: runB, Open: true})
	require.Equal(t, exitUsage, c.run("abort", "--reason", "x"))
	require.Contains(t, c.stderr.String(), "2 runs are under way: name one of "+runA+", "+runB)
	lab.list = nil
	require.Equal(t, exitFailed, c.run("watch"))
	require.Contains(t, c.stderr.String(), "no run of lab home is under way")
	require.Empty(t, lab.orders)
}

func TestAnUnknownStepIsAnsweredWithTheBlockedOnes(t *testing.T) {
	lab := busyLab()
	c := newConsole(t, lab)
	for _, args := range [][]string{{"skip", runA, "web01", "--reason", "x"}, {"retry", "shutdown-guest:nope"}} {
		require.Equal(t, exitUsage, c.run(args...))
		require.Contains(t, c.stderr.String(), "blocked are: shutdown-guest:db01")
	}
	require.Empty(t, lab.orders)
	_, err := stepIDs("r", []plan.Step{{ID: "a", Target: plan.Target{Name: "web"}}, {ID: "b", Target: plan.Target{Name: "web"}}}, []string{"web"})
	require.ErrorContains(t, err, "more than one blocked step")
}

// Who skips a guest's shutdown is told what still stands in the way.
func TestSkipWarnsOfTheHostThatCannotGoDown(t *testing.T) {
	lab := busyLab()
	c := newConsole(t, lab)
	require.Equal(t, exitDone, c.run("skip", "db01", "--reason", "later"), c.stderr)
	require.Contains(t, c.stdout.String(), "guest db01 was not seen off: host esx21 cannot go into maintenance mode, nor down, as long as it runs")
	require.Empty(t, inTheWay(littlePlan(), sheet("dsd"), []string{"shutdown-guest:db01"}), "the host is down")
}

func TestAnAmendmentIsConfirmed(t *testing.T) {
	lab := busyLab()
	s := sheet("dr.")
	s.Orders = []runapi.Record{{Verb: runapi.Retry, Order: runapi.Order{Steps: []string{"shutdown-guest:db01"}, Params: map[string]any{"timeout": "15m"}}}}
	lab.script = append(lab.script, s)
	c := newConsole(t, lab)
	require.Equal(t, exitDone, c.run("retry", "db01", "-p", "timeout=15m"), c.stderr)
	require.Contains(t, c.stdout.String(), "shutdown-guest:db01, now with timeout=15m")
}

func TestCompletion(t *testing.T) {
	lab := busyLab()
	c := newConsole(t, lab)
	for line, want := range map[string]string{
		"run ": "power-down\t", "plan ": "settle\t", "watch ": runA + "\t", "skip " + runA + " ": "shutdown-guest:db01\t", "retry ": "shutdown-guest:db01\t",
		"schedule pause ": "nightly\tpower-down at", "plan -o ": "mermaid", "run power-down --on-failure ": "abort", "schedule add nightly ": "power-up\t",
	} {
		require.Equal(t, exitDone, c.run(append([]string{"__complete"}, strings.Split(line, " ")...)...), "%s: %s", line, c.stderr)
		require.Contains(t, c.stdout.String(), want, line)
	}
}

func TestUsageErrorsNameWhatIsMissing(t *testing.T) {
	c := newConsole(t, &fakeLab{})
	require.Equal(t, exitUsage, c.run("run"))
	require.Contains(t, c.stderr.String(), "RUNBOOK is missing (power-down, power-up, settle, ")
	require.Equal(t, exitUsage, c.run("run", "power-down", "now"))
	require.Contains(t, c.stderr.String(), `"now" is too much`)
	require.Equal(t, exitUsage, c.run("serve", "storage"))
	require.Contains(t, c.stderr.String(), `"storage" is too much`)
	for _, line := range []string{"serve --simulate=moon", "serve --simulate moon"} { // both ways to write a flag
		require.Equal(t, exitUsage, c.run(strings.Fields(line)...))
		require.Contains(t, c.stderr.String(), "serve --simulate runs its own engine", line)
	}
}
