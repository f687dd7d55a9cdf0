package workflows

import (
	"cmp"
	"fmt"
	"strings"

	"go.temporal.io/sdk/workflow"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
	"nightshift/internal/words"
)

// show puts the run sheet where the Temporal UI shows it. It is made at every workflow task, so it stays short.
func (r *run) show(ctx workflow.Context) {
	workflow.SetCurrentDetails(ctx, r.markdown(workflow.GetInfo(ctx).WorkflowExecution.ID))
}

// shown is how many lines of a kind the run sheet has.
const shown = 20

func (r *run) markdown(id string) string {
	var b strings.Builder
	title := cmp.Or(r.Title, "Run "+r.p.Runbook+" on lab "+r.p.Lab)
	fmt.Fprintf(&b, "### %s\n\n", escape(title))
	switch {
	case r.Outcome != "":
		fmt.Fprintf(&b, "**%s** %s\n\n", strings.ToUpper(r.Outcome), escape(r.Why))
	case r.Aborted != "":
		fmt.Fprintf(&b, "**Ending in order:** %s\n\n", escape(r.Aborted))
	case r.Paused != "":
		fmt.Fprintf(&b, "**Paused** by %s\n\n", escape(r.Paused))
	case r.Waiting != "":
		fmt.Fprintf(&b, "Waiting for %s\n\n", escape(r.Waiting))
		if r.Phase == runapi.PhaseApprove {
			approve := "nightshift approve " + id
			if r.needsSignatures() {
				approve += " --sign"
			}
			fmt.Fprintf(&b, "- yes: %s\n- no: %s\n\n", code(approve), code("nightshift reject "+id+" --reason WHY"))
		}
	}
	r.planned(&b, id)
	if len(r.steps) > 0 {
		fmt.Fprintf(&b, "%s done, %d running, %d blocked, %d skipped, %d left out · asked for by %s · plan %s\n\n",
			words.Of(r.count[runapi.StepDone], len(r.steps), "step"), r.count[runapi.Running], r.count[runapi.Blocked], r.count[runapi.StepSkip], r.count[runapi.Untouched]+r.count[runapi.HalfDone],
			escape(r.p.By), plan.ShortHash(r.Hash))
	}
	r.list(&b, id, "Blocked: waits for you", runapi.Blocked)
	r.list(&b, id, "Running", runapi.Running)
	r.streams(&b, id)
	r.list(&b, id, "Skipped", runapi.StepSkip)
	r.list(&b, id, "Half done", runapi.HalfDone)
	r.groups(&b)
	findings(&b, "still to do", r.Left, func(f plan.Finding) string { return f.Text })
	findings(&b, "blocker", r.Blockers, plan.Finding.String)
	return b.String()
}

// findings lists the first of them, and says how many more there are.
func findings(b *strings.Builder, what string, list []plan.Finding, text func(plan.Finding) string) {
	for _, f := range list[:min(shown, len(list))] {
		fmt.Fprintf(b, "- %s: %s\n", what, escape(text(f)))
	}
	if more := len(list) - shown; more > 0 {
		fmt.Fprintf(b, "- … and %d more\n", more)
	}
}

// planned writes what became of the plan, and what is to be said to a new one.
func (r *run) planned(b *strings.Builder, id string) {
	if r.Replan != "" {
		fmt.Fprintf(b, "Planning anew what is left: %s\n\n", escape(r.Replan))
	}
	if r.Stale != "" {
		fmt.Fprintf(b, "%s. To go on: %s\n\n", escape(r.Stale), code("nightshift resume "+id))
	}
	if a := r.Proposal; a != nil {
		fmt.Fprintf(b, "**A new plan of what is left waits for an approval**, %s: %s\n\n", plan.ShortHash(a.To), escape(a.Why))
		for _, line := range a.Beyond {
			fmt.Fprintf(b, "- %s\n", escape(line))
		}
		fmt.Fprintf(b, "- yes: %s\n- no: %s\n\n", code("nightshift approve "+id), code("nightshift reject "+id+" --reason WHY"))
	}
	for _, a := range r.Amendments[max(0, len(r.Amendments)-3):] {
		fmt.Fprintf(b, "- %s\n", escape(a.String()))
	}
	if len(r.Amendments) > 0 {
		b.WriteString("\n")
	}
}

// streams says where to see how far they are, while there are any. A run cannot read heartbeats, and being told of them, once a minute
// by a signal, would make four events of history each time.
func (r *run) streams(b *strings.Builder, id string) {
	if r.count[runapi.Running] == 0 {
		return
	}
	for i, c := range r.steps {
		if c == runapi.Running && r.graph.Steps[i].Action == plan.SendDataset {
			fmt.Fprintf(b, "How far a stream is, is in its heartbeat: tab *Pending Activities*, or %s\n\n", code("nightshift status "+id))
			return
		}
	}
}

// list writes the steps with the letter, and what there is to say of them.
func (r *run) list(b *strings.Builder, id, title string, letter byte) {
	n := r.count[letter]
	if n == 0 {
		return
	}
	fmt.Fprintf(b, "**%s**\n\n", title)
	left := shown
	for i, c := range r.steps {
		if c != letter {
			continue
		}
		if left--; left < 0 {
			fmt.Fprintf(b, "- … and %d more\n", n-shown)
			break
		}
		s := r.graph.Steps[i]
		fmt.Fprintf(b, "- %s", escape(s.Title))
		if note := r.Notes[s.ID]; note != "" && letter != runapi.Running {
			fmt.Fprintf(b, ": %s", escape(note))
		}
		if letter == runapi.Blocked {
			for _, c := range (runapi.Sheet{Approval: r.Settings.Approval, Approvers: r.Settings.Approvers}).GoOn(id, s) {
				fmt.Fprintf(b, "\n  - %s: %s", escape(c.Why), code(c.Type))
			}
		}
		b.WriteString("\n")
	}
	b.WriteString("\n")
}
