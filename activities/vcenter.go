package activities

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"nightshift/internal/fault"
	"nightshift/internal/plan"
	"nightshift/internal/words"
)

// AwaitVCenter waits until a vCenter that was started lets us log in and shows its inventory. While it starts it may
// refuse a right password, so that no login is sent before its sign-on service is ready (vsphere.Connect), and one that is
// refused nevertheless is the last: a person looks then.
func (a *Activities) AwaitVCenter(ctx context.Context, c plan.Call) (plan.Outcome, error) {
	name := cmp.Or(c.Target.Endpoint, c.Target.Name)
	limit := plan.VCenterLimit
	if g, ok := a.lab.VCenterGuest(name); ok && g.Health != nil {
		limit = cmp.Or(time.Duration(g.Health.Timeout), limit)
	}
	open := func(ctx context.Context) error {
		a.clients.drop(ctx, name) // sessions from before it went down are worth nothing, and renewing one is a login
		return nil
	}
	return a.act(ctx, waitFor(plan.AwaitVCenter, c, limit, open, func(ctx context.Context) (seen, error) {
		vc, err := a.clients.vcenter(ctx, name)
		if err != nil {
			return seen{}, starting(err)
		}
		got, err := vc.Inspect(ctx)
		a.clients.failed(name, vc, err)
		if err != nil {
			return seen{}, starting(err)
		}
		return seen{done: true, state: fmt.Sprintf("there: version %s, %s, %s", got.Version, words.Count(len(got.Hosts), "host"), words.Count(len(got.Guests), "guest"))}, nil
	}))
}

// starting makes of an answer that no vCenter gives, or that is no login's, one to wait for: its web server is up first.
func starting(err error) error {
	if errors.Is(err, fault.Unsupported) && !isAuth(err) {
		return refuse(fault.Unreachable, "it is not ready yet: %v", err)
	}
	return err
}
