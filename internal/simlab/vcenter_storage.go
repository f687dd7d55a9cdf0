package simlab

import (
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// knowStorage makes calls to a host's storage system known as calls to the host.
func (v *view) knowStorage(obj *simulator.HostSystem, h *host) {
	if ref := obj.ConfigManager.StorageSystem; ref != nil {
		v.byHost[*ref], v.refs[*ref] = h, h.spec.Name
	}
}

// RescanAllHba scans the adapters of a host for devices, and returns when that is done.
func (e *extension) RescanAllHba(_ *simulator.Context, req *types.RescanAllHba) soap.HasFault {
	if f := e.rescans(req.This, e.view.lab.find); f != nil {
		return &methods.RescanAllHbaBody{Fault_: simulator.Fault("", f)}
	}
	return &methods.RescanAllHbaBody{Res: new(types.RescanAllHbaResponse)}
}

// RescanHba scans one adapter: a host here has only one.
func (e *extension) RescanHba(_ *simulator.Context, req *types.RescanHba) soap.HasFault {
	if f := e.rescans(req.This, e.view.lab.find); f != nil {
		return &methods.RescanHbaBody{Fault_: simulator.Fault("", f)}
	}
	return &methods.RescanHbaBody{Res: new(types.RescanHbaResponse)}
}

// RescanVmfs mounts the datastores on the devices that were found.
func (e *extension) RescanVmfs(_ *simulator.Context, req *types.RescanVmfs) soap.HasFault {
	if f := e.rescans(req.This, e.view.lab.mount); f != nil {
		return &methods.RescanVmfsBody{Fault_: simulator.Fault("", f)}
	}
	return &methods.RescanVmfsBody{Res: new(types.RescanVmfsResponse)}
}

func (e *extension) rescans(this types.ManagedObjectReference, do func(*host)) (fault types.BaseMethodFault) {
	l, h := e.view.lab, e.view.byHost[this]
	l.read(func() { fault = e.view.refusesHost(h, false) })
	if fault != nil || !sleep(l.ctx, l.scaled(l.about(takeRescan))) {
		return fault
	}
	l.change(func(t *touched) {
		if fault = e.view.refusesHost(h, false); fault == nil {
			do(h)
			t.host(h)
		}
	})
	return fault
}
