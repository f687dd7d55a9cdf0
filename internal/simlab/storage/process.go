package storage

import (
	"context"
	"io"
	"slices"
	"sync"
)

// An Exit is how a command ended: its status, or the signal that killed it ("KILL").
type Exit struct {
	Status int
	Signal string
}

// signals are those that happen here.
var signals = map[string]int{"HUP": 1, "KILL": 9, "PIPE": 13, "TERM": 15}

// Shell is the exit as a shell's $? tells it.
func (e Exit) Shell() int {
	if e.Signal != "" {
		return 128 + signals[e.Signal]
	}
	return e.Status
}

// Streams are those of a command. Nil: nothing to read, and what is written goes nowhere.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// A process is a command that runs.
type process struct {
	host *Host
	pid  int
	user string
	args []string
	once sync.Once
	gone chan struct{} // closed when it was killed
	sig  string        // valid then
}

// kill ends it at once: it does nothing any more.
func (p *process) kill(signal string) {
	p.once.Do(func() {
		p.host.mu.Lock() // nothing is half done
		p.sig = signal
		close(p.gone)
		p.host.mu.Unlock()
	})
}

// keeps says whether it is a receiver that keeps what arrives.
func (p *process) keeps() bool { return slices.Contains(p.args, "-s") }

// dead says whether it was killed.
func (p *process) dead() bool {
	select {
	case <-p.gone:
		return true
	default:
		return false
	}
}

// A call is one command with all that it needs.
type call struct {
	*Host
	p        *process
	argv     []string
	in       io.Reader
	out, err io.Writer
}

// A pipe is a stream that kills who writes to it when nobody reads it any more.
type pipe struct {
	w io.Writer
	p *process
}

func (w pipe) Write(b []byte) (int, error) {
	if w.p.dead() {
		return 0, io.ErrClosedPipe
	}
	n, err := w.w.Write(b)
	if err != nil {
		w.p.kill("PIPE")
	}
	return n, err
}

// Run runs a command as a user ("root", or the service account). When ctx ends, it is hung up on.
func (h *Host) Run(ctx context.Context, user string, argv []string, s Streams) Exit {
	h.mu.Lock()
	h.pid++
	p := &process{host: h, pid: h.pid, user: user, args: slices.Clone(argv), gone: make(chan struct{})}
	h.procs[p.pid] = p
	h.mu.Unlock()
	defer func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.procs, p.pid)
	}()
	c := &call{Host: h, p: p, argv: p.args, in: s.In, out: io.Discard, err: io.Discard}
	if s.In == nil {
		c.in = empty{}
	}
	if s.Out != nil {
		c.out = pipe{s.Out, p}
	}
	if s.Err != nil {
		c.err = pipe{s.Err, p}
	}
	stop := context.AfterFunc(ctx, func() { p.kill("HUP") })
	defer stop()
	down := context.AfterFunc(h.ctx, func() { p.kill("KILL") })
	defer down()
	done := make(chan Exit, 1)
	go func() { done <- c.run(ctx) }()
	select {
	case e := <-done:
		if !p.dead() {
			return e
		}
	case <-p.gone:
	}
	return Exit{-1, p.sig}
}

type empty struct{}

func (empty) Read([]byte) (int, error) { return 0, io.EOF }
