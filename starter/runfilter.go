package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"nightshift/internal/runapi"
)

// A runFilter says which runs are wanted. What is not set lets all through.
type runFilter struct {
	open         bool // only those under way
	runbook      string
	outcome      string // as in runInfo.State
	target       string
	since, until time.Time // of the start
	limit        int       // 0: all
}

// outcomes are what a run that has ended may be called in lists.
func outcomes() []string {
	return []string{runapi.Done, runapi.Partial, runapi.Refused, runapi.Skipped, runapi.Aborted, runapi.Failed, "terminated", "timed out", "cancelled"}
}

// query is the part of the filter that Temporal's list knows. What it may get wrong, lets decides: chains are found by the
// last of their runs.
func (f runFilter) query() string {
	q := " AND ExecutionStatus != 'ContinuedAsNew'"
	if f.open {
		q = " AND ExecutionStatus = 'Running'"
	}
	if !f.since.IsZero() {
		q += fmt.Sprintf(" AND StartTime >= '%s'", f.since.UTC().Format(time.RFC3339Nano))
	}
	return q + is("Runbook", f.runbook) + is("Target", f.target)
}

// is compares an attribute with a text; an empty text is not asked for. Nor is one with a double quote or a backslash in it, of which
// Temporal's SQLite store finds none (server 1.32: it asks the database in MySQL's spelling).
func is(attribute, text string) string {
	if text == "" || strings.ContainsFunc(text, func(r rune) bool { return r == '"' || r == '\\' || unicode.IsControl(r) }) {
		return ""
	}
	return fmt.Sprintf(" AND %s = '%s'", attribute, strings.ReplaceAll(text, "'", `\'`))
}

func (f runFilter) lets(r runInfo) bool {
	return (!f.open || r.Open) && (f.runbook == "" || r.Runbook == f.runbook) && (f.outcome == "" || !r.Open && r.State == f.outcome) &&
		(f.target == "" || r.Target == f.target) && (f.since.IsZero() || !r.Started.Before(f.since)) && (f.until.IsZero() || r.Started.Before(f.until))
}

// newest sorts the list, the newest first, and cuts it.
func (f runFilter) newest(list []runInfo) []runInfo {
	slices.SortStableFunc(list, func(a, b runInfo) int {
		if c := b.Started.Compare(a.Started); c != 0 {
			return c
		}
		return strings.Compare(b.Run, a.Run)
	})
	if f.limit > 0 && len(list) > f.limit {
		list = list[:f.limit]
	}
	return list
}

// moment reads a point in time: a date, a date and a time of day in the local zone, RFC 3339, or how long ago.
func moment(flag, s string, now time.Time) (time.Time, error) {
	for _, layout := range []string{time.DateOnly, "2006-01-02 15:04", "2006-01-02T15:04", time.DateTime} {
		if t, err := time.ParseInLocation(layout, s, time.Local); err == nil {
			return t, nil
		}
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t, nil
	}
	if d, ok := ago(s); ok {
		return now.Add(-d), nil
	}
	return time.Time{}, usage(`%s %s: write a date (2026-11-20), a date and a time ("2026-11-20 22:00"), or how long ago it was (36h, 7d)`, flag, s)
}

// ago reads a duration; days and weeks too.
func ago(s string) (time.Duration, bool) {
	var n int
	var unit string
	if _, err := fmt.Sscanf(s, "%d%s", &n, &unit); err == nil && n >= 0 && n < 10_000 {
		switch unit {
		case "d":
			return time.Duration(n) * 24 * time.Hour, true
		case "w":
			return time.Duration(n) * 7 * 24 * time.Hour, true
		}
	}
	d, err := time.ParseDuration(s)
	return d, err == nil && d >= 0
}
