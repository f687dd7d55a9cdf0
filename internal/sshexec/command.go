package sshexec

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"

	"golang.org/x/crypto/ssh"

	"nightshift/internal/fault"
)

// MaxOutput is how much of each output stream is kept, in bytes. The rest is read and thrown away.
const MaxOutput = 1 << 20

// A Result is what came of a command that ended.
type Result struct {
	// Status is its exit status; -1 where it was killed by Signal ("KILL", without SIG).
	Status int
	Signal string
	// Stdout and Stderr are what it printed, at most MaxOutput of each, with a note at the end of what was cut. What has a writer
	// of its own (Streams) is not here.
	Stdout, Stderr []byte
	// Unfinished: standard output did not come to its end within two seconds of the command's. Something that the command has left
	// running keeps it open, or a part of it is still on the way.
	Unfinished bool
}

// A Command is one that was sent.
type Command struct {
	client  *Client
	line    string
	shown   string // in errors
	ch      ssh.Channel
	streams Streams
	broken  atomic.Pointer[error] // of Stdin
	ended   chan struct{}         // closed when result and err are set
	result  Result
	err     error
}

// Start is StartWith without streams: what the command prints is in its result.
func (c *Client) Start(ctx context.Context, argv []string) (*Command, error) {
	return c.StartWith(ctx, argv, Streams{})
}

// StartWith sends a command and answers when the machine has accepted it; it runs on when ctx ends. Where as many commands run
// in the connection as the machine allows, it waits for one of them to end. Errors, beside those of Quote: fault.Permission
// where the machine refuses to run commands; fault.Unreachable, with ErrNotSent where it is certain that the command did not arrive.
func (c *Client) StartWith(ctx context.Context, argv []string, streams Streams) (*Command, error) {
	line, err := Quote(argv)
	if err != nil {
		return nil, err
	}
	ch, requests, err := c.channel(ctx)
	if err != nil {
		return nil, fault.As(ErrNotSent, fault.As(fault.Unreachable, fmt.Errorf("%s: no channel for a command: %w", c.name, err)))
	}
	cmd := &Command{client: c, line: line, shown: shown(argv), ch: ch, ended: make(chan struct{}), streams: streams}
	return cmd, cmd.exec(ctx, requests)
}

// channel opens a channel, in which a place of sessions is kept until the command leaves it.
func (c *Client) channel(ctx context.Context) (ssh.Channel, <-chan *ssh.Request, error) {
	for tries := 0; ; tries++ {
		if err := c.sessions.enter(ctx, c.done); err != nil {
			return nil, nil, err
		}
		ch, requests, err := c.open(ctx)
		refused := new(ssh.OpenChannelError)
		switch {
		case err == nil:
			return ch, requests, nil
		case errors.As(err, &refused) && c.sessions.fewer(ctx, tries):
			continue // it allows no more than those that run
		case !errors.As(err, &refused):
			c.sessions.leave()
		}
		return nil, nil, err
	}
}

// open opens a channel, or does nothing.
func (c *Client) open(ctx context.Context) (ssh.Channel, <-chan *ssh.Request, error) {
	type opened struct {
		ch       ssh.Channel
		requests <-chan *ssh.Request
		err      error
	}
	open := make(chan opened, 1)
	go func() {
		ch, requests, err := c.conn.OpenChannel("session", nil)
		if refused := new(ssh.OpenChannelError); err != nil && !errors.As(err, &refused) {
			c.Close() // it is lost, which x/crypto says here before Wait does
		}
		open <- opened{ch, requests, err}
	}()
	unused := func(o opened) {
		if o.err == nil {
			go ssh.DiscardRequests(o.requests)
			_ = o.ch.Close()
		}
	}
	select {
	case o := <-open:
		if o.err == nil && ctx.Err() != nil {
			unused(o)
			return nil, nil, ctx.Err()
		}
		return o.ch, o.requests, o.err
	case <-c.done: // x/crypto may wait for ever for a channel of a connection that ended just now
		return nil, nil, net.ErrClosed
	case <-ctx.Done():
		go func() { // the channel that comes late is not used
			select {
			case late := <-open:
				unused(late)
			case <-c.done:
			}
		}()
		return nil, nil, ctx.Err()
	}
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
			return fault.As(fault.Permission, fmt.Errorf("%s: the SSH server refuses to run `%s`", cmd.client.name, cmd.shown))
		}
		go cmd.feed()
		return nil
	case <-cmd.client.done:
		return cmd.lost(net.ErrClosed)
	case <-ctx.Done():
		_ = cmd.ch.Close()
		return cmd.lost(ctx.Err())
	}
}

func (cmd *Command) lost(err error) error {
	return fault.As(fault.Unreachable, fmt.Errorf("%s: no answer to `%s`: %w", cmd.client.name, cmd.shown, err))
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

// Act runs a command that changes something, and gives it stdin, which may be nil. When ctx ends nobody listens any more, and
// the command is not told to end. Errors without ErrNotSent may mean that it ran.
func (c *Client) Act(ctx context.Context, argv []string, stdin io.Reader) (Result, error) {
	return act(ctx, c, argv, stdin)
}

func act(ctx context.Context, s Starter, argv []string, stdin io.Reader) (Result, error) {
	cmd, err := s.StartWith(ctx, argv, Streams{Stdin: stdin})
	if err != nil {
		return Result{}, err
	}
	res, err := cmd.Wait(ctx)
	if err != nil {
		cmd.Abandon()
	}
	return res, err
}

// run collects what the command prints and how it ends.
func (cmd *Command) run(requests <-chan *ssh.Request) {
	var out, errs limited
	drains := []*drain{newDrain(cmd.streams.Stdout, &out, cmd.ch), newDrain(cmd.streams.Stderr, &errs, cmd.ch.Stderr())}
	for _, d := range drains {
		go d.run(func() { _ = cmd.ch.Close() }) // what nobody takes is not waited for
	}
	known := cmd.await(requests)
	if known {
		cmd.result.Unfinished = !drains[0].wait()
		drains[1].wait()
	}
	_ = cmd.ch.Close() // it may be closed already
	go func() {
		ssh.DiscardRequests(requests) // until the machine has closed it, too
		cmd.client.sessions.leave()
	}()
	if broken := cmd.broken.Load(); !known && broken != nil {
		cmd.err = fmt.Errorf("%s: the input of `%s` broke off: %w", cmd.client.name, cmd.shown, *broken)
	} else if !known {
		cmd.err = cmd.lost(errors.New("the connection ended before the command did"))
	}
	for _, d := range drains {
		if err := d.failed(); err != nil {
			cmd.err = fmt.Errorf("%s: what `%s` prints could not be taken: %w", cmd.client.name, cmd.shown, err)
		}
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
