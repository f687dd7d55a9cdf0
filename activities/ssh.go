package activities

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"nightshift/internal/fault"
	"nightshift/internal/inventory"
	"nightshift/internal/plan"
	"nightshift/internal/sshexec"
)

// machines are reached over SSH. The zero value is ready.
type machines struct {
	logins gates // by address: two steps do not send the same wrong password at the same time
	mu     sync.Mutex
	sent   map[string]*sshexec.Command
}

// A machine is one of them for the time of one step. It connects with its first command and keeps the connection for the
// next ones. The caller closes it.
type machine struct {
	a     *Activities
	name  string // as errors name it
	entry inventory.SSH
	conn  *sshexec.Client // nil: none yet
	left  chan struct{}   // closed when the step leaves a connection in which a command may run on; nil: there is none
}

// connect answers the connection, and logs in where there is none: once, and not within 15 minutes after a refusal.
func (m *machine) connect(ctx context.Context) (*sshexec.Client, error) {
	if m.conn != nil && m.conn.Alive() {
		return m.conn, nil
	}
	m.close()
	conn, err := m.a.dialSSH(ctx, m.name, m.entry)
	if err != nil {
		return nil, err
	}
	m.conn = conn
	return conn, nil
}

// dialSSH logs in to a machine: once, one after the other, and not within 15 minutes after a refusal.
func (a *Activities) dialSSH(ctx context.Context, name string, entry inventory.SSH) (*sshexec.Client, error) {
	done, err := a.machines.logins.enter(ctx, entry.Address)
	if err != nil {
		return nil, fault.As(fault.Unreachable, fmt.Errorf("log in to %s: %w", entry.Address, err))
	}
	defer done()
	r, err := sshexec.Resolve(ctx, name, entry, a.clients.lab.Dir)
	if err != nil {
		return nil, err
	}
	account := a.clients.accountOf("ssh", r.Address, r.User, r.By, r.Password.Reveal())
	if err := a.clients.refusedBefore(account, "login"); err != nil {
		r.Close()
		return nil, err
	}
	conn, err := sshexec.Dial(ctx, r)
	if err != nil {
		a.clients.remember(account, err)
		return nil, err
	}
	return conn, nil
}

// query runs a command that changes nothing.
func (m *machine) query(ctx context.Context, argv []string) (sshexec.Result, error) {
	conn, err := m.connect(ctx)
	if err != nil {
		return sshexec.Result{}, err
	}
	return conn.Query(ctx, argv)
}

// send sends a command that changes something, and answers when the machine has taken it. It runs on, and keeps its
// connection, when the step leaves: the next attempt in this process finds it under its key. limit is when nobody
// listens to it any more.
func (m *machine) send(ctx context.Context, key string, argv []string, limit time.Duration) error {
	conn, err := m.connect(ctx)
	if err != nil {
		return notSent{err}
	}
	cmd, err := conn.Start(ctx, argv)
	switch {
	case errors.Is(err, sshexec.ErrNotSent):
		return notSent{err}
	case err != nil:
		return err
	}
	left := make(chan struct{})
	m.left = left
	m.a.machines.keep(key, cmd, limit)
	go func() {
		select {
		case <-cmd.Ended():
		case <-time.After(limit):
			cmd.Abandon()
		}
		<-left
		conn.Close()
	}()
	return nil
}

// close ends the connection, or leaves it to the command that runs in it.
func (m *machine) close() {
	switch {
	case m.left != nil:
		close(m.left)
	case m.conn != nil:
		m.conn.Close()
	}
	m.conn, m.left = nil, nil
}

// commandKey is the key of a step's command: one for each decision.
func commandKey(c plan.Call) string { return fmt.Sprintf("%s/%s/%d", c.Run, c.Step, c.Decision) }

// keep remembers a command for as long as a step may ask for it.
func (s *machines) keep(key string, cmd *sshexec.Command, limit time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sent == nil {
		s.sent = map[string]*sshexec.Command{}
	}
	s.sent[key] = cmd
	time.AfterFunc(2*limit+lockout, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.sent[key] == cmd {
			delete(s.sent, key)
		}
	})
}

// command is what was sent under the key in this process; nil: nothing.
func (s *machines) command(key string) *sshexec.Command {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sent[key]
}
