package activities

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"nightshift/internal/fault"
	"nightshift/internal/inventory"
	"nightshift/internal/ledger"
	"nightshift/internal/live"
	"nightshift/internal/plan"
)

// hostSystem is what a vCenter, or a host itself, does with hosts. The acts send one call and wait for nothing.
type hostSystem interface {
	Host(ctx context.Context, ref string) (live.Host, error)
	GuestsOn(ctx context.Context, hostRef string) ([]live.Guest, error)
	Datastores(ctx context.Context, hostRef string) ([]live.Datastore, error)
	// Rescan has the host look for storage, and waits for it. It may be repeated without harm.
	Rescan(ctx context.Context, hostRef string) error
	// Cluster reads the cluster of a host.
	Cluster(ctx context.Context, ref string) (live.Cluster, error)
	EnterMaintenance(ctx context.Context, ref string, timeout time.Duration) (task string, err error)
	ExitMaintenance(ctx context.Context, ref string, timeout time.Duration) (task string, err error)
	ShutdownHost(ctx context.Context, ref string, force bool) (task string, err error)
}

// A hostStep is a step on a host, through its vCenter or its own API.
type hostStep struct {
	a    *Activities
	call plan.Call
	vc   hypervisor
	host *inventory.Host
}

func (a *Activities) hostStep(ctx context.Context, c plan.Call, name string) (hostStep, error) {
	h, err := a.labHost(name, c.Target)
	if err != nil {
		return hostStep{}, err
	}
	vc, err := a.system(ctx, c)
	return hostStep{a, c, vc, h}, err
}

// read reads the host and makes sure that it is the planned one.
func (h hostStep) read(ctx context.Context) (live.Host, error) {
	got, err := h.vc.Host(ctx, h.call.Target.Ref)
	h.a.failed(h.call.Target, h.vc, err)
	if err != nil {
		return got, err
	}
	return got, same(h.call.Target, got.Ref, got.Name, got.UUID)
}

// keptCluster refuses hosts of a cluster that the lab file keeps. A host does not know its cluster: the record of its
// vCenter does. Without one it may still leave maintenance mode, as then nothing is lost.
func (h hostStep) keptCluster(ctx context.Context, got live.Host, leaves bool) error {
	t := h.call.Target
	if !slices.ContainsFunc(h.a.lab.Clusters, func(c inventory.Cluster) bool { return c.VCenter == t.Endpoint && c.Keep }) {
		return nil
	}
	var name string
	switch {
	case t.Direct != "":
		var known bool
		var err error
		if name, known, err = h.a.clusterBefore(ctx, h.call); err != nil {
			return err
		}
		if !known && !leaves {
			return refuse(errUnsafe, "the lab file keeps a cluster, and nobody tells whether it is in it: no record of vCenter %s has it", t.Endpoint)
		}
	case got.Cluster != "":
		c, err := h.vc.Cluster(ctx, got.Cluster)
		if err != nil {
			return err
		}
		name = c.Name
	}
	if entry, ok := h.a.lab.Cluster(t.Endpoint, name); ok && entry.Keep {
		return refuse(errUnsafe, "cluster %s, which it is in, is kept by the lab file", name)
	}
	return nil
}

// newcomers asks for a new plan where guests run on the host that nobody knew of when the plan was made: moved, or
// started, since. Those that go down with it are in the lab's memory.
func (h hostStep) newcomers(ctx context.Context, on []live.Guest) error {
	on = slices.DeleteFunc(slices.Clone(on), func(g live.Guest) bool { return g.VCLS })
	if len(on) == 0 {
		return nil
	}
	book, err := h.a.ledger.read(ctx, h.call.Lab)
	if err != nil {
		return err
	}
	planned := func(g live.Guest) bool {
		return slices.ContainsFunc(book.Memory, func(m plan.RememberedGuest) bool {
			return m.Endpoint == h.call.Target.Endpoint && strings.EqualFold(m.UUID, g.UUID)
		})
	}
	if on = slices.DeleteFunc(on, planned); len(on) > 0 {
		return changed("guests run on %s that were not there when the plan was made: %s", h.call.Target, names(on))
	}
	return nil
}

