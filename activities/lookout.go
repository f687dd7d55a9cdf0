package activities

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"nightshift/internal/fault"
	"nightshift/internal/plan"
	"nightshift/internal/runapi"
	"nightshift/runbooks"
)

const (
	// askLimit is how long a run, or a schedule, has to answer.
	askLimit = 15 * time.Second
	// mostOpenRuns bounds how many are asked; a lab has one lock.
	mostOpenRuns = 20
	// scheduleMemo is the key under which a schedule keeps what a person said.
	scheduleMemo = "nightshift"
)

// temporalLookout reads schedules and runs from the Temporal service.
type temporalLookout struct{ temporal client.Client }

func (l temporalLookout) schedules(ctx context.Context, lab string) ([]timetable, error) {
	it, err := l.temporal.ScheduleClient().List(ctx, client.ScheduleListOptions{})
	if err != nil {
		return nil, fault.As(fault.Unreachable, fmt.Errorf("list the schedules: %w", err))
	}
	var list []timetable
	for it.HasNext() {
		e, err := it.Next()
		if err != nil {
			return nil, fault.As(fault.Unreachable, fmt.Errorf("list the schedules: %w", err))
		}
		var said struct{ Name, Lab, Runbook string }
		memo, ok := e.Memo.GetFields()[scheduleMemo]
		if !ok || converter.GetDefaultDataConverter().FromPayload(memo, &said) != nil || said.Lab != lab {
			continue
		}
		t := timetable{ID: e.ID, Name: said.Name, Runbook: said.Runbook}
		switch err := l.describe(ctx, &t); {
		case errors.As(err, new(*serviceerror.NotFound)): // the list lags behind
		case err != nil:
			return nil, fault.As(fault.Unreachable, fmt.Errorf("describe schedule %s: %w", t.Name, err))
		default:
			list = append(list, t)
		}
	}
	slices.SortFunc(list, func(a, b timetable) int { return strings.Compare(a.ID, b.ID) })
	return list, nil
}

func (l temporalLookout) describe(ctx context.Context, t *timetable) error {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	d, err := l.temporal.ScheduleClient().GetHandle(ctx, t.ID).Describe(ctx)
	if err != nil {
		return err
	}
	t.Missed = d.Info.NumActionsMissedCatchupWindow
	if st := d.Schedule.State; st != nil {
		t.Paused = st.Paused
	}
	if next := d.Info.NextActionTimes; len(next) > 0 {
		t.Next = next[0]
	}
	if last := d.Info.RecentActions; len(last) > 0 {
		t.Last = last[len(last)-1].ActualTime
	}
	return nil
}

func (l temporalLookout) waiting(ctx context.Context, lab string) (map[string]runapi.Sheet, error) {
	var types []string
	for _, b := range runbooks.Catalog() {
		if !slices.Contains(types, b.Workflow) {
			types = append(types, b.Workflow)
		}
	}
	r, err := l.temporal.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{PageSize: mostOpenRuns,
		Query: fmt.Sprintf("TaskQueue = '%s' AND WorkflowType IN ('%s') AND ExecutionStatus = 'Running'", plan.TaskQueue(lab), strings.Join(types, "','"))})
	if err != nil {
		return nil, fault.As(fault.Unreachable, fmt.Errorf("list the open runs: %w", err))
	}
	runs := map[string]runapi.Sheet{}
	for _, e := range r.GetExecutions() {
		id := e.GetExecution().GetWorkflowId()
		if s, err := l.sheet(ctx, id); err == nil && s.Stuck() { // one that does not answer now is asked again
			runs[id] = s
		}
	}
	return runs, ctx.Err()
}

func (l temporalLookout) sheet(ctx context.Context, run string) (s runapi.Sheet, err error) {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	v, err := l.temporal.QueryWorkflow(ctx, run, "", runapi.SheetQuery)
	if err != nil {
		return s, err
	}
	return s, v.Get(&s)
}
