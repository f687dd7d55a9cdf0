package main

import (
	"slices"
	"strings"

	"nightshift/internal/inventory"
	"nightshift/internal/live"
	"nightshift/internal/smbios"
)

// checkPlaces compares what the lab file names with what there is: hosts, clusters, guests and nightshift's own place.
func checkPlaces(lab *inventory.Lab, seen map[string]live.VCenter, bmcs map[string]live.BMC, direct map[string]live.Host) []checkRow {
	var rows []checkRow
	for i := range lab.Hosts {
		if v, ok := seen[lab.Hosts[i].VCenter]; ok {
			rows = append(rows, checkHost(&lab.Hosts[i], v, bmcs, direct)...)
		}
	}
	for _, c := range lab.Clusters {
		v, ok := seen[c.VCenter]
		if ok && !slices.ContainsFunc(v.Clusters, func(x live.Cluster) bool { return x.Name == c.Name }) {
			rows = append(rows, checkRow{"cluster " + c.Name, "exists", checkFail, "vCenter " + c.VCenter + " has no such cluster", "correct its name in the lab file"})
		}
	}
	rows = append(rows, checkGuests(lab, seen)...)
	return append(rows, checkSelf(lab, seen)...)
}

func checkHost(h *inventory.Host, v live.VCenter, bmcs map[string]live.BMC, direct map[string]live.Host) []checkRow {
	c := &checks{subject: "host " + h.Name}
	i := slices.IndexFunc(v.Hosts, func(x live.Host) bool { return x.Name == h.Address })
	if i < 0 {
		c.add(checkFail, "exists", "set address: to its name in vCenter", "vCenter %s has no host %s", h.VCenter, h.Address)
		return c.rows
	}
	x := v.Hosts[i]
	c.ok("exists", "ESXi %s build %s, %s", x.Version, x.Build, x.Connection)
	if x.ReadOnly {
		c.add(checkFail, "licence", "a licence with API access is needed", "its licence allows only reading through the API")
	}
	if x.Lockdown != "" && x.Lockdown != "lockdownDisabled" {
		c.add(checkWarn, "lockdown", "", "lockdown mode is on (%s): it cannot be reached directly", x.Lockdown)
	}
	if d, ok := direct[h.Name]; ok {
		c.itself(d, x)
	}
	if h.WakeOnLAN != nil && h.BMC == nil {
		c.macBelongs(h, x)
		return c.rows
	}
	if h.BMC == nil && !h.Keep {
		c.add(checkFail, "BMC", "give it a bmc:, wakeOnLan:, or keep: true", "without a BMC nobody can see that it is off, nor switch it on")
	}
	b, ok := bmcs[h.Name]
	if !ok {
		return c.rows
	}
	pin := live.Pin{Serial: h.BMC.Serial, UUID: h.BMC.UUID}
	if id, why := b.Identify(pin, x.UUID); id == live.Contradicted && !pin.Recorded() { // what is recorded is compared with the BMC's rows
		c.add(checkFail, "BMC", "correct the BMC's url or system; if it is this host's, nightshift lab trust records by what to know it",
			"its BMC %s: it looks like another server's", why)
	}
	return c.rows
}

// checkGuests looks for every guest that the lab file names, also in `after`.
func checkGuests(lab *inventory.Lab, seen map[string]live.VCenter) []checkRow {
	known := map[string]int{}
	for _, v := range seen {
		for _, g := range v.Guests {
			known[g.Name]++
		}
	}
	named := map[string]string{}
	for _, g := range lab.Guests {
		named[g.Name] = "listed under guests"
		for _, n := range g.After {
			named[n] = "guest " + g.Name + " comes after it"
		}
	}
	for _, n := range lab.Self.NeededGuests() {
		named[n] = "under self.needs"
	}
	for _, g := range lab.Groups {
		for _, n := range g.Guests {
			named[n] = "in group " + g.Name
		}
	}
	if len(seen) < len(lab.VCenters) {
		return nil // it may be in the vCenter that did not answer
	}
	var rows []checkRow
	for _, n := range sortedKeys(named) {
		if strings.HasPrefix(n, "group:") || known[n] > 0 {
			continue
		}
		rows = append(rows, checkRow{"guest " + n, "exists", checkFail, "no vCenter has such a guest (" + named[n] + ")", "correct its name in the lab file"})
	}
	return rows
}

// checkSelf looks where nightshift says that it runs.
func checkSelf(lab *inventory.Lab, seen map[string]live.VCenter) []checkRow {
	c := &checks{subject: "nightshift"}
	c.confirmSelf(lab, seen, smbios.UUID(smbios.File))
	if lab.Self.Guest == "" {
		c.ok("self", "runs %s, as the lab file says", selfText(lab.Self))
		return c.rows
	}
	for _, name := range sortedKeys(seen) {
		for _, g := range seen[name].Guests {
			if g.Name == lab.Self.Guest {
				c.ok("self", "runs %s (%s), which is never switched off", selfText(lab.Self), g.Power)
				return c.rows
			}
		}
	}
	if len(seen) == len(lab.VCenters) {
		c.add(checkFail, "self", "correct self: in the lab file", "the lab file says that it runs in guest %s, which no vCenter has", lab.Self.Guest)
	}
	return c.rows
}

// confirmSelf says where this machine's SMBIOS UUID is known in the lab, if that is not what the lab file says.
func (c *checks) confirmSelf(lab *inventory.Lab, seen map[string]live.VCenter, machine string) {
	if !live.GenuineUUID(machine) {
		return
	}
	for _, name := range sortedKeys(seen) {
		for _, g := range seen[name].Guests {
			if live.SameUUID(g.BIOSUUID, machine) && g.Name != lab.Self.Guest {
				c.add(checkFail, "self", "correct self: in the lab file, unless nightshift serves from another machine",
					"by its SMBIOS UUID this machine is guest %s of %s", g.Name, name)
			}
		}
	}
}
