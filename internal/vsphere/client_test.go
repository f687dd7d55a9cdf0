package vsphere

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"

	"nightshift/internal/endpoint"
	"nightshift/internal/fault"
	"nightshift/internal/inventory"
)

func TestConnectTellsWhatItReached(t *testing.T) {
	c := startSim(t, oneVM()).connect(t)
	about := c.About()
	require.Equal(t, "vc1", about.Name)
	require.Equal(t, "VirtualCenter", about.APIType)
	require.NotEmpty(t, about.Version)
	require.NotEmpty(t, about.InstanceUUID)
	require.Less(t, about.ClockOffset.Abs(), time.Second)
}

func TestConnectDefaultsThePath(t *testing.T) {
	s := startSim(t, oneVM())
	s.endpoint.URL.Path = ""
	require.Equal(t, "/sdk", s.connect(t).URL().Path)
}

func TestConnectOverPlainHTTP(t *testing.T) {
	m := oneVM()
	require.NoError(t, m.Create())
	server := m.Service.NewServer()
	defer server.Close()
	defer m.Remove()
	u := *server.URL
	u.User = nil
	c, err := Connect(t.Context(), endpoint.Resolved{Name: "vc1", URL: &u, User: testUser, Password: inventory.NewSecret(testPassword)})
	require.NoError(t, err)
	v, err := c.Inspect(t.Context())
	require.NoError(t, err)
	require.Len(t, v.Guests, 1)
	require.NoError(t, c.Close(t.Context()))
}

func TestWrongPasswordIsSentOnce(t *testing.T) {
	s := startSim(t, oneVM())
	s.endpoint.Password = inventory.NewSecret("wrong-horse-8")
	_, err := Connect(t.Context(), s.endpoint)
	require.ErrorIs(t, err, fault.Auth)
	require.ErrorContains(t, err, "log in to vc1 as "+testUser+": login refused")
	require.NotContains(t, err.Error(), "wrong-horse-8")
	require.Equal(t, 1, s.count("Login"))
}

func TestExpiredSessionIsRenewed(t *testing.T) {
	s := startSim(t, oneVM())
	c := s.connect(t)
	s.endSession(t, c)
	v, err := c.Inspect(t.Context())
	require.NoError(t, err)
	require.Len(t, v.Guests, 1)
	require.Equal(t, 2, s.count("Login"))

	s.endSession(t, c)
	g, err := c.Guest(t.Context(), v.Guests[0].Ref) // here vcsim says it in the missing set
	require.NoError(t, err)
	require.Equal(t, "poweredOn", g.Power)
	require.Equal(t, 3, s.count("Login"))

	s.endSession(t, c)
	task, err := c.PowerOffGuest(t.Context(), v.Guests[0].Ref)
	require.NoError(t, err)
	require.Equal(t, TaskSuccess, wait(t, c, task).State)
	require.Equal(t, 4, s.count("Login"))
	require.Equal(t, 2, s.count("PowerOffVM_Task"), "once refused as not logged in, once done")
}

func TestOneLoginForManyCallers(t *testing.T) {
	s := startSim(t, oneVM())
	c := s.connect(t)
	s.endSession(t, c)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			_, err := c.VCLSRunning(t.Context(), s.any("ClusterComputeResource").Value)
			require.NoError(t, err)
		})
	}
	wg.Wait()
	require.Equal(t, 2, s.count("Login"))
}

func TestRefusedLoginIsRemembered(t *testing.T) {
	s := startSim(t, oneVM())
	c := s.connect(t)
	s.endSession(t, c)
	s.refuse("Login", new(types.InvalidLogin))
	for range 3 {
		_, err := c.Inspect(t.Context())
		require.ErrorIs(t, err, fault.Auth)
		require.ErrorIs(t, c.ShutdownGuest(t.Context(), "vm-1"), fault.Auth)
	}
	require.Equal(t, 2, s.count("Login"), "the first of Connect, one that was refused")
}

func TestLoginWhileTheOldSessionLives(t *testing.T) {
	s := startSim(t, oneVM())
	c := s.connect(t)
	// A vCenter that is starting says so of sessions that it finds again later; a login inside one is an InvalidLogin.
	said := false
	s.mu.Lock()
	s.hook = func(method string) types.BaseMethodFault {
		if method != "ShutdownGuest" || said {
			return nil
		}
		said = true
		return new(types.NotAuthenticated)
	}
	s.mu.Unlock()
	require.NoError(t, c.ShutdownGuest(t.Context(), s.any("VirtualMachine").Value))
	require.Equal(t, 2, s.count("Login"))
}

func TestRedirectIsNotFollowed(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("another machine was asked") }))
	defer elsewhere.Close()
	server := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusFound))
	defer server.Close()
	_, err := connectTo(t, server.URL)
	require.ErrorIs(t, err, fault.Unsupported)
}

func TestUnclearLoginMayBeSentAgain(t *testing.T) {
	s := startSim(t, oneVM())
	c := s.connect(t)
	s.endSession(t, c)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := c.Inspect(gone)
	require.ErrorIs(t, err, fault.Unreachable)
	require.ErrorIs(t, err, context.Canceled)
	_, err = c.Inspect(t.Context())
	require.NoError(t, err)
}

func TestCloseLogsOut(t *testing.T) {
	s := startSim(t, oneVM())
	c := s.connect(t)
	require.NoError(t, c.Close(t.Context()))
	require.NoError(t, c.Close(t.Context()))
	require.Equal(t, 1, s.count("Logout"))
	require.Equal(t, 1, s.count("Login"))
}

