package notify

import (
	"fmt"
	"strings"

	"nightshift/internal/notice"
	"nightshift/internal/runapi"
	"nightshift/internal/words"
)

// happened is what became of a run, for a subject line.
func happened(n runapi.Notice) string {
	s := n.Sheet
	switch n.Event {
	case runapi.EventApproval:
		if s.Proposal != nil {
			return n.Runbook + ": a new plan of what is left waits for an approval"
		}
		return n.Runbook + " waits for an approval"
	case runapi.EventBlocked:
		return n.Runbook + " is blocked: " + words.CountOf(len(n.Steps)+n.More, "step waits", "steps wait") + " for you"
	case runapi.EventStale:
		return n.Runbook + " woke late, and asks whether it may go on"
	case runapi.EventDeadline:
		return fmt.Sprintf("%s ends by itself at %s if nobody answers", n.Runbook, words.Minute(s.Deadline))
	case runapi.EventDone:
		return n.Runbook + " is done"
	case runapi.EventPartial:
		return n.Runbook + " is done in part"
	case runapi.EventFailed:
		return n.Runbook + " failed"
	case runapi.EventRefused, runapi.EventSkipped, runapi.EventAborted:
		return n.Runbook + " was " + string(n.Event)
	}
	return n.Runbook + ": " + string(n.Event)
}

// standing says how a run stands, beside why.
func standing(n runapi.Notice) []string {
	var lines []string
	s := n.Sheet
	if a := s.Proposal; a != nil {
		lines = append(lines, a.Why)
		lines = append(lines, a.Beyond...)
	}
	if s.Stale != "" {
		lines = append(lines, s.Stale)
	}
	if s.Outcome == "" && s.Waiting != "" {
		lines = append(lines, "It waits for "+s.Waiting+".")
	}
	if s.Total > 0 {
		text := words.Of(s.Done, s.Total, "step") + " done"
		for _, c := range []struct {
			n    int
			what string
		}{{s.Running, "running"}, {s.Blocked, "blocked"}, {s.Skipped, "skipped"}, {s.Untouched, "not done"}} {
			if c.n > 0 {
				text += fmt.Sprintf(", %d %s", c.n, c.what)
			}
		}
		lines = append(lines, text+".")
	}
	for _, f := range s.Blockers {
		lines = append(lines, "Blocker: "+f.String())
	}
	for _, f := range s.Left {
		lines = append(lines, "Still to do: "+f.String())
	}
	return lines
}

// toGoOn stands above the commands to type next.
const toGoOn = "To go on:"

// builtIn is the built-in text.
func builtIn(d notice.Data) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	if d.Title != "" {
		line("%s", d.Title)
	}
	if d.Why != "" && d.Why != d.Title {
		line("%s", d.Why)
	}
	for _, l := range d.Lines {
		line("%s", l)
	}
	if len(d.Steps) > 0 {
		line("")
	}
	for _, s := range d.Steps {
		line("- %s: %s", s.Title, s.Why)
	}
	if d.More > 0 {
		line("- and %d more", d.More)
	}
	if len(d.Next) > 0 {
		line("\n" + toGoOn)
	}
	for _, c := range d.Next {
		line("%s\n    %s", c.Type, c.Why)
	}
	if !d.Deadline.IsZero() && d.Event != string(runapi.EventDeadline) {
		line("\nIf nobody answers, it ends by itself at %s.", words.Minute(d.Deadline))
	}
	if d.By != "" {
		line("\nRun %s, asked for by %s", d.Run, d.By)
	}
	if d.Link != "" {
		line("%s", d.Link)
	}
	return strings.TrimSpace(b.String())
}
