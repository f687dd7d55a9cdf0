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

// A marking sets a mark somewhere, or takes it off.
type marking struct {
	place  string // that is marked: "vCenter vc1"
	remedy string // how a person takes off the mark of a nightshift that is no more
	off    bool
	look   func(context.Context) (marked, error)
	set    func(context.Context) error
}

// marked is what mark there is.
type marked struct {
	by    string // in words; empty: there is none
	other bool   // another nightshift's
	done  bool   // as the step wants it
}

const (
	markLimit = 2 * time.Minute
	// markSettles is after what time a mark is read again. A custom attribute, or a property, cannot be compared and set: of two who saw none, and
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
	return a.act(ctx, verb{op: op, call: c, prepare: func(ctx context.Context) (verb, error) {
		vc, err := a.clients.vcenter(ctx, c.Target.Endpoint)
		return a.marks(marking{place: "vCenter " + c.Target.Endpoint, remedy: "clear the attribute in the vSphere client", off: want == "",
			look: func(ctx context.Context) (marked, error) {
				got, err := vc.Mark(ctx)
				a.clients.failed(c.Target.Endpoint, vc, err)
				return marked{by: got, other: got != "" && got != a.instance, done: got == want}, err
			},
			set: func(ctx context.Context) error { return vc.SetMark(ctx, want) }}), err
	}})
}

// marks is the verb of a marking.
func (a *Activities) marks(m marking) verb {
	v := verb{
		// The mark of another one ends the step, too: finish refuses it.
		read: func(ctx context.Context) (seen, error) {
			got, err := m.look(ctx)
			return seen{done: got.done || got.other, state: markState(got.by)}, err
		},
		first: func(context.Context, *seen) (string, error) { return "set", nil },
		calls: map[string]call{"set": {words: "set the mark on " + m.place, limit: markLimit, harmless: true,
			send: func(ctx context.Context, _ seen) (string, error) { return "", m.set(ctx) }}},
	}
	if m.off {
		return v
	}
	v.finish = func(ctx context.Context, _ seen) error {
		if err := rest(ctx, min(markSettles, a.settle/20)); err != nil {
			return err
		}
		got, err := m.look(ctx)
		if err == nil && !got.done {
			err = m.others(got.by)
		}
		return err
	}
	return v
}

// others refuses to work beside another nightshift.
func (m marking) others(by string) error {
	return refuse(fault.State, "nightshift %s works on %s: two must not; if it is gone, %s", cmp.Or(by, "(that is off again)"), m.place, m.remedy)
}

func markState(mark string) string {
	if mark == "" {
		return "without a mark"
	}
	return "marked by " + mark
}
