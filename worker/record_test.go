package worker

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/temporalproto"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	historypb "go.temporal.io/api/history/v1"
)

// record has the histories of a workflow, of each run of its chain, replay with this code, and answers the changes under
// workflow.GetVersion that are in them. Where NIGHTSHIFT_RECORD names a version it writes them into workflows/testdata, for
// what comes after it to replay; what is there already stays as it is. Names are those of what the workflow went through.
func record(t *testing.T, c client.Client, id, name string) (changes []string) {
	t.Helper()
	run := ""
	for n := 1; ; n++ {
		h := historyOf(t, c, id, run)
		changes = append(changes, changesIn(t, h)...)
		first := h.GetEvents()[0].GetWorkflowExecutionStartedEventAttributes()
		r, err := replayer()
		require.NoError(t, err)
		require.Equal(t, id, first.GetWorkflowId(), "whoever replays it takes the id from there")
		execution := workflow.Execution{ID: id, RunID: first.GetOriginalExecutionRunId()}
		require.NoError(t, r.ReplayWorkflowHistoryWithOptions(nil, h, worker.ReplayWorkflowHistoryOptions{OriginalExecution: execution}))
		if version := os.Getenv("NIGHTSHIFT_RECORD"); version != "" {
			write(t, h, fmt.Sprintf("../workflows/testdata/%s-%s-%d.json.gz", version, name, n))
		}
		if run = first.GetContinuedExecutionRunId(); run == "" {
			return changes
		}
	}
}

// historyOf is the history of one run; of one that is open, as far as it can be replayed.
func historyOf(t *testing.T, c client.Client, id, run string) *historypb.History {
	t.Helper()
	h := &historypb.History{}
	for it := c.GetWorkflowHistory(t.Context(), id, run, false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT); it.HasNext(); {
		e, err := it.Next()
		require.NoError(t, err)
		h.Events = append(h.Events, e)
	}
	switch h.GetEvents()[len(h.GetEvents())-1].GetEventType() {
	case enums.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED, enums.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW, enums.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED:
	default:
		h.Events = comparable(h.GetEvents())
	}
	require.GreaterOrEqual(t, len(h.GetEvents()), fewest)
	return h
}

// changesIn are the changes under workflow.GetVersion that a history has come by.
func changesIn(t *testing.T, h *historypb.History) (ids []string) {
	t.Helper()
	for _, e := range h.GetEvents() {
		if m := e.GetMarkerRecordedEventAttributes(); m.GetMarkerName() == "Version" {
			var id string
			require.NoError(t, converter.GetDefaultDataConverter().FromPayloads(m.GetDetails()["change-id"], &id))
			ids = append(ids, id)
		}
	}
	return ids
}

func write(t *testing.T, h *historypb.History, path string) {
	t.Helper()
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		require.NoError(t, err)
		t.Log(path, "is there already")
		return
	}
	b, err := temporalproto.CustomJSONMarshalOptions{Indent: " "}.Marshal(h)
	require.NoError(t, err)
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, err = w.Write(b)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	require.NoError(t, os.WriteFile(path, packed.Bytes(), 0o600))
}
