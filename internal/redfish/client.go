// Package redfish talks to the management controller of a server (iDRAC, iLO, an emulator): it reads the power state
// and who the server is, and changes the power state with one call at a time.
//
// It never sends such a call twice and never tries a refused login again. It does not know Temporal, plans or policies.
package redfish

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/stmcginnis/gofish"
	"github.com/stmcginnis/gofish/schemas"

	"nightshift/internal/endpoint"
	"nightshift/internal/fault"
)

const root = schemas.DefaultServiceRoot // "/redfish/v1/"

// patience says how long the client waits for what.
type patience struct {
	request time.Duration // one request with its answer; iDRACs take up to 30 s
	ready   time.Duration // for a service that says it is not ready, over all tries
	pause   time.Duration // before the first further try; doubles
	logout  time.Duration
}

// A Client is a login at one management controller. It may be used from several goroutines; requests go one by one.
type Client struct {
	where     string // "esx21-oob (https://10.0.0.21)"
	api       *gofish.APIClient
	transport *transport
	patience  patience
	root      serviceRoot

	logins  sync.Mutex // one login at a time
	mu      sync.Mutex
	session string // path of our session, to log out
	refused error  // the login was refused: nothing is sent any more
	system  string // path of the system; empty: not yet found
	facts   facts  // what was read of it, and does not change
	named   bool   // system comes from the lab file
}

// serviceRoot is what is used of /redfish/v1/ (DSP0268, ServiceRoot).
type serviceRoot struct {
	ODataID        string `json:"@odata.id"`
	RedfishVersion string
	Systems        link
	SessionService link
	Links          struct{ Sessions link }
}

type link struct {
	ID string `json:"@odata.id"`
}

// Connect logs in to the service at r: with a session where the service has them, else (or where r asks for it) with
// basic authentication, and without either where r names no user. system is the path of the ComputerSystem, needed only where the service has
// several. The caller closes the client, always: controllers have few sessions.
//
// Errors are of the kinds fault.Auth, Identity, Unsupported (not a Redfish service), Unreachable (also: all sessions
// are taken) and Permission. A service that is not ready yet is asked again for up to a minute.
func Connect(ctx context.Context, r endpoint.Resolved, system string) (*Client, error) {
	return connect(ctx, r, system, patience{
		request: 40 * time.Second, ready: time.Minute, pause: time.Second, logout: 20 * time.Second,
	})
}

func connect(ctx context.Context, r endpoint.Resolved, system string, p patience) (*Client, error) {
	origin := url.URL{Scheme: r.URL.Scheme, Host: r.URL.Host}
	t := newTransport(r.URL, r.TLS)
	t.user, t.password = r.User, r.Password.Reveal()
	if r.Basic && r.User != "" {
		t.useBasic()
	}
	c := &Client{
		where:     fmt.Sprintf("%s (%s%s)", r.Name, origin.String(), t.prefix),
		transport: t, patience: p, system: systemPath(system), named: system != "",
	}
	err := c.open(ctx, gofish.ClientConfig{
		Endpoint: origin.String(),
		HTTPClient: &http.Client{
			Transport: t, Timeout: p.request, CheckRedirect: redirect,
		},
		NoModifyTransport: true,
		ReuseConnections:  true,
	})
	if err == nil {
		err = c.login(ctx)
	}
	if err != nil {
		t.close()
		return nil, err
	}
	return c, nil
}

