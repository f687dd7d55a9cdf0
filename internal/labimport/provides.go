package labimport

import (
	"cmp"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"nightshift/internal/inventory"
	"nightshift/internal/live"
	"nightshift/internal/words"
)

// A source is something that the lab stands on, for the summary that a person reads.
type source struct {
	what  string
	guest *guest // nil: no guest of this lab
	where string
	ask   string // what a person should say about it
}

func itoa(n int) string { return strconv.Itoa(n) }

// findSelf looks for the machine that runs this among the guests.
func (d *draft) findSelf() {
	m := d.in.Machine
	for _, by := range []struct {
		what string
		is   func(*guest) bool
	}{
		{"its SMBIOS UUID", func(g *guest) bool { return live.GenuineUUID(m.UUID) && live.SameUUID(g.BIOSUUID, m.UUID) }},
		{"the MAC address of its network card", func(g *guest) bool { return common(g.setup.MACs, m.MACs) }},
		{"its IP address", func(g *guest) bool {
			return slices.ContainsFunc(m.Addresses, func(a string) bool { return d.at(a) == g && isAddress(a) })
		}},
	} {
		var found []*guest
		for _, g := range d.guests {
			if by.is(g) {
				found = append(found, g)
			}
		}
		if len(found) == 1 && found[0].entry {
			d.self, d.selfBy = found[0], by.what
			return
		}
	}
}

func isAddress(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil
}

func common(a, b []string) bool {
	return slices.ContainsFunc(a, func(x string) bool { return x != "" && slices.Contains(b, x) })
}

// findProviders finds out what the lab stands on, and which guests of it are that.
func (d *draft) findProviders() {
	d.findVCenter()
	d.findStores()
	d.findServers("DNS", inventory.ProvidesDNS, func(s live.HostSetup) []string { return s.DNS })
	d.findServers("NTP", inventory.ProvidesNTP, func(s live.HostSetup) []string { return s.NTP })
	d.findKeys()
}

func (d *draft) findVCenter() {
	u, err := url.Parse(d.in.VCenter.URL)
	if err != nil {
		return
	}
	if g := d.at(u.Hostname()); g != nil {
		d.vcenter = g
		g.say(inventory.ProvidesVCenter, "from: it answers at "+u.Hostname())
		d.sources = append(d.sources, source{"this vCenter", g, u.Hostname(), ""})
		return
	}
	var appliances []*guest
	for _, g := range d.guests {
		if strings.Contains(strings.ToLower(g.setup.Product), "vcenter server") {
			appliances = append(appliances, g)
		}
	}
	ask := "does it run in a guest of this lab? Then say there: provides: [vcenter]"
	if len(appliances) == 1 {
		d.vcenter = appliances[0]
		d.vcenter.say(inventory.ProvidesVCenter, "? from: it is a "+d.vcenter.setup.Product+". Is it this one?")
		ask = ""
	} else if len(appliances) > 1 {
		ask = "is it one of " + words.Some(names(appliances), fewNames) + "? Then say there: provides: [vcenter]"
	}
	d.sources = append(d.sources, source{"this vCenter", d.vcenter, u.Hostname(), ask})
}

func (g *guest) say(value, from string) {
	for i, s := range g.provides {
		if s.value == value {
			g.provides[i].from += "; " + from
			return
		}
	}
	g.provides = append(g.provides, said{value, from})
}

// findStores finds guests that serve datastores.
func (d *draft) findStores() {
	list := slices.Clone(d.in.Setup.Datastores)
	slices.SortFunc(list, func(a, b live.DatastoreSetup) int {
		return cmp.Or(cmp.Compare(d.stores[a.Ref].Name, d.stores[b.Ref].Name), cmp.Compare(a.Ref, b.Ref))
	})
	given := map[string]bool{}
	for _, s := range list {
		store, ok := d.stores[s.Ref]
		if !ok {
			continue
		}
		if s.Via == "" || len(s.From) == 0 {
			d.askWhoServes(store)
			continue
		}
		p := d.server(s.From)
		x := source{"datastore " + store.Name, p, s.Via + " from " + words.Some(s.From, fewNames), ""}
		value := inventory.ProvidesDatastore + ":" + store.Name
		switch {
		case p == nil:
			x.ask = "does that stay on while the lab is down? A guest of this lab that serves it says: " + "provides: [" + quoted(value) + "]"
		case !s.Sure:
			x.ask = "its hosts ask this guest for iSCSI targets; is the datastore there? Then say at the guest: provides: [" + quoted(value) + "]"
		case given[store.Name] || !nameable(store.Name) || !p.entry:
			x.ask = "its name, or the guest's, is not the only one of its kind, so that it could not be written down"
		case !d.feeds(p, store.Ref):
			x.ask = "this guest needs the datastore itself, by its own files or by what it starts after: that is a circle"
		default:
			given[store.Name] = true
			p.say(value, "from: the datastore comes by "+s.Via+" from "+words.Some(s.From, fewNames))
			d.provider[store.Ref] = p
		}
		d.sources = append(d.sources, x)
	}
}

