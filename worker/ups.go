package worker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"nightshift/activities"
	"nightshift/internal/plan"
	"nightshift/internal/runapi"
	"nightshift/internal/upswatch"
	"nightshift/runbooks"
)

// watchUPS begins to watch the lab's UPSes, where it has some. The worker of a single site leaves that to the lab's own.
func (w *Worker) watchUPS(ctx context.Context, c Config) {
	if len(c.Lab.UPS) == 0 || c.Site != "" {
		return
	}
	watch := upswatch.Watch{Lab: c.Lab, Runs: upsRuns{client: c.Client, namespace: c.Namespace, lab: c.Lab.Lab, idle: map[string]bool{}}, Logger: cmp.Or(c.Logger, slog.New(slog.DiscardHandler))}
	ctx, w.unwatch = context.WithCancel(context.WithoutCancel(ctx)) // it ends with Stop, as the worker does
	watch.Tell = w.tellUPS(ctx, c)
	w.watched.Go(func() { watch.Run(ctx) })
}

// upsRuns are the runs of a lab, as the watch over its UPSes sees them.
type upsRuns struct {
	client    client.Client
	namespace string
	lab       string
	idle      map[string]bool // ended without having changed anything, by Temporal's run id: not looked at again
}

// askTimeout is for one question to a run.
const askTimeout = 20 * time.Second

func (u upsRuns) Holders(ctx context.Context) ([]upswatch.Run, error) {
	st, err := activities.LedgerClient{Temporal: u.client}.State(ctx, u.lab)
	if err != nil {
		return nil, fmt.Errorf("read the ledger: %w", err)
	}
	var list []upswatch.Run
	seen := map[string]bool{}
	for _, l := range st.Locks {
		id := l.Holder.Workflow
		if seen[id] {
			continue
		}
		seen[id] = true
		r, err := u.Find(ctx, id)
		switch {
		case err != nil:
			return nil, err
		case r == nil: // Temporal has forgotten it
			r = &upswatch.Run{ID: id, Runbook: l.Holder.Runbook}
		}
		list = append(list, *r)
	}
	return list, nil
}

func (u upsRuns) Find(ctx context.Context, id string) (*upswatch.Run, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	d, err := u.client.DescribeWorkflowExecution(ctx, id, "")
	if errors.As(err, new(*serviceerror.NotFound)) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look up run %s: %w", id, err)
	}
	info := d.GetWorkflowExecutionInfo()
	r := &upswatch.Run{ID: id, Open: info.GetStatus() == enums.WORKFLOW_EXECUTION_STATUS_RUNNING, Ended: info.GetCloseTime().AsTime()}
	for _, rb := range runbooks.Catalog() {
		if rb.Workflow == info.GetType().GetName() {
			r.Runbook = rb.Name
		}
	}
	if info.GetStatus() == enums.WORKFLOW_EXECUTION_STATUS_FAILED { // no plan, no touch: nightshift or the lab file is wrong
		r.Outcome = runapi.Failed
	}
	if asked := info.GetMemo().GetFields()[runapi.AskedMemo]; asked != nil {
		if err := converter.GetDefaultDataConverter().FromPayload(asked, &r.Parameters); err != nil {
			return nil, fmt.Errorf("what run %s was asked for cannot be read: %w", id, err)
		}
	}
	u.read(ctx, r, info.GetStatus())
	return r, nil
}

// read adds what the run itself tells. One that does not answer stays as Temporal knows it, and is marked as such: no answer
// does not mean that it did nothing.
func (u upsRuns) read(ctx context.Context, r *upswatch.Run, status enums.WorkflowExecutionStatus) {
	var s runapi.Sheet
	if u.sheet(ctx, r.ID, status, &s) != nil {
		r.Unread = true
		return
	}
	r.Why, r.Aborting = s.Why, r.Open && s.Aborted != ""
	r.Stands = s.Paused != "" || s.Stuck()
	if s.Outcome != "" {
		r.Outcome = s.Outcome
	}
	if r.Outcome == runapi.Refused { // its plan was not carried out
		return
	}
	var packed []byte
	if u.query(ctx, r.ID, runapi.PlanQuery, &packed) != nil {
		r.Unread = true
		return
	}
	if packed == nil {
		return
	}
	p, err := plan.Unpack(packed)
	if err != nil {
		r.Unread = true
		return
	}
	r.Planned, r.Parameters, r.Left = true, p.Parameters, p.Left
	for i, step := range p.Steps {
		if i >= len(s.Steps) || s.Steps[i] == runapi.Todo || s.Steps[i] == runapi.Untouched {
			continue
		}
		r.Touched = r.Touched || step.Changes() && step.Action != plan.OrderLoadOff
		if s.Steps[i] == runapi.StepSkip && leaves(step) && !strings.HasPrefix(s.Notes[step.ID], runapi.SkippedBy) {
			r.Left = append(r.Left, step.Target.String())
		}
	}
	slices.Sort(r.Left)
	r.Left = slices.Compact(r.Left)
}

