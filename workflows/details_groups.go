package workflows

import (
	"fmt"
	"strings"
	"unicode"

	"nightshift/internal/runapi"
	"nightshift/internal/words"
)

// shownGroups is how many rows the table of groups has. Where there are more groups, those of a kind (hosts, clusters) are one row.
const shownGroups = 2 * shown

// groups writes how far each group of steps is.
func (r *run) groups(b *strings.Builder) {
	if len(r.grouped) == 0 {
		return
	}
	list := r.grouped
	if len(list) > shownGroups {
		list = foldGroups(list)
	}
	b.WriteString("| | done |\n|---|---|\n")
	for _, g := range list {
		fmt.Fprintf(b, "| %s | %s |\n", escape(g.name), g.progress())
	}
	b.WriteString("\n")
}

// foldGroups makes one of all groups of a kind, which is the first word of their names, in the place of the first of them. What
// is still too long ends with one row for all the others.
func foldGroups(list []group) (folded []group) {
	size, at := map[string]int{}, map[string]int{}
	for _, g := range list {
		size[g.kind()]++
	}
	for _, g := range list {
		kind := g.kind()
		if size[kind] == 1 {
			folded = append(folded, g)
			continue
		}
		i, known := at[kind]
		if !known {
			i = len(folded)
			at[kind] = i
			folded = append(folded, group{name: words.Count(size[kind], kind)})
		}
		folded[i].takeIn(g)
	}
	if len(folded) <= shownGroups {
		return folded
	}
	rest := group{}
	for _, g := range folded[shownGroups-1:] {
		rest.takeIn(g)
	}
	rest.name = "… and " + words.Count(rest.groups, "more group")
	return append(folded[:shownGroups-1], rest)
}

// A group of steps, counted as they end: the run sheet is made at every workflow task. Or some groups together.
type group struct {
	name                 string
	total, done, skipped int // steps
	groups, behind       int // of several together: how many, and of how many nothing is left to do
}

// kind is the first word of the group's name: "host" of "Host esx21".
func (g group) kind() string {
	kind, _, _ := strings.Cut(g.name, " ")
	first := true
	return strings.Map(func(c rune) rune {
		if first {
			first, c = false, unicode.ToLower(c)
		}
		return c
	}, kind)
}

func (g *group) takeIn(o group) {
	g.total, g.done, g.skipped = g.total+o.total, g.done+o.done, g.skipped+o.skipped
	if o.groups == 0 {
		o.groups = 1
		if o.done+o.skipped == o.total {
			o.behind = 1
		}
	}
	g.groups, g.behind = g.groups+o.groups, g.behind+o.behind
}

func (g group) progress() string {
	text := fmt.Sprintf("%d of %d", g.done, g.total)
	if g.groups > 0 {
		text = fmt.Sprintf("%d of %d (%s of %s steps", g.behind, g.groups, words.Thousands(g.done), words.Thousands(g.total))
	}
	if g.skipped > 0 {
		text += fmt.Sprintf(", %d skipped", g.skipped)
	}
	if g.groups > 0 {
		text += ")"
	}
	return text
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
