package inventory

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

func (c *checker) self() {
	if !c.has("self") {
		return
	}
	s := c.f.Self
	set := 0
	for _, is := range []bool{s.Guest != "", s.Host != "", s.Outside} {
		if is {
			set++
		}
	}
	if set != 1 && !c.unread["self.guest"] && !c.unread["self.host"] && !c.unread["self.outside"] {
		c.add("self", "it is not said where nightshift itself runs", "exactly one of: guest: NAME, host: NAME, outside: true")
	}
	c.selfNeeds()
	c.reference("self.host", s.Host, "host", names(c.f.Hosts, func(h Host) string { return h.Name }))
}

func (c *checker) sites() {
	seen := map[string]string{}
	for i, s := range c.f.Sites {
		at := fmt.Sprintf("sites[%d].name", i)
		c.name(at, s.Name)
		c.unique(seen, s.Name, at, "the site "+s.Name)
	}
}

func (c *checker) vcenters() {
	seen, urls := map[string]string{}, map[string]string{}
	for i, v := range c.f.VCenters {
		at := fmt.Sprintf("vcenters[%d]", i)
		c.name(at+".name", v.Name)
		c.unique(seen, v.Name, at+".name", "the vCenter "+v.Name)
		c.oneOf(at+".site", v.Site, "site", c.siteNames())
		c.endpoint(at, v.Endpoint)
		c.unique(urls, sameURL(v.URL), at+".url", "this URL")
	}
}

func (c *checker) clusters() {
	seen := map[string]string{}
	for i, cl := range c.f.Clusters {
		at := fmt.Sprintf("clusters[%d]", i)
		c.vsphereName(at+".name", cl.Name)
		c.oneOf(at+".vcenter", cl.VCenter, "vCenter", c.vcenterNames())
		c.unique(seen, in(cl.VCenter, cl.Name), at+".name", "the cluster "+cl.Name)
	}
}

func (c *checker) hosts() {
	seen, addresses, direct := map[string]string{}, map[string]string{}, map[string]string{}
	for i, v := range c.f.VCenters {
		direct[sameURL(v.URL)] = fmt.Sprintf("vcenters[%d].url", i)
	}
	for i, h := range c.f.Hosts {
		at := fmt.Sprintf("hosts[%d]", i)
		c.name(at+".name", h.Name)
		c.unique(seen, h.Name, at+".name", "the host "+h.Name)
		c.oneOf(at+".vcenter", h.VCenter, "vCenter", c.vcenterNames())
		address, field := h.Address, at+".address"
		if address == "" {
			address, field = h.Name, at+".name"
		}
		c.vsphereName(field, address)
		if _, twice := addresses[in(h.VCenter, strings.ToLower(address))]; !twice || h.Address != "" {
			c.unique(addresses, in(h.VCenter, strings.ToLower(address)), field, "the host with the address "+address)
		}
		if h.SSH != nil {
			c.ssh(at+".ssh", *h.SSH)
		}
		if h.ESXi != nil {
			c.endpoint(at+".esxi", *h.ESXi)
			c.unique(direct, sameURL(h.ESXi.URL), at+".esxi.url", "this URL")
		}
		if h.WakeOnLAN != nil {
			c.wakeOnLAN(at, h)
		}
		c.needsBMC(at, h)
	}
}

var macForm = regexp.MustCompile(`^([0-9a-fA-F]{2}[:-]){5}[0-9a-fA-F]{2}$`)

func (c *checker) wakeOnLAN(at string, h Host) {
	w := h.WakeOnLAN
	at += ".wakeOnLan"
	if h.BMC != nil {
		c.add(at, fmt.Sprintf("host %s has a bmc, too", h.Name), "keep the bmc, which switches the machine on and knows whether it is")
	}
	if c.has(at+".mac") && !macForm.MatchString(w.MAC) {
		c.add(at+".mac", fmt.Sprintf("%q is no MAC address", w.MAC), "of the network card that wakes the machine: 00:11:22:33:44:55")
	}
	if w.Broadcast != "" && !validAddress(w.Broadcast, false) {
		c.add(at+".broadcast", fmt.Sprintf("%q is no address", w.Broadcast), "address or address:port, such as 192.168.4.255:9")
	}
	if c.has(at+".witness") && len(w.Witness) == 0 {
		c.add(at+".witness", "there is no witness", "list at least one host:port that answers as long as the machine is on")
	}
	for i, a := range w.Witness {
		if !validAddress(a, true) {
			c.add(fmt.Sprintf("%s.witness[%d]", at, i), fmt.Sprintf("%q is no address", a), "host:port")
		}
	}
}

