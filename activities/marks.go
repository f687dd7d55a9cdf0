package activities

import (
	"context"
	"time"

	"nightshift/internal/fault"
	"nightshift/internal/plan"
)

// markSystem is the mark on a vCenter that tells other nightshifts that somebody works on it. "": nobody.
type markSystem interface {
	Mark(ctx context.Context) (string, error)
	SetMark(ctx context.Context, value string) error
}

const markLimit = 2 * time.Minute

// MarkLab marks the vCenter with the name of this nightshift. The mark of another one refuses the step.
func (a *Activities) MarkLab(ctx context.Context, c plan.Call) (plan.Outcome, error) {
	return a.mark(ctx, plan.MarkLab, c, a.instance)
}

// UnmarkLab takes the mark off again. That of another nightshift stays.
func (a *Activities) UnmarkLab(ctx context.Context, c plan.Call) (plan.Outcome, error) {
	return a.mark(ctx, plan.UnmarkLab, c, "")
}

func (a *Activities) mark(ctx context.Context, op plan.Action, c plan.Call, want string) (plan.Outcome, error) {
	var vc vcenter
	var got string
	foreign := func() bool { return got != "" && got != a.instance }
	v := verb{
		read: func(ctx context.Context) (_ seen, err error) {
			got, err = vc.Mark(ctx)
			a.clients.failed(c.Target.Endpoint, vc, err)
			return seen{done: got == want || want == "" && foreign(), state: markState(got)}, err
		},
		first: func(context.Context, *seen) (string, error) {
			if foreign() {
				return "", refuse(fault.State, "nightshift %s works on vCenter %s: two must not; if it is gone, clear the attribute in the vSphere client", got, c.Target.Endpoint)
			}
			return "set", nil
		},
		calls: map[string]call{"set": {words: "set the mark on vCenter " + c.Target.Endpoint, limit: markLimit, harmless: true,
			send: func(ctx context.Context, _ seen) (string, error) { return "", vc.SetMark(ctx, want) }}},
	}
	return a.act(ctx, verb{op: op, call: c, prepare: func(ctx context.Context) (_ verb, err error) {
		vc, err = a.clients.vcenter(ctx, c.Target.Endpoint)
		return v, err
	}})
}

func markState(mark string) string {
	if mark == "" {
		return "without a mark"
	}
	return "marked by " + mark
}
