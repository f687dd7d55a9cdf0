package worker

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/inventory"
	"nightshift/internal/runapi"
	"nightshift/internal/simlab"
	"nightshift/internal/upswatch"
)

// What two workers see of a power failure within a minute is one message; another event is another.
func TestAPowerFailureIsTold(t *testing.T) {
	got := make(chan string, 10)
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got <- string(b)
	}))
	defer srv.Close()
	t.Setenv("HOOK_URL", "generic+"+srv.URL+"/x?template=json")
	s := newSite(t, simlab.OneHostSpec())
	c := Config{Client: s.client, Lab: s.file}
	require.Nil(t, s.worker.tellUPS(t.Context(), c), "nobody wants it")
	s.worker.Stop()
	s.file.Notifications = inventory.Notifications{Channels: []inventory.Channel{{Name: "hook", URL: "env:HOOK_URL"}}}
	s.start()
	at := time.Date(2026, 11, 20, 23, 5, 1, 0, time.UTC)
	tell := s.worker.tellUPS(t.Context(), c)
	tell(upswatch.Event{At: at, UPS: "rack", Text: "on battery", Alarm: true})
	tell(upswatch.Event{At: at.Add(2 * time.Second), UPS: "rack", Text: "on battery", Alarm: true})
	require.Contains(t, <-got, "["+s.file.Lab+"] UPS rack: on battery")
	until(t, "there is one", func() bool { return len(s.workflowsOf(runapi.NotifyType)) == 1 })
	tell(upswatch.Event{At: at.Add(3 * time.Second), UPS: "rack", Text: "on mains"})
	require.Contains(t, <-got, "UPS rack: on mains")
}