// askWhoServes asks where a datastore comes from that hosts share, and of which vCenter shows no server: over Fibre Channel or
// SAS, say. What only one host has are its own disks; vSAN is of the hosts themselves.
func (d *draft) askWhoServes(store live.Datastore) {
	var on []string
	for _, h := range d.hosts {
		if slices.Contains(store.Hosts, h.Ref) {
			on = append(on, h.name)
		}
	}
	if len(on) < 2 || strings.EqualFold(store.Type, "vsan") {
		return
	}
	d.sources = append(d.sources, source{"datastore " + store.Name, nil, "shared by " + words.Some(on, fewNames) + ", and vCenter shows no server of it (Fibre Channel, SAS, …)",
		"what serves it, and does that stay on while the lab is down? A guest, or host, of this lab that does says: provides: [" +
			quoted(inventory.ProvidesDatastore+":"+store.Name) + "]"})
}

// server is the one guest that answers at the addresses; nil: none, or not all of them are its.
func (d *draft) server(where []string) *guest {
	var found *guest
	for _, a := range where {
		g := d.at(a)
		if g == nil && isAddress(a) || g != nil && found != nil && g != found {
			return nil
		}
		found = cmp.Or(found, g)
	}
	return found
}

// feeds lets all guests with files on the datastore need its provider, where that makes no circle.
func (d *draft) feeds(p *guest, store string) bool {
	return d.needed(p, func(g *guest) bool { return slices.Contains(g.Datastores, store) })
}

// needed lets guests need another, where that makes no circle.
func (d *draft) needed(p *guest, by func(*guest) bool) bool {
	needed := d.reach(p.Ref)
	var users []*guest
	for _, g := range d.guests {
		if !by(g) {
			continue
		}
		if g == p || needed[g.Ref] {
			return false
		}
		users = append(users, g)
	}
	for _, g := range users {
		d.needs[g.Ref] = append(d.needs[g.Ref], p.Ref)
	}
	return true
}

// findServers finds guests that serve names or time to the hosts.
func (d *draft) findServers(title, kind string, of func(live.HostSetup) []string) {
	hosts := map[string][]string{}
	for _, h := range d.hosts {
		for _, a := range of(h.setup) {
			hosts[a] = append(hosts[a], h.name)
		}
	}
	for _, a := range sortedKeys(hosts) {
		g := d.at(a)
		if at, err := netip.ParseAddr(a); err == nil && at.IsLoopback() {
			continue
		}
		x := source{title + " of " + words.Some(hosts[a], fewNames), g, a, ""}
		if g != nil && g.entry {
			g.say(kind, "from the "+title+" settings of "+words.Some(hosts[a], fewNames))
		}
		if g != nil && kind == inventory.ProvidesDNS {
			x.ask = "is it a domain controller, too? Then add identity to its provides:"
		}
		d.sources = append(d.sources, x)
	}
}

// findKeys finds guests that keep the keys of encrypted guests.
func (d *draft) findKeys() {
	used := map[string][]string{}
	for _, g := range d.guests {
		if g.Encrypted {
			used[g.KeyProvider] = append(used[g.KeyProvider], g.Name)
		}
	}
	servers := map[string][]string{}
	for _, k := range d.in.Setup.KeyProviders {
		servers[k.ID] = k.Servers
	}
	for _, id := range sortedKeys(used) {
		what := "keys of " + words.Some(used[id], fewNames)
		if len(servers[id]) == 0 {
			d.sources = append(d.sources, source{what, nil, "key provider " + cmp.Or(id, "unknown"),
				"is it the vCenter's own? Else: does its key server stay on? A guest of this lab that is it says: provides: [keys]"})
		}
		for _, a := range servers[id] {
			g := d.at(a)
			x := source{what, g, a + ", key provider " + id, ""}
			value := inventory.ProvidesKeys + ":" + id
			if g != nil && g.entry && nameable(id) && d.needed(g, func(x *guest) bool { return x.Encrypted && (x.KeyProvider == id || x.KeyProvider == "") }) {
				g.say(value, "from: it is a key server of this provider")
			} else {
				x.ask = "does that stay on while the lab is down? Encrypted guests do not start without it"
			}
			d.sources = append(d.sources, x)
		}
	}
}
