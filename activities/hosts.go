package activities

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"nightshift/internal/inventory"
	"nightshift/internal/ledger"
	"nightshift/internal/live"
	"nightshift/internal/plan"
)

// hostSystem is what a vCenter does with hosts. The acts send one call and wait for nothing.
type hostSystem interface {
	Host(ctx context.Context, ref string) (live.Host, error)
	GuestsOn(ctx context.Context, hostRef string) ([]live.Guest, error)
	Datastores(ctx context.Context, hostRef string) ([]live.Datastore, error)
	EnterMaintenance(ctx context.Context, ref string, timeout time.Duration) (task string, err error)
	ExitMaintenance(ctx context.Context, ref string, timeout time.Duration) (task string, err error)
	ShutdownHost(ctx context.Context, ref string, force bool) (task string, err error)
}

// Limits where the lab file does not say.
const (
	maintenanceLimit = 10 * time.Minute
	bootLimit        = 20 * time.Minute
	datastoresLimit  = 10 * time.Minute
	// believed is how long a vCenter may call a host connected that is off: it gives one up after a minute without a
	// heartbeat, which is less than a server takes to boot.
	believed = 90 * time.Second
)

// A hostStep is a step on a host through its vCenter.
type hostStep struct {
	a    *Activities
	call plan.Call
	vc   vcenter
	host *inventory.Host
}

func (a *Activities) hostStep(ctx context.Context, c plan.Call, name string) (hostStep, error) {
	h, err := a.labHost(name, c.Target)
	if err != nil {
		return hostStep{}, err
	}
	vc, err := a.clients.vcenter(ctx, c.Target.Endpoint)
	return hostStep{a, c, vc, h}, err
}

// read reads the host and makes sure that it is the planned one.
func (h hostStep) read(ctx context.Context) (live.Host, error) {
	got, err := h.vc.Host(ctx, h.call.Target.Ref)
	h.a.clients.failed(h.call.Target.Endpoint, h.vc, err)
	if err != nil {
		return got, err
	}
	return got, same(h.call.Target, got.Ref, got.Name, got.UUID)
}

// keptCluster refuses hosts of a cluster that the lab file keeps.
func (h hostStep) keptCluster(ctx context.Context, got live.Host) error {
	if got.Cluster == "" || len(h.a.lab.Clusters) == 0 {
		return nil
	}
	c, err := h.vc.Cluster(ctx, got.Cluster)
	if err != nil {
		return err
	}
	if entry, ok := h.a.lab.Cluster(h.call.Target.Endpoint, c.Name); ok && entry.Keep {
		return refuse(errUnsafe, "cluster %s, which it is in, is kept by the lab file", c.Name)
	}
	return nil
}

// EnterMaintenance puts a host into maintenance mode, without moving guests that are off. That it is to come out again is
// a debt: a host that a person put into it is never taken out.
func (a *Activities) EnterMaintenance(ctx context.Context, c plan.Call) (plan.Outcome, error) {
	return a.maintenance(ctx, plan.EnterMaintenance, c, true)
}

// ExitMaintenance takes a host out of it.
func (a *Activities) ExitMaintenance(ctx context.Context, c plan.Call) (plan.Outcome, error) {
	return a.maintenance(ctx, plan.ExitMaintenance, c, false)
}

func (a *Activities) maintenance(ctx context.Context, op plan.Action, c plan.Call, want bool) (plan.Outcome, error) {
	p, err := params[plan.HostParams](c)
	if err != nil {
		return plan.Outcome{}, classify(op, c.Target, err)
	}
	return a.act(ctx, verb{op: op, call: c, prepare: func(ctx context.Context) (verb, error) {
		h, err := a.hostStep(ctx, c, p.Host)
		if err != nil {
			return verb{}, err
		}
		return h.maintenance(want), nil
	}})
}

