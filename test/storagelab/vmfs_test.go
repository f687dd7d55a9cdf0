//go:build storagelab

package storagelab_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/iscsi"
	"nightshift/internal/storagesetup"
	"nightshift/internal/vmfs"
	"nightshift/internal/vmfs/vmfsimage"
	"nightshift/test/storagelab"
)

// A real zvol with a volume on it that a real initiator sees: read by the program that is installed for it, its partition table lost,
// and put back, but not while the initiator is logged in.
func TestAPartitionTableOnAZvol(t *testing.T) {
	long(t)
	lab := storagelab.Connect(t)
	const size = 32 << 20
	volume := lab.SS1.NewPool().Volume("mail", size>>20)
	device := storagelab.Device(volume)
	name := unique()
	published := target(t, lab, lab.SS1, name)
	p := publication(name, device, lab.SS1, lab.SS2.Initiator)
	_, err := iscsi.Ensure(t.Context(), published, p)
	require.NoError(t, err)
	l, err := published.List(t.Context())
	require.NoError(t, err)
	lu, _ := l.Find(name)
	id := lu.Seen()

	root := connectAs(t, lab, lab.SS1, "root", lab.AdminKey)
	act := func(stdin []byte, argv ...string) (status int, said string) {
		res, err := root.Act(t.Context(), argv, bytes.NewReader(stdin))
		require.NoError(t, err)
		return res.Status, string(res.Stderr)
	}
	written := func(at int64, b []byte) {
		status, said := act(b, "dd", "of="+device, "bs=4096", "oflag=seek_bytes", "seek="+strconv.FormatInt(at, 10), "conv=notrunc,fsync")
		require.Zero(t, status, said)
	}
	file := filepath.Join(t.TempDir(), "image")
	f, err := os.Create(file)
	require.NoError(t, err)
	defer f.Close()
	require.NoError(t, f.Truncate(size))
	require.NoError(t, vmfsimage.Write(f, vmfsimage.Volume{Label: "mail01", UUID: vmfs.UUID{1, 2, 3}, Size: size,
		LUN: vmfs.LU{LUN: id.LUN, NAA: id.NAA, Vendor: id.Vendor, Product: id.Product}}))
	part := make([]byte, 1<<20)
	for at := int64(0); at < size; at += int64(len(part)) {
		_, err := f.ReadAt(part, at)
		require.NoError(t, err)
		if len(bytes.Trim(part, "\x00")) > 0 {
			written(at, part)
		}
	}
	read := func(skip, count int64) []string {
		return []string{"sh", "-c", storagesetup.ReadProgram(), "nightshift-read", volume, strconv.FormatInt(skip, 10), strconv.FormatInt(count, 10)}
	}
	device1 := func() *vmfs.Remote { return vmfs.NewRemote(t.Context(), root, int64(id.Size), vmfs.InspectMost, read) }
	require.EqualValues(t, size, id.Size)
	v, err := vmfs.Inspect(device1(), size)
	require.NoError(t, err)
	require.Equal(t, "mail01", v.FileSystem.Label)
	require.Empty(t, vmfs.Guard(v.LVM.Disk, vmfs.LU{LUN: id.LUN, NAA: id.NAA, Vendor: id.Vendor, Product: id.Product}))
	places, err := vmfs.Places(v.Table.Sectors, size)
	require.NoError(t, err)

	// It is lost through the initiator, of which the page cache of the storage host hears nothing.
	portal := portalOf(p, lab.SS1)
	r := lab.SS2.Login(portal)
	require.Zero(t, r.Status, r.Stderr)
	lab.SS2.Run("dd", "if=/dev/zero", "of="+lab.SS2.Disk(portal, int(id.LUN)), "bs=4k", "count=1", "oflag=direct", "conv=notrunc", "status=none")
	lab.SS2.Logout(portal)
	_, err = vmfs.Inspect(device1(), size)
	require.ErrorIs(t, err, vmfs.ErrNoVMFS)
	now, err := vmfs.ReadPlaces(device1(), places)
	require.NoError(t, err)
	write := func() (int, string) {
		return act(places[0].Bytes, append([]string{"sh", "-c", storagesetup.WriteTableProgram(), "nightshift-write-table", volume, vmfs.Sum(now), vmfs.Sum(places)}, vmfs.Ranges(places)...)...)
	}
	r = lab.SS2.Login(portal)
	require.Zero(t, r.Status, r.Stderr)
	status, said := write()
	require.Equal(t, 4, status, said)
	require.Contains(t, said, lab.SS2.Initiator)
	_, err = vmfs.Inspect(device1(), size)
	require.ErrorIs(t, err, vmfs.ErrNoVMFS, "nothing was written")
	lab.SS2.Logout(portal)

	status, said = write()
	require.Zero(t, status, said)
	v, err = vmfs.Inspect(device1(), size)
	require.NoError(t, err)
	require.Equal(t, "mail01", v.FileSystem.Label)
	status, said = write()
	require.Zero(t, status, "already so: %s", said)
	written(0, bytes.Repeat([]byte{7}, vmfs.Sector))
	status, said = write()
	require.Equal(t, 3, status, said)
}
