package runbooks

import (
	"slices"
	"strings"
	"time"

	"nightshift/internal/live"
	"nightshift/internal/plan"
)

const paramKeysOutside = "keys-outside"

func powerDown() Runbook {
	return Runbook{
		Name:    PowerDown,
		Summary: "Shut down the guests and hosts of the lab, in order, until every BMC says Off",
		Description: "Remembers which guests run, takes HA, DRS automation, DPM and vCLS from clusters that go down as a whole (and writes down what they were), " +
			"shuts guests down against their start order, and then each host as soon as its own guests are off: maintenance mode, shutdown, Off seen at its BMC. " +
			"What is kept (keep: true, the keep tag, self, the vCenter's guest) and what is not in the lab file is not touched.",
		Workflow: "PowerDown",
		Parameters: []Parameter{{Name: paramKeysOutside, Type: TypeBool, Default: "false",
			Help: "the keys of encrypted guests do not come from a machine that goes down (or come from the vCenter's native key provider)"}},
		Plan: planPowerDown,
	}
}

// A descent is a power-down plan in the making.
type descent struct {
	*builder
	order  *order
	down   map[*host]bool  // go down
	off    map[*host]bool  // are down already
	going  map[*guest]bool // go down
	marks  map[string]string
	memory string // the step after which everything that runs is remembered
	guest  map[*guest]string
}

func planPowerDown(in Input) (plan.Plan, error) {
	d := &descent{builder: newBuilder(in, PowerDown), down: map[*host]bool{}, off: map[*host]bool{}, going: map[*guest]bool{}, guest: map[*guest]string{}}
	d.checkVCenters(func(vc *vcenter) bool {
		return slices.ContainsFunc(in.Lab.Hosts, func(h hostEntry) bool { return h.VCenter == vc.Name && !h.Keep })
	})
	d.checkOwnMachines()
	d.checkSelf()
	d.checkTags("a guest that bears the tag " + in.Lab.Tags.Keep + " would not be kept")
	d.order = newOrder(d.builder)
	d.chooseHosts()
	d.chooseGuests(in.Parameters[paramKeysOutside] == "true")
	d.checkClusters()
	d.checkDependents()

	vcs := vcentersOf(d.view, func(vc *vcenter) bool {
		return slices.ContainsFunc(d.hosts, func(h *host) bool { return d.down[h] && h.vc == vc })
	})
	for _, vc := range vcs {
		d.checkTasks(vc, d.affected(vc))
	}
	d.marks = d.mark(vcs)
	d.rememberRunning()
	settings := d.suspendSettings()
	d.shutdownGuests(settings)
	d.shutdownHosts(settings)
	d.unmark(vcs)
	d.title("Power down", "is down", len(d.down), len(d.going))
	return d.plan, nil
}

// affected names what the plan acts on in a vCenter, by reference.
func (d *descent) affected(vc *vcenter) map[string]string {
	subjects := map[string]string{}
	for _, h := range d.hosts {
		if d.down[h] && h.vc == vc {
			subjects[h.live.Ref] = h.subject()
			if h.cluster != nil {
				subjects[h.cluster.Ref] = h.cluster.subject()
			}
		}
	}
	for _, g := range d.guests { // a guest that is off may be a clone's or a backup's source
		if g.host != nil && d.down[g.host] && g.vc == vc && !g.VCLS {
			subjects[g.Ref] = g.subject()
		}
	}
	return subjects
}

