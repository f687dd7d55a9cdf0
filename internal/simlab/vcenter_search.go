package simlab

import (
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// FindByUuid finds a guest or host. A host of its own does not know who a guest is whose files it cannot read.
func (e *extension) FindByUuid(_ *simulator.Context, req *types.FindByUuid) soap.HasFault {
	all := e.byUUID(req.Uuid, req.VmSearch, isTrue(req.InstanceUuid))
	res := &types.FindByUuidResponse{}
	if len(all) > 0 {
		res.Returnval = &all[0]
	}
	return &methods.FindByUuidBody{Res: res}
}

// FindAllByUuid finds all of them.
func (e *extension) FindAllByUuid(_ *simulator.Context, req *types.FindAllByUuid) soap.HasFault {
	return &methods.FindAllByUuidBody{Res: &types.FindAllByUuidResponse{
		Returnval: e.byUUID(req.Uuid, req.VmSearch, isTrue(req.InstanceUuid)),
	}}
}

func (e *extension) byUUID(id string, guests, instance bool) (found []types.ManagedObjectReference) {
	e.view.lab.read(func() {
		if !guests {
			for ref, h := range e.view.byHost {
				if ref.Type == "HostSystem" && strings.EqualFold(h.spec.UUID, id) {
					found = append(found, ref)
				}
			}
			return
		}
		for ref, g := range e.view.byGuest {
			uuid := g.spec.BIOSUUID
			if instance {
				uuid = g.spec.UUID
			}
			if strings.EqualFold(uuid, id) && (e.view.host == nil || !g.host.lost(g.datastore)) {
				found = append(found, ref)
			}
		}
	})
	return found
}
