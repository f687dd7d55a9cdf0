package runbooks

import (
	"cmp"
	"slices"
	"strings"

	"nightshift/internal/inventory"
)

// What the lab itself stands on, its foundation, is declared by `provides:`. The guests of the foundation go down after all
// others and come up before them, in tiers, and where the vCenter is among them, through their hosts' own APIs. What a
// guest of the foundation comes after is of the foundation, too.

// tiers are the kinds of provisions in the order in which a lab needs them when it comes up.
var tiers = []string{inventory.ProvidesDatastore, inventory.ProvidesDNS, inventory.ProvidesNTP, inventory.ProvidesIdentity,
	inventory.ProvidesKeys, inventory.ProvidesVCenter}

// Tiers of guests that provide nothing.
const (
	tierNone    = -2 // not of the foundation
	tierBeneath = -1 // provides nothing by itself, but a guest of the foundation needs it
)

// tierOf is that of the first thing that is provided: what comes before it, the provider needs.
func tierOf(list []inventory.Provision) int {
	first := tierNone
	for _, p := range list {
		kind, _ := p.Split()
		if t := slices.Index(tiers, kind); t >= 0 && (first == tierNone || t < first) {
			first = t
		}
	}
	return first
}

func (g *guest) foundation() bool { return g.tier != tierNone }

// provides tells whether the guest provides the kind; with a name, only the thing of that name or all of the kind.
func provides(list []inventory.Provision, kind, name string) bool {
	return slices.ContainsFunc(list, func(p inventory.Provision) bool {
		k, n := p.Split()
		return k == kind && (name == "" || n == "" || n == name)
	})
}

func (g *guest) provides(kind, name string) bool {
	return g.lab != nil && g.ordinary() && provides(g.lab.Provides, kind, name)
}

func (h *host) provides(kind, name string) bool {
	return h.lab != nil && provides(h.lab.Provides, kind, name)
}

// storage tells whether the guest provides a datastore.
func (g *guest) storage() bool { return g.provides(inventory.ProvidesDatastore, "") }

// vcenterGuest is the one that the vCenter runs in; nil: none of this lab, or it cannot be seen.
func (v *view) vcenterGuest(vc *vcenter) *guest {
	i := slices.IndexFunc(v.guests, func(g *guest) bool { return g.provides(inventory.ProvidesVCenter, vc.Name) })
	if i < 0 {
		return nil
	}
	return v.guests[i]
}

// stands is what a person reads of why the guest goes down late and comes up early.
func (g *guest) stands() string {
	if g.lab != nil && len(g.lab.Provides) > 0 {
		return "provides " + provisionWords(g.lab.Provides)
	}
	return "is needed by what the lab stands on"
}

func provisionWords(list []inventory.Provision) string {
	words := make([]string, len(list))
	for i, p := range list {
		kind, name := p.Split()
		words[i] = strings.TrimSpace(kind + " " + name)
	}
	return strings.Join(words, ", ")
}

// implicit adds what nobody writes down: the needs of files, of keys, and of the tiers.
func (o *order) implicit() {
	stores := o.b.storeProviders()
	for _, g := range o.b.guests {
		if !g.ordinary() {
			continue
		}
		for _, name := range g.storeNames() {
			if p := stores.guest(g.vc, name); p != nil {
				o.add(o.of[g], edge{o.of[p], edgeFiles, name})
			}
		}
		if !g.Encrypted {
			continue
		}
		for _, p := range o.b.guests {
			if p.provides(inventory.ProvidesKeys, g.KeyProvider) {
				o.add(o.of[g], edge{o.of[p], edgeKeys, strings.TrimSpace("keys " + g.KeyProvider)})
			}
		}
	}
	o.beneath()
	o.tiers()
}

// beneath takes what the foundation needs into it.
func (o *order) beneath() {
	for _, g := range o.b.guests {
		if g.tier < 0 {
			continue
		}
		for dep := range o.all(g) { // each by itself: the order of the map does not matter
			if dep.tier == tierNone {
				dep.tier = tierBeneath
			}
		}
	}
}

// tiers lets the guests of a tier wait for those of the tiers before. What is written down goes before it: a storage guest
// that comes after a DNS guest by after: does, as long as that one's files lie elsewhere.
func (o *order) tiers() {
	for _, g := range o.b.guests {
		for k := range tiers[:max(0, g.tier)] {
			for _, p := range o.b.guests {
				if p != g && p.provides(tiers[k], "") && !o.all(p)[g] {
					o.add(o.of[g], edge{o.of[p], edgeTier, tiers[k]})
				}
			}
		}
	}
}

