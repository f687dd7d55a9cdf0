package labimport

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"nightshift/internal/live"
	"nightshift/internal/words"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// guessOrder guesses what starts after what, the best reasons first. What would make a circle with a better one is left out.
func (d *draft) guessOrder() {
	taken := map[string]bool{}
	for _, c := range d.sortedClusters() {
		for _, r := range rules(c) {
			if r.Kind == live.RuleAfter {
				d.afterRule(taken, r)
			}
		}
	}
	for _, v := range d.in.Setup.VApps {
		d.inOrder(taken, v.Order, "vApp "+v.Name)
	}
	for _, h := range d.hosts {
		d.inOrder(taken, h.setup.AutoStart, "the autostart of host "+h.name)
	}
	for _, c := range d.sortedClusters() {
		d.byPriority(taken, c)
	}
}

func (d *draft) sortedClusters() []live.ClusterSetup {
	return slices.SortedFunc(slices.Values(d.in.Setup.Clusters), func(a, b live.ClusterSetup) int {
		return cmp.Or(cmp.Compare(d.clusters[a.Ref].Name, d.clusters[b.Ref].Name), cmp.Compare(a.Ref, b.Ref))
	})
}

func rules(c live.ClusterSetup) []live.Rule {
	return slices.SortedStableFunc(slices.Values(c.Rules), func(a, b live.Rule) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Kind, b.Kind), slices.Compare(a.Guests, b.Guests))
	})
}

func (d *draft) sortedClusterRefs() []string {
	return slices.SortedFunc(maps.Keys(d.clusters), func(a, b string) int {
		return cmp.Or(cmp.Compare(d.clusters[a].Name, d.clusters[b].Name), cmp.Compare(a, b))
	})
}

// afterRule is a dependency rule of a cluster: its guests start after those of another group.
func (d *draft) afterRule(taken map[string]bool, r live.Rule) {
	later, earlier := d.of(r.Guests), d.of(r.Before)
	from := "from rule " + r.Name
	d.afterAll(taken, later, earlier, from, cmp.Or(r.Group, r.Name+"-later"), cmp.Or(r.BeforeGroup, r.Name+"-first"))
}

// inOrder lets each place of an order wait for the one before it.
func (d *draft) inOrder(taken map[string]bool, order []live.StartOrder, what string) {
	var before []*guest
	place := 0
	for _, s := range order {
		now := d.of(s.Guests)
		if len(now) == 0 {
			continue
		}
		from := fmt.Sprintf("from %s: it starts these at %d, those at %d", what, s.Place, place)
		if len(now) == 1 && len(before) == 1 {
			from = fmt.Sprintf("from %s: places %d and %d", what, s.Place, place)
		}
		name := strings.TrimPrefix(strings.TrimPrefix(what, "vApp "), "the ")
		d.afterAll(taken, now, before, from, fmt.Sprintf("%s-%d", name, s.Place), fmt.Sprintf("%s-%d", name, place))
		before, place = now, s.Place
	}
}

// mostEdges is how many entries of after: a person reads better than two groups.
const mostEdges = 12

// afterAll lets guests wait for others: one by one where these are few, else as groups.
func (d *draft) afterAll(taken map[string]bool, later, earlier []*guest, from, laterName, earlierName string) {
	switch {
	case len(later) == 0 || len(earlier) == 0:
	case len(later)*len(earlier) <= mostEdges:
		for _, g := range later {
			for _, e := range earlier {
				d.after(g, e, from)
			}
		}
	default:
		a, b := d.group(taken, laterName, later, from), d.group(taken, earlierName, earlier, from)
		d.groupAfter(a, b, from)
	}
}

// after lets one guest wait for another.
func (d *draft) after(g, e *guest, from string) {
	for i, s := range g.after {
		if s.value == e.Name {
			g.after[i].from += "; " + from
			return
		}
	}
	if g == e {
		return
	}
	if d.reach(e.Ref)[g.Ref] {
		d.leftOut = append(d.leftOut, fmt.Sprintf("%s after %s (%s)", g.Name, e.Name, from))
		return
	}
	if d.reach(g.Ref)[e.Ref] { // it waits for it already, through others
		return
	}
	g.after = append(g.after, said{e.Name, from})
	d.needs[g.Ref] = append(d.needs[g.Ref], e.Ref)
}

