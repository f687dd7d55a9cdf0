package runbooks

import (
	"fmt"
	"slices"

	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/internal/words"
)

// chooseFoundation finds out which vCenters will not be there at the end, which hosts go down last for it, and whether the
// way to these is open.
func (d *descent) chooseFoundation() {
	for _, vc := range d.vcenters {
		g := d.vcenterGuest(vc)
		d.leaving[vc] = vc.absent() || g != nil && d.going[g]
	}
	d.beneath = d.foundationHosts(func(g *guest) bool { return d.going[g] && g.foundation() })
	for _, h := range d.hosts {
		if !d.direct(h.vc) {
			continue
		}
		switch {
		case d.down[h] && (d.beneath[h] || h.vc.absent()):
			d.beneath[h] = true
			d.checkDirect(h)
		case slices.ContainsFunc(h.guests, func(g *guest) bool { return d.going[g] && g.foundation() }):
			d.checkDirect(h) // it stays up itself
		}
	}
	d.tellUnseen()
	for _, g := range d.guests { // without a vCenter, only what the lab stands on has a way down
		if d.going[g] && g.vc.absent() && !g.foundation() {
			d.block(g.subject(), "runs, but vCenter "+g.vc.Name+", through which it would be shut down, does not answer",
				"run power-up, which starts the vCenter, and then power-down; or shut the guest down by hand")
		}
	}
}

// tellUnseen says of which hosts nobody can tell, when their vCenter is gone, whether guests still run from what a guest serves that
// goes down then: the step asks those that have an API of their own in the lab file. Guests of hosts that go down are seen off before the vCenter goes.
func (d *descent) tellUnseen() {
	for _, g := range d.guests {
		if !d.going[g] || !g.storage() || !d.direct(g.vc) {
			continue
		}
		var unseen []string
		for _, h := range d.hosts {
			if h.vc == g.vc && h != g.host && !d.off[h] && !d.down[h] && (h.lab == nil || h.lab.ESXi == nil) &&
				slices.ContainsFunc(h.storeNames(), func(name string) bool { return d.stores.guest(h.vc, name) == g }) {
				unseen = append(unseen, h.id)
			}
		}
		if len(unseen) > 0 {
			d.warn(g.subject(), "serves datastores to hosts that stay up, without esxi: in the lab file ("+words.Some(unseen, fewNames)+"): just before it goes down, nobody can look whether guests still run from them there",
				"add esxi: (url, user, password) to these hosts")
		}
	}
}

// direct tells whether what is left at the end has to be reached without the vCenter.
func (d *descent) direct(vc *vcenter) bool { return d.leaving[vc] }

// checkDirect says what stands in the way of steps through the host's own API.
func (d *descent) checkDirect(h *host) {
	why, provider := "goes down without vCenter "+h.vc.Name+", which does not answer", len(h.lab.Provides) > 0
	if provider {
		why = "the host itself provides " + provisionWords(h.lab.Provides) + ", and goes down when vCenter " + h.vc.Name + " is gone"
	}
	for _, g := range h.guests {
		if d.going[g] && g.foundation() {
			why = "guest " + g.id + " on it " + g.stands() + ", and goes down when vCenter " + h.vc.Name + " is gone"
			provider = provider || g.tier >= 0
			break
		}
	}
	d.checkOwnAPI(h, why, provider)
	if h.cluster == nil || d.stays(h.cluster) == nil {
		return
	}
	if slices.ContainsFunc(h.guests, func(g *guest) bool { return g.VCLS }) {
		d.block(h.subject(), "carries vCLS guests, and its cluster does not go down as a whole: without vCenter "+h.vc.Name+" nobody takes them away",
			"let the whole cluster go down, or keep this host, too")
	}
}

// checkOwnAPI says what keeps steps from going through the host itself. must: it has to have been tried.
func (b *builder) checkOwnAPI(h *host, why string, must bool) {
	keep := ", or mark it and its guests keep: true"
	switch {
	case h.lab.ESXi == nil:
		b.block(h.subject(), why+": that takes the host's own API, and the lab file does not say how to reach it", "add esxi: (url, user, password) to the host"+keep)
		return
	case h.live != nil && h.live.Lockdown != "" && h.live.Lockdown != "lockdownDisabled":
		b.block(h.subject(), why+": that takes the host's own API, but the host is in lockdown mode ("+h.live.Lockdown+")", "end its lockdown mode in vCenter"+keep)
	case h.live == nil || !h.connected() && h.vc.absent(): // cannot be tried before it is up
	case h.direct == nil && !must:
		b.warn(h.subject(), why+": that takes the host's own API, which was not tried", "")
	case h.direct == nil:
		b.block(h.subject(), why+": that takes the host's own API, which was not read", "see `nightshift lab check`")
	case h.direct.Err != "":
		b.block(h.subject(), why+": that takes the host's own API, which does not answer as it should: "+h.direct.Err, "see `nightshift lab check`"+keep)
	default:
		b.checkItself(h)
	}
}

