package activities

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"nightshift/internal/bmc"
	"nightshift/internal/endpoint"
	"nightshift/internal/fault"
	"nightshift/internal/inventory"
	"nightshift/internal/live"
	"nightshift/internal/vsphere"
)

// vcenter is a session at a vCenter, or at a host itself: what the activities use of it, by subject. *vsphere.Client is one.
type vcenter interface {
	guestSystem
	hostSystem
	clusterSystem
	markSystem
	taskSystem
	fabricSystem
	// FindGuest answers the Ref that a guest has here, by its instance UUID.
	FindGuest(ctx context.Context, uuid string) (ref string, err error)
	// OwnHost reads the one host that there is, at a host itself.
	OwnHost(ctx context.Context) (live.Host, error)
	// Inspect reads everything that planners look at.
	Inspect(ctx context.Context) (live.VCenter, error)
	Close(ctx context.Context) error
}

const (
	connectTimeout = 2 * time.Minute
	closeTimeout   = 10 * time.Second
	// lockout is for how long a login that was refused is not tried again: ESXi locks an account for 15 minutes after
	// five failures, and every try begins them anew.
	lockout = 15 * time.Minute
)

// clients gives out sessions by name in the lab file: one for each vCenter and each host itself, shared by all steps, and
// short ones for BMCs. Secrets are resolved when a session begins, and live in it alone.
type clients struct {
	lab     *inventory.Lab
	log     *slog.Logger
	resolve func(ctx context.Context, name string, e inventory.Endpoint, dir string) (endpoint.Resolved, error)
	dialVC  func(ctx context.Context, r endpoint.Resolved) (vcenter, error)
	dialBMC func(ctx context.Context, r endpoint.Resolved, b *inventory.BMC) (bmc.Session, error)
	wake    func(host string, w inventory.WakeOnLAN) (bmc.Session, error)
	now     func() time.Time
	salt    []byte
	bmcs    gates // by host: a controller gets its requests one by one

	mu      sync.Mutex
	vcs     map[string]*session
	refused map[string]refusal // by account
}

// A session at a vCenter or a host, or the login that is under way.
type session struct {
	ready   chan struct{} // closed when vc or err is set
	vc      vcenter
	err     error
	account string
}

func newClients(lab *inventory.Lab, log *slog.Logger) *clients {
	salt := make([]byte, 32)
	_, _ = rand.Read(salt) // never fails
	return &clients{
		lab: lab, log: log, resolve: endpoint.Resolve, now: time.Now, salt: salt,
		dialVC: func(ctx context.Context, r endpoint.Resolved) (vcenter, error) {
			c, err := vsphere.Connect(ctx, r)
			if err != nil {
				return nil, err
			}
			return c, nil
		},
		dialBMC: bmc.Connect,
		wake:    wakeOnLAN,
		vcs:     map[string]*session{}, refused: map[string]refusal{},
	}
}

// vcenter answers the session at the vCenter, and logs in where there is none: once for all who ask at the same time.
func (c *clients) vcenter(ctx context.Context, name string) (vcenter, error) {
	entry, ok := c.lab.VCenter(name)
	if !ok {
		return nil, refuse(fault.Invalid, "vCenter %q is not in the lab file", name)
	}
	return c.login(ctx, name, "vCenter "+name, entry.Endpoint)
}

// opened answers the session at the vCenter where there is one. It begins none.
func (c *clients) opened(name string) (vcenter, bool) {
	c.mu.Lock()
	s := c.vcs[name]
	c.mu.Unlock()
	if s == nil {
		return nil, false
	}
	select {
	case <-s.ready:
		return s.vc, s.err == nil
	default:
		return nil, false
	}
}

// login answers the session that is kept under the key.
func (c *clients) login(ctx context.Context, key, whom string, e inventory.Endpoint) (vcenter, error) {
	c.mu.Lock()
	s := c.vcs[key]
	if s == nil {
		s = &session{ready: make(chan struct{})}
		c.vcs[key] = s
		go c.dial(context.WithoutCancel(ctx), s, key, e) // whoever asked first may leave; others wait
	}
	c.mu.Unlock()
	select {
	case <-s.ready:
		return s.vc, s.err
	case <-ctx.Done():
		return nil, fault.As(fault.Unreachable, fmt.Errorf("log in to %s: %w", whom, ctx.Err()))
	}
}

func (c *clients) dial(ctx context.Context, s *session, key string, e inventory.Endpoint) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	s.account, s.err = c.open(ctx, key, e, func(r endpoint.Resolved) (err error) {
		s.vc, err = c.dialVC(ctx, r)
		return err
	})
	if s.err != nil {
		c.mu.Lock()
		if c.vcs[key] == s {
			delete(c.vcs, key)
		}
		c.mu.Unlock()
	}
	close(s.ready)
}

// drop ends the session of a system that was started anew: it belongs to its life before.
func (c *clients) drop(ctx context.Context, key string) {
	c.mu.Lock()
	s := c.vcs[key]
	c.mu.Unlock()
	if s == nil {
		return
	}
	select {
	case <-s.ready:
	default: // this login is new
		return
	}
	c.mu.Lock()
	if c.vcs[key] == s {
		delete(c.vcs, key)
	}
	c.mu.Unlock()
	if s.vc == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	go func() { // nobody waits for a system that may not answer
		defer cancel()
		if err := s.vc.Close(ctx); err != nil {
			c.log.Debug("the old session was not ended", "target", key, "error", err)
		}
	}()
}

// open resolves the endpoint and dials it, unless the same login was refused a short time ago.
func (c *clients) open(ctx context.Context, name string, e inventory.Endpoint, dial func(endpoint.Resolved) error) (account string, _ error) {
	r, err := c.resolve(ctx, name, e, c.lab.Dir)
	if err != nil {
		return "", err
	}
	for _, w := range r.Warnings {
		c.log.Warn(w, "target", name)
	}
	account = c.accountOf(r.URL.String(), r.User, r.Password.Reveal())
	if err := c.refusedBefore(account, "password"); err != nil {
		return account, err
	}
	if err = dial(r); err != nil {
		c.remember(account, err)
	}
	return account, err
}

// failed drops the session vc that is kept under a name where a call in it showed that it, and the login that was to renew it, are
// refused. An old session says nothing about the one that has taken its place.
func (c *clients) failed(name string, vc vcenter, err error) {
	if !isAuth(err) {
		return
	}
	c.mu.Lock()
	s := c.vcs[name]
	c.mu.Unlock()
	if s == nil {
		return
	}
	select {
	case <-s.ready:
	default: // a new login is under way
		return
	}
	if s.vc != vc {
		return
	}
	c.remember(s.account, err)
	c.mu.Lock()
	if c.vcs[name] == s {
		delete(c.vcs, name)
	}
	c.mu.Unlock()
}

// close logs out of all vCenters and hosts.
func (c *clients) close() {
	c.mu.Lock()
	all := c.vcs
	c.vcs = map[string]*session{}
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout) //nolint:forbidigo // the process ends: no other context is left
	defer cancel()
	for name, s := range all { // few
		select {
		case <-s.ready:
		case <-ctx.Done():
			return
		}
		if s.vc == nil {
			continue
		}
		if err := s.vc.Close(ctx); err != nil {
			c.log.Warn("the session could not be ended", "target", name, "error", err)
		}
	}
}