// emptied asks for a new plan where guests run on the host: those of the plan are off by now. The vCenter would wait for
// them, and they for the host.
func (h hostStep) emptied(ctx context.Context, on []live.Guest) error {
	if err := h.newcomers(ctx, on); err != nil {
		return err
	}
	if on = slices.DeleteFunc(slices.Clone(on), func(g live.Guest) bool { return g.VCLS }); len(on) > 0 {
		return changed("guests run on %s: %s", h.call.Target, names(on))
	}
	return nil
}

// reached makes sure that the vCenter reaches the host: it accepts orders for others, too. One that is off needs a new plan.
func (h hostStep) reached(ctx context.Context, got live.Host) error {
	if h.call.Target.Direct != "" || got.Connection != live.NotResponding && got.Connection != live.Disconnected {
		return nil
	}
	if h.a.offBehind(ctx, h.call.Target.Endpoint, got) {
		return changed("%s is off", h.call.Target)
	}
	return refuse(fault.State, "the vCenter says %s, and it is not known to be off: what its guests do is unknown", got.Connection)
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
	return a.act(ctx, verb{op: op, call: c, prepare: from(c, func(ctx context.Context, p plan.HostParams) (verb, error) {
		h, err := a.hostStep(ctx, c, p.Host)
		if err != nil {
			return verb{}, err
		}
		return h.maintenance(want, p.Evacuate), nil
	})})
}

func (h hostStep) maintenance(want, evacuate bool) verb {
	a, c := h.a, h.call
	limit := time.Duration(a.lab.HostPolicy(h.host).Maintenance)
	order, name, send := "the order to enter maintenance mode", "enterMaintenance", h.vc.EnterMaintenance
	if !want {
		order, name, send = "the order to leave maintenance mode", "exitMaintenance", h.vc.ExitMaintenance
	}
	var got live.Host
	note := &clusterNote{a: a, lab: c.Lab, endpoint: c.Target.Endpoint, host: c.Target.Ref}
	debt := plan.Debt{ID: plan.DebtID(c.Target.Endpoint, c.Target.Ref, plan.Maintenance), Target: c.Target, Setting: plan.Maintenance, Was: "false", Run: c.Run}
	v := verb{tasks: h.vc, remark: note.remark,
		read: func(ctx context.Context) (s seen, err error) {
			got, err = h.read(ctx)
			return seen{done: got.Maintenance == want, state: hostState(got)}, err
		},
		first: func(ctx context.Context, _ *seen) (string, error) {
			if err := h.keptCluster(ctx, got, !want); err != nil || !want {
				return name, err
			}
			if err := h.reached(ctx, got); err != nil {
				return "", err
			}
			if evacuate { // the vCenter waits until DRS has moved them
				return name, nil
			}
			guests, err := h.vc.GuestsOn(ctx, c.Target.Ref)
			if err != nil {
				return "", err
			}
			return name, h.emptied(ctx, running(guests))
		},
		calls: map[string]call{name: {words: order + " to " + c.Target.String(), limit: limit, harmless: true, task: name,
			send: func(ctx context.Context, _ seen) (string, error) { return send(ctx, c.Target.Ref, limit) },
			refused: func(ctx context.Context, err error) (string, error) {
				return "", fmt.Errorf("%s was refused: %w", order, h.inTheWay(ctx, want, err))
			}}},
	}
	if want {
		v.owe = func(ctx context.Context, _ seen) error {
			if err := a.ledger.change(ctx, c.Lab, ledger.Change{Owe: &debt}); err != nil {
				return err
			}
			return note.write(ctx, h.vc, got.Cluster, "")
		}
	} else {
		v.finish = func(ctx context.Context, _ seen) error {
			if err := note.write(ctx, h.vc, got.Cluster, debt.ID); err != nil {
				return err
			}
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
