package labimport

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"nightshift/internal/identity"
	"nightshift/internal/inventory"
	"nightshift/internal/live"
	"nightshift/internal/words"
)

// Records is all that a lab file is made of where only replicas and their identity records are left.
type Records struct {
	Lab   string // its name; empty: that of the records
	Found []identity.Found
	Bad   []identity.Copy
	// Host is how the storage host was reached; nil: the records came from files.
	Host *inventory.SSH
}

// errNoRecord: nothing can be said without.
var errNoRecord = errors.New("there is no identity record: nightshift writes one with each `replicate`")

// WriteRecords makes the text of a lab file for the side of the replicas: what the records say as plain entries, what is of the other
// side, or may be gone, as questions. The same input makes the same text.
func WriteRecords(in Records) ([]byte, error) {
	if len(in.Found) == 0 {
		return nil, errNoRecord
	}
	in.Found = slices.SortedStableFunc(slices.Values(in.Found), func(a, b identity.Found) int { return b.Made.Compare(a.Made) })
	w := &writer{}
	in.writeHead(w)
	in.writePlaces(w)
	var older []superseded
	in.Found, older = newest(in.Found)
	in.writeStorage(w)
	in.writeProtection(w)
	writeOlder(w, older)
	in.writeOccupants(w)
	return []byte(w.String()), nil
}

func (in Records) labs() (names []string) {
	for _, f := range in.Found {
		if !slices.Contains(names, f.Lab) {
			names = append(names, f.Lab)
		}
	}
	return names
}

func (in Records) writeHead(w *writer) {
	w.remark(0, "The lab as identity records tell it, which lie with its replicas. Written by `nightshift lab import --from-record`; from now on it is yours.")
	w.remark(0, "")
	w.remark(0, "\"# ?\" is a question: only you know. Lines of YAML behind a # are proposals: fill them in, and take the # away.")
	w.remark(0, "")
	for _, f := range in.Found {
		text := fmt.Sprintf("- group %s of lab %s: as of %s, by run %s; from %s", f.Group, f.Lab, f.Made.UTC().Format(time.RFC3339), f.Run, words.Some(f.Newest, fewNames))
		if len(f.Older) > 0 {
			text += "; older, and not used: " + words.Some(f.Older, fewNames)
		}
		w.remark(0, text)
		for _, g := range f.NotRead {
			w.remark(0, "- not in that record: "+g.What+": "+g.Why)
		}
	}
	for _, c := range in.Bad {
		w.comment(0, "- not used: %s: %v", c.Where, c.Err)
	}
	w.blank()
	labs := in.labs()
	said := ""
	if len(labs) > 1 {
		said = "? there are records of the labs " + strings.Join(labs, ", ")
	}
	w.line(0, "lab: "+quoted(cmp.Or(in.Lab, labs[0])), said)
	w.blank()
	w.remark(0, "? Where does nightshift itself run? outside: true is right where no host of this lab carries it.")
	w.line(0, "self:", "")
	w.line(2, "outside: true", "")
}

// writePlaces proposes what no record knows: a lab with storage hosts needs neither.
func (in Records) writePlaces(w *writer) {
	w.heading("? Is there a vCenter on this side, and hosts? Without them LUNs and replicas are looked after, and nothing is powered down or up. " +
		"`nightshift lab import --vcenter` reads a vCenter that is there." + theirVCenters(in.vcenters()))
	for _, v := range in.vcenters() {
		w.comment(0, "- %s (%s), version %s", v.VCenter, cmp.Or(v.URL, "its address is not known"), cmp.Or(v.Version, "unknown"))
	}
	for _, line := range []string{
		"vcenters:",
		"  - name: vc",
		"    url: https://vcenter.example.com",
		"    user: nightshift@vsphere.local # who logs in",
		"    password: env:VC_PASSWORD # where it is kept",
		"hosts:",
		"  - name: esx1.example.com # as the vCenter names it",
		"    keep: true # until you say how it is switched on again: bmc:",
	} {
		w.proposal(0, line)
	}
}

func theirVCenters(list []identity.VCenter) string {
	if len(list) == 0 {
		return ""
	}
	return " Those of the source were:"
}

// vcenters are those of all records, each once.
func (in Records) vcenters() (all []identity.VCenter) {
	for _, f := range in.Found {
		for _, v := range f.VCenters {
			if !slices.ContainsFunc(all, func(o identity.VCenter) bool { return o.VCenter == v.VCenter && o.URL == v.URL }) {
				all = append(all, v)
			}
		}
	}
	return all
}

