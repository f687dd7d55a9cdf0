package runbooks

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"nightshift/internal/inventory"
	"nightshift/internal/words"
)

// An order says what must be up before what: `after` of guests and groups, and what the lab stands on (foundation.go).
// Power-up goes along it, power-down against it. Its nodes are guests, and sets that stand for all their members: so a
// group of a hundred guests that comes after another needs two hundred edges, and not ten thousand. It has no circles:
// those are reported, and their edges dropped.
type order struct {
	b     *builder
	nodes []*node // in the order of view.guests, then the sets as they were found
	of    map[*guest]*node
	sets  map[string]*node
	named map[string][]*guest
	apps  []*node
}

// A node is a guest or a set.
type node struct {
	guest   *guest
	set     string                        // of a set: what it is, in a person's words: "group db"
	app     *inventory.ApplicationCluster // of the set of its members
	partOf  *node                         // the application cluster that a guest is a member of
	place   int
	needs   []edge  // must be up before
	needed  []*node // the other way round, one entry for each edge
	members []*guest
}

// An edge says that one node needs another, and why.
type edge struct {
	to   *node
	kind edgeKind
	what string // where it is written, or what is provided
}

type edgeKind int

const (
	edgeMember edgeKind = iota // of a set
	edgeAfter                  // after: says so
	edgeFiles                  // its files lie on a datastore that the other provides
	edgeKeys                   // it is encrypted, and the other provides the keys
	edgeTier                   // the other provides something that comes before what this one provides
)

func newOrder(b *builder) *order {
	o := &order{b: b, of: map[*guest]*node{}, sets: map[string]*node{}, named: map[string][]*guest{}}
	for _, g := range b.guests {
		o.of[g] = o.node(&node{guest: g})
		if g.ordinary() {
			o.named[g.Name] = append(o.named[g.Name], g)
		}
	}
	o.applications()
	o.entries()
	o.groups()
	o.implicit()
	for _, n := range o.nodes {
		n.tidy()
	}
	o.breakCircles()
	for _, n := range o.nodes {
		for _, e := range n.needs {
			e.to.needed = append(e.to.needed, n)
		}
	}
	return o
}

func (o *order) node(n *node) *node {
	n.place = len(o.nodes)
	o.nodes = append(o.nodes, n)
	return n
}

// tidy sorts the edges and keeps one of those to the same node: that which is written down, where there is one.
func (n *node) tidy() {
	slices.SortStableFunc(n.needs, func(a, b edge) int { return cmp.Or(a.to.place-b.to.place, int(a.kind)-int(b.kind)) })
	n.needs = slices.CompactFunc(n.needs, func(a, b edge) bool { return a.to == b.to })
}

// entries reads the lab file's guests.
func (o *order) entries() {
	bearers := map[string][]*guest{}
	for _, g := range o.b.guests {
		if g.lab != nil && g.ordinary() {
			bearers[g.lab.Name] = append(bearers[g.lab.Name], g)
		}
	}
	for i, e := range o.b.lab.Guests {
		mine := bearers[e.Name]
		o.checkProviders(&o.b.lab.Guests[i], mine)
		switch {
		case len(mine) > 0 || o.blind():
		case e.Keep:
			o.b.block("guest "+e.Name, "the lab file says keep: true, but vCenter "+e.VCenter+" has no such guest: it may have another name there, and would not be kept",
				"correct its name or uuid in the lab file, or remove the entry")
		case len(e.Provides) > 0:
			o.b.block("guest "+e.Name, "the lab file says that it provides "+provisionWords(e.Provides)+", but vCenter "+e.VCenter+" has no such guest, so nobody knows what stands on it",
				"correct its name or uuid in the lab file, or remove the entry")
		default:
			o.b.warn("guest "+e.Name, "is in the lab file, but vCenter "+e.VCenter+" has no such guest", "correct or remove its entry")
		}
		for _, after := range e.After {
			where := "after: of guest " + e.Name
			for _, to := range o.word(after, e.VCenter, where) {
				o.afterAll(mine, to, where, !strings.HasPrefix(after, groupPrefix))
			}
		}
	}
}

// checkProviders: of two guests that the entry means, a copy or one that another took the place of, nobody knows which it is
// that the others stand on.
func (o *order) checkProviders(e *inventory.Guest, list []*guest) {
	// A host whose storage is missing tells guests without a UUID: they are those that the record knows.
	mine := slices.DeleteFunc(slices.Clone(list), func(g *guest) bool { return g.lab != e || g.UUID == "" })
	if len(e.Provides) > 0 && len(mine) > 1 {
		o.b.block("guest "+e.Name, fmt.Sprintf("the lab file says that it provides %s, but %d guests have this name", provisionWords(e.Provides), len(mine)),
			"add its uuid to its entry under guests: ("+words.Some(uuids(mine), fewNames)+")")
	}
}

func (o *order) groups() {
	for _, group := range o.b.lab.Groups {
		if len(group.After) == 0 {
			continue
		}
		members := o.group(group.Name).members
		for _, after := range group.After {
			where := "after: of group " + group.Name
			for _, to := range o.word(after, "", where) {
				o.afterAll(members, to, where, false)
			}
		}
	}
}

// afterAll says that each of the guests starts after a node. self: one that waits for itself is a mistake.
func (o *order) afterAll(list []*guest, to *node, where string, self bool) {
	apart := 0
	for _, g := range list {
		n := o.of[g]
		if n != to && !to.holds(n) {
			o.add(n, edge{to, edgeAfter, where})
			continue
		}
		if n == to && self {
			o.add(n, edge{to, edgeAfter, where})
		}
		// A guest that would wait for itself only because it is in both groups waits for all others. Two of them would wait for
		// each other: that is a circle already, whatever the third does.
		if apart++; apart > 2 && n.partOf == nil {
			continue
		}
		for _, m := range to.members {
			if m != g {
				o.add(n, edge{o.of[m], edgeAfter, where})
			}
		}
	}
}