// rememberRunning adds the guests that go down to the lab's memory. What is there from an earlier run stays as it is.
func (d *descent) rememberRunning() {
	known := map[[2]string]bool{}
	for _, m := range d.view.memory {
		known[[2]string{m.Endpoint, m.UUID}] = true
	}
	var list []plan.RememberedGuest
	for _, g := range d.guests {
		if d.going[g] && !known[[2]string{g.vc.Name, g.UUID}] {
			m := g.remembered()
			m.Host, m.Tools = g.host.name, g.Tools
			list = append(list, m)
		}
	}
	needs := make([]string, 0, len(d.marks))
	for _, vc := range d.vcenters {
		needs = append(needs, d.marks[vc.Name])
	}
	chunks(list, "remember-running", func(id, part string, guests []plan.RememberedGuest) {
		d.memory = d.add(plan.Step{ID: id, Title: "Remember the " + count(len(guests), "guest") + " that run" + singular(len(guests)) + part, Group: groupBegin,
			Action: plan.RememberRunning, Target: d.labTarget(nil), Params: plan.Encode(plan.RememberParams{Guests: guests}), Needs: needs,
			Estimate: plan.Duration(takesLedger), Timeout: plan.Duration(marginTask)})
		needs = []string{d.memory}
	})
}

// begun is after what a step of a vCenter may start.
func (d *descent) begun(vc *vcenter) string {
	if d.memory != "" {
		return d.memory
	}
	return d.marks[vc.Name]
}

// suspendSettings takes the settings of clusters that go down as a whole. A cluster of which something stays keeps them.
func (d *descent) suspendSettings() map[*cluster]map[plan.Setting]string {
	settings := map[*cluster]map[plan.Setting]string{}
	for _, c := range d.clusters {
		if d.goesDown(c) && d.stays(c) == nil {
			settings[c] = d.suspend(c, d.begun(c.vc))
		}
	}
	return settings
}

// shutdownGuests waits for HA (which would restart a guest), DRS (which would move it) and DPM (which would take hosts
// that become empty) of the guest's cluster, and for all guests that depend on it.
func (d *descent) shutdownGuests(settings map[*cluster]map[plan.Setting]string) {
	dependents := map[*guest][]string{}
	for _, g := range d.guests {
		if d.going[g] {
			d.guest[g] = "shutdown-guest:" + g.id
		}
	}
	for _, g := range d.guests {
		if d.going[g] {
			for _, dep := range d.order.nearest(g, func(x *guest) bool { return d.going[x] }) {
				dependents[dep] = append(dependents[dep], d.guest[g])
			}
		}
	}
	for _, g := range slices.Backward(d.order.sorted(func(g *guest) bool { return d.going[g] })) {
		needs := slices.Clone(dependents[g])
		s := settings[g.host.cluster]
		needs = append(needs, s[plan.HA], s[plan.DRS], s[plan.DPM])
		if strings.Join(needs, "") == "" {
			needs = append(needs, d.begun(g.vc))
		}
		d.add(plan.Step{ID: d.guest[g], Title: guestDownTitle(g), Group: groupGuests, Action: plan.ShutdownGuest, Target: g.target(),
			Params: plan.Encode(policyParams(g.policy)), Needs: needs, Holds: []string{g.vc.holds(), "host:" + g.host.id},
			Estimate: plan.Duration(takesGuestDown(g)), Timeout: plan.Duration(guestDownTimeout(d.lab, g.policy))})
	}
}

// shutdownHosts takes each host down as soon as its own guests are, and vCLS has left its cluster.
func (d *descent) shutdownHosts(settings map[*cluster]map[plan.Setting]string) {
	for _, h := range d.hosts {
		if !d.down[h] {
			continue
		}
		s := settings[h.cluster]
		needs := []string{s[plan.VCLS]}
		for _, g := range h.guests {
			if d.going[g] {
				needs = append(needs, d.guest[g]) // which waits for the other settings
			}
		}
		if len(needs) == 1 {
			needs = append(needs, s[plan.HA], s[plan.DRS], s[plan.DPM])
		}
		if strings.Join(needs, "") == "" {
			needs = append(needs, d.begun(h.vc))
		}
		d.shutdownHost(h, needs)
	}
}

