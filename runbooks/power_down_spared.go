package runbooks

import (
	"cmp"
	"slices"

	"nightshift/internal/live"
	"nightshift/internal/plan"
)

// On battery, one host that boots, or that nobody reaches, must not keep all others from going down. In a power-down on account
// of UPSes a blocker about one host or guest spares that one: it stays as it is, with what it may need, and all else goes down.
// So do the hosts of a vCenter that nobody could read, where there are others.
// The plan names what is spared, so that whoever watches the UPS begins again for it. Blockers about the lab stay blockers.

// A spared host or guest is left as it is.
type spared struct {
	why    plan.Finding
	all    bool // of a host: its guests stay, too; otherwise they go down, and it stays on
	needed bool // by another one that is spared: by itself it could go down
}

// A mercy is what is spared, by its subject.
type mercy map[string]spared

func planPowerDown(in Input) (plan.Plan, error) {
	first := descend(in, nil)
	if len(first.upses) == 0 {
		return first.plan, nil
	}
	d, m := first, mercy{}
	for d.spare(m) { // each time it is more
		d = descend(in, m)
	}
	if len(d.plan.Blockers) == 0 && len(d.plan.Steps) == 0 && len(d.plan.Left) > 0 {
		return first.plan, nil // all that is on is spared: there is nothing to do, and much in the way
	}
	return d.plan, nil
}

// spare adds what stands in the way of this plan, and what is needed by what stays; false: there is no more.
func (d *descent) spare(m mercy) (more bool) {
	add := func(subject string, s spared) {
		was, known := m[subject]
		if known && (was.all || !s.all) {
			return
		}
		s.needed = s.needed && (!known || was.needed)
		m[subject], more = s, true
	}
	blocked := map[string]plan.Finding{}
	for _, f := range slices.Backward(d.plan.Blockers) {
		blocked[f.Subject] = f // the first of each
	}
	of := func(h *host) (plan.Finding, bool) {
		f, ok := blocked[h.subject()]
		if !ok && h.cluster != nil {
			f, ok = blocked[h.cluster.subject()]
		}
		return f, ok
	}
	for _, h := range d.hosts {
		if f, ok := blocked[h.vc.subject()]; ok && h.vc.unread() {
			f.Text = h.vc.subject() + " " + f.Text
			add(h.subject(), spared{why: f, all: true})
		}
		if f, ok := of(h); ok && h.unclear() {
			add(h.subject(), spared{why: f, all: true})
		}
	}
	if d.spareAllNeeds(m, add); more { // what stands in the way of others may come of these
		return true
	}
	for _, h := range d.hosts {
		if f, ok := of(h); ok {
			d.spareHost(h, f, m, add)
		}
	}
	if d.spareAllNeeds(m, add); more {
		return true
	}
	for _, g := range d.guests {
		if f, ok := blocked[g.subject()]; ok {
			add(g.subject(), spared{why: f})
		}
	}
	d.spareAllNeeds(m, add)
	return more
}

// spareAllNeeds keeps up what those may need that are spared so far.
func (d *descent) spareAllNeeds(m mercy, add func(string, spared)) {
	for _, h := range d.hosts {
		if s, ok := m[h.subject()]; ok && s.all {
			d.spareNeeds(h.subject(), h.vc, d.storesOf(h), add)
		}
	}
	for _, g := range d.guests {
		if s, ok := m[g.subject()]; ok && !s.needed {
			d.spareNeeds(g.subject(), g.vc, nil, add)
		}
	}
}

// spareHost: where it is known what runs on a host, its guests go down. One that is in the way again stays for the sake of the
// guests that go through its own API, or of all.
func (d *descent) spareHost(h *host, f plan.Finding, m mercy, add func(string, spared)) {
	if _, again := m[h.subject()]; !again {
		add(h.subject(), spared{why: f})
		return
	}
	found := false
	for _, g := range h.guests {
		if d.going[g] && g.foundation() {
			found = true
			add(g.subject(), spared{why: f})
		}
	}
	if !found {
		add(h.subject(), spared{why: f, all: true})
	}
}

// unclear tells whether nobody knows what the host does, or what runs on it.
func (h *host) unclear() bool {
	says := ""
	if h.bmc != nil && h.bmc.Err == "" {
		says = h.bmc.Power
	}
	return !h.connected() || !h.vc.answers() || cmp.Or(says, live.On) != live.On
}

// storesOf are the datastores of a host; of one that no vCenter knows, all that machines of the lab provide.
func (d *descent) storesOf(h *host) (names []string) {
	if h.live != nil {
		return h.storeNames()
	}
	for key := range d.stores.guests {
		names = append(names, key[1])
	}
	for key := range d.stores.hosts {
		names = append(names, key[1])
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// spareNeeds keeps up what a spared machine may need: its vCenter, through which it can be seen again, what serves its
// datastores, and what these need themselves.
func (d *descent) spareNeeds(subject string, vc *vcenter, stores []string, add func(string, spared)) {
	var servers []*guest
	keep := func(h *host) {
		if d.down[h] {
			add(h.subject(), spared{needed: true, why: plan.Finding{Text: "stays on, as " + subject + ", which is left as it is, may need what it provides"}})
		}
	}
	if g := d.vcenterGuest(vc); g != nil {
		servers = append(servers, g)
	}
	for _, name := range stores {
		if g := d.stores.guest(vc, name); g != nil {
			servers = append(servers, g)
		}
		if h := d.stores.host(vc, name); h != nil {
			keep(h)
		}
	}
	for _, server := range servers {
		needs := d.order.all(server)
		for _, g := range d.guests {
			if (g == server || needs[g]) && d.going[g] {
				add(g.subject(), spared{needed: true, why: plan.Finding{Text: "stays up, as " + subject + ", which is left as it is, may need it: it " + g.stands()}})
			}
		}
		for _, h := range d.hosts {
			if d.stores.needsHost(server, h) {
				keep(h)
			}
		}
	}
}

// leaveSpared takes what is spared out of what goes down, and says so.
func (d *descent) leaveSpared(m mercy) {
	for _, h := range d.hosts {
		s, ok := m[h.subject()]
		switch {
		case !ok:
			continue
		case h.vc.unread() && !d.scope.host(h): // no UPS of this run feeds it
			h.kept = cmp.Or(h.kept, s.why.Text)
		case s.all:
			h.kept = "it is left as it is: " + s.why.Text
			for _, g := range h.guests {
				g.kept = cmp.Or(g.kept, "its host "+h.name+" is left as it is")
			}
			d.warnSpared(h.subject(), s, "it is left as it is, with what it may need, and the rest goes down")
		default:
			d.staysOn[h] = true
			d.warnSpared(h.subject(), s, "it stays on, and its guests go down")
		}
	}
	for _, g := range d.guests {
		if s, ok := m[g.subject()]; ok && g.kept == "" {
			g.kept = s.why.Text
			d.warnSpared(g.subject(), s, "it stays up, and the rest goes down")
		}
	}
}

func (d *descent) warnSpared(subject string, s spared, what string) {
	if s.needed {
		d.warn(subject, s.why.Text, "")
		return
	}
	d.plan.Left = append(d.plan.Left, subject)
	d.warn(subject, s.why.Text+"; "+what, s.why.Remedy)
}
