package zfs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// Relay sends a stream from the source c through this process to the target, for hosts that cannot reach each other. Errors
// and what is kept are as with Direct. It holds a few buffers, whatever the length of the stream.
func (c *Client) Relay(ctx context.Context, target *Client, t Transfer) (Progress, error) {
	send, err := t.Send.argv("-vP")
	if err != nil {
		return Progress{}, err
	}
	receive, err := t.Receive.argv()
	if err != nil {
		return Progress{}, err
	}
	if t.Limit < 0 {
		return Progress{}, errNegative
	}
	sending, stop := context.WithCancel(ctx)
	defer stop()
	pr, pw := io.Pipe()
	errs := &reporter{report: t.Report}
	sent := make(chan ended, 1)
	go func() {
		exit, err := c.run.Run(sending, c.command(send...), Streams{Stdout: pace(sending, pw, t.Limit), Stderr: errs})
		sent <- ended{exit, err} // it is known before the receiver sees the end of its stream
		_ = pw.Close()
	}()
	var words bounded
	words.limit = maxWords
	exit, err := target.run.Run(ctx, target.command(receive...), Streams{Stdin: pr, Stdout: &words, Stderr: &words})
	_ = pr.CloseWithError(errTaken)
	if err != nil || !exit.OK() {
		stop() // nobody takes the rest
	}
	from := lastWords(sent, stop)
	receiver := target.told(receive, ended{exit, err}, words.String())
	sender := c.told(send, from, errs.said())
	if receiver != nil && (errors.Is(sender, context.Canceled) || errors.Is(sender, errTaken)) {
		sender = nil // it was told to stop as the receiver had ended
	}
	return errs.progress(), judge(sender, receiver)
}

// errTaken stops a sender whose receiver has ended.
var errTaken = errors.New("the receiver takes no more")

// told is the error of one end; nil: it ended well.
func (c *Client) told(argv []string, e ended, words string) error {
	if e.err != nil {
		return fmt.Errorf("%s: %w", c.name, e.err)
	}
	return c.part(argv, e.exit, words)
}

// ended is how a command ended, or why that is not known.
type ended struct {
	exit Exit
	err  error
}

// lastWords waits for the sender after the receiver has ended. A receiver that has all does not wait for the sender's end, so
// that has a moment for it.
func lastWords(sent <-chan ended, stop context.CancelFunc) ended {
	patience := time.NewTimer(30 * time.Second)
	defer patience.Stop()
	select {
	case e := <-sent:
		return e
	case <-patience.C:
		stop()
		return <-sent
	}
}
