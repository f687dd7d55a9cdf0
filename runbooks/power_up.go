package runbooks

import (
	"cmp"
	"slices"
	"time"

	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/internal/words"
)

const paramTag = "tag"

func powerUp() Runbook {
	return Runbook{
		Name:    PowerUp,
		Summary: "Switch the hosts on and start what ran before, or what bears a tag, in order",
		Description: "Switches each host on through its BMC, waits until vCenter is connected to it, takes it out of maintenance mode and waits for its datastores. " +
			"When all hosts of a cluster are back, it gets its vCLS, DRS level, DPM and HA back as they were. Then the guests start that ran before the power-down, " +
			"each after those that it needs, which have to pass their health checks first. With the parameter tag it is the guests that bear the tag instead, " +
			"and those that they need. Where nothing is remembered and hosts were off, it is those that bear the lab's start tag. " +
			"Where the vCenter went down with the lab, what the lab stands on (provides: in the lab file) comes first, through its hosts' own APIs: " +
			"the guests that serve datastores, DNS, time, identity, keys, and the vCenter itself; all other hosts and guests are known from what it told before it went down.",
		Workflow: plan.PowerUpWorkflow,
		Actions: []plan.Action{plan.MarkLab, plan.UnmarkLab, plan.ForgetRunning, plan.SettleDebt, plan.PowerOnGuest, plan.CheckGuest, plan.ExitMaintenance,
			plan.PowerOnHost, plan.AwaitHost, plan.AwaitDatastores, plan.AwaitVCenter, plan.StartApplication,
			plan.SuspendSetting, plan.SilenceMonitoring, plan.ResumeMonitoring, plan.Join},
		Parameters: append([]Parameter{
			{Name: paramTag, Type: TypeString, Help: "start the guests that bear this vSphere tag, and those that they need, instead of what ran before"},
		}, scopeParameters()...),
		Reads: Reads{UPSes: true},
		Plan:  planPowerUp,
	}
}

// An ascent is a power-up plan in the making.
type ascent struct {
	*builder
	order  *order
	scope  *scope
	stores storeProviders
	tag    string

	coming  map[*host]bool     // are not up, and will be
	up      map[*host]bool     // are up or will be, and may carry guests
	returns map[*host]bool     // of these, and those in maintenance mode: have steps
	beneath map[*host]bool     // carry what the lab stands on, and come up first, without their vCenter
	booted  map[*host]string   // the step after which the host carries guests
	served  map[*host][]string // the steps after which it sees what guests of the lab serve
	ready   map[*host][]string // the last steps that bring it back
	want    map[*guest]bool    // are to be started
	forget  []*guest           // are remembered, and run or will
	marks   map[string]string
	last    map[*guest]string     // the step after which the guest is up
	base    []string              // the steps after which what the lab stands on is up
	back    map[*cluster][]string // the steps after which the cluster is as it was
	quiet   *silence
}

