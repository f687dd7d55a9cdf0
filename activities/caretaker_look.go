package activities

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"golang.org/x/sync/errgroup"

	"nightshift/internal/fault"
	"nightshift/internal/plan"
	"nightshift/internal/runapi"
	"nightshift/runbooks"
)

const (
	// askLimit is how long a run has to answer, and listLimit how long all schedules may take.
	askLimit  = 15 * time.Second
	listLimit = 2 * time.Minute
	// mostOpenRuns bounds how many are asked, askedAtOnce how many at a time: a lab has one lock, but each protection group has its
	// own, and those that answer nothing must not keep the others untold.
	mostOpenRuns = 200
	askedAtOnce  = 8
)

// temporalLookout reads schedules and runs from the Temporal service.
type temporalLookout struct{ temporal client.Client }

func (l temporalLookout) schedules(ctx context.Context, lab string) ([]timetable, error) {
	ctx, cancel := context.WithTimeout(ctx, listLimit)
	defer cancel()
	schedules, err := ScheduleReader{l.temporal}.List(ctx, lab)
	if err != nil {
		return nil, fault.As(fault.Unreachable, err)
	}
	var list []timetable
	for _, s := range schedules {
		list = append(list, timetable{ID: s.ID(), Name: s.Name, Runbook: s.Runbook, Missed: s.Missed, Paused: s.Paused, Last: s.LastAt, Next: s.Next})
	}
	slices.SortFunc(list, func(a, b timetable) int { return strings.Compare(a.ID, b.ID) })
	return list, nil
}

func (l temporalLookout) waiting(ctx context.Context, lab string) (map[string]runapi.Sheet, error) {
	var types []string
	for _, b := range runbooks.Catalog() {
		if !slices.Contains(types, b.Workflow) {
			types = append(types, b.Workflow)
		}
	}
	query := fmt.Sprintf("TaskQueue = '%s' AND WorkflowType IN ('%s') AND ExecutionStatus = 'Running'", plan.TaskQueue(lab), strings.Join(types, "','"))
	r, err := l.temporal.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{PageSize: mostOpenRuns, Query: query})
	if err != nil {
		return nil, fault.As(fault.Unreachable, fmt.Errorf("list the open runs: %w", err))
	}
	var (
		mu   sync.Mutex
		runs = map[string]runapi.Sheet{}
		all  errgroup.Group
	)
	all.SetLimit(askedAtOnce)
	for _, e := range r.GetExecutions() {
		id := e.GetExecution().GetWorkflowId()
		all.Go(func() error {
			if s, err := l.sheet(ctx, id); err == nil && s.Stuck() { // one that does not answer now is asked again
				mu.Lock()
				defer mu.Unlock()
				runs[id] = s
			}
			return nil
		})
	}
	_ = all.Wait() // none fails
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
