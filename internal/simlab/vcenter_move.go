package simlab

import (
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// MigrateVMTask moves a guest to another host.
func (e *extension) MigrateVMTask(ctx *simulator.Context, req *types.MigrateVM_Task) soap.HasFault {
	if req.Host == nil {
		return &methods.MigrateVM_TaskBody{Fault_: simulator.Fault("", &types.InvalidArgument{InvalidProperty: "host"})}
	}
	task := e.view.migrate(ctx, req.This, *req.Host, "MigrateVM_Task", "VirtualMachine.migrate")
	return &methods.MigrateVM_TaskBody{Res: &types.MigrateVM_TaskResponse{Returnval: task}}
}

// RelocateVMTask moves a guest to another host. Files stay where they are: moving them is not supported.
func (e *extension) RelocateVMTask(ctx *simulator.Context, req *types.RelocateVM_Task) soap.HasFault {
	if req.Spec.Host == nil || req.Spec.Datastore != nil || len(req.Spec.Disk) > 0 {
		return &methods.RelocateVM_TaskBody{Fault_: simulator.Fault("", &types.NotSupported{})}
	}
	task := e.view.migrate(ctx, req.This, *req.Spec.Host, "RelocateVM_Task", "VirtualMachine.relocate")
	return &methods.RelocateVM_TaskBody{Res: &types.RelocateVM_TaskResponse{Returnval: task}}
}

func (v *view) migrate(ctx *simulator.Context, this, at types.ManagedObjectReference, method, description string) types.ManagedObjectReference {
	l, g, to := v.lab, v.guestAt(this), v.byHost[at]
	// The world is locked.
	refuses := func() types.BaseMethodFault {
		switch {
		case to == nil:
			return &types.InvalidArgument{InvalidProperty: "host"}
		case !v.hears(g.host) || !v.hears(to):
			return &types.HostNotConnected{}
		case !to.takes() || !to.reads(g.datastore):
			return &types.NoCompatibleHost{}
		}
		return nil
	}
	var fault types.BaseMethodFault
	l.read(func() {
		if fault = refuses(); fault == nil && g.busy {
			fault = &types.TaskInProgress{}
		}
		g.busy = g.busy || fault == nil
	})
	return v.startTask(ctx, this, method, description, func(j *job) (types.AnyType, types.BaseMethodFault) {
		if fault != nil {
			return nil, fault
		}
		ok := j.sleep(takeMigrate)
		l.change(func(t *touched) {
			g.busy = false
			if !ok {
				return
			}
			if fault = refuses(); fault == nil {
				l.move(t, g, to)
			}
		})
		return nil, fault
	})
}
