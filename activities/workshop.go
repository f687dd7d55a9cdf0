package activities

import (
	"context"

	"nightshift/internal/fault"
	"nightshift/internal/plan"
	"nightshift/internal/vsphere"
)

// workshop is what step runbooks do through a vCenter beside what the built-in ones do. The acts send one call and wait for
// nothing. *vsphere.Client is one.
type workshop interface {
	HostOption(ctx context.Context, ref, name string) (string, error)
	SetHostOption(ctx context.Context, ref, name, value string) error
	RebootHost(ctx context.Context, ref string) (task string, err error)
	Tracking(ctx context.Context, ref string) (vsphere.Tracked, error)
	SetTracking(ctx context.Context, ref string, on bool) (task string, err error)
	CreateSnapshot(ctx context.Context, ref, name, description string) (task string, err error)
	RemoveSnapshot(ctx context.Context, snapshot string) (task string, err error)
	StartProgram(ctx context.Context, ref string, l vsphere.GuestLogin, path, arguments, directory string) (pid int64, err error)
	Program(ctx context.Context, ref string, l vsphere.GuestLogin, pid int64) (vsphere.Program, error)
}

// workshop is the vCenter through which a step goes. No host of its own does these things.
func (a *Activities) workshop(ctx context.Context, t plan.Target) (workshop, error) {
	vc, err := a.clients.vcenter(ctx, t.Endpoint)
	if err != nil {
		return nil, err
	}
	w, ok := vc.(workshop)
	if !ok || t.Direct != "" {
		return nil, refuse(fault.Unsupported, "%s is reached in a way that knows no such orders", t)
	}
	return w, nil
}

// hostWork begins a step on a host that needs both: the host, and what only its vCenter does with it.
func (a *Activities) hostWork(ctx context.Context, c plan.Call, name string) (hostStep, workshop, error) {
	h, err := a.hostStep(ctx, c, name)
	if err != nil {
		return h, nil, err
	}
	w, err := a.workshop(ctx, c.Target)
	return h, w, err
}
