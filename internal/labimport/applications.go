package labimport

import (
	"cmp"
	"slices"
	"strings"

	"nightshift/internal/live"
	"nightshift/internal/words"
)

// A cluster of an application inside guests, as far as it shows from outside.
type application struct {
	guests  []*guest
	reasons []string
	name    string
}

// mostMembers is how many guests a cluster of an application may have: larger sets that are kept apart are something else.
const mostMembers = 16

// applications are sets of guests that share disks, or that a rule keeps on different hosts.
func (d *draft) applications() []*application {
	var out []*application
	add := func(guests []*guest, name, reason string) {
		if len(guests) < 2 || len(guests) > mostMembers {
			return
		}
		for _, a := range out {
			if slices.Equal(a.guests, guests) {
				a.reasons = append(a.reasons, reason)
				return
			}
		}
		out = append(out, &application{guests, []string{reason}, name})
	}
	for _, s := range d.sharedDisks() {
		add(s.guests, "", s.reason)
	}
	for _, c := range d.sortedClusters() {
		for _, r := range rules(c) {
			if r.Kind == live.RuleApart {
				add(d.of(r.Guests), r.Name, "rule "+r.Name+" keeps them on different hosts")
			}
		}
	}
	return out
}

type shared struct {
	guests []*guest
	reason string
}

// sharedDisks joins guests that share disks, directly or through others.
func (d *draft) sharedDisks() []shared {
	users := map[string][]*guest{}
	for _, g := range d.guests {
		for _, x := range g.setup.Disks {
			if g.entry && !slices.Contains(users[x.Path], g) {
				users[x.Path] = append(users[x.Path], g)
			}
		}
	}
	root := map[*guest]*guest{}
	var top func(g *guest) *guest
	top = func(g *guest) *guest {
		if root[g] == nil || root[g] == g {
			return g
		}
		root[g] = top(root[g])
		return root[g]
	}
	disks := map[string]bool{}
	for _, path := range sortedKeys(users) {
		if list := users[path]; len(list) > 1 {
			disks[path] = true
			for _, g := range list[1:] {
				root[top(g)] = top(list[0])
			}
		}
	}
	sets, paths := map[*guest][]*guest{}, map[*guest][]string{}
	for _, path := range sortedKeys(disks) {
		t := top(users[path][0])
		paths[t] = append(paths[t], path)
	}
	for _, g := range d.guests {
		if t := top(g); len(paths[t]) > 0 {
			sets[t] = append(sets[t], g)
		}
	}
	var out []shared
	for t, guests := range sets {
		out = append(out, shared{guests, "they share " + words.Some(paths[t], fewNames) + how(guests)})
	}
	slices.SortFunc(out, func(a, b shared) int { return cmp.Compare(a.guests[0].Name, b.guests[0].Name) })
	return out
}

// how they share them.
func how(guests []*guest) string {
	multi := slices.ContainsFunc(guests, func(g *guest) bool {
		return slices.ContainsFunc(g.setup.Disks, func(x live.Disk) bool { return x.MultiWriter })
	})
	switch {
	case multi:
		return " (multi-writer)"
	case slices.ContainsFunc(guests, func(g *guest) bool { return g.setup.SharedBus }):
		return " (shared SCSI bus)"
	}
	return ""
}

func (d *draft) writeApplications(w *writer) {
	list := d.applications()
	if len(list) == 0 {
		return
	}
	w.heading("? Clusters of applications inside guests (Pacemaker, Patroni, WSFC, …) would fail over, or fence, when their members go down one " +
		"by one. Is one of these such a cluster? Say where its commands run, over SSH, and which they are; then it stops before its members do. " +
		"The members have to be listed under guests:, too, if only by name.")
	w.proposal(0, "applicationClusters:")
	taken := map[string]bool{}
	for _, a := range list {
		name := unused(taken, plain(cmp.Or(a.name, stem(names(a.guests))), "cluster"))
		w.proposal(0, "  # "+words.Some(names(a.guests), fewNames)+": "+strings.Join(a.reasons, "; "))
		w.proposal(0, "  - name: "+quoted(name))
		w.proposal(0, "    members: "+listOf(names(a.guests)))
		w.proposal(0, "    at: [{address: ADDRESS-OF-A-MEMBER, user: USER, key: FILE}]")
		w.proposal(0, "    status: [COMMAND, that-tells]")
		w.proposal(0, "    stop: [COMMAND, that-stops-it]")
		w.proposal(0, "    start: [COMMAND, that-starts-it]")
	}
}

// stem is what names have in common at their beginning.
func stem(names []string) string {
	s := names[0]
	for _, n := range names[1:] {
		for !strings.HasPrefix(n, s) {
			s = s[:len(s)-1]
		}
	}
	return strings.TrimRight(s, "0123456789-_. ")
}
