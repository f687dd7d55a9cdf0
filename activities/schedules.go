package activities

import (
	"context"
	"errors"
	"fmt"

	common "go.temporal.io/api/common/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"nightshift/internal/runapi"
)

// ScheduleReader tells of the schedules of labs: what was said of them, and what became of it. Missed and Skipped count
// since the schedule was made.
type ScheduleReader struct{ Temporal client.Client }

// List is the schedules of a lab, by name of the server's list.
func (r ScheduleReader) List(ctx context.Context, lab string) ([]runapi.Schedule, error) {
	it, err := r.Temporal.ScheduleClient().List(ctx, client.ScheduleListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list the schedules: %w", err)
	}
	var list []runapi.Schedule
	for it.HasNext() {
		e, err := it.Next()
		if err != nil {
			return nil, fmt.Errorf("list the schedules: %w", err)
		}
		s, ours := ScheduleOf(e.Memo.GetFields()[runapi.ScheduleMemo])
		if !ours || s.Lab != lab {
			continue
		}
		// The list lags behind; what it says of a pause or of a removed schedule may be old.
		d, err := r.Temporal.ScheduleClient().GetHandle(ctx, e.ID).Describe(ctx)
		var gone *serviceerror.NotFound
		if errors.As(err, &gone) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("describe schedule %s: %w", s.Name, err)
		}
		list = append(list, described(s, d))
	}
	return list, nil
}

// ScheduleOf reads what a person said of a schedule from the memo that is kept under runapi.ScheduleMemo; not ok: it is none of ours.
func ScheduleOf(memo *common.Payload) (s runapi.Schedule, ok bool) {
	return s, memo != nil && converter.GetDefaultDataConverter().FromPayload(memo, &s) == nil
}

// described adds to what was said of a schedule at first what was said last (which is at its runs, as its own memo cannot
// be changed), and what became of it.
func described(s runapi.Schedule, d *client.ScheduleDescription) runapi.Schedule {
	if act, ok := d.Schedule.Action.(*client.ScheduleWorkflowAction); ok {
		if memo, ok := act.Memo[runapi.ScheduleMemo].(*common.Payload); ok {
			if now, ok := ScheduleOf(memo); ok {
				s = now
			}
		}
	}
	if st := d.Schedule.State; st != nil {
		s.Paused, s.Note = st.Paused, st.Note
	}
	if next := d.Info.NextActionTimes; len(next) > 0 && !s.Paused {
		s.Next, s.Times = next[0], next[:min(len(next), runapi.ScheduledRuns)]
	}
	if n := len(d.Info.RecentActions); n > 0 && d.Info.RecentActions[n-1].StartWorkflowResult != nil {
		last := d.Info.RecentActions[n-1]
		s.LastRun, s.LastAt = last.StartWorkflowResult.WorkflowID, last.ScheduleTime
	}
	s.Missed, s.Skipped = d.Info.NumActionsMissedCatchupWindow, d.Info.NumActionsSkippedOverlap
	return s
}
