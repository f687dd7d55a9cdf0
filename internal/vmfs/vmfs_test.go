package vmfs

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// An image is a device of which only some bytes are not zero.
type image struct {
	size   int64
	pieces map[int64][]byte
}

func (m image) ReadAt(b []byte, at int64) (int, error) {
	clear(b)
	if at >= m.size {
		return 0, io.EOF
	}
	n := min(int64(len(b)), m.size-at)
	for from, piece := range m.pieces {
		lo, hi := max(from, at), min(from+int64(len(piece)), at+n)
		if lo < hi {
			copy(b[lo-at:hi-at], piece[lo-from:])
		}
	}
	if n < int64(len(b)) {
		return int(n), io.EOF
	}
	return int(n), nil
}

// dump reads the output of `hexdump -C` without its right column: lines that are left out repeat the one before, or are zero
// where the person who printed it left them out.
func dump(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	var out []byte
	start, repeat := int64(-1), false
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		if strings.HasPrefix(line, "#") { // where it comes from
			continue
		}
		if line == "*" {
			repeat = true
			continue
		}
		at, digits, _ := strings.Cut(line, "  ")
		var offset int64
		_, err := fmt.Sscanf(at, "%x", &offset)
		require.NoError(t, err)
		b, err := hex.DecodeString(strings.ReplaceAll(digits, " ", ""))
		require.NoError(t, err)
		if start < 0 {
			start = offset
		}
		last := make([]byte, 16)
		if repeat && len(out) >= 16 {
			copy(last, out[len(out)-16:])
		}
		for int64(len(out)) < offset-start {
			out = append(out, last...)
		}
		out, repeat = append(out, b...), false
	}
	return out
}

// document is the device of which the document shows three parts. Its first sector lacks the end in the dump: 55 aa.
func document(t testing.TB) image {
	t.Helper()
	mbr := make([]byte, Sector)
	copy(mbr, dump(t, "mbr.hex"))
	mbr[510], mbr[511] = 0x55, 0xaa
	const partition = 128 * Sector
	return image{size: 274877889536, pieces: map[int64][]byte{0: mbr, partition + LVMOffset: dump(t, "vmfs3-lvm.hex"),
		partition + 0x1100000 + fsOffset: dump(t, "vmfs3-vh.sf.hex")}}
}

// The volume ss2-cstar-zs0.2 of the document, as the document itself explains its bytes.
func TestTheVolumeOfTheDocument(t *testing.T) {
	m := document(t)
	v, err := Inspect(m, m.size)
	require.NoError(t, err)
	require.Equal(t, SchemeMBR, v.Table.Scheme)
	require.Equal(t, Partition{Number: 1, Type: "fb", VMFS: true, First: 128, Last: 128 + 0x5dbfef72 - 1}, v.Partition)

	h := v.LVM
	require.Equal(t, DiskID{Type: 2, Length: 22, LUN: 3, SCSILevel: 6, Vendor: "SUN", Model: "COMSTAR", Revision: "1.0",
		Identity: append(unhex(t, "600144f07ed404000000496ff8cd0003"), "COMSTA"...)}, h.Disk)
	require.Equal(t, "naa.600144f07ed404000000496ff8cd0003", h.Disk.NAA())
	require.Equal(t, "vml.0200030000600144f07ed404000000496ff8cd0003434f4d535441", h.Disk.VML(), "as ESX showed it")
	require.Equal(t, uint32(3), h.Major)
	require.Equal(t, uint32(512), h.BlockSize)
	require.Equal(t, uint64(0x18ffe9fc00), h.DeviceSize)
	require.Equal(t, int64(0x1100000), h.DataOffset)
	require.Equal(t, "49716cd8-6075899a-ad1c-000d60d46e2e", h.Volume.String(), "the segments' UUID, which the header also has as text")
	require.Equal(t, uint64(0x18f0000000), h.VolumeSize, "399 physical extents of 256 MiB")
	require.Equal(t, uint32(1), h.Devices)
	require.Equal(t, 2009, h.Made.Year())

	require.NotNil(t, v.FileSystem)
	f := *v.FileSystem
	require.Equal(t, "49716cd8-ebcbbf9a-6792-000d60d46e2e", f.UUID.String(), "under /vmfs/volumes")
	require.Equal(t, "00:0d:60:d4:6e:2e", f.UUID.Host())
	require.Equal(t, "ss2-cstar-zs0.2", f.Label)
	require.Equal(t, "3.31", f.Version())
	require.Equal(t, uint64(1<<20), f.BlockSize)
	require.Equal(t, h.Volume, f.Volume)
	require.Equal(t, time.Date(2009, 1, 17, 5, 30, 0, 0, time.UTC), f.Made)
}

// Both vml names that the document shows.
func TestVMLNames(t *testing.T) {
	for _, c := range []struct {
		lun                     uint16
		identity, product, name string
	}{
		{3, "600144f07ed404000000496ff8cd0003", "COMSTA", "vml.0200030000600144f07ed404000000496ff8cd0003434f4d535441"},
		{0, "5005076719d163d8", "DTN146", "vml.02000000005005076719d163d844544e313436"},
		{257, "600144f07ed404000000496ff8cd0003", "COMSTA", "vml.0200010100600144f07ed404000000496ff8cd0003434f4d535441"},
	} {
		d := DiskID{Type: 2, LUN: c.lun, Identity: append(unhex(t, c.identity), c.product...)}
		require.Equal(t, "naa."+c.identity, d.NAA())
		require.Equal(t, c.name, d.VML())
	}
}

