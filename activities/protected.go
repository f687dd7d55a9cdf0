package activities

import (
	"context"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"nightshift/internal/inventory"
	"nightshift/internal/iscsi"
	"nightshift/internal/live"
)

const (
	// unitsRead is for the target of one storage host, without what lies on its LUNs.
	unitsRead = 20 * time.Second
	// occupantsRead is for one vCenter: a replication does not wait longer for one that hangs.
	occupantsRead = 25 * time.Second
)

// units are the logical units of a host's target that lie on these datasets.
func (h lunHost) units(ctx context.Context, datasets []string) (iscsi.Listing, error) {
	ctx, cancel := context.WithTimeout(ctx, unitsRead)
	defer cancel()
	list, err := h.list(ctx)
	list.LUs = slices.DeleteFunc(list.LUs, func(lu iscsi.LU) bool { return !slices.Contains(datasets, iscsi.Volume(lu.Device)) })
	return list, err
}

// inspectProtected reads what lies on the datasets of a group. What cannot be read says so in its Err.
func (a *Activities) inspectProtected(ctx context.Context, g *inventory.ProtectionGroup) *live.Protected {
	host, ok := a.lab.StorageHost(g.Source.Host)
	if !ok || host.Target == nil {
		return &live.Protected{}
	}
	t := &live.Target{Host: host.Name, Kind: host.Target.Kind}
	h, err := a.lunHost(host.Name)
	var list iscsi.Listing
	if err == nil {
		list, err = h.units(ctx, g.Source.Datasets)
	}
	if err != nil {
		t.Err = err.Error()
		return &live.Protected{Target: t}
	}
	t.Running = list.Running
	var naas []string
	for _, lu := range list.LUs {
		l := newLUN(lu)
		t.LUNs = append(t.LUNs, l)
		naas = append(naas, l.NAA)
	}
	return &live.Protected{Target: t, VCenters: a.occupants(ctx, naas)}
}

// occupants asks all vCenters side by side what lies on LUNs; none where there is no LUN.
func (a *Activities) occupants(ctx context.Context, naas []string) []live.Occupants {
	naas = slices.DeleteFunc(slices.Clone(naas), func(naa string) bool { return naa == "" })
	if len(naas) == 0 {
		return nil
	}
	slices.Sort(naas)
	naas = slices.Compact(naas)
	out := make([]live.Occupants, len(a.lab.VCenters))
	var all sync.WaitGroup
	for i, v := range a.lab.VCenters {
		all.Go(func() {
			got, err := a.occupantsOf(ctx, v.Name, naas)
			if err != nil {
				got = live.Occupants{Err: err.Error()}
			}
			out[i], out[i].VCenter = got, v.Name
		})
	}
	all.Wait()
	return out
}

func (a *Activities) occupantsOf(ctx context.Context, name string, naas []string) (live.Occupants, error) {
	ctx, cancel := context.WithTimeout(ctx, occupantsRead)
	defer cancel()
	vc, err := a.clients.vcenter(ctx, name)
	if err != nil {
		return live.Occupants{}, err
	}
	got, err := vc.Occupants(ctx, naas)
	a.clients.failed(name, vc, err)
	return got, err
}

// sideBySide does all of them, and answers the first error.
func sideBySide(ctx context.Context, do ...func(context.Context) error) error {
	all, ctx := errgroup.WithContext(ctx)
	for _, f := range do {
		all.Go(func() error { return f(ctx) })
	}
	return all.Wait()
}
