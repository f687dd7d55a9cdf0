// Package bmc logs in at a server's management controller, by whichever protocol the lab file gives it: Redfish or IPMI. It is
// the only place that tells them apart for a login; what is done in the session is the caller's.
package bmc

import (
	"context"

	"nightshift/internal/endpoint"
	"nightshift/internal/inventory"
	"nightshift/internal/ipmi"
	"nightshift/internal/live"
	"nightshift/internal/redfish"
)

// A Session is one at a controller: *redfish.Client or *ipmi.Client. They may do more.
type Session interface {
	System(ctx context.Context) (live.BMC, error)
	// Reset sends one call; a fault.NotDone where it is certain that it did nothing.
	Reset(ctx context.Context, resetType string) error
	Close(ctx context.Context) error
}

// Connect logs in, in one attempt. The caller closes the session: old controllers have few.
func Connect(ctx context.Context, r endpoint.Resolved, b *inventory.BMC) (Session, error) {
	if b.IPMI() {
		c, err := ipmi.Connect(ctx, r)
		if err != nil {
			return nil, err
		}
		return c, nil
	}
	r.Basic = b.BasicAuth
	c, err := redfish.Connect(ctx, r, b.System)
	if err != nil {
		return nil, err
	}
	return c, nil
}