// checkItself holds what answers at esxi: against the host that is meant.
func (b *builder) checkItself(h *host) {
	e := h.direct.ESXi
	switch {
	case e.APIType != "" && e.APIType != "HostAgent" || len(e.Hosts) != 1:
		b.block(h.subject(), "what answers at its esxi: url is no ESXi host", "correct the url: it is that of the host itself, not of a vCenter")
	case h.live != nil && live.GenuineUUID(h.live.UUID) && live.GenuineUUID(e.Hosts[0].UUID) && !live.SameUUID(h.live.UUID, e.Hosts[0].UUID):
		b.block(h.subject(), "what answers at its esxi: url is another machine (UUID "+e.Hosts[0].UUID+")", "correct the esxi: url")
	case h.live != nil && otherCards(h.live.MACs, e.Hosts[0].MACs): // boards of one make may come with one UUID
		b.block(h.subject(), "what answers at its esxi: url is another machine: none of its network cards is the host's", "correct the esxi: url")
	case e.Hosts[0].ReadOnly:
		b.block(h.subject(), "its licence (free ESXi) lets programs only read", "assign a licence, or mark the host keep: true")
	}
}

// otherCards tells whether both lists of MAC addresses are known, and have none in common.
func otherCards(a, b []string) bool {
	return len(a) > 0 && len(b) > 0 && !slices.ContainsFunc(a, func(mac string) bool { return slices.Contains(b, mac) })
}

// record writes down what the vCenters know that go down themselves, before anything does.
func (d *descent) record(vcs []*vcenter) {
	for _, vc := range vcs {
		if d.leaving[vc] {
			d.recorded[vc.Name] = d.add(plan.Step{ID: "record-lab:" + vc.Name, Title: "Write down what vCenter " + vc.Name + " knows, for the power-up that begins without it",
				Group: groupBegin, Action: plan.RecordLab, Target: d.labTarget(vc), Params: plan.Encode(plan.RecordParams{VCenter: vc.Name}),
				Needs: []string{d.marks[vc.Name]}, Holds: []string{vc.holds()}, Estimate: plan.Duration(takesRecord), Timeout: plan.Duration(marginTask)})
		}
	}
}

// unmarkLeaving takes the marks off the vCenters that go down, when all else is down, and returns the steps that the
// foundation waits for.
func (d *descent) unmarkLeaving(vcs []*vcenter) []string {
	leaving := slices.DeleteFunc(slices.Clone(vcs), func(vc *vcenter) bool { return !d.leaving[vc] })
	ends := d.ends()
	foundation := 0
	for _, g := range d.guests {
		if d.going[g] && g.foundation() {
			foundation++
		}
	}
	switch n := max(foundation, len(leaving)); {
	case foundation == 0 && len(leaving) == 0:
		return ends
	case worthJoining(len(ends), n):
		ends = []string{d.join("all-else", "All but what the lab stands on is down", groupEnd, ends)}
	}
	if len(leaving) == 0 {
		return ends
	}
	var ids []string
	for _, vc := range leaving {
		ids = append(ids, d.unmarkAfter(vc, ends))
	}
	return ids
}

// shutdownFoundation takes down what the lab stands on, against its order, and the hosts that carry it. Guests that serve
// datastores wait for other hosts to be off as well: a host that loses a datastore before it shuts down takes long for it.
func (d *descent) shutdownFoundation(settings map[*cluster]map[plan.Setting]string, guests map[*guest]string, last []string) {
	newWay(d.order, true, "foundation ").lay(func(n *node, needs []string) string {
		g := n.guest
		if g == nil || !d.going[g] || !g.foundation() {
			return ""
		}
		t := g.target()
		if d.direct(g.vc) && g.host.lab != nil {
			t = g.onHost()
		}
		needs = append(needs, last...)
		if g.storage() {
			needs = append(needs, d.offBefore(g)...)
		}
		if len(last) == 0 {
			needs = append(needs, d.free(g, settings)...)
		}
		guests[g] = d.shutdownGuest(g, t, needs)
		return guests[g]
	})
	for _, h := range d.hosts {
		if !d.down[h] || !d.beneath[h] {
			continue
		}
		needs := d.hostNeeds(h, settings, guests)
		if d.direct(h.vc) {
			needs = append(needs, last...)
		}
		for _, g := range d.guests {
			if d.going[g] && (g.foundation() || !d.direct(h.vc)) && d.stores.needsHost(g, h) {
				needs = append(needs, guests[g])
			}
		}
		d.shutdownHost(h, needs)
	}
}

