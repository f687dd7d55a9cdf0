package activities

import (
	"context"
	"slices"
	"strings"

	"nightshift/internal/fault"
	"nightshift/internal/inventory"
	"nightshift/internal/live"
	"nightshift/internal/plan"
)

// A provider is a machine that goes down, of whose datastores others may live: a guest, or a host itself.
type provider struct {
	a        *Activities
	call     plan.Call
	provides []inventory.Provision
	self     string // UUID of the guest that it is; empty: a host
}

// nobodyServed makes sure that no guest runs any more whose files it serves: that one would lose its disks. One that nobody
// knew of when the plan was made asks for a new one. Others still run where their own step was skipped.
func (p provider) nobodyServed(ctx context.Context) error {
	if !provides(p.provides, inventory.ProvidesDatastore, "") {
		return nil
	}
	t := p.call.Target
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	views, err := p.views(ctx)
	if err != nil {
		return err
	}
	book, err := p.a.ledger.read(ctx, p.call.Lab)
	if err != nil {
		return err
	}
	var known, others []live.Guest
	seen := map[string]bool{}
	for _, v := range views {
		for _, g := range running(v.Guests) {
			if seen[g.UUID] || g.VCLS || p.self != "" && strings.EqualFold(g.UUID, p.self) || !servedBy(p.provides, v, g) {
				continue
			}
			seen[g.UUID] = g.UUID != ""
			if slices.ContainsFunc(book.Memory, func(m plan.RememberedGuest) bool {
				return m.Endpoint == t.Endpoint && strings.EqualFold(m.UUID, g.UUID)
			}) {
				known = append(known, g)
			} else {
				others = append(others, g)
			}
		}
	}
	switch {
	case len(known) > 0:
		return refuse(fault.State, "guests still run whose files it serves: %s; shut them down first", names(append(known, others...)))
	case len(others) > 0:
		return changed("guests run whose files %s serves, and that were not there when the plan was made: %s", t, names(others))
	}
	return nil
}

// servedBy tells whether files of the guest lie on a datastore that is provided.
func servedBy(list []inventory.Provision, v live.VCenter, g live.Guest) bool {
	return slices.ContainsFunc(v.Datastores, func(s live.Datastore) bool {
		return slices.Contains(g.Datastores, s.Ref) && slices.Contains(list, inventory.Provision(inventory.ProvidesDatastore+":"+s.Name))
	})
}

// nobodyUnseen makes sure, before the guest of a vCenter goes down, that no guest runs from storage that goes down after it on a
// host that nobody can ask then: the lab file has no way to its own API. Its step, or that of its host, was skipped. A power cut
// waits for nobody.
func (p provider) nobodyUnseen(ctx context.Context) error {
	vcenter := p.call.Target.Endpoint
	if p.call.Resolute || !provides(p.provides, inventory.ProvidesVCenter, vcenter) {
		return nil
	}
	v, ok := p.vcenter(ctx)
	if !ok { // nobody can look
		return nil
	}
	leaving := p.a.storageOf(v)
	var left []live.Guest
	for _, g := range running(v.Guests) {
		if !g.VCLS && servedBy(leaving, v, g) && !p.a.askable(v, g.Host) {
			left = append(left, g)
		}
	}
	if len(left) == 0 {
		return nil
	}
	return refuse(fault.State, "guests still run whose files are served by what goes down after this vCenter, on hosts that nobody can ask without it (no esxi: in the lab file): %s; "+
		"shut them down first", names(left))
}

// storageOf is what the machines of the vCenter serve that nightshift may switch off, and that are on.
func (a *Activities) storageOf(v live.VCenter) (list []inventory.Provision) {
	for _, g := range running(v.Guests) {
		if entry, ok := a.lab.Guest(v.Name, g.Name, g.UUID); ok && a.kept(v.Name, g) == "" {
			list = append(list, entry.Provides...)
		}
	}
	for i := range a.lab.Hosts {
		if h := &a.lab.Hosts[i]; h.VCenter == v.Name && !h.Keep && a.lab.Self.Host != h.Name {
			list = append(list, h.Provides...)
		}
	}
	return list
}

// askable tells whether the host with this Ref has an API of its own in the lab file.
func (a *Activities) askable(v live.VCenter, ref string) bool {
	i := slices.IndexFunc(v.Hosts, func(h live.Host) bool { return h.Ref == ref })
	if i < 0 {
		return false
	}
	h, ok := a.lab.HostByAddress(v.Name, v.Hosts[i].Name)
	return ok && h.ESXi != nil
}
