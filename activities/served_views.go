package activities

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"nightshift/internal/fault"
	"nightshift/internal/inventory"
	"nightshift/internal/live"
)

// stillThere is how long a vCenter may take to answer that should be down by now.
const stillThere = 15 * time.Second

// views are what the vCenter tells, or, where that is not there any more, the hosts themselves. Those that are off run nothing.
func (p provider) views(ctx context.Context) ([]live.VCenter, error) {
	t := p.call.Target
	if t.Direct == "" {
		got, err := p.a.inspectVCenter(ctx, t.Endpoint)
		return []live.VCenter{p.withoutDead(ctx, got)}, err
	}
	asking, seen := context.WithCancel(ctx)
	defer seen()
	var vc live.VCenter
	var told bool
	var asked sync.WaitGroup
	asked.Go(func() {
		defer seen()
		vc, told = p.vcenter(asking) // its own step was skipped
	})
	out, lost := p.hosts(ctx)
	if p.vcenterIsOff(asking, out) { // who is not there takes as long as it may
		seen()
	}
	asked.Wait()
	if told {
		out = append(out, vc)
	}
	return out, lost
}

// hosts are what the hosts themselves tell.
func (p provider) hosts(ctx context.Context) (out []live.VCenter, lost error) {
	var mu sync.Mutex
	var all errgroup.Group
	all.SetLimit(besides)
	for i := range p.a.lab.Hosts {
		h := &p.a.lab.Hosts[i]
		if h.ESXi == nil || h.VCenter != p.call.Target.Endpoint {
			continue
		}
		all.Go(func() error {
			got := p.a.inspectHost(ctx, h)
			unknown := got.Err != "" && p.mustAnswer(ctx, h)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case got.Err == "":
				out = append(out, got.ESXi)
			case unknown:
				lost = refuse(fault.Unreachable, "which guests run on host %s cannot be read just now: %s", h.Name, got.Err)
			}
			return nil
		})
	}
	_ = all.Wait() // each says in its Err why it cannot be read
	return out, lost
}

// vcenterIsOff tells whether the guest that the vCenter runs in is seen off: by the host that has it, or as no host that answers
// has it and all others are off.
func (p provider) vcenterIsOff(ctx context.Context, answered []live.VCenter) bool {
	of, ok := p.a.lab.VCenterGuest(p.call.Target.Endpoint)
	if !ok {
		return false
	}
	found := false
	for _, v := range answered {
		for _, g := range v.Guests {
			if entry, ok := p.a.lab.Guest(of.VCenter, g.Name, g.UUID); !ok || entry != of {
				continue
			}
			if found = true; g.Power != live.PoweredOff {
				return false
			}
		}
	}
	return found || p.allOff(ctx, of.VCenter, answered)
}

// allOff tells whether the BMCs of all hosts say Off but of those that have answered.
func (p provider) allOff(ctx context.Context, vcenter string, answered []live.VCenter) bool {
	all, ctx := errgroup.WithContext(ctx) // one that is on is enough
	all.SetLimit(besides)
	for i := range p.a.lab.Hosts {
		h := &p.a.lab.Hosts[i]
		if h.VCenter != vcenter || slices.ContainsFunc(answered, func(v live.VCenter) bool { return v.Name == h.Name }) {
			continue
		}
		all.Go(func() error {
			if (h.BMC == nil && h.WakeOnLAN == nil) || p.a.inspectBMC(ctx, h).Power != live.Off {
				return errOn
			}
			return nil
		})
	}
	return all.Wait() == nil
}

// errOn stays in here.
var errOn = errors.New("it is not seen off")

// mustAnswer tells of a host that does not answer whether guests may run on it all the same: its BMC does not say Off. In a power
// cut only the one that the step goes to has to.
func (p provider) mustAnswer(ctx context.Context, h *inventory.Host) bool {
	return h.Name == p.call.Target.Direct || !p.call.Resolute && p.a.inspectBMC(ctx, h).Power != live.Off
}

// vcenter is what the vCenter tells; false: it does not answer.
func (p provider) vcenter(ctx context.Context) (live.VCenter, bool) {
	ctx, cancel := context.WithTimeout(ctx, stillThere)
	defer cancel()
	got, err := p.a.inspectVCenter(ctx, p.call.Target.Endpoint)
	if err != nil {
		p.a.log.Info("the vCenter does not say which guests run", "target", p.call.Target.Endpoint, "error", err)
		return got, false
	}
	return p.withoutDead(ctx, got), true
}

// withoutDead leaves out the guests of hosts that the vCenter has lost and whose BMC says Off: it tells of them what was.
func (p provider) withoutDead(ctx context.Context, v live.VCenter) live.VCenter {
	off := map[string]bool{}
	for _, l := range v.Hosts {
		if h, ok := p.a.lab.HostByAddress(v.Name, l.Name); ok && l.Connection != live.Connected {
			off[l.Ref] = p.a.inspectBMC(ctx, h).Power == live.Off
		}
	}
	v.Guests = slices.DeleteFunc(slices.Clone(v.Guests), func(g live.Guest) bool { return g.Connection == live.Disconnected && off[g.Host] })
	return v
}
