package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
)

// downPlan takes down a guest that the run remembers, and its host.
func downPlan() *plan.Plan {
	guest := plan.Target{Kind: plan.Guest, Name: "db01", Endpoint: "vc1", Ref: "vm-12", UUID: "u-db"}
	host := plan.Target{Kind: plan.Host, Name: "esx21.lab", Endpoint: "vc1", Ref: "host-21"}
	return &plan.Plan{Schema: plan.SchemaVersion, Runbook: "power-down", Lab: "home", Title: "Power down lab home", Steps: []plan.Step{
		{ID: "remember-running", Action: plan.RememberRunning, Params: plan.Encode(plan.RememberParams{Guests: []plan.RememberedGuest{{Endpoint: "vc1", UUID: "u-db", Name: "db01", Host: "esx21"}}})},
		{ID: "shutdown-guest:db01", Action: plan.ShutdownGuest, Target: guest, Needs: []string{"remember-running"},
			Params: plan.Encode(plan.ShutdownGuestParams{Method: "shutdown", Timeout: plan.Duration(time.Minute), Host: "host-21"})},
		{ID: "shutdown-host:esx21", Action: plan.ShutdownHost, Target: host, Needs: []string{"shutdown-guest:db01"}},
	}}
}

// The page for paper is there while the plan waits for an approval, and of the last power-down where none is named.
func TestReportManual(t *testing.T) {
	lab := &fakeLab{plan: downPlan(), script: []runapi.Sheet{{Lab: "home", Runbook: "power-down", Phase: runapi.PhaseApprove, Steps: "...", Started: midnight()}},
		list: []runInfo{{Run: "power-up-home-1", Runbook: "power-up"}, {Run: runA, Runbook: "power-down"}}}
	c := newConsole(t, lab)
	for _, args := range [][]string{{"report", "--manual"}, {"report", "--manual", runA}} {
		require.Equal(t, exitDone, c.run(args...), c.stderr)
		for _, want := range []string{"How to bring lab home up by hand", "in run " + runA + ", before anything was switched off", "[ ] db01 on host esx21"} {
			require.Contains(t, c.stdout.String(), want)
		}
	}
	require.Equal(t, exitDone, c.run("report", "--manual", "-o", "json"))
	require.Contains(t, c.stdout.String(), `"name": "db01"`)
	c.run("report", runA)
	require.Contains(t, c.stdout.String(), "nightshift report --manual "+runA)

	for format, want := range map[string]string{"markdown": "    [ ] db01 on host esx21", "html": "[ ] db01 on host esx21", "json": `"manual": {`} {
		c.run("report", runA, "-o", format)
		require.Contains(t, c.stdout.String(), want, format)
	}

	require.NotContains(t, c.stderr.String(), "Warning")
	lab.plan.LabHash = "another"
	require.Equal(t, exitDone, c.run("report", "--manual"))
	require.Contains(t, c.stderr.String(), "is not the lab file that run "+runA+" was planned with")
	c.run("report", runA, "-o", "markdown")
	require.Contains(t, c.stdout.String(), "The lab file has changed since")

	lab.plan.Steps = nil
	require.Equal(t, exitUsage, c.run("report", "--manual", runA))
	require.Contains(t, c.stderr.String(), "takes nothing down")
	require.Equal(t, exitFailed, c.run("report", "--manual"))
	require.Contains(t, c.stderr.String(), "lab home has had no power-down that took anything down yet")
}
