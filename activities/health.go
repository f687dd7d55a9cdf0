package activities

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"nightshift/internal/fault"
	"nightshift/internal/live"
	"nightshift/internal/plan"
)

// probeTimeout is for one connection or request.
const probeTimeout = 5 * time.Second

// CheckGuest waits until a guest's health checks pass.
func (a *Activities) CheckGuest(ctx context.Context, c plan.Call) (plan.Outcome, error) {
	p, err := params[plan.CheckGuestParams](c)
	if err != nil {
		return plan.Outcome{}, classify(plan.CheckGuest, c.Target, err)
	}
	limit := plan.HealthLimit
	if entry, ok := a.lab.Guest(c.Target.Endpoint, c.Target.Name, c.Target.UUID); ok && entry.Health != nil {
		limit = cmp.Or(time.Duration(entry.Health.Timeout), limit)
	}
	var g guestStep
	open := func(ctx context.Context) (err error) {
		g, err = a.guestStep(ctx, c)
		return err
	}
	var off time.Time // since when it is seen so
	return a.act(ctx, waitFor(plan.CheckGuest, c, limit, open, func(ctx context.Context) (seen, error) {
		got, err := g.read(ctx)
		if err != nil {
			return seen{}, err
		}
		switch atRest := got.Power == live.PoweredOff || got.Power == live.Suspended; {
		case !atRest:
			off = time.Time{}
		case off.IsZero():
			off = time.Now()
		case time.Since(off) > a.settle: // it was started, and went off again; or its start was skipped
			return seen{}, refuse(fault.State, "it is %s, and stays so", guestState(got))
		}
		return health(ctx, got, p), nil
	}))
}

// health checks one thing after the other and stops at the first that fails.
func health(ctx context.Context, g live.Guest, p plan.CheckGuestParams) seen {
	switch {
	case g.Power != live.PoweredOn:
		return seen{state: guestState(g)}
	case p.Tools && !g.Tools:
		return seen{state: "without running Tools"}
	case p.Tools && g.Heartbeat != "green" && g.Heartbeat != "yellow" && g.Heartbeat != "": // "": the vCenter tells of none; the Tools run
		return seen{state: fmt.Sprintf("without the Tools' heartbeat (it is %q)", g.Heartbeat)}
	}
	for _, address := range p.TCP {
		if err := probeTCP(ctx, address); err != nil {
			return seen{state: fmt.Sprintf("not reached at %s (%v)", address, err)}
		}
	}
	for _, url := range p.HTTP {
		if _, err := probeHTTP(ctx, plan.ProbeParams{URL: url}, probeTimeout); err != nil {
			return seen{state: fmt.Sprintf("not well at %s (%v)", url, err)}
		}
	}
	return seen{done: true, state: fmt.Sprintf("healthy: Tools %v, %d TCP, %d HTTP", p.Tools, len(p.TCP), len(p.HTTP))}
}
