package report

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
	"nightshift/internal/words"
)

// foldAbove is how many steps a report lists one by one; of more it tells the groups, and the steps of which there is
// something to say.
const foldAbove = 60

// Text writes the report for people, folded where it has many steps. All of them are written by FullText.
func (r Report) Text(w io.Writer) { r.text(w, len(r.Steps) > foldAbove) }

// FullText writes the report with every step.
func (r Report) FullText(w io.Writer) { r.text(w, false) }

func (r Report) text(w io.Writer, folded bool) {
	r.heading(w)
	r.stepsByState(w)
	r.found(w)
	r.timeline(w, folded)
	r.path(w)
	r.history(w)
	r.signatures(w)
	findings(w, "Left alone on purpose", r.OnPurpose)
	r.commands(w)
}

// Summary writes the end of a run in a few lines: how it ended, what is not done, and what to type next.
func (r Report) Summary(w io.Writer) {
	fmt.Fprintf(w, "\n%s: %s\n", r.Title, r.verdict())
	fmt.Fprintf(w, "  %s\n", r.numbers())
	findings(w, "Blockers", r.Blockers)
	r.stepsByState(w)
	r.found(w)
	findings(w, "Warnings", r.Warnings)
	findings(w, "Left by the end-state check", r.Left)
	r.commands(w)
}

func (r Report) heading(w io.Writer) {
	fmt.Fprintf(w, "%s\n%s\n\n", r.Title, strings.Repeat("=", len([]rune(r.Title))))
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(w, "%-10s %s\n", name, value)
		}
	}
	row("Run", r.Run)
	row("Asked by", r.By)
	row("Started", words.Second(r.Started))
	row("Ended", words.Second(r.Ended))
	row("Took", span(r.Seconds))
	row("Outcome", r.verdict())
	row("Steps", r.numbers())
	row("Plan", plan.ShortHash(r.Hash))
	if v := r.Reality; v != nil && v.Planned > 0 {
		row("Estimate", fmt.Sprintf("%s for the steps, which took %s%s", span(v.Planned), span(v.Took-v.Asked), v.waits()))
	}
	for _, line := range r.powerInWords() {
		row("Power", line)
	}
	for _, k := range sortedKeys(r.Parameters) {
		row("Parameter", k+"="+r.Parameters[k])
	}
	if slices.ContainsFunc(r.Steps, func(s Step) bool { return s.plan.TakesDown() }) && len(r.Blockers) == 0 {
		row("By hand", "nightshift report --manual "+r.Run+" prints how to bring it up again without nightshift")
	}
	if r.GivenBack > 0 {
		row("Given back", words.Count(r.GivenBack, "setting")+" since it ended")
	}
	row("Link", r.Link)
	findings(w, "Blockers", r.Blockers)
	findings(w, "Warnings", r.Warnings)
	findings(w, "Left by the end-state check", r.Left)
	var owed []string
	for _, d := range r.Owed {
		owed = append(owed, "  "+debt(d))
	}
	section(w, "Switched off, and to be given back", owed)
}

// path lists what determined the end.
func (r Report) path(w io.Writer) {
	var lines []string
	for _, l := range r.Chain() {
		line := fmt.Sprintf("  %s  %-11s %s", words.Clock(l.Begun), span(l.Seconds), l.Title)
		if l.Idle > late.Seconds() {
			line += fmt.Sprintf(" (%s before it%s)", span(l.Idle), words.After(l.Why))
		} else if l.Why != "" {
			line += " (" + l.Why + ")"
		}
		lines = append(lines, line)
	}
	section(w, "What determined the end", lines)
}

func (r Report) verdict() string {
	state := r.Outcome
	if state == "" {
		state = r.Phase
		if r.Phase == runapi.PhaseExecute && r.Counts.Blocked > 0 && r.Counts.Running == 0 {
			state = "blocked, waits for you"
		}
		if r.Waiting != "" {
			state += ": " + r.Waiting
		}
	}
	if r.Why != "" && r.Why != r.Title {
		state += ": " + strings.TrimPrefix(r.Why, r.Outcome+" ") // "aborted: aborted by" says it twice
	}
	return state
}

