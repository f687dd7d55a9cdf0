package runbooks

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"nightshift/internal/live"
	"nightshift/internal/plan"
)

// settleOrder is the order in which settings come back: vCLS first, as DRS works only with it; HA last, so that it acts
// on hosts that are all there.
func settleOrder() []plan.Setting { return []plan.Setting{plan.VCLS, plan.DRS, plan.DPM, plan.HA} }

// toSuspend lists the settings of the cluster that are still as people have them. What is taken away already is left
// out, whether by an earlier run (its debt stands) or by a person (nobody owes anything).
func (c *cluster) toSuspend() []plan.Setting {
	var s []plan.Setting
	if c.HA {
		s = append(s, plan.HA)
	}
	if c.DRS && c.DRSLevel != "manual" {
		s = append(s, plan.DRS)
	}
	if c.DPM {
		s = append(s, plan.DPM)
	}
	if c.hasVCLS() {
		s = append(s, plan.VCLS)
	}
	return s
}

// hasVCLS: there are vCLS VMs, or there will be, as the vCenter deploys them and nobody told it not to.
func (c *cluster) hasVCLS() bool {
	for _, h := range c.hosts {
		if slices.ContainsFunc(h.guests, func(g *guest) bool { return g.VCLS }) {
			return true
		}
	}
	retreating := c.VCLS != nil && strings.EqualFold(*c.VCLS, "false")
	return !retreating && deploysVCLS(c.vc.live.Version)
}

// deploysVCLS: vCLS VMs came with 7.0 U1 (7.0.1); since 8.0 U3 (8.0.3) there are none that a run would have to wait for.
func deploysVCLS(version string) bool {
	n := make([]int, 3)
	for i, part := range strings.SplitN(version, ".", 4) {
		if i < len(n) {
			n[i], _ = strconv.Atoi(part) // what is no number counts as 0
		}
	}
	v := n[0]*10000 + n[1]*100 + n[2]
	return v >= 70001 && v < 80003
}

// suspend adds the steps that take a cluster's settings away, and returns their ids by setting.
func (b *builder) suspend(c *cluster, after string) map[plan.Setting]string {
	ids := map[plan.Setting]string{}
	for _, s := range c.toSuspend() {
		ids[s] = b.add(plan.Step{ID: "suspend-" + string(s) + ":" + c.id, Title: suspendTitle(c, s), Group: "Cluster " + c.id,
			Action: plan.SuspendSetting, Target: c.target(), Params: plan.Encode(plan.SettingParams{Setting: s}), Needs: []string{after},
			Holds: []string{c.vc.holds()}, Estimate: plan.Duration(takesSetting(s)), Timeout: plan.Duration(settingTimeout(b.lab, s))})
	}
	return ids
}

func suspendTitle(c *cluster, s plan.Setting) string {
	switch s {
	case plan.HA:
		return "Switch off vSphere HA on cluster " + c.Name
	case plan.DRS:
		return fmt.Sprintf("Set DRS on cluster %s to manual (was %s)", c.Name, drsLevel(c.DRSLevel))
	case plan.DPM:
		return "Switch off DPM on cluster " + c.Name
	case plan.VCLS:
		return "Ask vCLS to retreat from cluster " + c.Name
	}
	return fmt.Sprintf("Suspend %s on cluster %s", s.Title(), c.Name)
}

// debtsOf lists what is owed to the cluster, in the order in which to give it back.
func (b *builder) debtsOf(c *cluster) []plan.Debt {
	var list []plan.Debt
	for _, s := range settleOrder() {
		i := slices.IndexFunc(b.debts, func(d plan.Debt) bool { return d.ID == plan.DebtID(c.vc.Name, c.Ref, s) })
		if i >= 0 {
			list = append(list, b.debts[i])
		}
	}
	return list
}

