package report

import (
	"fmt"
	"io"
	"strings"

	"nightshift/internal/plan"
	"nightshift/internal/words"
)

// marks are what Markdown, and the HTML in it, would not show as it stands.
var marks = strings.NewReplacer(`\`, `\\`, "*", `\*`, "_", `\_`, "|", `\|`, "<", "&lt;", "&", "&amp;", "\n", " ", "`", "\\`", "[", `\[`, "]", `\]`, "~", `\~`, "#", `\#`, "@", "&#64;")

// md shows a text as it is: nothing in it is Markdown, nor names somebody where the page is shown.
func md(s string) string { return marks.Replace(strings.Map(printable, s)) }

// mdCode shows a text letter by letter.
func mdCode(s string) string { return words.Code(strings.Map(printable, s)) }

// A mdPage is Markdown as GitHub and most others read it.
type mdPage struct{ w io.Writer }

func (m mdPage) line(format string, args ...any) {
	fmt.Fprintf(m.w, format+"\n", args...)
}

func (m mdPage) head(title string) { m.line("\n## %s\n", title) }

func (m mdPage) table(header string, rows [][]string) {
	columns := strings.Split(header, "|")
	m.line("| %s |\n|%s", strings.Join(columns, " | "), strings.Repeat("---|", len(columns)))
	for _, r := range rows {
		m.line("| %s |", strings.Join(r, " | "))
	}
}

// Markdown writes the report for a wiki, a ticket or a chat. Long lists of steps are folded by group; with all they are not.
func (r Report) Markdown(w io.Writer, all bool) {
	m := mdPage{w}
	m.line("# %s: %s\n", md(r.Title), r.badge().Text)
	for _, s := range r.Words() {
		if s != "" {
			m.line("%s\n", md(s))
		}
	}
	rows := [][]string{{"Run", mdCode(r.Run)}, {"Asked for by", md(r.By)}, {"Started", words.Second(r.Started)}, {"Ended", words.Second(r.Ended)}, {"Took", span(r.Seconds)},
		{"Steps", md(r.numbers())}, {"Plan", mdCode(plan.ShortHash(r.Hash))}, {"Lab file", mdCode(plan.ShortHash(r.LabHash))}}
	for _, k := range sortedKeys(r.Parameters) {
		rows = append(rows, []string{"Parameter " + md(k), md(r.Parameters[k])})
	}
	for _, k := range sortedKeys(r.Versions) {
		rows = append(rows, []string{md(k), md(r.Versions[k])})
	}
	m.table("|", rows)
	m.findings("Blockers", r.Blockers)
	m.undone(r)
	m.found(r)
	m.next(r)
	m.path(r)
	m.reality(r)
	m.history(r)
	m.power(r)
	m.steps(r, all)
	m.manual(r, all)
	m.findings("Warnings", r.Warnings)
	m.findings("Left alone on purpose", r.OnPurpose)
	m.line("\nTimes are %s.", zone(r.Started))
}

func (m mdPage) findings(title string, list []plan.Finding) {
	if len(list) == 0 {
		return
	}
	m.head(title)
	for _, f := range list {
		m.line("- %s", md(f.String()))
	}
}

func (m mdPage) undone(r Report) {
	list := newViewer(r).undone()
	if len(list) == 0 && len(r.Left) == 0 && len(r.Owed) == 0 {
		return
	}
	m.head("What is left undone")
	for _, u := range list {
		m.line("**%s**\n", u.Title)
		for _, s := range u.Rows {
			m.line("- %s%s", md(s.Title), md(words.After(s.Note)))
		}
		if u.More > 0 {
			m.line("- … and %d more", u.More)
		}
		m.line("")
	}
	for _, f := range r.Left {
		m.line("- %s", md(f.String()))
	}
	for _, d := range r.Owed {
		m.line("- to be given back: %s", md(debt(d)))
	}
}

func (m mdPage) next(r Report) {
	if len(r.Next) == 0 {
		return
	}
	m.head("To go on")
	for _, c := range r.Next {
		m.line("- %s: %s", mdCode(c.Type), md(c.Why))
	}
}

func (m mdPage) path(r Report) {
	if len(r.Path) == 0 {
		return
	}
	m.head("What determined the end")
	var rows [][]string
	for _, l := range r.Chain() {
		before := ""
		if l.Idle > late.Seconds() {
			before = span(l.Idle)
		}
		rows = append(rows, []string{words.Clock(l.Begun), md(l.Title), span(l.Seconds), before, md(l.Why)})
	}
	m.table("Began|Step|took|waited before|why", rows)
}

func (m mdPage) reality(r Report) {
	if r.Reality == nil || len(r.Reality.Kinds) == 0 {
		return
	}
	m.head("Plan against reality")
	m.line("Estimated %s, took %s from the first step to the last%s.\n", span(r.Reality.Planned), span(r.Reality.Took-r.Reality.Asked), r.Reality.waits())
	var rows [][]string
	for _, k := range r.Reality.Kinds {
		rows = append(rows, []string{md(actionWords(k.Action)), fmt.Sprint(k.Steps), span(k.Estimate), span(k.Median), span(k.Longest)})
	}
	m.table("Action|steps|estimate|median|longest", rows)
	for _, a := range r.Amendments {
		m.line("\n- %s: %s", words.Second(a.At), md(a.String()))
		for _, c := range a.Changes {
			m.line("  - %s", md(c))
		}
	}
}

func (m mdPage) history(r Report) {
	rules := byRule(r)
	if len(r.Orders)+len(rules)+len(r.Approvals) == 0 && r.Requester == nil {
		return
	}
	m.head("Decisions and approvals")
	for _, o := range r.Orders {
		line := fmt.Sprintf("- %s: **%s** by %s", words.Second(o.At), md(o.Verb), md(o.By))
		if len(o.Steps) > 0 {
			line += ": " + md(strings.Join(o.Steps, ", "))
		}
		if o.Force {
			line += ", by force"
		}
		if changed := pairs(o.Params); len(changed) > 0 {
			line += ", with " + md(strings.Join(changed, ", "))
		}
		m.line("%s%s", line, md(words.After(o.Reason)))
	}
	for _, d := range rules {
		m.line("- %s: %s: **%s**, by %s%s", words.Second(d.At), md(d.Step), md(d.Verdict), md(d.By), md(words.After(d.Evidence)))
	}
	if q := r.Requester; q != nil {
		m.line("- %s: asked for by %s%s", words.Second(q.At), md(q.Name), md(keyOf(q.Key)))
	}
	for _, a := range r.Approvals {
		m.line("- %s: plan %s approved by %s%s", words.Second(a.At), mdCode(plan.ShortHash(a.Hash)), md(a.Name), md(keyOf(a.Key)))
	}
}

func (m mdPage) power(r Report) {
	rows := powerRows(r.Power)
	if len(rows) == 0 {
		return
	}
	m.head("Power")
	const few = 20
	var list [][]string
	for _, p := range rows[:min(few, len(rows))] {
		list = append(list, []string{md(p.Host), p.Before, p.After})
	}
	m.table("Server|before|at the end", list)
	if n := len(rows) - few; n > 0 {
		m.line("\n… and %d more", n)
	}
}

// foldManual is how many guests the page for a person may have where long lists are folded.
const foldManual = 60

// manual is in a block of code: nothing in it is Markdown, as each of its lines is indented.
func (m mdPage) manual(r Report, all bool) {
	if r.Manual == nil {
		return
	}
	m.head("By hand")
	if n := len(r.Manual.Guests); !all && n > foldManual {
		m.line("What a person would do to bring the lab up again, with %s: %s", words.Count(n, "guest"), mdCode("nightshift report --manual "+r.Run))
		return
	}
	for line := range strings.Lines(r.Manual.Text()) {
		m.line("    %s", strings.Map(printable, strings.TrimSuffix(line, "\n")))
	}
}

func (m mdPage) steps(r Report, all bool) {
	if len(r.Steps) == 0 {
		return
	}
	m.head("Steps")
	folded := !all && len(r.Steps) > foldAbove
	if folded {
		var rows [][]string
		for _, l := range r.lanes(scaleOf(r)) {
			rows = append(rows, []string{words.Clock(l.from), md(l.Name), fmt.Sprint(l.Steps), span(l.Seconds)})
		}
		m.table("Began|Group|steps|took", rows)
		m.line("\nOf which there is something to say:\n")
	}
	var rows [][]string
	for _, s := range r.Steps {
		if folded && (s.plain() || s.State == StateUntouched || s.State == StateToDo) {
			continue
		}
		note := Reason(s.plan, s.Note)
		if waited := asked(s.Asked); waited != "" {
			note = strings.TrimPrefix(note+"; "+waited, "; ")
		}
		if s.Attempts > 1 {
			note = strings.TrimPrefix(note+fmt.Sprintf("; %d attempts", s.Attempts), "; ")
		}
		if s.Forced != "" {
			note = strings.TrimPrefix(note+"; by force, as "+s.Forced+" said", "; ")
		}
		if len(s.Amended) > 0 {
			note = strings.TrimPrefix(note+"; changed: "+strings.Join(s.Amended, ", "), "; ")
		}
		title := md(s.Title)
		if s.Critical {
			title = "**" + title + "**"
		}
		took := ""
		if s.Seconds > 0 {
			took = span(s.Seconds)
		}
		rows = append(rows, []string{words.Clock(s.Begun), title, s.State, took, span(s.Estimate), md(note)})
	}
	if len(rows) == 0 {
		m.line("Nothing.")
		return
	}
	m.table("Began|Step (bold: determined the end)|state|took|estimate|note", rows)
}