func (r Report) numbers() string {
	c := r.Counts
	if c.Total == 0 {
		return "nothing was touched, " + span(r.Seconds)
	}
	if r.idle() {
		return words.Count(c.Total, "step") + " planned, none of them begun, " + span(r.Seconds)
	}
	s := fmt.Sprintf("%d of %d done", c.Done, c.Total)
	for _, n := range []struct {
		n    int
		what string
	}{{c.Running, "running"}, {c.Blocked, "blocked"}, {c.Skipped, "skipped"}, {c.HalfDone, "half done"}, {c.Untouched - c.HalfDone, "untouched"}} {
		if n.n > 0 {
			s += fmt.Sprintf(", %d %s", n.n, n.what)
		}
	}
	return s + ", " + span(r.Seconds)
}

// idle tells of a run that ended before the first of its steps: they are no list of what is left undone.
func (r Report) idle() bool {
	c := r.Counts
	return r.Outcome != "" && c.Total > 0 && c.Done+c.Running+c.Blocked+c.Skipped+c.HalfDone == 0 &&
		(r.Outcome == runapi.Refused || !slices.ContainsFunc(r.Steps, func(s Step) bool { return !s.Begun.IsZero() }))
}

// manyOrdered is how many steps of an order are named.
const manyOrdered = 8

// maxListed bounds a list of steps in the text; the JSON has them all.
const maxListed = 40

// stepsByState lists what is not done: the part that somebody has to do something about.
func (r Report) stepsByState(w io.Writer) {
	for _, s := range []struct{ state, title string }{
		{StateBlocked, "Blocked"}, {StateHalfDone, "Half done: begun, and not seen to its end"},
		{StateSkipped, "Skipped"}, {StateUntouched, "Untouched: not begun, or nothing was sent"},
	} {
		if s.state == StateUntouched && r.idle() {
			continue
		}
		of := slices.DeleteFunc(slices.Clone(r.Steps), func(st Step) bool { return st.State != s.state })
		var lines []string
		for _, some := range Fold(of, Step.Same) {
			lines = append(lines, "  "+alike(some))
		}
		section(w, s.title, lines)
	}
}

// timeline lists what was done, in the order in which it ended.
func (r Report) timeline(w io.Writer, folded bool) {
	var done []Step
	for _, s := range r.Steps {
		if s.State == StateDone || s.State == StateRunning {
			done = append(done, s)
		}
	}
	slices.SortStableFunc(done, func(a, b Step) int { return a.Begun.Compare(b.Begun) })
	if folded {
		foldedGroups(w, done)
		done = slices.DeleteFunc(done, Step.plain)
	}
	var lines []string
	for _, s := range done {
		line := fmt.Sprintf("  %s  %-11s %s", words.Clock(s.Begun), span(s.Seconds), s.Title)
		if s.State == StateRunning {
			line += " (still running)"
		}
		if s.Attempts > 1 {
			line += fmt.Sprintf(" (%d attempts)", s.Attempts)
		}
		if waited := asked(s.Asked); waited != "" {
			line += " (" + waited + ")"
		}
		line += s.amended()
		if s.Forced != "" && s.State == StateDone && !strings.HasPrefix(s.Note, "was already") {
			line += ", by force, as " + s.Forced + " said"
		}
		lines = append(lines, line+words.After(s.Why()))
	}
	switch {
	case folded:
		section(w, "Of which there is something to say", lines)
	case len(lines) > 0:
		fmt.Fprintf(w, "\nDone, in order\n%s\n", strings.Join(lines, "\n"))
	}
}

// plain tells that there is nothing to say of a step but that it was done.
func (s Step) plain() bool {
	return s.State == StateDone && s.Attempts <= 1 && asked(s.Asked) == "" && s.Note == "" && s.Forced == "" && len(s.Amended) == 0
}

