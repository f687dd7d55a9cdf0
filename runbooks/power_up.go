package runbooks

import (
	"cmp"
	"slices"
	"time"

	"nightshift/internal/live"
	"nightshift/internal/plan"
)

const (
	paramTag     = "tag"
	paramCluster = "cluster"
)

func powerUp() Runbook {
	return Runbook{
		Name:    PowerUp,
		Summary: "Switch the hosts on and start what ran before, or what bears a tag, in order",
		Description: "Switches each host on through its BMC, waits until vCenter is connected to it, takes it out of maintenance mode and waits for its datastores. " +
			"When all hosts of a cluster are back, it gets its vCLS, DRS level, DPM and HA back as they were. Then the guests start that ran before the power-down, " +
			"each after those that it needs, which have to pass their health checks first. With the parameter tag it is the guests that bear the tag instead, " +
			"and those that they need. Where nothing is remembered and hosts were off, it is those that bear the lab's start tag.",
		Workflow: "PowerUp",
		Parameters: []Parameter{
			{Name: paramTag, Type: TypeString, Help: "start the guests that bear this vSphere tag, and those that they need, instead of what ran before"},
			{Name: paramCluster, Type: TypeString, Help: "only the hosts and guests of this cluster"},
		},
		Plan: planPowerUp,
	}
}

// An ascent is a power-up plan in the making.
type ascent struct {
	*builder
	order   *order
	tag     string
	cluster string

	coming  map[*host]bool   // are not up, and will be
	scope   map[*host]bool   // are up or will be, and may carry guests
	returns map[*host]bool   // of these, and those in maintenance mode: have steps
	ready   map[*host]string // the last step that brings the host back
	want    map[*guest]bool  // are to be started
	forget  []*guest         // are remembered, and run or will
	marks   map[string]string
	last    map[*guest]string     // the step after which the guest is up
	back    map[*cluster][]string // the steps after which the cluster is as it was
}

func planPowerUp(in Input) (plan.Plan, error) {
	a := &ascent{builder: newBuilder(in, PowerUp), tag: in.Parameters[paramTag], cluster: in.Parameters[paramCluster],
		coming: map[*host]bool{}, scope: map[*host]bool{}, returns: map[*host]bool{}, ready: map[*host]string{}, want: map[*guest]bool{},
		last: map[*guest]string{}, back: map[*cluster][]string{}}
	a.checkVCenters(func(vc *vcenter) bool {
		return slices.ContainsFunc(in.Lab.Hosts, func(h hostEntry) bool { return h.VCenter == vc.Name && !h.Keep })
	})
	a.checkCluster()
	a.order = newOrder(a.builder)
	a.chooseHosts()
	a.chooseGuests()
	a.checkDebts()

	vcs := vcentersOf(a.view, a.worksOn)
	a.plan.Limits["check"] = checksAtATime
	a.marks = a.mark(vcs)
	a.startHosts()
	a.settleClusters()
	a.startGuests()
	a.forgetRunning()
	if len(vcs) > 0 {
		a.unmark(vcs)
	}
	a.title("Power up", "is up", len(a.coming), len(a.want))
	if len(a.coming)+len(a.want) == 0 && len(a.plan.Steps) > 0 {
		a.plan.Title = "Power up lab " + in.Lab.Lab + ": hosts and guests are up, the rest is left"
	}
	return a.plan, nil
}

// worksOn tells whether anything is done in the vCenter: a run that only forgets needs no mark.
func (a *ascent) worksOn(vc *vcenter) bool {
	return slices.ContainsFunc(a.hosts, func(h *host) bool { return h.vc == vc && a.returns[h] }) ||
		slices.ContainsFunc(a.guests, func(g *guest) bool { return g.vc == vc && a.want[g] }) ||
		slices.ContainsFunc(a.clusters, func(c *cluster) bool { return c.vc == vc && a.owed(c) })
}

// owed tells whether the run gives the cluster something back.
func (a *ascent) owed(c *cluster) bool {
	return a.inCluster(c) && len(a.debtsOf(c)) > 0 && slices.ContainsFunc(c.hosts, func(h *host) bool { return h.connected() || a.coming[h] })
}

// startHosts brings the hosts back, each by itself.
func (a *ascent) startHosts() {
	for _, h := range a.hosts {
		if !a.returns[h] {
			continue
		}
		p := a.hostPolicy(h)
		s := plan.Step{Group: "Host " + h.id, Target: h.target()}
		need := a.marks[h.vc.Name]
		next := func(id, title string, act plan.Action, raw []byte, takes time.Duration, timeout plan.Duration, holds ...string) {
			t := s
			t.ID, t.Title, t.Action, t.Params, t.Needs, t.Holds = id+":"+h.id, title, act, raw, []string{need}, holds
			t.Estimate, t.Timeout = plan.Duration(takes), timeout
			need = a.add(t)
		}
		if a.coming[h] && h.isOff() {
			next("power-on-host", "Switch on host "+h.name+" through its BMC", plan.PowerOnHost, plan.Encode(plan.PowerOnHostParams{Host: h.lab.Name}),
				takesHostPowerOn, a.settled(marginTask), "bmc:"+h.id)
		}
		if a.coming[h] {
			next("await-host", "Wait until vCenter is connected to host "+h.name, plan.AwaitHost,
				plan.Encode(plan.HostParams{Host: h.lab.Name, Unnoticed: h.unnoticed()}),
				takesHostBoot, plan.Duration(time.Duration(p.Boot)+marginRead))
		}
		if !a.setAside(h) {
			need = a.exitMaintenance(h, []string{need})
		}
		if stores := h.stores(); len(stores) > 0 {
			next("await-datastores", "Wait until host "+h.name+" sees its "+count(len(stores), "datastore"), plan.AwaitDatastores,
				plan.Encode(plan.AwaitDatastoresParams{Host: h.lab.Name, Datastores: stores}), takesDatastores,
				plan.Duration(time.Duration(a.lab.Policies.Datastores)+marginRead))
		}
		a.ready[h] = need
	}
}

