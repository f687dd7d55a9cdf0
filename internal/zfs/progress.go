package zfs

import (
	"bytes"
	"strconv"
	"strings"
	"sync"
)

// Progress is how far a transfer is, in bytes. Total is what the sender estimated, 0 where it has not yet; more may be sent.
// After a resume both are about what is left.
type Progress struct{ Sent, Total int64 }

// A reporter takes what `zfs send -vP` writes on standard error: it passes the progress on and keeps the other words.
type reporter struct {
	mu     sync.Mutex
	line   []byte // that has no end yet
	long   bool   // it is longer than anything that is known, and its rest is not kept
	words  bounded
	now    Progress
	report func(Progress) // may be nil
}

// maxLine is longer than any line that a sender writes: a name, some numbers.
const maxLine = 4 << 10

func (r *reporter) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := len(p)
	for len(p) > 0 {
		part, rest, ended := bytes.Cut(p, []byte{'\n'})
		if keep := min(len(part), maxLine-len(r.line)); keep < len(part) {
			r.line, r.long = append(r.line, part[:keep]...), true
		} else {
			r.line = append(r.line, part...)
		}
		if ended {
			r.take()
		}
		p = rest
	}
	return n, nil
}

// take reads one line. The forms are those of send_progress_thread and send_print_verbose in libzfs_sendrecv.c.
func (r *reporter) take() {
	line := string(r.line)
	f := strings.Split(line, "\t")
	switch {
	case r.long:
		r.say(line)
	case len(f) >= 3 && clock(f[0]) && number(&r.now.Sent, f[1]):
		r.tell()
	case len(f) == 2 && f[0] == "size" && number(&r.now.Total, f[1]):
		r.tell()
	case len(f) == 3 && f[0] == "full", len(f) == 4 && f[0] == "incremental", tokenLine(line):
	default:
		r.say(line)
	}
	r.line, r.long = r.line[:0], false
}

func (r *reporter) say(line string) {
	r.words.limit = maxWords
	_, _ = r.words.Write([]byte(line + "\n")) // a bounded buffer takes everything
}

func (r *reporter) tell() {
	if r.report != nil {
		r.report(r.now)
	}
}

// said is everything that was neither progress nor estimate.
func (r *reporter) said() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.line) > 0 {
		r.take()
	}
	return r.words.String()
}

func (r *reporter) progress() Progress {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now
}

// clock: "09:05:59".
func clock(s string) bool {
	if len(s) != 8 || s[2] != ':' || s[5] != ':' {
		return false
	}
	for _, part := range strings.Split(s, ":") {
		if _, err := strconv.ParseUint(part, 10, 8); err != nil {
			return false
		}
	}
	return true
}

// tokenLine is one of those by which a resumed send tells what is in its token.
func tokenLine(line string) bool {
	name, _, is := strings.Cut(line, " = ")
	return line == "resume token contents:" || strings.HasPrefix(line, "nvlist version:") ||
		is && strings.HasPrefix(name, "\t") && !strings.Contains(name, " ")
}
