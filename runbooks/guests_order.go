package runbooks

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"nightshift/internal/plan"
)

// An order says which guests must be up before which: `after` of guests and groups, resolved to the guests that there
// are. Power-up goes along it, power-down against it. It has no circles: those are reported, and their edges dropped.
type order struct {
	b     *builder
	place map[*guest]int      // in view.guests, to list things in a fixed order
	deps  map[*guest][]*guest // that must be up before
	named map[string][]*guest
}

func newOrder(b *builder) *order {
	o := &order{b: b, place: map[*guest]int{}, deps: map[*guest][]*guest{}, named: map[string][]*guest{}}
	for i, g := range b.guests {
		o.place[g] = i
		if g.ordinary() {
			o.named[g.Name] = append(o.named[g.Name], g)
		}
	}
	o.entries()
	o.groups()
	for g, list := range o.deps { // each by itself: the order of the map does not matter
		o.sort(list)
		o.deps[g] = slices.Compact(list)
	}
	o.breakCircles()
	return o
}

func (o *order) sort(list []*guest) {
	slices.SortFunc(list, func(a, b *guest) int { return o.place[a] - o.place[b] })
}

// entries reads the lab file's guests.
func (o *order) entries() {
	bearers := map[string][]*guest{}
	for _, g := range o.b.guests {
		if g.lab != nil && g.ordinary() {
			bearers[g.lab.Name] = append(bearers[g.lab.Name], g)
		}
	}
	for _, e := range o.b.lab.Guests {
		mine := bearers[e.Name]
		switch {
		case len(mine) > 0 || o.blind():
		case e.Keep:
			o.b.block("guest "+e.Name, "the lab file says keep: true, but vCenter "+e.VCenter+" has no such guest: it may have another name there, and would not be kept",
				"correct its name or uuid in the lab file, or remove the entry")
		default:
			o.b.warn("guest "+e.Name, "is in the lab file, but vCenter "+e.VCenter+" has no such guest", "correct or remove its entry")
		}
		for _, after := range e.After {
			for _, dep := range o.before(after, e.VCenter, "after of guest "+e.Name, nil) {
				for _, g := range mine {
					o.add(g, dep, !strings.HasPrefix(after, groupPrefix))
				}
			}
		}
	}
}

func (o *order) groups() {
	for _, group := range o.b.lab.Groups {
		members := o.resolve(groupPrefix+group.Name, "", "groups")
		for _, after := range group.After {
			for _, dep := range o.before(after, "", "after of group "+group.Name, []string{group.Name}) {
				for _, g := range members {
					o.add(g, dep, false)
				}
			}
		}
	}
}

// add says that g starts after dep. A guest that waits for itself only because it is in both groups does not.
func (o *order) add(g, dep *guest, self bool) {
	if g != dep || self {
		o.deps[g] = append(o.deps[g], dep)
	}
}

// before finds the guests that a word of after: means. Through a group that has no guests it looks further, as the order of
// those before and after it still holds.
func (o *order) before(word, vcenter, where string, through []string) []*guest {
	found := o.resolve(word, vcenter, where)
	name, isGroup := strings.CutPrefix(word, groupPrefix)
	if group, ok := o.b.lab.Group(name); isGroup && ok && len(found) == 0 && !slices.Contains(through, name) {
		for _, after := range group.After {
			found = append(found, o.before(after, "", "after of group "+name, append(slices.Clone(through), name))...)
		}
	}
	return found
}

const groupPrefix = "group:"

// resolve finds the guests that a word of the lab file means; vcenter is where it is looked for first.
func (o *order) resolve(word, vcenter, where string) []*guest {
	name, isGroup := strings.CutPrefix(word, groupPrefix)
	if !isGroup {
		if g := o.guest(name, vcenter, where); g != nil {
			return []*guest{g}
		}
		return nil
	}
	group, ok := o.b.lab.Group(name)
	if !ok {
		o.b.block("group "+name, "is named in "+where+", but there is no such group", "correct the name in the lab file")
		return nil
	}
	var members []*guest
	for _, n := range group.Guests {
		if g := o.guest(n, "", "group "+name); g != nil {
			members = append(members, g)
		}
	}
	for _, g := range o.b.guests {
		if group.Tag != "" && g.ordinary() && slices.Contains(g.Tags, group.Tag) {
			members = append(members, g)
		}
	}
	o.sort(members)
	return slices.Compact(members)
}

