package sshexec

import (
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// lastWords is how long output is waited for after a command has ended: what it left running may keep it open for ever.
const lastWords = 2 * time.Second

// Streams are what a command reads and prints, while it runs. What is nil is not there: no input, and output goes into the
// Result, bounded. Memory does not depend on how much flows.
type Streams struct {
	// Stdin is read to its end, which the command is told. An error of it ends the connection with the command, as a stream that
	// broke off must not look like one that ended. Nobody reads on when the command has ended: a writer at its other end has to
	// be told by whoever waits for the command.
	Stdin io.Reader
	// Stdout and Stderr take what it prints; they may be slow. An error of theirs ends the connection with the command, and
	// Wait tells it.
	Stdout, Stderr io.Writer
}

// feed gives the command its input.
func (cmd *Command) feed() {
	if cmd.streams.Stdin != nil {
		from := &source{Reader: cmd.streams.Stdin}
		if _, err := io.Copy(cmd.ch, from); from.err != nil {
			cmd.broken.Store(&from.err)
			_ = cmd.ch.Close()
			return
		} else if err != nil {
			return // it takes no more: how it ends tells why
		}
	}
	_ = cmd.ch.CloseWrite() // it is not to wait for more; gone already is as good
}

// A source remembers why it ended.
type source struct {
	io.Reader
	err error // nil: it was its end
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// A drain moves what a command prints to where it belongs.
type drain struct {
	to    io.Writer
	from  io.Reader
	done  chan struct{}
	moved atomic.Int64 // counts the writes, at their beginning and their end
	err   error        // of the writer; valid when done is closed
}

func newDrain(to io.Writer, kept *limited, from io.Reader) *drain {
	if to == nil {
		to = kept
	}
	return &drain{to: to, from: from, done: make(chan struct{})}
}

func (d *drain) run(stop func()) {
	defer close(d.done)
	if _, err := io.Copy(writer{d}, d.from); err != nil && d.err != nil {
		stop()
	}
}

// A writer keeps apart errors of the destination from those of the connection, which end the command anyway.
type writer struct{ *drain }

func (w writer) Write(p []byte) (int, error) {
	w.moved.Add(1)
	n, err := w.to.Write(p)
	if err != nil {
		w.err = err
	}
	w.moved.Add(1)
	return n, err
}

// wait waits until all is there. When nothing has come for lastWords, nothing is waited for: false. A writer that is slow is waited for.
func (d *drain) wait() bool {
	for {
		before := d.moved.Load()
		select {
		case <-d.done:
			return true
		case <-time.After(lastWords):
		}
		if now := d.moved.Load(); now == before && now%2 == 0 {
			return false
		}
	}
}

// failed is the error of the destination.
func (d *drain) failed() error {
	select {
	case <-d.done:
		return d.err
	default:
		return nil
	}
}

// limited keeps the first MaxOutput bytes, and counts the others.
type limited struct {
	mu   sync.Mutex // a writer may outlive the command
	kept []byte
	over int
}

func (l *limited) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := min(len(p), MaxOutput-len(l.kept))
	l.kept = append(l.kept, p[:n]...)
	l.over += len(p) - n
	return len(p), nil
}

func (l *limited) text() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over == 0 {
		return append([]byte(nil), l.kept...)
	}
	return fmt.Appendf(append([]byte(nil), l.kept...), "\n[cut: %d bytes more]", l.over)
}
