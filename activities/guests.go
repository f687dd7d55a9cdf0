package activities

import (
	"context"
	"errors"
	"slices"
	"time"

	"nightshift/internal/fault"
	"nightshift/internal/inventory"
	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/internal/vsphere"
	"nightshift/internal/words"
)

// guestSystem is what a vCenter, or a host, does with guests. The acts send one call and wait for nothing.
type guestSystem interface {
	// Guest leaves Tags empty.
	Guest(ctx context.Context, ref string) (live.Guest, error)
	// GuestTags are the names of the guest's tags, of which only a vCenter knows.
	GuestTags(ctx context.Context, ref string) ([]string, error)
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
	vc   hypervisor
	loss *loss
}

func (a *Activities) guestStep(ctx context.Context, c plan.Call) (guestStep, error) {
	vc, err := a.system(ctx, c)
	return guestStep{a, c, vc, &loss{}}, err
}

// read reads the guest and makes sure that it is the planned one.
func (g guestStep) read(ctx context.Context) (live.Guest, error) {
	got, err := g.vc.Guest(ctx, g.call.Target.Ref)
	g.a.failed(g.call.Target, g.vc, err)
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
		if why := g.hostIsOff(ctx, got.Host); why != "" {
			return got, changed("%s", why)
		}
		if g.lostForLong(ctx) {
			return got, refuse(fault.State, "its state is unknown, as the vCenter does not reach its host, whose BMC does not say Off: it hangs, or its network is down")
		}
		return got, refuse(fault.Unreachable, "its state is unknown, as the vCenter does not reach its host")
	case inaccessible: // its storage may come back: it is looked at again
		return got, refuse(fault.Unreachable, "its files cannot be read just now: its storage is missing")
	case invalid:
		if g.call.Target.Direct != "" { // a host that has just found its storage says so for a moment
			return got, refuse(fault.Unreachable, "its host cannot read its configuration just now")
		}
	}
	return got, refuse(fault.State, "the vCenter calls it %s", got.Connection)
}

// Connection states of guests, as vSphere names them, beside those in package live.
const (
	inaccessible = "inaccessible"
	invalid      = "invalid"
)

// elsewhere asks for a new plan where the host itself does not know the guest: it was moved, or started on another host.
func (g guestStep) elsewhere(err error) error {
	if t := g.call.Target; t.Direct != "" && errors.Is(err, fault.NotFound) {
		return changed("%s is not on host %s any more", t, t.Direct)
	}
	return err
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
	return a.act(ctx, verb{op: plan.ShutdownGuest, call: c, prepare: from(c, func(ctx context.Context, p plan.ShutdownGuestParams) (verb, error) {
		step, err := a.guestStep(ctx, c)
		d := &guestDown{guestStep: step, p: p}
		return verb{tasks: step.vc, read: d.look, first: d.first, calls: d.calls()}, err
	})})
}

// guestDown is one ShutdownGuest.
type guestDown struct {
	guestStep
	p    plan.ShutdownGuestParams
	last live.Guest // as last read
}

func (d *guestDown) look(ctx context.Context) (seen, error) {
	got, err := d.read(ctx)
	if err = d.elsewhere(err); err != nil {
		return seen{}, err
	}
	d.last = got
	return seen{done: got.Power == live.PoweredOff || got.Power == live.Suspended, state: guestState(got)}, nil
}

