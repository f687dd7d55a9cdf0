package runbooks

import "nightshift/internal/plan"

func settle() Runbook {
	return Runbook{
		Name:    Settle,
		Summary: "Give back what runs have switched off and not switched on again",
		Description: "A power-down writes down what it takes from a cluster (HA, DRS level, DPM, vCLS) before it takes it, and power-up gives it back. " +
			"Settle gives back what is still owed, where a host of the cluster is connected, and does nothing else.",
		Workflow: "Settle",
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
	b.checkDebts()
	var clusters []*cluster
	for _, c := range b.clusters {
		switch {
		case len(b.debtsOf(c)) == 0:
		case !c.somewhereUp():
			b.warn(c.subject(), "no host of it is connected, so nothing can be given back to it now", "run power-up, which gives it back")
		default:
			clusters = append(clusters, c)
		}
	}
	vcs := vcentersOf(b.view, func(vc *vcenter) bool {
		for _, c := range clusters {
			if c.vc == vc {
				return true
			}
		}
		return false
	})
	marks := b.mark(vcs)
	for _, c := range clusters {
		b.settle(c, []string{marks[c.vc.Name]})
	}
	steps := len(b.plan.Steps) - len(vcs)
	b.unmark(vcs)
	b.title("Settle", "", 0, 0)
	switch {
	case steps > 0:
		b.plan.Title = "Settle lab " + b.lab.Lab + ": " + count(steps, "setting")
	case len(b.plan.Blockers) == 0 && len(b.debts) > 0:
		b.plan.Title = "Nothing to do now: what lab " + b.lab.Lab + " is owed can't be given back yet"
	case len(b.plan.Blockers) == 0:
		b.plan.Title = "Nothing to do: lab " + b.lab.Lab + " is owed nothing"
	}
	return b.plan, nil
}

// vcentersOf lists those that can be read and fit.
func vcentersOf(v *view, fits func(*vcenter) bool) []*vcenter {
	var list []*vcenter
	for _, vc := range v.vcenters {
		if vc.live != nil && fits(vc) {
			list = append(list, vc)
		}
	}
	return list
}
