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

// unread: nothing is known of it but what its hosts may tell.
func (vc *vcenter) unread() bool { return vc.live == nil || vc.unrecorded }

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
			if is := hidden(h.direct.ESXi, *g, l.Guests[:recorded]); is != nil {
				g.Power, g.Connection = is.Power, is.Connection
			} else {
				g.Host = "" // nobody knows where it is
			}
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
		if is.UUID == "" && slices.ContainsFunc(vc.Guests, func(g live.Guest) bool { return g.UUID != "" && sameFile(g.Path, is) }) {
			continue // see hidden
		}
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

// hidden finds the recorded guest among those of which the host cannot read the files: it does not know their names and
// UUIDs any more, only where the files were. nil: it is not there, or cannot be told from another.
func hidden(esxi live.VCenter, g live.Guest, recorded []live.Guest) *live.Guest {
	for _, o := range recorded {
		if o.UUID != g.UUID && configFile(o.Path) == configFile(g.Path) {
			return nil
		}
	}
	var found *live.Guest
	for i, is := range esxi.Guests {
		if is.UUID != "" || !sameFile(g.Path, is) {
			continue
		}
		if found != nil {
			return nil
		}
		found = &esxi.Guests[i]
	}
	return found
}

func sameFile(path string, is live.Guest) bool {
	file := configFile(path)
	return file != "" && (configFile(is.Path) == file || configFile(is.Name) == file)
}

// configFile is a guest's directory and file, without the datastore, which a host calls otherwise when it is gone:
// "web01/web01.vmx" of "[datastore1] web01/web01.vmx" and of "/vmfs/volumes/5f3e…/web01/web01.vmx".
func configFile(path string) string {
	if _, rest, ok := strings.Cut(path, "] "); ok {
		path = rest
	}
	parts := strings.Split(path, "/")
	if n := len(parts); n >= 2 && strings.HasSuffix(path, ".vmx") {
		return parts[n-2] + "/" + parts[n-1]
	}
	return ""
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
