package simlab

import (
	"maps"
	"slices"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// EnableAlarmActions lets the alarms of a host or a cluster act, or not. Those of its children are others.
func (e *extension) EnableAlarmActions(ctx *simulator.Context, req *types.EnableAlarmActions) soap.HasFault {
	body := new(methods.EnableAlarmActionsBody)
	enabled := req.Enabled
	switch obj := ctx.Map.Get(req.Entity).(type) {
	case *simulator.HostSystem:
		ctx.WithLock(obj, func() { set(ctx, obj, "alarmActionsEnabled", enabled) })
	case *simulator.ClusterComputeResource:
		ctx.WithLock(obj, func() { set(ctx, obj, "alarmActionsEnabled", enabled) })
	default:
		body.Fault_ = simulator.Fault("", &types.ManagedObjectNotFound{Obj: req.Entity})
		return body
	}
	l := e.view.lab
	l.change(func(*touched) {
		for _, h := range l.hosts {
			if h.ref == req.Entity {
				h.quiet = !enabled
			}
		}
		for _, c := range l.clusters {
			if c.ref == req.Entity {
				c.quiet = !enabled
			}
		}
	})
	body.Res = new(types.EnableAlarmActionsResponse)
	return body
}

// HasPrivilegeOnEntities grants all but what the lab's calls are denied for.
func (e *extension) HasPrivilegeOnEntities(_ *simulator.Context, req *types.HasPrivilegeOnEntities) soap.HasFault {
	denied := slices.Collect(maps.Values(e.view.lab.spec.Denied))
	res := &types.HasPrivilegeOnEntitiesResponse{}
	for _, entity := range req.Entity {
		p := types.EntityPrivilege{Entity: entity}
		for _, id := range req.PrivId {
			p.PrivAvailability = append(p.PrivAvailability, types.PrivilegeAvailability{PrivId: id, IsGranted: !slices.Contains(denied, id)})
		}
		res.Returnval = append(res.Returnval, p)
	}
	return &methods.HasPrivilegeOnEntitiesBody{Res: res}
}
