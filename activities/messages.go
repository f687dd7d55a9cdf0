package activities

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"nightshift/internal/fault"
	"nightshift/internal/plan"
	"nightshift/internal/runapi"
	"nightshift/internal/words"
)

// SendMessage hands a message over to Temporal, as a workflow of its own that is tried for hours: a mail server that is away
// holds up no run. Its id is made of the run, the step and the decision, so an attempt that comes again sends nothing twice.
func (a *Activities) SendMessage(ctx context.Context, c plan.Call) (plan.Outcome, error) {
	p, err := params[plan.MessageParams](c)
	if err != nil {
		return plan.Outcome{}, classify(plan.SendMessage, c.Target, err)
	}
	to := p.Channels
	for _, name := range to {
		if _, ok := a.lab.Channel(name); !ok {
			return plan.Outcome{}, classify(plan.SendMessage, c.Target, refuse(fault.Invalid, "this worker's lab file has no channel %s", name))
		}
	}
	if len(to) == 0 {
		to = a.channels(runapi.EventMessage, c.Runbook)
	}
	if len(to) == 0 {
		return plan.Outcome{Note: "nobody is told: no channel of the lab file takes messages of this runbook"}, nil
	}
	first, _, _ := strings.Cut(strings.TrimSpace(p.Text), "\n")
	n := runapi.Notice{Event: runapi.EventMessage, Lab: c.Lab, Runbook: c.Runbook, Run: c.Run, At: time.Now().UTC(), Channels: p.Channels,
		Subject: c.Runbook + ": " + shortened(first), Lines: strings.Split(strings.TrimSpace(p.Text), "\n")}
	id := fmt.Sprintf("%s-notify-%s-%s", c.Run, runapi.EventMessage, c.Step)
	if c.Decision > 0 {
		id += fmt.Sprintf("-%d", c.Decision)
	}
	ctx, cancel := untilStop(ctx)
	defer cancel()
	if err := a.recordMessage(ctx, id, n); err != nil {
		return plan.Outcome{}, classify(plan.SendMessage, c.Target, err)
	}
	return plan.Outcome{Note: "goes to " + words.Some(to, fewChannels), Acted: true}, nil
}

// fewChannels is how many a note names.
const fewChannels = 5

func (a *Activities) recordMessage(ctx context.Context, id string, n runapi.Notice) error {
	_, err := a.temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: id, TaskQueue: plan.TaskQueue(n.Lab),
		WorkflowIDReusePolicy: enums.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE, WorkflowExecutionErrorWhenAlreadyStarted: true,
		StaticSummary: fmt.Sprintf("Tell people of lab %s: %s", n.Lab, n.Event),
		TypedSearchAttributes: temporal.NewSearchAttributes(temporal.NewSearchAttributeKeyKeyword("Lab").ValueSet(n.Lab),
			temporal.NewSearchAttributeKeyKeyword("Runbook").ValueSet(n.Runbook))}, runapi.NotifyType, n)
	if errors.As(err, new(*serviceerror.WorkflowExecutionAlreadyStarted)) { // by an attempt whose answer was lost
		return nil
	}
	if err != nil {
		return fault.As(fault.Unreachable, fmt.Errorf("hand the message over to Temporal: %w", err))
	}
	return nil
}

// shortened is a line that fits a subject.
func shortened(line string) string {
	const most = 80
	r := []rune(line)
	if len(r) <= most {
		return line
	}
	return string(r[:most-1]) + "…"
}
