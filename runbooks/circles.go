package runbooks

import (
	"slices"
	"strings"
)

// breakCircles reports the circles of the order, one for each knot of them, and takes the edges between all that are in
// one out of it. A circle of groups that have no guests is none.
func (o *order) breakCircles() {
	for _, knot := range o.knots() {
		in := map[*node]bool{}
		for _, n := range knot {
			in[n] = true
		}
		o.report(knot, in)
		for _, n := range knot {
			n.needs = slices.DeleteFunc(n.needs, func(e edge) bool { return in[e.to] })
		}
	}
}

// report tells one circle of the knot, and what each of its edges comes from.
func (o *order) report(knot []*node, in map[*node]bool) {
	n := slices.MinFunc(knot, func(a, b *node) int { return a.place - b.place })
	if n.guest == nil { // guests have the first places
		return
	}
	path := o.shortest(n, in)
	var reasons []string
	names := []string{n.guest.id}
	for i := 0; i < len(path); i++ {
		e := path[i]
		for e.to.guest == nil && i+1 < len(path) { // through a set to its member
			i++
			if set := e.to; set.app != nil {
				e.what += ", with the others of " + set.set
			}
			e = edge{path[i].to, e.kind, e.what}
		}
		if e.to.guest == nil {
			continue
		}
		reasons = append(reasons, e.reason(names[len(names)-1]))
		names = append(names, e.to.guest.id)
	}
	o.b.block(n.guest.subject(), "the order goes in a circle: "+strings.Join(names, " after ")+" ("+strings.Join(reasons, "; ")+")",
		"take one of these out of after: in the lab file, or move the files of a guest to another datastore")
}

// reason says in a sentence why one guest needs the other.
func (e edge) reason(from string) string {
	to := e.to.guest.id
	switch e.kind {
	case edgeFiles:
		return "guest " + from + " needs guest " + to + ", which provides datastore " + e.what + " (its files lie there)"
	case edgeKeys:
		return "guest " + from + " needs guest " + to + ", which provides " + e.what + " (it is encrypted)"
	case edgeTier:
		return "guest " + from + " needs guest " + to + ", which provides " + e.what
	case edgeMember:
		return "guest " + to + " is a member with guest " + from
	}
	return "guest " + from + " comes after guest " + to + " by " + e.what
}

// shortest is the shortest way from the node back to itself within the knot.
func (o *order) shortest(start *node, in map[*node]bool) []edge {
	type step struct {
		by   edge
		from *node
	}
	came := map[*node]step{}
	for next := []*node{start}; len(next) > 0; next = next[1:] {
		for _, e := range next[0].needs {
			if _, seen := came[e.to]; seen || !in[e.to] {
				continue
			}
			came[e.to] = step{e, next[0]}
			if e.to != start {
				next = append(next, e.to)
				continue
			}
			var path []edge
			for n := start; ; {
				s := came[n]
				path = append(path, s.by)
				if n = s.from; n == start {
					slices.Reverse(path)
					return path
				}
			}
		}
	}
	return nil
}

// knots are the strongly connected parts of the order that have a circle (Tarjan).
func (o *order) knots() (knots [][]*node) {
	index, low := make([]int, len(o.nodes)), make([]int, len(o.nodes))
	on := make([]bool, len(o.nodes))
	var stack []*node
	count := 0
	var visit func(n *node)
	visit = func(n *node) {
		count++
		index[n.place], low[n.place] = count, count
		stack, on[n.place] = append(stack, n), true
		loop := false
		for _, e := range n.needs {
			loop = loop || e.to == n
			if index[e.to.place] == 0 {
				visit(e.to)
				low[n.place] = min(low[n.place], low[e.to.place])
			} else if on[e.to.place] {
				low[n.place] = min(low[n.place], index[e.to.place])
			}
		}
		if low[n.place] != index[n.place] {
			return
		}
		i := len(stack) - 1
		for stack[i] != n {
			i--
		}
		part := slices.Clone(stack[i:])
		stack = stack[:i]
		for _, m := range part {
			on[m.place] = false
		}
		if len(part) > 1 || loop {
			knots = append(knots, part)
		}
	}
	for _, n := range o.nodes {
		if index[n.place] == 0 {
			visit(n)
		}
	}
	return knots
}
