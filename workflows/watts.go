package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"nightshift/internal/plan"
)

// What the night saves is metered: once before the first step of a run that switches hosts, and once at its end. It is told
// in the report and decides nothing, so it has one try and little time, and a run that nobody meters goes on as if it had not
// asked.

const (
	// measured is the change under workflow.GetVersion: before it, runs did not look at watts.
	measured = "power"
	// measuring is how long a reading may take, a worker that is not there included.
	measuring = 25 * time.Second
)

func (r *run) measures(ctx workflow.Context) bool {
	return r.graph != nil && r.graph.SwitchesHosts() && workflow.GetVersion(ctx, measured, workflow.DefaultVersion, 1) > workflow.DefaultVersion
}

// measureBefore is the last phase before the first step. An error says that the run was aborted meanwhile.
func (r *run) measureBefore(ctx workflow.Context) error {
	if !r.measures(ctx) {
		return nil
	}
	var got plan.PowerReading
	err := r.call(ctx, powerOptions("Read the lab's watts before the first step"), plan.MeasurePower, r.p.Lab, &got)
	if r.Aborted != "" {
		return errAborted
	}
	if err == nil && len(got.Hosts) > 0 {
		r.Power = &plan.Power{Before: &got}
	}
	return nil
}

// measureAfter is for a run that has a reading of before: alone, the other says nothing. It is taken after an abort, too.
func (r *run) measureAfter(ctx workflow.Context) {
	if r.Power == nil || !r.measures(ctx) {
		return
	}
	var got plan.PowerReading
	options := workflow.WithActivityOptions(ctx, powerOptions("Read the lab's watts at the end"))
	if err := workflow.ExecuteActivity(options, plan.MeasurePower, r.p.Lab).Get(ctx, &got); err == nil && len(got.Hosts) > 0 {
		r.Power = &plan.Power{Before: r.Power.Before, After: &got}
	}
}

func powerOptions(summary string) workflow.ActivityOptions {
	return workflow.ActivityOptions{Summary: summary, StartToCloseTimeout: measuring, ScheduleToCloseTimeout: measuring,
		RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 1}}
}
