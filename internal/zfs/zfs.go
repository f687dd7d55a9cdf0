// Package zfs is the client of a ZFS host: it runs zfs and zpool there and reads what they say. It knows neither Temporal nor
// plans nor policies: which snapshot is sent from, and which are destroyed, is decided in package replica.
//
// Commands are argument lists. Where several programs must work together, they are run by a constant script of POSIX sh to
// which everything is handed as arguments, so that no name ever becomes shell text. Output is read strictly: a tool that
// prints something else than is known here is one clear error with the line.
//
// Sources: the manual pages and the code of OpenZFS (lib/libzfs, cmd/zfs, 0.8 to 2.4) and illumos.
package zfs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"nightshift/internal/fault"
)

// Streams are what a command reads and where it writes to. Nil: nothing to read, and what is written is thrown away.
type Streams struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
}

// An Exit is how a command ended: its status, or -1 and the signal that killed it ("KILL").
type Exit struct {
	Status int
	Signal string
}

// OK says that the command ended with status 0.
func (e Exit) OK() bool { return e.Status == 0 && e.Signal == "" }

func (e Exit) String() string {
	if e.Signal != "" {
		return "was killed by " + e.Signal
	}
	return fmt.Sprintf("ended with status %d", e.Status)
}

// A Runner runs commands on one machine. An error says that it is not known how the command ended: fault.Unreachable, with
// sshexec.ErrNotSent where it certainly did not arrive. When ctx ends, the command loses its streams.
type Runner interface {
	Run(ctx context.Context, argv []string, s Streams) (Exit, error)
}

// Path is where zfs, zpool, ssh and the like are looked for: logins over SSH often come without the sbin directories.
const Path = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"

// A Client is a ZFS host.
type Client struct {
	name string // for error texts
	run  Runner
	path string
}

// New makes a client of the host with this name in the lab file.
func New(name string, run Runner) *Client { return &Client{name: name, run: run, path: Path} }

// Name is the host's name in the lab file.
func (c *Client) Name() string { return c.name }

// command puts in front of a command what makes it speak English and be found.
func (c *Client) command(argv ...string) []string {
	return append([]string{"env", "LC_ALL=C", "PATH=" + c.path}, argv...)
}

// script is a command that runs a constant script with arguments.
func (c *Client) script(text string, args ...string) []string {
	return c.command(append([]string{"sh", "-c", text, "sh"}, args...)...)
}

// maxWords is how much is kept of what a tool says on standard error, in bytes: a line about each of PerCommand names.
const maxWords = PerCommand * (255 + 100)

// output runs a command and answers what it printed, at most limit bytes. A status other than 0 is an error: *ToolError.
func (c *Client) output(ctx context.Context, limit int, argv ...string) ([]byte, error) {
	var out, errs bounded
	out.limit, errs.limit = limit, maxWords
	exit, err := c.run.Run(ctx, c.command(argv...), Streams{Stdout: &out, Stderr: &errs})
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", c.name, err)
	case !exit.OK():
		return out.Bytes(), c.refused(argv, exit, errs.String())
	case out.over:
		return nil, fault.As(fault.Unsupported, fmt.Errorf("%s: `%s` prints more than %d MiB", c.name, short(argv), limit>>20))
	}
	return out.Bytes(), nil
}

// act runs a command that changes something and prints nothing.
func (c *Client) act(ctx context.Context, argv ...string) error {
	_, err := c.output(ctx, maxWords, argv...)
	return err
}

// short is a command for an error text.
func short(argv []string) string {
	text := strings.Join(argv, " ")
	if len(text) > 200 {
		text = text[:200] + "…"
	}
	return text
}

// bounded keeps the first limit bytes.
type bounded struct {
	bytes.Buffer
	limit int
	over  bool
}

func (b *bounded) Write(p []byte) (int, error) {
	n := min(len(p), b.limit-b.Len())
	if n < len(p) {
		b.over = true
	}
	b.Buffer.Write(p[:n])
	return len(p), nil
}

// errNoNames is for calls with nothing to act on: a mistake of the caller.
var errNoNames = fault.As(fault.Invalid, errors.New("no dataset or snapshot was named"))
