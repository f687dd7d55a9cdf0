package redfish

import (
	"context"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strings"
	"sync/atomic"

	"nightshift/internal/fault"
)

// Reset asks for a change of the power state: "On", "ForceOff", "GracefulShutdown", … It reads the system to see
// whether it allows this, unless System has just done so, then sends one POST, and never a second one. That it returns nil means that the service took
// the request, not that the state is reached: read System until it is.
//
// Errors that are [fault.NotDone] prove that nothing was done; all others leave it open. Kinds: fault.State (also "it is
// already so": read the state before judging), Unsupported (the type is not among the allowed ones; nothing was sent),
// Auth, Permission, NotFound, Invalid, and Unreachable (not ready, no connection, or no answer).
func (c *Client) Reset(ctx context.Context, resetType string) error {
	allowed, target, err := c.resettable(ctx)
	switch {
	case err != nil:
		return notDone(err)
	case len(allowed) > 0 && !slices.Contains(allowed, resetType):
		return notDone(c.failf(fault.Unsupported, "it does not do %s: it allows %s; nothing was sent", resetType, strings.Join(allowed, ", ")))
	case target == "":
		return notDone(c.failf(fault.Unsupported, "its system has no Reset action, or its user may not use it; nothing was sent"))
	}
	return c.post(ctx, target, resetType)
}

// resettable is what Reset needs to know. After a System it takes no request: on a controller that takes half a minute for
// an answer the call itself needs all the time that there is.
func (c *Client) resettable(ctx context.Context) (allowed []string, target string, err error) {
	c.mu.Lock()
	known := c.facts
	c.mu.Unlock()
	if known.resets && known.target != "" {
		return known.allowed, known.target, c.refusal()
	}
	s, err := c.readSystem(ctx)
	if err != nil {
		return nil, "", err
	}
	allowed, err = c.resetTypes(ctx, s)
	return allowed, link{s.Actions.Reset.Target}.path(), err
}

// post sends the one call. gofish's own Reset is no good here: it adds If-Match, which newer iDRACs answer with 412,
// upon which it sends the call again.
func (c *Client) post(ctx context.Context, target, resetType string) error {
	var connected atomic.Bool // without a connection nothing was sent
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	})
	res, err := c.api.WithContext(traced).Post(target, map[string]string{"ResetType": resetType})
	if err == nil {
		_ = res.Body.Close()
		return nil
	}
	what := "sending " + resetType
	status, _ := answer(err)
	switch {
	case status == 0 && connected.Load():
		return c.fail(what+" (it may have arrived all the same)", err)
	case status == 0:
		return c.fail(what+" (it was not sent)", err, fault.NotDone)
	case status == http.StatusUnauthorized && c.transport.sessionToken() != "":
		// The session ended between reading and sending. The next read makes a new one.
		return c.fail(what+" (its session had ended)", err, fault.NotDone, fault.TurnedAway, fault.Unreachable)
	case status == http.StatusUnauthorized:
		return c.refuse(c.fail(what, err, fault.NotDone))
	case status == http.StatusServiceUnavailable:
		return c.fail(what, err, fault.NotDone, fault.TurnedAway, fault.Unreachable)
	case status < 500, status == http.StatusNotImplemented:
		return c.fail(what, err, fault.NotDone)
	default:
		return c.fail(what+" (it may have been carried out all the same)", err)
	}
}

// notDone marks an error from before the call was sent.
func notDone(err error) error { return fault.As(fault.NotDone, err) }
