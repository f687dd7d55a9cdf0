package vsphere

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

func TestMissingPrivileges(t *testing.T) {
	s := startSim(t, oneVM())
	c := s.connect(t)
	wanted := map[string][]string{c.Root(): {"System.View"}, s.any("HostSystem").Value: {"Host.Config.Maintenance"}}
	got, err := c.MissingPrivileges(t.Context(), wanted)
	require.NoError(t, err)
	require.Empty(t, got)

	x := &rights{deny: "Host.Config.Maintenance"}
	x.AuthorizationManager.Self = *c.vim.ServiceContent.AuthorizationManager
	s.model.Map().Put(x)
	got, err = c.MissingPrivileges(t.Context(), wanted)
	require.NoError(t, err)
	require.Equal(t, map[string][]string{s.any("HostSystem").Value: {"Host.Config.Maintenance"}}, got)
}

type rights struct {
	mo.AuthorizationManager
	deny string
}

// HasPrivilegeOnEntities grants all but one, and says nothing about what it grants not.
func (r *rights) HasPrivilegeOnEntities(req *types.HasPrivilegeOnEntities) soap.HasFault {
	res := &types.HasPrivilegeOnEntitiesResponse{}
	for _, e := range req.Entity {
		p := types.EntityPrivilege{Entity: e}
		for _, id := range req.PrivId {
			if id != r.deny {
				p.PrivAvailability = append(p.PrivAvailability, types.PrivilegeAvailability{PrivId: id, IsGranted: true})
			}
		}
		res.Returnval = append(res.Returnval, p)
	}
	return &methods.HasPrivilegeOnEntitiesBody{Res: res}
}

func TestRefsOfUnknownType(t *testing.T) {
	c := &Client{}
	for id, kind := range map[string]string{"vm-42": "VirtualMachine", "12": "VirtualMachine", "host-9": "HostSystem", "ha-host": "HostSystem",
		"domain-c8": "ClusterComputeResource", "domain-s8": "ComputeResource", "group-d1": "Folder", "ha-folder-root": "Folder",
		"datacenter-2": "Datacenter", "datastore-3": "Datastore", "resgroup-1": "ResourcePool", "task-1": "Task"} {
		require.Equal(t, types.ManagedObjectReference{Type: kind, Value: id}, c.anyRef(id))
	}
}

func TestFreeLicence(t *testing.T) {
	for _, l := range []types.LicenseManagerLicenseInfo{{EditionKey: "esxBasic"}, {EditionKey: "esx.hypervisor.cpuPackage"}, {Name: "VMware vSphere 8 Hypervisor"}} {
		require.True(t, freeLicence(l))
	}
	for _, l := range []types.LicenseManagerLicenseInfo{{EditionKey: "eval", Name: "Evaluation Mode"}, {EditionKey: "esx.enterprisePlus.cpuPackage", Name: "VMware vSphere 8 Enterprise Plus"}} {
		require.False(t, freeLicence(l))
	}
}
