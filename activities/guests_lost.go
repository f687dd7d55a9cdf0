package activities

import (
	"context"
	"fmt"
	"time"

	"go.temporal.io/sdk/activity"

	"nightshift/internal/inventory"
	"nightshift/internal/live"
	"nightshift/internal/plan"
)

// lossLook is how often, at most, the BMC of a host that its vCenter has lost is asked.
const lossLook = 30 * time.Second

// A loss is what a step knows of the host of its guest that its vCenter has lost.
type loss struct{ asked time.Time }

// hostIsOff says that the guest's host is off: a new plan is needed then, and to wait for it is in vain. Two have to say
// so, the vCenter that has lost it and its BMC. "": it is not known to be.
func (g guestStep) hostIsOff(ctx context.Context, ref string) string {
	if ref == "" || g.call.Target.Direct != "" || time.Since(g.loss.asked) < lossLook {
		return ""
	}
	g.loss.asked = time.Now()
	h, err := g.vc.Host(ctx, ref)
	if err != nil || h.Connection != live.NotResponding && h.Connection != live.Disconnected {
		return ""
	}
	if !g.a.offBehind(ctx, g.call.Target.Endpoint, h) {
		return ""
	}
	entry, _ := g.a.lab.HostByAddress(g.call.Target.Endpoint, h.Name)
	return fmt.Sprintf("host %s, on which %s ran, is off", entry.Name, g.call.Target)
}

// offBehind tells whether the BMC of a host that its vCenter has lost says Off.
func (a *Activities) offBehind(ctx context.Context, vcenter string, h live.Host) bool {
	entry, ok := a.lab.HostByAddress(vcenter, h.Name)
	return ok && a.saysOff(ctx, entry, plan.Target{UUID: h.UUID})
}

// saysOff tells whether the host has a BMC, it is its own, and says Off.
func (a *Activities) saysOff(ctx context.Context, entry *inventory.Host, t plan.Target) bool {
	if entry.BMC == nil {
		return false
	}
	s, err := a.clients.server(entry)
	if err != nil {
		return false
	}
	defer s.close(ctx)
	b, err := s.read(ctx, func(b live.BMC) error { return sameServer(entry, t, b) })
	return err == nil && b.Power == live.Off
}

// lostSettles is how many settle times a guest is waited for whose host is lost, and not known to be off. It hangs, then, or
// its network is down for long: a person has to look.
const lostSettles = 5

// lostForLong tells whether this step has looked in vain for so long. What it has sent is waited for as long as it takes.
func (g guestStep) lostForLong(ctx context.Context) bool {
	info := activity.GetInfo(ctx)
	return !g.call.Memo.Sent() && info.Attempt > 3 && info.StartedTime.Sub(info.ScheduledTime) > lostSettles*g.a.settle
}
