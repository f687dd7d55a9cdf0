package notify

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/fault"
	"nightshift/internal/inventory"
)

// A webServer answers as the test says, and keeps what it was sent.
type webServer struct {
	*httptest.Server
	mu     sync.Mutex
	status int
	body   string
	hang   chan struct{} // nil: it answers
	got    []seen
}

type seen struct {
	host, path string
	head       http.Header
	body       string
}

func newWebServer(t *testing.T, secure bool) *webServer {
	w := &webServer{status: http.StatusOK}
	handler := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		w.mu.Lock()
		w.got = append(w.got, seen{r.Host, r.URL.Path, r.Header, string(b)})
		hang, status, body := w.hang, w.status, w.body
		w.mu.Unlock()
		if hang != nil {
			<-hang
		}
		rw.WriteHeader(status)
		_, _ = io.WriteString(rw, body)
	})
	if secure {
		w.Server = httptest.NewTLSServer(handler)
	} else {
		w.Server = httptest.NewServer(handler)
	}
	t.Cleanup(w.Close)
	return w
}

func (w *webServer) last(t *testing.T) seen {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	require.NotEmpty(t, w.got)
	return w.got[len(w.got)-1]
}

func (w *webServer) address() string { return w.Listener.Addr().String() }

func TestNtfy(t *testing.T) {
	w := newWebServer(t, false)
	w.body = "{}"
	require.NoError(t, send(t, "ntfy://u:"+password+"@"+w.address()+"/my-secret-topic?scheme=http&priority=high"))
	got := w.last(t)
	require.Equal(t, "/my-secret-topic", got.path)
	require.Equal(t, message.Title, got.head.Get("Title"))
	require.Equal(t, message.Text, got.body)
}

func TestWebhook(t *testing.T) {
	w := newWebServer(t, false)
	require.NoError(t, send(t, "generic+http://"+w.address()+"/hook/"+password+"?template=json"))
	got := w.last(t)
	require.Equal(t, "/hook/"+password, got.path)
	var m map[string]string
	require.NoError(t, json.Unmarshal([]byte(got.body), &m))
	require.Equal(t, map[string]string{"title": message.Title, "message": message.Text}, m)
}

// Some services of the library send no title: what happened would not be told.
func TestATitleIsNeverLost(t *testing.T) {
	for name, url := range map[string]string{
		"mattermost": "mattermost://HOST/AbcdefghijklmnO?disabletls=yes", "webhook": "generic+http://HOST/hook", "matrix": "matrix://:" + password + "@HOST/?rooms=!a:b&disabletls=yes",
	} {
		t.Run(name, func(t *testing.T) {
			w := newWebServer(t, false)
			w.body = `{"event_id": "$1", "room_id": "!a:b", "joined_rooms": ["!a:b"]}`
			_ = send(t, strings.Replace(url, "HOST", w.address(), 1))
			w.mu.Lock()
			defer w.mu.Unlock()
			require.True(t, slices.ContainsFunc(w.got, func(s seen) bool {
				return strings.Contains(s.body, message.Title) && strings.Contains(s.body, "Shut down guest web01")
			}), "%+v", w.got)
		})
	}
	for url, want := range map[string]bool{"ntfy://ntfy.example/x": false, "generic+https://h.example/x?template=json": false, "generic+https://h.example/x?Template=JSON": false,
		"generic+https://h.example/x": true, "zulip://x": true} {
		scheme, _, _ := strings.Cut(strings.ReplaceAll(url, "+https", ""), ":")
		require.Equal(t, want, (&address{scheme: scheme, raw: inventory.NewSecret(url)}).untitled(), url)
	}
}

