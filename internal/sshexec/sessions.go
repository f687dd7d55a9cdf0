package sshexec

import (
	"context"
	"net"
	"sync"
	"time"
)

// mostSessions is how many commands OpenSSH runs at a time in one connection (MaxSessions), unless it is told otherwise.
const mostSessions = 10

// sessions queues the commands of a connection. A machine that allows fewer than OpenSSH does says so by a refusal.
type sessions struct {
	mu      sync.Mutex
	running int
	most    int
	freed   chan struct{} // closed when one ends
	last    time.Time     // when one ended
}

func newSessions() sessions { return sessions{most: mostSessions, freed: make(chan struct{})} }

// enter waits for a place. gone is closed when the connection is.
func (s *sessions) enter(ctx context.Context, gone <-chan struct{}) error {
	for {
		s.mu.Lock()
		if s.running < s.most {
			s.running++
			s.mu.Unlock()
			return nil
		}
		freed := s.freed
		s.mu.Unlock()
		select {
		case <-freed:
		case <-gone:
			return net.ErrClosed
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// places is how many commands run at a time, as far as is known.
func (s *sessions) places() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.most
}

// leave says that a command has ended.
func (s *sessions) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = time.Now()
	s.free()
}

func (s *sessions) free() {
	s.running--
	close(s.freed)
	s.freed = make(chan struct{})
}

const (
	// mostRefusals is how often a machine is asked again that has closed a channel, and may still have its session on its list.
	mostRefusals = 10
	refusalPause = 20 * time.Millisecond
	lately       = 5 * time.Second
)

// fewer takes back a place that the machine refused, and says whether to ask for another one: when one of those ends that run,
// or after a pause where one has ended lately.
func (s *sessions) fewer(ctx context.Context, tries int) bool {
	s.mu.Lock()
	s.free()
	others, recent := s.running, !s.last.IsZero() && time.Since(s.last) < lately
	if others > 0 {
		s.most = others
	}
	s.mu.Unlock()
	switch {
	case others > 0:
		return true
	case tries >= mostRefusals || !recent:
		return false
	}
	select {
	case <-time.After(time.Duration(tries+1) * refusalPause):
		return true
	case <-ctx.Done():
		return false
	}
}
