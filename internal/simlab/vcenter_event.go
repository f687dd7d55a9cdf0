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

// hostEvents tells what changed at a host.
func (v *view) hostEvents(ctx *simulator.Context, obj *simulator.HostSystem, conn types.HostSystemConnectionState, maintenance bool) {
	e := types.HostEvent{Event: types.Event{
		Datacenter: &types.DatacenterEventArgument{
			EntityEventArgument: types.EntityEventArgument{Name: v.nameOf(v.datacenter)}, Datacenter: v.datacenter,
		},
		Host: &types.HostEventArgument{EntityEventArgument: types.EntityEventArgument{Name: obj.Name}, Host: obj.Self},
	}}
	switch {
	case obj.Runtime.ConnectionState == conn:
	case conn == types.HostSystemConnectionStateConnected:
		v.post(ctx, &types.HostConnectedEvent{HostEvent: e})
	default:
		v.post(ctx, &types.HostConnectionLostEvent{HostEvent: e})
	}
	switch {
	case obj.Runtime.InMaintenanceMode == maintenance:
	case maintenance:
		v.post(ctx, &types.EnteredMaintenanceModeEvent{HostEvent: e})
	default:
		v.post(ctx, &types.ExitMaintenanceModeEvent{HostEvent: e})
	}
}

// moveEvent tells that a guest is on another host now.
func (v *view) moveEvent(ctx *simulator.Context, g *guest, vm *simulator.VirtualMachine, from, to types.ManagedObjectReference) {
	ds := types.DatastoreEventArgument{EntityEventArgument: types.EntityEventArgument{Name: g.spec.Datastore}, Datastore: v.datastores[g.spec.Datastore]}
	dc := types.DatacenterEventArgument{EntityEventArgument: types.EntityEventArgument{Name: v.nameOf(v.datacenter)}, Datacenter: v.datacenter}
	v.post(ctx, &types.VmMigratedEvent{
		VmEvent: types.VmEvent{Event: types.Event{
			Datacenter: &dc, Ds: &ds,
			Host: &types.HostEventArgument{EntityEventArgument: types.EntityEventArgument{Name: v.nameOf(to)}, Host: to},
			Vm:   &types.VmEventArgument{EntityEventArgument: types.EntityEventArgument{Name: g.spec.Name}, Vm: vm.Self},
		}},
		SourceHost:       types.HostEventArgument{EntityEventArgument: types.EntityEventArgument{Name: v.nameOf(from)}, Host: from},
		SourceDatacenter: &dc,
		SourceDatastore:  &ds,
	})
}

// shutdownEvent tells that a host was told to shut down.
func (v *view) shutdownEvent(ctx *simulator.Context, h *host) {
	ref := v.hostRef(h)
	v.post(ctx, &types.HostShutdownEvent{
		HostEvent: types.HostEvent{Event: types.Event{
			Host: &types.HostEventArgument{EntityEventArgument: types.EntityEventArgument{Name: h.spec.Name}, Host: ref},
		}},
		Reason: "requested by " + v.user,
	})
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