func TestAnswersOfWebServices(t *testing.T) {
	for status, kind := range map[int]error{400: fault.Invalid, 401: fault.Auth, 403: fault.Auth, 404: fault.Invalid, 429: fault.Unreachable,
		500: fault.Unreachable, 503: fault.Unreachable} {
		for name, url := range map[string]string{
			"ntfy":    "ntfy://u:" + password + "@HOST/my-secret-topic?scheme=http",
			"webhook": "generic://HOST/hook/" + password + "?disabletls=yes&$token=" + password,
			"gotify":  "gotify://HOST/AbcdefghijklmnO?disabletls=yes",
		} {
			t.Run(name+" "+http.StatusText(status), func(t *testing.T) {
				w := newWebServer(t, false)
				w.status, w.body = status, "you said "+password+" to my-secret-topic AbcdefghijklmnO"
				err := send(t, strings.Replace(url, "HOST", w.address(), 1))
				require.ErrorIs(t, err, kind, "%v", err)
				requireSilent(t, err)
			})
		}
	}
}

// What servers say in their own words, and what it means for the next attempt.
func TestAnswersInTheServicesOwnWords(t *testing.T) {
	for name, c := range map[string]struct {
		url, body string
		status    int
		kind      error
	}{
		"ntfy, wrong password":   {"ntfy://u:" + password + "@HOST/my-secret-topic?scheme=http", `{"code":40101,"http":401,"error":"unauthorized","link":"https://ntfy.sh/docs"}`, 401, fault.Auth},
		"ntfy, not this topic":   {"ntfy://u:" + password + "@HOST/my-secret-topic?scheme=http", `{"code":40301,"http":403,"error":"forbidden"}`, 403, fault.Auth},
		"ntfy, too many":         {"ntfy://u:" + password + "@HOST/my-secret-topic?scheme=http", `{"code":42901,"http":429,"error":"limit reached"}`, 429, fault.Unreachable},
		"gotify, wrong token":    {"gotify://HOST/AbcdefghijklmnO?disabletls=yes", `{"error":"Unauthorized","errorCode":401,"errorDescription":"you need to provide a valid access token"}`, 401, fault.Auth},
		"gotify, broken":         {"gotify://HOST/AbcdefghijklmnO?disabletls=yes", `{"error":"Internal Server Error","errorCode":500,"errorDescription":"database"}`, 500, fault.Unreachable},
		"matrix, wrong password": {"matrix://u:" + password + "@HOST/?rooms=a&disabletls=yes", `{"errcode":"M_FORBIDDEN","error":"Invalid username or password"}`, 403, fault.Auth},
		"matrix, broken":         {"matrix://u:" + password + "@HOST/?rooms=a&disabletls=yes", `no JSON`, 502, fault.Unreachable},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWebServer(t, false)
			w.status, w.body = c.status, c.body
			err := send(t, strings.Replace(c.url, "HOST", w.address(), 1))
			require.ErrorIs(t, err, c.kind, "%v", err)
			requireSilent(t, err)
		})
	}
}

// requireSilent fails where an error tells a secret of the tests.
func requireSilent(t *testing.T, err error) {
	t.Helper()
	for _, s := range []string{password, "correct", "horse", "8931", "my-secret-topic", "AbcdefghijklmnO"} {
		require.NotContains(t, err.Error(), s)
	}
	require.Less(t, len(err.Error()), 600)
}

// The library gives a webhook no time limit at all.
func TestAWebhookThatHangs(t *testing.T) {
	w := newWebServer(t, false)
	w.hang = make(chan struct{})
	defer close(w.hang)
	s := New()
	s.timeout = 100 * time.Millisecond
	ch := channel(t, "generic+http://"+w.address()+"/"+password)
	err := s.Send(t.Context(), ch, t.TempDir(), message)
	require.ErrorIs(t, err, fault.Unreachable)
	requireSilent(t, err)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s.timeout = time.Hour
	require.ErrorIs(t, s.Send(ctx, ch, t.TempDir(), message), fault.Unreachable, "the caller's context ends it too")
}

func TestAServerThatIsNotThere(t *testing.T) {
	for _, url := range []string{"ntfy://127.0.0.1:1/my-secret-topic?scheme=http", "generic+http://127.0.0.1:1/" + password, "gotify://127.0.0.1:1/AbcdefghijklmnO?disabletls=yes",
		"matrix://u:" + password + "@127.0.0.1:1/?rooms=a&disabletls=yes"} {
		err := send(t, url)
		require.ErrorIs(t, err, fault.Unreachable)
		requireSilent(t, err)
	}
}

