// Package sshexec runs commands on machines over SSH: the one place that dials SSH, logs in and quotes.
//
// A machine is known by its host key, which must be the one in the lab file: none is ever accepted unseen. A login is
// tried once, in one way. Errors are those of package fault; whether a command may have arrived is told by ErrNotSent.
// It knows neither Temporal nor what the commands mean.
package sshexec

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"nightshift/internal/fault"
	"nightshift/internal/inventory"
)

const (
	// connectTimeout is for the TCP connection, loginTimeout for all until the login, whatever the context allows.
	connectTimeout = 10 * time.Second
	loginTimeout   = 30 * time.Second
	// aliveEvery is how often the machine is asked whether it is still there. Without an answer for twice as long it is not.
	aliveEvery = 15 * time.Second
)

// ErrNotSent marks errors of commands that certainly did not reach the machine. Without it, after a fault.Unreachable,
// nobody knows: the command may have run, or be running.
var ErrNotSent = errors.New("the command was not sent")

// A Client is a connection to one machine. It is safe for concurrent use: each command has a channel of its own.
type Client struct {
	name     string
	conn     *ssh.Client
	done     chan struct{} // closed when the connection is gone
	sessions sessions
	host     ssh.PublicKey // it showed; of a certificate the key in it
}

// Dial connects, makes sure of the host key, and logs in, once. Errors: fault.Identity (another host key, or none recorded),
// fault.Auth, fault.Unsupported (no algorithm in common), fault.Unreachable.
func Dial(ctx context.Context, r Resolved) (*Client, error) {
	if r.User == "" {
		return nil, fault.As(fault.Invalid, fmt.Errorf("%s: there is no user in the lab file to log in as", r.Name))
	}
	conn, host, err := dial(ctx, r)
	if err != nil {
		return nil, err
	}
	return newClient(r.Name, conn, host), nil
}

func newClient(name string, conn *ssh.Client, host ssh.PublicKey) *Client {
	c := &Client{name: name, conn: conn, done: make(chan struct{}), sessions: newSessions(), host: host}
	go func() {
		_ = conn.Wait() // whoever waits for a command hears it there
		close(c.done)
	}()
	go c.stayAlive(aliveEvery)
	return c
}

// Check makes sure of the host key and tries the login, once, and runs nothing. Without a user only the key is compared.
// dir is the lab file's. Errors are those of Resolve and Dial.
func Check(ctx context.Context, s inventory.SSH, dir string) error {
	r, err := Resolve(ctx, s.Address, s, dir)
	if err != nil {
		return err
	}
	conn, _, err := dial(ctx, r)
	if err == nil {
		_ = conn.Close() // logged in is logged in, whoever hangs up first
	}
	if r.User == "" && errors.Is(err, fault.Auth) {
		return nil // the machine is the right one, and nobody asked to log in
	}
	return err
}

// dial logs in, and answers the host key that the machine has shown.
func dial(ctx context.Context, r Resolved) (*ssh.Client, ssh.PublicKey, error) {
	defer r.Close()
	switch {
	case r.host.check == nil && r.host.file != "":
		return nil, nil, fault.As(fault.Identity, fmt.Errorf("%s: %s knows no host key for %s", r.Name, r.host.file, r.Address))
	case r.host.check == nil:
		return nil, nil, fault.As(fault.Identity, fmt.Errorf("%s: no host key is recorded: `nightshift lab trust`", r.Name))
	}
	ctx, cancel := context.WithTimeout(ctx, loginTimeout)
	defer cancel()
	tcp, err := r.connect(ctx)
	if err != nil {
		return nil, nil, err
	}
	var host ssh.PublicKey
	seen := func(name string, remote net.Addr, key ssh.PublicKey) error {
		host = key
		return r.host.check(name, remote, key)
	}
	stop := context.AfterFunc(ctx, func() { _ = tcp.Close() }) // the handshake knows no context
	c, channels, requests, err := ssh.NewClientConn(tcp, r.Address, &ssh.ClientConfig{
		User: r.User, Auth: r.auth, HostKeyAlgorithms: r.host.algorithms, HostKeyCallback: seen,
	})
	if !stop() && err == nil { // the time ran out in the last moment, and the connection is closed
		_ = c.Close()
		err = ctx.Err()
	}
	if err != nil {
		_ = tcp.Close()
		return nil, nil, r.refused(ctx, err)
	}
	return ssh.NewClient(c, channels, requests), host, nil
}

// refused gives an error of the handshake its kind.
func (r Resolved) refused(ctx context.Context, err error) error {
	negotiation := new(ssh.AlgorithmNegotiationError)
	switch {
	case errors.Is(err, fault.Identity):
		return fault.As(fault.Identity, fmt.Errorf("%s: %w", r.Name, err))
	case errors.As(err, &negotiation) && strings.Contains(err.Error(), "host key"): // x/crypto has no other sign of it
		return fault.As(fault.Identity, fmt.Errorf("%s shows no host key of the kind that is recorded (%s); if it was reinstalled: %s: %w",
			r.Name, r.host.algorithms[0], r.host.remedy(), err))
	case errors.As(err, &negotiation):
		return fault.As(fault.Unsupported, fmt.Errorf("%s: its SSH server and nightshift have no algorithm in common: %w", r.Name, err))
	case strings.Contains(err.Error(), "unable to authenticate"), strings.Contains(err.Error(), "Too many authentication failures"):
		return fault.As(fault.Auth, fmt.Errorf("%s: the login as %s by %s was refused", r.Name, r.User, r.By))
	case ctx.Err() != nil:
		return fault.As(fault.Unreachable, fmt.Errorf("%s: no login within %s: %w", r.Name, loginTimeout, ctx.Err()))
	}
	return fault.As(fault.Unreachable, fmt.Errorf("%s: %w", r.Name, err))
}

// stayAlive asks whether the machine is there, and hangs up when it is not: who waits for a command hears it then.
func (c *Client) stayAlive(every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-c.done:
			return
		}
		late := time.AfterFunc(2*every, func() { _ = c.conn.Close() })
		_, _, err := c.conn.SendRequest("keepalive@openssh.com", true, nil) // a refusal is an answer
		late.Stop()
		if err != nil {
			_ = c.conn.Close() // gone already
			return
		}
	}
}

// Alive says whether the connection still stands, as far as is known.
func (c *Client) Alive() bool {
	select {
	case <-c.done:
		return false
	default:
		return true
	}
}

// Close hangs up. Commands that run are not told to end, but lose their output.
func (c *Client) Close() {
	_ = c.conn.Close() // there is nobody left to be told
	<-c.done
}

// HostKey is the host key that the machine has shown, and by which it was known; of a certificate the key in it.
func (c *Client) HostKey() ssh.PublicKey {
	if cert, ok := c.host.(*ssh.Certificate); ok {
		return cert.Key
	}
	return c.host
}
