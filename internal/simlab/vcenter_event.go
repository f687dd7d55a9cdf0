package simlab

import (
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

func (v *view) powerEvent(ctx *simulator.Context, g *guest, vm *simulator.VirtualMachine, s guestView) {
	e := types.VmEvent{Event: types.Event{
		Datacenter: &types.DatacenterEventArgument{
			EntityEventArgument: types.EntityEventArgument{Name: v.nameOf(v.datacenter)}, Datacenter: v.datacenter,
		},
		Host: &types.HostEventArgument{EntityEventArgument: types.EntityEventArgument{Name: v.nameOf(s.host)}, Host: s.host},
		Vm:   &types.VmEventArgument{EntityEventArgument: types.EntityEventArgument{Name: g.spec.Name}, Vm: vm.Self},
	}}
	switch s.power {
	case types.VirtualMachinePowerStatePoweredOn:
		v.post(ctx, &types.VmPoweredOnEvent{VmEvent: e})
	case types.VirtualMachinePowerStatePoweredOff:
		v.post(ctx, &types.VmPoweredOffEvent{VmEvent: e})
	case types.VirtualMachinePowerStateSuspended:
		v.post(ctx, &types.VmSuspendedEvent{VmEvent: e})
	}
}

func (v *view) post(ctx *simulator.Context, e types.BaseEvent) {
	m := ctx.Map.EventManager()
	ctx.WithLock(m, func() { m.PostEvent(ctx, &types.PostEvent{This: m.Self, EventToPost: e}) })
}

// nameOf is the name of an inventory object, or its id.
func (v *view) nameOf(ref types.ManagedObjectReference) string {
	v.lab.mu.Lock()
	defer v.lab.mu.Unlock()
	if n, ok := v.refs[ref]; ok {
		return n
	}
	return ref.Value
}
