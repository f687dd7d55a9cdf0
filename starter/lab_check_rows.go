package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"nightshift/internal/endpoint"
	"nightshift/internal/fault"
	"nightshift/internal/inventory"
)

// Results of a check.
const (
	checkOK   = "ok"
	checkWarn = "warning"
	checkFail = "FAILED"
)

// A checkRow is one thing that was looked at.
type checkRow struct {
	Subject string `json:"subject"`
	Check   string `json:"check"`
	State   string `json:"state"`
	Text    string `json:"text"`
	Remedy  string `json:"remedy,omitempty"`
}

// checks collects the rows of one subject.
type checks struct {
	subject string
	rows    []checkRow
	tls     inventory.TLS // by what the subject is to be known
}

func (c *checks) add(state, check, remedy, format string, args ...any) {
	c.rows = append(c.rows, checkRow{c.subject, check, state, fmt.Sprintf(format, args...), remedy})
}

func (c *checks) ok(check, format string, args ...any) { c.add(checkOK, check, "", format, args...) }

// fail puts an error into words, with what to do about its kind: a row names its subject already, and one remedy is enough.
func (c *checks) fail(check string, err error) {
	text := oneLine(err)
	if rest, ok := strings.CutPrefix(text, c.subject); ok {
		text = strings.TrimPrefix(aboutAddress.ReplaceAllString(rest, ""), ": ")
	}
	text, remedy := c.shorter(text, err)
	c.add(checkFail, check, remedy, "%s", text)
}

var (
	aboutAddress = regexp.MustCompile(`^ \(\S+\)`)
	fingerprints = regexp.MustCompile(`\b(?:[0-9A-F]{2}:){31}[0-9A-F]{2}\b`)
	notSet       = regexp.MustCompile(`^(.*the environment variable (\w+) is not set, or empty).*$`)
)

// shorter says in a row what errors say at length, for those that everybody meets at first.
func (c *checks) shorter(text string, err error) (short, remedy string) {
	if m := notSet.FindStringSubmatch(text); m != nil {
		return m[1], "set " + m[2] + " where `nightshift serve` runs (and here)"
	}
	if !errors.Is(err, fault.Identity) {
		return text, remedyFor(err)
	}
	shown := fingerprints.FindAllString(text, 2)
	switch {
	case c.tls.Fingerprint != "" && len(shown) == 2:
		return "its certificate CHANGED: it shows " + shortPrint(shown[0]) + ", recorded is " + shortPrint(shown[1]),
			"renewed on purpose? nightshift lab trust --replace; else somebody may be in between"
	case c.tls.Fingerprint == "" && c.tls.CA == "" && len(shown) == 1:
		return "its certificate is not recorded yet: it shows " + shortPrint(shown[0]), "nightshift lab trust"
	}
	return text, remedyFor(err)
}

// shortPrint is the beginning of a fingerprint, to compare at a glance.
func shortPrint(fingerprint string) string { return fingerprint[:min(11, len(fingerprint))] + "…" }

func remedyFor(err error) string {
	switch {
	case errors.Is(err, fault.Auth):
		return "check user and password by hand; not tried again, as accounts get locked"
	case errors.Is(err, fault.Identity):
		return "nightshift lab trust"
	case errors.Is(err, fault.Permission):
		return "give the account this right"
	case errors.Is(err, fault.Unreachable):
		return "is it on, is the address right, is the way to it open?"
	case errors.Is(err, fault.Invalid):
		return "correct the lab file, or what it names"
	}
	return ""
}

// endpoint checks what the lab file says about a machine: its address, its secret, by what it is known.
func (c *checks) endpoint(ctx context.Context, e inventory.Endpoint, dir string) (endpoint.Resolved, bool) {
	c.tls = e.TLS
	r, err := endpoint.Resolve(ctx, c.subject, e, dir)
	if err != nil {
		c.fail("lab file", err)
		return r, false
	}
	for _, w := range r.Warnings {
		c.add(checkWarn, "lab file", "", "%s", w)
	}
	return r, true
}

// maxClockOffset is from where on a clock that is off makes times in reports and task histories doubtful.
const maxClockOffset = 5 * time.Second

// clock compares the clock of whom was asked with this machine's.
func (c *checks) clock(offset time.Duration) {
	if d := offset.Abs(); d > maxClockOffset {
		c.add(checkWarn, "clock", "give both the same time servers", "its clock is off by %s from this machine's", d.Round(time.Second))
		return
	}
	c.ok("clock", "within %s of this machine's", maxClockOffset)
}