func planPowerUp(in Input) (plan.Plan, error) {
	a := &ascent{builder: newBuilder(in, PowerUp), tag: in.Parameters[paramTag],
		coming: map[*host]bool{}, up: map[*host]bool{}, returns: map[*host]bool{}, booted: map[*host]string{}, served: map[*host][]string{},
		ready: map[*host][]string{}, want: map[*guest]bool{}, marks: map[string]string{}, last: map[*guest]string{}, back: map[*cluster][]string{}}
	a.scope = a.newScope(in.Parameters)
	a.stores = a.storeProviders()
	a.order = newOrder(a.builder)
	a.checkVCentersUp()
	a.beneath = a.foundationHosts((*guest).foundation)
	for _, h := range a.hosts {
		if h.vc.unrecorded && h.lab != nil && h.lab.ESXi != nil {
			a.beneath[h] = true // which guests it carries is not known before it is up
		}
	}
	a.chooseHosts()
	a.chooseGuests()
	a.checkSupply(in.State.UPSes)
	a.checkDebts()
	a.quiet = newSilence(a.builder, in)

	vcs := slices.DeleteFunc(slices.Clone(a.vcenters), func(vc *vcenter) bool { return vc.live == nil || vc.unrecorded || !a.worksOn(vc) })
	a.plan.Limits["check"] = checksAtATime
	a.plan.Limits["power-on"] = max(1, a.lab.Limits.PowerOn)
	for _, vc := range vcs {
		if vc.answers() {
			a.marks[vc.Name] = a.mark([]*vcenter{vc})[vc.Name]
		}
	}
	a.quiet.begin(len(a.coming)+len(a.want) > 0, slices.DeleteFunc(slices.Clone(a.hosts), func(h *host) bool { return !a.coming[h] }),
		slices.DeleteFunc(slices.Clone(a.clusters), func(c *cluster) bool {
			return !a.backWhole(c) || !slices.ContainsFunc(c.hosts, func(h *host) bool { return a.coming[h] })
		}), a.marks)
	a.bootHosts(true)
	a.startFoundation()
	a.awaitVCenters(vcs)
	a.bootHosts(false)
	a.reconnect()
	a.settleClusters()
	a.startGuests()
	a.forgetRunning(vcs)
	a.quiet.end(a.isBack, a.backWhole, a.scope.whole && !slices.ContainsFunc(a.vcenters, func(vc *vcenter) bool { return vc.unrecorded }))
	if len(vcs) > 0 {
		a.unmark(vcs)
	}
	a.title("Power up", a.done(a.scope, "is up"), len(a.coming), len(a.want))
	if len(a.coming)+len(a.want) == 0 && len(a.plan.Steps) > 0 {
		a.plan.Title = "Power up lab " + in.Lab.Lab + ": hosts and guests are up, the rest is left"
	}
	return a.plan, nil
}

// worksOn tells whether anything is done in the vCenter: a run that only forgets needs no mark.
func (a *ascent) worksOn(vc *vcenter) bool {
	return slices.ContainsFunc(a.hosts, func(h *host) bool { return h.vc == vc && a.returns[h] }) ||
		slices.ContainsFunc(a.guests, func(g *guest) bool { return g.vc == vc && a.want[g] }) ||
		slices.ContainsFunc(a.clusters, func(c *cluster) bool { return c.vc == vc && a.owed(c) }) ||
		a.quiet.owed(vc, a.isBack, a.backWhole)
}

// owed tells whether the run gives the cluster something back. A run for a part of the lab does so when the part brings
// the whole cluster back.
func (a *ascent) owed(c *cluster) bool {
	return len(a.debtsOf(c)) > 0 && slices.ContainsFunc(c.hosts, func(h *host) bool { return h.connected() || a.coming[h] }) && a.whole(c)
}

// isBack tells whether the host is up, or will be: then its alarms are to act.
func (a *ascent) isBack(h *host) bool {
	return h.kept == "" && a.scope.host(h) && (h.connected() || a.coming[h])
}

func (a *ascent) backWhole(c *cluster) bool {
	return !c.keep && slices.ContainsFunc(c.hosts, func(h *host) bool { return h.connected() || a.coming[h] }) && a.whole(c)
}

func (a *ascent) whole(c *cluster) bool {
	switch {
	case a.scope.whole:
		return true
	case !slices.ContainsFunc(c.hosts, a.scope.host):
		return false
	}
	return !slices.ContainsFunc(c.hosts, func(h *host) bool { return h.kept == "" && !a.coming[h] && !h.connected() })
}

// settleClusters gives each cluster its settings back when all its hosts are there: DRS would fill the first ones, and
// HA would restart what is only late.
func (a *ascent) settleClusters() {
	for _, c := range a.clusters {
		var hosts []string
		for _, h := range c.hosts {
			hosts = append(hosts, a.ready[h]...)
		}
		if !a.owed(c) {
			if len(a.debtsOf(c)) > 0 && slices.ContainsFunc(c.hosts, a.scope.host) && !a.whole(c) {
				a.warn(c.subject(), "is not given back yet what a power-down took from it (HA, DRS, DPM, vCLS), as not all of its hosts come up", "run power-up for the rest of it")
			}
			a.back[c] = a.joined(c, hosts)
			continue
		}
		needs := hosts
		if len(needs) == 0 {
			needs = []string{a.marks[c.vc.Name]}
		}
		a.back[c] = []string{a.settle(c, needs)}
	}
}

