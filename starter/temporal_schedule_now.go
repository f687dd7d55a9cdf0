package main

import (
	"context"
	"fmt"
	"time"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/types/known/timestamppb"
)

const (
	// triggerWait is how long a triggered run may take to be there.
	triggerWait = 30 * time.Second
	triggerLook = 200 * time.Millisecond
)

func (t *temporalSchedules) Trigger(ctx context.Context, lab, name string) (string, error) {
	h, before, err := t.find(ctx, lab, name)
	if err != nil {
		return "", err
	}
	d, err := h.Describe(ctx)
	if err != nil {
		return "", fmt.Errorf("trigger schedule %s: %w", name, err)
	}
	for _, w := range d.Info.RunningWorkflows {
		return "", fmt.Errorf("schedule %s starts no second run beside %s, which is under way: watch it with `nightshift watch %s`", name, w.WorkflowID, w.WorkflowID)
	}
	taken := d.Info.NumActions
	if err := h.Trigger(ctx, client.ScheduleTriggerOptions{}); err != nil {
		return "", fmt.Errorf("trigger schedule %s: %w", name, err)
	}
	wait, cancel := context.WithTimeout(ctx, triggerWait)
	defer cancel()
	for {
		if d, err = h.Describe(wait); err == nil && d.Info.NumActions > taken && len(d.Info.RecentActions) > 0 {
			if w := d.Info.RecentActions[len(d.Info.RecentActions)-1].StartWorkflowResult; w != nil {
				return w.WorkflowID, nil
			}
		}
		if err == nil && d.Info.NumActionsSkippedOverlap > before.Skipped {
			return "", fmt.Errorf("schedule %s has skipped it: a run of it is under way (see `nightshift status`)", name)
		}
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-wait.Done():
			return "", fmt.Errorf("schedule %s was triggered, but no run was seen to begin within %s: look with `nightshift runs`", name, triggerWait)
		case <-time.After(triggerLook):
		}
	}
}

func (t *temporalSchedules) Times(ctx context.Context, lab, name string, from, to time.Time) ([]time.Time, error) {
	_, s, err := t.find(ctx, lab, name)
	if err != nil {
		return nil, err
	}
	r, err := t.client.WorkflowService().ListScheduleMatchingTimes(ctx, &workflowservice.ListScheduleMatchingTimesRequest{
		Namespace: t.namespace, ScheduleId: s.ID(), StartTime: timestamppb.New(from), EndTime: timestamppb.New(to)})
	if err != nil {
		return nil, fmt.Errorf("the times of schedule %s: %w", name, err)
	}
	var list []time.Time
	for _, at := range r.GetStartTime() {
		list = append(list, at.AsTime())
	}
	return list, nil
}

func (t *temporalSchedules) Backfill(ctx context.Context, lab, name string, from, to time.Time) error {
	h, _, err := t.find(ctx, lab, name)
	if err != nil {
		return err
	}
	err = h.Backfill(ctx, client.ScheduleBackfillOptions{Backfill: []client.ScheduleBackfill{
		{Start: from, End: to, Overlap: enums.SCHEDULE_OVERLAP_POLICY_BUFFER_ALL}}})
	if err != nil {
		return fmt.Errorf("backfill schedule %s: %w", name, err)
	}
	return nil
}
