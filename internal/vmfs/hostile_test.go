package vmfs

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/fault"
)

// A gpt is one copy of a table, whose CRCs are right whatever it says.
type gpt struct {
	at, mine, other, entries uint64 // sectors: where it lies, where it says that it lies, where the other copy, where the entries
	count, size              uint32
	first, last              uint64 // of its only partition
}

const hostileSectors = 131072

func primary() gpt {
	return gpt{at: 1, mine: 1, other: hostileSectors - 1, entries: 2, count: 128, size: 128, first: 2048, last: 4095}
}

func backup() gpt {
	return gpt{at: hostileSectors - 1, mine: hostileSectors - 1, other: 1, entries: hostileSectors - 33, count: 128, size: 128, first: 2048, last: 4095}
}

func (g gpt) put(m image) {
	list := make([]byte, min(uint64(g.count)*uint64(g.size), 32*Sector)) // more would lie on the header
	le := binary.LittleEndian
	if len(list) >= gptEntryLeast {
		copy(list, vmfsGUID)
		list[16] = 1
		le.PutUint64(list[32:], g.first)
		le.PutUint64(list[40:], g.last)
	}
	if g.entries < 1<<53 {
		m.pieces[int64(g.entries)*Sector] = list
	}
	h := make([]byte, Sector)
	copy(h, gptMagic)
	le.PutUint32(h[8:], 0x10000)
	le.PutUint32(h[12:], gptLength)
	for at, v := range map[int]uint64{24: g.mine, 32: g.other, 40: 34, 48: hostileSectors - 34, 72: g.entries} {
		le.PutUint64(h[at:], v)
	}
	le.PutUint32(h[80:], g.count)
	le.PutUint32(h[84:], g.size)
	le.PutUint32(h[88:], crc32.ChecksumIEEE(list))
	le.PutUint32(h[16:], crc32.ChecksumIEEE(h[:gptLength]))
	m.pieces[int64(g.at)*Sector] = h
}

// hostile is a device with these copies and a protective master boot record.
func hostile(copies ...gpt) image {
	m := image{size: hostileSectors * Sector, pieces: map[int64][]byte{}}
	mbr := make([]byte, Sector)
	mbr[mbrEntries+4], mbr[mbrEntries+8], mbr[mbrEntries+12], mbr[510], mbr[511] = mbrProtective, 1, 0xff, 0x55, 0xaa
	m.pieces[0] = mbr
	for _, g := range copies {
		g.put(m)
	}
	return m
}

// One copy that is nonsense with right CRCs does not keep the other from being read, and what was read can be saved and put back.
func TestNonsenseInOneCopyOfAGPT(t *testing.T) {
	for name, change := range map[string]func(g *gpt){
		"more entries than there are partitions in the world": func(g *gpt) { g.count, g.size = 1024, 4096 },
		"a length that overflows":                             func(g *gpt) { g.count, g.size = 1<<25+1, 128 },
		"entries behind the end":                              func(g *gpt) { g.entries = hostileSectors + 5 },
		"entries behind the end of numbers":                   func(g *gpt) { g.entries = 1<<64 - 1 },
		"no entries":                                          func(g *gpt) { g.count = 0 },
		"short entries":                                       func(g *gpt) { g.size = 64 },
		"a partition that ends before it begins":              func(g *gpt) { g.first, g.last = 9, 8 },
		"a partition behind the end of numbers":               func(g *gpt) { g.last = 1<<64 - 1 },
		"it lies elsewhere, by its own words":                 func(g *gpt) { g.mine = 7 },
	} {
		for half, copies := range map[string]func() []gpt{
			"primary": func() []gpt { g := primary(); change(&g); return []gpt{backup(), g} },
			"backup":  func() []gpt { g := backup(); change(&g); return []gpt{primary(), g} },
		} {
			m := hostile(copies()...)
			table, err := ReadTable(remoteOf(t, m), m.size)
			require.NoError(t, err, "%s, %s", half, name)
			require.Equal(t, []Partition{{Number: 1, Type: vmfsGUIDText, VMFS: true, First: 2048, Last: 4095}}, table.Partitions, "%s, %s", half, name)
			require.Len(t, table.Problems, 1, "%s, %s", half, name)
			require.Contains(t, table.Problems[0], half+": the GPT is damaged", name)
			requireSaved(t, m, table)
		}
		p, b := primary(), backup()
		change(&p)
		change(&b)
		m := hostile(p, b)
		_, err := ReadTable(remoteOf(t, m), m.size)
		require.ErrorAs(t, err, new(*DamagedError), name)
	}
}

