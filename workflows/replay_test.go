package workflows

import (
	"compress/gzip"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// recordings are the histories of releases, by the names of their files, as `make histories VERSION=…` has recorded them.
// None is ever changed or removed.
func recordings(t *testing.T) map[string]*historypb.History {
	t.Helper()
	files, err := filepath.Glob("testdata/*.json.gz")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	all := map[string]*historypb.History{}
	for _, file := range files {
		f, err := os.Open(file)
		require.NoError(t, err)
		r, err := gzip.NewReader(f)
		require.NoError(t, err, file)
		all[filepath.Base(file)], err = client.HistoryFromJSON(r, client.HistoryJSONOptions{})
		require.NoError(t, err, file)
		require.NoError(t, f.Close())
	}
	return all
}

// A run that is under way when nightshift is upgraded goes on with the new code: what the old code did must replay.
func TestHistoriesOfReleasesReplay(t *testing.T) {
	for file, h := range recordings(t) {
		t.Run(file, func(t *testing.T) {
			replayer, err := worker.NewWorkflowReplayerWithOptions(worker.WorkflowReplayerOptions{DisableDeadlockDetection: true}) // a busy machine is none
			require.NoError(t, err)
			for name, w := range Types() {
				replayer.RegisterWorkflowWithOptions(w, workflow.RegisterOptions{Name: name})
			}
			begun := h.GetEvents()[0].GetWorkflowExecutionStartedEventAttributes()
			// Ids of messages are made of them, and people sign them.
			execution := workflow.Execution{ID: begun.GetWorkflowId(), RunID: begun.GetOriginalExecutionRunId()}
			require.NoError(t, replayer.ReplayWorkflowHistoryWithOptions(nil, h, worker.ReplayWorkflowHistoryOptions{OriginalExecution: execution}))
		})
	}
}