// open reads the service root, which needs no login by the standard. Where it does, basic authentication is all there
// is to try.
func (c *Client) open(ctx context.Context, conf gofish.ClientConfig) error {
	err := c.whenReady(ctx, func() (err error) {
		c.api, err = gofish.ConnectContext(ctx, conf)
		return err
	})
	if status, _ := answer(err); status == http.StatusUnauthorized && c.transport.user != "" && !c.transport.hasBasic() {
		c.transport.useBasic()
		c.api, err = gofish.ConnectContext(ctx, conf)
	}
	if err != nil {
		return c.notRedfish("opening "+root, err)
	}
	// gofish keeps the links that it read to itself, and to read them again would take an old controller half a minute.
	if err := json.Unmarshal(c.transport.takeRoot(), &c.root); err != nil {
		return c.notRedfish("opening "+root, err)
	}
	if c.root.RedfishVersion == "" && c.root.ODataID == "" {
		return c.failf(fault.Unsupported, "opening %s: what answers is not a Redfish service (neither RedfishVersion nor @odata.id): check address and port; iDRAC7/8 need firmware 2.40.40.40, iDRAC9 3.00", root)
	}
	return nil
}

// notRedfish gives an error at the service root its meaning.
func (c *Client) notRedfish(what string, err error) error {
	status, _ := answer(err)
	if broken(err) || status == http.StatusNotFound {
		said := "no JSON"
		if status == http.StatusNotFound {
			said = "404 Not Found"
		}
		return c.failf(fault.Unsupported, "%s: what answers is not a Redfish service (%s): check address and port; iDRAC7/8 need firmware 2.40.40.40, iDRAC9 3.00", what, said)
	}
	return c.fail(what, err)
}

// Close logs out, also after ctx has ended. A second Close does nothing.
func (c *Client) Close(ctx context.Context) error {
	c.mu.Lock()
	session := c.session
	c.session = ""
	c.mu.Unlock()
	defer c.transport.close()
	if session == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.patience.logout)
	defer cancel()
	err := schemas.DeleteSession(c.api.WithContext(ctx), session)
	c.transport.useSession("")
	switch status, _ := answer(err); status {
	case http.StatusUnauthorized, http.StatusNotFound, http.StatusGone:
		return nil // it has timed out
	}
	return c.fail("logging out (the session stays until it times out)", err)
}

// get reads a resource. A service that is not ready is asked again, and a session that has expired is renewed, once.
func (c *Client) get(ctx context.Context, path string, into any) error {
	stale := c.transport.sessionToken()
	err := c.read(ctx, path, into)
	if status, _ := answer(err); status != http.StatusUnauthorized {
		return err
	}
	if stale != "" {
		if err := c.renew(ctx, stale); err != nil {
			return err
		}
		err = c.read(ctx, path, into)
	}
	if status, _ := answer(err); status == http.StatusUnauthorized && c.transport.user != "" {
		return c.refuse(c.fail("reading "+path, err))
	}
	return err
}

func (c *Client) read(ctx context.Context, path string, into any) error {
	return c.whenReady(ctx, func() error {
		if err := c.refusal(); err != nil {
			return err
		}
		res, err := c.api.WithContext(ctx).Get(path)
		if err != nil {
			return err
		}
		defer func() { _ = res.Body.Close() }()
		body, err := io.ReadAll(res.Body) // to its end: else the connection cannot be kept
		if err != nil {
			return err
		}
		return json.Unmarshal(body, into)
	})
}

// whenReady does op again, with growing pauses, while the service says that it is not ready.
func (c *Client) whenReady(ctx context.Context, op func() error) error {
	ctx, cancel := context.WithTimeout(ctx, c.patience.ready)
	defer cancel()
	for pause := c.patience.pause; ; pause = min(2*pause, 15*time.Second) {
		err := op()
		if !notReady(err) && (!isFull(err) || !c.transport.hasBasic()) {
			return err
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return err
		case <-timer.C:
		}
	}
}

// path is a link without scheme and host, which some services put before it.
func (l link) path() string {
	if u, err := url.Parse(l.ID); err == nil && u.Host != "" {
		return u.RequestURI()
	}
	return l.ID
}

// systemPath accepts the id of a system for its path.
func systemPath(system string) string {
	if system == "" || strings.HasPrefix(system, "/") {
		return system
	}
	return root + "Systems/" + system
}
