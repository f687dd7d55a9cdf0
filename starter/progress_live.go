package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"nightshift/internal/runapi"
	"nightshift/internal/terminal"
	"nightshift/internal/words"
)

// liveProgress redraws in place. It never uses more lines than the window has, as what scrolled out cannot be redrawn.
type liveProgress struct {
	out   io.Writer
	size  func() (width, height int)
	style style
	drawn int // lines on the screen
	said  []string
	last  view
}

// maxSaid is how many lines of Say stay on the screen.
const maxSaid = 2

func (p *liveProgress) Say(line string) {
	p.said = append(p.said, line)
	if n := len(p.said) - maxSaid; n > 0 {
		p.said = slices.Delete(p.said, 0, n)
	}
	if p.last.Run != "" {
		p.Show(p.last)
	}
}

func (p *liveProgress) Show(v view) {
	p.last = v
	width, height := p.size()
	lines := p.style.frame(v, width, height-1-len(p.said)-overlong(v.Link, width))
	for _, s := range p.said {
		lines = append(lines, p.style.paint.on(yellow, cut(s, width-1)))
	}
	var b strings.Builder
	p.rewind(&b)
	for _, l := range lines {
		b.WriteString(l + "\x1b[K\n")
	}
	b.WriteString("\x1b[J")
	fmt.Fprint(p.out, b.String())
	p.drawn = len(lines) + overlong(v.Link, width)
}

// overlong is how many rows more than one the terminal needs for the link, the one line that is never cut: it must be
// there to be followed.
func overlong(link string, width int) int {
	if link == "" {
		return 0
	}
	return utf8.RuneCountInString(link) / max(1, width)
}

func (p *liveProgress) rewind(b *strings.Builder) {
	if p.drawn > 0 {
		fmt.Fprintf(b, "\x1b[%dA\r", p.drawn)
	}
}

// Close leaves the last picture where it is and what follows below it.
func (p *liveProgress) Close() { p.drawn = 0 }

// A style draws the frames of a live display.
type style struct {
	paint paint
	ascii bool // no characters beyond ASCII
	width int  // columns to use
}

func (s style) mark(letter byte) string {
	marks := map[byte][2]string{
		runapi.StepDone: {"✓", "+"}, runapi.Running: {"▸", ">"}, runapi.Blocked: {"✗", "!"},
		runapi.StepSkip: {"↷", "s"}, runapi.Todo: {"·", "."}, runapi.Untouched: {"·", "."}, runapi.HalfDone: {"◐", "h"},
	}
	if s.ascii {
		return marks[letter][1]
	}
	return marks[letter][0]
}

func (s style) colour(letter byte) string {
	switch letter {
	case runapi.StepDone:
		return green
	case runapi.Running:
		return cyan
	case runapi.Blocked, runapi.HalfDone:
		return red
	case runapi.StepSkip:
		return yellow
	}
	return dim
}

// frame is the picture of a run in at most height lines of width columns.
func (s style) frame(v view, width, height int) []string {
	height = max(height, 6)
	s.width = max(1, width-1)
	lines := s.head(v, width)
	if v.Plan == nil || len(v.Sheet.Steps) != len(v.Plan.Steps) {
		return lines
	}
	body := s.body(v, height-len(lines))
	for _, l := range body {
		lines = append(lines, s.paint.on(l.code, cut(l.text, width-1)))
	}
	return lines[:min(len(lines), height)]
}

func (s style) head(v view, width int) []string {
	title := v.Sheet.Title
	if title == "" {
		title = v.Sheet.Runbook + " of lab " + v.Sheet.Lab
	}
	end := v.Now
	if !v.Sheet.Ended.IsZero() {
		end = v.Sheet.Ended
	}
	state := v.headline() + ", " + words.Tight(max(0, end.Sub(v.Sheet.Started)))
	if rest := v.rest(); rest != "" {
		state += ", " + rest
	}
	lines := []string{
		s.paint.on(bold, cut(title, width-1)),
		s.paint.on(dim, cut("run "+v.Run, width-1)),
	}
	if v.Link != "" {
		lines = append(lines, s.paint.on(dim, terminal.OneLine(v.Link)))
	}
	lines = append(lines, cut(state, width-1))
	for _, l := range v.planned() {
		lines = append(lines, s.paint.on(yellow, cut(l, width-1)))
	}
	if v.Sheet.Total > 0 {
		bar := s.bar(v, min(30, width/3))
		lines = append(lines, cut(bar+"  "+v.counts(), width-1))
	}
	return lines
}

