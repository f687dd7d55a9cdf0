package redfish

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

// maxBody bounds what is read of one answer: the largest resource that is read here has some 20 kB.
const maxBody = 4 << 20

// transport is what every request passes through. It puts the path prefix before Redfish's absolute paths, adds the
// credentials, and sees to it that whatever may change something goes over the wire once at most.
type transport struct {
	prefix string // "/bmc7", or empty
	reads  *http.Transport
	acts   *http.Transport

	mu       sync.Mutex
	user     string
	password string
	token    string // of the session
	basic    bool
	root     *bytes.Buffer // the service root as it was read last
	gate     bool          // something before the service asks for basic authentication, also for a login
}

func newTransport(base *url.URL, conf *tls.Config) *transport {
	dialer := &net.Dialer{Timeout: 15 * time.Second}
	reads := &http.Transport{
		DialContext:         dialer.DialContext,
		TLSClientConfig:     conf,
		TLSHandshakeTimeout: 30 * time.Second, // an iDRAC7 takes some seconds for one
		MaxIdleConns:        1,
		IdleConnTimeout:     time.Minute,
		// HTTP/2 would send a request again by itself when the server turns the stream away.
		TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{},
	}
	acts := reads.Clone()
	// On a kept-alive connection that turns out broken, Go sends again what it believes not to have arrived. On a
	// connection of its own it never does.
	acts.DisableKeepAlives = true
	acts.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
	return &transport{prefix: prefix(base), reads: reads, acts: acts}
}

// prefix is the path of the address without a trailing "/redfish/v1", which some people write and some do not.
func prefix(base *url.URL) string {
	p := strings.TrimRight(base.Path, "/")
	p = strings.TrimSuffix(p, "/v1")
	return strings.TrimRight(strings.TrimSuffix(p, "/redfish"), "/")
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	next, out := t.reads, req.Clone(req.Context())
	if !isRead(req.Method) {
		next = t.acts
		out.GetBody = nil
		out.Close = true
	}
	// A service that knows its prefix puts it into its links.
	if t.prefix != "" && !strings.HasPrefix(out.URL.Path, t.prefix+"/") {
		out.URL.Path = t.prefix + out.URL.Path
		out.URL.RawPath = ""
	}
	t.authorize(out)
	res, err := next.RoundTrip(out)
	if err != nil {
		return nil, err
	}
	if next == t.acts {
		t.notice(res)
	}
	body := io.LimitReader(res.Body, maxBody)
	if isRead(req.Method) && strings.TrimRight(req.URL.Path, "/") == strings.TrimRight(root, "/") {
		kept := &bytes.Buffer{}
		body = io.TeeReader(body, kept)
		t.mu.Lock()
		t.root = kept
		t.mu.Unlock()
	}
	res.Body = struct {
		io.Reader
		io.Closer
	}{body, res.Body}
	return res, nil
}

// takeRoot is the service root as it was read last. Nobody reads it now.
func (t *transport) takeRoot() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.root == nil {
		return nil
	}
	return t.root.Bytes()
}

// notice tells a refused login from one that was not looked at: a Redfish service says no in JSON (DSP0266, "Error
// responses"), a gate in front of it with a challenge alone.
func (t *transport) notice(res *http.Response) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.gate = res.StatusCode == http.StatusUnauthorized && !strings.Contains(res.Header.Get("Content-Type"), "json") &&
		strings.HasPrefix(strings.ToLower(res.Header.Get("WWW-Authenticate")), "basic")
}

func (t *transport) gated() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.gate
}

func isRead(method string) bool { return method == http.MethodGet || method == http.MethodHead }

func (t *transport) authorize(req *http.Request) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.token != "":
		req.Header.Set("X-Auth-Token", t.token)
	case t.basic:
		req.SetBasicAuth(t.user, t.password)
	}
}

// redirect follows a redirected read on the same service, and nothing else: credentials go to no other machine, and a
// redirected POST would be a second one.
func redirect(req *http.Request, via []*http.Request) error {
	first := via[0]
	if !isRead(first.Method) || req.URL.Scheme != first.URL.Scheme || req.URL.Host != first.URL.Host || len(via) > 5 {
		return http.ErrUseLastResponse
	}
	return nil
}

func (t *transport) useSession(token string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.token = token
}

func (t *transport) useBasic() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.basic = true
}

func (t *transport) sessionToken() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.token
}

func (t *transport) hasBasic() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.basic
}

// scrub takes out of a text what the service may have echoed into it.
func (t *transport) scrub(text string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, secret := range []string{t.token, t.password} {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "***")
		}
	}
	return text
}

// longest is how much of what a service says goes into an error or a report, in characters.
const longest = 600

// short is one line of a text of the service, without what it may have echoed, and cut.
func (t *transport) short(text string) string { return oneLine(t.scrub(text)) }

// oneLine is a text of the service without control characters, and cut: it may have sent megabytes.
func oneLine(text string) string {
	words := strings.FieldsFunc(strings.ToValidUTF8(text, "�"), func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) })
	line := strings.Join(words, " ")
	if utf8.RuneCountInString(line) > longest {
		line = string([]rune(line)[:longest]) + "…"
	}
	return line
}

func (t *transport) close() {
	t.reads.CloseIdleConnections()
	t.acts.CloseIdleConnections()
}