// writeStorage writes the storage hosts of all groups: first those with replicas.
func (in Records) writeStorage(w *writer) {
	w.heading("Storage hosts, as the lab file of the source had them.")
	w.line(0, "storageHosts:", "")
	seen := map[string][]string{} // by name, the addresses in the records
	write := func(h inventory.StorageHost, address, remark string) {
		known := seen[h.Name]
		if !slices.Contains(known, address) {
			seen[h.Name] = append(known, address)
		}
		if len(known) > 0 {
			if !slices.Contains(known, address) {
				w.comment(2, "? A storage host %s is at %s in another record: a lab file has only one of a name.", h.Name, address)
			}
			return
		}
		w.remark(2, remark)
		h.Site = ""
		h, doubtful := parted(h)
		w.entry(h, false)
		if text := asYAML(doubtful); text != "{}\n" {
			w.remark(4, "? The record says this of it, too. It would run commands here, send secrets there, or let more be changed: put into the entry above what you know to be right.")
			for line := range strings.Lines(text) {
				w.proposal(4, strings.TrimRight(line, "\r\n"))
			}
		}
	}
	const there = "? As it was reached from there. Is it reached from here so, too, and are these the account and the key?"
	for _, f := range in.Found {
		if in.Host != nil && !f.OnSource() {
			write(in.reached(f.Target), f.Target.SSH.Address, "With the replicas, as it was reached just now. ? Is the target that of this side")
		} else {
			write(f.Target, f.Target.SSH.Address, there)
		}
	}
	for _, f := range in.Found {
		if in.Host != nil && f.OnSource() {
			write(in.reached(f.Source), f.Source.SSH.Address, "The source, as it was reached just now.")
		} else {
			write(f.Source, f.Source.SSH.Address, "? The source. Is it still there? It is needed to replicate, not for what is done with replicas.")
		}
	}
}

// parted takes from a storage host what a person has to have seen before it counts: whoever can write to the account there can write a
// record, with a checksum that is right.
func parted(h inventory.StorageHost) (plain, doubtful inventory.StorageHost) {
	plain = h
	doubtful.SSH.Password, plain.SSH.Password = h.SSH.Password, ""
	if h.SSH.Jump != nil {
		jump := *h.SSH.Jump
		doubtful.SSH.Jump, jump.Password = &inventory.Jump{Password: jump.Password}, ""
		plain.SSH.Jump = &jump
	}
	doubtful.RestorePartitions, plain.RestorePartitions = h.RestorePartitions, false
	if h.Target == nil {
		return plain, doubtful
	}
	target := *h.Target
	target.CHAP, target.Unproven = nil, ""
	doubtful.Target = &inventory.StorageTarget{Unproven: h.Target.Unproven}
	for _, entry := range h.Target.CHAP {
		list := &target.CHAP
		if entry.Secret.IsCommand() || entry.MutualSecret.IsCommand() {
			list = &doubtful.Target.CHAP
		}
		*list = append(*list, entry)
	}
	plain.Target = &target
	return plain, doubtful
}

// reached is a storage host in the way that was just taken.
func (in Records) reached(h inventory.StorageHost) inventory.StorageHost {
	ssh := *in.Host
	if h.SSH.User != ssh.User { // whoever reads records need not be the service account
		ssh.User, ssh.Key = h.SSH.User, h.SSH.Key
	}
	h.SSH = ssh
	return h
}

// writeOccupants proposes entries of the VMs: whether they are to be in the lab of this side is not known.
func (in Records) writeOccupants(w *writer) {
	n := 0
	for _, f := range in.Found {
		if n += f.VMs(); f.VMs() == 0 {
			w.heading(fmt.Sprintf("? Which VMs lie on the replicas of group %s? Its record has none.", f.Group))
		}
	}
	if n == 0 {
		return
	}
	w.heading("? The VMs on the replicas: in which order do they start here? They need a vCenter in this file. `nightshift lab record` tells all of each.")
	w.proposal(0, "guests:")
	var groups []inventory.Group
	for _, f := range in.Found {
		for _, v := range f.VCenters {
			for _, g := range v.Guests {
				writeOccupant(w, f.Record, g)
			}
		}
		for _, g := range f.Groups {
			if !slices.ContainsFunc(groups, func(o inventory.Group) bool { return o.Name == g.Name }) {
				groups = append(groups, g)
			}
		}
	}
	if len(groups) > 0 {
		w.proposal(0, "groups:")
	}
	for _, g := range groups {
		w.entry(g, true)
	}
}

func writeOccupant(w *writer, r identity.Record, g live.Occupant) {
	entry := inventory.Guest{Name: g.Name}
	i := slices.IndexFunc(r.Guests, func(e inventory.Guest) bool { return e.Name == g.Name && (e.UUID == "" || e.UUID == g.UUID) })
	if i >= 0 {
		entry = r.Guests[i]
		entry.VCenter = ""
	}
	var said []string
	if g.Path != "" {
		said = append(said, g.Path)
	}
	said = append(said, cmp.Or(g.Power, "power unknown"))
	if g.Restart != "" {
		said = append(said, "HA restart priority "+g.Restart)
	}
	if g.VApp != "" {
		said = append(said, fmt.Sprintf("vApp %s, place %d", g.VApp, g.VAppStart))
	}
	for _, n := range g.NICs {
		net := n.Network
		if n.VLAN != "" {
			net += " (VLAN " + n.VLAN + ")"
		}
		said = append(said, cmp.Or(net, "no network")+" "+n.MAC)
	}
	w.proposal(0, fmt.Sprintf("  # %s: %s", g.Name, strings.Join(said, ", ")))
	w.entry(entry, true)
	if len(entry.After) == 0 {
		w.proposal(0, "    after: [] # ? nothing said what it needs")
	}
}
