package worker

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/temporalproto"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	historypb "go.temporal.io/api/history/v1"

	"nightshift/internal/inventory"
	"nightshift/internal/ledger"
	"nightshift/internal/plan"
	"nightshift/internal/runapi"
	"nightshift/internal/simlab"
	"nightshift/runbooks"
)

// workflowsOf lists the ids of the workflows of a type, open or closed.
func (s *site) workflowsOf(kind string) (ids []string) {
	s.Helper()
	r, err := s.client.ListWorkflow(s.Context(), &workflowservice.ListWorkflowExecutionsRequest{Query: "WorkflowType = '" + kind + "'"})
	require.NoError(s, err)
	for _, e := range r.GetExecutions() {
		ids = append(ids, e.GetExecution().GetWorkflowId())
	}
	return ids
}

// A hook is a webhook that is broken until it is mended, and keeps what it took.
type hook struct {
	mu     sync.Mutex
	broken bool
	tries  int
	took   []string
}

func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b, _ := io.ReadAll(r.Body)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.tries++; h.broken {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	h.took = append(h.took, string(b))
}

func (h *hook) state() (tries int, took []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.tries, h.took
}

// A run ends in time though its mail server is dead and its webhook broken; what it has to tell is sent once by whoever works
// for the lab later; and nothing that Temporal keeps holds the URLs.
func TestMessagesOutliveTheirRunAndTheirWorker(t *testing.T) {
	const token = "tk-very-secret-4711"
	h := &hook{broken: true}
	srv := httptest.NewServer(h)
	defer srv.Close()
	t.Setenv("HOOK_URL", "generic+"+srv.URL+"/"+token+"?template=json")
	t.Setenv("MAIL_URL", "smtp://u:"+token+"@127.0.0.1:1/?from=a@lab.example&to=b@lab.example")
	s := newSite(t, simlab.OneHostSpec())
	s.result(s.begin("settle-before", plan.SettleWorkflow, runbooks.Settle, runapi.Params{}))
	require.Empty(t, s.workflowsOf(runapi.NotifyType), "a lab without channels tells nobody")
	require.Empty(t, s.workflowsOf(runapi.CaretakerType))

	s.worker.Stop()
	all := inventory.EventNames()
	s.file.Notifications = inventory.Notifications{Channels: []inventory.Channel{{Name: "mail", URL: "env:MAIL_URL", On: all}, {Name: "hook", URL: "env:HOOK_URL", On: all}}}
	s.start()
	sheet := s.result(s.begin("settle-home-1", plan.SettleWorkflow, runbooks.Settle, runapi.Params{}))
	require.Equal(t, runapi.Done, sheet.Outcome, sheet.Why)
	until(t, "the message was tried", func() bool { tries, _ := h.state(); return tries > 0 })
	require.Equal(t, []string{runapi.CaretakerID(s.file.Lab)}, s.workflowsOf(runapi.CaretakerType))

	s.worker.Stop()
	h.mu.Lock()
	h.broken = false
	h.mu.Unlock()
	s.start()
	until(t, "the message is sent", func() bool { _, took := h.state(); return len(took) > 0 })
	var ids []string
	until(t, "it is known to be", func() bool {
		ids = s.workflowsOf(runapi.NotifyType)
		return len(ids) == 1 && strings.Contains(s.history(ids[0]), `EVENT_TYPE_ACTIVITY_TASK_COMPLETED`)
	})
	_, took := h.state()
	require.Len(t, took, 1, "once, whoever was stopped in between")
	require.Contains(t, took[0], "settle is done")
	require.True(t, strings.HasPrefix(ids[0], "settle-home-1-notify-done-"), ids[0])
	for _, id := range append(ids, "settle-home-1", runapi.CaretakerID(s.file.Lab)) {
		text := s.history(id)
		require.NotContains(t, text, token, id)
		require.NotContains(t, text, srv.URL, id)
	}
	d, err := s.client.DescribeWorkflowExecution(s.Context(), ids[0], "")
	require.NoError(t, err)
	require.Equal(t, enums.WORKFLOW_EXECUTION_STATUS_RUNNING, d.GetWorkflowExecutionInfo().GetStatus(), "the mail is still tried")
	for _, a := range d.GetPendingActivities() {
		require.NotContains(t, a.GetLastFailure().String(), token)
	}
	record(t, s.client, "settle-home-1", "settle")
	record(t, s.client, ids[0], "notify-still-tried")
}