func (s style) bar(v view, width int) string {
	full, empty := "█", "░"
	if s.ascii {
		full, empty = "#", "."
	}
	n := v.Sheet.Done * width / max(1, v.Sheet.Total)
	return strings.Repeat(full, n) + strings.Repeat(empty, width-n)
}

// A row is one line of the body and its colour.
type row struct{ text, code string }

// A stepGroup is a group of steps with the rows that it unfolds to.
type stepGroup struct {
	name   string
	letter byte // what the group as a whole is: done, running, blocked, to do
	counts string
	rows   []row
	total  int
}

// body lists the groups. What does not fit is folded: first groups that are behind or not begun, then steps.
func (s style) body(v view, height int) []row {
	sections := s.sections(v)
	if all := unfold(s, sections, func(stepGroup) bool { return true }); len(all) <= height {
		return all
	}
	active := func(g stepGroup) bool { return g.letter == runapi.Running || g.letter == runapi.Blocked }
	if some := unfold(s, sections, active); len(some) <= height {
		return some
	}
	return s.fold(v, sections, height)
}

// unfold lists the groups that show is true for; the others are counted.
func unfold(s style, sections []stepGroup, show func(stepGroup) bool) []row {
	var rows []row
	hidden := map[byte]int{}
	for _, g := range sections {
		if !show(g) {
			hidden[g.letter]++
			continue
		}
		rows = append(rows, row{fmt.Sprintf("  %s %-28s %s", s.mark(g.letter), g.name, g.counts), s.colour(g.letter)})
		rows = append(rows, g.rows...)
	}
	return append(rows, s.hiddenGroups(hidden)...)
}

func (s style) hiddenGroups(hidden map[byte]int) []row {
	var rows []row
	for _, h := range []struct {
		letter byte
		what   string
	}{{runapi.StepDone, "done"}, {runapi.StepSkip, "done, but for skipped steps"}, {runapi.Todo, "to come"}} {
		if n := hidden[h.letter]; n > 0 {
			rows = append(rows, row{fmt.Sprintf("  %s %s %s", s.mark(h.letter), words.Count(n, "group"), h.what), s.colour(h.letter)})
		}
	}
	return rows
}

// fold shows what is blocked, then what runs, without groups, as far as there is room.
func (s style) fold(v view, sections []stepGroup, height int) []row {
	var rows, running []row
	hiddenBlocked, nRunning := 0, 0
	for i := range v.Plan.Steps {
		switch v.letter(i) {
		case runapi.Blocked:
			if one := s.blockedRows(v, i); len(rows) == 0 || len(rows)+len(one) <= height/2 {
				rows = append(rows, one...)
			} else {
				hiddenBlocked++
			}
		case runapi.Running:
			nRunning++
			running = append(running, s.runningRow(v, i))
		}
	}
	hidden := map[byte]int{}
	for _, g := range sections {
		hidden[g.letter]++
	}
	tail := s.hiddenGroups(hidden)
	if hiddenBlocked > 0 {
		rows = append(rows, row{fmt.Sprintf("    … and %d more blocked: nightshift status", hiddenBlocked), red})
	}
	room := height - len(rows) - len(tail) - 1
	if nRunning > room {
		running = append(running[:max(0, room)], row{fmt.Sprintf("    … and %d more running", nRunning-max(0, room)), cyan})
	}
	return append(append(rows, running...), tail...)
}