func (d *descent) shutdownHost(h *host, needs []string) {
	p := d.hostPolicy(h)
	if !h.live.Maintenance {
		needs = []string{d.add(plan.Step{ID: "enter-maintenance:" + h.id, Title: "Put host " + h.name + " into maintenance mode", Group: "Host " + h.id,
			Action: plan.EnterMaintenance, Target: h.target(), Params: plan.Encode(plan.HostParams{Host: h.lab.Name}), Needs: needs,
			Holds: []string{h.vc.holds(), "host:" + h.id}, Estimate: plan.Duration(takesMaintenance),
			Timeout: d.settled(time.Duration(p.Maintenance) + marginTask)})}
	}
	title := "Shut down host " + h.name + " and see its BMC say Off"
	if p.Via == plan.ViaBMC {
		title = "Ask the BMC of host " + h.name + " to shut it down, and see it say Off"
	}
	d.add(plan.Step{ID: "shutdown-host:" + h.id, Title: title, Group: "Host " + h.id, Action: plan.ShutdownHost, Target: h.target(),
		Params: plan.Encode(plan.ShutdownHostParams{Host: h.lab.Name, Via: p.Via, NoRights: p.NoRights, Timeout: p.Timeout, OnTimeout: p.OnTimeout}),
		Needs:  needs, Holds: []string{"bmc:" + h.id}, Estimate: plan.Duration(takesHostShutdown), Timeout: plan.Duration(hostDownTimeout(d.lab, p))})
}

func guestDownTitle(g *guest) string {
	switch way := g.way(); {
	case way == plan.LeaveGuest:
		return "Shut down guest " + g.Name + " (no Tools: leave it on and ask)"
	case way == plan.SuspendGuest && g.policy.Method == plan.SuspendGuest:
		return "Suspend guest " + g.Name
	case way == plan.SuspendGuest:
		return "Suspend guest " + g.Name + " (no Tools)"
	case way == plan.PowerOffGuest && g.policy.Method == plan.PowerOffGuest:
		return "Power off guest " + g.Name
	case way == plan.PowerOffGuest:
		return "Power off guest " + g.Name + " (no Tools)"
	}
	then := map[string]string{plan.PowerOffGuest: "power off", plan.SuspendGuest: "suspend"}[g.policy.OnTimeout]
	if then == "" {
		then = "ask"
	}
	return "Shut down guest " + g.Name + " (Tools, " + span(time.Duration(g.policy.Timeout)) + ", then " + then + ")"
}

// goesDown tells whether a host of the cluster goes down.
func (d *descent) goesDown(c *cluster) bool {
	return slices.ContainsFunc(c.hosts, func(h *host) bool { return d.down[h] })
}

// stays lists the hosts of the cluster that are not, and will not be, seen off.
func (d *descent) stays(c *cluster) []string {
	var names []string
	for _, h := range c.hosts {
		if !d.down[h] && !d.off[h] {
			names = append(names, h.id)
		}
	}
	return names
}

func singular(n int) string {
	if n == 1 {
		return "s"
	}
	return ""
}

// bmcSays tells whether the BMC answers, and answers this.
func (h *host) bmcSays(power string) bool {
	return h.bmc != nil && h.bmc.Err == "" && h.bmc.Power == power
}

// isOff: the machine is. Its BMC says so, and vCenter does not see it run, or shows what it last knew of it.
func (h *host) isOff() bool {
	return h.bmcSays(live.Off) && (!h.connected() || h.live.Power == "standBy" || h.live.Power == live.PoweredOff || h.unnoticed())
}

// unnoticed: the BMC says Off, and vCenter still says connected, as it does for a while after a shutdown. That is
// believed of a host that was made ready for it: in maintenance mode, and no guest is on. Of any other host it is a
// contradiction.
func (h *host) unnoticed() bool {
	return h.bmcSays(live.Off) && h.connected() && h.live.Power != "standBy" && h.live.Power != live.PoweredOff && h.live.Maintenance &&
		!slices.ContainsFunc(h.guests, func(g *guest) bool { return !g.Template && !g.atRest() })
}

const unnoticed = "is off, says its BMC, though vCenter still says connected: it is in maintenance mode and no guest is on, so the BMC is believed"

// contradicts says that the witnesses of a host differ.
func (b *builder) contradicts(h *host) {
	b.block(h.subject(), "its BMC says Off, but vCenter says connected, and it was not emptied and put into maintenance mode before",
		"plan again in a few minutes; if it stays so, the bmc: in the lab file is another machine's")
}
