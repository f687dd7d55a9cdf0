package activities

import (
	"context"
	"errors"
	"fmt"
	"time"

	"nightshift/internal/fault"
	"nightshift/internal/plan"
	"nightshift/internal/replica"
	"nightshift/internal/zfs"
)

// A groupMark is the mark of a protection group, as a run sees it.
type groupMark struct {
	a     *Activities
	run   string
	group string
	host  string // storage host of the replicas
	under string // the dataset there below which they lie; empty: the plan is of a nightshift that knew no marks
}

// MarkGroup marks a protection group with the name of this nightshift and its run. The mark of another nightshift refuses the step;
// that of an earlier run of this one is left over, as runs of one ledger have the group's lock.
func (a *Activities) MarkGroup(ctx context.Context, c plan.Call) (plan.Outcome, error) {
	return a.markGroup(ctx, plan.MarkGroup, c, false)
}

// UnmarkGroup takes the mark off again. That of another nightshift stays.
func (a *Activities) UnmarkGroup(ctx context.Context, c plan.Call) (plan.Outcome, error) {
	return a.markGroup(ctx, plan.UnmarkGroup, c, true)
}

func (a *Activities) markGroup(ctx context.Context, op plan.Action, c plan.Call, off bool) (plan.Outcome, error) {
	return a.act(ctx, verb{op: op, call: c, prepare: from(c, func(_ context.Context, p plan.GroupParams) (verb, error) {
		z, err := a.zfsOf(p.To)
		g := groupMark{a, c.Run, p.Group, p.To, p.Under}
		m := g.marking()
		m.off = off
		m.look = func(ctx context.Context) (marked, error) {
			got, err := g.look(ctx, z)
			if off {
				got.done = got.by == ""
			}
			return got, err
		}
		m.set = func(ctx context.Context) error {
			if off {
				for _, d := range p.Datasets { // of an aborted run: a stream goes on for a while that nobody attends
					a.streams.end(into(p.To, d.Replica))
				}
				return certainlyNot(z.ClearUser(ctx, p.Under, replica.MarkProperty(p.Group)))
			}
			mark := replica.Mark{By: a.instance, Run: c.Run, Since: time.Now()}
			return certainlyNot(z.SetUser(ctx, map[string]string{replica.MarkProperty(p.Group): mark.Value()}, p.Under))
		}
		return a.marks(m), err
	})})
}

// marking says where the mark is.
func (g groupMark) marking() marking {
	return marking{place: "group " + g.group, remedy: "take its mark off: " + replica.Unmark(g.group, g.under) + " (on " + g.host + ")"}
}

// look reads the mark. Done is that of this run.
func (g groupMark) look(ctx context.Context, z *zfs.Client) (marked, error) {
	value, err := markOn(ctx, z, g.group, g.under)
	if err != nil || value == "" {
		return marked{}, err
	}
	m := replica.ParseMark(value)
	return marked{by: m.String(), other: m.By != g.a.instance, done: m.Of(g.a.instance, g.run)}, nil
}

// markOn reads the mark of a group below a dataset: what it is set to there, not what came from above or with a stream. Empty: there is
// none.
func markOn(ctx context.Context, z *zfs.Client, group, under string) (string, error) {
	property := replica.MarkProperty(group)
	got, err := z.Get(ctx, under, property)
	if errors.Is(err, fault.NotFound) {
		return "", nil
	}
	if p := got[property]; p.Source == "local" {
		return p.Value, err
	}
	return "", err
}

// still refuses where the group's mark is not that of the run any more. Each step asks just before it changes something: of two nightshifts
// that set theirs at the same moment the earlier one may have seen its own, and a person may have taken the group from this one.
func (g groupMark) still(ctx context.Context) error {
	if g.under == "" {
		return nil
	}
	z, err := g.a.zfsOf(g.host)
	if err != nil {
		return err
	}
	switch got, err := g.look(ctx, z); {
	case err != nil || got.done:
		return err
	case got.by == "":
		if _, err := z.Get(ctx, g.under, "type"); err != nil { // it is not there itself
			return fmt.Errorf("the mark that this run works on group %s cannot be read: %w", g.group, err)
		}
		return refuse(fault.State, "the mark that this run works on group %s is not on %s any more: somebody took it off. Abort this run, and start it again", g.group, g.under)
	default:
		return g.marking().others(got.by)
	}
}

// first is the first of a verb that has one call, where the mark is still that of the run.
func (g groupMark) first(call string) func(context.Context, *seen) (string, error) {
	return func(ctx context.Context, _ *seen) (string, error) { return call, g.still(ctx) }
}
