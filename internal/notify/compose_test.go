package notify

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"nightshift/internal/inventory"
	"nightshift/internal/plan"
	"nightshift/internal/runapi"
)

const run = "power-down-home-20261120-230000"

var at = time.Date(2026, 11, 20, 23, 5, 0, 0, time.UTC)

func aSheet() runapi.Sheet {
	return runapi.Sheet{Lab: "home", Runbook: "power-down", Title: "Power down lab home: 4 hosts, 13 guests", By: "schedule nightly", Phase: runapi.PhaseExecute,
		Started: at.Add(-5 * time.Minute), Deadline: at.Add(12 * time.Hour), Total: 27, Done: 12, Blocked: 1, Running: 2,
		Notes: runapi.Notes{"shutdown-guest:web01": "ShutdownGuest of guest web01: it ignores the shutdown; bring it into the right state, then `nightshift retry` (or `nightshift skip`)"}}
}

func aStep() plan.Step {
	return plan.Step{ID: "shutdown-guest:web01", Title: "Shut down guest web01 (Tools, 5 min, then ask)", Action: plan.ShutdownGuest,
		Target: plan.Target{Kind: plan.Guest, Name: "web01"}, Params: plan.Encode(plan.ShutdownGuestParams{Method: plan.ShutdownByTools})}
}

func about(e runapi.Event, set func(*runapi.Sheet)) runapi.Notice {
	s := aSheet()
	if set != nil {
		set(&s)
	}
	b := s.Brief()
	b.Notes = s.Notes
	return runapi.Notice{Event: e, Lab: "home", Runbook: "power-down", Run: run, At: at, Sheet: b}
}

func notices() map[string]runapi.Notice {
	ended := func(outcome, why string) func(*runapi.Sheet) {
		return func(s *runapi.Sheet) {
			s.Phase, s.Outcome, s.Why, s.Running, s.Blocked = runapi.PhaseEnd, outcome, why, 0, 0
		}
	}
	blocked := about(runapi.EventBlocked, nil)
	blocked.Steps = []plan.Step{aStep()}
	many := about(runapi.EventBlocked, func(s *runapi.Sheet) { s.Blocked = 200 })
	many.Steps, many.More = []plan.Step{aStep()}, 199
	failed := about(runapi.EventFailed, func(s *runapi.Sheet) {
		*s = runapi.Sheet{Lab: "home", Runbook: "power-down", By: "schedule nightly", Phase: runapi.PhaseEnd, Outcome: runapi.Failed, Why: "vCenter vc1: no answer"}
	})
	again := about(runapi.EventAborted, ended(runapi.Aborted, "deadline of the run (2h)"))
	again.Parameters = map[string]string{"cluster": "Lab B"}
	return map[string]runapi.Notice{
		"blocked": blocked, "many blocked": many, "failed": failed, "aborted": again,
		"approval": about(runapi.EventApproval, func(s *runapi.Sheet) {
			s.Phase, s.Waiting, s.Done, s.Running, s.Blocked = runapi.PhaseApprove, "approval of plan 0123456789ab, signed by 1 of ann", 0, 0, 0
			s.Approvers = &plan.Approvers{Need: 1}
		}),
		"amendment": about(runapi.EventApproval, func(s *runapi.Sheet) {
			s.Running, s.Blocked = 0, 0
			s.Proposal = &runapi.Amendment{Why: "guest web07 runs and was not there", Beyond: []string{"new: Shut down guest web07"}}
		}),
		"stale":    about(runapi.EventStale, func(s *runapi.Sheet) { s.Stale, s.Blocked = "nightshift slept, or was stopped, from 1 to 3", 0 }),
		"deadline": about(runapi.EventDeadline, nil),
		"done":     about(runapi.EventDone, ended(runapi.Done, "")),
		"partial": about(runapi.EventPartial, func(s *runapi.Sheet) {
			ended(runapi.Partial, "1 of 27 steps skipped")(s)
			s.Left = []plan.Finding{{Subject: "guest web01", Text: "Shut down guest web01"}}
		}),
		"refused": about(runapi.EventRefused, func(s *runapi.Sheet) {
			ended(runapi.Refused, "1 blocker: …")(s)
			s.Blockers, s.Total = []plan.Finding{{Subject: "host esx21", Text: "has no BMC"}}, 0
		}),
		"skipped": about(runapi.EventSkipped, ended(runapi.Skipped, "on hold until 2026-11-21T08:00:00Z, by ann@desk: backup")),
		"hold":    {Event: runapi.EventHold, Lab: "home", At: at, Subject: "the hold has ended", Lines: []string{"a line"}, Commands: []runapi.Command{{Type: "nightshift hold", Why: "again"}}},
	}
}