// joined: at 2,000 guests, each would need all hosts.
func (a *ascent) joined(c *cluster, hosts []string) []string {
	guests := 0
	for _, h := range c.hosts {
		for _, g := range h.guests {
			if a.want[g] && a.last[g] == "" {
				guests++
			}
		}
	}
	if !worthJoining(len(hosts), guests) {
		return hosts
	}
	return []string{a.join("cluster "+c.id, "All hosts of cluster "+c.Name+" are back", "Cluster "+c.id, hosts)}
}

// startFoundation starts what the lab stands on: each guest as soon as its own host is there, and what it needs.
func (a *ascent) startFoundation() {
	var last []string
	newWay(a.order, false, "foundation ").lay(func(n *node, needs []string) string {
		g := n.guest
		if g == nil || !a.want[g] || !g.foundation() {
			return ""
		}
		needs = append(needs, a.booted[g.host])
		needs = append(needs, a.servedFor(g)...)
		a.startGuest(g, a.orMark(g.vc, needs))
		last = append(last, a.last[g])
		return a.last[g]
	})
	a.base = last
	if n := len(a.want); worthJoining(len(last), n) {
		a.base = []string{a.join("foundation", "What the lab stands on is up", groupGuests, last)}
	}
}

// servedFor are the steps after which the guest's host sees those of its datastores that guests of the lab serve.
func (a *ascent) servedFor(g *guest) (ids []string) {
	for _, name := range g.storeNames() {
		if p := a.stores.guest(g.vc, name); p != nil && (a.want[p] || a.returns[g.host]) && p != g {
			ids = append(ids, a.awaitServed(g.host, p))
		}
	}
	for _, h := range a.hosts {
		if a.stores.needsHost(g, h) {
			ids = append(ids, a.booted[h])
		}
	}
	return ids
}

// orMark: what waits for nothing else waits until its vCenter is marked.
func (a *ascent) orMark(vc *vcenter, needs []string) []string {
	needs = slices.DeleteFunc(needs, func(id string) bool { return id == "" })
	if len(needs) == 0 {
		needs = append(needs, a.marks[vc.Name])
	}
	return needs
}

// startGuests starts each guest when its cluster is ready and what it needs is up.
func (a *ascent) startGuests() {
	newWay(a.order, false, "").lay(func(n *node, needs []string) string {
		switch g := n.guest; {
		case n.app != nil && a.startsApplication(n):
			return a.startApplication(n, needs)
		case g != nil && a.want[g] && g.foundation():
			return a.last[g]
		case g != nil && a.want[g]:
			a.startGuest(g, a.guestNeeds(n, needs))
			return a.last[g]
		}
		return ""
	})
}

func (a *ascent) startGuest(g *guest, needs []string) {
	verb, t := "Start guest "+g.Name, g.target()
	if g.Power == live.Suspended {
		verb = "Resume guest " + g.Name
	}
	if a.directly(g) {
		t = g.onHost()
	}
	id := a.add(plan.Step{ID: "power-on-guest:" + g.id, Title: verb + through(t), Group: groupGuests, Action: plan.PowerOnGuest, Target: t,
		Needs: needs, Holds: holdsOf(t, g.vc, g.host), Estimate: plan.Duration(takesPowerOn), Timeout: a.settled(marginHarder)})
	a.last[g] = a.checkGuest(g, t, id)
}

// directly tells whether the guest starts through its host, as its vCenter is not there yet.
func (a *ascent) directly(g *guest) bool { return g.foundation() && g.vc.absent() }

// guestNeeds lists what comes before a guest. One that follows another of its cluster needs not wait for the cluster again:
// at 2,000 guests that would be a list of all hosts for each.
func (a *ascent) guestNeeds(n *node, needs []string) []string {
	g := n.guest
	c := g.host.cluster
	switch {
	case c == nil:
		needs = append(needs, a.ready[g.host]...)
	case !a.follows(n, c):
		needs = append(needs, a.back[c]...)
	}
	if !a.follows(n, nil) {
		needs = append(needs, a.base...)
	}
	for _, h := range a.hosts {
		if h.lab != nil && len(h.lab.Provides) > 0 && a.stores.needsHost(g, h) {
			needs = append(needs, a.ready[h]...)
		}
	}
	return a.orMark(g.vc, needs)
}

