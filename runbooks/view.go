package runbooks

import (
	"cmp"
	"slices"
	"strings"

	"nightshift/internal/inventory"
	"nightshift/internal/live"
	"nightshift/internal/plan"
)

// A view is the lab file held against the live state: who is whose, in an order that does not depend on the input's.
type view struct {
	lab      *inventory.Lab
	instance string
	machine  string     // SMBIOS UUID of the one nightshift runs on
	vcenters []*vcenter // of the lab file
	clusters []*cluster
	hosts    []*host // of the lab file and of its vCenters
	guests   []*guest
	memory   []plan.RememberedGuest
	debts    []plan.Debt
	// entriesOf are the lab file's guests by name.
	entriesOf map[string][]*inventory.Guest
}

type vcenter struct {
	inventory.VCenter
	live       *live.VCenter     // nil: it could not be read, and nothing is known of it
	unrecorded bool              // it does not answer, and live is only what its hosts tell
	stores     map[string]string // names of datastores by reference
}

type cluster struct {
	live.Cluster
	vc    *vcenter
	id    string // its name; more where names repeat
	keep  bool
	hosts []*host
}

type guest struct {
	live.Guest
	id     string
	vc     *vcenter
	lab    *inventory.Guest // nil: nothing is said about it
	host   *host            // nil: unknown
	policy inventory.GuestPolicy
	kept   string // why it is left alone; empty: it is not
	needed string // why its host must stay: nightshift runs in it, or a vCenter that the lab file does not know of
	tier   int    // by what it provides; tierNone: it is not of the foundation
}

func newView(in Input) *view {
	v := &view{lab: in.Lab, instance: in.State.Instance, machine: in.State.Machine, memory: slices.Clone(in.Ledger.Memory), debts: slices.Clone(in.Ledger.Debts),
		entriesOf: map[string][]*inventory.Guest{}}
	for i := range in.Lab.Guests {
		e := &in.Lab.Guests[i]
		v.entriesOf[e.Name] = append(v.entriesOf[e.Name], e)
	}
	slices.SortFunc(v.memory, func(a, b plan.RememberedGuest) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Endpoint, b.Endpoint), cmp.Compare(a.UUID, b.UUID))
	})
	for _, c := range in.Lab.VCenters {
		vc := &vcenter{VCenter: c}
		if i := slices.IndexFunc(in.State.VCenters, func(l live.VCenter) bool { return l.Name == c.Name }); i >= 0 {
			vc.live = &in.State.VCenters[i]
		}
		v.vcenters = append(v.vcenters, vc)
	}
	slices.SortFunc(v.vcenters, func(a, b *vcenter) int { return cmp.Compare(a.Name, b.Name) })
	listed := v.listedHosts(in.State)
	for _, vc := range v.vcenters {
		switch {
		case vc.live == nil:
			vc.live = v.unrecordedVCenter(vc, listed)
			vc.unrecorded = vc.live != nil
		case vc.absent():
			v.recall(vc, listed)
		}
		if vc.live != nil {
			v.addVCenter(vc, listed)
		}
	}
	for _, l := range in.Lab.Hosts { // those that no vCenter knows
		if h, left := listed[hostKey(l.VCenter, inVCenter(l))]; left && h.live == nil {
			v.hosts = append(v.hosts, h)
		}
	}
	v.order()
	v.name()
	v.keep()
	return v
}

// inVCenter is the host's name there.
func inVCenter(h inventory.Host) string { return cmp.Or(h.Address, h.Name) }

// hostKey: DNS names do not tell upper from lower case.
func hostKey(vcenter, name string) string { return vcenter + "/" + strings.ToLower(name) }

