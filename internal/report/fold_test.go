package report

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
)

// A report of thousands of steps can be read: groups, and the steps of which there is something to say.
func TestALongReportIsFolded(t *testing.T) {
	const n = 2000
	p := plan.Plan{Title: "Power down"}
	s := runapi.Sheet{Outcome: runapi.Done, Phase: runapi.PhaseEnd, Total: n, Done: n, Steps: strings.Repeat("d", n),
		Notes: map[string]string{"guest:0007": "was already off"}, Attempts: map[string]int{"guest:0008": 3}, Started: time.Unix(1e9, 0)}
	for i := range n {
		p.Steps = append(p.Steps, plan.Step{ID: fmt.Sprintf("guest:%04d", i), Title: fmt.Sprintf("Shut down guest %04d", i), Group: fmt.Sprintf("Tier %d", i%3)})
		s.Begun, s.Finished = append(s.Begun, int64(i)), append(s.Finished, int64(i+50))
	}
	r := Assemble("run", s, &p, time.Now())
	var folded, full strings.Builder
	r.Text(&folded)
	r.FullText(&full)
	require.Less(t, strings.Count(folded.String(), "\n"), 40, folded.String())
	require.Contains(t, folded.String(), "Tier 1: 667 done")
	require.Contains(t, folded.String(), "guest 0007: was already off")
	require.Contains(t, folded.String(), "guest 0008 (3 attempts)")
	require.NotContains(t, folded.String(), "guest 0009")
	require.Greater(t, strings.Count(full.String(), "\n"), n)
	p.Steps, s.Steps = p.Steps[:foldAbove], s.Steps[:foldAbove]
	var short strings.Builder
	Assemble("run", s, &p, time.Now()).Text(&short)
	require.Contains(t, short.String(), "guest 0009", "a short one is not folded")
}

// sixtyHosts are blocked for one reason, and a guest for another.
func sixtyHosts(letter string) (plan.Plan, runapi.Sheet) {
	p := plan.Plan{Title: "Power down", Runbook: "power-down"}
	s := runapi.Sheet{Runbook: "power-down", Phase: runapi.PhaseExecute, Total: 61, Blocked: 61, Steps: strings.Repeat(letter, 61), Started: time.Unix(1e9, 0), Notes: map[string]string{"guest:db": "still on"}}
	for i := range 60 {
		st := plan.Step{ID: fmt.Sprintf("host:%02d", i), Title: fmt.Sprintf("Shut down host esx%02d", i), Action: plan.ShutdownHost, Target: plan.Target{Kind: plan.Host, Name: fmt.Sprintf("esx%02d", i)},
			Params: plan.Encode(plan.ShutdownHostParams{Timeout: plan.Duration(time.Minute)})}
		p.Steps = append(p.Steps, st)
		s.Notes[st.ID] = fmt.Sprintf("ShutdownHost of host esx%02d: a right is missing", i)
	}
	p.Steps = append(p.Steps, plan.Step{ID: "guest:db", Title: "Shut down guest db", Action: plan.ShutdownGuest})
	return p, s
}

// What sixty steps say is said once.
func TestOneReasonOfManyStepsIsToldOnce(t *testing.T) {
	const like = "Shut down host esx00, and 59 like it (esx01, esx02, esx03, esx04 and 55 more)"
	p, s := sixtyHosts("b")
	r := Assemble("run", s, &p, s.Started)
	var b strings.Builder
	r.Summary(&b)
	require.Contains(t, b.String(), "Blocked\n  "+like+": a right is missing\n  Shut down guest db: still on\n")
	require.Contains(t, b.String(), "nightshift retry run host:00 -p noRights=graceful")
	require.Contains(t, b.String(), "lists the 59 others of which the same holds")
	require.NotContains(t, b.String(), "host:01")
	require.Less(t, strings.Count(b.String(), "\n"), 25, b.String())

	p.Steps, s.Steps, s.Blocked, s.Total = p.Steps[:60], s.Steps[:60], 60, 60
	b.Reset()
	Assemble("run", s, &p, s.Started).Summary(&b)
	require.Contains(t, b.String(), "nightshift retry run --all -p noRights=graceful")

	was, is := s, s
	was.Steps, was.Notes, was.Outcome, is.Outcome = strings.Repeat("d", 60), nil, runapi.Done, runapi.Partial
	is.Steps = strings.Repeat("s", 60)
	is.Orders = []runapi.Record{{Verb: runapi.Skip, Order: runapi.Order{By: "ann", Reason: "by hand"}}}
	for _, st := range p.Steps {
		is.Orders[0].Steps = append(is.Orders[0].Steps, st.ID)
	}
	c := Compare(Assemble("a", was, &p, s.Started), Assemble("b", is, &p, s.Started), &p, &p)
	require.Len(t, c.Outcomes, 60, "a program gets them all")
	b.Reset()
	c.Text(&b)
	require.Contains(t, b.String(), "Ended otherwise\n  "+like+": A done; B skipped: a right is missing\n")
	require.Contains(t, b.String(), "host:07 and 52 more, by ann: by hand")
	require.Less(t, strings.Count(b.String(), "\n"), 12, b.String())
}

func TestFold(t *testing.T) {
	same := func(s string) string { return s[:1] }
	require.Equal(t, [][]string{{"a1", "a2", "a3", "a4"}, {"b1"}, {"b2"}}, Fold([]string{"a1", "b1", "a2", "a3", "b2", "a4"}, same))
	require.Equal(t, [][]string{{"a1"}, {"a2"}, {"a3"}}, Fold([]string{"a1", "a2", "a3"}, same), "a few stand alone")
	require.Empty(t, Fold(nil, same))
}
