package activities

import (
	"context"
	"time"

	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/internal/vsphere"
)

// optionLimit is how long an option may take to be set, or read.
const optionLimit = time.Minute

// SetHostOption sets an advanced option of a host. To set it twice does no more than to set it once.
func (a *Activities) SetHostOption(ctx context.Context, c plan.Call) (plan.Outcome, error) {
	const set = "set"
	return a.act(ctx, verb{op: plan.SetHostOption, call: c, prepare: from(c, func(ctx context.Context, p plan.OptionParams) (verb, error) {
		h, w, err := a.hostWork(ctx, c, p.Host)
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
	})})
}

// ReadHostOption reads an advanced option of a host, for the report.
func (a *Activities) ReadHostOption(ctx context.Context, c plan.Call) (plan.Outcome, error) {
	return a.act(ctx, verb{op: plan.ReadHostOption, call: c, prepare: from(c, func(ctx context.Context, p plan.OptionParams) (verb, error) {
		h, w, err := a.hostWork(ctx, c, p.Host)
		told := ""
		v := onlyWaits(optionLimit, func(ctx context.Context) (seen, error) {
			if _, err := h.read(ctx); err != nil {
				return seen{}, err
			}
			is, err := w.HostOption(ctx, c.Target.Ref, p.Option)
			told = p.Option + " = " + is
			return seen{done: err == nil, state: told}, err
		})
		v.remark = func() string { return told }
		return v, err
	})})
}
