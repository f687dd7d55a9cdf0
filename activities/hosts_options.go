package activities

import (
	"context"

	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/internal/vsphere"
)

// SetHostOption sets an advanced option of a host. To set it twice does no more than to set it once.
func (a *Activities) SetHostOption(ctx context.Context, c plan.Call) (plan.Outcome, error) {
	p, err := params[plan.OptionParams](c)
	if err != nil {
		return plan.Outcome{}, classify(plan.SetHostOption, c.Target, err)
	}
	const set = "set"
	return a.act(ctx, verb{op: plan.SetHostOption, call: c, prepare: func(ctx context.Context) (verb, error) {
		h, err := a.hostStep(ctx, c, p.Host)
		if err != nil {
			return verb{}, err
		}
		w, err := a.workshop(ctx, c.Target)
		var got live.Host
		return verb{tasks: h.vc,
			read: func(ctx context.Context) (s seen, err error) {
				if got, err = h.read(ctx); err != nil {
					return s, err
				}
				is, err := w.HostOption(ctx, c.Target.Ref, p.Option)
				return seen{done: vsphere.SameOption(is, p.Value), state: p.Option + " = " + is}, err
			},
			first: func(ctx context.Context, _ *seen) (string, error) { return set, h.keptCluster(ctx, got, false) },
			calls: map[string]call{set: {words: "SetOption " + p.Option + "=" + p.Value + " to " + c.Target.String(), limit: optionLimit, harmless: true,
				send: func(ctx context.Context, _ seen) (string, error) {
					return "", w.SetHostOption(ctx, c.Target.Ref, p.Option, p.Value)
				}}},
		}, err
	}})
}

// ReadHostOption reads an advanced option of a host, for the report.
func (a *Activities) ReadHostOption(ctx context.Context, c plan.Call) (plan.Outcome, error) {
	p, err := params[plan.OptionParams](c)
	if err != nil {
		return plan.Outcome{}, classify(plan.ReadHostOption, c.Target, err)
	}
	var h hostStep
	var w workshop
	told := ""
	v := waitFor(plan.ReadHostOption, c, optionLimit, func(ctx context.Context) (err error) {
		if h, err = a.hostStep(ctx, c, p.Host); err != nil {
			return err
		}
		w, err = a.workshop(ctx, c.Target)
		return err
	}, func(ctx context.Context) (seen, error) {
		if _, err := h.read(ctx); err != nil {
			return seen{}, err
		}
		is, err := w.HostOption(ctx, c.Target.Ref, p.Option)
		told = p.Option + " = " + is
		return seen{done: err == nil, state: told}, err
	})
	prepare := v.prepare
	v.prepare = func(ctx context.Context) (verb, error) {
		whole, err := prepare(ctx)
		whole.remark = func() string { return told }
		return whole, err
	}
	return a.act(ctx, v)
}
