package runbooks

import (
	"cmp"
	"slices"

	"nightshift/internal/inventory"
	"nightshift/internal/live"
	"nightshift/internal/plan"
)

// A Graph is the start order of a lab, as the planners lay it: what must be up before what, and why.
type Graph struct {
	Nodes []GraphNode // guests that have a place in the order, and the sets that stand for several; sorted by level and name
	// Free are the ids of guests of which nothing is said: they start as soon as what the lab stands on is up.
	Free []string
	// Findings are circles, which are taken out of the order here and refused in a plan, and names that mean nothing.
	Findings []plan.Finding
}

// A GraphNode is a guest or a set of guests.
type GraphNode struct {
	ID         string   // of a guest its name, and more where names repeat; of a set "group db"
	Members    []string // of a set: ids of its guests
	Level      int      // from 1: all that it needs has a lower one, members of a set an equal or lower one
	Foundation bool     // of what the lab stands on: it comes before all others
	Stands     string   // of the foundation: "provides dns"
	Kept       string   // why it is left alone; empty: it is not
	Needs      []GraphNeed
}

// A GraphNeed is an edge.
type GraphNeed struct {
	ID  string
	Why string // "after: of guest web01"
}

// StartOrder makes the graph of the lab file, and of what is live. Of a vCenter that is not in the state, the guests are
// those that the lab file names.
func StartOrder(lab *inventory.Lab, st *live.State) Graph {
	known := *st
	known.VCenters = slices.Clone(st.VCenters)
	for _, vc := range lab.VCenters {
		if !slices.ContainsFunc(known.VCenters, func(v live.VCenter) bool { return v.Name == vc.Name }) {
			known.VCenters = append(known.VCenters, namedIn(lab, vc.Name))
		}
	}
	b := newBuilder(Input{Lab: lab, State: &known}, PowerUp)
	o := newOrder(b)
	g := Graph{Findings: append(slices.Clone(b.plan.Blockers), b.plan.Warnings...)}
	levels := o.levels()
	for _, n := range o.nodes {
		switch {
		case n.guest != nil && !n.guest.ordinary():
		case n.guest != nil && len(n.needs)+len(n.needed) == 0 && !n.guest.foundation():
			g.Free = append(g.Free, n.guest.id)
		case n.guest == nil && n.app == nil && len(n.needed) == 0: // a group that nobody waits for orders nothing
		default:
			g.Nodes = append(g.Nodes, n.shown(levels[n]))
		}
	}
	slices.SortStableFunc(g.Nodes, func(a, b GraphNode) int { return cmp.Or(a.Level-b.Level, cmp.Compare(a.ID, b.ID)) })
	return g
}

// namedIn is what a lab file tells of a vCenter's guests: their names.
func namedIn(lab *inventory.Lab, vcenter string) live.VCenter {
	out := live.VCenter{Name: vcenter}
	seen := map[string]bool{}
	add := func(name, uuid string) {
		if name != "" && !seen[name+"\x00"+uuid] {
			seen[name+"\x00"+uuid] = true
			out.Guests = append(out.Guests, live.Guest{Ref: name + uuid, Name: name, UUID: uuid})
		}
	}
	for _, g := range lab.Guests {
		if g.VCenter == vcenter {
			add(g.Name, g.UUID)
		}
	}
	// Of other names the file does not say where they are: the first vCenter has them.
	if vcenter != lab.VCenters[0].Name {
		return out
	}
	listed := func(name string) bool {
		return slices.ContainsFunc(lab.Guests, func(g inventory.Guest) bool { return g.Name == name })
	}
	others := func(names []string) {
		for _, n := range names {
			if len(n) > len(groupPrefix) && n[:len(groupPrefix)] == groupPrefix || listed(n) {
				continue
			}
			add(n, "")
		}
	}
	for _, g := range lab.Guests {
		others(g.After)
	}
	for _, g := range lab.Groups {
		others(g.Guests)
		others(g.After)
	}
	for _, a := range lab.ApplicationClusters {
		others(a.Members)
	}
	return out
}

// levels counts how many guests come one after the other before each node, it included. What the lab stands on comes before
// all others.
func (o *order) levels() map[*node]int {
	levels := map[*node]int{}
	base := 0
	for _, foundation := range []bool{true, false} {
		for _, n := range o.sorted() {
			if n.foundation() != foundation {
				continue
			}
			level := 0
			if !foundation {
				level = base
			}
			for _, e := range n.needs {
				level = max(level, levels[e.to])
			}
			if n.guest != nil {
				level++
			}
			levels[n] = max(level, 1)
		}
		for _, level := range levels {
			base = max(base, level)
		}
	}
	return levels
}

// foundation tells whether the node is one, or a set of them only.
func (n *node) foundation() bool {
	if n.guest != nil {
		return n.guest.foundation()
	}
	return len(n.members) > 0 && !slices.ContainsFunc(n.members, func(g *guest) bool { return !g.foundation() })
}

func (n *node) shown(level int) GraphNode {
	out := GraphNode{ID: n.set, Level: level, Foundation: n.foundation()}
	if g := n.guest; g != nil {
		out.ID, out.Kept = g.id, g.kept
		if g.foundation() {
			out.Stands = g.stands()
		}
	}
	for _, g := range n.members {
		out.Members = append(out.Members, g.id)
	}
	for _, e := range n.needs {
		if e.kind == edgeMember && n.guest == nil {
			continue
		}
		to := e.to.set
		if e.to.guest != nil {
			to = e.to.guest.id
		}
		out.Needs = append(out.Needs, GraphNeed{to, e.why()})
	}
	slices.SortStableFunc(out.Needs, func(a, b GraphNeed) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

// why says in short where an edge comes from.
func (e edge) why() string {
	switch e.kind {
	case edgeFiles:
		return "its files lie on datastore " + e.what
	case edgeKeys:
		return "it is encrypted: " + e.what
	case edgeTier:
		return "provides " + e.what
	case edgeMember:
		return "a member with it"
	}
	return e.what
}
