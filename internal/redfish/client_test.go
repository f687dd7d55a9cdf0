package redfish

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"nightshift/internal/endpoint"
	"nightshift/internal/fault"
	"nightshift/internal/inventory"
	"nightshift/internal/live"
)

func TestSessionIsMadeAndLoggedOut(t *testing.T) {
	for name, b := range map[string]*bmc{"idrac7": idrac7(t), "idrac9": idrac9(t)} {
		t.Run(name, func(t *testing.T) {
			c, err := connect(t.Context(), b.serveTLS(), "", quick())
			require.NoError(t, err)
			_, err = c.System(t.Context())
			require.NoError(t, err)
			require.Equal(t, 1, b.logins)

			ended, cancel := context.WithCancel(t.Context())
			cancel() // a cancelled step must not leave its session behind
			require.NoError(t, c.Close(ended))
			require.NoError(t, c.Close(ended))
			require.Equal(t, 1, b.logouts)
			require.Empty(t, b.tokens)
		})
	}
}

func TestBasicAuthWhereThereAreNoSessions(t *testing.T) {
	t.Run("the root lists none", func(t *testing.T) {
		b := emulator(t, "c7a5fdbd-cdaf-9455-926a-d65c16db1809")
		_, err := open(t, b.serve(), "").System(t.Context())
		require.NoError(t, err)
	})
	for _, status := range []int{http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			b := idrac7(t)
			b.on = func(w http.ResponseWriter, r *http.Request, _ int) bool {
				if r.Method == http.MethodPost {
					w.WriteHeader(status)
				}
				return r.Method == http.MethodPost
			}
			_, err := open(t, b.serveTLS(), "").System(t.Context())
			require.NoError(t, err)
			require.Zero(t, b.logins)
		})
	}
	t.Run("even the root wants a login", func(t *testing.T) {
		b := emulator(t, "c7a5fdbd-cdaf-9455-926a-d65c16db1809")
		b.on = func(w http.ResponseWriter, r *http.Request, _ int) bool {
			if _, _, ok := r.BasicAuth(); !ok {
				fault401(w)
				return true
			}
			return false
		}
		_, err := open(t, b.serve(), "").System(t.Context())
		require.NoError(t, err)
	})
}

// A gate before the service asks for basic authentication even where sessions are made. What the session was to be made
// with has not been looked at then, but who could know: one attempt, and the person is told what to write.
func TestBasicAuthWhereThePersonSaysSo(t *testing.T) {
	gate := func(b *bmc, root bool) {
		b.on = func(w http.ResponseWriter, r *http.Request, _ int) bool {
			name, secret, _ := r.BasicAuth()
			if name == user && secret == password || !root && r.URL.Path == "/redfish/v1/" {
				return false
			}
			b.refused++
			w.Header().Set("WWW-Authenticate", `Basic realm="redfish"`)
			http.Error(w, "Unauthorized", http.StatusUnauthorized)
			return true
		}
	}
	b := idrac9(t)
	gate(b, false)
	r := b.serveTLS()
	_, err := connect(t.Context(), r, "", quick())
	require.ErrorIs(t, err, fault.Auth)
	require.ErrorContains(t, err, "basicAuth: true")
	require.Equal(t, 1, b.refused)

	r.Basic = true
	_, err = open(t, r, "").System(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, b.refused)
	require.Zero(t, b.logins)

	gate(b, true)
	r.Password = inventory.NewSecret("wrong")
	_, err = connect(t.Context(), r, "", quick())
	require.ErrorIs(t, err, fault.Auth)
	require.Equal(t, 2, b.refused, "once for the wrong password")
}

func TestNoLoginWithoutUser(t *testing.T) {
	b := mockup(t)
	r := b.serve()
	r.User, r.Password = "", inventory.Secret{}
	_, err := open(t, r, "").System(t.Context())
	require.NoError(t, err)
}

