package workflows

import (
	"fmt"
	"strings"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
)

// tellFor is how long a message is tried to be sent. What happened last night is still worth telling in the morning.
const tellFor = 12 * time.Hour

// sendOptions: a mail server that is away is asked again for hours, less and less often.
func sendOptions(summary string) workflow.ActivityOptions {
	return workflow.ActivityOptions{Summary: summary, StartToCloseTimeout: 3 * time.Minute, ScheduleToCloseTimeout: tellFor,
		RetryPolicy: &temporal.RetryPolicy{InitialInterval: 10 * time.Second, BackoffCoefficient: 2, MaximumInterval: 15 * time.Minute, MaximumAttempts: 60}}
}

// Notify sends one notice through every channel that wants it. Each is tried by itself: one that is dead neither keeps the
// others waiting nor has them send again. Where one could not be reached the workflow fails, to be found in the Temporal UI.
func Notify(ctx workflow.Context, n runapi.Notice) error {
	var channels []string
	o := sendOptions("which channels want it")
	if err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, o), plan.NoticeChannels, n).Get(ctx, &channels); err != nil {
		return err
	}
	sends := make([]workflow.Future, len(channels))
	for i, ch := range channels {
		actx := workflow.WithActivityOptions(ctx, sendOptions("send through channel "+ch))
		sends[i] = workflow.ExecuteActivity(actx, plan.SendNotice, runapi.NoticeCall{Channel: ch, Notice: n})
	}
	var failed []string
	for i, f := range sends {
		if err := f.Get(ctx, nil); err != nil {
			workflow.GetLogger(ctx).Warn("a message could not be sent", "channel", channels[i], "event", n.Event, "error", cause(err))
			failed = append(failed, fmt.Sprintf("channel %s: %s", channels[i], cause(err)))
		}
	}
	if len(failed) > 0 {
		return temporal.NewNonRetryableApplicationError("not sent through "+strings.Join(failed, "; "), "NotSent", nil)
	}
	return nil
}

// startNotice starts the message as a workflow of its own, which goes on whatever becomes of the one that starts it, and
// waits until the server has it: no longer than it takes the server to write it down. Its id makes it one message: it is
// made of what the caller's history tells, so a replay starts nothing anew.
func startNotice(ctx workflow.Context, id string, n runapi.Notice) {
	about := []temporal.SearchAttributeUpdate{LabAttribute.ValueSet(n.Lab)}
	if n.Runbook != "" {
		about = append(about, RunbookAttribute.ValueSet(n.Runbook))
	}
	ctx = workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID: id, WorkflowIDReusePolicy: enums.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
		ParentClosePolicy:     enums.PARENT_CLOSE_POLICY_ABANDON,
		StaticSummary:         fmt.Sprintf("Tell people of lab %s: %s", n.Lab, n.Event),
		TypedSearchAttributes: temporal.NewSearchAttributes(about...),
	})
	child := workflow.ExecuteChildWorkflow(ctx, runapi.NotifyType, n)
	if err := child.GetChildWorkflowExecution().Get(ctx, nil); err != nil {
		workflow.GetLogger(ctx).Warn("a message was not started", "event", n.Event, "error", err)
	}
}

// noticeID is unique for an event at a moment. Of one event there is at most one message in a second.
func noticeID(ctx workflow.Context, of string, e runapi.Event) string {
	return fmt.Sprintf("%s-notify-%s-%s", of, e, workflow.Now(ctx).UTC().Format("20060102-150405"))
}