// settle adds the steps that give a cluster's settings back, one after the other, and returns the last one's id.
func (b *builder) settle(c *cluster, needs []string) (last string) {
	for _, d := range b.debtsOf(c) {
		last = b.add(plan.Step{ID: "settle-" + string(d.Setting) + ":" + c.id, Title: settleTitle(c, d), Group: "Cluster " + c.id,
			Action: plan.SettleDebt, Target: c.target(), Params: plan.Encode(plan.SettingParams{Setting: d.Setting}), Needs: slices.Clone(needs),
			Holds: []string{c.vc.holds()}, Estimate: plan.Duration(takesSetting(d.Setting)), Timeout: plan.Duration(settingTimeout(b.lab, d.Setting))})
		needs = []string{last}
	}
	return last
}

func settleTitle(c *cluster, d plan.Debt) string {
	switch {
	case d.Setting == plan.DRS:
		return fmt.Sprintf("Set DRS on cluster %s back to %s", c.Name, drsLevel(d.Was))
	case d.Setting == plan.VCLS:
		return "Let vCLS come back to cluster " + c.Name
	case d.Setting == plan.HA:
		return "Switch vSphere HA on again on cluster " + c.Name
	}
	return fmt.Sprintf("Switch %s on again on cluster %s", d.Setting.Title(), c.Name)
}

// checkDebts warns of debts that no cluster of today matches.
func (b *builder) checkDebts() {
	debts := slices.Clone(b.debts)
	slices.SortFunc(debts, func(a, c plan.Debt) int { return strings.Compare(a.ID, c.ID) })
	for _, d := range debts {
		if d.Target.Kind != plan.Cluster {
			b.checkWatchDebt(d)
			continue
		}
		i := slices.IndexFunc(b.clusters, func(c *cluster) bool { return c.vc.Name == d.Target.Endpoint && c.Ref == d.Target.Ref })
		switch {
		case i >= 0 && b.clusters[i].Name != d.Target.Name:
			b.warn(b.clusters[i].subject(), "was called "+d.Target.Name+" when its "+d.Setting.Title()+" was switched off", "")
		case i < 0 && slices.ContainsFunc(b.vcenters, func(vc *vcenter) bool { return vc.Name == d.Target.Endpoint && vc.answers() }):
			b.warn("cluster "+d.Target.Name, "its "+d.Setting.Title()+" is owed, but vCenter "+d.Target.Endpoint+" has no such cluster any more",
				"give the debt up: `nightshift settle --forgive "+d.ID+" --reason …`")
		}
	}
}

// somewhereUp tells whether a host of the cluster is there to take a setting.
func (c *cluster) somewhereUp() bool {
	return slices.ContainsFunc(c.hosts, func(h *host) bool { return h.live.Connection == live.Connected })
}

// inOurMaintenance tells whether a run has put the host into maintenance mode and no run has taken it out yet.
func (b *builder) inOurMaintenance(h *host) bool {
	return h.live != nil && slices.ContainsFunc(b.debts, func(d plan.Debt) bool { return d.ID == plan.DebtID(h.vc.Name, h.live.Ref, plan.Maintenance) })
}

// setAside tells whether a person has put the host into maintenance mode. Of a host that is off nobody can tell, unless
// the power-down of its neighbours wrote down which it put into it.
func (b *builder) setAside(h *host) bool {
	return h.live.Maintenance && !b.inOurMaintenance(h) && (h.connected() && !h.unnoticed() || slices.ContainsFunc(b.debts, func(d plan.Debt) bool {
		return d.Setting == plan.Maintenance && d.Target.Endpoint == h.vc.Name
	}))
}

// exitMaintenance adds the step that takes the host out of maintenance mode.
func (b *builder) exitMaintenance(h *host, t plan.Target, needs []string) string {
	return b.add(plan.Step{ID: "exit-maintenance:" + h.id, Title: "Take host " + h.name + " out of maintenance mode" + through(t), Group: "Host " + h.id,
		Action: plan.ExitMaintenance, Target: t, Params: plan.Encode(plan.HostParams{Host: h.lab.Name}), Needs: needs,
		Holds: holdsOf(t, h.vc, h), Estimate: plan.Duration(takesMaintenance),
		Timeout: b.settled(time.Duration(b.hostPolicy(h).Maintenance) + marginTask)})
}
