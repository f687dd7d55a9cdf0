package vsphere

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vmware/govmomi/vim25/types"

	"nightshift/internal/live"
)

func TestLUNs(t *testing.T) {
	s := startSim(t, oneVM())
	c := s.connect(t)
	host, store, vm := s.any("HostSystem"), s.any("Datastore"), s.any("VirtualMachine")
	const naa, uuid = "naa.600144f07ed404000000496ff8cd0003", "49716cd8-ebcbbf9a-6792-000d60d46e2e"
	disk := types.ScsiLun{HostDevice: types.HostDevice{DeviceType: "disk"}, Key: "key-disk-1", Uuid: "0200030000600144f07ed404000000496ff8cd0003434f4d535441",
		CanonicalName: naa, LunType: "disk", OperationalState: []string{"ok"}}
	s.change(host, "config.storageDevice", &types.HostStorageDeviceInfo{
		ScsiLun: []types.BaseScsiLun{&types.HostScsiDisk{ScsiLun: disk}, &types.ScsiLun{Key: "key-cd", CanonicalName: "mpx.vmhba1:C0:T0:L0", LunType: "cdrom"}},
		MultipathInfo: &types.HostMultipathInfo{Lun: []types.HostMultipathInfoLogicalUnit{{Lun: "key-disk-1", Path: []types.HostMultipathInfoPath{
			{Name: "vmhba64:C1:T0:L3", PathState: "dead", State: "dead"}, {Name: "vmhba64:C0:T0:L3", PathState: "active", State: "active"}}}}},
	}, "config.network.pnic", []types.PhysicalNic{{Key: "key-vim.host.PhysicalNic-vmnic0", Device: "vmnic0", Mac: "00:0D:60:D4:6E:2E"}})
	local := false
	s.change(store, "info", &types.VmfsDatastoreInfo{DatastoreInfo: types.DatastoreInfo{Name: "mail01"}, Vmfs: &types.HostVmfsVolume{
		Uuid: uuid, Version: "3.31", Local: &local, Extent: []types.HostScsiDiskPartition{{DiskName: naa, Partition: 1}}}})

	f, err := c.LUNs(t.Context())
	require.NoError(t, err)
	require.Len(t, f.Hosts, 2)
	h := find(t, f.Hosts, func(h live.FabricHost) bool { return h.Ref == host.Value })
	require.Equal(t, []string{"00:0d:60:d4:6e:2e"}, h.MACs)
	require.Equal(t, []live.HostDisk{{Name: naa, VML: "vml." + disk.Uuid, State: "ok", Paths: []string{"vmhba64:C0:T0:L3", "vmhba64:C1:T0:L3 dead"}}}, h.Disks)
	require.Len(t, f.Stores, 1)
	got := f.Stores[0]
	require.Len(t, got.Guests, 1)
	require.Len(t, got.Hosts, 2)
	require.NotEqual(t, vm.Value, got.Guests[0], "its name, not its reference")
	got.Guests, got.Hosts = nil, nil
	require.Equal(t, live.VMFSStore{Ref: store.Value, Name: "LocalDS_0", UUID: uuid, Version: "3.31", Disks: []string{naa + ":1"}}, got)
}

// A datastore that is on no VMFS, hosts that tell nothing: no error.
func TestLUNsOfALabWithoutAny(t *testing.T) {
	s := startSim(t, oneVM())
	c := s.connect(t)
	s.change(s.any("HostSystem"), "config", nil)
	f, err := c.LUNs(t.Context())
	require.NoError(t, err)
	require.Len(t, f.Hosts, 2)
	require.Empty(t, f.Stores)
}
