package labimport

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"nightshift/internal/live"
)

// A draft is the lab file in the making.
type draft struct {
	in         Input
	hosts      []*host
	guests     []*guest // ordinary ones, by name
	byRef      map[string]*guest
	byAddress  map[netip.Addr][]*guest
	byHostName map[string][]*guest
	clusters   map[string]live.Cluster
	stores     map[string]live.Datastore

	self     *guest
	selfBy   string // by what it was known
	vcenter  *guest
	needs    map[string][]string // the start order as far as it stands: guests by Ref, groups by "group:NAME"
	groups   []*group
	asks     []ask
	leftOut  []string // guesses that would make a circle
	provider map[string]*guest
	sources  []source
}

// A host of the lab file.
type host struct {
	live.Host
	setup   live.HostSetup
	name    string   // in the lab file
	carries []*guest // of those that are kept
}

// A guest that may have an entry.
type guest struct {
	live.Guest
	setup    live.GuestSetup
	entry    bool // its name can stand in the file, and means no other guest
	provides []said
	after    []said
	keep     string // why it is left alone
}

// said is a word of the file, and from what it was taken, or guessed.
type said struct{ value, from string }

// An ask is a question with a proposal of what to write.
type ask struct{ text, proposal string }

// A group of guests.
type group struct {
	name   string
	guests []*guest
	from   string
	after  []said
}

func newDraft(in Input) *draft {
	d := &draft{in: in, byRef: map[string]*guest{}, byAddress: map[netip.Addr][]*guest{}, byHostName: map[string][]*guest{},
		clusters: map[string]live.Cluster{}, stores: map[string]live.Datastore{}, needs: map[string][]string{}, provider: map[string]*guest{}}
	for _, c := range in.Live.Clusters {
		d.clusters[c.Ref] = c
	}
	for _, s := range in.Live.Datastores {
		d.stores[s.Ref] = s
	}
	d.in.Setup.VApps = slices.SortedFunc(slices.Values(in.Setup.VApps), func(a, b live.VApp) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Ref, b.Ref))
	})
	d.addHosts()
	d.addGuests()
	return d
}

func (d *draft) addHosts() {
	setups := map[string]live.HostSetup{}
	for _, s := range d.in.Setup.Hosts {
		setups[s.Ref] = s
	}
	taken := map[string]bool{} // addresses, which do not tell upper from lower case
	for _, h := range slices.SortedFunc(slices.Values(d.in.Live.Hosts), func(a, b live.Host) int {
		return cmp.Or(cmp.Compare(d.clusterName(a), d.clusterName(b)), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Ref, b.Ref))
	}) {
		if address := strings.ToLower(h.Name); nameable(h.Name) && !taken[address] {
			taken[address] = true
			d.hosts = append(d.hosts, &host{Host: h, setup: setups[h.Ref]})
		}
	}
	d.nameHosts()
}

func (d *draft) clusterName(h live.Host) string { return d.clusters[h.Cluster].Name }

// nameHosts calls a host by the first label of its DNS name, as people do, where that is no other's.
func (d *draft) nameHosts() {
	short := func(h *host) string {
		label, _, _ := strings.Cut(h.Name, ".")
		if _, err := netip.ParseAddr(h.Name); err == nil {
			label = h.Name
		}
		return plain(label, "host")
	}
	shared := map[string]int{}
	for _, h := range d.hosts {
		shared[strings.ToLower(short(h))]++
	}
	taken := map[string]bool{}
	for _, h := range d.hosts {
		if h.name = short(h); shared[strings.ToLower(h.name)] > 1 {
			h.name = plain(h.Name, "host")
		}
		h.name = unused(taken, h.name)
	}
}

// unused is the name, with a number behind it where it is taken already.
func unused(taken map[string]bool, name string) string {
	free := name
	for n := 2; taken[free]; n++ {
		free = name + "-" + itoa(n)
	}
	taken[free] = true
	return free
}

func (d *draft) addGuests() {
	setups := map[string]live.GuestSetup{}
	for _, s := range d.in.Setup.Guests {
		setups[s.Ref] = s
	}
	named := map[string]int{}
	for _, g := range d.in.Live.Guests {
		if g.Template || g.VCLS || d.byRef[g.Ref] != nil {
			continue
		}
		named[g.Name]++
		x := &guest{Guest: g, setup: setups[g.Ref]}
		d.byRef[g.Ref] = x
		d.guests = append(d.guests, x)
	}
	slices.SortFunc(d.guests, func(a, b *guest) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Ref, b.Ref)) })
	for _, g := range d.guests {
		g.entry = named[g.Name] == 1 && nameable(g.Name)
		for _, a := range append([]string{g.IP}, g.setup.Addresses...) {
			if at, ok := address(a); ok && !slices.Contains(d.byAddress[at], g) {
				d.byAddress[at] = append(d.byAddress[at], g)
			}
		}
		if name := hostName(g.setup.HostName); name != "" {
			d.byHostName[name] = append(d.byHostName[name], g)
		}
	}
}

// address reads an address that tells one machine from another.
func address(s string) (netip.Addr, bool) {
	at, err := netip.ParseAddr(s)
	at = at.Unmap().WithZone("")
	return at, err == nil && !at.IsLoopback() && !at.IsUnspecified() && !at.IsLinkLocalUnicast() && !at.IsMulticast()
}

func hostName(s string) string { return strings.ToLower(strings.TrimSuffix(s, ".")) }

// at finds the guest that answers at an address or a name; nil: none, or more than one.
func (d *draft) at(where string) *guest {
	var found []*guest
	if at, ok := address(where); ok {
		found = d.byAddress[at]
	} else if name := hostName(where); name != "localhost" {
		for _, a := range d.in.Addresses[where] {
			if at, ok := address(a); ok {
				found = append(found, d.byAddress[at]...)
			}
		}
		if len(found) == 0 {
			found = d.byHostName[name]
		}
	}
	if len(found) == 0 || slices.ContainsFunc(found, func(g *guest) bool { return g != found[0] }) {
		return nil
	}
	return found[0]
}

func (d *draft) hostOf(g *guest) *host {
	for _, h := range d.hosts {
		if h.Ref == g.Host {
			return h
		}
	}
	return nil
}

func names(list []*guest) []string {
	var out []string
	for _, g := range list {
		out = append(out, g.Name)
	}
	return out
}

// of are the guests with these Refs that can be named, each once, by name.
func (d *draft) of(refs []string) []*guest {
	var out []*guest
	for _, r := range refs {
		if g := d.byRef[r]; g != nil && g.entry && !slices.Contains(out, g) {
			out = append(out, g)
		}
	}
	slices.SortFunc(out, func(a, b *guest) int { return cmp.Compare(a.Name, b.Name) })
	return out
}
