package inventory

import (
	"fmt"
	"slices"
	"strings"
)

// groupPrefix marks a group in `after`.
const groupPrefix = "group:"

// A link says that one thing in the start order waits for another.
type link struct {
	to    string
	words string // between the two: "after"
	field string // where it is written
}

// order finds cycles in the start order. Its nodes are guests, listed or not, and groups ("group:NAME").
func (c *checker) order() {
	links := c.links()
	var nodes []string // as written, so that the same file gives the same errors
	for _, g := range c.f.Guests {
		nodes = append(nodes, c.node(g.Name, g.VCenter))
	}
	for _, g := range c.f.Groups {
		nodes = append(nodes, groupPrefix+g.Name)
	}
	w := walk{links: links, state: map[string]int{}}
	for _, n := range nodes {
		w.visit(n)
	}
	for _, cycle := range w.cycles {
		text := label(cycle[len(cycle)-1].to)
		for _, l := range cycle {
			text += " " + l.words + " " + label(l.to)
		}
		c.add(cycle[0].field, "the start order goes round in a circle: "+text, "take one of these out")
	}
}

// links are all edges: a guest waits for what it names, and for what its groups name; a group waits for its guests.
func (c *checker) links() map[string][]link {
	out := map[string][]link{}
	add := func(from string, l link) { out[from] = append(out[from], l) }
	for i, g := range c.f.Guests {
		for k, a := range g.After {
			add(c.node(g.Name, g.VCenter), link{c.node(a, g.VCenter), "after", fmt.Sprintf("guests[%d].after[%d]", i, k)})
		}
	}
	for i, g := range c.f.Groups {
		at, name := fmt.Sprintf("groups[%d]", i), groupPrefix+g.Name
		for k, m := range g.Guests {
			add(name, link{c.node(m, ""), "with", fmt.Sprintf("%s.guests[%d]", at, k)})
		}
		for k, a := range g.After {
			l := link{c.node(a, ""), "after", fmt.Sprintf("%s.after[%d]", at, k)}
			add(name, l)
			l.words = fmt.Sprintf("(in %s) after", name)
			for _, m := range g.Guests {
				add(c.node(m, ""), l)
			}
		}
	}
	return out
}

// node is the name; with the vCenter before it where guests of several vCenters have it, and this one is meant.
func (c *checker) node(name, vcenter string) string {
	if vcenter == "" || strings.HasPrefix(name, groupPrefix) {
		return name
	}
	elsewhere := func(g Guest) bool { return g.Name == name && g.VCenter != vcenter }
	here := func(g Guest) bool { return g.Name == name && g.VCenter == vcenter }
	if slices.ContainsFunc(c.f.Guests, elsewhere) && slices.ContainsFunc(c.f.Guests, here) {
		return vcenter + "\x00" + name
	}
	return name
}

func label(node string) string {
	if _, name, ok := strings.Cut(node, "\x00"); ok {
		return name
	}
	return node
}

// A walk goes through the graph depth first and keeps each cycle that it closes.
type walk struct {
	links  map[string][]link
	state  map[string]int // 1: on the path, 2: done
	path   []link
	cycles [][]link
}

func (w *walk) visit(node string) {
	if w.state[node] != 0 {
		return
	}
	w.state[node] = 1
	for _, l := range w.links[node] {
		w.path = append(w.path, l)
		if w.state[l.to] == 1 {
			w.cycles = append(w.cycles, w.closed(l.to))
		} else {
			w.visit(l.to)
		}
		w.path = w.path[:len(w.path)-1]
	}
	w.state[node] = 2
}

// closed is the part of the path that leads from a node back to it.
func (w *walk) closed(node string) []link {
	i := len(w.path) - 1
	for i > 0 && w.path[i-1].to != node {
		i--
	}
	return slices.Clone(w.path[i:])
}