// remoteOf reads it as over SSH: no more than may be fetched.
func remoteOf(t *testing.T, m image) *Remote {
	t.Helper()
	return NewRemote(t.Context(), &here{t: t}, m.size, InspectMost, Dd(m.file(t)))
}

// requireSaved has the table saved and read back, and put back where it was.
func requireSaved(t *testing.T, m image, table Table) {
	t.Helper()
	b := Backup{Size: m.size}
	b.Describe(Volume{Table: table})
	var out bytes.Buffer
	_, err := WriteBackup(&out, m, b)
	require.NoError(t, err)
	_, sectors, err := ReadBackup(&out)
	require.NoError(t, err)
	places, err := Places(sectors, m.size)
	require.NoError(t, err)
	again, err := ReadTable(With(m, places), m.size)
	require.NoError(t, err)
	require.Equal(t, table.Problems, again.Problems)
	require.True(t, reflect.DeepEqual(table, again))
}

// Copies that lead to each other in a circle, or lie on each other.
func TestCopiesOfAGPTThatAreOne(t *testing.T) {
	for name, c := range map[string]struct {
		copies  []gpt
		problem string
	}{
		"the primary is its own backup":          {[]gpt{{at: 1, mine: 1, other: 1, entries: 2, count: 128, size: 128, first: 2048, last: 4095}}, "backup: "},
		"the backup's entries are the primary's": {[]gpt{primary(), func() gpt { g := backup(); g.entries = 2; return g }()}, "backup: "},
		"the backup is in the primary's entries": {[]gpt{func() gpt { g := primary(); g.other = 5; return g }()}, "backup: "},
	} {
		m := hostile(c.copies...)
		table, err := ReadTable(m, m.size)
		require.NoError(t, err, name)
		require.Len(t, table.Partitions, 1, name)
		require.NotEmpty(t, table.Problems, name)
		require.Contains(t, table.Problems[0], c.problem, name)
		requireSaved(t, m, table)
	}
}

// Tables of other lengths than usual are saved in whole sectors.
func TestShortTablesOfAGPT(t *testing.T) {
	for _, count := range []uint32{1, 3, 4, 5, 128} {
		p, b := primary(), backup()
		p.count, b.count = count, count
		m := hostile(p, b)
		table, err := ReadTable(m, m.size)
		require.NoError(t, err)
		require.Empty(t, table.Problems)
		require.Len(t, table.Partitions, 1)
		requireSaved(t, m, table)
	}
}

// Whatever numbers an LVM header has: an error or a volume, and no more is read than may be.
func TestHostileLVMHeaders(t *testing.T) {
	m := document(t)
	const lvm = 128*Sector + LVMOffset
	for at := range deviceLength {
		for _, fill := range []byte{0, 0x7f, 0x80, 0xff} {
			header := bytes.Clone(m.pieces[lvm])
			for i := at; i < min(at+8, deviceLength); i++ {
				header[i] = fill
			}
			c := image{size: m.size, pieces: map[int64][]byte{}}
			for from, b := range m.pieces {
				c.pieces[from] = b
			}
			c.pieces[lvm] = header
			v, err := Inspect(bounded{c, InspectMost}, c.size)
			require.NotErrorIs(t, err, fault.Invalid, "byte %d", at)
			if err != nil {
				continue
			}
			b := Backup{Size: c.size}
			b.Describe(v)
			total := int64(0)
			for _, p := range b.Pieces {
				require.GreaterOrEqual(t, p.Offset, int64(0))
				require.LessOrEqual(t, p.Offset+p.Length, c.size)
				total += p.Length
			}
			require.Less(t, total, int64(BackupMost))
			require.NoError(t, Hexdump(&bytes.Buffer{}, c, v))
		}
	}
}

// bounded refuses to read more at once than is ever needed.
type bounded struct {
	image
	most int
}

func (b bounded) ReadAt(p []byte, at int64) (int, error) {
	if len(p) > b.most || at < 0 {
		return 0, fault.Invalid
	}
	return b.image.ReadAt(p, at)
}
