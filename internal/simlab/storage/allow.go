package storage

import (
	"maps"
	"slices"
	"strings"
)

// grants are the permissions of a dataset: of users, here and in what lies in it.
type grants map[string]map[string]reach // user, permission

// A reach is where a permission counts.
type reach struct{ local, descendent bool }

// may says whether the user may do something with a thing: root may. Snapshots are only descendents of their dataset
// (dsl_deleg_access_impl).
func (t *tool) may(x *thing, permissions ...string) bool {
	if t.user == root {
		return true
	}
	for _, p := range permissions {
		if !t.permits(x.d, x.s != nil, p) {
			return false
		}
	}
	return true
}

func (t *tool) permits(d *dataset, below bool, permission string) bool {
	for ; d != nil; d = d.parent() {
		r := d.pool.allowed[d.name][t.user][permission]
		if r.local && !below || r.descendent && below {
			return true
		}
		below = true
	}
	return false
}

// allow is zfs allow: with one argument it tells what is allowed.
func (t *tool) allow() int {
	if len(t.args) == 1 {
		x := t.open(t.args[0])
		if x == nil {
			return 1
		}
		t.tellAllowed(x.d)
		return 0
	}
	return t.grant(func(g map[string]reach, p string, r reach) {
		old := g[p]
		g[p] = reach{old.local || r.local, old.descendent || r.descendent}
	})
}

func (t *tool) unallow() int {
	return t.grant(func(g map[string]reach, p string, r reach) {
		old := g[p]
		g[p] = reach{old.local && !r.local, old.descendent && !r.descendent}
		if g[p] == (reach{}) {
			delete(g, p)
		}
	})
}

func (t *tool) grant(change func(map[string]reach, string, reach)) int {
	who := t.last('u', "")
	if who == "" {
		return t.wrong("no user, group, or everyone specified")
	}
	x := t.open(t.args[len(t.args)-1])
	if x == nil {
		return 1
	}
	if t.user != root && !t.permits(x.d, false, "allow") {
		return t.fail("cannot set permissions on '%s': permission denied", x.name())
	}
	r := reach{true, true}
	if t.has('l') != t.has('d') {
		r = reach{t.has('l'), t.has('d')}
	}
	if x.d.pool.allowed[x.d.name] == nil {
		x.d.pool.allowed[x.d.name] = grants{}
	}
	for _, user := range strings.Split(who, ",") {
		g := x.d.pool.allowed[x.d.name]
		if g[user] == nil {
			g[user] = map[string]reach{}
		}
		names := slices.Collect(maps.Keys(g[user]))
		if len(t.args) > 1 {
			names = strings.Split(t.args[0], ",")
		}
		for _, p := range names {
			change(g[user], p, r)
		}
	}
	return 0
}

// tellAllowed prints them as zfs does, of the dataset and of all above.
func (t *tool) tellAllowed(d *dataset) {
	for ; d != nil; d = d.parent() {
		g := d.pool.allowed[d.name]
		kinds := []struct {
			title string
			is    reach
		}{{"Local permissions:", reach{true, false}}, {"Descendent permissions:", reach{false, true}}, {"Local+Descendent permissions:", reach{true, true}}}
		var text strings.Builder
		for _, k := range kinds {
			first := true
			for _, user := range slices.Sorted(maps.Keys(g)) {
				var names []string
				for _, p := range slices.Sorted(maps.Keys(g[user])) {
					if g[user][p] == k.is {
						names = append(names, p)
					}
				}
				if len(names) == 0 {
					continue
				}
				if first {
					text.WriteString(k.title + "\n")
					first = false
				}
				text.WriteString("\tuser " + user + " " + strings.Join(names, ",") + "\n")
			}
		}
		if text.Len() > 0 {
			head := "---- Permissions on " + d.name + " "
			t.print("%s%s\n%s", head, strings.Repeat("-", max(0, 70-len(head))), text.String())
		}
	}
}