func TestCertificatesAreVerified(t *testing.T) {
	w := newWebServer(t, true)
	w.Config.ErrorLog = nil
	for _, url := range []string{"ntfy://" + w.address() + "/my-secret-topic", "generic://" + w.address() + "/" + password, "gotify://" + w.address() + "/AbcdefghijklmnO"} {
		err := send(t, url)
		require.ErrorIs(t, err, fault.Unreachable)
		require.ErrorContains(t, err, "certificate")
		requireSilent(t, err)
		w.mu.Lock()
		require.Empty(t, w.got)
		w.mu.Unlock()
	}
}

// wired has every connection of http.DefaultTransport end at the server, for services whose address is fixed.
func wired(t *testing.T, w *webServer) {
	was := http.DefaultTransport
	tr := w.Client().Transport.(*http.Transport).Clone()
	tr.TLSClientConfig.ServerName = "example.com" // as in its certificate
	tr.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", w.address())
	}
	http.DefaultTransport = tr
	t.Cleanup(func() { http.DefaultTransport = was; tr.CloseIdleConnections() })
}

func TestTelegramSaysNoInJSON(t *testing.T) {
	w := newWebServer(t, true)
	wired(t, w)
	for body, c := range map[string]struct {
		status int
		kind   error
	}{
		`{"ok":false,"error_code":401,"description":"Unauthorized"}`:                   {401, fault.Auth},
		`{"ok":false,"error_code":400,"description":"Bad Request: chat not found"}`:    {400, fault.Invalid},
		`{"ok":false,"error_code":429,"description":"Too Many Requests: retry after"}`: {429, fault.Unreachable},
		`{"ok":false}`: {200, fault.Unreachable},
	} {
		w.mu.Lock()
		w.status, w.body = c.status, body
		w.mu.Unlock()
		require.ErrorIs(t, send(t, "telegram://110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaws@telegram?chats=-1009876543210"), c.kind, body)
	}
}

// Services whose address is fixed: what they are sent, and that an error tells nothing of the URL.
func TestServicesWithAFixedAddress(t *testing.T) {
	for name, c := range map[string]struct {
		url, host string
		secrets   []string
		answer    string // that means yes
		has       []string
	}{
		"slack": {"slack://hook:T12345678-B12345678-abcdefghijklmnopqrstuvwx@webhook", "hooks.slack.com", []string{"T12345678", "B12345678", "abcdefghijklmnopqrstuvwx"}, "ok",
			[]string{"blocked: a step waits", `&lt;!channel&gt;`}},
		"discord": {"discord://tokentokentoken1@123456789012345678", "discord.com", []string{"tokentokentoken1", "123456789012345678"}, "",
			[]string{"blocked: a step waits"}},
		"telegram": {"telegram://110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaws@telegram?chats=-1009876543210", "api.telegram.org", []string{"110201543", "AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaws", "1009876543210"},
			`{"ok":true,"result":{}}`, []string{"blocked: a step waits"}},
		"pushover": {"pushover://shoutrrr:azGDORePK8gMaC0QOYAMyEEuzJnyUi@uQiRzpo4DXghDmr9QzzfQu27cmVRsG", "api.pushover.net", []string{"azGDORePK8gMaC0QOYAMyEEuzJnyUi", "uQiRzpo4DXghDmr9QzzfQu27cmVRsG"},
			`{"status":1}`, []string{"blocked"}},
		"teams": {"teams://11111111-4444-4444-8444-cccccccccccc@22222222-4444-4444-8444-cccccccccccc/33333333012222222222333333333344/44444444-4444-4444-8444-cccccccccccc/V2ESyij_gAljSoUQHvZoZYzlpAoAXExyOl26dlf1xHEx05?host=example.webhook.office.com",
			"example.webhook.office.com", []string{"11111111", "22222222-4444", "33333333012222222222333333333344", "V2ESyij"}, "", []string{"blocked: a step waits"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWebServer(t, true)
			wired(t, w)
			was := message
			defer func() { message = was }()
			message.Text += "\nguest <!channel>"
			w.body = c.answer
			if name == "discord" {
				w.status = http.StatusNoContent
			}
			require.NoError(t, send(t, c.url))
			got := w.last(t)
			require.Equal(t, c.host, got.host)
			text := got.body
			if u, err := json.Marshal("&<>"); err == nil { // JSON writes these as codes
				require.NotEmpty(t, u)
				text = strings.NewReplacer(`\u0026`, "&", `\u003c`, "<", `\u003e`, ">").Replace(text)
			}
			for _, s := range c.has {
				require.Contains(t, text, s)
			}
			for _, status := range []int{http.StatusUnauthorized, http.StatusNotFound} {
				w.mu.Lock()
				w.status, w.body = status, strings.Join(c.secrets, " ")
				w.mu.Unlock()
				err := send(t, c.url)
				require.Error(t, err)
				for _, s := range c.secrets {
					require.NotContains(t, err.Error(), s)
				}
			}
			w.Close()
			err := send(t, c.url)
			require.ErrorIs(t, err, fault.Unreachable)
			for _, s := range c.secrets {
				require.NotContains(t, err.Error(), s)
			}
		})
	}
}