func (h *host) stores() []string {
	return slices.Compact(slices.Sorted(slices.Values(h.live.Datastores)))
}

// settleClusters gives each cluster its settings back when all its hosts are there: DRS would fill the first ones, and
// HA would restart what is only late.
func (a *ascent) settleClusters() {
	for _, c := range a.clusters {
		var hosts []string
		for _, h := range c.hosts {
			if a.ready[h] != "" {
				hosts = append(hosts, a.ready[h])
			}
		}
		a.back[c] = hosts
		if !a.owed(c) {
			continue
		}
		needs := hosts
		if len(needs) == 0 {
			needs = []string{a.marks[c.vc.Name]}
		}
		a.back[c] = []string{a.settle(c, needs)}
	}
}

// startGuests starts each guest when its cluster is ready and what it needs is up.
func (a *ascent) startGuests() {
	for _, g := range a.order.sorted(func(g *guest) bool { return a.want[g] }) {
		verb := "Start guest " + g.Name
		if g.Power == live.Suspended {
			verb = "Resume guest " + g.Name
		}
		id := a.add(plan.Step{ID: "power-on-guest:" + g.id, Title: verb, Group: groupGuests, Action: plan.PowerOnGuest, Target: g.target(),
			Needs: a.guestNeeds(g), Holds: []string{g.vc.holds(), "host:" + g.host.id}, Estimate: plan.Duration(takesPowerOn), Timeout: a.settled(marginHarder)})
		a.last[g] = a.checkGuest(g, id)
	}
}

// guestNeeds lists what comes before a guest. One that follows another of its cluster needs not wait for the cluster again:
// at 2,000 guests that would be a list of all hosts for each.
func (a *ascent) guestNeeds(g *guest) []string {
	var needs []string
	clusterIsBack := false
	for _, dep := range a.order.nearest(g, func(x *guest) bool { return a.want[x] }) {
		needs = append(needs, a.last[dep])
		clusterIsBack = clusterIsBack || dep.host.cluster == g.host.cluster && g.host.cluster != nil
	}
	switch {
	case g.host.cluster == nil && a.ready[g.host] != "":
		needs = append(needs, a.ready[g.host])
	case g.host.cluster != nil && !clusterIsBack:
		needs = append(needs, a.back[g.host.cluster]...)
	}
	if len(needs) == 0 {
		needs = append(needs, a.marks[g.vc.Name])
	}
	return needs
}

// forgetRunning is for the end, and runs after an abort too: what was started is not remembered any more, what was not is.
func (a *ascent) forgetRunning() {
	var list []plan.RememberedGuest
	step := map[plan.RememberedGuest]string{}
	for _, g := range a.forget {
		m := g.remembered()
		m.Ref = g.Ref
		list = append(list, m)
		step[m] = a.last[g]
	}
	chunks(list, "forget-running", func(id, part string, guests []plan.RememberedGuest) {
		var needs []string
		for _, m := range guests {
			needs = append(needs, step[m])
		}
		title := "Forget those of the " + count(len(guests), "remembered guest") + " that run again" + part
		if len(guests) == 1 {
			title = "Forget that guest " + guests[0].Name + " ran before, if it runs again" + part
		}
		a.add(plan.Step{ID: id, Title: title, Group: groupEnd,
			Action: plan.ForgetRunning, Target: a.labTarget(nil), Params: plan.Encode(plan.RememberParams{Guests: guests}), Needs: needs,
			Always: true, Estimate: plan.Duration(takesLedger), Timeout: plan.Duration(marginTask)})
	})
}

// checkGuest adds the guest's health check, where there is one, and returns the step after which it counts as up.
func (a *ascent) checkGuest(g *guest, started string) string {
	checks, wait := a.health(g)
	if !checks.Tools && len(checks.TCP) == 0 && len(checks.HTTP) == 0 {
		return started
	}
	return a.add(plan.Step{ID: "check-guest:" + g.id, Title: "See that guest " + g.Name + " is up (" + healthText(checks) + ")", Group: groupGuests,
		Action: plan.CheckGuest, Target: g.target(), Params: plan.Encode(checks), Needs: []string{started}, Holds: []string{"check:" + g.vc.Name},
		Estimate: plan.Duration(takesCheck), Timeout: plan.Duration(cmp.Or(wait, healthWait) + marginRead)})
}