// follows tells whether the guest starts after another one of the cluster (nil: after any that is not of the foundation),
// looking through those that do not start in this run.
func (a *ascent) follows(n *node, c *cluster) bool {
	seen := map[*node]bool{}
	var look func(n *node) bool
	look = func(n *node) bool {
		for _, e := range n.needs {
			if seen[e.to] {
				continue
			}
			seen[e.to] = true
			if g := e.to.guest; g != nil && a.want[g] {
				if !g.foundation() && (c == nil || g.host.cluster == c) {
					return true
				}
				continue
			}
			if look(e.to) {
				return true
			}
		}
		return false
	}
	return look(n)
}

// forgetRunning is for the end, and runs after an abort too: what was started is not remembered any more, what was not is.
func (a *ascent) forgetRunning(vcs []*vcenter) {
	var list []plan.RememberedGuest
	step := map[plan.RememberedGuest]string{}
	var marks []string
	for _, vc := range vcs {
		if vc.absent() {
			marks = append(marks, a.marks[vc.Name]) // it has to be there to tell what runs
		}
	}
	for _, g := range a.forget {
		if g.vc.unrecorded {
			continue // the next power-up sees the vCenter
		}
		m := g.remembered()
		m.Ref = reference(g.Ref)
		list = append(list, m)
		step[m] = a.last[g]
	}
	a.chunks(list, "forget-running", func(id, part string, guests []plan.RememberedGuest) {
		needs := slices.Clone(marks)
		for _, m := range guests {
			needs = append(needs, step[m])
		}
		title := "Forget those of the " + words.Count(len(guests), "remembered guest") + " that run again" + part
		if len(guests) == 1 {
			title = "Forget that guest " + guests[0].Name + " ran before, if it runs again" + part
		}
		s := plan.Step{ID: id, Title: title, Group: groupEnd,
			Action: plan.ForgetRunning, Target: a.labTarget(nil), Params: plan.Encode(plan.RememberParams{Guests: guests}), Needs: needs,
			Always: true, Estimate: plan.Duration(takesLedger), Timeout: plan.Duration(marginTask)}
		if len(marks) > 0 {
			s.OnFailure, s.OnlyAfter = plan.Skip, marks[0] // after an abort, the vCenter may not be there; the next power-up forgets
		}
		a.add(s)
	})
}

// checkGuest adds the guest's health check, where there is one, and returns the step after which it counts as up.
func (a *ascent) checkGuest(g *guest, t plan.Target, started string) string {
	checks, wait := health(g)
	if !checks.Tools && len(checks.TCP) == 0 && len(checks.HTTP) == 0 {
		return started
	}
	holds := []string{"check:" + g.vc.Name}
	return a.add(plan.Step{ID: "check-guest:" + g.id, Title: "See that guest " + g.Name + " is up (" + healthText(checks) + ")", Group: groupGuests,
		Action: plan.CheckGuest, Target: t, Params: plan.Encode(checks), Needs: []string{started}, Holds: holds,
		Estimate: plan.Duration(takesCheck), Timeout: plan.Duration(cmp.Or(wait, plan.HealthLimit) + marginRead)})
}

// awaitVCenters waits for the vCenters that were not there when the plan was made, and marks them.
func (a *ascent) awaitVCenters(vcs []*vcenter) {
	for _, vc := range a.vcenters {
		g := a.vcenterGuest(vc)
		if !vc.absent() || g == nil {
			continue
		}
		id := a.add(plan.Step{ID: "await-vcenter:" + vc.Name, Title: "Wait until vCenter " + vc.Name + " answers", Group: "vCenter " + vc.Name, Action: plan.AwaitVCenter,
			Target: plan.Target{Kind: plan.VCenter, Name: vc.Name, Endpoint: vc.Name}, Needs: []string{a.last[g]},
			Estimate: plan.Duration(takesVCenter), Timeout: plan.Duration(plan.VCenterLimit)})
		if slices.Contains(vcs, vc) {
			mark := a.markStep(vc, id)
			mark.Group = "vCenter " + vc.Name
			a.marks[vc.Name] = a.add(mark)
		}
	}
}

// waitFor is how long a host may take to come up.
func (a *ascent) waitFor(h *host) plan.Duration {
	return plan.Duration(time.Duration(a.hostPolicy(h).Boot) + marginRead)
}
