package activities

import (
	"cmp"
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

const (
	markLimit = 2 * time.Minute
	// markSettles is after what time a mark is read again. A custom attribute cannot be compared and set: of two who saw none, and
	// set theirs, the later one's stands, and the other gives way. What lies between a look and the call is an intent, one heartbeat.
	markSettles = 3 * time.Second
)

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
	v := verb{
		// The mark of another one ends the step, too: finish refuses it.
		read: func(ctx context.Context) (_ seen, err error) {
			got, err = vc.Mark(ctx)
			a.clients.failed(c.Target.Endpoint, vc, err)
			return seen{done: got == want || got != "" && got != a.instance, state: markState(got)}, err
		},
		first: func(context.Context, *seen) (string, error) { return "set", nil },
		calls: map[string]call{"set": {words: "set the mark on vCenter " + c.Target.Endpoint, limit: markLimit, harmless: true,
			send: func(ctx context.Context, _ seen) (string, error) { return "", vc.SetMark(ctx, want) }}},
	}
	if want != "" {
		v.finish = func(ctx context.Context, _ seen) error {
			if err := rest(ctx, min(markSettles, a.settle/20)); err != nil {
				return err
			}
			now, err := vc.Mark(ctx)
			a.clients.failed(c.Target.Endpoint, vc, err)
			if err == nil && now != want {
				err = refuse(fault.State, "nightshift %s works on vCenter %s: two must not; if it is gone, clear the attribute in the vSphere client",
					cmp.Or(now, "(that is off again)"), c.Target.Endpoint)
			}
			return err
		}
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