// group finds the group of these guests, or makes one.
func (d *draft) group(taken map[string]bool, name string, guests []*guest, from string) *group {
	for _, x := range d.groups {
		if slices.Equal(x.guests, guests) {
			return x
		}
	}
	x := &group{name: unused(taken, plain(name, "group")), guests: guests, from: from}
	d.groups = append(d.groups, x)
	for _, g := range guests {
		d.needs[groupPrefix+x.name] = append(d.needs[groupPrefix+x.name], g.Ref)
	}
	return x
}

func (d *draft) groupAfter(a, b *group, from string) {
	needed := d.reach(groupPrefix + b.name)
	if i := slices.IndexFunc(a.guests, func(g *guest) bool { return needed[g.Ref] }); i >= 0 {
		d.leftOut = append(d.leftOut, fmt.Sprintf("group %s after group %s (%s; %s is the other way round)", a.name, b.name, from, a.guests[i].Name))
		return
	}
	a.after = append(a.after, said{groupPrefix + b.name, from})
	for _, g := range a.guests {
		d.needs[g.Ref] = append(d.needs[g.Ref], groupPrefix+b.name)
	}
}

// priorities of vSphere HA, those that it restarts first at the beginning.
var priorities = []string{"highest", "high", "medium", "low", "lowest"}

// byPriority lets guests that HA restarts later wait for those that it restarts before. Those of the cluster's own priority are
// a group where they are few; of many, a person is asked which of them it is true of.
func (d *draft) byPriority(taken map[string]bool, c live.ClusterSetup) {
	cluster := d.clusters[c.Ref]
	by := map[string][]string{}
	for _, ref := range sortedKeys(c.RestartPriority) {
		p := c.RestartPriority[ref]
		by[p] = append(by[p], ref)
	}
	rest := d.withoutPriority(c)
	usual := cluster.HA && len(rest) > 0 && slices.ContainsFunc(priorities, func(p string) bool { return p != c.DefaultPriority && len(d.of(by[p])) > 0 })
	many := usual && len(rest) > mostGuests
	if usual && !many {
		by[c.DefaultPriority] = append(by[c.DefaultPriority], rest...)
	}
	var before *group
	passed := false // the level of the many
	for _, p := range priorities {
		guests := d.of(by[p])
		if len(guests) > 0 {
			from := "from vSphere HA: restart priority " + p + " in cluster " + cluster.Name
			now := d.group(taken, cluster.Name+"-ha-"+p, guests, from)
			if before != nil {
				d.groupAfter(now, before, from)
			}
			if passed {
				d.asks = append(d.asks, ask{fmt.Sprintf("? vSphere HA restarts group %s (priority %s) after %s of cluster %s, which have its default, %s. Which of those does it need? Then add to the group:",
					now.name, p, words.Count(len(rest), "guest"), cluster.Name, c.DefaultPriority), "after: [GUEST]"})
				passed = false
			}
			before = now
		}
		if many && p == c.DefaultPriority {
			passed = true
			if before != nil {
				d.asks = append(d.asks, ask{fmt.Sprintf("? vSphere HA restarts %s of cluster %s, which have its default priority, %s, after group %s. Which of them need that? These say under guests:",
					words.Count(len(rest), "guest"), cluster.Name, p, before.name), "after: [" + quoted(groupPrefix+before.name) + "]"})
			}
		}
	}
}

// withoutPriority lists the guests of a cluster that have no restart priority of their own.
func (d *draft) withoutPriority(c live.ClusterSetup) (refs []string) {
	in := map[string]bool{}
	for _, h := range d.in.Live.Hosts {
		in[h.Ref] = h.Cluster == c.Ref
	}
	for _, g := range d.guests {
		if _, own := c.RestartPriority[g.Ref]; g.entry && in[g.Host] && !own {
			refs = append(refs, g.Ref)
		}
	}
	return refs
}

// reach are the guests and groups that one needs, itself among them only in a circle.
func (d *draft) reach(from string) map[string]bool {
	seen := map[string]bool{}
	for next := slices.Clone(d.needs[from]); len(next) > 0; {
		n := next[len(next)-1]
		next = next[:len(next)-1]
		if !seen[n] {
			seen[n] = true
			next = append(next, d.needs[n]...)
		}
	}
	return seen
}