// history is a workflow's, as JSON.
func (s *site) history(id string) string {
	s.Helper()
	b, err := temporalproto.CustomJSONMarshalOptions{}.Marshal(&historypb.History{Events: events(s.T, s.client, s.client.GetWorkflow(s.Context(), id, ""))})
	require.NoError(s, err)
	return string(b)
}

// Two workers, or one that starts again, have one caretaker; one whose channels are gone ends.
func TestThereIsOneCaretaker(t *testing.T) {
	t.Setenv("HOOK_URL", "generic+http://127.0.0.1:1/x")
	s := newSite(t, simlab.OneHostSpec())
	s.worker.Stop()
	s.file.Notifications = inventory.Notifications{Channels: []inventory.Channel{{Name: "hook", URL: "env:HOOK_URL"}}}
	s.start()
	s.worker.Stop()
	s.start()
	require.Len(t, s.workflowsOf(runapi.CaretakerType), 1)
	s.worker.Stop()
	s.file.Notifications = inventory.Notifications{}
	s.start()
	until(t, "it ends", func() bool {
		d, err := s.client.DescribeWorkflowExecution(s.Context(), runapi.CaretakerID(s.file.Lab), "")
		require.NoError(t, err)
		return d.GetWorkflowExecutionInfo().GetStatus() == enums.WORKFLOW_EXECUTION_STATUS_COMPLETED
	})
}

// A hold has ended while nobody worked: the caretaker says so, of a ledger that goes on from what an earlier one held.
func TestTheCaretakerTellsOfAHoldThatHasEnded(t *testing.T) {
	h := &hook{}
	srv := httptest.NewServer(h)
	defer srv.Close()
	t.Setenv("HOOK_URL", "generic+"+srv.URL+"/x?template=json")
	s := newSite(t, simlab.OneHostSpec())
	s.worker.Stop()
	s.file.Notifications = inventory.Notifications{Channels: []inventory.Channel{{Name: "hook", URL: "env:HOOK_URL", On: []string{"hold"}}}}
	now, book, caretaker := time.Now().UTC(), ledger.WorkflowID(s.file.Lab), runapi.CaretakerID(s.file.Lab)
	before := ledger.State{Lab: s.file.Lab, Hold: &ledger.Hold{Since: now.Add(-3 * time.Hour), Until: now.Add(-time.Hour), By: "ann@desk", Reason: "guests"},
		Memory: []plan.RememberedGuest{{Endpoint: "vc1", UUID: "5012", Name: "app01", Since: now.Add(-24 * time.Hour), Run: "down"}}}
	_, err := s.client.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: book, TaskQueue: plan.TaskQueue(s.file.Lab)}, ledger.Workflow, ledger.Wire(before))
	require.NoError(t, err)
	s.start()
	until(t, "it is told", func() bool { _, took := h.state(); return len(took) > 0 })
	_, took := h.state()
	require.Contains(t, took[0], "the hold has ended")
	ids := s.workflowsOf(runapi.NotifyType)
	require.Len(t, ids, 1)
	require.NoError(t, s.client.GetWorkflow(t.Context(), ids[0], "").Get(t.Context(), nil))
	s.change(ledger.Change{By: "ann@desk", Unhold: true})
	require.Nil(t, s.ledger().Hold)
	require.Len(t, s.ledger().Memory, 1)
	record(t, s.client, caretaker, "caretaker")
	record(t, s.client, ids[0], "notify")
	record(t, s.client, book, "ledger-goes-on")
}
