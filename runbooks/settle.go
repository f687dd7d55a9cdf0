package runbooks

import (
	"slices"

	"nightshift/internal/plan"
	"nightshift/internal/words"
)

func settle() Runbook {
	return Runbook{
		Name:    Settle,
		Summary: "Give back what runs have switched off and not switched on again",
		Description: "A power-down writes down what it takes from a cluster (HA, DRS level, DPM, vCLS), which hosts it puts into maintenance mode, and whose alarms and monitoring it silences, before it does so, and power-up gives it back. " +
			"Settle gives back what is still owed, where hosts are connected, and does nothing else.",
		Workflow: plan.SettleWorkflow,
		Actions:  []plan.Action{plan.MarkLab, plan.UnmarkLab, plan.SettleDebt, plan.ExitMaintenance, plan.SetChangeTracking, plan.ResumeMonitoring, plan.Join},
		Plan:     planSettle,
	}
}

func planSettle(in Input) (plan.Plan, error) {
	b := newBuilder(in, Settle)
	owed := map[string]bool{}
	for _, d := range b.debts {
		owed[d.Target.Endpoint] = true
	}
	b.checkVCenters(func(vc *vcenter) bool { return owed[vc.Name] })
	for _, vc := range b.vcenters {
		if owed[vc.Name] && vc.live != nil && vc.absent() && !vc.unrecorded {
			b.block(vc.subject(), "does not answer, so nothing can be given back to its hosts and clusters", "run power-up, which starts the vCenter and gives back all")
		}
	}
	b.checkDebts()
	var clusters []*cluster
	for _, c := range b.clusters {
		switch {
		case len(b.debtsOf(c)) == 0 || !c.vc.answers():
		case !c.somewhereUp():
			b.warn(c.subject(), "no host of it is connected, so nothing can be given back to it now", "run power-up, which gives it back")
		default:
			clusters = append(clusters, c)
		}
	}
	hosts := b.owedHosts()
	quiet := newSilence(b, in)
	isUp := func(h *host) bool { return h.kept == "" && h.vc.answers() && h.connected() }
	clusterUp := func(c *cluster) bool { return !c.keep && c.vc.answers() && c.somewhereUp() }
	anyUp := len(in.Lab.Hosts) == 0 || slices.ContainsFunc(b.hosts, isUp) // without hosts nothing is down
	quiet.checkOwed(isUp, anyUp)
	guests := b.owedGuests()
	vcs := vcentersOf(b.view, func(vc *vcenter) bool {
		return slices.ContainsFunc(guests, func(g *guest) bool { return g.vc == vc }) ||
			slices.ContainsFunc(clusters, func(c *cluster) bool { return c.vc == vc }) ||
			slices.ContainsFunc(hosts, func(h *host) bool { return h.vc == vc }) ||
			quiet.owed(vc, isUp, clusterUp)
	})
	marks := b.mark(vcs)
	for _, h := range hosts {
		b.exitMaintenance(h, h.target(), []string{marks[h.vc.Name]})
	}
	for _, c := range clusters {
		b.settle(c, []string{marks[c.vc.Name]})
	}
	for _, g := range guests {
		b.add(b.trackAgain(g, marks[g.vc.Name]))
	}
	quiet.end(isUp, clusterUp, anyUp)
	steps := len(b.plan.Steps) - len(vcs)
	b.unmark(vcs)
	b.title("Settle", "", 0, 0)
	switch {
	case steps > 0:
		b.plan.Title = "Settle lab " + b.lab.Lab + ": " + words.Count(steps, "setting")
	case len(b.plan.Blockers) == 0 && len(b.debts) > 0:
		b.plan.Title = "Nothing to do now: what lab " + b.lab.Lab + " is owed can't be given back yet"
	case len(b.plan.Blockers) == 0:
		b.plan.Title = "Nothing to do: lab " + b.lab.Lab + " is owed nothing"
	}
	return b.plan, nil
}

// owedHosts lists the hosts that can be taken out of maintenance mode now, and warns of those that cannot.
func (b *builder) owedHosts() (list []*host) {
	for _, h := range b.hosts {
		switch {
		case !b.inOurMaintenance(h) || h.kept != "" || !h.vc.answers():
		case !h.connected():
			b.warn(h.subject(), "is to be taken out of maintenance mode, but it is not connected", "run power-up, which does it")
		default:
			list = append(list, h)
		}
	}
	return list
}

// owedGuests lists the guests whose Changed Block Tracking a step runbook has switched off, and not on again.
func (b *builder) owedGuests() (list []*guest) {
	for _, g := range b.guests {
		if g.vc.answers() && slices.ContainsFunc(b.debts, func(d plan.Debt) bool { return d.ID == plan.DebtID(g.vc.Name, g.Ref, plan.ChangeTracking) }) {
			list = append(list, g)
		}
	}
	return list
}

// trackAgain is the step that switches Changed Block Tracking on again.
func (b *builder) trackAgain(g *guest, needs ...string) plan.Step {
	return plan.Step{ID: "settle-change-tracking:" + g.id, Title: "Switch Changed Block Tracking of guest " + g.Name + " on again", Group: groupGuests,
		Action: plan.SetChangeTracking, Target: g.target(), Params: plan.Encode(plan.TrackingParams{Enabled: true}), Needs: needs, Holds: g.holds(),
		Estimate: plan.Duration(takesDRS), Timeout: b.settled(marginTask)}
}

// vcentersOf lists those that answer and fit.
func vcentersOf(v *view, fits func(*vcenter) bool) []*vcenter {
	var list []*vcenter
	for _, vc := range v.vcenters {
		if vc.answers() && fits(vc) {
			list = append(list, vc)
		}
	}
	return list
}
