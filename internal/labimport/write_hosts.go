package labimport

import (
	"net/netip"
	"strings"

	"nightshift/internal/live"
	"nightshift/internal/words"
)

func (d *draft) writeHosts(w *writer) {
	if named := d.clustersToList(); len(named) > 0 {
		w.heading("vSphere clusters. keep: true leaves one alone, with all its hosts and guests.")
		w.line(0, "clusters:", "")
		for _, c := range named {
			w.line(2, "- name: "+quoted(c.Name), d.clusterWords(c))
		}
	}
	w.heading("? Which hosts may be switched off? Those with keep: true are left alone, with their guests. Hosts that are not listed are never touched.")
	w.remark(0, "Without a controller (bmc:) nobody could see that a host is off, or switch it on again. A board without Redfish has a bmc with "+
		"url: \"ipmi://ADDRESS\"; a machine without any may have wakeOnLan: {mac: MAC, witness: [\"ADDRESS:PORT\"]}.")
	w.line(0, "hosts:", "")
	bmcs := map[string]int{}
	for _, h := range d.hosts {
		bmcs[h.setup.BMC]++
	}
	last := "\x00"
	for _, h := range d.hosts {
		if h.Cluster != last {
			last = h.Cluster
			if name := d.clusterName(h.Host); name != "" {
				w.comment(2, "Cluster %s", name)
			} else if len(d.clusters) > 0 {
				w.remark(2, "In no cluster")
			}
		}
		d.writeHost(w, h, h.setup.BMC != "" && bmcs[h.setup.BMC] == 1)
	}
	if left := len(d.in.Live.Hosts) - len(d.hosts); left > 0 {
		w.comment(2, "%s cannot stand here, as their names cannot be written down; they are never touched.", words.Count(left, "host"))
	}
}

func (d *draft) clustersToList() []live.Cluster {
	var out []live.Cluster
	seen := map[string]bool{}
	for _, s := range d.sortedClusterRefs() {
		if c := d.clusters[s]; nameable(c.Name) && !seen[c.Name] {
			seen[c.Name] = true
			out = append(out, c)
		}
	}
	return out
}

func (d *draft) clusterWords(c live.Cluster) string {
	n := 0
	for _, h := range d.hosts {
		if h.Cluster == c.Ref {
			n++
		}
	}
	said := []string{words.Count(n, "host")}
	for _, x := range []struct {
		on   bool
		word string
	}{{c.HA, "HA"}, {c.DRS, "DRS " + c.DRSLevel}, {c.DPM, "DPM"}, {c.VSAN, "vSAN"}} {
		if x.on {
			said = append(said, x.word)
		}
	}
	return strings.Join(said, ", ")
}

func (d *draft) writeHost(w *writer, h *host, ownBMC bool) {
	w.line(2, "- name: "+quoted(h.name), "")
	if h.name != h.Name {
		w.line(4, "address: "+quoted(h.Name), "")
	}
	at, err := netip.ParseAddr(h.setup.BMC)
	known := ownBMC && err == nil && at.Zone() == "" && !at.IsUnspecified()
	switch {
	case len(h.carries) > 0:
		w.line(4, "keep: true", "? it carries what must not go down by mistake: "+carried(h.carries))
		w.remark(4, "To let it go down, too: take keep: true out here and at these guests, and give its own API, which is needed without the vCenter:")
		w.proposal(4, `esxi: {url: "`+h.apiURL()+`", user: root, password: env:ESXI_PASSWORD}`)
	case !known:
		w.line(4, "keep: true", "? vCenter knows no BMC of it: say where it is, and take this out, if it may be switched off")
	}
	if !known {
		w.proposal(4, `bmc: {url: "https://BMC-OF-`+h.name+`", user: root, password: env:BMC_PASSWORD}`)
		return
	}
	w.line(4, "bmc:", "from the IPMI settings of the host in vCenter. ? Does it speak Redfish? Else ipmi://")
	w.line(6, "url: "+quoted("https://"+inBrackets(at)), "")
	if h.setup.BMCUser != "" {
		w.line(6, "user: "+quoted(h.setup.BMCUser), "")
		w.line(6, "password: env:BMC_PASSWORD", "? where is it kept")
		return
	}
	w.remark(6, "? who logs in there")
	w.proposal(6, "user: root")
	w.proposal(6, "password: env:BMC_PASSWORD")
}

func carried(list []*guest) string {
	var said []string
	for _, g := range list {
		said = append(said, g.Name+" ("+g.keep+")")
	}
	return words.Some(said, fewNames)
}

// apiURL is where the host's own API is: at its first VMkernel adapter, as there may be no name server then.
func (h *host) apiURL() string {
	for _, a := range h.setup.Addresses {
		if at, ok := address(a); ok {
			return "https://" + inBrackets(at)
		}
	}
	return "https://ADDRESS-OF-" + h.name
}

func inBrackets(at netip.Addr) string {
	if at.Is6() {
		return "[" + at.String() + "]"
	}
	return at.String()
}