func (v *view) listedHosts(st *live.State) map[string]*host {
	listed, bmcs := map[string]*host{}, st.BMCs
	for i := range v.lab.Hosts {
		l := &v.lab.Hosts[i]
		h := &host{name: l.Name, lab: l}
		if k := slices.IndexFunc(v.vcenters, func(vc *vcenter) bool { return vc.Name == l.VCenter }); k >= 0 {
			h.vc = v.vcenters[k]
		} else { // validation of the lab file forbids it
			h.vc = &vcenter{VCenter: inventory.VCenter{Name: l.VCenter}}
		}
		if k := slices.IndexFunc(bmcs, func(b live.BMC) bool { return b.Host == l.Name }); k >= 0 {
			h.bmc = &bmcs[k]
		}
		if k := slices.IndexFunc(st.Hosts, func(d live.DirectHost) bool { return d.Host == l.Name }); k >= 0 {
			h.direct = &st.Hosts[k]
		}
		listed[hostKey(l.VCenter, inVCenter(*l))] = h
	}
	return listed
}

func (v *view) addVCenter(vc *vcenter, listed map[string]*host) {
	clusters := map[string]*cluster{}
	for _, c := range vc.live.Clusters {
		entry, ok := v.lab.Cluster(vc.Name, c.Name)
		clusters[c.Ref] = &cluster{Cluster: c, vc: vc, keep: ok && entry.Keep}
		v.clusters = append(v.clusters, clusters[c.Ref])
	}
	hosts := map[string]*host{}
	for i := range vc.live.Hosts {
		l := &vc.live.Hosts[i]
		h, ok := listed[hostKey(vc.Name, l.Name)]
		if !ok || h.live != nil {
			h = &host{name: l.Name, vc: vc}
		}
		h.live, h.cluster = l, clusters[l.Cluster]
		if h.cluster != nil {
			h.cluster.hosts = append(h.cluster.hosts, h)
		}
		hosts[l.Ref] = h
		v.hosts = append(v.hosts, h)
	}
	vc.stores = map[string]string{}
	for _, d := range vc.live.Datastores {
		vc.stores[d.Ref] = d.Name
	}
	for _, l := range vc.live.Guests {
		g := &guest{Guest: l, vc: vc, host: hosts[l.Host], lab: v.entry(vc.Name, l.Name, l.UUID), tier: tierNone}
		g.policy = v.lab.GuestPolicy(g.lab)
		if g.lab != nil && g.ordinary() {
			g.tier = tierOf(g.lab.Provides)
		}
		if g.host != nil {
			g.host.guests = append(g.host.guests, g)
		}
		v.guests = append(v.guests, g)
	}
}

// entry is what Lab.Guest finds; with thousands of guests, one must not look through thousands of entries for each.
func (v *view) entry(vcenter, name, uuid string) *inventory.Guest {
	var found *inventory.Guest
	for _, e := range v.entriesOf[name] {
		switch {
		case e.VCenter != vcenter:
		case uuid != "" && strings.EqualFold(e.UUID, uuid):
			return e
		case found == nil && (e.UUID == "" || uuid == ""):
			found = e
		}
	}
	return found
}

func (v *view) order() {
	byGuest := func(a, b *guest) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.vc.Name, b.vc.Name), cmp.Compare(a.Ref, b.Ref))
	}
	byHost := func(a, b *host) int {
		return cmp.Or(cmp.Compare(a.vc.Name, b.vc.Name), cmp.Compare(a.name, b.name), cmp.Compare(a.ref(), b.ref()))
	}
	slices.SortFunc(v.guests, byGuest)
	slices.SortFunc(v.hosts, byHost)
	slices.SortFunc(v.clusters, func(a, b *cluster) int {
		return cmp.Or(cmp.Compare(a.vc.Name, b.vc.Name), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Ref, b.Ref))
	})
	for _, h := range v.hosts {
		slices.SortFunc(h.guests, byGuest)
	}
	for _, c := range v.clusters {
		slices.SortFunc(c.hosts, byHost)
	}
}

