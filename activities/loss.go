package activities

import (
	"context"
	"fmt"
	"time"

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
	entry, ok := g.a.lab.HostByAddress(g.call.Target.Endpoint, h.Name)
	if !ok || entry.BMC == nil {
		return ""
	}
	s, err := g.a.clients.server(entry)
	if err != nil {
		return ""
	}
	defer s.close(ctx)
	b, err := s.read(ctx, func(b live.BMC) error { return sameServer(entry, plan.Target{UUID: h.UUID}, b) })
	if err != nil || b.Power != live.Off {
		return ""
	}
	return fmt.Sprintf("host %s, on which %s ran, is off", entry.Name, g.call.Target)
}
