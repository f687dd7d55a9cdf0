package activities

import (
	"context"
	"errors"
	"fmt"
	"time"

	"nightshift/internal/fault"
	"nightshift/internal/live"
	"nightshift/internal/plan"
)

// Reset types of Redfish (DSP2046, ResetType).
const (
	resetOn       = "On"
	resetGraceful = "GracefulShutdown"
	resetForceOff = "ForceOff"
)

// How long a BMC may take to do what it accepted.
const (
	forceOffLimit = 2 * time.Minute
	bmcOnLimit    = 4 * time.Minute
)

// The calls of ShutdownHost, as plan.Memo.Phase names them.
const (
	viaVCenter = plan.ViaVCenter
	graceful   = plan.GracefulBMC
	forceOff   = plan.ForceOffBMC
)

// hostDown is one ShutdownHost.
type hostDown struct {
	hostStep
	p      plan.ShutdownHostParams
	server *server
	bmc    live.BMC  // as last read
	live   live.Host // as read before the first call
}

// ShutdownHost shuts a host down in the way that its policy allows, and is done when the BMC says Off.
func (a *Activities) ShutdownHost(ctx context.Context, c plan.Call) (plan.Outcome, error) {
	d := &hostDown{}
	defer func() { d.server.close(ctx) }()
	return a.act(ctx, verb{op: plan.ShutdownHost, call: c, prepare: func(ctx context.Context) (verb, error) {
		err := d.prepare(ctx, a, c)
		return verb{tasks: d.vc, read: d.look, first: d.first, unasked: d.unasked, calls: d.calls()}, err
	}})
}

func (d *hostDown) prepare(ctx context.Context, a *Activities, c plan.Call) (err error) {
	if d.p, err = params[plan.ShutdownHostParams](c); err != nil {
		return err
	}
	if d.hostStep, err = a.hostStep(ctx, c, d.p.Host); err != nil {
		return err
	}
	d.server, err = a.clients.server(d.host)
	return err
}

func (d *hostDown) sameServer(b live.BMC) error { return sameServer(d.host, d.call.Target, b) }

// look reads the BMC alone: a host that goes down is lost to its vCenter, and that proves nothing.
func (d *hostDown) look(ctx context.Context) (s seen, err error) {
	d.bmc, err = d.server.read(ctx, d.sameServer)
	if err == nil && d.bmc.Power == live.Off && d.server.silent() {
		return d.lost(ctx)
	}
	return seen{done: d.bmc.Power == live.Off, state: d.server.state(d.bmc)}, err
}

func bmcState(b live.BMC) string {
	switch b.Power {
	case live.Off:
		return "off (the BMC says Off)"
	case live.On:
		return "on (the BMC says On)"
	}
	return "not at rest (the BMC says " + b.Power + ")"
}

// unasked holds an Off that nobody asked for against what the vCenter sees: a BMC that says so of a host at work is broken,
// or another machine's. A vCenter says connected for a while after a shutdown, too: of an emptied host the BMC is believed.
func (d *hostDown) unasked(ctx context.Context) error {
	switch {
	case d.call.Before.Sent():
		return nil
	case d.server.silent() && d.call.Target.Direct != "":
		return refuse(fault.Unreachable, "no witness of it answers, nor its own API, and this run did not ask for it: a broken network looks the same; if it is off, `nightshift skip`")
	case d.server.silent(): // look has held silence against the vCenter
		return nil
	}
	if d.call.Target.Direct != "" {
		return d.silent(ctx)
	}
	h, err := d.read(ctx)
	if err != nil || h.Connection != live.Connected || h.Power == "standBy" || h.Power == live.PoweredOff {
		return err
	}
	guests, err := d.vc.GuestsOn(ctx, d.call.Target.Ref)
	if err != nil || h.Maintenance && len(running(guests)) == 0 {
		return err
	}
	return refuse(fault.Unreachable, "its BMC says Off, which this run did not ask for, and the vCenter says connected: it is not known whether it is down")
}

// silent is unasked where the host itself is the other witness: a machine that is off does not answer.
func (d *hostDown) silent(ctx context.Context) error {
	_, err := d.vc.Host(ctx, d.call.Target.Ref)
	switch {
	case isAway(err):
		return nil
	case err != nil:
		return err
	}
	return refuse(fault.Unreachable, "its BMC says Off, which this run did not ask for, and its own API answers: it is not known whether it is down")
}

// first makes sure that the host is the planned one and that all its guests are off, and chooses the way.
func (d *hostDown) first(ctx context.Context, s *seen) (string, error) {
	if d.bmc.Power == live.PoweringOff {
		return "", nil // somebody else was faster
	}
	if d.call.Force {
		return forceOff, d.mayForce(ctx, plan.Memo{})
	}
	if err := d.identify(ctx); err != nil {
		return "", err
	}
	if err := d.guestsOff(ctx); err != nil {
		return "", err
	}
	s.guestsOff = true
	if d.p.Via == graceful {
		return graceful, nil
	}
	return viaVCenter, nil
}

func (d *hostDown) identify(ctx context.Context) (err error) {
	if d.live, err = d.read(ctx); err != nil {
		return err
	}
	if err := d.keptCluster(ctx, d.live, false); err != nil {
		return err
	}
	if d.live.Connection != live.Connected {
		return refuse(fault.State, "the vCenter says %s: what its guests do is unknown", d.live.Connection)
	}
	return nil
}

