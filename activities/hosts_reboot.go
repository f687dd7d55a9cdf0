package activities

import (
	"context"
	"fmt"
	"time"

	"nightshift/internal/fault"
	"nightshift/internal/live"
	"nightshift/internal/plan"
)

// bootJitter is how much the time at which a host was booted may be told otherwise from one look to the next: vCenter makes
// it of the uptime.
const bootJitter = time.Minute

// RebootHost reboots a host that is in maintenance mode, and is done when vCenter is connected to it again and says that
// it was booted since the plan was made.
func (a *Activities) RebootHost(ctx context.Context, c plan.Call) (plan.Outcome, error) {
	const reboot = "reboot"
	return a.act(ctx, verb{op: plan.RebootHost, call: c, prepare: from(c, func(ctx context.Context, p plan.RebootParams) (verb, error) {
		h, w, err := a.hostWork(ctx, c, p.Host)
		var got live.Host
		return verb{tasks: h.vc,
			read: func(ctx context.Context) (s seen, err error) {
				got, err = h.read(ctx)
				return rebooted(got, p.Booted), err
			},
			first: func(ctx context.Context, _ *seen) (string, error) {
				if err := h.keptCluster(ctx, got, false); err != nil {
					return "", err
				}
				switch {
				case got.Connection != live.Connected:
					return "", refuse(fault.State, "vCenter calls it %s: it is not known what it does", got.Connection)
				case !got.Maintenance:
					return "", refuse(fault.State, "it is not in maintenance mode: its guests would die")
				}
				guests, err := h.vc.GuestsOn(ctx, c.Target.Ref)
				if on := running(guests); err == nil && len(on) > 0 {
					err = refuse(fault.State, "guests run on it: %s", names(on))
				}
				return reboot, err
			},
			calls: map[string]call{reboot: {words: "the reboot of " + c.Target.String(), limit: time.Duration(p.Timeout), task: reboot,
				send: func(ctx context.Context, _ seen) (string, error) { return w.RebootHost(ctx, c.Target.Ref) }}},
		}, err
	})})
}

func rebooted(h live.Host, before time.Time) seen {
	s := seen{state: fmt.Sprintf("%s, booted at %s", h.Connection, h.Booted.UTC().Format(time.RFC3339))}
	s.done = h.Connection == live.Connected && h.Booted.After(before.Add(bootJitter))
	return s
}
