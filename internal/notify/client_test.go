package notify

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/fault"
)

// A server that sends a POST to its login page, or from http to https, has not taken the message, though the page that Go gets there is fine.
func TestARedirectIsNoSuccess(t *testing.T) {
	for _, code := range []int{http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/login" {
				http.Redirect(w, r, "/login?from="+password, code)
				return
			}
			_, _ = w.Write([]byte(`{"ok": true, "code": 200}`))
		}))
		t.Cleanup(s.Close)
		at := strings.TrimPrefix(s.URL, "http://")
		for _, url := range []string{"generic+http://" + at + "/" + password, "ntfy://" + at + "/my-secret-topic?scheme=http", "gotify://" + at + "/AbcdefghijklmnO?disabletls=yes",
			"mattermost://" + at + "/my-secret-topic?disabletls=yes", "bark://" + password + "@" + at + "/?scheme=http"} {
			err := send(t, url)
			require.ErrorIs(t, err, fault.Invalid, url)
			require.ErrorContains(t, err, "it leads elsewhere", url)
			requireSilent(t, err)
		}
	}
}

// One that passes the message on as it is has it taken.
func TestARedirectThatKeepsTheMessage(t *testing.T) {
	w := newWebServer(t, false)
	s := httptest.NewServer(http.RedirectHandler("http://"+w.address()+"/there", http.StatusPermanentRedirect))
	t.Cleanup(s.Close)
	require.NoError(t, send(t, "generic+http://"+strings.TrimPrefix(s.URL, "http://")+"/"+password))
	require.Equal(t, message.Title+"\n\n"+message.Text, w.last(t).body)
}

// The library reads whole bodies; a server may never come to their end.
func TestAnEndlessAnswer(t *testing.T) {
	for _, status := range []int{200, 500} {
		var sent atomic.Int64
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			for {
				n, err := w.Write(make([]byte, 64<<10))
				if sent.Add(int64(n)); err != nil {
					return
				}
			}
		}))
		at := strings.TrimPrefix(s.URL, "http://")
		for _, url := range []string{"generic+http://" + at + "/" + password, "ntfy://" + at + "/my-secret-topic?scheme=http", "gotify://" + at + "/AbcdefghijklmnO?disabletls=yes"} {
			err := send(t, url)
			if status == 200 && strings.HasPrefix(url, "generic") {
				require.NoError(t, err, "it was taken")
				continue
			}
			require.Error(t, err, url)
			requireSilent(t, err)
		}
		s.Close()
		require.Less(t, sent.Load(), int64(64<<20), "what the network holds, and no more")
	}
}