func TestUntrustedCertificate(t *testing.T) {
	s := startSim(t, oneVM())
	s.endpoint.TLS = new(tls.Config)
	_, err := Connect(t.Context(), s.endpoint)
	require.ErrorIs(t, err, fault.Identity)
	require.ErrorContains(t, err, "nightshift lab trust")
	require.Zero(t, s.count("Login"))

	s.endpoint.TLS = &tls.Config{InsecureSkipVerify: true, VerifyConnection: func(tls.ConnectionState) error { // as endpoint pins
		return fault.As(fault.Identity, fmt.Errorf("fingerprint AA is not BB"))
	}}
	_, err = Connect(t.Context(), s.endpoint)
	require.ErrorIs(t, err, fault.Identity)
	require.ErrorContains(t, err, "fingerprint AA is not BB")
}

func TestNotAVCenter(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"html": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte("<html><body>hello</body></html>"))
		},
		"html5": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte("<!doctype html>\n<html><br></html>"))
		},
		"json":     func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"a":1}`)) },
		"empty":    func(http.ResponseWriter, *http.Request) {},
		"404":      http.NotFound,
		"redirect": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/ui", http.StatusTemporaryRedirect) },
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(answer)
			defer server.Close()
			_, err := connectTo(t, server.URL)
			require.ErrorIs(t, err, fault.Unsupported)
			require.ErrorContains(t, err, "no vCenter and no ESXi host")
		})
	}
}

func TestUnreachable(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	_, err := connectTo(t, server.URL)
	require.ErrorIs(t, err, fault.Unreachable)
	require.ErrorContains(t, err, "connection refused")

	starting := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }))
	defer starting.Close()
	_, err = connectTo(t, starting.URL)
	require.ErrorIs(t, err, fault.Unreachable)
	require.ErrorContains(t, err, "503")

	tlsOnPlain := httptest.NewServer(http.NotFoundHandler())
	defer tlsOnPlain.Close()
	_, err = connectTo(t, "https"+tlsOnPlain.URL[4:])
	require.ErrorIs(t, err, fault.Unsupported)
	require.ErrorContains(t, err, "does not speak TLS")
}

func TestNoAnswerInTime(t *testing.T) {
	hold := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hold }))
	defer server.Close()
	defer close(hold)
	u, err := url.Parse(server.URL)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = Connect(ctx, endpoint.Resolved{Name: "vc1", URL: u})
	require.ErrorIs(t, err, fault.Unreachable)
	require.ErrorContains(t, err, "no answer in time")
}

func TestDirectESXi(t *testing.T) {
	s := startSim(t, simulator.ESX())
	c := s.connect(t)
	require.Equal(t, "HostAgent", c.About().APIType)
	v, err := c.Inspect(t.Context())
	require.NoError(t, err)
	require.Empty(t, v.Warnings)
	require.Len(t, v.Hosts, 1)
	require.Empty(t, v.Clusters)
	require.NotEmpty(t, v.Guests)
	require.Equal(t, v.Hosts[0].Ref, v.Guests[0].Host)
	require.NotEmpty(t, v.Datastores)

	g := v.Guests[0]
	task, err := c.PowerOffGuest(t.Context(), g.Ref)
	require.NoError(t, err)
	require.NoError(t, wait(t, c, task).Err)
	tasks, err := c.TasksSince(t.Context(), g.Ref, time.Now().Add(-time.Minute))
	require.NoError(t, err)
	require.Equal(t, task, tasks[len(tasks)-1].Ref)
	task, err = c.PowerOnGuest(t.Context(), g.Ref)
	require.NoError(t, err)
	require.NoError(t, wait(t, c, task).Err)
	require.Zero(t, s.count("PowerOnMultiVM_Task"))

	require.ErrorIs(t, c.SetMark(t.Context(), "me"), fault.Unsupported)
	mark, err := c.Mark(t.Context())
	require.NoError(t, err)
	require.Empty(t, mark)
	require.ErrorIs(t, c.SetVCLS(t.Context(), "domain-c1", "false"), fault.Unsupported)
	require.ErrorIs(t, c.SetAlarmActions(t.Context(), "ha-host", false), fault.Unsupported)
	require.Empty(t, v.Hosts[0].Alarms)
}

func TestSecretIsInNoError(t *testing.T) {
	s := startSim(t, oneVM())
	c := s.connect(t)
	// A server that repeats what it was sent.
	s.refuse("ShutdownGuest", &types.InvalidName{Name: testPassword})
	err := c.ShutdownGuest(t.Context(), s.any("VirtualMachine").Value)
	require.Error(t, err)
	require.NotContains(t, err.Error(), testPassword)
	require.NotContains(t, fmt.Sprintf("%v %+v %#v", c.password, c.password, c.password), testPassword)
}

func connectTo(t *testing.T, raw string) (*Client, error) {
	t.Helper()
	u, err := url.Parse(raw)
	require.NoError(t, err)
	return Connect(t.Context(), endpoint.Resolved{Name: "vc1", URL: u, User: testUser, Password: inventory.NewSecret(testPassword)})
}

// endSession makes the server forget the client's session, as a restart does.
func (s *sim) endSession(t *testing.T, c *Client) {
	t.Helper()
	body := s.model.Map().SessionManager().TerminateSession(&simulator.Context{Session: &simulator.Session{}},
		&types.TerminateSession{SessionId: []string{c.session.id()}})
	require.Nil(t, body.Fault())
}
