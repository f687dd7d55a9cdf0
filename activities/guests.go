package activities

import (
	"context"
	"errors"
	"time"

	"nightshift/internal/fault"
	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/internal/vsphere"
)

// guestSystem is what a vCenter does with guests. The acts send one call and wait for nothing.
type guestSystem interface {
	Guest(ctx context.Context, ref string) (live.Guest, error)
	// ShutdownGuest asks the Tools; vsphere.ErrNoTools where none run.
	ShutdownGuest(ctx context.Context, ref string) error
	PowerOffGuest(ctx context.Context, ref string) (task string, err error)
	SuspendGuest(ctx context.Context, ref string) (task string, err error)
	PowerOnGuest(ctx context.Context, ref string) (task string, err error)
}

// How long the vCenter's own tasks on a guest may take. A suspend writes the memory to disk.
const (
	powerOffLimit = 2 * time.Minute
	powerOnLimit  = 4 * time.Minute
	suspendLimit  = 8 * time.Minute
)

// The calls of ShutdownGuest, as plan.Memo.Phase names them. The latter two are policies of plan as well.
const (
	askTools = "shutdown"
	powerOff = plan.PowerOffGuest
	suspend  = plan.SuspendGuest
)

// A guestStep is a step on a guest.
type guestStep struct {
	a    *Activities
	call plan.Call
	vc   vcenter
}

func (a *Activities) guestStep(ctx context.Context, c plan.Call) (guestStep, error) {
	vc, err := a.clients.vcenter(ctx, c.Target.Endpoint)
	return guestStep{a, c, vc}, err
}

// read reads the guest and makes sure that it is the planned one.
func (g guestStep) read(ctx context.Context) (live.Guest, error) {
	got, err := g.vc.Guest(ctx, g.call.Target.Ref)
	g.a.clients.failed(g.call.Target.Endpoint, g.vc, err)
	if err != nil {
		return got, err
	}
	if err := same(g.call.Target, got.Ref, got.Name, got.UUID); err != nil {
		return got, err
	}
	switch got.Connection {
	case "", live.Connected:
		return got, nil
	case live.Disconnected: // its host does not answer: what the vCenter says is old
		return got, refuse(fault.Unreachable, "its state is unknown, as the vCenter does not reach its host")
	}
	return got, refuse(fault.State, "the vCenter calls it %s", got.Connection)
}

func guestState(g live.Guest) string {
	switch {
	case g.Power == live.PoweredOff:
		return "off"
	case g.Power == live.Suspended:
		return "suspended"
	case g.Question != nil:
		return "on, and waits for an answer to: " + g.Question.Text
	case g.Tools:
		return "on, Tools running"
	}
	return "on, no Tools running"
}

// ShutdownGuest shuts a guest down in the way that its policy allows.
func (a *Activities) ShutdownGuest(ctx context.Context, c plan.Call) (plan.Outcome, error) {
	p, err := params[plan.ShutdownGuestParams](c)
	if err != nil {
		return plan.Outcome{}, classify(plan.ShutdownGuest, c.Target, err)
	}
	return a.act(ctx, verb{op: plan.ShutdownGuest, call: c, prepare: func(ctx context.Context) (verb, error) {
		step, err := a.guestStep(ctx, c)
		d := &guestDown{guestStep: step, p: p}
		return verb{tasks: step.vc, read: d.look, first: d.first, calls: d.calls()}, err
	}})
}

// guestDown is one ShutdownGuest.
type guestDown struct {
	guestStep
	p    plan.ShutdownGuestParams
	last live.Guest // as last read
}

func (d *guestDown) look(ctx context.Context) (seen, error) {
	got, err := d.read(ctx)
	if err != nil {
		return seen{}, err
	}
	d.last = got
	return seen{done: got.Power == live.PoweredOff || got.Power == live.Suspended, state: guestState(got)}, nil
}

func (d *guestDown) first(context.Context, *seen) (string, error) {
	if err := d.a.guardGuest(d.call.Target, d.last); err != nil {
		return "", err
	}
	switch {
	case d.call.Force, d.p.Method == powerOff:
		return powerOff, nil
	case d.last.Question != nil:
		return "", refuse(fault.State, "it waits for an answer to %q (%v): answer it in the vSphere client", d.last.Question.Text, d.last.Question.Choices)
	case d.p.Method == suspend:
		return d.harsher(suspend, "")
	case d.last.Tools:
		return askTools, nil
	case d.call.Decision > 0: // it was asked before, and the Tools stop early in a shutdown
		return "", nil
	}
	return d.harsher(d.p.NoTools, "no VMware Tools run in it, and its policy is to ask then (noTools: leave)")
}

// harsher is the call that a policy allows instead of a shutdown.
func (d *guestDown) harsher(policy, leave string) (string, error) {
	switch {
	case policy == powerOff:
		return powerOff, nil
	case policy != suspend:
		return "", refuse(fault.State, "%s; `nightshift retry --force` powers it off", leave)
	case d.last.NoSuspend != "":
		return "", refuse(fault.Unsupported, "it cannot be suspended: %s", d.last.NoSuspend)
	}
	return suspend, nil
}

func (d *guestDown) late(context.Context, seen, plan.Memo) (string, error) {
	return d.harsher(d.p.OnTimeout, "it was asked to shut down and is still on after "+d.p.Timeout.String()+", and its policy is to ask then (onTimeout: leave)")
}

func (d *guestDown) calls() map[string]call {
	t := d.call.Target
	limit := time.Duration(d.p.Timeout)
	return map[string]call{
		"": {limit: limit, late: d.late},
		// To ask twice is harmless, and it matters: a guest that never heard of it must not be powered off.
		askTools: {words: "ShutdownGuest to " + t.String(), limit: limit, harmless: true, late: d.late,
			arrived: func(seen) bool { return !d.last.Tools },
			send:    func(ctx context.Context, _ seen) (string, error) { return "", d.vc.ShutdownGuest(ctx, t.Ref) },
			refused: func(_ context.Context, err error) (string, error) {
				if errors.Is(err, vsphere.ErrNoTools) {
					return d.harsher(d.p.NoTools, "no VMware Tools run in it, and its policy is to ask then (noTools: leave)")
				}
				return "", err
			}},
		powerOff: {words: "PowerOff to " + t.String(), limit: powerOffLimit, task: "powerOff",
			send: func(ctx context.Context, _ seen) (string, error) { return d.vc.PowerOffGuest(ctx, t.Ref) }},
		suspend: {words: "Suspend to " + t.String(), limit: suspendLimit, task: "suspend",
			send: func(ctx context.Context, _ seen) (string, error) { return d.vc.SuspendGuest(ctx, t.Ref) }},
	}
}

// PowerOnGuest powers a guest on.
func (a *Activities) PowerOnGuest(ctx context.Context, c plan.Call) (plan.Outcome, error) {
	const on = "powerOn"
	return a.act(ctx, verb{op: plan.PowerOnGuest, call: c, prepare: func(ctx context.Context) (verb, error) {
		g, err := a.guestStep(ctx, c)
		return verb{tasks: g.vc,
			read: func(ctx context.Context) (seen, error) {
				got, err := g.read(ctx)
				return seen{done: got.Power == live.PoweredOn, state: guestState(got)}, err
			},
			first: func(context.Context, *seen) (string, error) { return on, nil },
			calls: map[string]call{on: {words: "PowerOn to " + c.Target.String(), limit: powerOnLimit, harmless: true, task: on,
				send: func(ctx context.Context, _ seen) (string, error) { return g.vc.PowerOnGuest(ctx, c.Target.Ref) }}},
		}, err
	}})
}
