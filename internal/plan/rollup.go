package plan

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"nightshift/internal/words"
)

// A Rollup is what becomes of the snapshots of one dataset, the newest first. Which ones are destroyed in the end is in the steps.
type Rollup struct {
	Host    string `json:"host"` // storage host
	Dataset string `json:"dataset"`
	// Prefix is how the names of the group's own snapshots begin: the rest of them is a moment.
	Prefix string      `json:"prefix"`
	Rows   []RollupRow `json:"rows"`
}

// A RollupRow is a snapshot, or several one after the other with which the same is done for the same reason.
type RollupRow struct {
	What  string `json:"what"`  // kept | destroyed | protected
	Why   string `json:"why"`   // "younger than 48h; last of 2026-11-20"
	First string `json:"first"` // the oldest, by its name behind the @
	Last  string `json:"last"`  // the newest; the same where it is one
	Count int    `json:"count"`
}

// counts says how many snapshots of each kind there are: "1,117 destroyed, 85 kept, 2 protected".
func (r Rollup) counts() string {
	var kinds []string
	count := map[string]int{}
	for _, row := range r.Rows {
		if count[row.What] += row.Count; !slices.Contains(kinds, row.What) {
			kinds = append(kinds, row.What)
		}
	}
	slices.Sort(kinds)
	for i, k := range kinds {
		kinds[i] = words.Thousands(count[k]) + " " + k
	}
	return strings.Join(kinds, ", ")
}

// rollup draws one as a table.
func (t *tree) rollup(r Rollup) {
	t.b.WriteByte('\n')
	t.line(PartGroup, "", fmt.Sprintf("%s on %s: %s", r.Dataset, r.Host, r.counts()))
	rows := r.Rows
	if !t.o.Full && len(rows) > foldOver {
		rows = rows[:foldTo]
	}
	names, wide := make([]string, len(rows)), 0
	for i, row := range rows {
		names[i] = strings.TrimPrefix(row.Last, r.Prefix)
		if row.First != row.Last {
			names[i] = strings.TrimPrefix(row.First, r.Prefix) + " … " + names[i]
		}
		wide = max(wide, utf8.RuneCountInString(names[i]))
	}
	for i, row := range rows {
		part := PartDim
		switch {
		case row.What == destroyed:
			part = PartStep
		case row.What == protected && !strings.HasPrefix(row.Why, "foreign"):
			part = PartWarning
		}
		pad := strings.Repeat(" ", wide-utf8.RuneCountInString(names[i]))
		t.line(part, "  ", fmt.Sprintf("%s%s %6s  %-9s  %s", names[i], pad, words.Thousands(row.Count), row.What, row.Why))
	}
	if n := len(r.Rows) - len(rows); n > 0 {
		t.line(PartDim, "  ", "… and "+words.Count(n, "more row")+" (all: --full)")
	}
}

// What becomes of a snapshot, as package replica says it.
const (
	destroyed = "destroyed"
	protected = "protected"
)

// rollups says of which datasets something else is to become.
func (d *differ) rollups(was, is []Rollup) {
	before := map[string]Rollup{}
	for _, r := range was {
		before[r.Host+":"+r.Dataset] = r
	}
	for _, r := range is {
		old := before[r.Host+":"+r.Dataset]
		if !slices.Equal(old.Rows, r.Rows) {
			d.say("%s on %s: %s, was %s", r.Dataset, r.Host, r.counts(), old.counts())
		}
	}
}
