package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
)

const (
	// heartbeat is how soon a dead worker is noticed. Long enough for a machine that is busy: a false alarm means two live attempts.
	heartbeat = 15 * time.Second
	// attempts bounds the retries of what is transient, about a quarter of an hour of them. A killed worker uses up one,
	// so it must not be small.
	attempts = 30
)

func retries() *temporal.RetryPolicy {
	return &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: 30 * time.Second, MaximumAttempts: attempts}
}

// stepOptions are those of the activity of a step. One that only waits is left behind when the run goes on in another:
// hundreds of them, each of which first had to come back, would hold up the steps that act.
func stepOptions(s plan.Step, id string) workflow.ActivityOptions {
	return workflow.ActivityOptions{
		ActivityID: id, Summary: s.Title, TaskQueue: s.Queue, WaitForCancellation: !s.Waits(),
		StartToCloseTimeout: time.Duration(s.Timeout), HeartbeatTimeout: heartbeat, RetryPolicy: retries(),
	}
}

// planOptions: it only reads. Few attempts, as people wait for it and read what is wrong.
func planOptions() workflow.ActivityOptions {
	o := workflow.ActivityOptions{Summary: "Inspect the lab and make the plan", StartToCloseTimeout: 10 * time.Minute,
		HeartbeatTimeout: time.Minute, RetryPolicy: retries()}
	o.RetryPolicy.MaximumAttempts = 4
	return o
}

// replanOptions are for planning in the middle of a run: the machine, or the network, may have come back just now.
func replanOptions() workflow.ActivityOptions {
	o := planOptions()
	o.Summary = "Inspect the lab and plan anew what is left"
	o.RetryPolicy.MaximumAttempts = 10 // about three minutes of pauses
	return o
}

// lockWords is what the run takes before it looks at the lab.
func lockWords(p runapi.Params) string {
	if p.OfGroup() {
		return "the lock on protection group " + p.Parameters[plan.ParamGroup]
	}
	return "the lock on lab " + p.Lab
}

func lockOptions(p runapi.Params) workflow.ActivityOptions {
	// WaitForCancellation: a lock that is granted while the run gives up would never be released.
	o := workflow.ActivityOptions{Summary: "Take " + lockWords(p), StartToCloseTimeout: 5 * time.Minute,
		HeartbeatTimeout: heartbeat, RetryPolicy: retries(), WaitForCancellation: true}
	if p.Wait {
		o.StartToCloseTimeout = 24 * time.Hour
	}
	return o
}

func ledgerOptions(summary string) workflow.ActivityOptions {
	return workflow.ActivityOptions{Summary: summary, StartToCloseTimeout: time.Minute, ScheduleToCloseTimeout: time.Hour, RetryPolicy: retries()}
}
