package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	common "go.temporal.io/api/common/v1"
	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
)

// Sheet asks the run while it is open, and takes its result afterwards, for which no worker is needed.
func (t *temporalRuns) Sheet(ctx context.Context, id string) (runapi.Sheet, error) {
	var s runapi.Sheet
	status, err := t.query(ctx, id, runapi.SheetQuery, true, &s)
	switch {
	case err != nil:
		return s, err
	case status == enums.WORKFLOW_EXECUTION_STATUS_UNSPECIFIED:
		t.troubles(ctx, id, &s)
		return s, nil
	}
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	err = t.client.GetWorkflow(ctx, id, "").Get(ctx, &s)
	if err == nil {
		return s, nil
	}
	if ctx.Err() != nil {
		return s, ctx.Err()
	}
	// The last state that the run's history tells, for the report; without a worker there is none.
	_, _ = t.query(ctx, id, runapi.SheetQuery, false, &s)
	broken := &brokenError{Status: statusWord(status)}
	if status == enums.WORKFLOW_EXECUTION_STATUS_FAILED {
		broken.Cause = rootCause(err)
	}
	return s, broken
}

// Pulse asks the run while it is open.
func (t *temporalRuns) Pulse(ctx context.Context, id string) (pulse string) {
	if _, err := t.query(ctx, id, runapi.PulseQuery, true, &pulse); err != nil {
		return "" // an older worker does not know it; what else is the matter, whoever reads the sheet is told
	}
	return pulse
}

// troubles adds to the notes of running steps how far they are, and why they were begun again: only Temporal knows of heartbeats and
// of retries under way.
func (t *temporalRuns) troubles(ctx context.Context, id string, s *runapi.Sheet) {
	if s.Running == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	r, err := t.client.DescribeWorkflowExecution(ctx, id, "")
	if err != nil {
		return // the sheet is true without it
	}
	notePending(s, r.GetPendingActivities())
}

// notePending notes what Temporal knows of activities that are under way. A stream that was begun again says how far it is all the same.
func notePending(s *runapi.Sheet, list []*workflowpb.PendingActivityInfo) {
	for _, p := range list {
		step := plan.StepOf(p.GetActivityId())
		var said []string
		var m plan.Memo
		if converter.GetDefaultDataConverter().FromPayloads(p.GetHeartbeatDetails(), &m) == nil && m.Progress != nil {
			said = append(said, m.Progress.String())
			if s.Progress == nil {
				s.Progress = map[string]plan.Progress{}
			}
			s.Progress[step] = *m.Progress
		}
		if f := p.GetLastFailure(); f != nil {
			said = append(said, fmt.Sprintf("attempt %d, as the one before failed: %s", p.GetAttempt(), f.GetMessage()))
		}
		if len(said) == 0 {
			continue
		}
		if s.Notes == nil {
			s.Notes = map[string]string{}
		}
		s.Notes[step] = strings.Join(said, "; ")
	}
}

// query asks a run. With openOnly it answers the status of one that is closed instead.
func (t *temporalRuns) query(ctx context.Context, id, name string, openOnly bool, into any) (enums.WorkflowExecutionStatus, error) {
	const open = enums.WORKFLOW_EXECUTION_STATUS_UNSPECIFIED
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	req := &client.QueryWorkflowWithOptionsRequest{WorkflowID: id, QueryType: name}
	if openOnly {
		req.QueryRejectCondition = enums.QUERY_REJECT_CONDITION_NOT_OPEN
	}
	r, err := t.client.QueryWorkflowWithOptions(ctx, req)
	if failed := new(serviceerror.QueryFailed); errors.As(err, &failed) {
		// Where a busy worker does not answer in time, Temporal 1.32 gives the query to one that has to replay the run, with a history
		// that may be newer than what it says of it (matching, getHistoryForQueryTask): the SDK takes that for another program's.
		r, err = t.client.QueryWorkflowWithOptions(ctx, req)
	}
	var none *serviceerror.NotFound
	switch {
	case errors.As(err, &none):
		return open, fmt.Errorf("run %s: %w", id, errNoRun)
	case errors.Is(err, context.Canceled):
		return open, err
	case err != nil:
		return open, fmt.Errorf("run %s: %w (%s)", id, errNoWorker, err.Error())
	case r.QueryRejected != nil:
		return r.QueryRejected.GetStatus(), nil
	}
	return open, r.QueryResult.Get(into)
}