// needsBMC finds what can only be done with a BMC, demanded of a host that has none.
func (c *checker) needsBMC(at string, h Host) {
	if h.BMC != nil || h.Keep || c.has(at+".bmc") {
		return
	}
	p := c.f.Policies.Host
	if h.Shutdown != nil {
		p = h.Shutdown.over(p)
	}
	for _, x := range []struct{ key, value, need string }{
		{"via", p.Via, "graceful"}, {"noRights", p.NoRights, "graceful"}, {"onTimeout", p.OnTimeout, "forceOff"},
	} {
		if x.value == x.need {
			c.add(at, fmt.Sprintf("%s: %s needs a bmc, and host %s has none", x.key, x.need, h.Name),
				fmt.Sprintf("add its bmc, or set shutdown.%s of this host to something else", x.key))
		}
	}
}

var uuidForm = regexp.MustCompile(`^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$`)

func (c *checker) guests() {
	seen, uuids := map[string]string{}, map[string]string{}
	for i, g := range c.f.Guests {
		at := fmt.Sprintf("guests[%d]", i)
		c.vsphereName(at+".name", g.Name)
		c.oneOf(at+".vcenter", g.VCenter, "vCenter", c.vcenterNames())
		if g.UUID != "" && !uuidForm.MatchString(g.UUID) {
			c.add(at+".uuid", fmt.Sprintf("%q is no UUID", g.UUID), "the instance UUID: 8-4-4-4-12 hex digits")
		}
		c.unique(seen, in(g.VCenter, g.Name, strings.ToLower(g.UUID)), at+".name", "the guest "+g.Name)
		if g.UUID != "" {
			c.unique(uuids, in(g.VCenter, strings.ToLower(g.UUID)), at+".uuid", "this UUID")
		}
		c.after(at+".after", g.After)
		if g.Health != nil {
			c.health(at+".health", *g.Health)
		}
	}
}

func (c *checker) groups() {
	seen := map[string]string{}
	for i, g := range c.f.Groups {
		at := fmt.Sprintf("groups[%d]", i)
		c.name(at+".name", g.Name)
		c.unique(seen, g.Name, at+".name", "the group "+g.Name)
		if len(g.Guests) == 0 && g.Tag == "" && !c.has(at+".guests") {
			c.add(at, "the group has no guests", "give guests: [NAME, …], tag: NAME, or both")
		}
		c.list(at+".guests", g.Guests)
		c.after(at+".after", g.After)
	}
}

// list checks a list of guests' names for empty and double ones.
func (c *checker) list(field string, entries []string) {
	seen := map[string]string{}
	for i, e := range entries {
		at := fmt.Sprintf("%s[%d]", field, i)
		c.vsphereName(at, e)
		c.unique(seen, e, at, e)
	}
}

// after checks the form. Guests that are not listed may be named, too: the planner, who sees the vCenter, knows them.
func (c *checker) after(field string, entries []string) {
	c.list(field, entries)
	groups := names(c.f.Groups, func(g Group) string { return g.Name })
	for i, e := range entries {
		if name, ok := strings.CutPrefix(e, groupPrefix); ok && !slices.Contains(groups, name) {
			c.add(fmt.Sprintf("%s[%d]", field, i), fmt.Sprintf("there is no group %q", name), among(name, "group", groups))
		}
	}
}

// in is a key for unique: parts joined by what no name contains; empty without a name.
func in(scope string, parts ...string) string {
	if parts[0] == "" {
		return ""
	}
	return scope + "\x00" + strings.Join(parts, "\x00")
}