var update = flag.Bool("update", false, "write the golden files anew")

func TestWords(t *testing.T) {
	was := time.Local
	time.Local = time.UTC
	defer func() { time.Local = was }()
	var b strings.Builder
	all := notices()
	const link = "http://127.0.0.1:8233/namespaces/default/workflows/"
	for _, name := range []string{"approval", "amendment", "blocked", "many blocked", "stale", "deadline", "done", "partial", "refused", "skipped", "aborted", "failed", "hold"} {
		d := Compose(all[name], link+all[name].Run)
		fmt.Fprintf(&b, "== %s\n%s\n\n%s\n\n", name, d.Subject, d.Text)
	}
	path := filepath.Join("testdata", "words.txt")
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(b.String()), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "run go test ./internal/notify -update, and read what it wrote")
	require.Equal(t, string(want), b.String())
}

func TestTemplatesOfAChannel(t *testing.T) {
	d := Compose(notices()["blocked"], "")
	require.Equal(t, Message{d.Subject, d.Text}, For(inventory.Channel{}, d))
	m := For(inventory.Channel{Title: "{{.Lab}}!", Text: "{{len .Steps}} of {{.Runbook}}"}, d)
	require.Equal(t, Message{"home!", "1 of power-down"}, m)
	m = For(inventory.Channel{Name: "mine", Title: "{{(index .Lines 99)}}", Text: "mine"}, d)
	require.Equal(t, d.Subject, m.Title, "the built-in one")
	require.Contains(t, m.Text, "mine\n\n(The template title of channel mine failed: ")
	m = For(inventory.Channel{Name: "mine", Text: "{{(index .Lines 99)}}"}, d)
	require.Contains(t, m.Text, d.Text)
	require.Contains(t, m.Text, "(The template text of channel mine failed: ")
}

// However much there is to say, what to type next is not cut off.
func TestALongMessageKeepsTheCommands(t *testing.T) {
	n := runapi.Notice{Event: runapi.EventRefused, Lab: "home", Runbook: "power-down", Run: "power-down-home-1",
		Sheet: &runapi.Sheet{Runbook: "power-down", Title: "Power down lab home", By: "ann@desk", Outcome: runapi.Refused, Why: "10 blockers", Notes: runapi.Notes{}}}
	for i := range 10 {
		n.Sheet.Blockers = append(n.Sheet.Blockers, plan.Finding{Subject: fmt.Sprint("guest é", i), Text: strings.Repeat("é stands in the way ", 40), Remedy: "move it"})
	}
	d := Compose(n, "http://127.0.0.1:8233/x")
	require.NotEmpty(t, d.Next)
	text := (&address{scheme: "ntfy"}).text(For(inventory.Channel{}, d).Text)
	require.LessOrEqual(t, len(text), maxAll)
	require.True(t, utf8.ValidString(text))
	require.Contains(t, text, "Power down lab home\n10 blockers\n")
	require.Contains(t, text, "\n…\n\nTo go on:\n")
	brief := (&address{scheme: "pushover"}).text(For(inventory.Channel{}, d).Text)
	require.LessOrEqual(t, len(brief), maxShort)
	for _, c := range d.Next {
		require.Contains(t, text, c.Type)
		require.Contains(t, brief, c.Type)
	}
	require.Contains(t, text, "Run power-down-home-1, asked for by ann@desk\nhttp://127.0.0.1:8233/x")
}
