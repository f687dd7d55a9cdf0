// Package ipmi talks to a management controller that has no Redfish, over RMCP+ (IPMI 2.0): it reads the power state and
// who the server is, and changes the power state with one datagram at a time.
//
// It takes the algorithms and messages of github.com/bougou/go-ipmi, and none of its client: that sends every datagram
// up to five times, also the one that changes the power state, tries a refused password again with each cipher suite,
// takes answers whose authentication code it has not looked at, and ends the process over a garbled one. Here a read may
// be sent again, as a new request; a Chassis Control is one datagram; what is not authenticated is not there.
//
// It does not know Temporal, plans or policies.
package ipmi

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"nightshift/internal/endpoint"
	"nightshift/internal/fault"
	"nightshift/internal/live"
)

// DefaultPort is that of RMCP.
const DefaultPort = "623"

// The longest user name and password (IPMI 2.0, §22.28 and §22.30).
const (
	maxUser     = 16
	maxPassword = 20
)

// patience says how long the client waits for what.
type patience struct {
	offer  time.Duration // the better cipher suite, to which some that do not know it say nothing
	login  time.Duration // each message of a login
	answer time.Duration // one request, over all its datagrams
	again  time.Duration // before a read is sent again; doubles
	logout time.Duration
	idle   time.Duration // how long a session is used after its last answer: controllers end it after 60 s (§6.12.15)
}

// A Client is a login at one controller. It may be used from several goroutines; requests go one by one.
type Client struct {
	where          string // "BMC of esx21 (ipmi://10.0.0.21:623)"
	address        string
	user, password string
	patience       patience

	mu      sync.Mutex
	session *session
	used    time.Time // of the session's last answer
	server  *identity // read once in a session
	refused error     // the login was refused: nothing is sent any more
}

// Connect logs in at r (ipmi://host[:port]) as an operator, which is what switching power takes: with cipher suite 17, or 3 where
// the controller has no other. The caller closes the client.
//
// Errors are of the kinds fault.Auth (sent once), Permission (the user may not operate), Identity, Unsupported, Invalid
// and Unreachable (also: all sessions are taken).
func Connect(ctx context.Context, r endpoint.Resolved) (*Client, error) {
	return connect(ctx, r, patience{
		offer: 4 * time.Second, login: 10 * time.Second, answer: 20 * time.Second, again: 2 * time.Second, logout: 2 * time.Second, idle: 30 * time.Second,
	})
}

func connect(ctx context.Context, r endpoint.Resolved, p patience) (*Client, error) {
	port := r.URL.Port()
	if port == "" {
		port = DefaultPort
	}
	c := &Client{address: net.JoinHostPort(r.URL.Hostname(), port), user: r.User, password: r.Password.Reveal(), patience: p}
	c.where = fmt.Sprintf("%s (ipmi://%s)", r.Name, c.address)
	switch {
	case c.user == "" || c.password == "":
		return nil, c.failf(fault.Invalid, "IPMI wants a user and a password; without one everybody could switch the server")
	case len(c.user) > maxUser:
		return nil, c.failf(fault.Invalid, "IPMI knows user names of at most %d bytes", maxUser)
	case len(c.password) > maxPassword:
		return nil, c.failf(fault.Invalid, "IPMI knows passwords of at most %d bytes, and this one is longer", maxPassword)
	}
	if err := c.login(ctx); err != nil {
		return nil, err
	}
	return c, nil
}

// System reads the power state and who the server is. IPMI knows no states between On and Off. Host is left to the caller.
func (c *Client) System(ctx context.Context) (live.BMC, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.ready(ctx); err != nil {
		return live.BMC{}, err
	}
	status, err := c.read(ctx, getChassisStatus, nil, 3)
	if err != nil {
		return live.BMC{}, err
	}
	if c.server == nil {
		if c.server, err = c.identify(ctx); err != nil {
			return live.BMC{}, err
		}
	}
	power := live.Off
	if status[0]&1 != 0 {
		power = live.On
	}
	s := c.server
	return live.BMC{Power: power, ResetTypes: resetTypes(), UUID: s.uuid, Serial: s.serial, Model: s.model, Firmware: s.firmware}, nil
}

// Close logs out, also after ctx has ended. A second Close does nothing.
func (c *Client) Close(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.session == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.patience.logout)
	defer cancel()
	s := c.session
	defer c.drop()
	if time.Since(c.used) > c.patience.idle {
		return nil // it has ended by itself, or is about to
	}
	if _, _, err := s.command(ctx, closeSession, s.idBytes(), 0); err != nil {
		return c.failf(fault.Unreachable, "logging out (the session ends by itself after a minute): %w", err)
	}
	return nil
}

// drop forgets the session; the controller ends it after a minute.
func (c *Client) drop() {
	if c.session != nil {
		_ = c.session.conn.Close()
	}
	c.session, c.server = nil, nil
}

// ready makes sure of a session: one that nobody used for a while may have ended.
func (c *Client) ready(ctx context.Context) error {
	if c.session != nil && time.Since(c.used) > c.patience.idle {
		c.drop()
	}
	if c.session != nil {
		return nil
	}
	return c.login(ctx)
}

// read sends a request that changes nothing, again while no answer comes or the controller is busy, and answers at least
// that many bytes of data. A session in which nobody answers is dropped: the controller may have forgotten it.
func (c *Client) read(ctx context.Context, cmd command, data []byte, atLeast int) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, c.patience.answer)
	defer cancel()
	for {
		got, _, err := c.session.command(ctx, cmd, data, c.patience.again)
		if err != nil {
			c.drop()
			return nil, c.fail("reading "+cmd.name, err)
		}
		c.used = time.Now()
		switch {
		case got.code == codeOK && len(got.data) >= atLeast:
			return got.data, nil
		case got.code == codeOK:
			return nil, c.failf(fault.Unreachable, "reading %s: the answer is too short", cmd.name)
		case !got.code.busy() || !pause(ctx, c.patience.again/2):
			return nil, c.judge("reading "+cmd.name, got.code)
		}
	}
}

// pause waits; false: ctx has ended.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// failf is an error with the controller's name before it.
func (c *Client) failf(kind error, format string, args ...any) error {
	return fault.As(kind, fmt.Errorf(c.where+": "+format, args...))
}

// fail words an error to which no answer of the controller belongs.
func (c *Client) fail(what string, err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return c.failf(fault.Unreachable, "%s: no answer (UDP: a firewall on the way drops it silently; is IPMI over LAN switched on at the controller?): %w", what, err)
	}
	return c.failf(fault.Unreachable, "%s: %w", what, err)
}