// leaves tells whether something stays on that was to go down if the step is skipped.
func leaves(s plan.Step) bool {
	return s.Action == plan.ShutdownGuest || s.Action == plan.EnterMaintenance || s.Action == plan.ShutdownHost
}

// sheet is the result of a run that ended in order, which needs no worker, or what one tells.
func (u upsRuns) sheet(ctx context.Context, id string, status enums.WorkflowExecutionStatus, s *runapi.Sheet) error {
	if status == enums.WORKFLOW_EXECUTION_STATUS_COMPLETED {
		return u.client.GetWorkflow(ctx, id, "").Get(ctx, s)
	}
	return u.query(ctx, id, runapi.SheetQuery, s)
}

func (u upsRuns) query(ctx context.Context, id, name string, into any) error {
	v, err := u.client.QueryWorkflow(ctx, id, "", name)
	if err != nil {
		return err
	}
	return v.Get(into)
}

// mostLatest bounds how many runs are looked at for one that did something: more than the tries of one power cut.
const mostLatest = 400

func (u upsRuns) Latest(ctx context.Context, of func(upswatch.Run) bool) (latest []upswatch.Run, _ error) {
	list, err := u.list(ctx, fmt.Sprintf("WorkflowType IN ('%s', '%s') AND ExecutionStatus != 'ContinuedAsNew'", plan.PowerDownWorkflow, plan.PowerUpWorkflow))
	if err != nil {
		return nil, err
	}
	for _, e := range list {
		if u.idle[e.GetRunId()] {
			continue
		}
		r, err := u.Find(ctx, e.GetWorkflowId())
		if err != nil {
			return nil, err
		}
		switch {
		case r == nil: // forgotten meanwhile
			continue
		case r.Unread && !r.Open && r.Outcome != runapi.Failed: // an older run is not the latest for that
			return nil, fmt.Errorf("run %s does not tell what it did", r.ID)
		case !r.Open && !r.Touched:
			if u.idle != nil {
				u.idle[e.GetRunId()] = true
			}
			continue
		}
		if latest = append(latest, *r); !of(*r) {
			break
		}
	}
	return latest, nil
}

func (u upsRuns) Underway(ctx context.Context) ([]upswatch.Run, error) {
	return u.powerDowns(ctx, "ExecutionStatus = 'Running'")
}

func (u upsRuns) Ended(ctx context.Context, since time.Time) ([]upswatch.Run, error) {
	return u.powerDowns(ctx, "ExecutionStatus != 'Running' AND ExecutionStatus != 'ContinuedAsNew' AND CloseTime > '"+since.UTC().Format(time.RFC3339)+"'")
}

func (u upsRuns) powerDowns(ctx context.Context, which string) (found []upswatch.Run, _ error) {
	list, err := u.list(ctx, "WorkflowType = '"+plan.PowerDownWorkflow+"' AND "+which)
	if err != nil {
		return nil, err
	}
	for _, e := range list {
		r, err := u.Find(ctx, e.GetWorkflowId())
		if err != nil {
			return nil, err
		}
		if r != nil {
			found = append(found, *r)
		}
	}
	return found, nil
}

// list are runs of the lab, those that are open and then those that ended last first.
func (u upsRuns) list(ctx context.Context, which string) (list []*common.WorkflowExecution, _ error) {
	l, err := u.client.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Namespace: u.namespace, PageSize: mostLatest,
		Query: "TaskQueue = '" + plan.TaskQueue(u.lab) + "' AND " + which})
	if err != nil {
		return nil, fmt.Errorf("list the runs: %w", err)
	}
	for _, e := range l.GetExecutions() {
		list = append(list, e.GetExecution())
	}
	return list, nil
}

func (u upsRuns) Start(ctx context.Context, id string, p runapi.Params, summary string) error {
	rb, ok := runbooks.Lookup(p.Runbook)
	if !ok {
		return fmt.Errorf("there is no runbook %s", p.Runbook)
	}
	_, err := u.client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: id, TaskQueue: plan.TaskQueue(u.lab), StaticSummary: summary,
		Memo:                  map[string]any{runapi.AskedMemo: p.Parameters},
		WorkflowIDReusePolicy: enums.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE, WorkflowExecutionErrorWhenAlreadyStarted: true}, rb.Workflow, p)
	if errors.As(err, new(*serviceerror.WorkflowExecutionAlreadyStarted)) { // another worker was quicker
		return nil
	}
	if err != nil {
		return fmt.Errorf("start run %s: %w", id, err)
	}
	return nil
}

func (u upsRuns) Abort(ctx context.Context, id string, o runapi.Order) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	h, err := u.client.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{WorkflowID: id, UpdateName: runapi.Abort, Args: []any{o},
		WaitForStage: client.WorkflowUpdateStageCompleted})
	if err == nil {
		err = h.Get(ctx, nil)
	}
	if errors.As(err, new(*serviceerror.NotFound)) { // it has ended meanwhile
		return nil
	}
	if err != nil {
		return fmt.Errorf("abort run %s: %w", id, err)
	}
	return nil
}
