package sshexec

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"nightshift/internal/fault"
)

// idleTime is for how long a connection is kept that nobody uses.
const idleTime = 2 * time.Minute

// A Runner runs commands that change nothing: a Client, or a Shared.
type Runner interface {
	Query(ctx context.Context, argv []string) (Result, error)
}

// A Starter runs any command.
type Starter interface {
	Runner
	Start(ctx context.Context, argv []string) (*Command, error)
	StartWith(ctx context.Context, argv []string, streams Streams) (*Command, error)
}

// A Shared is one account on one machine, that many use at the same time through one connection. It connects when it is first
// used, and again after the connection was lost; one that nobody uses is closed. It never sends a command again.
type Shared struct {
	dial func(context.Context) (*Client, error)
	idle time.Duration

	mu     sync.Mutex
	client *Client
	users  int // of the client: queries, and commands that have not ended
	since  int // counts the times at which nobody was left
	login  *attempt
}

// An attempt to log in, and those who wait for it: they get its result, as each of their own would be one more at the server.
type attempt struct {
	done   chan struct{}
	client *Client
	err    error
	gaveUp bool // whoever tried had no more time
}

// NewShared makes one. dial logs in, once.
func NewShared(dial func(context.Context) (*Client, error)) *Shared {
	return &Shared{dial: dial, idle: idleTime}
}

// Query is Client.Query.
func (s *Shared) Query(ctx context.Context, argv []string) (Result, error) {
	return with(ctx, s, func(c *Client, leave func()) (Result, error) {
		defer leave()
		return c.Query(ctx, argv)
	})
}

// Start is Client.Start.
func (s *Shared) Start(ctx context.Context, argv []string) (*Command, error) {
	return s.StartWith(ctx, argv, Streams{})
}

// StartWith is Client.StartWith. The connection stays until the command has ended.
func (s *Shared) StartWith(ctx context.Context, argv []string, streams Streams) (*Command, error) {
	return with(ctx, s, func(c *Client, leave func()) (*Command, error) {
		cmd, err := c.StartWith(ctx, argv, streams)
		if err != nil {
			leave()
			return nil, err
		}
		go func() {
			<-cmd.Ended()
			leave()
		}()
		return cmd, nil
	})
}

// Act is Client.Act.
func (s *Shared) Act(ctx context.Context, argv []string, stdin io.Reader) (Result, error) {
	return act(ctx, s, argv, stdin)
}

// with does something over the connection. Where that was lost before the command was sent, which is certain, it is made anew, once.
func with[T any](ctx context.Context, s *Shared, do func(c *Client, leave func()) (T, error)) (T, error) {
	for again := true; ; again = false {
		c, fresh, err := s.connect(ctx)
		if err != nil {
			var none T
			return none, fault.As(ErrNotSent, err)
		}
		got, err := do(c, func() { s.leave(c) })
		if again && !fresh && errors.Is(err, ErrNotSent) && !c.Alive() && ctx.Err() == nil {
			continue
		}
		return got, err
	}
}

// connect answers the connection, and counts a user of it. fresh: it was made just now.
func (s *Shared) connect(ctx context.Context) (c *Client, fresh bool, err error) {
	for {
		s.mu.Lock()
		if s.client != nil && s.client.Alive() {
			s.users++
			c := s.client
			s.mu.Unlock()
			return c, fresh, nil
		}
		a := s.login
		mine := a == nil
		if mine {
			a = &attempt{done: make(chan struct{})}
			s.login = a
		}
		s.mu.Unlock()
		if mine {
			a.client, a.err = s.dial(ctx)
			a.gaveUp = ctx.Err() != nil
			s.mu.Lock()
			s.login = nil
			if a.err == nil {
				s.client, s.users = a.client, 0
			}
			s.mu.Unlock()
			close(a.done)
		}
		select {
		case <-a.done:
		case <-ctx.Done():
			return nil, false, fault.As(fault.Unreachable, ctx.Err())
		}
		switch {
		case a.err != nil && a.gaveUp && ctx.Err() == nil:
			continue
		case a.err != nil:
			return nil, false, a.err
		}
		fresh = true
	}
}

// leave counts a user less. The last one leaves a connection that is closed after a while.
func (s *Shared) leave(c *Client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client != c {
		return
	}
	if s.users--; s.users > 0 {
		return
	}
	s.since++
	last := s.since
	time.AfterFunc(s.idle, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.client == c && s.users == 0 && s.since == last {
			s.client = nil
			go c.Close()
		}
	})
}

// Crowded tells whether half of the commands that the machine runs at a time in one connection run: what takes hours had better have
// another one, or it leaves no place for the others.
func (s *Shared) Crowded() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	most := mostSessions
	if s.client != nil {
		most = s.client.sessions.places()
	}
	return s.users >= most/2
}

// Close hangs up. Commands that run are not told to end, but lose their output.
func (s *Shared) Close() {
	s.mu.Lock()
	c := s.client
	s.client = nil
	s.mu.Unlock()
	if c != nil {
		c.Close()
	}
}