// guestsOff reads the host's guests and refuses while one is on, or may be.
func (d *hostDown) guestsOff(ctx context.Context) error {
	guests, err := d.vc.GuestsOn(ctx, d.call.Target.Ref)
	if err != nil {
		return err
	}
	on := running(guests)
	for _, g := range on {
		if why := d.a.mustStay(ctx, d.call.Target.Endpoint, d.call.Target.Direct, g); why != "" && !g.VCLS {
			return refuse(errUnsafe, "guest %s runs on it, which %s", g.Name, why)
		}
	}
	if err := d.newcomers(ctx, on); err != nil {
		return err
	}
	if len(on) > 0 {
		return refuse(fault.State, "guests run on it: %s", names(on))
	}
	if d.call.Resolute { // a power cut waits for nobody
		return nil
	}
	return provider{a: d.a, call: d.call, provides: d.host.Provides}.nobodyServed(ctx)
}

// mayForce says whether the host's power may be cut: only after all its guests were seen off, by a vCenter that still
// reaches the host, or before the shutdown was sent.
func (d *hostDown) mayForce(ctx context.Context, m plan.Memo) error {
	var err error
	if d.live, err = d.read(ctx); err != nil && !errors.Is(err, fault.Unreachable) {
		return err
	}
	if err == nil && d.live.Connection == live.Connected {
		if err := d.keptCluster(ctx, d.live, false); err != nil {
			return err
		}
		return d.guestsOff(ctx)
	}
	if m.GuestsOff.IsZero() && d.call.Before != nil {
		m.GuestsOff = d.call.Before.GuestsOff
	}
	if m.GuestsOff.IsZero() {
		return refuse(errUnsafe, "its power is not cut: the vCenter does not reach it, and nobody has seen all its guests off")
	}
	return nil
}

func (d *hostDown) late(ctx context.Context, _ seen, m plan.Memo) (string, error) {
	if d.p.OnTimeout != forceOff {
		return "", nil
	}
	return forceOff, d.mayForce(ctx, m)
}

func (d *hostDown) calls() map[string]call {
	t := d.call.Target
	limit := time.Duration(d.p.Timeout)
	return map[string]call{
		"": {limit: limit, late: d.late},
		viaVCenter: {words: "the shutdown of " + t.String(), limit: limit, task: "shutdown", late: d.late,
			send: func(ctx context.Context, _ seen) (string, error) {
				// force only skips the check for maintenance mode; that all guests are off was read just now.
				return d.vc.ShutdownHost(ctx, t.Ref, !d.live.Maintenance)
			},
			refused: func(_ context.Context, err error) (string, error) {
				switch {
				case !errors.Is(err, fault.Permission) && !errors.Is(err, fault.Unsupported):
					return "", err
				case d.p.NoRights == graceful:
					return graceful, nil
				}
				instead := "policy noRights: graceful asks its BMC instead"
				if !d.a.lab.Settings(d.call.Runbook).Approval { // nothing is changed in plans that were approved
					instead += " (for this run: `nightshift retry` with " + plan.AskTheBMC().Arg() + ")"
				}
				return "", fmt.Errorf("%w; %s", err, instead)
			}},
		graceful: {words: resetGraceful + " to the BMC of " + t.String(), limit: limit, late: d.late,
			send: func(ctx context.Context, _ seen) (string, error) { return "", d.server.reset(ctx, resetGraceful) }},
		forceOff: {words: resetForceOff + " to the BMC of " + t.String(), limit: forceOffLimit,
			send: func(ctx context.Context, _ seen) (string, error) { return "", d.server.reset(ctx, resetForceOff) }},
	}
}

// PowerOnHost powers a host on through its BMC.
func (a *Activities) PowerOnHost(ctx context.Context, c plan.Call) (plan.Outcome, error) {
	p, err := params[plan.PowerOnHostParams](c)
	if err != nil {
		return plan.Outcome{}, classify(plan.PowerOnHost, c.Target, err)
	}
	h, err := a.labHost(p.Host, c.Target)
	if err != nil {
		return plan.Outcome{}, classify(plan.PowerOnHost, c.Target, err)
	}
	s, err := a.clients.server(h)
	if err != nil {
		return plan.Outcome{}, classify(plan.PowerOnHost, c.Target, err)
	}
	defer s.close(ctx)
	var got live.BMC
	const on = "on"
	limit := s.onLimit(time.Duration(a.lab.HostPolicy(h).Boot))
	return a.act(ctx, verb{op: plan.PowerOnHost, call: c,
		read: func(ctx context.Context) (_ seen, err error) {
			got, err = s.read(ctx, func(b live.BMC) error { return sameServer(h, c.Target, b) })
			return seen{done: got.Power == live.On, state: s.state(got)}, err
		},
		first: func(context.Context, *seen) (string, error) {
			if got.Power == live.PoweringOn {
				return "", nil // somebody else was faster
			}
			return on, nil
		},
		calls: map[string]call{"": {limit: limit}, on: {words: s.words(resetOn, c.Target), limit: limit, harmless: true,
			send: func(ctx context.Context, _ seen) (string, error) { return "", s.reset(ctx, resetOn) },
			refused: func(_ context.Context, err error) (string, error) {
				if errors.Is(err, fault.State) { // "already on", which it may show a little later
					return on, nil
				}
				return "", fmt.Errorf("%s was refused: %w", resetOn, err)
			}}},
	})
}
