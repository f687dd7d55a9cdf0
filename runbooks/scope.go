package runbooks

import (
	"fmt"
	"strings"

	"nightshift/internal/inventory"
	"nightshift/internal/plan"
	"nightshift/internal/words"
)

const (
	paramHost    = "host"
	paramCluster = "cluster"
	paramVM      = "vm"
)

// scopeParameters are those by which a run is about a part of the lab.
func scopeParameters() []Parameter {
	return []Parameter{
		{Name: paramHost, Type: TypeString, Help: "only these hosts, with their guests: names, with commas between them"},
		{Name: paramCluster, Type: TypeString, Help: "only the hosts and guests of these clusters"},
		{Name: paramUPS, Type: TypeString, Help: "on account of these UPSes: only the hosts that they feed, unless host or cluster says otherwise; down as their policy has it, with a point of no return"},
		{Name: paramVM, Type: TypeString, Help: "only these guests, and no host but those of host and cluster"},
	}
}

// A scope is the part of the lab that a run is about.
type scope struct {
	whole  bool
	hosts  map[*host]bool
	guests map[*guest]bool // named one by one
	said   []string        // "host esx21"
}

func (b *builder) newScope(parameters map[string]string) *scope {
	s := &scope{hosts: map[*host]bool{}, guests: map[*guest]bool{}}
	split := func(param string) (names []string) {
		names = namesIn(parameters[param])
		for _, name := range names {
			s.said = append(s.said, param+" "+name)
		}
		return names
	}
	hosts, clusters, guests := split(paramHost), split(paramCluster), split(paramVM)
	if s.whole = len(s.said) == 0; s.whole && len(b.upses) > 0 {
		b.scopeFed(s)
	}
	for _, name := range hosts {
		b.scopeHost(s, name)
	}
	for _, name := range clusters {
		b.scopeCluster(s, name)
	}
	for _, name := range guests {
		b.scopeGuest(s, name)
	}
	return s
}

func (s *scope) host(h *host) bool { return s.whole || s.hosts[h] }

func (s *scope) guest(g *guest) bool {
	return s.whole || s.guests[g] || g.host != nil && s.hosts[g.host]
}

func (b *builder) scopeHost(s *scope, name string) {
	var known []string
	for _, h := range b.hosts {
		known = append(known, h.id)
		if h.id != name && (h.live == nil || !strings.EqualFold(h.live.Name, name)) {
			continue
		}
		s.hosts[h] = true
		if h.kept != "" && len(b.upses) == 0 {
			b.block(h.subject(), "was asked for, but is left alone: "+h.kept, "leave it out, or correct the lab file")
		}
		return
	}
	b.unknown("host", name, "the lab has no such host", known)
}

func (b *builder) scopeCluster(s *scope, name string) {
	var known []string
	found := false
	for _, c := range b.clusters {
		known = append(known, c.id)
		if c.id != name && c.Name != name {
			continue
		}
		found = true
		for _, h := range c.hosts {
			s.hosts[h] = true
		}
	}
	if !found {
		b.unknown("cluster", name, "no vCenter has such a cluster", known)
	}
}

func (b *builder) scopeGuest(s *scope, name string) {
	var known, found []string
	for _, g := range b.guests {
		if !g.ordinary() {
			continue
		}
		known = append(known, g.id)
		if g.id != name && g.Name != name {
			continue
		}
		found = append(found, g.id)
		s.guests[g] = true
		if g.kept != "" {
			b.block(g.subject(), "was asked for, but is left alone: "+g.kept, "leave it out, or correct the lab file")
		}
	}
	switch len(found) {
	case 0:
		b.unknown("guest", name, "no vCenter has such a guest", known)
	case 1:
	default:
		b.block("guest "+name, fmt.Sprintf("was asked for, but %d guests have this name", len(found)), "say which: "+words.Some(found, fewNames))
	}
}

func (b *builder) unknown(kind, name, text string, known []string) {
	remedy := "give the name as it is in vCenter"
	if near := inventory.Nearest(name, known); near != "" {
		remedy = fmt.Sprintf("did you mean %q?", near)
	}
	there := "; there is none"
	if len(known) > 0 {
		there = "; there are: " + words.Some(known, fewNames)
	}
	b.block(strings.TrimSpace(kind+" "+name), text+there, remedy)
}

// done is how a plan without steps says that nothing is to be done. What is only left alone is neither up nor down by that.
func (b *builder) done(s *scope, state string) string {
	if why := b.allLeft(s); why != "" {
		return plan.AllLeft + " (" + why + ")"
	}
	state = "lab " + b.lab.Lab + " " + state
	if s.whole {
		return state
	}
	return state + ", as far as was asked for (" + words.Some(s.said, fewNames) + ")"
}

// allLeft says why, where every host that the run is about is one that no run touches, or there is none at all.
func (b *builder) allLeft(s *scope) (why string) {
	switch {
	case len(s.guests) > 0:
		return ""
	case len(b.hosts) == 0:
		return "the lab file has no hosts, so there is nothing to power down or up"
	}
	for _, h := range b.hosts {
		switch {
		case !s.host(h):
		case h.kept == "":
			return ""
		case h.lab != nil && h.lab.Keep:
			why = "keep: true"
		case why == "":
			why = h.kept
		}
	}
	return why
}
