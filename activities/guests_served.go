package activities

import (
	"context"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"nightshift/internal/fault"
	"nightshift/internal/inventory"
	"nightshift/internal/live"
	"nightshift/internal/plan"
)

// nobodyServed makes sure that no guest runs any more whose files the guest serves: it would lose its disks. One that nobody
// knew of when the plan was made asks for a new one. Others still run where their own step was skipped.
func (d *guestDown) nobodyServed(ctx context.Context) error {
	t := d.call.Target
	entry, ok := d.a.lab.Guest(t.Endpoint, d.last.Name, d.last.UUID)
	if !ok || !provides(entry, inventory.ProvidesDatastore, "") {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	views, err := d.views(ctx)
	if err != nil {
		return err
	}
	book, err := d.a.ledger.read(ctx, d.call.Lab)
	if err != nil {
		return err
	}
	var known, others []live.Guest
	for _, v := range views {
		for _, g := range running(v.Guests) {
			switch {
			case g.VCLS || strings.EqualFold(g.UUID, d.last.UUID) || !servedBy(entry, v, g):
			case slices.ContainsFunc(book.Memory, func(m plan.RememberedGuest) bool {
				return m.Endpoint == t.Endpoint && strings.EqualFold(m.UUID, g.UUID)
			}):
				known = append(known, g)
			default:
				others = append(others, g)
			}
		}
	}
	switch {
	case len(known) > 0:
		return refuse(fault.State, "guests still run whose files it serves: %s; shut them down first", names(append(known, others...)))
	case len(others) > 0:
		return changed("guests run whose files %s serves, and that were not there when the plan was made: %s", t, names(others))
	}
	return nil
}

// servedBy tells whether files of the guest lie on a datastore that the entry provides.
func servedBy(entry *inventory.Guest, v live.VCenter, g live.Guest) bool {
	return slices.ContainsFunc(v.Datastores, func(s live.Datastore) bool {
		return slices.Contains(g.Datastores, s.Ref) && slices.Contains(entry.Provides, inventory.Provision(inventory.ProvidesDatastore+":"+s.Name))
	})
}

// views are what the vCenter tells, or, where that is not there any more, the hosts themselves that answer: those that are
// down run nothing. The guest's own host has to.
func (d *guestDown) views(ctx context.Context) ([]live.VCenter, error) {
	t := d.call.Target
	if t.Direct == "" {
		got, err := d.a.inspectVCenter(ctx, t.Endpoint)
		return []live.VCenter{got}, err
	}
	var (
		mu   sync.Mutex
		out  []live.VCenter
		lost error
		all  errgroup.Group
	)
	all.SetLimit(besides)
	for i := range d.a.lab.Hosts {
		h := &d.a.lab.Hosts[i]
		if h.ESXi == nil || h.VCenter != t.Endpoint {
			continue
		}
		all.Go(func() error {
			got := d.a.inspectHost(ctx, h)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case got.Err == "":
				out = append(out, got.ESXi)
			case h.Name == t.Direct:
				lost = refuse(fault.Unreachable, "which guests run on host %s cannot be read just now: %s", h.Name, got.Err)
			}
			return nil
		})
	}
	_ = all.Wait() // each says in its Err why it cannot be read
	return out, lost
}
