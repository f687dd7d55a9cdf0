package activities

import (
	"context"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"nightshift/internal/inventory"
	"nightshift/internal/live"
)

// hostRead is for one host that is asked itself: one that is off answers nothing, and has no BMC to say so.
const hostRead = time.Minute

// inspectHosts asks hosts themselves: those of a vCenter that does not answer, and those that carry what the lab stands
// on, as their own API is needed later. Of a host whose BMC says Off there is nothing to be had.
func (a *Activities) inspectHosts(ctx context.Context, st *live.State) []live.DirectHost {
	var wanted []*inventory.Host
	for i := range a.lab.Hosts {
		if h := &a.lab.Hosts[i]; h.ESXi != nil && !saysOff(st, h.Name) && (!answers(st, h.VCenter) || a.carries(st, h)) {
			wanted = append(wanted, h)
		}
	}
	out := make([]live.DirectHost, len(wanted))
	var all errgroup.Group
	all.SetLimit(besides)
	for i, h := range wanted {
		all.Go(func() error {
			out[i] = a.inspectHost(ctx, h)
			return nil
		})
	}
	_ = all.Wait() // a host says in its Err why it cannot be read
	return out
}

func (a *Activities) inspectHost(ctx context.Context, h *inventory.Host) live.DirectHost {
	ctx, cancel := context.WithTimeout(ctx, hostRead)
	defer cancel()
	key, vc, err := a.clients.esxi(ctx, h)
	if err != nil {
		return live.DirectHost{Host: h.Name, Err: err.Error()}
	}
	got, err := vc.Inspect(ctx)
	a.clients.failed(key, vc, err)
	if err != nil {
		return live.DirectHost{Host: h.Name, Err: err.Error()}
	}
	got.Name = h.Name
	return live.DirectHost{Host: h.Name, ESXi: got}
}

func saysOff(st *live.State, host string) bool {
	return slices.ContainsFunc(st.BMCs, func(b live.BMC) bool { return b.Host == host && b.Err == "" && b.Power == live.Off })
}

// answers tells whether the vCenter told how things are now.
func answers(st *live.State, vcenter string) bool {
	return slices.ContainsFunc(st.VCenters, func(v live.VCenter) bool { return v.Name == vcenter && v.Remembered.IsZero() })
}

// carries tells whether the host is, or has a guest that is, something that the lab stands on.
func (a *Activities) carries(st *live.State, h *inventory.Host) bool {
	if len(h.Provides) > 0 {
		return true
	}
	for _, v := range st.VCenters {
		if v.Name != h.VCenter {
			continue
		}
		for _, g := range v.Guests {
			if entry, ok := a.lab.Guest(v.Name, g.Name, g.UUID); ok && len(entry.Provides) > 0 && a.isOn(v, g, h) {
				return true
			}
		}
	}
	return false
}

func (a *Activities) isOn(v live.VCenter, g live.Guest, h *inventory.Host) bool {
	return slices.ContainsFunc(v.Hosts, func(l live.Host) bool {
		of, ok := a.lab.HostByAddress(v.Name, l.Name)
		return l.Ref == g.Host && ok && of.Name == h.Name
	})
}
