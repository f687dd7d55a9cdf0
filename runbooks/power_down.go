package runbooks

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/internal/words"
)

const paramKeysOutside = "keys-outside"

func powerDown() Runbook {
	return Runbook{
		Name:    PowerDown,
		Summary: "Shut down the guests and hosts of the lab, in order, until every BMC says Off",
		Description: "Remembers which guests run, takes HA, DRS automation, DPM and vCLS from clusters that go down as a whole (and writes down what they were), " +
			"stops application clusters, shuts guests down against their start order, and then each host as soon as its own guests are off: maintenance mode, shutdown, Off seen at its BMC. " +
			"What the lab stands on (provides: in the lab file) goes down last: vCenter, identity, time, DNS, and the guests that serve datastores; without a vCenter, through their hosts' own APIs. " +
			"What is kept (keep: true, the keep tag, self) and what is not in the lab file is not touched.",
		Workflow: plan.PowerDownWorkflow,
		Actions: []plan.Action{plan.MarkLab, plan.UnmarkLab, plan.RememberRunning, plan.RecordLab, plan.SuspendSetting, plan.ShutdownGuest,
			plan.EnterMaintenance, plan.ShutdownHost, plan.StopApplication, plan.SilenceMonitoring, plan.ResumeMonitoring,
			plan.CheckMains, plan.OrderLoadOff, plan.Join},
		Parameters: append(scopeParameters(),
			Parameter{Name: paramKeysOutside, Type: TypeBool, Default: "false",
				Help: "the keys of encrypted guests do not come from a machine that goes down (or come from the vCenter's native key provider)"},
			Parameter{Name: paramStopApplications, Type: TypeBool, Default: "false",
				Help: "stop application clusters as a whole of which only some members go down"}),
		Reads: Reads{Spares: onBattery},
		Plan:  planPowerDown,
	}
}

// A descent is a power-down plan in the making.
type descent struct {
	*builder
	order    *order
	scope    *scope
	stores   storeProviders
	down     map[*host]bool    // go down
	off      map[*host]bool    // are down already
	going    map[*guest]bool   // go down
	leaving  map[*vcenter]bool // their guest goes down, or they are not there any more
	beneath  map[*host]bool    // carry what the lab stands on, and go down last
	stopping map[*node]bool    // application clusters
	staysOn  map[*host]bool    // stay on without their guests: of a run on account of a UPS
	marks    map[string]string
	recorded map[string]string
	quiet    *silence
	memory   string // the step after which everything that runs is remembered
	noReturn string // the step before all hosts, of a run on account of a UPS
}

// descend makes the plan; m is what is spared.
func descend(in Input, m mercy) *descent {
	d := &descent{builder: newBuilder(in, PowerDown), down: map[*host]bool{}, off: map[*host]bool{}, going: map[*guest]bool{},
		leaving: map[*vcenter]bool{}, stopping: map[*node]bool{}, staysOn: map[*host]bool{}, recorded: map[string]string{}}
	d.scope = d.newScope(in.Parameters)
	d.hurry()
	d.leaveSpared(m)
	d.stores = d.storeProviders()
	d.checkVCenters(d.hasWork)
	d.checkOwnMachines()
	d.checkSelf()
	d.checkTags("a guest that bears the tag " + in.Lab.Tags.Keep + " would not be kept")
	d.order = newOrder(d.builder)
	d.chooseHosts()
	d.chooseGuests(in.Parameters[paramKeysOutside] == "true")
	d.chooseApplications(in.Parameters[paramStopApplications] == "true")
	d.chooseFoundation()
	d.checkClusters()
	d.checkDependents()
	d.checkNeeds(in.State.Needs)

	vcs := vcentersOf(d.view, func(vc *vcenter) bool {
		return slices.ContainsFunc(d.hosts, func(h *host) bool { return d.down[h] && h.vc == vc }) ||
			slices.ContainsFunc(d.guests, func(g *guest) bool { return d.going[g] && g.vc == vc })
	})
	for _, vc := range vcs {
		d.checkTasks(vc, d.affected(vc))
	}
	d.marks = d.mark(vcs)
	d.record(vcs)
	d.rememberRunning()
	d.silence(in)
	settings := d.suspendSettings()
	guests := d.shutdownGuests(settings)
	d.pointOfNoReturn()
	for _, h := range d.hosts {
		if d.down[h] && !d.beneath[h] {
			d.shutdownHost(h, d.hostNeeds(h, settings, guests))
		}
	}
	last := d.unmarkLeaving(vcs)
	d.shutdownFoundation(settings, guests, last)
	if !d.scope.whole {
		d.quiet.end(func(*host) bool { return false }, func(*cluster) bool { return false }, false)
	}
	d.unmark(slices.DeleteFunc(slices.Clone(vcs), func(vc *vcenter) bool { return d.leaving[vc] }))
	d.orderLoadOff()
	d.title("Power down", d.done(d.scope, "is down"), len(d.down), len(d.going))
	return d
}

