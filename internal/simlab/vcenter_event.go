package simlab

import (
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

func (l *Lab) powerEvent(ctx *simulator.Context, g *guest, vm *simulator.VirtualMachine, v guestView) {
	e := types.VmEvent{Event: types.Event{
		Datacenter: &types.DatacenterEventArgument{
			EntityEventArgument: types.EntityEventArgument{Name: l.spec.Datacenter}, Datacenter: l.vc.datacenter,
		},
		Host: &types.HostEventArgument{EntityEventArgument: types.EntityEventArgument{Name: l.nameOf(v.host)}, Host: v.host},
		Vm:   &types.VmEventArgument{EntityEventArgument: types.EntityEventArgument{Name: g.spec.Name}, Vm: vm.Self},
	}}
	switch v.power {
	case types.VirtualMachinePowerStatePoweredOn:
		l.post(ctx, &types.VmPoweredOnEvent{VmEvent: e})
	case types.VirtualMachinePowerStatePoweredOff:
		l.post(ctx, &types.VmPoweredOffEvent{VmEvent: e})
	case types.VirtualMachinePowerStateSuspended:
		l.post(ctx, &types.VmSuspendedEvent{VmEvent: e})
	}
}

func (l *Lab) post(ctx *simulator.Context, e types.BaseEvent) {
	m := ctx.Map.EventManager()
	ctx.WithLock(m, func() { m.PostEvent(ctx, &types.PostEvent{This: m.Self, EventToPost: e}) })
}

// nameOf is the name of an inventory object, or its id.
func (l *Lab) nameOf(ref types.ManagedObjectReference) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n, ok := l.vc.refs[ref]; ok {
		return n
	}
	return ref.Value
}
