package main

import (
	"context"
	"fmt"
	"time"

	common "go.temporal.io/api/common/v1"
	enums "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
	"nightshift/internal/words"
)

// unsent are messages that were given up, as a channel could not be reached for hours, or refused them for good.
type unsent struct {
	Number int `json:"number"`
	// The last of them: when it was given up, what it was about, and why it was not sent, by channel.
	At    time.Time `json:"at"`
	Event string    `json:"event"`
	Run   string    `json:"run,omitempty"`
	Error string    `json:"error"`
}

// lines are what status tells of them.
func (u unsent) lines() []string {
	about := u.Event
	if u.Run != "" {
		about += " of run " + u.Run
	}
	return []string{fmt.Sprintf("%s in the last 7 days; the last, given up at %s, was about: %s", words.CountOf(u.Number, "message was not sent", "messages were not sent"),
		words.Second(u.At), about), u.Error, "    nightshift notify test"}
}

// Unsent are the messages given up since then; nil: none.
func (t *temporalRuns) Unsent(ctx context.Context, lab string, since time.Time) (*unsent, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	q := fmt.Sprintf("TaskQueue = '%s' AND WorkflowType = '%s' AND ExecutionStatus = 'Failed' AND CloseTime >= '%s'",
		plan.TaskQueue(lab), runapi.NotifyType, since.UTC().Format(time.RFC3339Nano))
	var last *workflowpb.WorkflowExecutionInfo
	n := 0
	for token := []byte(nil); ; {
		r, err := t.client.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Namespace: t.namespace, Query: q, PageSize: 1000, NextPageToken: token})
		if err != nil {
			return nil, fmt.Errorf("list the messages of lab %s that were not sent: %w", lab, err)
		}
		for _, e := range r.GetExecutions() {
			if n++; last == nil || e.GetCloseTime().AsTime().After(last.GetCloseTime().AsTime()) {
				last = e
			}
		}
		if token = r.GetNextPageToken(); len(token) == 0 || n >= mostListed {
			break
		}
	}
	if last == nil {
		return nil, nil
	}
	return t.lastUnsent(ctx, last, n)
}

func (t *temporalRuns) lastUnsent(ctx context.Context, e *workflowpb.WorkflowExecutionInfo, n int) (*unsent, error) {
	id := e.GetExecution()
	u := &unsent{Number: n, At: e.GetCloseTime().AsTime(), Error: "it failed"}
	if err := t.client.GetWorkflow(ctx, id.GetWorkflowId(), id.GetRunId()).Get(ctx, nil); err != nil {
		u.Error = rootCause(err).Error()
	}
	r, err := t.client.WorkflowService().GetWorkflowExecutionHistory(ctx, &workflowservice.GetWorkflowExecutionHistoryRequest{Namespace: t.namespace,
		Execution: &common.WorkflowExecution{WorkflowId: id.GetWorkflowId(), RunId: id.GetRunId()}, MaximumPageSize: 1,
		HistoryEventFilterType: enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT})
	if err != nil {
		return nil, fmt.Errorf("read message %s: %w", id.GetWorkflowId(), err)
	}
	for _, event := range r.GetHistory().GetEvents() {
		var about runapi.Notice
		args := event.GetWorkflowExecutionStartedEventAttributes().GetInput().GetPayloads()
		if len(args) > 0 && converter.GetDefaultDataConverter().FromPayload(args[0], &about) == nil {
			u.Event, u.Run = string(about.Event), about.Run
		}
	}
	return u, nil
}
