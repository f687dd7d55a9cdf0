package plan

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func renderPlan(guests, hosts int) Plan {
	p := Plan{Schema: SchemaVersion, Runbook: "power-down", Title: "Power down lab home", Lab: "home"}
	for i := range guests {
		p.Steps = append(p.Steps, Step{ID: fmt.Sprintf("shutdown-guest:g%04d", i), Title: fmt.Sprintf("Shut down guest g%04d", i), Group: "Guests",
			Action: ShutdownGuest, Target: Target{Kind: Guest, Name: fmt.Sprintf("g%04d", i), Ref: fmt.Sprintf("vm-%d", i)}, Estimate: Duration(time.Minute), Timeout: Duration(time.Hour)})
	}
	for i := range hosts {
		s := Step{ID: fmt.Sprintf("shutdown-host:h%02d", i), Title: fmt.Sprintf("Shut down host h%02d", i), Group: fmt.Sprintf("Host h%02d", i),
			Action: ShutdownHost, Estimate: Duration(time.Minute), Timeout: Duration(time.Hour)}
		for g := i; g < guests; g += hosts {
			s.Needs = append(s.Needs, p.Steps[g].ID)
		}
		p.Steps = append(p.Steps, s)
	}
	return p
}

func TestTree(t *testing.T) {
	p := renderPlan(2, 1)
	p.Untouched = []Finding{{Subject: "host nuc", Text: "keep: true"}}
	p.Warnings = []Finding{{Subject: "vCenter vc1", Text: "its clock is off"}}
	p.Blockers = []Finding{{Subject: "host h00", Text: "is in the way", Remedy: "move it"}}
	require.Equal(t, `Power down lab home
plan `+ShortHash(p.Hash())+` · 3 steps · about 2 min · * = on the critical path

Guests
├─ * Shut down guest g0000 ~60 s
└─   Shut down guest g0001 ~60 s

Host h00
└─ * Shut down host h00 ~60 s  ← shutdown-guest:g0000, shutdown-guest:g0001

Left alone (1)
  - host nuc: keep: true

Warnings (1)
  - vCenter vc1: its clock is off

Blockers: nothing is done until they are gone (1)
  - host h00: is in the way
    → move it
`, p.Tree(TreeOptions{}))
}

func TestLargeTreeIsFolded(t *testing.T) {
	p := renderPlan(1992, 64)
	p.Steps[1500].Estimate = Duration(time.Hour) // on the critical path, and out of sight
	tree := p.Tree(TreeOptions{})
	require.Less(t, strings.Count(tree, "\n"), 60)
	require.Contains(t, tree, "… and 1,980 more, 1 of them * (all: --full)")
	require.Contains(t, tree, "… and 60 more of the kind “Host …” (all: --full)")
	full := p.Tree(TreeOptions{Full: true})
	for _, s := range p.Steps {
		require.Contains(t, full, s.Title)
	}
	require.NotContains(t, full, "--full")
}

func TestBlockersAreNeverFolded(t *testing.T) {
	p := renderPlan(1, 1)
	for i := range 40 {
		p.Blockers = append(p.Blockers, Finding{Subject: fmt.Sprintf("host b%02d", i), Text: "no", Remedy: "yes"})
		p.Warnings = append(p.Warnings, Finding{Subject: fmt.Sprintf("host w%02d", i), Text: "hm"})
	}
	tree := p.Tree(TreeOptions{})
	require.Contains(t, tree, "host b39: no")
	require.NotContains(t, tree, "host w39: hm")
}

func TestTreeKeepsToItsWidth(t *testing.T) {
	p := renderPlan(40, 3)
	p.Blockers = []Finding{{Subject: "guest ä", Text: strings.Repeat("wörter und worte ", 12) + "Ende", Remedy: strings.Repeat("x", 200)}}
	for _, width := range []int{40, 60, 100} {
		tree := p.Tree(TreeOptions{Width: width})
		for _, line := range strings.Split(tree, "\n") {
			require.LessOrEqual(t, utf8.RuneCountInString(line), width, line)
		}
		require.Equal(t, 12, strings.Count(tree, "wörter"), "findings are read to their end")
		require.Contains(t, tree, "Ende")
		require.Equal(t, 200, strings.Count(tree, "x"))
	}
}

func TestTreeStyles(t *testing.T) {
	p := renderPlan(1, 1)
	tree := p.Tree(TreeOptions{Style: func(part Part, s string) string { return fmt.Sprintf("<%d>%s</>", part, s) }})
	require.Contains(t, tree, "<0>Power down lab home</>")
	require.Contains(t, tree, "<2>* Shut down host h00 ~60 s</><4>  ← shutdown-guest:g0000</>")
	require.NotContains(t, p.Tree(TreeOptions{}), "\x1b")
}

func TestMermaid(t *testing.T) {
	p := renderPlan(2, 1)
	p.Steps[0].Title = "Guest \"a\" <b> & `c` #1\nend"
	require.Equal(t, `flowchart LR
  subgraph g1["Guests"]
    s1["Guest #quot;a#quot; #lt;b#gt; #amp; #96;c#96; #35;1 end"]
    s2["Shut down guest g0001"]
  end
  subgraph g2["Host h00"]
    s3["Shut down host h00"]
  end
  s1 --> s3
  s2 --> s3
  classDef critical stroke-width:3px
  class s1,s3 critical
`, p.Mermaid())
	require.Equal(t, "flowchart LR\n  s0[\"Nothing to do\"]\n", Plan{Title: "Nothing to do"}.Mermaid())
}

func TestDiff(t *testing.T) {
	was := renderPlan(3, 1)
	was.Parameters = map[string]string{"tag": "a"}
	was.Warnings = []Finding{{Subject: "guest x", Text: "old"}}
	was.LabHash = "1"
	require.Nil(t, Diff(was, was))

	is := renderPlan(3, 1)
	is.LabHash = "2"
	is.Steps[0].Target.Ref = "vm-9"
	is.Steps[1].ID, is.Steps[1].Title = "shutdown-guest:new", "Shut down guest new"
	is.Steps[2].Title, is.Steps[2].Params = "Power off guest g0002", Encode(ShutdownGuestParams{Method: "powerOff"})
	is.Steps[3].Needs = []string{"shutdown-guest:g0000", "shutdown-guest:new", "shutdown-guest:g0002"}
	is.Parameters = map[string]string{"tag": "b"}
	is.Blockers = []Finding{{Subject: "host h00", Text: "unreachable", Remedy: "see"}}
	require.Equal(t, []string{
		"the lab file was changed",
		"parameter tag is b, was a",
		"changed: Shut down guest g0000: it is another object (guest g0000 vm-9, was guest g0000 vm-0)",
		"no longer: Shut down guest g0001",
		`changed: Power off guest g0002: was "Shut down guest g0002"`,
		"changed: Shut down host h00: it waits for other steps (+ shutdown-guest:new, - shutdown-guest:g0001)",
		"new: Shut down guest new",
		"no longer warning: guest x: old",
		"new blocker: host h00: unreachable",
	}, Diff(was, is))

	is = was
	is.Title = "Put out the light"
	require.Equal(t, []string{"only the order or the wording is another"}, Diff(was, is))
}