// A workflow of Teams takes an Adaptive Card, whose lines are shown as they are, and answers 202 with nothing.
func TestTeamsWorkflow(t *testing.T) {
	const address = "teams+https://default0123.45.environment.api.powerplatform.com:443/powerautomate/automations/direct/workflows/abcdef0123456789/triggers/manual/paths/invoke?api-version=1&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=S3cretSignature"
	w := newWebServer(t, true)
	wired(t, w)
	was := message
	defer func() { message = was }()
	message = Message{Title: "blocked: a step waits", Text: "guest [web](http://evil) **01**\n\nnightshift retry RUN STEP\n    acts again"}
	w.status = http.StatusAccepted
	require.NoError(t, send(t, address))
	got := w.last(t)
	require.Equal(t, "default0123.45.environment.api.powerplatform.com:443", got.host)
	require.JSONEq(t, `{"type": "message", "attachments": [{"contentType": "application/vnd.microsoft.card.adaptive", "content": {
		"$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4", "msteams": {"width": "Full"}, "body": [
			{"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": "blocked: a step waits", "weight": "Bolder", "size": "Medium"}]},
			{"type": "RichTextBlock", "spacing": "Medium", "inlines": [{"type": "TextRun", "text": "guest [web](http://evil) **01**"}]},
			{"type": "RichTextBlock", "spacing": "Medium", "inlines": [{"type": "TextRun", "text": "nightshift retry RUN STEP", "fontType": "Monospace"}]},
			{"type": "RichTextBlock", "spacing": "None", "inlines": [{"type": "TextRun", "text": "    acts again"}]}]}}]}`, got.body)

	for status, kind := range map[int]error{401: fault.Auth, 400: fault.Invalid, 404: fault.Invalid, 429: fault.Unreachable, 502: fault.Unreachable} {
		w.mu.Lock()
		w.status, w.body = status, "S3cretSignature"
		w.mu.Unlock()
		err := send(t, address)
		require.ErrorIs(t, err, kind, status)
		require.NotContains(t, err.Error(), "S3cretSignature")
	}
	w.Close()
	err := send(t, address)
	require.ErrorIs(t, err, fault.Unreachable)
	require.NotContains(t, err.Error(), "S3cretSignature")
	require.NotContains(t, err.Error(), "abcdef0123456789")

	for _, bad := range []string{"teams+http://a.example/workflows/S3cret", "teams+https:///S3cret"} {
		err := send(t, bad)
		require.ErrorIs(t, err, fault.Invalid, bad)
		require.Contains(t, err.Error(), "teams+https://")
		require.NotContains(t, err.Error(), "S3cret")
	}
}
