package redfish

import (
	"context"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/fault"
)

// errorHost takes host:port out of an error text.
func errorHost(text string) string {
	_, rest, _ := strings.Cut(text, "://")
	host, _, _ := strings.Cut(rest, ")")
	return host
}

// onReset answers resets only.
func onReset(answer func(w http.ResponseWriter)) func(http.ResponseWriter, *http.Request, int) bool {
	return func(w http.ResponseWriter, r *http.Request, _ int) bool {
		if !strings.HasSuffix(r.URL.Path, "ComputerSystem.Reset") {
			return false
		}
		answer(w)
		return true
	}
}

func TestResetIsOnePost(t *testing.T) {
	for name, b := range map[string]*bmc{"idrac7": idrac7(t), "idrac9": idrac9(t), "emulator": emulator(t, uuid1)} {
		t.Run(name, func(t *testing.T) {
			c := open(t, b.serve(), "")
			require.NoError(t, c.Reset(t.Context(), "On"))
			require.Equal(t, []string{"On"}, b.seen())
			require.Empty(t, b.headers[0].Get("If-Match"))

			err := c.Reset(t.Context(), "On")
			require.ErrorIs(t, err, fault.State)
			require.ErrorIs(t, err, fault.NotDone)
			require.ErrorContains(t, err, "PSU501")
			require.Len(t, b.seen(), 2)
		})
	}
}

func TestResetTypeThatIsNotAllowedIsNotSent(t *testing.T) {
	b := idrac7(t)
	err := open(t, b.serveTLS(), "").Reset(t.Context(), "PowerCycle")
	require.ErrorIs(t, err, fault.Unsupported)
	require.ErrorIs(t, err, fault.NotDone)
	require.ErrorContains(t, err, "On, ForceOff, GracefulRestart")
	require.Empty(t, b.seen())
}

func TestResetAnswers(t *testing.T) {
	tests := map[string]struct {
		status   int
		id, text string
		kind     error
		notDone  bool
	}{
		"already, as 400":    {400, "IDRAC.1.6.PSU501", "Server is already powered OFF.", fault.State, true},
		"iLO, as 400":        {400, "iLO.2.14.InvalidOperationForSystemState", "The operation was not successful.", fault.State, true},
		"conflict":           {409, "Base.1.2.ResourceInUse", "In use.", fault.State, true},
		"not ready, as 400":  {400, "IDRAC.1.6.SWC0700", "iDRAC is not ready.", fault.Unreachable, true},
		"not ready, as 503":  {503, "IDRAC.1.6.SYS518", "iDRAC is not ready.", fault.Unreachable, true},
		"too many requests":  {429, "x", "Slow down.", fault.Unreachable, true},
		"unknown value":      {400, "Base.1.2.ActionParameterNotSupported", "No.", fault.Unsupported, true},
		"bad request":        {400, "Base.1.2.MalformedJSON", "No.", fault.Invalid, true},
		"no rights":          {403, "Base.1.2.InsufficientPrivilege", "No.", fault.Permission, true},
		"session has ended":  {401, "Base.1.2.NoValidSession", "No.", fault.Unreachable, true},
		"gone":               {404, "Base.1.2.ResourceMissingAtURI", "No.", fault.NotFound, true},
		"no such method":     {405, "x", "No.", fault.Unsupported, true},
		"precondition":       {412, "IDRAC.2.8.SYS446", "No.", fault.Invalid, true},
		"internal error":     {500, "Base.1.2.InternalError", "Oops.", fault.Unreachable, false},
		"gateway gave up":    {504, "", "", fault.Unreachable, false},
		"gateway lost it":    {502, "", "", fault.Unreachable, false},
		"redirect is not it": {307, "", "", fault.Unsupported, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			b := idrac7(t)
			b.on = onReset(func(w http.ResponseWriter) {
				w.Header().Set("Location", "/redfish/v1/Systems/System.Embedded.1/Actions/ComputerSystem.Reset")
				refuse(w, test.status, test.id, test.text)
			})
			err := open(t, b.serveTLS(), "").Reset(t.Context(), "GracefulShutdown")
			require.ErrorIs(t, err, test.kind)
			if test.notDone {
				require.ErrorIs(t, err, fault.NotDone)
			} else {
				require.NotErrorIs(t, err, fault.NotDone)
			}
			require.ErrorContains(t, err, "sending GracefulShutdown")
			require.Contains(t, err.Error(), test.text)
			require.NotContains(t, err.Error(), "very-secret")
			require.Equal(t, []string{"GracefulShutdown"}, b.seen(), "sent once")
		})
	}
}

func TestRefusedBasicLoginAtResetIsRemembered(t *testing.T) {
	b := emulator(t, uuid1)
	b.on = onReset(fault401)
	c := open(t, b.serve(), "")
	for range 2 {
		err := c.Reset(t.Context(), "On")
		require.ErrorIs(t, err, fault.Auth)
		require.ErrorIs(t, err, fault.NotDone)
	}
	require.Len(t, b.seen(), 1)
}

func TestLostAnswerIsNotSentAgain(t *testing.T) {
	hangUp := func(w http.ResponseWriter) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			_ = conn.Close()
		}
	}
	for name, b := range map[string]*bmc{"idrac7": idrac7(t), "idrac9": idrac9(t), "emulator": emulator(t, uuid1), "mockup": mockup(t)} {
		t.Run(name, func(t *testing.T) {
			c := open(t, b.serve(), "")
			_, err := c.System(t.Context()) // leaves a kept-alive connection behind
			require.NoError(t, err)
			b.mu.Lock()
			b.on = onReset(hangUp)
			b.mu.Unlock()

			err = c.Reset(t.Context(), "ForceOff")
			require.ErrorIs(t, err, fault.Unreachable)
			require.NotErrorIs(t, err, fault.NotDone)
			require.ErrorContains(t, err, "may have arrived")
			require.Equal(t, []string{"ForceOff"}, b.seen(), "sent once")
			require.Equal(t, "close", b.headers[0].Get("Connection"), "a connection of its own")
		})
	}
}

func TestSlowAnswerToReset(t *testing.T) {
	b := idrac7(t)
	release := make(chan struct{})
	r := b.serveTLS()
	p := quick()
	c, err := connect(t.Context(), r, "", p)
	require.NoError(t, err)
	b.mu.Lock()
	b.on = onReset(func(http.ResponseWriter) { <-release })
	b.mu.Unlock()
	c.api.HTTPClient.Timeout = 300 * time.Millisecond
	err = c.Reset(t.Context(), "ForceOff")
	close(release)
	require.ErrorIs(t, err, fault.Unreachable)
	require.NotErrorIs(t, err, fault.NotDone)
	require.Equal(t, []string{"ForceOff"}, b.seen())
	c.api.HTTPClient.Timeout = p.request
	require.NoError(t, c.Close(t.Context()))
}

func TestNoConnectionMeansNotDone(t *testing.T) {
	b := mockup(t)
	c := open(t, b.serve(), "")
	c.transport.acts.DialContext = func(context.Context, string, string) (net.Conn, error) { return nil, syscall.EHOSTUNREACH }
	err := c.Reset(t.Context(), "ForceOff")
	require.ErrorIs(t, err, fault.Unreachable)
	require.ErrorIs(t, err, fault.NotDone)
	require.ErrorContains(t, err, "it was not sent")
	require.Empty(t, b.seen())
}
