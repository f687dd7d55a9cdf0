package main

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"nightshift/internal/runapi"
)

// queried is a Temporal of which the first queries fail.
type queried struct {
	client.Client
	fail, asked int
}

func (q *queried) QueryWorkflowWithOptions(context.Context, *client.QueryWorkflowWithOptionsRequest) (*client.QueryWorkflowWithOptionsResponse, error) {
	if q.asked++; q.asked <= q.fail {
		return nil, serviceerror.NewQueryFailed("[TMPRL1100] invalid state transition")
	}
	p, err := converter.GetDefaultDataConverter().ToPayloads(runapi.Sheet{})
	return &client.QueryWorkflowWithOptionsResponse{QueryResult: client.NewValue(p)}, err
}

func TestAQueryThatFailedIsAskedOnceMore(t *testing.T) {
	once := &queried{fail: 1}
	_, err := (&temporalRuns{client: once}).Sheet(t.Context(), "run-1")
	require.NoError(t, err)
	require.Equal(t, 2, once.asked)

	always := &queried{fail: 9}
	_, err = (&temporalRuns{client: always}).Sheet(t.Context(), "run-1")
	require.ErrorIs(t, err, errNoWorker)
	require.Equal(t, 2, always.asked)
}