// offBefore are the shutdowns of the hosts that mount a datastore of the guest, but for its own and for those that carry
// something that it needs itself, or that serves a datastore as well.
func (d *descent) offBefore(g *guest) (ids []string) {
	needed := d.order.all(g)
	for _, h := range d.hosts {
		if !d.down[h] || !d.beneath[h] || h == g.host || len(h.lab.Provides) > 0 ||
			slices.ContainsFunc(h.guests, func(o *guest) bool { return d.going[o] && (o.storage() || needed[o]) }) {
			continue
		}
		if slices.ContainsFunc(h.storeNames(), func(name string) bool { return d.stores.guest(h.vc, name) == g }) {
			ids = append(ids, "shutdown-host:"+h.id)
		}
	}
	return ids
}

// checkNeeds looks for what nightshift itself cannot do without among the guests that go down.
func (d *descent) checkNeeds(needs []live.Need) {
	for _, n := range needs {
		for _, g := range d.guests {
			if !d.going[g] || !g.HasAddress(n.Address) {
				continue
			}
			if n.What == live.NameServer && !d.lab.AsksByName() {
				d.warn(g.subject(), "goes down, though nightshift asks it for names ("+n.What+" is "+n.Address+"); the lab file names all machines by address", "")
				continue
			}
			d.block(g.subject(), "goes down, and nightshift itself needs it: "+n.What+" is "+n.Address,
				"keep the guest and its host, or let nightshift use another; with addresses in place of names in the lab file it needs no name server")
		}
	}
}

// checkStaying says whom a guest that goes down leaves without what they need. What a run of the whole lab takes away from
// guests that are kept is a warning, but for the files of these: they would stop at their next write.
func (d *descent) checkStaying(g *guest) {
	d.order.of[g].direct(func(dep *guest, e edge) {
		switch {
		case !d.going[dep]:
		case e.kind == edgeFiles:
			d.block(dep.subject(), fmt.Sprintf("provides datastore %s, where files of guest %s lie, which stays up%s", e.what, g.id, because(g)),
				"keep guest "+dep.id+" and its host, or move guest "+g.id+" to another datastore")
		case !d.scope.whole && dep.foundation():
			d.block(dep.subject(), dep.stands()+", and guest "+g.id+", which needs it, stays up", "take guest "+g.id+" down as well")
		default:
			d.warn(dep.subject(), "goes down, though guest "+g.id+" needs it and stays up", "")
		}
	})
}

func because(g *guest) string {
	if g.kept == "" {
		return ""
	}
	return " (" + g.kept + ")"
}

// checkFoundationAlone: a part of the lab may take away what all of it stands on only when all of it is down.
func (d *descent) checkFoundationAlone() {
	if d.scope.whole {
		return
	}
	var staying []string
	for _, g := range d.guests {
		if g.ordinary() && !g.foundation() && !g.atRest() && !d.going[g] && g.kept == "" {
			staying = append(staying, g.id)
		}
	}
	for _, g := range d.guests {
		if d.going[g] && g.tier > 0 && len(staying) > 0 { // who needs a datastore is known
			d.block(g.subject(), g.stands()+", which the rest of the lab needs, and "+words.Some(staying, fewNames)+" stay up",
				"take the whole lab down, or leave this guest out")
		}
	}
	for _, h := range d.hosts {
		if d.down[h] && len(h.lab.Provides) > 0 && len(staying) > 0 {
			d.block(h.subject(), "provides "+provisionWords(h.lab.Provides)+", which the rest of the lab needs, and "+words.Some(staying, fewNames)+" stay up",
				"take the whole lab down, or leave this host out")
		}
	}
}

// checkHostStays: what a host itself provides is missed by those that stay up, as with guests.
func (d *descent) checkHostStays(g *guest) {
	for _, name := range g.storeNames() {
		if h := d.stores.host(g.vc, name); h != nil && d.down[h] && g.host != h {
			d.block(h.subject(), "provides datastore "+name+", where files of guest "+g.id+" lie, which stays up"+because(g),
				"keep the host, or move the guest to another datastore")
		}
	}
}

// checkRemembered: HA of a cluster that nobody can look at must have been switched off by a run, or it restarts what goes down.
func (d *descent) checkRemembered(c *cluster) {
	if !c.vc.absent() || !c.HA {
		return
	}
	owed := slices.ContainsFunc(d.debts, func(x plan.Debt) bool { return x.ID == plan.DebtID(c.vc.Name, c.Ref, plan.HA) })
	if !owed {
		d.block(c.subject(), "had HA when vCenter "+c.vc.Name+" last told, and no run has switched it off: it would restart what goes down",
			"run power-up, which starts the vCenter, and then power-down")
	}
}