func (h hostStep) maintenance(want bool) verb {
	a, c := h.a, h.call
	limit := cmp.Or(time.Duration(a.lab.HostPolicy(h.host).Maintenance), maintenanceLimit)
	op, name, send := plan.EnterMaintenance, "enterMaintenance", h.vc.EnterMaintenance
	if !want {
		op, name, send = plan.ExitMaintenance, "exitMaintenance", h.vc.ExitMaintenance
	}
	var got live.Host
	debt := plan.Debt{ID: plan.DebtID(c.Target.Endpoint, c.Target.Ref, plan.Maintenance), Target: c.Target, Setting: plan.Maintenance, Was: "false", Run: c.Run}
	v := verb{tasks: h.vc,
		read: func(ctx context.Context) (s seen, err error) {
			got, err = h.read(ctx)
			return seen{done: got.Maintenance == want, state: hostState(got)}, err
		},
		first: func(ctx context.Context, _ *seen) (string, error) { return name, h.keptCluster(ctx, got) },
		calls: map[string]call{name: {words: string(op) + " to " + c.Target.String(), limit: limit, harmless: true, task: name,
			send: func(ctx context.Context, _ seen) (string, error) { return send(ctx, c.Target.Ref, limit) },
			refused: func(ctx context.Context, err error) (string, error) {
				return "", fmt.Errorf("%s was refused: %w", op, h.inTheWay(ctx, want, err))
			}}},
	}
	if want {
		v.owe = func(ctx context.Context, _ seen) error { return a.ledger.change(ctx, c.Lab, ledger.Change{Owe: &debt}) }
	} else {
		v.finish = func(ctx context.Context, _ seen) error {
			return a.ledger.change(ctx, c.Lab, ledger.Change{Settle: debt.ID})
		}
	}
	return v
}

// inTheWay adds to the vCenter's no the guests that still run on the host: it waits for them, and does not name them.
func (h hostStep) inTheWay(ctx context.Context, entering bool, no error) error {
	if !entering {
		return no
	}
	guests, err := h.vc.GuestsOn(ctx, h.call.Target.Ref)
	if on := running(guests); err == nil && len(on) > 0 {
		return fmt.Errorf("%w; still on it: %s", no, names(on))
	}
	return no
}

func hostState(h live.Host) string {
	if h.Maintenance {
		return h.Connection + ", in maintenance mode"
	}
	return h.Connection + ", not in maintenance mode"
}

// AwaitHost waits until the vCenter says that the host is connected.
func (a *Activities) AwaitHost(ctx context.Context, c plan.Call) (plan.Outcome, error) {
	p, err := params[plan.HostParams](c)
	if err != nil {
		return plan.Outcome{}, classify(plan.AwaitHost, c.Target, err)
	}
	entry, err := a.labHost(p.Host, c.Target)
	if err != nil {
		return plan.Outcome{}, classify(plan.AwaitHost, c.Target, err)
	}
	limit := cmp.Or(time.Duration(a.lab.HostPolicy(entry).Boot), bootLimit)
	old, since := p.Unnoticed, time.Now()
	if c.Memo != nil && !c.Memo.At.IsZero() {
		since = c.Memo.At
	}
	var h hostStep
	open := func(ctx context.Context) (err error) {
		h, err = a.hostStep(ctx, c, p.Host)
		return err
	}
	return a.act(ctx, waitFor(plan.AwaitHost, c, limit, open, func(ctx context.Context) (seen, error) {
		got, err := h.read(ctx)
		if err != nil {
			return seen{}, err
		}
		old = old && got.Connection == live.Connected && time.Since(since) < min(believed, limit/2)
		if old {
			return seen{state: "connected as before it was switched on: the vCenter may not have noticed that it was off"}, nil
		}
		return seen{done: got.Connection == live.Connected, state: got.Connection}, nil
	}))
}

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
	limit := cmp.Or(time.Duration(a.lab.Policies.Datastores), datastoresLimit)
	return a.act(ctx, waitFor(plan.AwaitDatastores, c, limit, open, func(ctx context.Context) (seen, error) {
		if _, err := h.read(ctx); err != nil {
			return seen{}, err
		}
		got, err := h.vc.Datastores(ctx, c.Target.Ref)
		return usable(got, p.Datastores), err
	}))
}

// usable tells which of the wanted datastores are missing.
func usable(got []live.Datastore, want []string) seen {
	var missing []string
	for _, ref := range want {
		i := slices.IndexFunc(got, func(d live.Datastore) bool { return d.Ref == ref })
		switch {
		case i < 0:
			missing = append(missing, ref)
		case !got[i].Accessible:
			missing = append(missing, got[i].Name)
		}
	}
	if len(missing) > 0 {
		return seen{state: "without datastores " + strings.Join(missing, ", ")}
	}
	return seen{done: true, state: fmt.Sprintf("%d datastores accessible", len(want))}
}
