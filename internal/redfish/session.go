package redfish

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"nightshift/internal/fault"
)

// renew makes a new session in place of one that has expired, unless another call has done so meanwhile.
func (c *Client) renew(ctx context.Context, stale string) error {
	c.logins.Lock()
	defer c.logins.Unlock()
	if c.transport.sessionToken() != stale {
		return nil
	}
	return c.login(ctx)
}

// login makes a session, or turns to basic authentication where the service has none, or none that is free. A refused login is remembered:
// the client sends nothing any more.
func (c *Client) login(ctx context.Context) error {
	if err := c.refusal(); err != nil {
		return err
	}
	t := c.transport
	if t.user == "" || t.hasBasic() {
		return nil
	}
	t.useSession("")
	sessions := c.sessions()
	if sessions == "" {
		t.useBasic()
		return nil
	}
	err := c.whenReady(ctx, func() error { return c.newSession(ctx, sessions) })
	if err == nil {
		return nil
	}
	switch status, infos := answer(err); {
	case sessionsFull(status, infos):
		// Others hold them, or a nightshift that was killed; they time out after half an hour. A request with the user and
		// password of its own needs none, or one for its own time only, for which whenReady waits.
		t.useBasic()
		return nil
	case status == http.StatusNotFound, status == http.StatusMethodNotAllowed, status == http.StatusNotImplemented:
		t.useBasic()
		return nil
	case status == http.StatusUnauthorized && t.gated():
		return c.refuse(c.failf(fault.Auth, "logging in as %s: it asks for basic authentication even where sessions are made (401 Unauthorized): "+
			"check user and password; if they are right, set `basicAuth: true` in its bmc: in the lab file; nothing is tried again by itself, for accounts get locked", t.user))
	case status == http.StatusUnauthorized, status == http.StatusForbidden, status == http.StatusBadRequest && says(infos, "RAC0212"):
		return c.refuse(c.fail("logging in as "+t.user, err, fault.Auth))
	}
	return c.fail("logging in as "+t.user, err)
}

// newSession posts once and keeps token and path.
func (c *Client) newSession(ctx context.Context, sessions string) error {
	t := c.transport
	res, err := c.api.WithContext(ctx).Post(sessions, map[string]string{"UserName": t.user, "Password": t.password})
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	token := res.Header.Get("X-Auth-Token")
	if token == "" { // says yes and gives nothing: an emulator that takes any POST
		t.useBasic()
		return nil
	}
	t.useSession(token)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.session = sessionPath(res)
	return nil
}

// sessionPath is the Location of a new session as a path: some send a whole URL, with the host that they know.
func sessionPath(res *http.Response) string {
	u, err := url.Parse(res.Header.Get("Location"))
	if err != nil {
		return ""
	}
	return u.EscapedPath()
}

// sessions is where sessions are made: iDRAC7/8 have them at /redfish/v1/Sessions. Empty: the service has none.
func (c *Client) sessions() string {
	switch {
	case c.root.Links.Sessions.ID != "":
		return c.root.Links.Sessions.path()
	case c.root.SessionService.ID != "":
		return join(c.root.SessionService.path(), "Sessions")
	default:
		return ""
	}
}

func (c *Client) refusal() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.refused
}

func (c *Client) refuse(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refused = err
	return err
}

func join(path, name string) string { return strings.TrimRight(path, "/") + "/" + name }
