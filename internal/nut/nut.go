// Package nut is a small client of the NUT network protocol (RFC 9271), by which upsd tells about uninterruptible power
// supplies and passes orders to them. Every read and write has a time limit, and nothing that comes in is unbounded.
//
// It knows no policy: what to do when a UPS is on battery is package upswatch.
package nut

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"nightshift/internal/endpoint"
	"nightshift/internal/fault"
)

// DefaultPort is upsd's (IANA: nut).
const DefaultPort = "3493"

const (
	// answerTimeout is for one line in either direction: upsd answers from memory.
	answerTimeout = 10 * time.Second
	// maxLine bounds a line, in bytes: upsd's own limit is 1,024 (PCONF_CTX and NUT_NET_ANSWER_MAX).
	maxLine = 8 << 10
	// maxList bounds a list: large UPSes have some 200 variables.
	maxList = 4096
)

// A Client is a connection to upsd. It is for one goroutine at a time; close it.
type Client struct {
	name string // as errors name the server
	conn net.Conn
	in   *bufio.Reader
	ctx  context.Context // of Dial: when it ends, whatever is under way is cut off
	stop func() bool
}

// Dial connects, with STARTTLS where r has a TLS configuration. It does not log in: reading needs no login.
func Dial(ctx context.Context, r endpoint.Resolved) (*Client, error) {
	d := net.Dialer{Timeout: answerTimeout}
	conn, err := d.DialContext(ctx, "tcp", r.URL.Host)
	if err != nil {
		return nil, fault.As(fault.NotDone, fault.As(fault.Unreachable, fmt.Errorf("%s: %w", r.Name, err)))
	}
	c := newClient(ctx, r.Name, conn)
	c.stop = context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	if r.TLS != nil {
		if err := c.startTLS(r.TLS); err != nil {
			c.drop()
			return nil, fault.As(fault.NotDone, err)
		}
	}
	return c, nil
}

func newClient(ctx context.Context, name string, conn net.Conn) *Client {
	return &Client{ctx: ctx, name: name, conn: conn, in: bufio.NewReaderSize(conn, maxLine), stop: func() bool { return true }}
}

func (c *Client) startTLS(config *tls.Config) error {
	answer, err := c.ask("STARTTLS")
	switch {
	case errors.Is(err, fault.Unsupported):
		return fault.As(fault.Identity, fmt.Errorf("%s offers no TLS (%w): configure CERTFILE in upsd.conf, or remove tls: from the lab file", c.name, err))
	case err != nil:
		return err
	case len(answer) != 2 || answer[0] != "OK" || answer[1] != "STARTTLS":
		return c.strange("STARTTLS", answer)
	case c.in.Buffered() > 0: // sent by whoever is in between, to be read as if it had come encrypted
		return fault.As(fault.Identity, fmt.Errorf("%s sent more than its answer before TLS began", c.name))
	}
	secure := tls.Client(c.conn, config)
	if err := c.limit(); err != nil {
		return c.lost("STARTTLS", err)
	}
	if err := secure.Handshake(); err != nil { //nolint:noctx // the deadline and Dial's context end it
		if errors.Is(err, fault.Identity) {
			return err
		}
		return fault.As(fault.Unreachable, fmt.Errorf("%s: TLS: %w", c.name, err))
	}
	c.conn, c.in = secure, bufio.NewReaderSize(secure, maxLine)
	return nil
}

// Close logs out.
func (c *Client) Close() {
	_, _ = c.ask("LOGOUT") // it says goodbye; that it does not is nobody's loss
	c.drop()
}

// limit gives the next read or write its time, unless the context has ended.
func (c *Client) limit() error {
	if err := c.conn.SetDeadline(time.Now().Add(answerTimeout)); err != nil {
		return err
	}
	return c.ctx.Err() // after the deadline: what ends the context sets one that has passed
}

func (c *Client) drop() {
	c.stop()
	_ = c.conn.Close()
}

// ask sends one request and reads the line that answers it. An ERR answer is an error of its kind.
func (c *Client) ask(words ...string) ([]string, error) {
	if err := c.send(words...); err != nil {
		return nil, err
	}
	return c.read(words[0])
}

func (c *Client) send(words ...string) error {
	line, err := encode(words)
	if err != nil {
		return fault.As(fault.NotDone, fault.As(fault.Invalid, fmt.Errorf("%s: %s: %w", c.name, words[0], err)))
	}
	if err := c.limit(); err != nil {
		return c.lost(words[0], err)
	}
	if _, err := io.WriteString(c.conn, line); err != nil {
		return c.lost(words[0], err)
	}
	return nil
}

// read reads one line. verb is for errors: what was asked.
func (c *Client) read(verb string) ([]string, error) {
	if err := c.limit(); err != nil {
		return nil, c.lost(verb, err)
	}
	raw, err := c.in.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return nil, fault.As(fault.Unreachable, fmt.Errorf("%s: the answer to %s is longer than %d bytes: no NUT server", c.name, verb, maxLine))
	}
	if err != nil {
		return nil, c.lost(verb, err)
	}
	words, err := decode(string(raw))
	if err != nil {
		return nil, fault.As(fault.Unreachable, fmt.Errorf("%s: the answer to %s cannot be read (%w): no NUT server", c.name, verb, err))
	}
	if len(words) == 0 {
		return nil, c.strange(verb, words)
	}
	if words[0] == "ERR" {
		return nil, fmt.Errorf("%s: %s: %w", c.name, verb, refusal(words[1:]))
	}
	return words, nil
}

func (c *Client) lost(verb string, err error) error {
	return fault.As(fault.Unreachable, fmt.Errorf("%s: no answer to %s: %w", c.name, verb, err))
}

func (c *Client) strange(verb string, answer []string) error {
	return fault.As(fault.Unreachable, fmt.Errorf("%s: %q is no answer to %s", c.name, strings.Join(answer, " "), verb))
}
