package telemetry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"nightshift/activities"
	"nightshift/internal/plan"
	"nightshift/internal/runapi"
	"nightshift/runbooks"
)

// A source reads a lab's runs, ledger and schedules from Temporal.
type source struct {
	client    client.Client
	namespace string
	lab       string
}

// mostRuns is how many runs under way are asked: there is one lock on a lab, so there are few.
const mostRuns = 20

func (s *source) read(ctx context.Context) reading {
	var r reading
	var errs [3]error
	r.runs, errs[0] = s.runs(ctx)
	if st, err := (activities.LedgerClient{Temporal: s.client}).State(ctx, s.lab); err == nil {
		r.ledger = &st
	} else {
		errs[1] = err
	}
	r.schedules, errs[2] = s.schedules(ctx)
	r.err = errors.Join(errs[:]...)
	return r
}

func (s *source) runs(ctx context.Context) ([]openRun, error) {
	found, err := s.list(ctx, s.query("ExecutionStatus = 'Running'"), mostRuns)
	if err != nil {
		return nil, err
	}
	runs := make([]openRun, 0, len(found))
	for _, e := range found {
		run := openRun{id: e.GetExecution().GetWorkflowId(), runbook: keyword(e, "Runbook"), phase: keyword(e, "Phase")}
		v, err := s.client.QueryWorkflow(ctx, run.id, "", runapi.SheetQuery)
		var sheet runapi.Sheet
		if err == nil && v.Get(&sheet) == nil {
			run.sheet = &sheet
		} else if err != nil {
			err = fmt.Errorf("run %s: %w", run.id, err)
		}
		runs = append(runs, run)
		if err != nil {
			return runs, err
		}
	}
	return runs, nil
}

// query is a visibility query for runs of the lab.
func (s *source) query(more string) string {
	var types []string
	for _, rb := range runbooks.Catalog() {
		if !slices.Contains(types, rb.Workflow) { // step runbooks share one
			types = append(types, rb.Workflow)
		}
	}
	return fmt.Sprintf("TaskQueue = '%s' AND WorkflowType IN ('%s') AND %s", plan.TaskQueue(s.lab), strings.Join(types, "','"), more)
}

func (s *source) list(ctx context.Context, query string, most int32) ([]*workflowpb.WorkflowExecutionInfo, error) {
	r, err := s.client.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Namespace: s.namespace, Query: query, PageSize: most})
	if err != nil {
		return nil, fmt.Errorf("list runs: %w", err)
	}
	return r.GetExecutions(), nil
}

func keyword(e *workflowpb.WorkflowExecutionInfo, name string) string {
	var v string
	if p, ok := e.GetSearchAttributes().GetIndexedFields()[name]; ok {
		_ = converter.GetDefaultDataConverter().FromPayload(p, &v) // another type is not ours: empty
	}
	return v
}
