package activities

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"nightshift/internal/fault"
	"nightshift/internal/inventory"
	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/internal/words"
)

// believed is how long a vCenter may call a host connected that is off: it gives one up after a minute without a
// heartbeat, which is less than a server takes to boot.
const believed = 90 * time.Second

// AwaitHost waits until the vCenter says that the host is connected, or until the host answers by itself.
func (a *Activities) AwaitHost(ctx context.Context, c plan.Call) (plan.Outcome, error) {
	p, err := params[plan.HostParams](c)
	if err != nil {
		return plan.Outcome{}, classify(plan.AwaitHost, c.Target, err)
	}
	entry, err := a.labHost(p.Host, c.Target)
	if err != nil {
		return plan.Outcome{}, classify(plan.AwaitHost, c.Target, err)
	}
	limit := time.Duration(a.lab.HostPolicy(entry).Boot)
	old, since := p.Unnoticed, time.Now()
	if c.Memo != nil && !c.Memo.At.IsZero() {
		since = c.Memo.At
	}
	var h hostStep
	var got live.Host
	look := func(ctx context.Context) (_ seen, err error) {
		if got, err = h.read(ctx); err != nil {
			return seen{}, err
		}
		if c.Target.Direct != "" {
			return seen{done: true, state: "there: its own API answers"}, nil
		}
		old = old && got.Connection == live.Connected && time.Since(since) < min(believed, limit/2)
		if old {
			return seen{state: "connected as before it was switched on: the vCenter may not have noticed that it was off"}, nil
		}
		return seen{done: got.Connection == live.Connected, state: got.Connection}, nil
	}
	off := &relapse{a: a, host: entry, target: c.Target}
	watched := func(ctx context.Context) (seen, error) {
		s, err := look(ctx)
		if !s.done && (err == nil || errors.Is(err, fault.Unreachable)) {
			err = cmp.Or(off.again(ctx), err)
		}
		return s, err
	}
	return a.act(ctx, verb{op: plan.AwaitHost, call: c, prepare: func(ctx context.Context) (_ verb, err error) {
		h, err = a.hostStep(ctx, c, p.Host)
		v := onlyWaits(limit, watched)
		v.calls[""] = call{limit: limit, hint: func(ctx context.Context) advice { return a.whyNotUp(ctx, entry, c.Target) }}
		if c.Target.Direct == "" { // the host may have left maintenance mode while its vCenter was away
			note := &clusterNote{a: a, lab: c.Lab, endpoint: c.Target.Endpoint}
			v.remark, v.finish = note.remark, func(ctx context.Context, _ seen) error { return note.write(ctx, h.vc, got.Cluster, "") }
		}
		return v, err
	}})
}

// A relapse watches whether a host that was switched on goes off again while it is waited for.
type relapse struct {
	a      *Activities
	host   *inventory.Host
	target plan.Target
	asked  time.Time
	since  time.Time // when its BMC was first seen to say Off; zero: it does not
}

// again says that the host has been off for longer than a server takes that starts itself anew while it boots: then nobody
// switches it on any more, and to wait for it is in vain.
func (r *relapse) again(ctx context.Context) error {
	if time.Since(r.asked) < min(lossLook, r.a.settle/2) {
		return nil
	}
	r.asked = time.Now()
	switch {
	case !r.a.saysOff(ctx, r.host, r.target):
		r.since = time.Time{}
	case r.since.IsZero():
		r.since = r.asked
	case time.Since(r.since) > r.a.settle:
		return refuse(fault.State, "it is off again: its BMC says Off, though it was on before; see why (its power supply, its system event log, "+
			"somebody at its button), and switch it on at its BMC")
	}
	return nil
}

// rescanEvery is how often a host looks again for storage that is missing.
const rescanEvery = 30 * time.Second

// AwaitDatastores waits until the host can use the datastores.
func (a *Activities) AwaitDatastores(ctx context.Context, c plan.Call) (plan.Outcome, error) {
	p, err := params[plan.AwaitDatastoresParams](c)
	if err != nil {
		return plan.Outcome{}, classify(plan.AwaitDatastores, c.Target, err)
	}
	var h hostStep
	open := func(ctx context.Context) (err error) {
		h, err = a.hostStep(ctx, c, p.Host)
		return err
	}
	limit := time.Duration(a.lab.Policies.Datastores)
	var rescanned time.Time
	return a.act(ctx, waitFor(plan.AwaitDatastores, c, limit, open, func(ctx context.Context) (seen, error) {
		if _, err := h.read(ctx); err != nil {
			return seen{}, err
		}
		got, err := h.vc.Datastores(ctx, c.Target.Ref)
		s := usable(got, p)
		if err != nil || s.done || !p.Rescan || time.Since(rescanned) < rescanEvery {
			return s, err
		}
		rescanned = time.Now()
		if err := h.vc.Rescan(ctx, c.Target.Ref); err != nil { // a path that is dead takes long: what counts is what is there afterwards
			s.state += " (" + err.Error() + ")"
			return s, nil //nolint:nilerr // it is told in the state
		}
		if got, err = h.vc.Datastores(ctx, c.Target.Ref); err != nil {
			return s, err
		}
		return usable(got, p), nil
	}))
}

// usable tells which of the wanted datastores are missing.
func usable(got []live.Datastore, p plan.AwaitDatastoresParams) seen {
	var missing []string
	look := func(want string, is func(live.Datastore) bool) {
		switch i := slices.IndexFunc(got, is); {
		case i < 0:
			missing = append(missing, want)
		case !got[i].Accessible:
			missing = append(missing, got[i].Name)
		}
	}
	for _, ref := range p.Datastores {
		look(ref, func(d live.Datastore) bool { return d.Ref == ref })
	}
	for _, name := range p.Names {
		look(name, func(d live.Datastore) bool { return d.Name == name })
	}
	if len(missing) > 0 {
		return seen{state: "without datastores " + strings.Join(missing, ", ")}
	}
	return seen{done: true, state: words.Count(len(p.Datastores)+len(p.Names), "datastore") + " accessible"}
}