// guest finds the one that is meant; the lab file's entry of the name decides, where there is one.
func (o *order) guest(name, vcenter, where string) *guest {
	found := o.named[name]
	in := func(vc string) []*guest {
		return slices.DeleteFunc(slices.Clone(found), func(g *guest) bool { return g.vc.Name != vc })
	}
	for _, e := range o.b.lab.Guests {
		if e.Name == name {
			found = slices.DeleteFunc(in(e.VCenter), func(g *guest) bool { return e.UUID != "" && !strings.EqualFold(e.UUID, g.UUID) })
			vcenter = ""
		}
	}
	if here := in(vcenter); vcenter != "" && len(here) > 0 {
		found = here
	}
	switch {
	case len(found) == 1:
		return found[0]
	case len(found) > 1:
		o.b.block("guest "+name, fmt.Sprintf("is named in %s, but %d guests have this name", where, len(found)),
			"list it under guests: with its uuid ("+some(uuids(found))+")")
	case !o.blind():
		o.b.block("guest "+name, "is named in "+where+", but no vCenter has such a guest", "correct the name in the lab file")
	}
	return nil
}

// blind tells whether a vCenter could not be read, which is a blocker already: what is missing may be there.
func (o *order) blind() bool {
	return slices.ContainsFunc(o.b.vcenters, func(vc *vcenter) bool { return vc.live == nil })
}

func uuids(list []*guest) []string {
	out := make([]string, len(list))
	for i, g := range list {
		out[i] = g.UUID
	}
	return out
}

// nearest lists the guests of the set that must be up before g, looking through guests that are not in the set: a
// machine that is off does not undo the order of those before and after it.
func (o *order) nearest(g *guest, inSet func(*guest) bool) []*guest {
	var found []*guest
	seen := map[*guest]bool{g: true}
	for next := []*guest{g}; len(next) > 0; next = next[1:] {
		for _, dep := range o.deps[next[0]] {
			if seen[dep] {
				continue
			}
			seen[dep] = true
			if inSet(dep) {
				found = append(found, dep)
			} else {
				next = append(next, dep)
			}
		}
	}
	o.sort(found)
	return found
}

// sorted lists the guests of a set, each after those that must be up before it, through others that are not in the set.
func (o *order) sorted(inSet func(*guest) bool) []*guest {
	var list []*guest
	seen := map[*guest]bool{}
	var visit func(g *guest)
	visit = func(g *guest) {
		if seen[g] {
			return
		}
		seen[g] = true
		for _, dep := range o.deps[g] {
			visit(dep)
		}
		if inSet(g) {
			list = append(list, g)
		}
	}
	for _, g := range o.b.guests {
		visit(g)
	}
	return list
}

// breakCircles reports a circle and takes the edges between all guests that are in one out of the order.
func (o *order) breakCircles() {
	inCircle := o.circular()
	if len(inCircle) == 0 {
		return
	}
	path := []*guest{}
	g := slices.MinFunc(slices.Collect(maps.Keys(inCircle)), func(a, b *guest) int { return o.place[a] - o.place[b] })
	for !slices.Contains(path, g) {
		path = append(path, g)
		i := slices.IndexFunc(o.deps[g], func(d *guest) bool { return inCircle[d] })
		g = o.deps[g][i]
	}
	path = append(path[slices.Index(path, g):], g)
	names := make([]string, len(path))
	for i, g := range path {
		names[i] = g.id
	}
	o.b.block("guest "+path[0].id, "the order goes in a circle: "+strings.Join(names, " after "),
		"take one of these out of after: in the lab file (of the guests, or of their groups)")
	for g := range inCircle { // each by itself: the order of the map does not matter
		o.deps[g] = slices.DeleteFunc(o.deps[g], func(d *guest) bool { return inCircle[d] })
	}
}

// circular are the guests in circles or between two of them: what is left when ends are taken off again and again.
func (o *order) circular() map[*guest]bool {
	left := map[*guest]bool{}
	dependents := map[*guest][]*guest{}
	for g, deps := range o.deps { // into a set: the order does not matter
		left[g] = true
		for _, d := range deps {
			left[d] = true
			dependents[d] = append(dependents[d], g)
		}
	}
	trim := func(from, back map[*guest][]*guest) {
		open := map[*guest]int{}
		var free []*guest
		for g := range left {
			for _, d := range from[g] {
				if left[d] {
					open[g]++
				}
			}
			if open[g] == 0 {
				free = append(free, g)
			}
		}
		for ; len(free) > 0; free = free[1:] {
			delete(left, free[0])
			for _, g := range back[free[0]] {
				if open[g]--; open[g] == 0 {
					free = append(free, g)
				}
			}
		}
	}
	trim(o.deps, dependents)
	trim(dependents, o.deps)
	return left
}

// remembered is the ledger's key of the guest, with what a person wants to see of it.
func (g *guest) remembered() plan.RememberedGuest {
	return plan.RememberedGuest{Endpoint: g.vc.Name, UUID: g.UUID, Name: g.Name}
}
