package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"

	"nightshift/activities"
	"nightshift/internal/plan"
	"nightshift/internal/runapi"
)

// How long single questions may take. A worker that is busy replaying 4,500 steps needs seconds to answer a query.
const (
	dialTimeout  = 10 * time.Second
	queryTimeout = 15 * time.Second
	orderTimeout = 60 * time.Second
	planTimeout  = 10 * time.Minute // inspecting a slow vCenter included
	workerWait   = 10 * time.Second // a worker that has just started is known to the server after a moment
)

func dialTemporal(ctx context.Context, w where) (*session, error) {
	// The SDK warns about every answer that is late; what people need to know, errors say.
	w.Options.Logger = log.NewStructuredLogger(slog.New(slog.NewTextHandler(io.Discard, nil)))
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	c, err := client.DialContext(ctx, w.Options)
	if err != nil {
		return nil, err
	}
	return newSession(c, w), nil
}

func newSession(c client.Client, w where) *session {
	namespace := cmp.Or(w.Options.Namespace, client.DefaultNamespace)
	return &session{
		runs: &temporalRuns{c, w.Lab, namespace}, ledger: temporalLedger{activities.LedgerClient{Temporal: c}}, schedules: &temporalSchedules{c, namespace},
		lab: w.Lab, ui: w.UI, namespace: namespace, speed: w.Speed, close: c.Close,
	}
}

// temporalRuns are the runs of a lab in a Temporal service.
type temporalRuns struct {
	client    client.Client
	lab       string
	namespace string
}

func (t *temporalRuns) Start(ctx context.Context, workflow, id string, p runapi.Params) error {
	if err := t.awaitWorker(ctx); err != nil {
		return err
	}
	_, err := t.client.ExecuteWorkflow(ctx, t.options(id, p.Runbook), workflow, p)
	var there *serviceerror.WorkflowExecutionAlreadyStarted
	if errors.As(err, &there) {
		return fmt.Errorf("run %s: %w; see it with `nightshift watch %s`", id, errStarted, id)
	}
	if err != nil {
		return fmt.Errorf("start run %s: %w", id, err)
	}
	return nil
}

func (t *temporalRuns) options(id, runbook string) client.StartWorkflowOptions {
	return client.StartWorkflowOptions{
		ID:                                       id,
		TaskQueue:                                plan.TaskQueue(t.lab),
		WorkflowIDReusePolicy:                    enums.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
		WorkflowExecutionErrorWhenAlreadyStarted: true,
		StaticSummary:                            runbook + " of lab " + t.lab,
	}
}

func (t *temporalRuns) Preview(ctx context.Context, id string, req plan.Request) (plan.Reply, error) {
	var r plan.Reply
	if err := t.awaitWorker(ctx); err != nil {
		return r, err
	}
	ctx, cancel := context.WithTimeout(ctx, planTimeout)
	defer cancel()
	run, err := t.client.ExecuteWorkflow(ctx, t.options(id, req.Runbook), runapi.PlanType, req)
	if err != nil {
		return r, fmt.Errorf("start the preview of %s: %w", req.Runbook, err)
	}
	if err := run.Get(ctx, &r); err != nil {
		if ctx.Err() != nil { // nobody waits for the answer any more
			stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), dialTimeout)
			defer cancel()
			_ = t.client.CancelWorkflow(stop, id, "")
		}
		return r, fmt.Errorf("%s cannot be planned: %w", req.Runbook, rootCause(err))
	}
	return r, nil
}

// awaitWorker makes sure that somebody listens to the lab, as a workflow that nobody takes would wait for ever.
func (t *temporalRuns) awaitWorker(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, workerWait)
	defer cancel()
	for {
		r, err := t.client.DescribeTaskQueue(ctx, plan.TaskQueue(t.lab), enums.TASK_QUEUE_TYPE_WORKFLOW)
		if err == nil && len(r.GetPollers()) > 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("lab %s: %w", t.lab, errNoWorker)
		case <-time.After(250 * time.Millisecond):
		}
	}
}

func (t *temporalRuns) Order(ctx context.Context, id, verb string, o runapi.Order) (runapi.Sheet, error) {
	var s runapi.Sheet
	ctx, cancel := context.WithTimeout(ctx, orderTimeout)
	defer cancel()
	h, err := t.client.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: id, UpdateName: verb, Args: []any{o}, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err == nil {
		err = h.Get(ctx, &s)
	}
	var gone *serviceerror.NotFound
	switch {
	case err == nil:
		return s, nil
	case errors.As(err, &gone):
		return s, t.notOpen(ctx, id)
	case ctx.Err() != nil:
		return s, fmt.Errorf("%s was sent to run %s, but no answer came: %w; look with `nightshift watch %s` before sending it again", verb, id, errNoWorker, id)
	}
	return s, fmt.Errorf("run %s refused %s: %w", id, verb, rootCause(err))
}

// notOpen says why a run takes no orders.
func (t *temporalRuns) notOpen(ctx context.Context, id string) error {
	info, err := t.Info(ctx, id)
	if err != nil {
		return err
	}
	return fmt.Errorf("run %s has ended (%s): see `nightshift report %s`", id, info.State, id)
}

// rootCause is the innermost error with a text of its own: what the activity or the validator said.
func rootCause(err error) error {
	var app *temporal.ApplicationError
	for errors.As(err, &app) {
		inner := errors.Unwrap(app)
		if inner == nil {
			return errors.New(app.Message())
		}
		err = inner
	}
	return err
}
