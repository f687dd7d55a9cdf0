package main

import (
	"context"
	"fmt"

	enums "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/converter"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
)

// Plan asks the run, open or closed. Without a worker it looks for what the planner answered in the run's history.
func (t *temporalRuns) Plan(ctx context.Context, id string) (*plan.Plan, error) {
	var packed []byte
	_, err := t.query(ctx, id, runapi.PlanQuery, false, &packed)
	if err != nil {
		var found error
		if packed, found = t.planInHistory(ctx, id); found != nil {
			return nil, fmt.Errorf("%w; nor is the plan in the run's history: %w", err, found)
		}
	}
	if len(packed) == 0 {
		return nil, nil
	}
	p, err := plan.Unpack(packed)
	if err != nil {
		return nil, fmt.Errorf("run %s: %w", id, err)
	}
	return &p, nil
}

// Proposal asks the run.
func (t *temporalRuns) Proposal(ctx context.Context, id string) (*plan.Plan, error) {
	var packed []byte
	if _, err := t.query(ctx, id, runapi.ProposalQuery, false, &packed); err != nil || len(packed) == 0 {
		return nil, err
	}
	p, err := plan.Unpack(packed)
	if err != nil {
		return nil, fmt.Errorf("the new plan of run %s: %w", id, err)
	}
	return &p, nil
}

// planInHistory walks back through the chain of runs to the one that made the plan.
func (t *temporalRuns) planInHistory(ctx context.Context, id string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, orderTimeout)
	defer cancel()
	for run, seen := "", map[string]bool{}; !seen[run]; {
		seen[run] = true
		packed, before, err := t.planInRun(ctx, id, run)
		if err != nil || packed != nil || before == "" {
			return packed, err
		}
		run = before
	}
	return nil, nil
}

// planInRun looks through one run of the chain. A run that went on from another got the plan as its second argument.
func (t *temporalRuns) planInRun(ctx context.Context, id, run string) (packed []byte, before string, err error) {
	it := t.client.GetWorkflowHistory(ctx, id, run, false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	planning := map[int64]bool{}
	for it.HasNext() {
		e, err := it.Next()
		if err != nil {
			return nil, "", err
		}
		if started := e.GetWorkflowExecutionStartedEventAttributes(); started != nil {
			before = started.GetContinuedExecutionRunId()
			if packed := planArgument(started); len(packed) > 0 {
				return packed, "", nil
			}
		}
		if a := e.GetActivityTaskScheduledEventAttributes(); a.GetActivityType().GetName() == plan.MakePlan {
			planning[e.GetEventId()] = true
		}
		if a := e.GetActivityTaskCompletedEventAttributes(); a != nil && planning[a.GetScheduledEventId()] {
			var r plan.Reply // the first answer is the plan; a later one is the check of the end state
			if err := converter.GetDefaultDataConverter().FromPayloads(a.GetResult(), &r); err != nil {
				return nil, "", err
			}
			return r.Packed, "", nil
		}
	}
	return nil, before, nil
}

func planArgument(started *historypb.WorkflowExecutionStartedEventAttributes) []byte {
	args := started.GetInput().GetPayloads()
	if len(args) < 2 {
		return nil
	}
	var packed []byte
	if converter.GetDefaultDataConverter().FromPayload(args[1], &packed) != nil {
		return nil
	}
	return packed
}
