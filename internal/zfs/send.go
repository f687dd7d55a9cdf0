package zfs

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"

	"nightshift/internal/fault"
)

// A Send is what is to be sent.
type Send struct {
	Snapshot string // "tank/mail@name"; empty where Token is set
	// From is the snapshot or bookmark that the receiver has, "tank/mail@name" or "tank/mail#name"; empty: a full stream.
	From string
	// Token resumes what was broken off; all but it stays empty then: the token knows.
	Token string
	// Raw sends an encrypted dataset as it is on disk (-w); Compressed blocks as they are compressed (-c); LargeBlocks blocks of
	// more than 128 KiB (-L): once used, always used.
	Raw, Compressed, LargeBlocks bool
}

// argv is the command; with "-nvP" it only estimates, with "-vP" it sends and reports.
func (s Send) argv(flags string) ([]string, error) {
	argv := []string{"zfs", "send", flags}
	if s.Token != "" {
		if s.Snapshot != "" || s.From != "" {
			return nil, fault.As(fault.Invalid, fmt.Errorf("a resumed send knows its snapshot: %s", s.Snapshot))
		}
		if err := checkToken(s.Token); err != nil {
			return nil, err
		}
		return append(argv, "-t", s.Token), nil
	}
	if err := checkSnapshot(s.Snapshot); err != nil {
		return nil, err
	}
	for _, o := range []struct {
		on   bool
		flag string
	}{{s.Raw, "-w"}, {s.Compressed && !s.Raw, "-c"}, {s.LargeBlocks && !s.Raw, "-L"}} {
		if o.on {
			argv = append(argv, o.flag) // a raw stream has the others anyway
		}
	}
	if s.From != "" {
		if err := checkAny(s.From); err != nil {
			return nil, err
		}
		if dataset(s.From) != dataset(s.Snapshot) || dataset(s.From) == s.From {
			return nil, fault.As(fault.Invalid, fmt.Errorf("%s is no snapshot or bookmark of %s", s.From, dataset(s.Snapshot)))
		}
		argv = append(argv, "-i", s.From)
	}
	return append(argv, s.Snapshot), nil
}

// checkToken takes what receive_resume_token looks like: "1-e604ea4bf-e0-789c63…".
func checkToken(token string) error {
	for i := range len(token) {
		c := token[i]
		if (c < 'a' || c > 'f') && (c < '0' || c > '9') && c != '-' {
			return fault.As(fault.Invalid, fmt.Errorf("a resume token with %q is none: %w", c, ErrToken))
		}
	}
	if token == "" || token[0] == '-' || len(token) > maxTokenLength {
		return fault.As(fault.Invalid, fmt.Errorf("this is no resume token: %w", ErrToken))
	}
	return nil
}

// maxTokenLength is longer than any token: it holds a few numbers and a name.
const maxTokenLength = 8 << 10

// An Estimate is what `zfs send -nvP` says of a stream.
type Estimate struct {
	Bytes int64 // that will be sent, about
	// Of a token: the snapshot that it is about, its GUID, that of the snapshot it is sent from (0: full), and how much the
	// receiver has.
	Snapshot       string
	ToGUID         uint64
	FromGUID       uint64
	AlreadyArrived int64
}

// Estimate asks the sender how much a stream will be, and sends nothing. With a token it judges that: ErrToken where it is of
// no use any more, ErrNoSource with it where that is as a snapshot, or what that is sent from, is gone. What it was of is told also then, by any host, as far
// as zfs can read it.
func (c *Client) Estimate(ctx context.Context, s Send) (Estimate, error) {
	argv, err := s.argv("-nvP")
	if err != nil {
		return Estimate{}, err
	}
	var out, errs bounded
	out.limit, errs.limit = 64<<10, 64<<10
	exit, err := c.run.Run(ctx, c.command(argv...), Streams{Stdout: &out, Stderr: &errs})
	switch {
	case err != nil:
		return Estimate{}, fmt.Errorf("%s: %w", c.name, err)
	}
	// illumos and older OpenZFS say it on standard error.
	said := append(append(out.Bytes(), '\n'), errs.Bytes()...)
	if !exit.OK() {
		e, _ := parseEstimate(said) // the contents of a token come before the no, and no size
		return e, c.refused(argv, exit, withoutToken(errs.String()))
	}
	e, err := parseEstimate(said)
	if err != nil {
		return Estimate{}, fmt.Errorf("%s: %w", c.name, err)
	}
	return e, nil
}

// withoutToken leaves out the contents of a token.
func withoutToken(words string) string {
	var kept strings.Builder
	for line := range strings.Lines(words) {
		if !tokenLine(strings.TrimSuffix(line, "\n")) {
			kept.WriteString(line)
		}
	}
	return kept.String()
}

// parseEstimate reads what it can: without a size it answers an error, and what it has read of a token.
func parseEstimate(out []byte) (Estimate, error) {
	var e Estimate
	sized := false
	n := 0
	for line := range bytes.Lines(out) {
		n++
		text := strings.TrimRight(string(line), "\n")
		ok := true
		if v, is := strings.CutPrefix(text, "size\t"); is {
			ok, sized = number(&e.Bytes, v), true
		} else if name, v, is := strings.Cut(strings.TrimSpace(text), " = "); is {
			ok = e.fromToken(name, v)
		}
		if !ok {
			return Estimate{}, unreadable("zfs send -nvP", n, line, fmt.Errorf("a number is none"))
		}
	}
	if !sized {
		return e, unreadable("zfs send -nvP", n, out, fmt.Errorf("there is no size in it"))
	}
	return e, nil
}

// fromToken takes one line of "resume token contents": nvlist_print writes numbers as 0x….
func (e *Estimate) fromToken(name, v string) bool {
	var err error
	switch name {
	case "toname":
		e.Snapshot = v
	case "toguid":
		e.ToGUID, err = strconv.ParseUint(v, 0, 64)
	case "fromguid":
		e.FromGUID, err = strconv.ParseUint(v, 0, 64)
	case "bytes":
		e.AlreadyArrived, err = strconv.ParseInt(v, 0, 64)
	}
	return err == nil
}
