package plan

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"nightshift/internal/words"
)

// A Part of a rendered plan, for TreeOptions.Style.
type Part int

// The parts.
const (
	PartTitle Part = iota
	PartGroup
	PartCritical // a step on the critical path
	PartStep
	PartDim // what a step waits for, counts, what was left out
	PartWarning
	PartBlocker
	PartRemedy
)

// TreeOptions say how to draw a plan for people. The zero value is for a pipe: folded, unlimited width, no colours.
type TreeOptions struct {
	Full  bool                             // every step, every group, every finding
	Width int                              // columns; longer lines are cut. 0: as long as they are
	Style func(part Part, s string) string // puts a piece of text into its colours; nil: as it is
}

// How much of a long list is shown where it is not asked for in full.
const (
	foldOver   = 24 // steps of one group, findings of one kind
	foldTo     = 12
	groupsOver = 12 // groups of one kind: "Host …"
	groupsTo   = 4
)

// JSON is the plan as programs read it.
func (p Plan) JSON() ([]byte, error) {
	b, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write plan %q as JSON: %w", p.Title, err)
	}
	return append(b, '\n'), nil
}

// Tree is the plan as people read it: groups of steps with what each waits for, the critical path marked; then what was
// left out, the warnings, and last, where eyes rest, the blockers. It ends with a newline.
func (p Plan) Tree(o TreeOptions) string {
	t := &tree{plan: p, o: o, critical: map[string]bool{}}
	total := p.Makespan()
	if g, err := NewGraph(p); err == nil {
		ids, _ := g.CriticalPath()
		for _, id := range ids {
			t.critical[id] = true
		}
	}
	t.line(PartTitle, "", p.Title)
	facts := []string{"plan " + ShortHash(p.Hash()), words.Many(len(p.Steps), "step")}
	if len(p.Steps) > 0 {
		facts = append(facts, "about "+words.Roughly(total), "* = on the critical path")
	}
	t.line(PartDim, "", strings.Join(facts, " · "))
	t.groups()
	for _, r := range p.Rollups {
		t.rollup(r)
	}
	t.findings(PartDim, "Left alone", p.Untouched)
	t.findings(PartWarning, "Warnings", p.Warnings)
	t.findings(PartBlocker, "Blockers: nothing is done until they are gone", p.Blockers)
	return t.b.String()
}

type tree struct {
	plan     Plan
	o        TreeOptions
	critical map[string]bool
	b        strings.Builder
}

type group struct {
	name  string
	steps []Step
}

// groups gathers the steps under their headings, in the order in which these first come.
func (t *tree) groups() {
	var list []*group
	byName := map[string]*group{}
	for _, s := range t.plan.Steps {
		g := byName[s.Group]
		if g == nil {
			g = &group{name: s.Group}
			byName[s.Group] = g
			list = append(list, g)
		}
		g.steps = append(g.steps, s)
	}
	kinds := map[string]int{}
	for _, g := range list {
		kinds[g.kind()]++
	}
	shown := map[string]int{}
	for _, g := range list {
		kind := g.kind()
		shown[kind]++
		if !t.o.Full && kinds[kind] > groupsOver && shown[kind] > groupsTo {
			if shown[kind] == kinds[kind] {
				t.b.WriteByte('\n')
				t.line(PartDim, "", fmt.Sprintf("… and %s more of the kind “%s …” (all: --full)", words.Thousands(kinds[kind]-groupsTo), kind))
			}
			continue
		}
		t.group(g)
	}
}

// kind is the first word: of "Host esx21" and "Host esx22" the same.
func (g *group) kind() string {
	kind, _, _ := strings.Cut(g.name, " ")
	return kind
}

func (t *tree) group(g *group) {
	t.b.WriteByte('\n')
	name := g.name
	if name == "" {
		name = "Steps"
	}
	if len(g.steps) > 3 {
		name += " (" + words.Thousands(len(g.steps)) + ")"
	}
	t.line(PartGroup, "", name)
	steps := g.steps
	if !t.o.Full && len(steps) > foldOver {
		steps = steps[:foldTo]
	}
	for i, s := range steps {
		branch := "├─ "
		if i == len(g.steps)-1 {
			branch = "└─ "
		}
		t.step(branch, s)
	}
	if n := len(g.steps) - len(steps); n > 0 {
		text := "… and " + words.Thousands(n) + " more"
		if c := t.countCritical(g.steps[len(steps):]); c > 0 {
			text += fmt.Sprintf(", %d of them *", c)
		}
		t.line(PartDim, "└─ ", text+" (all: --full)")
	}
}

func (t *tree) countCritical(steps []Step) int {
	n := 0
	for _, s := range steps {
		if t.critical[s.ID] {
			n++
		}
	}
	return n
}

func (t *tree) step(branch string, s Step) {
	part, title := PartStep, "  "+s.Title
	if t.critical[s.ID] {
		part, title = PartCritical, "* "+s.Title
	}
	if s.Estimate > 0 {
		title += " ~" + words.Roughly(time.Duration(s.Estimate))
	}
	wait := waits(s)
	if left := t.o.Width - utf8.RuneCountInString(branch+title); t.o.Width > 0 && left < 12 {
		wait = ""
	} else if t.o.Width > 0 {
		wait = cut(wait, left)
	}
	t.b.WriteString(branch + t.style(part, cut(title, t.width(branch))))
	if wait != "" {
		t.b.WriteString(t.style(PartDim, wait))
	}
	t.b.WriteByte('\n')
}

// waits says in short what the step waits for.
func waits(s Step) string {
	const most = 2
	switch n := len(s.Needs); {
	case n == 0 && s.Always:
		return "  ← runs in any case"
	case n == 0:
		return ""
	case n <= most:
		return "  ← " + strings.Join(s.Needs, ", ")
	default:
		return fmt.Sprintf("  ← %s and %s more", strings.Join(s.Needs[:most-1], ", "), words.Thousands(n-most+1))
	}
}

func (t *tree) findings(part Part, heading string, list []Finding) {
	if len(list) == 0 {
		return
	}
	t.b.WriteByte('\n')
	t.line(part, "", fmt.Sprintf("%s (%s)", heading, words.Thousands(len(list))))
	n := len(list)
	if part != PartBlocker && !t.o.Full && n > foldOver {
		n = foldTo
	}
	for _, f := range list[:n] {
		t.wrapped(part, "  ", "- "+f.Subject+": "+f.Text)
		if f.Remedy != "" {
			t.wrapped(PartRemedy, "    ", "→ "+f.Remedy)
		}
	}
	if rest := len(list) - n; rest > 0 {
		t.line(PartDim, "  ", "… and "+words.Thousands(rest)+" more (all: --full)")
	}
}

func (t *tree) line(part Part, indent, s string) {
	t.b.WriteString(indent + t.style(part, cut(s, t.width(indent))) + "\n")
}

// wrapped breaks what must be read to its end, instead of cutting it.
func (t *tree) wrapped(part Part, indent, s string) {
	width := t.width(indent)
	for s != "" {
		var line string
		line, s = breakAt(s, width)
		t.b.WriteString(indent + t.style(part, line) + "\n")
		width = max(20, t.width(indent)-2)
		if t.o.Width == 0 {
			width = 0
		}
		if s != "" {
			s = "  " + s
		}
	}
}

// width is what is left of the line; 0: any.
func (t *tree) width(indent string) int {
	if t.o.Width == 0 {
		return 0
	}
	return max(20, t.o.Width-utf8.RuneCountInString(indent))
}

func (t *tree) style(part Part, s string) string {
	if t.o.Style == nil {
		return s
	}
	return t.o.Style(part, s)
}
