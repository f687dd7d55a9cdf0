package runbooks

import (
	"cmp"
	"slices"
	"strings"

	"nightshift/internal/live"
	"nightshift/internal/plan"
)

// absent: the vCenter does not answer now. What is known of its hosts and guests is from the ledger's record of it, or,
// without one (unrecorded), only from hosts that were read through their own API.
func (vc *vcenter) absent() bool {
	return vc.live != nil && !vc.live.Remembered.IsZero() || vc.unrecorded
}

// answers: it was read.
func (vc *vcenter) answers() bool { return vc.live != nil && !vc.absent() }

// readable tells whether the host was read through its own API.
func (h *host) readable() bool {
	return h.direct != nil && h.direct.Err == "" && len(h.direct.ESXi.Hosts) == 1
}

// recall fills in what a record cannot know: what the hosts' BMCs, and the hosts themselves, say now. It works on a copy.
func (v *view) recall(vc *vcenter, listed map[string]*host) {
	l := *vc.live
	l.Hosts, l.Guests = slices.Clone(l.Hosts), slices.Clone(l.Guests)
	vc.live = &l
	byUUID, recorded := map[string]int{}, len(l.Guests)
	for i := range l.Guests {
		g := &l.Guests[i]
		g.Power, g.Connection, g.Heartbeat, g.Tools, g.Question = "", "", "", false, nil
		byUUID[g.UUID] = i
	}
	seen := map[string]bool{}
	for i := range l.Hosts {
		r := &l.Hosts[i]
		r.Connection, r.Power = "", ""
		h, ok := listed[hostKey(vc.Name, r.Name)]
		switch {
		case !ok:
		case h.readable():
			takeOver(r, h.direct.ESXi.Hosts[0])
			v.recallGuests(vc.live, r.Ref, h.direct.ESXi, byUUID, seen)
		case h.bmcSays(live.Off):
			r.Connection = live.NotResponding
		}
	}
	for i := range recorded { // those of hosts that are off, or that were read and do not know them any more
		g := &vc.live.Guests[i]
		if seen[g.UUID] {
			continue
		}
		k := slices.IndexFunc(l.Hosts, func(h live.Host) bool { return h.Ref == g.Host })
		if k < 0 {
			continue
		}
		switch h, ok := listed[hostKey(vc.Name, l.Hosts[k].Name)]; {
		case !ok:
		case h.readable():
			g.Host = "" // nobody knows where it is
		case h.bmcSays(live.Off):
			g.Power, g.Connection = live.PoweredOff, live.Disconnected
		}
	}
}

// takeOver takes over what a host says of itself.
func takeOver(r *live.Host, is live.Host) {
	r.Connection, r.Power, r.Maintenance, r.Lockdown, r.ReadOnly = live.Connected, is.Power, is.Maintenance, is.Lockdown, is.ReadOnly
}

// recallGuests takes over what a host says of its guests. One that the record does not know is added, without a reference.
func (v *view) recallGuests(vc *live.VCenter, hostRef string, esxi live.VCenter, byUUID map[string]int, seen map[string]bool) {
	for _, is := range esxi.Guests {
		i, known := byUUID[is.UUID]
		if !known || is.UUID == "" {
			is.Ref, is.Host, is.Cluster, is.Datastores = "", hostRef, "", nil
			vc.Guests = append(vc.Guests, is)
			continue
		}
		if seen[is.UUID] && is.Power != live.PoweredOn {
			continue // registered on two hosts: where it runs is what counts
		}
		seen[is.UUID] = true
		g := &vc.Guests[i]
		g.Host, g.Power, g.Connection, g.Heartbeat, g.Tools, g.Question, g.IP =
			hostRef, is.Power, cmp.Or(is.Connection, live.Connected), is.Heartbeat, is.Tools, is.Question, cmp.Or(is.IP, g.IP)
	}
}

// unrecordedVCenter is what is known of a vCenter that does not answer and has no record: its hosts that have an API of
// their own in the lab file, and what these tell. nil: there are none.
func (v *view) unrecordedVCenter(vc *vcenter, listed map[string]*host) *live.VCenter {
	l := &live.VCenter{Name: vc.Name}
	for _, e := range v.lab.Hosts {
		if e.VCenter != vc.Name || e.ESXi == nil {
			continue
		}
		h := listed[hostKey(vc.Name, inVCenter(e))]
		r := live.Host{Name: inVCenter(e), Ref: v.owedRef(vc.Name, inVCenter(e))}
		if r.Ref == "" {
			r.Ref = refOfItsOwn + e.Name
		}
		if h.bmc != nil {
			r.UUID = h.bmc.UUID
		}
		switch {
		case h.readable():
			r.UUID, r.Version, r.Build = h.direct.ESXi.Hosts[0].UUID, h.direct.ESXi.Hosts[0].Version, h.direct.ESXi.Hosts[0].Build
			takeOver(&r, h.direct.ESXi.Hosts[0])
			v.recallGuests(l, r.Ref, h.direct.ESXi, nil, nil)
		case h.bmcSays(live.Off):
			r.Connection = live.NotResponding
		}
		l.Hosts = append(l.Hosts, r)
	}
	if len(l.Hosts) == 0 {
		return nil
	}
	return l
}

// refOfItsOwn begins references that are nobody's: they tell the hosts of an unrecorded vCenter apart, and go into no step.
const refOfItsOwn = "?"

// owedRef is the reference of a host by the debt of its maintenance mode.
func (v *view) owedRef(vcenter, name string) string {
	for _, d := range v.debts {
		if d.Setting == plan.Maintenance && d.Target.Endpoint == vcenter && strings.EqualFold(d.Target.Name, name) {
			return d.Target.Ref
		}
	}
	return ""
}
