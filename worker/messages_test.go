package worker

import (
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/inventory"
	"nightshift/internal/runapi"
)

// A step of a runbook tells people, through the channels that it names, whatever these are told else; its run does not wait
// for the one that does not answer.
func TestARunbookTellsPeople(t *testing.T) {
	h := &hook{}
	srv := httptest.NewServer(h)
	defer srv.Close()
	t.Setenv("HOOK_URL", "generic+"+srv.URL+"/x?template=json")
	t.Setenv("DEAD_URL", "generic+http://127.0.0.1:1/x")
	s := newSite(t, stepsSpec())
	s.worker.Stop()
	s.file.Notifications = inventory.Notifications{Channels: []inventory.Channel{
		{Name: "phone", URL: "env:HOOK_URL", On: []string{"failed"}}, {Name: "dead", URL: "env:DEAD_URL", On: []string{"failed"}}}}
	s.start()
	s.library(map[string]string{"tell": "steps:\n  - {id: all, uses: notify, with: {text: nobody wants this}}\n" +
		"  - {id: a, uses: notify, with: {text: \"web01 is up again\\nsince now\", channels: [phone, dead]}}\n"})
	run := s.steps("tell", nil)
	sheet := s.result(run)
	require.Equal(t, runapi.Done, sheet.Outcome, sheet.Why)
	require.Contains(t, sheet.Notes["all"], "nobody is told")
	require.Equal(t, "goes to phone, dead", sheet.Notes["a"])
	until(t, "it is sent", func() bool { _, took := h.state(); return len(took) > 0 })
	_, took := h.state()
	require.Len(t, took, 1)
	require.Contains(t, took[0], "tell: web01 is up again")
	require.Contains(t, took[0], "since now")
	require.NotContains(t, took[0], "nobody wants this")
	require.Equal(t, []string{run.GetID() + "-notify-message-a"}, s.workflowsOf(runapi.NotifyType))
}
