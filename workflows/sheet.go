package workflows

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
)

// The search attributes of a run, all keywords.
var (
	LabAttribute     = temporal.NewSearchAttributeKeyKeyword("Lab")
	RunbookAttribute = temporal.NewSearchAttributeKeyKeyword("Runbook")
	TargetAttribute  = temporal.NewSearchAttributeKeyKeyword("Target")
	PhaseAttribute   = temporal.NewSearchAttributeKeyKeyword("Phase")
	OutcomeAttribute = temporal.NewSearchAttributeKeyKeyword("Outcome")
)

// SearchAttributes are what a Temporal namespace must know for nightshift's runs to be found.
func SearchAttributes() map[string]enums.IndexedValueType {
	m := map[string]enums.IndexedValueType{}
	for _, k := range []temporal.SearchAttributeKeyKeyword{LabAttribute, RunbookAttribute, TargetAttribute, PhaseAttribute, OutcomeAttribute} {
		m[k.GetName()] = enums.INDEXED_VALUE_TYPE_KEYWORD
	}
	return m
}

// enter begins a phase, and says so where people look.
func (r *run) enter(ctx workflow.Context, phase, waiting string) {
	r.Phase, r.Waiting = phase, waiting
	target := r.p.Lab
	if c := r.p.Parameters["cluster"]; c != "" {
		target = c
	}
	updates := []temporal.SearchAttributeUpdate{LabAttribute.ValueSet(r.p.Lab), RunbookAttribute.ValueSet(r.p.Runbook),
		TargetAttribute.ValueSet(target), PhaseAttribute.ValueSet(phase)}
	if phase == runapi.PhaseEnd {
		updates = append(updates, OutcomeAttribute.ValueSet(r.Outcome))
	}
	if err := workflow.UpsertTypedSearchAttributes(ctx, updates...); err != nil {
		workflow.GetLogger(ctx).Warn("search attributes are not set", "phase", phase, "error", err)
	}
	r.show(ctx)
}

func (r *run) handleQueries(ctx workflow.Context) error {
	if err := workflow.SetQueryHandler(ctx, runapi.SheetQuery, func() (runapi.Sheet, error) { return r.sheet(), nil }); err != nil {
		return err
	}
	// What a run knows changes with its workflow tasks alone.
	if err := workflow.SetQueryHandler(ctx, runapi.PulseQuery, func() (string, error) {
		info := workflow.GetInfo(ctx)
		return fmt.Sprintf("%s/%d", info.WorkflowExecution.RunID, info.GetCurrentHistoryLength()), nil
	}); err != nil {
		return err
	}
	if err := workflow.SetQueryHandler(ctx, runapi.ProposalQuery, func() ([]byte, error) { return r.Proposed, nil }); err != nil {
		return err
	}
	return workflow.SetQueryHandler(ctx, runapi.PlanQuery, func() ([]byte, error) { return r.packed, nil })
}

