package activities

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"nightshift/internal/fault"
	"nightshift/internal/live"
	"nightshift/internal/plan"
)

const (
	// healthLimit is how long a guest may take to become healthy, where the lab file does not say.
	healthLimit = 10 * time.Minute
	// probeTimeout is for one connection or request.
	probeTimeout = 5 * time.Second
)

// CheckGuest waits until a guest's health checks pass.
func (a *Activities) CheckGuest(ctx context.Context, c plan.Call) (plan.Outcome, error) {
	p, err := params[plan.CheckGuestParams](c)
	if err != nil {
		return plan.Outcome{}, classify(plan.CheckGuest, c.Target, err)
	}
	limit := healthLimit
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

// waitFor is a verb that sends nothing. open logs in.
func waitFor(op plan.Action, c plan.Call, limit time.Duration, open func(context.Context) error, read func(context.Context) (seen, error)) verb {
	return verb{op: op, call: c, prepare: func(ctx context.Context) (verb, error) {
		return verb{bare: true, read: read, calls: map[string]call{"": {limit: limit}},
			first: func(context.Context, *seen) (string, error) { return "", nil }}, open(ctx)
	}}
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
		if err := probeHTTP(ctx, url); err != nil {
			return seen{state: fmt.Sprintf("not well at %s (%v)", url, err)}
		}
	}
	return seen{done: true, state: fmt.Sprintf("healthy: Tools %v, %d TCP, %d HTTP", p.Tools, len(p.TCP), len(p.HTTP))}
}

func probeTCP(ctx context.Context, address string) error {
	d := net.Dialer{Timeout: probeTimeout}
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	return conn.Close()
}

func probeHTTP(ctx context.Context, url string) error {
	// A transport of its own, as the answer of a proxy says nothing about the guest.
	transport := &http.Transport{DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	c := http.Client{Transport: transport, Timeout: probeTimeout}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := c.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("status %s", res.Status)
	}
	return nil
}