// holds tells whether the set has the guest, or another of its application cluster, as a member.
func (n *node) holds(m *node) bool {
	return n.guest == nil && slices.ContainsFunc(n.members, func(g *guest) bool {
		return g == m.guest || m.partOf != nil && slices.Contains(m.partOf.members, g)
	})
}

// add puts an edge in. Who needs one member of an application cluster needs the application, and so all of them.
func (o *order) add(from *node, e edge) {
	if app := e.to.partOf; app != nil && app != from.partOf && app != from {
		e.to = app
	}
	from.needs = append(from.needs, e)
}

const groupPrefix = "group:"

// word finds the nodes that a word of after: means. A group without guests stands for what it comes after itself, as the
// order of those before and after it still holds.
func (o *order) word(word, vcenter, where string) []*node {
	name, isGroup := strings.CutPrefix(word, groupPrefix)
	if !isGroup {
		if g := o.guest(name, vcenter, strings.Replace(where, "after:", "after", 1)); g != nil {
			return []*node{o.of[g]}
		}
		return nil
	}
	n := o.group(name)
	if n == nil {
		o.b.block("group "+name, "is named in "+where+", but there is no such group", "correct the name in the lab file")
		return nil
	}
	if len(n.members) == 1 {
		return []*node{o.of[n.members[0]]}
	}
	return []*node{n}
}

// group is the node of a group; nil: there is none of this name.
func (o *order) group(name string) *node {
	if n, ok := o.sets[name]; ok {
		return n
	}
	group, ok := o.b.lab.Group(name)
	if !ok {
		return nil
	}
	n := o.node(&node{set: "group " + name})
	o.sets[name] = n
	n.members = o.members(*group)
	for _, g := range n.members {
		o.add(n, edge{to: o.of[g], kind: edgeMember})
	}
	if len(n.members) == 0 {
		for _, after := range group.After {
			for _, to := range o.word(after, "", "after: of group "+name) {
				if to != n {
					o.add(n, edge{to, edgeAfter, "after: of group " + name})
				}
			}
		}
	}
	return n
}

// members lists the guests of a group, each once.
func (o *order) members(group inventory.Group) []*guest {
	var list []*guest
	for _, n := range group.Guests {
		if g := o.guest(n, "", "group "+group.Name); g != nil {
			list = append(list, g)
		}
	}
	for _, g := range o.b.guests {
		if group.Tag != "" && g.ordinary() && slices.Contains(g.Tags, group.Tag) {
			list = append(list, g)
		}
	}
	slices.SortFunc(list, func(a, b *guest) int { return o.of[a].place - o.of[b].place })
	return slices.Compact(list)
}

// guest finds the one that is meant; the lab file's entry of the name decides, where there is one.
func (o *order) guest(name, vcenter, where string) *guest {
	found := o.named[name]
	in := func(vc string) []*guest {
		return slices.DeleteFunc(slices.Clone(found), func(g *guest) bool { return g.vc.Name != vc })
	}
	for _, e := range o.b.entriesOf[name] {
		found = slices.DeleteFunc(in(e.VCenter), func(g *guest) bool { return e.UUID != "" && !strings.EqualFold(e.UUID, g.UUID) })
		vcenter = ""
	}
	if here := in(vcenter); vcenter != "" && len(here) > 0 {
		found = here
	}
	switch {
	case len(found) == 1:
		return found[0]
	case len(found) > 1:
		o.b.block("guest "+name, fmt.Sprintf("is named in %s, but %d guests have this name", where, len(found)),
			"list it under guests: with its uuid ("+words.Some(uuids(found), fewNames)+")")
	case !o.blind():
		o.b.block("guest "+name, "is named in "+where+", but no vCenter has such a guest", "correct the name in the lab file")
	}
	return nil
}

// blind tells whether a vCenter could not be read, which is said elsewhere: what is missing may be there.
func (o *order) blind() bool {
	return slices.ContainsFunc(o.b.vcenters, (*vcenter).unread)
}

func uuids(list []*guest) []string {
	out := make([]string, len(list))
	for i, g := range list {
		out[i] = g.UUID
	}
	return out
}

// direct calls fn for each guest that the node needs by an edge of its own, or by one to a set that the guest is in.
func (n *node) direct(fn func(g *guest, e edge)) {
	for _, e := range n.needs {
		if e.to.guest != nil {
			fn(e.to.guest, e)
			continue
		}
		e.to.direct(func(g *guest, _ edge) { fn(g, e) })
	}
}

// all are the guests that the guest needs, directly or through others.
func (o *order) all(g *guest) map[*guest]bool {
	found := map[*guest]bool{}
	seen := map[*node]bool{}
	var visit func(n *node)
	visit = func(n *node) {
		if seen[n] {
			return
		}
		seen[n] = true
		for _, e := range n.needs {
			if e.to.guest != nil {
				found[e.to.guest] = true
			}
			visit(e.to)
		}
	}
	visit(o.of[g])
	return found
}

// sorted lists the nodes, each after those that it needs.
func (o *order) sorted() []*node {
	list := make([]*node, 0, len(o.nodes))
	seen := make([]bool, len(o.nodes))
	var visit func(n *node)
	visit = func(n *node) {
		if seen[n.place] {
			return
		}
		seen[n.place] = true
		for _, e := range n.needs {
			visit(e.to)
		}
		list = append(list, n)
	}
	for _, n := range o.nodes {
		visit(n)
	}
	return list
}
