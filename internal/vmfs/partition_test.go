package vmfs

import (
	"bytes"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

const gptSize = 64 << 20

// gptImage is a device whose table sfdisk of util-linux wrote: one partition for VMFS.
func gptImage(t testing.TB) image {
	t.Helper()
	all := dump(t, "gpt-sfdisk.hex")
	start := int64(0x1c0) // the dump's first line that is not zero
	m := image{size: gptSize, pieces: map[int64][]byte{}}
	for at := int64(0); at < int64(len(all)); at += 16 {
		if line := all[at : at+16]; !bytes.Equal(line, make([]byte, 16)) {
			m.pieces[start+at] = line
		}
	}
	return m
}

func TestGPT(t *testing.T) {
	table, err := ReadTable(gptImage(t), gptSize)
	require.NoError(t, err)
	require.Equal(t, SchemeGPT, table.Scheme)
	require.Equal(t, []Partition{{Number: 1, Type: "AA31E02A-400F-11DB-9590-000C2911D1B8", VMFS: true, First: 2048, Last: 128990, Name: "vmfs data"}}, table.Partitions)
	require.Empty(t, table.Problems)
	require.Len(t, table.Sectors, 5, "the first sector, and two headers with their entries")
}

// The table that ESXi 5 wrote on a LUN of 10 GiB, as the dump in "Recreating VMFS Partitions using Hexdump" (Jarret Lavallee, 2012)
// has it: both of its CRCs are right, and partedUtil said "1 2048 20964824 AA31E02A400F11DB9590000C2911D1B8 vmfs".
func TestTheGPTOfAnESXi5(t *testing.T) {
	m := image{size: 20971520 * Sector, pieces: map[int64][]byte{0x1b0: dump(t, "gpt-esxi5.hex")}}
	table, err := ReadTable(m, 0)
	require.NoError(t, err)
	require.Equal(t, SchemeGPT, table.Scheme)
	require.Equal(t, []Partition{{Number: 1, Type: "AA31E02A-400F-11DB-9590-000C2911D1B8", VMFS: true, First: 2048, Last: 20964824}}, table.Partitions)
	require.Empty(t, table.Problems)
}

func (m image) without(at int64) image {
	c := image{size: m.size, pieces: map[int64][]byte{}}
	for from, piece := range m.pieces {
		p := bytes.Clone(piece)
		if at >= from && at < from+int64(len(p)) {
			p[at-from] ^= 0xff
		}
		c.pieces[from] = p
	}
	return c
}

func TestDamagedGPTs(t *testing.T) {
	m := gptImage(t)
	lastHeader := int64(gptSize - Sector)
	for name, c := range map[string]struct {
		at      int64
		problem string
	}{
		"primary header":  {Sector + 0x48, "primary: the GPT is damaged: the header at byte 512 has the CRC"},
		"primary entries": {2*Sector + 0x20, "primary: the GPT is damaged: the entries have the CRC"},
		"backup header":   {lastHeader + 0x48, "backup: the GPT is damaged: the header at byte"},
	} {
		table, err := ReadTable(m.without(c.at), gptSize)
		require.NoError(t, err, name)
		require.Len(t, table.Partitions, 1, name)
		require.Len(t, table.Problems, 1, name)
		require.Contains(t, table.Problems[0], c.problem, name)
	}
	_, err := ReadTable(m.without(Sector+0x48).without(lastHeader+0x48), gptSize)
	require.True(t, errors.As(err, new(*DamagedError)), "both are damaged: %v", err)
	_, err = ReadTable(m.without(Sector+0x48), 0)
	require.ErrorContains(t, err, "the size of the device is not known")

	grown := m
	grown.size = gptSize + 1<<20
	table, err := ReadTable(grown, grown.size)
	require.NoError(t, err)
	require.Contains(t, table.Problems[0], "it was grown, or is not whole")
}

// Whatever is on a disk: an error, or a table within bounds; never a panic.
func FuzzReadTable(f *testing.F) {
	var whole [66 * Sector]byte
	_, _ = gptImage(f).ReadAt(whole[:], 0)
	f.Add(whole[:])
	f.Add([]byte("no table"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bytes.NewReader(b)
		table, err := ReadTable(r, int64(len(b)))
		if err == nil {
			for _, p := range table.Partitions {
				require.GreaterOrEqual(t, p.Offset(), int64(0))
			}
		}
	})
}

func FuzzInspect(f *testing.F) {
	m := document(f)
	lvm, fs := m.pieces[128*Sector+LVMOffset], m.pieces[128*Sector+0x1100000+fsOffset]
	f.Add(lvm, fs)
	lvm6 := append(bytes.Clone(lvm[:deviceLength]), make([]byte, 0x1000-deviceLength)...)
	lvm6[0x04], lvm6[0xcb] = 6, 0x10
	f.Add(append(lvm6, lvm[deviceLength:]...), fs)
	f.Fuzz(func(_ *testing.T, lvm, fs []byte) {
		m := image{size: 1 << 40, pieces: map[int64][]byte{LVMOffset: lvm, 0x1100000 + fsOffset: fs}}
		v, err := Inspect(m, m.size)
		if err == nil {
			_ = v.LVM.Disk.VML() + v.LVM.Disk.Name() + v.LVM.Volume.Host()
			Guard(v.LVM.Disk, LU{})
		}
	})
}
