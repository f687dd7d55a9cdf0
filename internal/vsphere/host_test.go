package vsphere

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"

	"nightshift/internal/fault"
	"nightshift/internal/live"
)

func TestHostVerbs(t *testing.T) {
	s := startSim(t, oneVM())
	c := s.connect(t)
	ref := s.any("HostSystem").Value

	task, err := c.EnterMaintenance(t.Context(), ref, 90*time.Second)
	require.NoError(t, err)
	require.NoError(t, wait(t, c, task).Err)
	req := s.request("EnterMaintenanceMode_Task").(*types.EnterMaintenanceMode_Task)
	require.EqualValues(t, 90, req.Timeout)
	require.NotNil(t, req.EvacuatePoweredOffVms)
	require.False(t, *req.EvacuatePoweredOffVms)
	h, err := c.Host(t.Context(), ref)
	require.NoError(t, err)
	require.True(t, h.Maintenance)
	require.Equal(t, live.Connected, h.Connection)

	task, err = c.ExitMaintenance(t.Context(), ref, 0)
	require.NoError(t, err)
	require.NoError(t, wait(t, c, task).Err)
	h, err = c.Host(t.Context(), ref)
	require.NoError(t, err)
	require.False(t, h.Maintenance)

	_, err = c.ShutdownHost(t.Context(), ref, true) // stock vcsim cannot
	require.ErrorIs(t, err, fault.Unsupported)
	require.True(t, s.request("ShutdownHost_Task").(*types.ShutdownHost_Task).Force)
	require.ErrorContains(t, err, "shut down host "+ref+" at vc1")

	_, err = c.Host(t.Context(), "host-gone")
	require.ErrorIs(t, err, fault.NotFound)
	_, err = c.GuestsOn(t.Context(), "host-gone")
	require.ErrorIs(t, err, fault.NotFound)
}

func TestShutdownHostReturnsItsTask(t *testing.T) {
	s := startSim(t, oneVM())
	c := s.connect(t)
	reg := s.model.Map()
	x := &hostExtension{Self: types.ManagedObjectReference{Type: "LabExt", Value: "lab-1"}}
	reg.Put(x)
	next := reg.Handler
	reg.Handler = func(ctx *simulator.Context, m *simulator.Method) (mo.Reference, types.BaseMethodFault) {
		if ctx.Session != nil && m.Name == "ShutdownHost_Task" {
			m.This = x.Self
		}
		return next(ctx, m)
	}
	task, err := c.ShutdownHost(t.Context(), s.any("HostSystem").Value, false)
	require.NoError(t, err)
	require.NoError(t, wait(t, c, task).Err)
}

type hostExtension struct {
	mo.ExtensionManager
	Self types.ManagedObjectReference
}

func (x *hostExtension) Reference() types.ManagedObjectReference { return x.Self }

// ShutdownHostTask is what vcsim lacks.
func (x *hostExtension) ShutdownHostTask(ctx *simulator.Context, req *types.ShutdownHost_Task) soap.HasFault {
	task := simulator.CreateTask(req.This, "shutdownHost", func(*simulator.Task) (types.AnyType, types.BaseMethodFault) { return nil, nil })
	return &methods.ShutdownHost_TaskBody{Res: &types.ShutdownHost_TaskResponse{Returnval: task.Run(ctx)}}
}

func TestHostSerial(t *testing.T) {
	id := func(kind, value string) types.HostSystemIdentificationInfo {
		return types.HostSystemIdentificationInfo{IdentifierValue: value, IdentifierType: &types.ElementDescription{Key: kind}}
	}
	for want, list := range map[string][]types.HostSystemIdentificationInfo{
		"ABC1234": {id("AssetTag", "asset"), id("ServiceTag", " "), id("ServiceTag", " ABC1234 ")},
		"S1":      {id("SerialNumberTag", "S1"), id("EnclosureSerialNumberTag", "E1")},
		"":        {id("SerialNumberTag", "To Be Filled By O.E.M."), id("ServiceTag", "unknown"), {IdentifierValue: "x"}},
	} {
		require.Equal(t, want, serial(list))
	}
}

func TestSecondsRoundUp(t *testing.T) {
	require.EqualValues(t, 0, seconds(0))
	require.EqualValues(t, 1, seconds(time.Millisecond))
	require.EqualValues(t, 600, seconds(10*time.Minute))
	require.EqualValues(t, math.MaxInt32, seconds(math.MaxInt64))
}

func TestDatastoresOfAHost(t *testing.T) {
	s := startSim(t, oneVM())
	c := s.connect(t)
	host, ds := s.any("HostSystem"), s.any("Datastore")
	read := func() live.Datastore {
		t.Helper()
		list, err := c.Datastores(t.Context(), host.Value)
		require.NoError(t, err)
		require.Len(t, list, 1)
		return list[0]
	}
	require.Equal(t, ds.Value, read().Ref)
	require.True(t, read().Accessible)
	no := false
	s.change(ds, "host", []types.DatastoreHostMount{{Key: host, MountInfo: types.HostMountInfo{Accessible: &no}}})
	require.False(t, read().Accessible, "another host may see it, this one does not")
	s.change(ds, "host", []types.DatastoreHostMount{{Key: host}})
	require.True(t, read().Accessible)
	s.change(host, "runtime.connectionState", types.HostSystemConnectionStateNotResponding)
	require.False(t, read().Accessible)
}
