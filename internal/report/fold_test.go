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