func TestRefusedLoginIsNotTriedAgain(t *testing.T) {
	t.Run("session", func(t *testing.T) {
		for _, status := range []int{http.StatusUnauthorized, http.StatusForbidden} {
			b := idrac9(t)
			b.on = func(w http.ResponseWriter, r *http.Request, _ int) bool {
				if r.Method == http.MethodPost {
					refuse(w, status, "Base.1.2.InsufficientPrivilege", "No. You said "+password)
				}
				return r.Method == http.MethodPost
			}
			_, err := connect(t.Context(), b.serveTLS(), "", quick())
			require.ErrorIs(t, err, fault.Auth)
			require.ErrorContains(t, err, "logging in as root")
			require.NotContains(t, err.Error(), password)
			require.Equal(t, 1, b.count("POST /redfish/v1/SessionService/Sessions"))
		}
	})
	t.Run("session that is to be renewed", func(t *testing.T) {
		b := idrac9(t)
		c := open(t, b.serveTLS(), "")
		b.on = func(w http.ResponseWriter, _ *http.Request, _ int) bool { // the session has ended, and the password is another
			refuse(w, http.StatusUnauthorized, "Base.1.2.NoValidSession", "no")
			return true
		}
		for range 3 {
			_, err := c.System(t.Context())
			require.ErrorIs(t, err, fault.Auth)
		}
		require.Equal(t, 2, b.count("POST /redfish/v1/SessionService/Sessions"), "one that was right, one that was refused")
	})
	t.Run("basic", func(t *testing.T) {
		b := emulator(t, "c7a5fdbd-cdaf-9455-926a-d65c16db1809")
		r := b.serve()
		r.Password = inventory.NewSecret("wrong")
		c := open(t, r, "")
		for range 3 {
			_, err := c.System(t.Context())
			require.ErrorIs(t, err, fault.Auth)
			require.NotContains(t, err.Error(), "wrong")
			err = c.Reset(t.Context(), "On")
			require.ErrorIs(t, err, fault.Auth)
			require.ErrorIs(t, err, fault.NotDone)
		}
		require.Equal(t, 1, b.refused, "an account is locked after a few")
	})
}

func TestExpiredSessionIsRenewedOnce(t *testing.T) {
	b := idrac9(t)
	c := open(t, b.serveTLS(), "")
	_, err := c.System(t.Context())
	require.NoError(t, err)

	b.mu.Lock()
	clear(b.tokens)
	b.mu.Unlock()
	_, err = c.System(t.Context())
	require.NoError(t, err)
	require.Equal(t, 2, b.logins)

	b.mu.Lock()
	b.on = func(w http.ResponseWriter, r *http.Request, _ int) bool {
		if r.Method == http.MethodGet {
			fault401(w)
		}
		return r.Method == http.MethodGet
	}
	b.mu.Unlock()
	for range 3 {
		_, err = c.System(t.Context())
		require.ErrorIs(t, err, fault.Auth)
		require.NotContains(t, err.Error(), "very-secret")
	}
	require.Equal(t, 3, b.logins, "one more login, then none")
	b.mu.Lock()
	b.on = nil
	b.mu.Unlock()
}