// foldedGroups tells of each group how many of its steps are done, from when to when. The steps are sorted by their begin.
func foldedGroups(w io.Writer, done []Step) {
	type group struct {
		name       string
		n, running int
		from, to   time.Time
	}
	var groups []*group
	index := map[string]*group{}
	for _, s := range done {
		g := index[s.Group]
		if g == nil {
			g = &group{name: s.Group, from: s.Begun}
			index[s.Group] = g
			groups = append(groups, g)
		}
		if s.State == StateRunning {
			g.running++
		} else {
			g.n++
		}
		if s.Ended.After(g.to) {
			g.to = s.Ended
		}
	}
	if len(groups) == 0 {
		return
	}
	fmt.Fprintf(w, "\nDone, by group (every step: nightshift report RUN --all)\n")
	const most = 2 * maxListed
	for _, g := range groups[:min(most, len(groups))] {
		line := fmt.Sprintf("  %s  %-11s %s: %d done", words.Clock(g.from), span(max(0, g.to.Sub(g.from).Seconds())), g.name, g.n)
		if g.running > 0 {
			line += fmt.Sprintf(", %d still running", g.running)
		}
		fmt.Fprintln(w, line)
	}
	if n := len(groups) - most; n > 0 {
		fmt.Fprintf(w, "  … and %d more groups\n", n)
	}
}

// history lists what people, and nightshift by rule, decided on the way.
func (r Report) history(w io.Writer) {
	var lines []string
	for _, o := range r.Orders {
		line := fmt.Sprintf("  %s  %s by %s", words.Second(o.At), o.Verb, o.By)
		if len(o.Steps) > 0 {
			line += ": " + words.Some(o.Steps, manyOrdered)
		}
		if o.Force {
			line += ", by force"
		}
		if changed := pairs(o.Params); len(changed) > 0 {
			line += ", with " + strings.Join(changed, ", ")
		}
		lines = append(lines, line+words.After(o.Reason))
		var whys []string
		for _, id := range o.Steps {
			if why := decidedBy(o, id, r.Decisions); why != "" {
				whys = append(whys, Reason(r.step(id), why))
			}
		}
		for _, same := range Fold(whys, func(why string) string { return why }) {
			subject := "it was blocked: "
			if len(same) > 1 {
				subject = fmt.Sprintf("%d of them were blocked: ", len(same))
			}
			lines = append(lines, "      "+subject+same[0])
		}
	}
	section(w, "Orders", lines)
	lines = nil
	for _, a := range r.Amendments {
		lines = append(lines, fmt.Sprintf("  %s  %s", words.Second(a.At), a))
		for _, c := range a.Changes {
			lines = append(lines, "      "+c)
		}
	}
	section(w, "Planned anew", lines)
	lines = nil
	for _, d := range byRule(r) {
		lines = append(lines, fmt.Sprintf("  %s  %s: %s, by %s%s", words.Second(d.At), d.Step, d.Verdict, d.By, words.After(Reason(r.step(d.Step), d.Evidence))))
	}
	section(w, "Acted again by rule, and why", lines)
}

// step is the plan's step of this id; one without anything where there is no plan.
func (r Report) step(id string) plan.Step {
	for _, s := range r.Steps {
		if s.ID == id {
			return s.plan
		}
	}
	return plan.Step{}
}

func (s Step) amended() string {
	if len(s.Amended) == 0 {
		return ""
	}
	return " (changed: " + strings.Join(s.Amended, ", ") + ")"
}

func (r Report) commands(w io.Writer) {
	width := 0
	for _, c := range r.Next {
		width = max(width, len([]rune(c.Type)))
	}
	var lines []string
	for _, c := range r.Next {
		lines = append(lines, fmt.Sprintf("  %-*s   %s", width, c.Type, c.Why))
	}
	section(w, "To go on", lines)
}

func findings(w io.Writer, title string, list []plan.Finding) {
	var lines []string
	for _, f := range list {
		lines = append(lines, "  "+f.String())
	}
	section(w, title, lines)
}

func section(w io.Writer, title string, lines []string) {
	if len(lines) == 0 {
		return
	}
	more := ""
	if n := len(lines) - maxListed; n > 0 {
		lines, more = lines[:maxListed], fmt.Sprintf("  … and %d more\n", n)
	}
	fmt.Fprintf(w, "\n%s\n%s\n%s", title, strings.Join(lines, "\n"), more)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
