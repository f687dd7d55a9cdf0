package storage

import (
	"io"
	"sync"
)

// pipeHolds is what a pipe of Linux takes before anybody reads, in bytes.
const pipeHolds = 64 << 10

// Pipe is one of the operating system: a writer is ahead of its reader by up to 64 KiB. So a sender may end well where nobody
// took what it sent.
func Pipe() (io.ReadCloser, io.WriteCloser) {
	b := &buffered{}
	b.moved.L = &b.mu
	return pipeEnd{b, true}, pipeEnd{b, false}
}

type buffered struct {
	mu                  sync.Mutex
	moved               sync.Cond
	held                []byte
	unread, noMoreComes bool
}

type pipeEnd struct {
	*buffered
	reads bool
}

func (p pipeEnd) Read(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.held) == 0 && !p.noMoreComes && !p.unread {
		p.moved.Wait()
	}
	if p.unread {
		return 0, io.ErrClosedPipe
	}
	if len(p.held) == 0 {
		return 0, io.EOF
	}
	n := copy(b, p.held)
	p.held = append(p.held[:0], p.held[n:]...)
	p.moved.Broadcast()
	return n, nil
}

func (p pipeEnd) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	done := 0
	for done < len(b) {
		for len(p.held) >= pipeHolds && !p.unread && !p.noMoreComes {
			p.moved.Wait()
		}
		if p.unread || p.noMoreComes {
			return done, io.ErrClosedPipe
		}
		n := min(len(b)-done, pipeHolds-len(p.held))
		p.held = append(p.held, b[done:done+n]...)
		done += n
		p.moved.Broadcast()
	}
	return done, nil
}

// Close closes this end.
func (p pipeEnd) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reads {
		p.unread = true
	} else {
		p.noMoreComes = true
	}
	p.moved.Broadcast()
	return nil
}