// All sessions are taken: a request that brings user and password needs none, or has one for its own time.
func TestSessionTableFull(t *testing.T) {
	t.Run("basic authentication needs none", func(t *testing.T) {
		b := idrac7(t)
		b.max = 1
		r := b.serveTLS()
		open(t, r, "")
		second := open(t, r, "")
		got, err := second.System(t.Context())
		require.NoError(t, err)
		require.Equal(t, live.Off, got.Power)
		require.NoError(t, second.Reset(t.Context(), "On"))
		require.Equal(t, []string{"On"}, b.seen())
		require.Equal(t, 2, b.count("POST /redfish/v1/Sessions"), "waiting does not empty the table")
		require.Equal(t, 1, b.logins)
	})
	t.Run("it has to wait for one", func(t *testing.T) {
		b := idrac7(t)
		b.on = full(3)
		_, err := open(t, b.serveTLS(), "").System(t.Context())
		require.NoError(t, err)
	})
	t.Run("for too long", func(t *testing.T) {
		b := idrac7(t)
		b.on = full(1 << 30)
		p := quick()
		p.ready = 20 * time.Millisecond
		c, err := connect(t.Context(), b.serveTLS(), "", p)
		require.NoError(t, err)
		_, err = c.System(t.Context())
		require.ErrorIs(t, err, fault.Unreachable)
		require.NotErrorIs(t, err, fault.Auth)
		require.ErrorContains(t, err, "RAC0218")
		require.ErrorContains(t, err, "all its sessions are taken")
	})
	t.Run("and the password is wrong", func(t *testing.T) {
		b := idrac7(t)
		b.max = 1
		r := b.serveTLS()
		open(t, r, "")
		b.on = func(w http.ResponseWriter, r *http.Request, _ int) bool {
			if r.Method == http.MethodPost {
				refuse(w, http.StatusServiceUnavailable, "IDRAC.1.6.RAC0218", "The maximum number of user sessions is reached.")
			}
			return r.Method == http.MethodPost
		}
		r.Password = inventory.NewSecret("wrong")
		c := open(t, r, "")
		for range 3 {
			_, err := c.System(t.Context())
			require.ErrorIs(t, err, fault.Auth)
		}
		require.Equal(t, 1, b.refused, "once")
	})
}

// full answers everything but the root with RAC0218, so many times.
func full(times int) func(http.ResponseWriter, *http.Request, int) bool {
	return func(w http.ResponseWriter, r *http.Request, _ int) bool {
		if r.URL.Path == "/redfish/v1/" || times == 0 {
			return false
		}
		if r.Method == http.MethodGet {
			times--
		}
		refuse(w, http.StatusServiceUnavailable, "IDRAC.1.6.RAC0218", "The maximum number of user sessions is reached.")
		return true
	}
}

// A controller that takes half a minute for each answer is asked no more than is needed, and what it told is kept.
func TestAsFewRequestsAsCanBe(t *testing.T) {
	b := idrac9(t)
	c := open(t, b.serveTLS(), "")
	require.Equal(t, []string{"GET /redfish/v1/", "POST /redfish/v1/SessionService/Sessions"}, b.requests)
	_, err := c.System(t.Context())
	require.NoError(t, err)
	for range 3 {
		got, err := c.System(t.Context())
		require.NoError(t, err)
		require.Equal(t, "2.65.65.65", got.Firmware)
		require.Len(t, got.ResetTypes, 4)
	}
	require.NoError(t, c.Reset(t.Context(), "On"))
	for path, n := range map[string]int{"GET /redfish/v1/Systems": 1, "GET /redfish/v1/Systems/System.Embedded.1": 4,
		"GET /redfish/v1/Systems/System.Embedded.1/ResetActionInfo": 1, "GET /redfish/v1/Managers/iDRAC.Embedded.1": 1} {
		require.Equal(t, n, b.count(path), path)
	}
}

// Where the time is over before all is told, the power state, which came first, is told all the same; the rest comes later.
func TestASlowControllerTellsThePowerFirst(t *testing.T) {
	b := idrac9(t)
	c := open(t, b.serveTLS(), "")
	release := make(chan struct{})
	slow := func(w http.ResponseWriter, r *http.Request, _ int) bool {
		if strings.HasSuffix(r.URL.Path, "ResetActionInfo") {
			<-release
		}
		return false
	}
	b.mu.Lock()
	b.on = slow
	b.mu.Unlock()
	short, over := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer over()
	got, err := c.System(short)
	close(release)
	require.NoError(t, err)
	require.Equal(t, live.Off, got.Power)
	require.Empty(t, got.ResetTypes)
	got, err = c.System(t.Context())
	require.NoError(t, err)
	require.Len(t, got.ResetTypes, 4)
}

