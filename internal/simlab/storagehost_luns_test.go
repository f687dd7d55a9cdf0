package simlab

import (
	"runtime"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/endpoint"
	"nightshift/internal/iscsi"
	"nightshift/internal/live"
	"nightshift/internal/vmfs"
	"nightshift/internal/vsphere"
)

// A LUN is the same to the storage host, on the disk itself, and to the vCenter.
func TestALUNIsOneThing(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the simulated LIO needs Linux' shell tools")
	}
	r := newStorageRig(t)
	ctx := t.Context()
	host, _ := r.file.StorageHost("ss1")
	require.True(t, host.RestorePartitions)
	target, err := iscsi.Open(*host, r.shared("ss1"))
	require.NoError(t, err)
	list, err := target.List(ctx)
	require.NoError(t, err)
	require.Len(t, list.LUs, 1)
	lu := list.LUs[0]
	in, unknown := lu.Sessions()
	require.ElementsMatch(t, []string{"iqn.1998-01.com.vmware:esx21", "iqn.1998-01.com.vmware:esx22"}, in)
	require.Zero(t, unknown)

	read := func(skip, count int64) []string {
		return []string{"sudo", "-n", "/usr/local/sbin/nightshift-read", "tank/mail", strconv.FormatInt(skip, 10), strconv.FormatInt(count, 10)}
	}
	id := lu.Seen()
	v, err := vmfs.Inspect(vmfs.NewRemote(ctx, r.shared("ss1"), int64(id.Size), vmfs.InspectMost, read), int64(id.Size))
	require.NoError(t, err)
	require.Equal(t, "vmfs-mail", v.FileSystem.Label)
	require.Empty(t, vmfs.Guard(v.LVM.Disk, vmfs.LU{LUN: id.LUN, DeviceType: id.DeviceType, NAA: id.NAA, Vendor: id.Vendor, Product: id.Product}))

	e, err := endpoint.Resolve(ctx, "vCenter", r.file.VCenters[0].Endpoint, r.file.Dir)
	require.NoError(t, err)
	vc, err := vsphere.Connect(ctx, e)
	require.NoError(t, err)
	t.Cleanup(func() { _ = vc.Close(ctx) })
	f, err := vc.LUNs(ctx)
	require.NoError(t, err)
	i := slices.IndexFunc(f.Stores, func(s live.VMFSStore) bool { return s.Name == "vmfs-mail" })
	require.GreaterOrEqual(t, i, 0)
	require.Equal(t, []string{"naa." + id.NAA + ":1"}, f.Stores[i].Disks)
	require.Equal(t, v.FileSystem.UUID.String(), f.Stores[i].UUID)
	require.Equal(t, []string{"mail01"}, f.Stores[i].Guests)
	for _, h := range f.Hosts {
		i := slices.IndexFunc(h.Disks, func(d live.HostDisk) bool { return d.Name == "naa."+id.NAA })
		require.GreaterOrEqual(t, i, 0, h.Name)
		require.Equal(t, v.LVM.Disk.VML(), h.Disks[i].VML)
	}
}
