package activities

import (
	"context"
	"fmt"
	"time"

	"nightshift/internal/fault"
	"nightshift/internal/inventory"
	"nightshift/internal/ledger"
	"nightshift/internal/plan"
)

// hookLimit is how long a hook may take.
const hookLimit = 30 * time.Second

// A watcher is a step on a monitoring of the lab file. Nobody can read whether it is quiet: what counts is that it took the
// request. Asking twice does no more than asking once, so that a lost answer is a reason to ask again.
type watcher struct {
	a    *Activities
	call plan.Call
	of   *inventory.Monitoring
	hook inventory.Hook
	told bool // by this attempt
}

// SilenceMonitoring asks a monitoring to be quiet. That it is to watch again is a debt before it is asked.
func (a *Activities) SilenceMonitoring(ctx context.Context, c plan.Call) (plan.Outcome, error) {
	return a.act(ctx, verb{op: plan.SilenceMonitoring, call: c, prepare: func(context.Context) (verb, error) {
		w, err := a.watcher(c)
		if err != nil {
			return verb{}, err
		}
		w.hook = w.of.Silence
		v := w.verb("be quiet")
		v.owe = func(ctx context.Context, _ seen) error {
			return a.ledger.change(ctx, c.Lab, ledger.Change{Owe: &plan.Debt{ID: plan.MonitoringDebt(w.of.Name), Target: c.Target,
				Setting: plan.Watch, Was: "true", Run: c.Run}})
		}
		return v, nil
	}})
}

// ResumeMonitoring asks it to watch again, where that is owed.
func (a *Activities) ResumeMonitoring(ctx context.Context, c plan.Call) (plan.Outcome, error) {
	return a.act(ctx, verb{op: plan.ResumeMonitoring, call: c, prepare: func(ctx context.Context) (verb, error) {
		w, err := a.watcher(c)
		if err != nil {
			return verb{}, err
		}
		book, err := a.ledger.read(ctx, c.Lab)
		if err != nil {
			return verb{}, err
		}
		debt, owed := book.Debt(plan.MonitoringDebt(w.of.Name))
		if !owed {
			return verb{nothing: "nothing owed"}, nil
		}
		w.hook = w.of.Resume
		v := w.verb("watch again")
		v.finish = func(ctx context.Context, _ seen) error {
			return a.ledger.change(ctx, c.Lab, ledger.Change{Settle: debt.ID})
		}
		return v, nil
	}})
}

func (a *Activities) watcher(c plan.Call) (*watcher, error) {
	p, err := params[plan.MonitoringParams](c)
	if err != nil {
		return nil, err
	}
	m, ok := a.lab.MonitoringHook(p.Monitoring)
	switch {
	case !ok:
		return nil, refuse(fault.Invalid, "monitoring %q is not in the lab file", p.Monitoring)
	case c.Target.Name != p.Monitoring:
		return nil, refuse(fault.Invalid, "its target is %s, and its parameters name monitoring %s", c.Target, p.Monitoring)
	}
	return &watcher{a: a, call: c, of: m}, nil
}

func (w *watcher) verb(what string) verb {
	const ask = "ask"
	c := call{words: fmt.Sprintf("ask monitoring %s to %s", w.of.Name, what), limit: hookLimit, harmless: true,
		send: func(ctx context.Context, _ seen) (string, error) {
			ctx, cancel := context.WithTimeout(ctx, hookLimit)
			defer cancel()
			err := w.send(ctx)
			w.told = err == nil
			return "", err
		},
		// It said yes to an earlier attempt, which is gone: whether that was written down is not known.
		late: func(context.Context, seen, plan.Memo) (string, error) { return ask, nil },
	}
	return verb{calls: map[string]call{ask: c},
		read: func(context.Context) (seen, error) {
			if w.told {
				return seen{done: true, state: "it took the request to " + what}, nil
			}
			return seen{state: "not known to have been asked to " + what}, nil
		},
		first: func(context.Context, *seen) (string, error) { return ask, nil },
	}
}

// secrets are the values of what the hook names.
func (w *watcher) secrets(ctx context.Context) (map[string]inventory.Secret, error) {
	values := map[string]inventory.Secret{}
	for name, ref := range w.of.Secrets {
		s, err := ref.Resolve(ctx, w.a.lab.Dir)
		if err != nil {
			return nil, fmt.Errorf("secret %s of monitoring %s: %w", name, w.of.Name, err)
		}
		values[name] = s
	}
	return values, nil
}