func TestNotReadyServiceIsAskedAgain(t *testing.T) {
	b := idrac7(t)
	b.on = func(w http.ResponseWriter, _ *http.Request, n int) bool {
		switch {
		case n <= 2:
			refuse(w, http.StatusServiceUnavailable, "IDRAC.1.6.SYS518", "iDRAC is not ready.")
		case n == 4:
			refuse(w, http.StatusBadRequest, "IDRAC.1.6.SWC0700", "iDRAC is not ready. The configuration values cannot be accessed.")
		}
		return n <= 2 || n == 4
	}
	_, err := open(t, b.serveTLS(), "").System(t.Context())
	require.NoError(t, err)

	b.mu.Lock()
	b.on = func(w http.ResponseWriter, _ *http.Request, _ int) bool {
		refuse(w, http.StatusServiceUnavailable, "IDRAC.1.6.SYS518", "iDRAC is not ready.")
		return true
	}
	b.mu.Unlock()
	p := quick()
	p.ready = 20 * time.Millisecond
	_, err = connect(t.Context(), b.serveTLS(), "", p)
	require.ErrorIs(t, err, fault.Unreachable)
	require.ErrorContains(t, err, "SYS518")
	require.ErrorContains(t, err, "not ready")
	b.mu.Lock()
	b.on = nil
	b.mu.Unlock()
}

