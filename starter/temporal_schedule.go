package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"nightshift/activities"
	"nightshift/internal/plan"
	"nightshift/internal/runapi"
	"nightshift/runbooks"
)

// schedules starts runs by the clock.
type schedules interface {
	Add(ctx context.Context, s runapi.Schedule) error
	// Change makes a schedule, which was seen as it was, as s says. What it has counted stays. So does a pause where both say the
	// same of it: somebody may have said "not tonight" since it was seen.
	Change(ctx context.Context, was, s runapi.Schedule) error
	List(ctx context.Context, lab string) ([]runapi.Schedule, error)
	// Pause stops a schedule from starting runs, or lets it again.
	Pause(ctx context.Context, lab, name string, pause bool, note string) error
	Remove(ctx context.Context, lab, name string) error
	// Trigger starts a run now, and answers its id.
	Trigger(ctx context.Context, lab, name string) (run string, err error)
	// Times are those at which the schedule would have started runs, both ends included.
	Times(ctx context.Context, lab, name string, from, to time.Time) ([]time.Time, error)
	// Backfill starts the runs of those times, one after the other.
	Backfill(ctx context.Context, lab, name string, from, to time.Time) error
}

// catchUp is how late a scheduled run may still start: a lab isn't powered down at noon because nightshift slept at
// midnight. A run that is missed is counted, and shown.
const catchUp = 10 * time.Minute

type temporalSchedules struct {
	client    client.Client
	namespace string
}

func (t *temporalSchedules) List(ctx context.Context, lab string) ([]runapi.Schedule, error) {
	return activities.ScheduleReader{Temporal: t.client}.List(ctx, lab)
}

func (t *temporalSchedules) Add(ctx context.Context, s runapi.Schedule) error {
	others, err := t.List(ctx, s.Lab)
	if err != nil {
		return err
	}
	for _, o := range others {
		if o.Name == s.Name {
			return fmt.Errorf("there is a schedule %s already (%s at %s): remove it first with `nightshift schedule remove %s`", s.Name, o.Runbook, o.When(), s.Name)
		}
	}
	spec, action, err := temporalSchedule(s)
	if err != nil {
		return err
	}
	h, err := t.client.ScheduleClient().Create(ctx, client.ScheduleOptions{
		ID: s.ID(), Spec: *spec, Action: action, Overlap: enums.SCHEDULE_OVERLAP_POLICY_SKIP, CatchupWindow: catchUp,
		Memo: map[string]any{runapi.ScheduleMemo: s}, Paused: s.Paused, Note: s.Note,
	})
	switch {
	case errors.Is(err, temporal.ErrScheduleAlreadyRunning):
		return fmt.Errorf("Temporal has a schedule %s already, under another name or of another lab, or made just now: see `nightshift schedule list`, or choose another name", s.ID()) //nolint:staticcheck // a name
	case err != nil:
		return scheduleError("add", s, err)
	}
	return refuseNever(ctx, h, s)
}

func (t *temporalSchedules) Change(ctx context.Context, was, s runapi.Schedule) error {
	spec, action, err := temporalSchedule(s)
	if err != nil {
		return err
	}
	err = t.client.ScheduleClient().GetHandle(ctx, s.ID()).Update(ctx, client.ScheduleUpdateOptions{
		DoUpdate: func(in client.ScheduleUpdateInput) (*client.ScheduleUpdate, error) {
			now := in.Description.Schedule
			now.Spec, now.Action = spec, action
			now.Policy = &client.SchedulePolicies{Overlap: enums.SCHEDULE_OVERLAP_POLICY_SKIP, CatchupWindow: catchUp}
			if was.Paused != s.Paused {
				now.State.Paused, now.State.Note = s.Paused, s.Note
			}
			return &client.ScheduleUpdate{Schedule: &now}, nil
		},
	})
	if err != nil {
		return scheduleError("change", s, err)
	}
	return nil
}

// scheduleError is what Temporal says of a schedule that it does not take.
func scheduleError(verb string, s runapi.Schedule, err error) error {
	var invalid *serviceerror.InvalidArgument
	if errors.As(err, &invalid) {
		return usage("schedule %s is not valid: %s", s.Name, invalid.Error())
	}
	return fmt.Errorf("%s schedule %s: %w", verb, s.Name, err)
}

// temporalSchedule is when a schedule starts its runs, and how.
func temporalSchedule(s runapi.Schedule) (*client.ScheduleSpec, *client.ScheduleWorkflowAction, error) {
	spec, err := scheduleSpec(s)
	if err != nil {
		return nil, nil, err
	}
	rb, ok := runbooks.Lookup(s.Runbook)
	switch {
	case s.Steps: // whoever made the schedule has looked it up
		rb.Workflow = plan.StepsWorkflow
	case !ok:
		return nil, nil, usage("there is no runbook %q; there are: %s", s.Runbook, runbookNames())
	}
	said := s
	said.Paused, said.Note = false, "" // these are the schedule's state
	return spec, &client.ScheduleWorkflowAction{
		ID: s.ID(), Workflow: rb.Workflow, TaskQueue: plan.TaskQueue(s.Lab), Memo: map[string]any{runapi.ScheduleMemo: said},
		StaticSummary: s.Runbook + " of lab " + s.Lab + " by schedule " + s.Name,
		Args: []any{runapi.Params{Lab: s.Lab, Runbook: s.Runbook, Parameters: s.Parameters, By: "schedule " + s.Name,
			Approved: !s.Approval, Scheduled: true, OnFailure: s.OnFailure, Deadline: s.Deadline}},
	}, nil
}

// refuseNever takes a schedule back whose time never comes: the 31st of February.
func refuseNever(ctx context.Context, h client.ScheduleHandle, s runapi.Schedule) error {
	d, err := h.Describe(ctx)
	if err != nil || len(d.Info.NextActionTimes) > 0 {
		return nil //nolint:nilerr // it is there; what it is like, `schedule list` says
	}
	if err := h.Delete(ctx); err != nil {
		return fmt.Errorf("schedule %s would never start a run, and cannot be removed again: %w", s.Name, err)
	}
	return usage("%s: no day to come is like that, the schedule would never start a run", s.When())
}

func (t *temporalSchedules) Pause(ctx context.Context, lab, name string, pause bool, note string) error {
	h, _, err := t.find(ctx, lab, name)
	if err != nil {
		return err
	}
	if pause {
		err = h.Pause(ctx, client.SchedulePauseOptions{Note: note})
	} else {
		err = h.Unpause(ctx, client.ScheduleUnpauseOptions{Note: note})
	}
	if err != nil {
		return fmt.Errorf("schedule %s: %w", name, err)
	}
	return nil
}

func (t *temporalSchedules) Remove(ctx context.Context, lab, name string) error {
	h, _, err := t.find(ctx, lab, name)
	if err != nil {
		return err
	}
	if err := h.Delete(ctx); err != nil {
		return fmt.Errorf("remove schedule %s: %w", name, err)
	}
	return nil
}

func (t *temporalSchedules) find(ctx context.Context, lab, name string) (client.ScheduleHandle, runapi.Schedule, error) {
	list, err := t.List(ctx, lab)
	if err != nil {
		return nil, runapi.Schedule{}, err
	}
	i := slices.IndexFunc(list, func(s runapi.Schedule) bool { return s.Name == name })
	if i < 0 {
		return nil, runapi.Schedule{}, fmt.Errorf("lab %s has no schedule %s (see `nightshift schedule list`)", lab, name)
	}
	return t.client.ScheduleClient().GetHandle(ctx, list[i].ID()), list[i], nil
}
