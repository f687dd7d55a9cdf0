package workflows

import (
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
)

func TestNamesAreNoMarkdown(t *testing.T) {
	for in, want := range map[string]string{
		"web01":                     "web01",
		"*b* _i_ ~s~":               `\*b\* \_i\_ \~s\~`,
		`\*b\*`:                     `\\\*b\\\*`,
		"<script>alert(1)</script>": "&lt;script>alert(1)&lt;/script>",
		"&lt;b":                     "&amp;lt;b",
		"[x](javascript:1) | `c`":   "\\[x](javascript:1) \\| `c`",
		"then `nightshift retry --force` *it*, or --reason": "then `nightshift retry --force` \\*it\\*, or `--reason`",
		"`<b>*x*`":  "`<b>*x*`", // shown as it is: in code nothing is Markdown
		"``a`b":     "'`a`b",
		"a ` b *c*": `a ' b \*c\*`,

		"a\nb\x1b[2J\u202ec": "a b\uFFFD\\[2J\uFFFDc",
	} {
		require.Equal(t, want, escape(in))
	}
}

// What the sheet says of a blocked step can be copied into a terminal; a skipped step is not counted as done.
func TestTheRunSheetOfABlockedRun(t *testing.T) {
	p := plan.Plan{Schema: plan.SchemaVersion, Steps: []plan.Step{{ID: "shutdown-guest:web01", Title: "Shut down guest web01", Group: "Guests"},
		{ID: "shutdown-guest:my db", Title: "Shut down guest my db", Group: "Guests",
			Action: plan.ShutdownGuest, Params: plan.Encode(plan.ShutdownGuestParams{})}, {ID: "x", Title: "x", Group: "Guests"}}}
	g, err := plan.NewGraph(p)
	require.NoError(t, err)
	r := &run{graph: g, steps: []byte("sbd"), State: State{Phase: runapi.PhaseExecute, Notes: map[string]string{"shutdown-guest:my db": "still on; look at *it*"}}}
	for _, c := range r.steps {
		r.count[c]++
	}
	r.countGroups()
	text := r.markdown("run-1")
	require.Contains(t, text, "Shut down guest my db: still on; look at \\*it\\*\n")
	require.Contains(t, text, "  - tries again: `nightshift retry run-1 'shutdown-guest:my db'`\n  - pulls the guest's plug: `nightshift retry run-1 'shutdown-guest:my db' --force`\n"+
		"  - goes on as if it were done: `nightshift skip run-1 'shutdown-guest:my db' --reason WHY`\n")
	require.Contains(t, text, "| Guests | 1 of 3, 1 skipped |")
	r.Settings.Approval = true
	require.NotContains(t, r.markdown("run-1"), "--force", "the run would refuse it")
	r.set(1, runapi.StepSkip)
	require.Contains(t, r.markdown("run-1"), "| Guests | 1 of 3, 2 skipped |", "also of steps that are skipped now")
}