func TestNotRedfish(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"html":         func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>Welcome to nginx") },
		"404":          http.NotFound,
		"empty":        func(http.ResponseWriter, *http.Request) {},
		"other json":   func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"status": "ok"}`) },
		"a json list":  func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `[1, 2]`) },
		"html for 404": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "<html>nope", http.StatusNotFound) },
		"sends to https": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://elsewhere/", http.StatusMovedPermanently)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(answer)
			defer s.Close()
			_, err := connect(t.Context(), resolved(t, s.URL, nil), "", quick())
			require.ErrorIs(t, err, fault.Unsupported)
			require.ErrorContains(t, err, "esx21-oob")
			require.NotContains(t, err.Error(), "<html>")
		})
	}
	t.Run("ssh", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer func() { _ = l.Close() }()
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				_, _ = io.WriteString(conn, "SSH-2.0-OpenSSH_9.2\r\n")
				_ = conn.Close()
			}
		}()
		_, err = connect(t.Context(), resolved(t, "http://"+l.Addr().String(), nil), "", quick())
		require.Error(t, err)
	})
}

func TestUnreachable(t *testing.T) {
	t.Run("nobody there", func(t *testing.T) {
		s := httptest.NewServer(http.NotFoundHandler())
		s.Close()
		_, err := connect(t.Context(), resolved(t, s.URL, nil), "", quick())
		require.ErrorIs(t, err, fault.Unreachable)
		require.ErrorContains(t, err, "connection refused")
		require.NotContains(t, err.Error(), "Get \"")
	})
	t.Run("slow", func(t *testing.T) {
		release := make(chan struct{})
		s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
		defer s.Close()
		defer close(release)
		p := quick()
		p.request = 20 * time.Millisecond
		_, err := connect(t.Context(), resolved(t, s.URL, nil), "", p)
		require.ErrorIs(t, err, fault.Unreachable)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		release := make(chan struct{})
		s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { cancel(); <-release }))
		defer s.Close()
		defer close(release)
		_, err := connect(ctx, resolved(t, s.URL, nil), "", quick())
		require.ErrorIs(t, err, context.Canceled)
	})
	t.Run("unknown certificate", func(t *testing.T) {
		s := httptest.NewTLSServer(http.NotFoundHandler())
		defer s.Close()
		_, err := connect(t.Context(), resolved(t, s.URL, &tls.Config{MinVersion: tls.VersionTLS12}), "", quick())
		require.ErrorIs(t, err, fault.Identity)
		require.ErrorContains(t, err, "lab trust")
	})
}

func TestBrokenJSON(t *testing.T) {
	b := idrac7(t)
	c := open(t, b.serveTLS(), "")
	b.mu.Lock()
	b.resources["/redfish/v1/Systems/System.Embedded.1"] = `{"PowerState": "On", `
	b.mu.Unlock()
	_, err := c.System(t.Context())
	require.ErrorIs(t, err, fault.Unreachable)
	require.ErrorContains(t, err, "not the JSON that was expected")
}

func TestPathPrefix(t *testing.T) {
	for _, prefix := range []string{"/bmc7", "/bmc7/", "/bmc7/redfish/v1", "/redfish/v1/", ""} {
		for _, knows := range []bool{false, true} { // whether the service knows its prefix
			b := idrac9(t)
			r := b.serveTLS()
			front := strings.TrimSuffix(strings.TrimRight(prefix, "/"), "/redfish/v1")
			if knows && front != "" {
				for path, body := range b.resources {
					b.resources[path] = strings.ReplaceAll(body, `"/redfish/`, `"`+front+`/redfish/`)
				}
				b.location += front
			}
			s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				if !strings.HasPrefix(req.URL.Path, front+"/redfish/") {
					w.WriteHeader(http.StatusTeapot)
					return
				}
				http.StripPrefix(front, b).ServeHTTP(w, req)
			}))
			u, err := url.Parse(s.URL + prefix)
			require.NoError(t, err)
			r.URL, r.TLS.ServerName = u, "example.com"
			r.TLS.RootCAs.AddCert(s.Certificate())

			c, err := connect(t.Context(), r, "", quick())
			require.NoError(t, err, prefix)
			_, err = c.System(t.Context())
			require.NoError(t, err, prefix)
			require.NoError(t, c.Reset(t.Context(), "On"), prefix)
			require.NoError(t, c.Close(t.Context()), prefix)
			require.Equal(t, 1, b.logouts, prefix)
			s.Close()
		}
	}
}

func TestRedirectedReadStaysOnTheMachine(t *testing.T) {
	b := mockup(t)
	b.open = false
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("credentials went elsewhere") }))
	defer elsewhere.Close()
	b.on = func(w http.ResponseWriter, r *http.Request, _ int) bool {
		switch r.URL.Path {
		case "/redfish/v1/Systems/":
			http.Redirect(w, r, "/redfish/v1/Systems", http.StatusMovedPermanently)
		case "/redfish/v1/Systems/437XR1138R2/":
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		default:
			return false
		}
		return true
	}
	_, err := open(t, b.serve(), "").System(t.Context())
	require.ErrorIs(t, err, fault.Unsupported)
	require.ErrorContains(t, err, "437XR1138R2")
}

func TestWrongFingerprint(t *testing.T) {
	b := idrac7(t)
	e := inventory.Endpoint{URL: b.serveTLS().URL.String(), User: user, Password: "env:BMC_PASSWORD",
		TLS: inventory.TLS{Fingerprint: strings.Repeat("ab", 32)}}
	t.Setenv("BMC_PASSWORD", password)
	r, err := endpoint.Resolve(t.Context(), "BMC of esx21", e, t.TempDir())
	require.NoError(t, err)
	_, err = connect(t.Context(), r, "", quick())
	require.ErrorIs(t, err, fault.Identity)
	require.ErrorContains(t, err, "BMC of esx21")
	require.Empty(t, b.requests, "nothing is said to a stranger")
}

func TestExpiredSessionIsRenewedOnceForAll(t *testing.T) {
	b := idrac9(t)
	c := open(t, b.serveTLS(), "")
	_, err := c.System(t.Context())
	require.NoError(t, err)
	b.mu.Lock()
	clear(b.tokens)
	b.mu.Unlock()
	var all errgroup.Group
	for range 8 {
		all.Go(func() error {
			_, err := c.System(t.Context())
			return err
		})
	}
	require.NoError(t, all.Wait())
	require.Equal(t, 2, b.logins, "a session that nobody logs out is one of few that are gone")
}