// silence keeps those quiet who watch what goes down. A cluster of which something stays is watched on.
func (d *descent) silence(in Input) {
	d.quiet = newSilence(d.builder, in)
	hosts := slices.DeleteFunc(slices.Clone(d.hosts), func(h *host) bool { return !d.down[h] })
	clusters := slices.DeleteFunc(slices.Clone(d.clusters), func(c *cluster) bool { return !d.goesDown(c) || d.stays(c) != nil })
	d.quiet.begin(len(hosts)+len(d.going) > 0, hosts, clusters, d.marks)
}

// hasWork tells whether the vCenter is needed: a lab that is down, its vCenter with it, is known to be by its BMCs.
func (d *descent) hasWork(vc *vcenter) bool {
	return slices.ContainsFunc(d.hosts, func(h *host) bool { return h.vc == vc && h.kept == "" && (vc.answers() || !h.bmcSays(live.Off)) })
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
		if g.vc == vc && !g.VCLS && (d.going[g] || g.host != nil && d.down[g.host]) {
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
		needs = append(needs, cmp.Or(d.recorded[vc.Name], d.marks[vc.Name]))
	}
	d.chunks(list, "remember-running", func(id, part string, guests []plan.RememberedGuest) {
		d.memory = d.add(plan.Step{ID: id, Title: "Remember the " + words.Count(len(guests), "guest") + " that run" + singular(len(guests)) + part, Group: groupBegin,
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
	return cmp.Or(d.recorded[vc.Name], d.marks[vc.Name])
}

// suspendSettings takes the settings of clusters that go down as a whole. A cluster of which something stays keeps them.
func (d *descent) suspendSettings() map[*cluster]map[plan.Setting]string {
	settings := map[*cluster]map[plan.Setting]string{}
	for _, c := range d.clusters {
		if d.goesDown(c) && d.stays(c) == nil && c.vc.answers() {
			settings[c] = d.suspend(c, d.begun(c.vc))
		}
	}
	return settings
}

// shutdownGuests takes down all guests but those that the lab stands on. Each waits for HA (which would restart a guest),
// DRS (which would move it) and DPM (which would take hosts that become empty) of its cluster, and for all guests that
// depend on it.
func (d *descent) shutdownGuests(settings map[*cluster]map[plan.Setting]string) map[*guest]string {
	ids := map[*guest]string{}
	newWay(d.order, true, "").lay(func(n *node, needs []string) string {
		switch g := n.guest; {
		case n.app != nil && d.stopping[n]:
			return d.stopApplication(n, needs)
		case g != nil && d.going[g] && !g.foundation():
			ids[g] = d.shutdownGuest(g, g.target(), append(needs, d.free(g, settings)...))
			return ids[g]
		}
		return ""
	})
	return ids
}

// free are the steps after which nobody else acts on the guest.
func (d *descent) free(g *guest, settings map[*cluster]map[plan.Setting]string) []string {
	s := settings[g.host.cluster]
	needs := []string{s[plan.HA], s[plan.DRS], s[plan.DPM]}
	if strings.Join(needs, "") == "" {
		needs = append(needs, d.begun(g.vc))
	}
	return needs
}

func (d *descent) shutdownGuest(g *guest, t plan.Target, needs []string) string {
	p := policyParams(g.policy)
	p.Host = reference(g.host.ref())
	return d.add(plan.Step{ID: "shutdown-guest:" + g.id, Title: guestDownTitle(g) + through(t), Group: groupGuests, Action: plan.ShutdownGuest, Target: t,
		Params: plan.Encode(p), Needs: needs, Holds: holdsOf(t, g.vc, g.host),
		Estimate: plan.Duration(takesGuestDown(g)), Timeout: plan.Duration(guestDownTimeout(d.lab, g.policy))})
}

// through says by which way a step goes, where it is not the vCenter.
func through(t plan.Target) string {
	switch {
	case t.Direct == "":
		return ""
	case t.Kind == plan.Host:
		return " through its own API"
	}
	return ", through host " + t.Direct + " itself"
}

// holdsOf are the limits of a step: those of a vCenter that is not there are nobody's.
func holdsOf(t plan.Target, vc *vcenter, h *host) []string {
	if t.Direct != "" {
		return []string{"host:" + h.id}
	}
	return []string{vc.holds(), "host:" + h.id}
}

// hostNeeds: a host goes down as soon as its own guests are, and vCLS has left its cluster.
func (d *descent) hostNeeds(h *host, settings map[*cluster]map[plan.Setting]string, guests map[*guest]string) []string {
	s := settings[h.cluster]
	needs := []string{s[plan.VCLS]}
	for _, g := range h.guests {
		if d.going[g] && (g.foundation() || !d.beneath[h] || !d.direct(h.vc)) { // what comes last waits for all others anyway
			needs = append(needs, guests[g]) // which waits for the other settings
		}
	}
	if len(needs) == 1 {
		needs = append(needs, s[plan.HA], s[plan.DRS], s[plan.DPM])
	}
	if strings.Join(needs, "") == "" {
		needs = append(needs, d.begun(h.vc))
	}
	return append(needs, d.quiet.hosts[h])
}

func (d *descent) shutdownHost(h *host, needs []string) {
	p, t := d.hostPolicy(h), h.target()
	needs = append(needs, d.noReturn)
	if d.direct(h.vc) && d.beneath[h] {
		t = h.itself()
	}
	if !h.live.Maintenance {
		needs = []string{d.add(plan.Step{ID: "enter-maintenance:" + h.id, Title: "Put host " + h.name + " into maintenance mode" + through(t), Group: "Host " + h.id,
			Action: plan.EnterMaintenance, Target: t, Params: plan.Encode(plan.HostParams{Host: h.lab.Name}), Needs: needs,
			Holds: holdsOf(t, h.vc, h), Estimate: plan.Duration(takesMaintenance),
			Timeout: d.settled(time.Duration(p.Maintenance) + marginTask)})}
	}
	title := "Shut down host " + h.name + through(t) + " and see its BMC say Off"
	if h.lab.BMC == nil {
		title = "Shut down host " + h.name + through(t) + " and see its witnesses fall silent"
	}
	if p.Via == plan.ViaBMC {
		title = "Ask the BMC of host " + h.name + " to shut it down, and see it say Off"
	}
	d.add(plan.Step{ID: "shutdown-host:" + h.id, Title: title, Group: "Host " + h.id, Action: plan.ShutdownHost, Target: t,
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
	return "Shut down guest " + g.Name + " (Tools, " + words.Limit(time.Duration(g.policy.Timeout)) + ", then " + then + ")"
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

const unnoticed = "is off, says its BMC, though vCenter still says connected: it is in maintenance mode and no guest is on, so the BMC is believed"

// contradicts says that the witnesses of a host differ.
func (b *builder) contradicts(h *host) {
	if h.wakes() {
		b.blockForNow(h.subject(), "none of its witnesses answers, but vCenter says connected: silence alone is no proof that it is off",
			"plan again in a few minutes; if it stays so, correct wakeOnLan.witness in the lab file")
		return
	}
	b.blockForNow(h.subject(), "its BMC says Off, but vCenter says connected, and it was not emptied and put into maintenance mode before",
		"plan again in a few minutes; if it stays so, the bmc: in the lab file is another machine's")
}
