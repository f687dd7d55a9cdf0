package workflows

import (
	"fmt"
	"strings"
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
	require.Contains(t, text, "  - tries again: `nightshift retry run-1 'shutdown-guest:my db'`\n  - suspends it to disk instead: `nightshift retry run-1 'shutdown-guest:my db' -p method=suspend`\n  - pulls the guest's plug: `nightshift retry run-1 'shutdown-guest:my db' --force`\n"+
		"  - goes on as if it were done: `nightshift skip run-1 'shutdown-guest:my db' --reason WHY`\n")
	require.Contains(t, text, "| Guests | 1 of 3, 1 skipped |")
	r.Settings.Approval = true
	require.NotContains(t, r.markdown("run-1"), "--force", "the run would refuse it")
	r.set(1, runapi.StepSkip)
	require.Contains(t, r.markdown("run-1"), "| Guests | 1 of 3, 2 skipped |", "also of steps that are skipped now")
}

// The sheet has no bytes: while a stream is under way it says where they are.
func TestTheRunSheetSaysWhereAStreamIsSeen(t *testing.T) {
	p := plan.Plan{Schema: plan.SchemaVersion, Steps: []plan.Step{{ID: "send:tank/mail", Title: "Send tank/mail", Group: "Transfer", Action: plan.SendDataset},
		{ID: "verify:mail", Title: "Compare both sides", Group: "Transfer", Action: plan.VerifyReplicas}}}
	g, err := plan.NewGraph(p)
	require.NoError(t, err)
	const line = "\nHow far a stream is, is in its heartbeat: tab *Pending Activities*, or `nightshift status run-1`\n"
	for steps, want := range map[string]bool{"rw": true, "wr": false, "dr": false, "dd": false} {
		r := &run{graph: g, steps: []byte(steps), State: State{Phase: runapi.PhaseExecute}}
		for _, c := range r.steps {
			r.count[c]++
		}
		r.countGroups()
		require.Equal(t, want, strings.Contains(r.markdown("run-1"), line), steps)
	}
}

// A lab of 64 hosts and 2,000 guests has more groups than a page: nothing of it may be missing from the sheet.
func TestTheRunSheetOfALargeRun(t *testing.T) {
	p := plan.Plan{Schema: plan.SchemaVersion}
	add := func(n int, group string) {
		for range n {
			id := fmt.Sprint(len(p.Steps))
			p.Steps = append(p.Steps, plan.Step{ID: id, Title: id, Group: group})
		}
	}
	add(3, "Preparation")
	for i := range 64 {
		add(3, fmt.Sprintf("Host esx%02d", i+1))
	}
	for i := range 8 {
		add(4, fmt.Sprintf("Cluster c%d", i+1))
	}
	add(1, "vCenter vc1")
	add(4000, "Guests")
	add(2, "End")
	g, err := plan.NewGraph(p)
	require.NoError(t, err)
	r := &run{graph: g, State: State{Phase: runapi.PhaseExecute}, steps: []byte(strings.Repeat("d", 3+12*3+2) + strings.Repeat("w", 4230-41))}
	r.steps[3] = runapi.StepSkip
	for _, c := range r.steps {
		r.count[c]++
	}
	r.countGroups()
	text := r.markdown("run-1")
	require.Contains(t, text, `| | done |
|---|---|
| Preparation | 3 of 3 |
| 64 hosts | 12 of 64 (37 of 192 steps, 1 skipped) |
| 8 clusters | 0 of 8 (0 of 32 steps) |
| vCenter vc1 | 0 of 1 |
| Guests | 0 of 4000 |
| End | 0 of 2 |
`)
	require.Less(t, len(text), 2000)

	r.Left = make([]plan.Finding, shown+5)
	require.True(t, strings.HasSuffix(r.markdown("run-1"), "- still to do: \n- … and 5 more\n"))
}

// Groups of a person's own need not have kinds: the last row tells of those that have no room.
func TestGroupsWithoutRoomAreCounted(t *testing.T) {
	var list []group
	for i := range 100 {
		list = append(list, group{name: fmt.Sprintf("g%d", i), total: 2, done: i % 3})
	}
	folded := foldGroups(list)
	require.Len(t, folded, shownGroups)
	require.Equal(t, "g38", folded[38].name)
	last := folded[39]
	require.Equal(t, "… and 61 more groups", last.name)
	require.Equal(t, "20 of 61 (60 of 122 steps)", last.progress())
	require.Equal(t, "g0", list[0].name)
}
