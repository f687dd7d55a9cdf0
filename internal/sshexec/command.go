package sshexec

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"nightshift/internal/fault"
)

const (
	// MaxOutput is how much of each output stream is kept, in bytes. The rest is read and thrown away.
	MaxOutput = 1 << 20
	// lastWords is how long output is waited for after a command has ended: what it left running may keep it open for ever.
	lastWords = 2 * time.Second
)

// A Result is what came of a command that ended.
type Result struct {
	// Status is its exit status; -1 where it was killed by Signal ("KILL", without SIG).
	Status int
	Signal string
	// Stdout and Stderr are what it printed, at most MaxOutput of each, with a note at the end of what was cut.
	Stdout, Stderr []byte
}

// A Command is one that was sent.
type Command struct {
	client *Client
	line   string
	ch     ssh.Channel
	ended  chan struct{} // closed when result and err are set
	result Result
	err    error
}

// Start sends a command and answers when the machine has accepted it; it runs on when ctx ends. Errors, beside those of
// Quote: fault.Permission where the machine refuses to run commands; fault.Unreachable, with ErrNotSent where it is
// certain that the command did not arrive.
func (c *Client) Start(ctx context.Context, argv []string) (*Command, error) {
	line, err := Quote(argv)
	if err != nil {
		return nil, err
	}
	type opened struct {
		ch       ssh.Channel
		requests <-chan *ssh.Request
		err      error
	}
	open := make(chan opened, 1)
	go func() {
		ch, requests, err := c.conn.OpenChannel("session", nil)
		open <- opened{ch, requests, err}
	}()
	var o opened
	select {
	case o = <-open:
	case <-c.done: // x/crypto may wait for ever for a channel of a connection that ended just now
		return nil, c.notSent(net.ErrClosed)
	case <-ctx.Done():
		go func() { // the channel that comes late is not used
			select {
			case late := <-open:
				if late.err == nil {
					go ssh.DiscardRequests(late.requests)
					_ = late.ch.Close()
				}
			case <-c.done:
			}
		}()
		return nil, c.notSent(ctx.Err())
	}
	if o.err != nil {
		return nil, c.notSent(o.err)
	}
	if err := ctx.Err(); err != nil {
		go ssh.DiscardRequests(o.requests)
		_ = o.ch.Close()
		return nil, c.notSent(err)
	}
	cmd := &Command{client: c, line: line, ch: o.ch, ended: make(chan struct{})}
	return cmd, cmd.exec(ctx, o.requests)
}

func (c *Client) notSent(err error) error {
	return fault.As(ErrNotSent, fault.As(fault.Unreachable, fmt.Errorf("%s: no channel for a command: %w", c.name, err)))
}

// exec sends the command line: from here on it may have arrived.
func (cmd *Command) exec(ctx context.Context, requests <-chan *ssh.Request) error {
	go cmd.run(requests)
	type answer struct {
		ok  bool
		err error
	}
	answered := make(chan answer, 1)
	go func() {
		ok, err := cmd.ch.SendRequest("exec", true, ssh.Marshal(struct{ Command string }{cmd.line}))
		answered <- answer{ok, err}
	}()
	select {
	case a := <-answered:
		switch {
		case a.err != nil:
			return cmd.lost(a.err)
		case !a.ok:
			_ = cmd.ch.Close()
			return fault.As(fault.Permission, fmt.Errorf("%s: the SSH server refuses to run `%s`", cmd.client.name, cmd.line))
		}
		_ = cmd.ch.CloseWrite() // it is not to wait for input; gone already is as good
		return nil
	case <-cmd.client.done:
		return cmd.lost(net.ErrClosed)
	case <-ctx.Done():
		_ = cmd.ch.Close()
		return cmd.lost(ctx.Err())
	}
}

func (cmd *Command) lost(err error) error {
	return fault.As(fault.Unreachable, fmt.Errorf("%s: no answer to `%s`: %w", cmd.client.name, cmd.line, err))
}

// Ended is closed when the command has ended, or its answer is lost.
func (cmd *Command) Ended() <-chan struct{} { return cmd.ended }

// Wait waits for the end of the command. It may be called again after ctx has ended. fault.Unreachable: its answer is
// lost, or ctx ended first; what becomes of the command is not known.
func (cmd *Command) Wait(ctx context.Context) (Result, error) {
	select {
	case <-cmd.ended:
		return cmd.result, cmd.err
	case <-ctx.Done():
		return Result{}, cmd.lost(ctx.Err())
	}
}

// Abandon stops listening. The command is not told to end.
func (cmd *Command) Abandon() { _ = cmd.ch.Close() }

// Query runs a command that changes nothing. One that has not ended when ctx ends is told to (TERM), so that those that
// hang do not pile up; OpenSSH passes that on to users other than root.
func (c *Client) Query(ctx context.Context, argv []string) (Result, error) {
	cmd, err := c.Start(ctx, argv)
	if err != nil {
		return Result{}, err
	}
	res, err := cmd.Wait(ctx)
	if err != nil {
		_, _ = cmd.ch.SendRequest("signal", false, ssh.Marshal(struct{ Signal string }{"TERM"})) // there are servers that know no signals
		cmd.Abandon()
	}
	return res, err
}

// run collects what the command prints and how it ends.
func (cmd *Command) run(requests <-chan *ssh.Request) {
	var out, errs limited
	var reads sync.WaitGroup
	reads.Go(func() { _, _ = io.Copy(&out, cmd.ch) }) // an error ends the channel as well
	reads.Go(func() { _, _ = io.Copy(&errs, cmd.ch.Stderr()) })
	drained := make(chan struct{})
	go func() {
		reads.Wait()
		close(drained)
	}()
	known := cmd.await(requests)
	if known {
		select {
		case <-drained:
		case <-time.After(lastWords):
		}
	}
	_ = cmd.ch.Close() // it may be closed already
	go ssh.DiscardRequests(requests)
	if !known {
		cmd.err = cmd.lost(errors.New("the connection ended before the command did"))
	}
	cmd.result.Stdout, cmd.result.Stderr = out.text(), errs.text()
	close(cmd.ended)
}

// await waits for the exit status or signal; false: the channel ended without.
func (cmd *Command) await(requests <-chan *ssh.Request) bool {
	for req := range requests {
		known := false
		switch req.Type {
		case "exit-status":
			var m struct{ Status uint32 }
			if known = ssh.Unmarshal(req.Payload, &m) == nil; known {
				cmd.result.Status = int(m.Status)
			}
		case "exit-signal":
			var m struct {
				Signal     string
				CoreDumped bool
				Message    string
				Language   string
			}
			if known = ssh.Unmarshal(req.Payload, &m) == nil; known {
				cmd.result.Status, cmd.result.Signal = -1, m.Signal
			}
		}
		if req.WantReply {
			_ = req.Reply(known, nil) // who asked is gone
		}
		if known {
			return true
		}
	}
	return false
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