// storeProviders says who provides a datastore.
type storeProviders struct {
	v      *view
	guests map[[2]string]*guest // by vCenter of the provider and name of the datastore
	hosts  map[[2]string]*host
}

func (v *view) storeProviders() storeProviders {
	s := storeProviders{v, map[[2]string]*guest{}, map[[2]string]*host{}}
	each := func(list []inventory.Provision, fn func(name string)) {
		for _, p := range list {
			if kind, name := p.Split(); kind == inventory.ProvidesDatastore {
				fn(name)
			}
		}
	}
	for _, g := range v.guests {
		if g.lab != nil && g.ordinary() {
			each(g.lab.Provides, func(name string) { s.guests[[2]string{g.vc.Name, name}] = g })
		}
	}
	for _, h := range v.hosts {
		if h.lab != nil {
			each(h.lab.Provides, func(name string) { s.hosts[[2]string{h.vc.Name, name}] = h })
		}
	}
	return s
}

// guest is the one that provides the datastore that the vCenter knows by the name; nil: none.
func (s storeProviders) guest(vc *vcenter, name string) *guest {
	return provider(s.v, s.guests, vc, name)
}

func (s storeProviders) host(vc *vcenter, name string) *host {
	return provider(s.v, s.hosts, vc, name)
}

// provider looks in the vCenter itself first. A machine of another vCenter may provide the datastore as well, if it is not
// one of the same name there that is meant.
func provider[T any](v *view, by map[[2]string]*T, vc *vcenter, name string) *T {
	if p := by[[2]string{vc.Name, name}]; p != nil {
		return p
	}
	for _, other := range v.vcenters {
		if p := by[[2]string{other.Name, name}]; p != nil && !other.hasStore(name) {
			return p
		}
	}
	return nil
}

func (vc *vcenter) hasStore(name string) bool {
	for _, n := range vc.stores { // into a bool: the order of the map does not matter
		if n == name {
			return true
		}
	}
	return false
}

// storeNames are the names of the datastores that hold the guest's files.
func (g *guest) storeNames() []string {
	if len(g.Datastores) == 0 && g.vc.unrecorded { // the host's own references say nothing to its vCenter's
		name, _, _ := strings.Cut(strings.TrimPrefix(g.Path, "["), "]")
		if name != "" && strings.HasPrefix(g.Path, "[") {
			return []string{name}
		}
	}
	return g.vc.storeNames(g.Datastores)
}

func (vc *vcenter) storeNames(refs []string) []string {
	var names []string
	for _, ref := range refs {
		if name, ok := vc.stores[ref]; ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// needsHost tells whether the guest needs something that the host itself provides.
func (s storeProviders) needsHost(g *guest, h *host) bool {
	if h.lab == nil || len(h.lab.Provides) == 0 {
		return false
	}
	for _, name := range g.storeNames() {
		if s.host(g.vc, name) == h {
			return true
		}
	}
	if g.Encrypted && h.provides(inventory.ProvidesKeys, g.KeyProvider) {
		return true
	}
	before := len(tiers)
	if g.tier != tierNone {
		before = max(0, g.tier)
	}
	return slices.ContainsFunc(tiers[:before], func(kind string) bool {
		return kind != inventory.ProvidesDatastore && h.provides(kind, "")
	})
}

// foundationHosts are those that carry a guest of the set, and those that provide something themselves.
func (v *view) foundationHosts(set func(*guest) bool) map[*host]bool {
	found := map[*host]bool{}
	for _, h := range v.hosts {
		if h.lab != nil && (len(h.lab.Provides) > 0 || slices.ContainsFunc(h.guests, set)) {
			found[h] = true
		}
	}
	return found
}

// keysCovered tells whether the lab file says which machines provide the guest's keys.
func (v *view) keysCovered(g *guest) bool {
	return slices.ContainsFunc(v.guests, func(p *guest) bool { return p.provides(inventory.ProvidesKeys, cmp.Or(g.KeyProvider, "?")) }) ||
		slices.ContainsFunc(v.hosts, func(h *host) bool { return h.provides(inventory.ProvidesKeys, cmp.Or(g.KeyProvider, "?")) })
}