func statusWord(s enums.WorkflowExecutionStatus) string {
	switch s {
	case enums.WORKFLOW_EXECUTION_STATUS_TERMINATED:
		return "terminated"
	case enums.WORKFLOW_EXECUTION_STATUS_TIMED_OUT:
		return "timed out"
	case enums.WORKFLOW_EXECUTION_STATUS_CANCELED:
		return "cancelled"
	case enums.WORKFLOW_EXECUTION_STATUS_COMPLETED:
		return "done"
	case enums.WORKFLOW_EXECUTION_STATUS_RUNNING, enums.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW:
		return "running"
	}
	return "failed"
}

// mostListed bounds how many runs of Temporal's list are read.
const mostListed = 20_000

// List reads Temporal's visibility. A chain of runs is one run to people. All that match are read, as the list has no order
// that one could rely on: SQLite's knows no ORDER BY.
func (t *temporalRuns) List(ctx context.Context, lab string, f runFilter) ([]runInfo, error) {
	q := fmt.Sprintf("TaskQueue = '%s' AND WorkflowType IN ('%s')", plan.TaskQueue(lab),
		strings.Join(plan.RunWorkflows(), "','")) + f.query()
	var list []runInfo
	seen := map[string]int{}
	for token := []byte(nil); ; {
		r, err := t.client.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
			Namespace: t.namespace, Query: q, PageSize: 1000, NextPageToken: token})
		if err != nil {
			return nil, fmt.Errorf("list the runs of lab %s: %w", lab, err)
		}
		for _, e := range r.GetExecutions() {
			info := describe(e)
			if !f.lets(info) {
				continue
			}
			if i, twice := seen[info.Run]; twice {
				if info.Started.After(list[i].Started) { // the id was used again: the later one counts
					list[i] = info
				}
				continue
			}
			seen[info.Run] = len(list)
			list = append(list, info)
		}
		token = r.GetNextPageToken()
		if len(token) == 0 || len(list) >= mostListed {
			return f.newest(list), nil
		}
	}
}

// By reads what the run was started with: the first event of its history, for which no worker is needed.
func (t *temporalRuns) By(ctx context.Context, id string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	r, err := t.client.WorkflowService().GetWorkflowExecutionHistory(ctx, &workflowservice.GetWorkflowExecutionHistoryRequest{
		Namespace: t.namespace, Execution: &common.WorkflowExecution{WorkflowId: id}, MaximumPageSize: 1})
	if err != nil {
		return "", fmt.Errorf("read how run %s was started: %w", id, err)
	}
	var p runapi.Params
	for _, e := range r.GetHistory().GetEvents() {
		if args := e.GetWorkflowExecutionStartedEventAttributes().GetInput().GetPayloads(); len(args) > 0 {
			err = converter.GetDefaultDataConverter().FromPayload(args[0], &p)
		}
	}
	return p.By, err
}

func (t *temporalRuns) Info(ctx context.Context, id string) (runInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	r, err := t.client.DescribeWorkflowExecution(ctx, id, "")
	var none *serviceerror.NotFound
	if errors.As(err, &none) {
		return runInfo{}, fmt.Errorf("run %s: %w", id, errNoRun)
	}
	if err != nil {
		return runInfo{}, fmt.Errorf("look up run %s: %w", id, err)
	}
	return describe(r.GetWorkflowExecutionInfo()), nil
}

func describe(e *workflowpb.WorkflowExecutionInfo) runInfo {
	info := runInfo{
		Run:      e.GetExecution().GetWorkflowId(),
		Runbook:  attribute(e, "Runbook"),
		Started:  e.GetStartTime().AsTime(),
		FirstRun: e.GetFirstRunId(),
		Target:   attribute(e, "Target"),
	}
	if info.Runbook == "" {
		info.Runbook = e.GetType().GetName()
	}
	info.State = cmp.Or(attribute(e, "Outcome"), attribute(e, "Phase"))
	switch e.GetStatus() {
	case enums.WORKFLOW_EXECUTION_STATUS_RUNNING:
		info.Open = true
	case enums.WORKFLOW_EXECUTION_STATUS_COMPLETED:
		info.Ended = e.GetCloseTime().AsTime()
	default:
		info.Ended, info.State = e.GetCloseTime().AsTime(), statusWord(e.GetStatus())
	}
	if info.State == "" {
		info.State = statusWord(e.GetStatus())
	}
	return info
}

// attribute is a search attribute of type Keyword, one or a list; empty where it is not set.
func attribute(e *workflowpb.WorkflowExecutionInfo, name string) string {
	var p *common.Payload = e.GetSearchAttributes().GetIndexedFields()[name]
	if p == nil {
		return ""
	}
	var s string
	if converter.GetDefaultDataConverter().FromPayload(p, &s) == nil {
		return s
	}
	var l []string
	if converter.GetDefaultDataConverter().FromPayload(p, &l) == nil {
		return strings.Join(l, ",")
	}
	return ""
}
