package runbooks

import (
	"nightshift/internal/inventory"
	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/internal/replica"
)

// checkMark blocks where another nightshift works on the group.
func (b *builder) checkMark(g *inventory.ProtectionGroup, target *live.StorageHost) {
	if m := replica.ParseMark(target.Mark); target.Mark != "" && m.By != b.instance {
		b.block("group "+g.Name, "another nightshift works on it: "+m.String(),
			"wait for its run to end; if that nightshift is no more, take its mark off: "+replica.Unmark(g.Name, g.Target.Under)+" (on "+g.Target.Host+")")
	}
}

// markGroup announces this nightshift at a group. Where it cannot, the run ends, as nothing is begun.
func (b *builder) markGroup(p plan.GroupParams) string {
	id := b.onGroup("mark-group", "Mark group "+p.Group+" on "+p.To+" as worked on by this nightshift", groupBegin, plan.MarkGroup, p)
	b.own(plan.Abort)
	return id
}

// unmarkGroup ends the plan, whatever became of it: also of an aborted run only when no step is under way any more. That it failed is no
// reason to wait for a person: the next run takes over the mark.
func (b *builder) unmarkGroup(p plan.GroupParams) {
	var all []string
	for _, s := range b.plan.Steps {
		all = append(all, s.ID)
	}
	b.onGroup("unmark-group", "Take the mark off group "+p.Group, groupEnd, plan.UnmarkGroup, p, all...)
	s := &b.plan.Steps[len(b.plan.Steps)-1]
	s.OnFailure, s.Always, s.OnlyAfter = plan.Skip, true, "mark-group:"+p.Group
}
