package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
)

// schedules starts runs by the clock.
type schedules interface {
	Add(ctx context.Context, s schedule) error
	List(ctx context.Context, lab string) ([]schedule, error)
	// Pause stops a schedule from starting runs, or lets it again.
	Pause(ctx context.Context, lab, name string, pause bool, note string) error
	Remove(ctx context.Context, lab, name string) error
}

// catchUp is how late a scheduled run may still start: a lab isn't powered down at noon because nightshift slept at
// midnight. A run that is missed is counted, and shown.
const catchUp = 10 * time.Minute

// A schedule starts a runbook by the clock.
type schedule struct {
	Name       string            `json:"name"`
	Lab        string            `json:"lab"`
	Runbook    string            `json:"runbook"`
	Cron       string            `json:"cron"` // five fields, in the time zone
	Zone       string            `json:"zone"` // IANA name
	Parameters map[string]string `json:"parameters,omitempty"`
	Paused     bool              `json:"paused"`
	Note       string            `json:"note,omitempty"` // who paused it and why
	// Approval: its runs wait for an approval, as the lab file demands.
	Approval bool `json:"approval,omitempty"`

	Next    time.Time `json:"next,omitzero"`
	LastRun string    `json:"lastRun,omitempty"`
	Missed  int       `json:"missed,omitempty"`  // not started, because it was too late
	Skipped int       `json:"skipped,omitempty"` // not started, because the run before was still under way

	workflow string // type of the runbook's workflow
}

// scheduleMemo is the memo's key under which a schedule keeps what a person said.
const scheduleMemo = "nightshift"

// id is the schedule's, and the beginning of the ids of its runs.
func (s schedule) id() string { return s.Runbook + "-" + s.Lab + "-" + s.Name }

type temporalSchedules struct{ client client.Client }

func (t *temporalSchedules) Add(ctx context.Context, s schedule) error {
	others, err := t.List(ctx, s.Lab)
	if err != nil {
		return err
	}
	for _, o := range others {
		if o.Name == s.Name {
			return fmt.Errorf("there is a schedule %s already (%s at %q): remove it first with `nightshift schedule remove %s`", s.Name, o.Runbook, o.Cron, s.Name)
		}
	}
	h, err := t.client.ScheduleClient().Create(ctx, client.ScheduleOptions{
		ID:            s.id(),
		Spec:          client.ScheduleSpec{CronExpressions: []string{s.Cron}, TimeZoneName: s.Zone},
		Overlap:       enums.SCHEDULE_OVERLAP_POLICY_SKIP,
		CatchupWindow: catchUp,
		Memo:          map[string]any{scheduleMemo: s},
		Action: &client.ScheduleWorkflowAction{
			ID: s.id(), Workflow: s.workflow, TaskQueue: plan.TaskQueue(s.Lab),
			StaticSummary: s.Runbook + " of lab " + s.Lab + " by schedule " + s.Name,
			Args: []any{runapi.Params{Lab: s.Lab, Runbook: s.Runbook, Parameters: s.Parameters,
				By: "schedule " + s.Name, Approved: !s.Approval, Scheduled: true}},
		},
	})
	var invalid *serviceerror.InvalidArgument
	switch {
	case errors.As(err, &invalid):
		return usage("the schedule is not valid: %s (cron has five fields: minute hour day month weekday; --zone is a name like Europe/Berlin)", invalid.Error())
	case errors.Is(err, temporal.ErrScheduleAlreadyRunning):
		return fmt.Errorf("there is a schedule %s already", s.Name)
	case err != nil:
		return fmt.Errorf("add schedule %s: %w", s.Name, err)
	}
	return refuseNever(ctx, h, s)
}

// refuseNever takes a schedule back whose time never comes: the 31st of February.
func refuseNever(ctx context.Context, h client.ScheduleHandle, s schedule) error {
	d, err := h.Describe(ctx)
	if err != nil || len(d.Info.NextActionTimes) > 0 {
		return nil //nolint:nilerr // it is there; what it is like, `schedule list` says
	}
	if err := h.Delete(ctx); err != nil {
		return fmt.Errorf("schedule %s would never start a run, and cannot be removed again: %w", s.Name, err)
	}
	return usage("--cron %q: no day is like that, the schedule would never start a run", s.Cron)
}

func (t *temporalSchedules) List(ctx context.Context, lab string) ([]schedule, error) {
	it, err := t.client.ScheduleClient().List(ctx, client.ScheduleListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list the schedules: %w", err)
	}
	var list []schedule
	for it.HasNext() {
		e, err := it.Next()
		if err != nil {
			return nil, fmt.Errorf("list the schedules: %w", err)
		}
		var s schedule
		memo, ok := e.Memo.GetFields()[scheduleMemo]
		if !ok || converter.GetDefaultDataConverter().FromPayload(memo, &s) != nil || s.Lab != lab {
			continue
		}
		// The list lags behind; what it says of a pause or of a removed schedule may be old.
		d, err := t.client.ScheduleClient().GetHandle(ctx, e.ID).Describe(ctx)
		var gone *serviceerror.NotFound
		if errors.As(err, &gone) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("describe schedule %s: %w", s.Name, err)
		}
		list = append(list, s.with(d))
	}
	return list, nil
}

func (s schedule) with(d *client.ScheduleDescription) schedule {
	if st := d.Schedule.State; st != nil {
		s.Paused, s.Note = st.Paused, st.Note
	}
	if len(d.Info.NextActionTimes) > 0 && !s.Paused {
		s.Next = d.Info.NextActionTimes[0]
	}
	if n := len(d.Info.RecentActions); n > 0 && d.Info.RecentActions[n-1].StartWorkflowResult != nil {
		s.LastRun = d.Info.RecentActions[n-1].StartWorkflowResult.WorkflowID
	}
	s.Missed, s.Skipped = d.Info.NumActionsMissedCatchupWindow, d.Info.NumActionsSkippedOverlap
	return s
}

func (t *temporalSchedules) Pause(ctx context.Context, lab, name string, pause bool, note string) error {
	h, err := t.find(ctx, lab, name)
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
	h, err := t.find(ctx, lab, name)
	if err != nil {
		return err
	}
	if err := h.Delete(ctx); err != nil {
		return fmt.Errorf("remove schedule %s: %w", name, err)
	}
	return nil
}

func (t *temporalSchedules) find(ctx context.Context, lab, name string) (client.ScheduleHandle, error) {
	list, err := t.List(ctx, lab)
	if err != nil {
		return nil, err
	}
	for _, s := range list {
		if s.Name == name {
			return t.client.ScheduleClient().GetHandle(ctx, s.id()), nil
		}
	}
	return nil, fmt.Errorf("lab %s has no schedule %s (see `nightshift schedule list`)", lab, name)
}