// sections are the plan's groups in order of their first step.
func (s style) sections(v view) []stepGroup {
	index := map[string]int{}
	var list []stepGroup
	var count []map[byte]int
	for i, step := range v.Plan.Steps {
		n, ok := index[step.Group]
		if !ok {
			n = len(list)
			index[step.Group] = n
			list = append(list, stepGroup{name: cmp.Or(step.Group, "Steps")})
			count = append(count, map[byte]int{})
		}
		count[n][v.letter(i)]++
		list[n].total++
		switch v.letter(i) {
		case runapi.Blocked:
			list[n].rows = append(list[n].rows, s.blockedRows(v, i)...)
		case runapi.Running:
			list[n].rows = append(list[n].rows, s.runningRows(v, i)...)
		}
	}
	for n := range list {
		list[n].sum(count[n])
	}
	return list
}

// sum says what a group is as a whole. What was skipped is behind, and not done.
func (g *stepGroup) sum(c map[byte]int) {
	behind := c[runapi.StepDone] + c[runapi.StepSkip]
	g.counts = fmt.Sprintf("%d/%d", c[runapi.StepDone], g.total)
	for _, n := range []struct {
		letter byte
		what   string
	}{{runapi.Blocked, "blocked"}, {runapi.StepSkip, "skipped"}, {runapi.HalfDone, "half done"}} {
		if c[n.letter] > 0 {
			g.counts += fmt.Sprintf(", %d %s", c[n.letter], n.what)
		}
	}
	switch {
	case c[runapi.Blocked] > 0:
		g.letter = runapi.Blocked
	case c[runapi.Running] > 0 || behind > 0 && behind < g.total:
		g.letter = runapi.Running
	case behind == g.total && c[runapi.StepSkip] > 0:
		g.letter = runapi.StepSkip
	case behind == g.total:
		g.letter = runapi.StepDone
	default:
		g.letter = runapi.Todo
	}
}

func (s style) runningRow(v view, i int) row {
	step := v.Plan.Steps[i]
	return row{s.runningText(v, i) + words.After(cmp.Or(v.why(step), v.waitsFor(i))), cyan}
}

func (s style) runningText(v view, i int) string {
	return fmt.Sprintf("      %s %s  %s", s.mark(runapi.Running), v.title(v.Plan.Steps[i]), words.Tight(v.elapsed(i)))
}

// runningRows is that row, or two where it would be cut off how far the step is.
func (s style) runningRows(v view, i int) []row {
	one, step := s.runningRow(v, i), v.Plan.Steps[i]
	if _, measured := v.Sheet.Progress[step.ID]; !measured || utf8.RuneCountInString(one.text) <= s.width {
		return []row{one}
	}
	return []row{{s.runningText(v, i), cyan}, {"          " + v.why(step), cyan}}
}

// blockedRows has all that somebody needs who is to decide: nothing of it is cut off.
func (s style) blockedRows(v view, i int) (rows []row) {
	step := v.Plan.Steps[i]
	add := func(code, first, indent, text string) {
		for _, l := range wrap(text, s.width-utf8.RuneCountInString(indent)) {
			rows = append(rows, row{first + l, code})
			first = indent
		}
	}
	const indent = "          "
	add(red, "      "+s.mark(runapi.Blocked)+" ", "        ", v.title(step))
	add(red, indent, indent, v.why(step))
	for _, c := range v.goOn(step) {
		lines := wrap(c, s.width-len(indent)-len("   \\"))
		for n, l := range lines {
			if n > 0 {
				l = "  " + l
			}
			if n < len(lines)-1 {
				l += ` \` // what is copied must still be one command
			}
			rows = append(rows, row{indent + l, bold})
		}
	}
	return rows
}

// utf8 tells whether the terminal's locale can show more than ASCII.
func (a *app) utf8() bool {
	l := strings.ToUpper(cmp.Or(a.getenv("LC_ALL"), a.getenv("LC_CTYPE"), a.getenv("LANG"), "C.UTF-8"))
	return strings.Contains(l, "UTF-8") || strings.Contains(l, "UTF8")
}

func sortByTime(list []int, at func(int) time.Time) {
	slices.SortStableFunc(list, func(a, b int) int { return at(a).Compare(at(b)) })
}
