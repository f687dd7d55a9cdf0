package vmfs

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The LVM header that an ESXi 5 wrote on naa.600144f0e8cb470000005053b9b50001, from "Recreating VMFS Partitions using Hexdump"
// (Jarret Lavallee, 2012). The partition began at sector 128 of the 20971520 that the LUN had.
func TestTheHeaderOfAnESXi5(t *testing.T) {
	h, err := parseDevice(dump(t, "vmfs5-lvm.hex"))
	require.NoError(t, err)
	require.Equal(t, uint32(5), h.Major)
	require.Equal(t, uint32(21), h.Minor)
	require.Equal(t, "naa.600144f0e8cb470000005053b9b50001", h.Disk.NAA())
	require.Equal(t, uint16(5), h.Disk.LUN)
	require.Empty(t, Guard(h.Disk, LU{LUN: 5, NAA: "600144f0e8cb470000005053b9b50001", Vendor: "OI", Product: "COMSTAR"}))
	require.Equal(t, uint32(512), h.BlockSize)
	require.Equal(t, uint64((20971520-128)*Sector), h.DeviceSize)
	require.Equal(t, int64(0x1100000), h.DataOffset)
	require.Equal(t, "505831c7-72b2f8c0-6fdb-d027886f3882", h.Device.String())
	require.Equal(t, "d0:27:88:6f:38:82", h.Device.Host())
	require.Equal(t, time.Unix(0x505831c7, 0).UTC(), h.Made.Truncate(time.Second), "the same time, as the UUID has it")
	require.True(t, h.Changed.After(h.Made))
	require.EqualValues(t, 0x200, h.tableOffset())
}

// Identities that are no NAA are shown as what they are.
func TestNamesOfIdentities(t *testing.T) {
	local := append(make([]byte, 34), "vmhba0:4:0"...)
	local[1] = 10
	for want, b := range map[string][]byte{
		`no NAA, "vmhba0:4:0"`:                 local,
		"no NAA, 01020304":                     append(append([]byte{2, 4}, make([]byte, 32)...), 1, 2, 3, 4),
		`no NAA, ""`:                           nil,
		"naa.600144f0e8cb470000005053b9b50001": dump(t, "vmfs5-lvm.hex")[0x0c:],
	} {
		d, err := parseDiskID(append(b, make([]byte, diskIDLength)...)[:diskIDLength])
		require.NoError(t, err)
		require.Equal(t, want, d.Name())
	}
}

// The dump of a volume as VMFS6 names the fields that only it has.
func TestFieldsOfVMFS6(t *testing.T) {
	b := make([]byte, deviceLength)
	b[0xcb], b[0xce] = 0x10, 3
	require.Subset(t, dumpLines(0, b, lvmFields(DiskID{})), []string{
		"0000000000ca  00 10 00 00                                      alignment of the metadata: 4096 bytes",
		"0000000000ce  03 00 00 00                                      physical extents, since VMFS6: 3",
	})
}
