package redfish

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"nightshift/internal/live"
)

// FuzzAnswers: whatever a service answers, the client comes to an end, with words of bounded length that a terminal may
// show, and never with the password, which the service may send back.
func FuzzAnswers(f *testing.F) {
	t := &testing.T{}
	for _, b := range []*bmc{idrac7(t), idrac9(t), mockup(t)} {
		list, system, rest := "", "", ""
		for path, body := range b.resources {
			switch {
			case strings.HasSuffix(path, "/Systems"):
				list = body
			case strings.Contains(path, "/Systems/") && !strings.Contains(path, "ActionInfo"):
				system = strings.ReplaceAll(body, "$POWER", "On")
			case path != "/redfish/v1":
				rest = body
			}
		}
		f.Add(b.resources["/redfish/v1"], list, system, rest, uint16(200))
	}
	root := `{"@odata.id": "/redfish/v1/", "RedfishVersion": "1.5.0", "Systems": {"@odata.id": "/redfish/v1/Systems"}}`
	f.Add(root, `{"Members": [], "Members@odata.nextLink": "/redfish/v1/Systems?$COUNT"}`, `{}`, ``, uint16(200))
	f.Add(root, `{"Members": [{"@odata.id": "%zz"}]}`, `{"PowerState": 1}`, `null`, uint16(200))
	f.Add(root, `{"error": {"message": "no $PASSWORD\n\u001b[2J", "@Message.ExtendedInfo": [{"MessageId": "Base.1.0.X", "Message": "$PASSWORD", "Resolution": "$PASSWORD"}]}}`, ``, ``, uint16(400))
	f.Add(root, `{"error": {"code": "RAC0218", "message": "maximum number of user sessions"}}`, ``, ``, uint16(503))
	f.Add(root, ``, ``, ``, uint16(307))

	var mu sync.Mutex
	var answer func(w http.ResponseWriter, r *http.Request)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		answer(w, r)
	}))
	f.Cleanup(s.Close)
	f.Fuzz(func(t *testing.T, root, list, system, rest string, status uint16) {
		requests := 0
		mu.Lock()
		answer = func(w http.ResponseWriter, r *http.Request) {
			requests++
			path, body := strings.TrimRight(r.URL.Path, "/"), rest
			switch {
			case path == "/redfish/v1":
				body = root
			case r.Method == http.MethodPost:
				w.WriteHeader(http.StatusNotFound)
				return
			case strings.HasSuffix(path, "/Systems"):
				body = list
			case strings.Contains(path, "/Systems/") && !strings.Contains(path, "ActionInfo"):
				body = system
			}
			w.Header().Set("Location", "/redfish/v1/elsewhere")
			if path != "/redfish/v1" && status >= 200 && status < 600 {
				w.WriteHeader(int(status))
			}
			_, _ = fmt.Fprint(w, strings.NewReplacer("$PASSWORD", password, "$COUNT", fmt.Sprint(requests)).Replace(body))
		}
		mu.Unlock()
		c, err := connect(t.Context(), resolved(t, s.URL, nil), "", patience{request: 10 * time.Second, ready: 20 * time.Millisecond, pause: 5 * time.Millisecond, logout: time.Second})
		var got live.BMC
		if err == nil {
			got, err = c.System(t.Context())
			_ = c.Close(context.WithoutCancel(t.Context()))
		}
		mu.Lock()
		require.Less(t, requests, 300)
		mu.Unlock()
		if err != nil {
			require.NotContains(t, err.Error(), password)
			require.Less(t, utf8.RuneCountInString(err.Error()), 5*longest)
			require.False(t, strings.ContainsFunc(err.Error(), unicode.IsControl), "%q", err.Error())
		}
		require.LessOrEqual(t, len(got.ResetTypes), mostTypes)
		for _, word := range append(got.ResetTypes, got.Power, got.UUID, got.Serial, got.Model, got.Firmware) {
			require.LessOrEqual(t, utf8.RuneCountInString(word), longest+1)
			require.False(t, strings.ContainsFunc(word, unicode.IsControl), "%q", word)
		}
	})
}

// A service that makes up page after page is left, and says so.
func TestAListOfSystemsWithoutEnd(t *testing.T) {
	b := emulator(t, "a")
	b.open = true
	b.on = func(w http.ResponseWriter, r *http.Request, n int) bool {
		if r.URL.Path != "/redfish/v1/Systems" {
			return false
		}
		_, _ = fmt.Fprintf(w, `{"Members": [{"@odata.id": "/redfish/v1/Systems/%[1]d"}], "Members@odata.nextLink": "/redfish/v1/Systems?page=%[1]d"}`, n)
		return true
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	_, err := open(t, b.serve(), "").System(ctx)
	require.ErrorContains(t, err, "more than 100 pages")
	require.Less(t, b.count("GET /redfish/v1/Systems"), 110)
}

// Megabytes of text, and control characters, stay out of errors and reports.
func TestLongAnswersAreCut(t *testing.T) {
	b := emulator(t, "a")
	b.open = true
	long := strings.Repeat("x", 1<<20)
	b.resources["/redfish/v1/Systems/a"] = fmt.Sprintf(`{"@odata.id": "/redfish/v1/Systems/a", "PowerState": "On", "SerialNumber": "a\u001b[2J%s"}`, long)
	c := open(t, b.serve(), "")
	got, err := c.System(t.Context())
	require.NoError(t, err)
	require.Len(t, []rune(got.Serial), longest+1)
	require.Contains(t, got.Serial, "a [2Jxxx")

	b.on = func(w http.ResponseWriter, _ *http.Request, _ int) bool {
		refuse(w, http.StatusBadRequest, "Base.1.2.General", "first\r\n"+password+long)
		return true
	}
	_, err = c.System(t.Context())
	require.ErrorContains(t, err, "(Base.1.2.General: first ***xxx")
	require.ErrorContains(t, err, "Do what the manual says.")
	require.Less(t, len(err.Error()), 2000)
}