// name gives everything an id for steps: its name, and more only where names repeat.
func (v *view) name() {
	var guests, clusters []named
	for _, g := range v.guests {
		guests = append(guests, named{g.Name, g.Ref, g.vc.Name, &g.id})
	}
	for _, h := range v.hosts {
		h.id = h.name // unique in the lab file; those that are not in it give way
		if _, taken := v.lab.Host(h.name); h.lab == nil && taken {
			h.id = h.name + "@" + h.ref()
		}
	}
	for _, c := range v.clusters {
		clusters = append(clusters, named{c.Name, c.Ref, c.vc.Name, &c.id})
	}
	disambiguate(guests)
	disambiguate(clusters)
}

type named struct {
	name, ref, vcenter string
	id                 *string
}

func disambiguate(list []named) {
	names, refs := map[string]int{}, map[string]int{}
	for _, n := range list {
		names[n.name]++
		refs[n.name+"@"+n.ref]++
	}
	for _, n := range list {
		withRef := n.name + "@" + n.ref
		switch {
		case names[n.name] == 1 && refs[n.name] == 0:
			*n.id = n.name
		case refs[withRef] == 1:
			*n.id = withRef
		default:
			*n.id = withRef + "@" + n.vcenter
		}
	}
}

// keep finds out what is left alone, and why.
func (v *view) keep() {
	for _, h := range v.hosts {
		switch {
		case h.lab == nil:
			h.kept = "not in the lab file"
		case h.lab.Keep:
			h.kept = "keep: true in the lab file"
		case h.cluster != nil && h.cluster.keep:
			h.kept = "its cluster " + h.cluster.Name + " is kept"
		case v.lab.Self.Host == h.lab.Name:
			h.kept = "nightshift runs on it"
		}
	}
	for _, g := range v.guests {
		for _, vc := range v.vcenters {
			if g.AnswersAt(vc.URL) && !g.provides(inventory.ProvidesVCenter, vc.Name) {
				g.needed = "vCenter " + vc.Name + " runs in it"
			}
		}
		keep := v.lab.Keeps(g.Name, g.lab, g.Tags)
		switch keep {
		case inventory.KeepSelf:
			g.needed = "nightshift runs in it"
		case inventory.KeepNeed:
			g.needed = "nightshift itself needs it (self.needs)"
		}
		switch {
		case g.needed != "":
			g.kept = g.needed
		case keep == inventory.KeepEntry:
			g.kept = "keep: true in the lab file"
		case keep == inventory.KeepTag:
			g.kept = "bears the tag " + v.lab.Tags.Keep
		case g.host != nil && g.host.kept != "":
			g.kept = "its host " + g.host.name + " is left alone: " + g.host.kept
		}
	}
}

// reference is what goes into a step.
func reference(ref string) string {
	if strings.HasPrefix(ref, refOfItsOwn) {
		return ""
	}
	return ref
}

// onHost is the guest as its host's own API tells it.
func (g *guest) onHost() plan.Target {
	t := g.target()
	t.Direct = g.host.lab.Name
	return t
}

func (c *cluster) target() plan.Target {
	return plan.Target{Kind: plan.Cluster, Name: c.Name, Endpoint: c.vc.Name, Ref: c.Ref}
}

func (g *guest) target() plan.Target {
	return plan.Target{Kind: plan.Guest, Name: g.Name, Endpoint: g.vc.Name, Ref: g.Ref, UUID: g.UUID}
}

// runs tells whether the guest is on. Of a host that vCenter does not see, the last known power state says nothing.
func (g *guest) runs() bool {
	return g.Power == live.PoweredOn && g.host != nil && g.host.connected()
}

// atRest: it is known not to run.
func (g *guest) atRest() bool { return g.Power == live.PoweredOff || g.Power == live.Suspended }

// ordinary guests are neither templates nor vSphere's own.
func (g *guest) ordinary() bool { return !g.Template && !g.VCLS }

// remembered is the ledger's key of the guest, with what a person wants to see of it.
func (g *guest) remembered() plan.RememberedGuest {
	return plan.RememberedGuest{Endpoint: g.vc.Name, UUID: g.UUID, Name: g.Name}
}