func (r *run) sheet() runapi.Sheet {
	deadline, _, _ := r.deadline()
	if r.Phase == runapi.PhaseApprove {
		deadline = r.alarm.at
	}
	return runapi.Sheet{
		Lab: r.p.Lab, Runbook: r.p.Runbook, Title: r.Title, Hash: r.Hash, By: r.p.By, Phase: r.Phase, Outcome: r.Outcome, Why: r.Why,
		Started: r.Started, Ended: r.Ended, Paused: r.Paused, Aborted: r.Aborted, Waiting: r.Waiting, Deadline: deadline,
		Total: len(r.steps), Done: r.count[runapi.StepDone], Running: r.count[runapi.Running], Blocked: r.count[runapi.Blocked], Skipped: r.count[runapi.StepSkip],
		Untouched: r.count[runapi.Untouched] + r.count[runapi.HalfDone], Steps: string(r.steps),
		Begun: slices.Clone(r.BegunAt), Finished: slices.Clone(r.EndedAt), Notes: maps.Clone(r.Notes), Attempts: maps.Clone(r.Attempts),
		Decisions: slices.Clone(r.Decisions), Orders: slices.Clone(r.Orders), Approvers: r.Settings.Approvers, Requester: r.Requester, Approvals: slices.Clone(r.Approvals), Left: r.Left, Owed: r.Owed, Warnings: r.Warnings, Blockers: r.Blockers,
		Runs: r.Runs + 1, Replanning: r.Replan, Proposal: r.Proposal, Amendments: slices.Clone(r.Amendments), Stale: r.Stale,
		Power: r.Power, Versions: r.Versions,
	}
}

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
		fmt.Fprintf(&b, "%d of %d steps done, %d running, %d blocked, %d skipped, %d left out · asked for by %s · plan %s\n\n",
			r.count[runapi.StepDone], len(r.steps), r.count[runapi.Running], r.count[runapi.Blocked], r.count[runapi.StepSkip], r.count[runapi.Untouched]+r.count[runapi.HalfDone],
			escape(r.p.By), plan.ShortHash(r.Hash))
	}
	r.list(&b, id, "Blocked: waits for you", runapi.Blocked)
	r.list(&b, id, "Running", runapi.Running)
	r.list(&b, id, "Skipped", runapi.StepSkip)
	r.list(&b, id, "Half done", runapi.HalfDone)
	r.groups(&b)
	for _, f := range r.Left[:min(shown, len(r.Left))] {
		fmt.Fprintf(&b, "- still to do: %s\n", escape(f.Text))
	}
	for _, f := range r.Blockers[:min(shown, len(r.Blockers))] {
		fmt.Fprintf(&b, "- blocker: %s\n", escape(f.String()))
	}
	return b.String()
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
		if letter == runapi.Blocked && s.Action == plan.Confirm {
			fmt.Fprintf(b, "\n  - yes: %s\n  - no: %s", code("nightshift confirm "+id+" "+quote(s.ID)), code("nightshift abort "+id+" --reason WHY"))
		} else if letter == runapi.Blocked {
			step := id + " " + quote(s.ID)
			fmt.Fprintf(b, "\n  - %s\n  - %s", code("nightshift retry "+step), code("nightshift skip "+step+" --reason WHY"))
		}
		b.WriteString("\n")
	}
	b.WriteString("\n")
}

// groups writes how far each group of steps is.
func (r *run) groups(b *strings.Builder) {
	if len(r.grouped) == 0 {
		return
	}
	b.WriteString("| | done |\n|---|---|\n")
	for _, g := range r.grouped[:min(2*shown, len(r.grouped))] {
		fmt.Fprintf(b, "| %s | %d of %d", escape(g.name), g.done, g.total)
		if g.skipped > 0 {
			fmt.Fprintf(b, ", %d skipped", g.skipped)
		}
		b.WriteString(" |\n")
	}
	b.WriteString("\n")
}

// A group of steps, counted as they end: the run sheet is made at every workflow task.
type group struct {
	name                 string
	total, done, skipped int
}

// countGroups makes the counters for the steps as they are.
func (r *run) countGroups() {
	index := map[string]int{}
	for i, s := range r.graph.Steps {
		g, ok := index[s.Group]
		if !ok {
			g = len(r.grouped)
			index[s.Group] = g
			r.grouped = append(r.grouped, group{name: s.Group})
		}
		r.groupOf = append(r.groupOf, g)
		r.grouped[g].total++
		r.grouped[g].count(r.steps[i])
	}
}

// count takes in the letter with which a step ended.
func (g *group) count(letter byte) {
	switch letter {
	case runapi.StepDone:
		g.done++
	case runapi.StepSkip:
		g.skipped++
	}
}

// marks are what Markdown, and the HTML in it, would not show as it stands.
var marks = strings.NewReplacer(`\`, `\\`, "*", `\*`, "_", `\_`, "|", `\|`, "<", "&lt;", "&", "&amp;", "\n", " ", "`", "'", "[", `\[`, "~", `\~`)

// verbatim is what must be shown letter by letter: commands in backticks, and options, whose dashes the UI would join to one.
var verbatim = regexp.MustCompile("`[^`\n]+`|--[a-z][a-z-]*")

// escape keeps names from being read as Markdown, and from turning the writing round.
func escape(s string) string {
	s = strings.Map(printable, s)
	var b strings.Builder
	for {
		at := verbatim.FindStringIndex(s)
		if at == nil {
			return b.String() + marks.Replace(s)
		}
		b.WriteString(marks.Replace(s[:at[0]]) + code(strings.Trim(s[at[0]:at[1]], "`")))
		s = s[at[1]:]
	}
}

// code shows s as it is: nothing in it is Markdown.
func code(s string) string {
	return "`" + strings.NewReplacer("`", "'", "\n", " ", "|", "\u2502").Replace(strings.Map(printable, s)) + "`"
}

// quote makes one word of the id of a step for a shell.
func quote(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune("'\"\\$&|;<>()*?[]#~!", r) }) {
		return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	}
	return s
}

func printable(r rune) rune {
	if r != '\n' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)) {
		return unicode.ReplacementChar
	}
	return r
}