func TestUUIDs(t *testing.T) {
	const s = "49716cd8-ebcbbf9a-6792-000d60d46e2e"
	u, err := ParseUUID(s)
	require.NoError(t, err)
	require.Equal(t, unhex(t, "d86c71499abfcbeb9267000d60d46e2e"), u[:])
	require.Equal(t, s, u.String())
	for _, bad := range []string{"", "49716cd8-ebcbbf9a-6792-000d60d46e2", "49716cd8-ebcbbf9a-6792_000d60d46e2e", "49716CD8-ebcbbf9a-6792-000d60d46e2e", strings.Repeat("x", 35)} {
		_, err := ParseUUID(bad)
		require.Error(t, err, bad)
	}
}

// An image of the partition alone, as some backups are.
func TestAnImageOfThePartition(t *testing.T) {
	m := document(t)
	part := image{size: m.size - 128*Sector, pieces: map[int64][]byte{}}
	for at, b := range m.pieces {
		if at > 0 {
			part.pieces[at-128*Sector] = b
		}
	}
	v, err := Inspect(part, part.size)
	require.NoError(t, err)
	require.Equal(t, SchemeNone, v.Table.Scheme)
	require.Equal(t, "ss2-cstar-zs0.2", v.FileSystem.Label)
}

func TestWhatIsNoVMFSOrDamaged(t *testing.T) {
	_, err := Inspect(image{size: 1 << 30}, 1<<30)
	require.ErrorIs(t, err, ErrNoVMFS)
	_, err = Inspect(image{size: 300}, 300)
	require.ErrorIs(t, err, ErrEnd)

	patch := func(at int64, b ...byte) image {
		m := document(t)
		for from, piece := range m.pieces {
			if at >= from && at < from+int64(len(piece)) {
				p := bytes.Clone(piece)
				copy(p[at-from:], b)
				m.pieces[from] = p
			}
		}
		return m
	}
	const lvm = 128*Sector + LVMOffset
	const fs = 128*Sector + 0x1100000 + fsOffset
	for _, c := range []struct {
		m    image
		want string
	}{
		{patch(446+4, 0x83), "no partition of the type VMFS"},
		{patch(lvm, 0), "the LVM header begins with c001d000"},
		{patch(lvm+4, 9), "version 9"},
		{patch(lvm+0x0d, 60), "the LUN's identity has 60 bytes"},
		{patch(lvm+0x7a, 1, 2, 3, 4, 5, 6, 7, 8), "would begin at byte"},
		{patch(lvm+0x214, 'x'), "in another"},
		{patch(fs, 0), "the descriptor of the file system begins with"},
		{patch(fs+9, make([]byte, 16)...), "it has no UUID"},
		{patch(fs+0xa1, 3), "blocks would have"},
	} {
		_, err := Inspect(c.m, c.m.size)
		require.ErrorContains(t, err, c.want)
	}
}

// An extent that is not the first has no file system, and its header says so.
func TestASecondExtent(t *testing.T) {
	m := document(t)
	lvm := bytes.Clone(m.pieces[128*Sector+LVMOffset])
	binary.LittleEndian.PutUint64(lvm[0x200+0x78:], 400)
	m.pieces[128*Sector+LVMOffset] = lvm
	delete(m.pieces, 128*Sector+0x1100000+fsOffset)
	v, err := Inspect(m, m.size)
	require.NoError(t, err)
	require.Nil(t, v.FileSystem)
	require.Equal(t, uint64(400), v.LVM.FirstExtent)
}

// The identity guard: what ESXi compares, one field after the other.
func TestGuard(t *testing.T) {
	m := document(t)
	v, err := Inspect(m, m.size)
	require.NoError(t, err)
	right := LU{LUN: 3, NAA: "600144f07ed404000000496ff8cd0003", Vendor: "SUN", Product: "COMSTAR"}
	require.Empty(t, Guard(v.LVM.Disk, right))
	for field, change := range map[string]func(*LU){
		"LUN number":                      func(l *LU) { l.LUN = 4 },
		"device type":                     func(l *LU) { l.DeviceType = 5 },
		"NAA":                             func(l *LU) { l.NAA = "6001405f7ed404000000496ff8cd0003" },
		"length of the identity":          func(l *LU) { l.NAA = l.NAA[:16] },
		"first characters of the product": func(l *LU) { l.Product = "vmfs1" },
	} {
		lu := right
		change(&lu)
		list := Guard(v.LVM.Disk, lu)
		require.Len(t, list, 1, field)
		require.Equal(t, field, list[0].Field)
	}
	none := right
	none.NAA = "6001x"
	require.NotEmpty(t, Guard(v.LVM.Disk, none), "digits that are none")
	other := v.LVM.Disk
	other.Type = 1
	require.Equal(t, "type of the identity: the volume expects 1, the LUN would be 2", Guard(other, right)[0].String())
	same := right
	same.Product, same.Vendor = "COMSTAbcdef", "LIO-ORG"
	require.Empty(t, Guard(v.LVM.Disk, same), "ESXi compares six characters of the product, and not the vendor")
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	require.NoError(t, err)
	return b
}
