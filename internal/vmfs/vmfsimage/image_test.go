package vmfsimage_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/vmfs"
	"nightshift/internal/vmfs/vmfsimage"
)

func TestWhatIsWrittenIsRead(t *testing.T) {
	uuid, err := vmfs.ParseUUID("5f1c0001-ebcbbf9a-6792-000d60d46e2e")
	require.NoError(t, err)
	lu := vmfs.LU{LUN: 258, NAA: "6001405f7ed404000000496ff8cd0003", Vendor: "LIO-ORG", Product: "mail"}
	for version, want := range map[int]struct {
		lvm uint32
		fs  string
	}{0: {3, "3.31"}, 3: {3, "3.31"}, 5: {5, "5.81"}, 6: {6, "6.82"}} {
		t.Run(fmt.Sprint(version), func(t *testing.T) {
			f, err := os.Create(filepath.Join(t.TempDir(), "zd0"))
			require.NoError(t, err)
			defer f.Close()
			const size = 64 << 20
			require.NoError(t, f.Truncate(size))
			require.NoError(t, vmfsimage.Write(f, vmfsimage.Volume{Label: "mail01", UUID: uuid, LUN: lu, Size: size, Version: version}))
			v, err := vmfs.Inspect(f, size)
			require.NoError(t, err)
			require.Empty(t, vmfs.Guard(v.LVM.Disk, lu))
			require.Equal(t, want.lvm, v.LVM.Major)
			require.Equal(t, want.fs, v.FileSystem.Version())
			require.Equal(t, "mail01", v.FileSystem.Label)
			require.Equal(t, uuid, v.FileSystem.UUID)
			require.Equal(t, v.LVM.Volume, v.FileSystem.Volume)
			require.EqualValues(t, 1, v.LVM.Devices)
			require.EqualValues(t, size/512-1, v.Partition.Last)
		})
	}
}

func TestWhatCannotBeWritten(t *testing.T) {
	for _, c := range []struct {
		v    vmfsimage.Volume
		want string
	}{
		{vmfsimage.Volume{Label: "x", Size: 1 << 20}, `no volume "x" fits on 1048576 bytes`},
		{vmfsimage.Volume{Label: "x", Size: 24 << 20, Version: 6}, `no volume "x" fits on 25165824 bytes`},
		{vmfsimage.Volume{Label: "x", Size: 64 << 20, Version: 4}, "no volume of VMFS4 can be written: 3, 5 and 6 are known"},
	} {
		require.EqualError(t, vmfsimage.Write(nil, c.v), c.want)
	}
}