func (d *guestDown) first(ctx context.Context, _ *seen) (string, error) {
	if err := d.mayGoDown(ctx); err != nil {
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
	return d.harsher(d.p.NoTools, "no VMware Tools run in it, and its policy is to ask then (noTools: ask)")
}

// mayGoDown holds the guest against the rules, as it is now.
func (d *guestDown) mayGoDown(ctx context.Context) error {
	t := d.call.Target
	if err := d.a.guardGuest(ctx, t, d.last); err != nil {
		return err
	}
	if err := d.stillUntagged(ctx, &d.last); err != nil {
		return err
	}
	if entry, ok := d.a.lab.Guest(t.Endpoint, d.last.Name, d.last.UUID); ok {
		p := provider{d.a, d.call, entry.Provides, d.last.UUID}
		if err := p.nobodyServed(ctx); err != nil {
			return err
		}
		if err := p.nobodyUnseen(ctx); err != nil {
			return err
		}
	}
	if t.Direct != "" {
		return d.noAgents(ctx)
	}
	if d.p.Host == "" || d.last.Host == d.p.Host {
		return nil
	}
	h, err := d.vc.Host(ctx, d.last.Host)
	if err != nil {
		return err
	}
	return changed("%s is on host %s now", t, h.Name)
}

// noAgents makes sure that no vCLS VM runs on the host of a vCenter that goes down: nobody would take it away any more,
// and it would keep the host from maintenance mode.
func (d *guestDown) noAgents(ctx context.Context) error {
	t := d.call.Target
	entry, ok := d.a.lab.Guest(t.Endpoint, d.last.Name, d.last.UUID)
	if !ok || !provides(entry.Provides, inventory.ProvidesVCenter, "") {
		return nil
	}
	guests, err := d.vc.GuestsOn(ctx, "")
	if err != nil {
		return err
	}
	agents := slices.DeleteFunc(running(guests), func(g live.Guest) bool { return !g.VCLS })
	if len(agents) > 0 {
		return refuse(fault.State, "vCLS VMs run on host %s (%s): without its vCenter nobody takes them away", t.Direct, names(agents))
	}
	return nil
}

// stillUntagged reads the guest's tags just before it is acted on: somebody may have said keep since the plan was made.
func (g guestStep) stillUntagged(ctx context.Context, got *live.Guest) error {
	keep := g.a.lab.Tags.Keep
	if keep == "" {
		return nil
	}
	tags, err := g.vc.GuestTags(ctx, g.call.Target.Ref)
	g.a.failed(g.call.Target, g.vc, err)
	if err != nil {
		return err
	}
	if slices.Contains(tags, keep) {
		return refuse(errUnsafe, "guest %s bears the tag %s since the plan was made: it is left alone", got.Name, keep)
	}
	return nil
}

// harsher is the call that a policy allows instead of a shutdown.
func (d *guestDown) harsher(policy, leave string) (string, error) {
	switch {
	case policy == powerOff:
		return powerOff, nil
	case policy != suspend:
		return "", refuse(fault.State, "%s", leave)
	case d.last.NoSuspend != "":
		return "", refuse(fault.Unsupported, "it cannot be suspended: %s", d.last.NoSuspend)
	}
	return suspend, nil
}

func (d *guestDown) late(context.Context, seen, plan.Memo) (string, error) {
	return d.harsher(d.p.OnTimeout, "it was asked to shut down and is still on after "+words.Written(time.Duration(d.p.Timeout))+", and its policy is to ask then (onTimeout: ask)")
}

func (d *guestDown) calls() map[string]call {
	t := d.call.Target
	limit := time.Duration(d.p.Timeout)
	return map[string]call{
		"": {limit: limit, late: d.late},
		// To ask twice is harmless, and it matters: a guest that never heard of it must not be powered off.
		askTools: {words: "the shutdown of " + t.String(), limit: limit, harmless: true, late: d.late,
			arrived: func(seen) bool { return !d.last.Tools },
			send:    func(ctx context.Context, _ seen) (string, error) { return "", d.vc.ShutdownGuest(ctx, t.Ref) },
			refused: func(_ context.Context, err error) (string, error) {
				if errors.Is(err, vsphere.ErrNoTools) {
					return d.harsher(d.p.NoTools, "no VMware Tools run in it, and its policy is to ask then (noTools: ask)")
				}
				return "", err
			}},
		powerOff: {words: "the power-off of " + t.String(), limit: powerOffLimit, task: "powerOff",
			send: func(ctx context.Context, _ seen) (string, error) { return d.vc.PowerOffGuest(ctx, t.Ref) }},
		suspend: {words: "the suspension of " + t.String(), limit: suspendLimit, task: "suspend",
			send: func(ctx context.Context, _ seen) (string, error) { return d.vc.SuspendGuest(ctx, t.Ref) }},
	}
}

// PowerOnGuest powers a guest on.
func (a *Activities) PowerOnGuest(ctx context.Context, c plan.Call) (plan.Outcome, error) {
	const on = "powerOn"
	return a.act(ctx, verb{op: plan.PowerOnGuest, call: c, prepare: func(ctx context.Context) (verb, error) {
		g, err := a.guestStep(ctx, c)
		var got live.Guest
		return verb{tasks: g.vc,
			read: func(ctx context.Context) (_ seen, err error) {
				got, err = g.read(ctx)
				return seen{done: got.Power == live.PoweredOn, state: guestState(got)}, g.elsewhere(err)
			},
			first: func(ctx context.Context, _ *seen) (string, error) {
				if why := a.kept(c.Target.Endpoint, got); why != "" {
					return "", refuse(errUnsafe, "guest %s %s: nightshift does not start it", got.Name, why)
				}
				return on, g.stillUntagged(ctx, &got)
			},
			calls: map[string]call{on: {words: "the power-on of " + c.Target.String(), limit: powerOnLimit, harmless: true, task: on, notYet: hostAway,
				send: func(ctx context.Context, _ seen) (string, error) { return g.vc.PowerOnGuest(ctx, c.Target.Ref) }}},
		}, err
	}})
}

// hostAway tells of a host, or its storage, that is away for a moment, as after a boot.
func hostAway(no error) bool {
	return errors.Is(no, fault.TurnedAway) || errors.Is(no, fault.Unreachable)
}
