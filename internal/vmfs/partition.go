package vmfs

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"strings"
)

// Schemes of partition tables.
const (
	SchemeNone = "none" // the image is a partition itself
	SchemeMBR  = "MBR"
	SchemeGPT  = "GPT"
)

// Sector is the size of a block that tables count in. LUNs with blocks of 4,096 bytes have no VMFS before ESXi 8.
const Sector = 512

const (
	mbrVMFS       = 0xfb // partition type of VMFS
	mbrProtective = 0xee // partition type of the whole disk, where there is a GPT
	mbrEntries    = 446
	gptLength     = 92 // of a GPT header that is known (UEFI 2.10, §5.3.2)
	gptEntryLeast = 128
	gptMaxLength  = 1024 * gptEntryLeast // of all entries; 128 of them are usual
	gptMagic      = "EFI PART"
)

// vmfsGUIDText is the partition type of VMFS, and vmfsGUID the same as it lies on disk.
const vmfsGUIDText = "AA31E02A-400F-11DB-9590-000C2911D1B8"

var vmfsGUID = []byte{0x2a, 0xe0, 0x31, 0xaa, 0x0f, 0x40, 0xdb, 0x11, 0x95, 0x90, 0x00, 0x0c, 0x29, 0x11, 0xd1, 0xb8}

// A Table is the partition table of a device.
type Table struct {
	Scheme     string
	Partitions []Partition
	// Problems are what is wrong with it while it can still be read: a damaged primary GPT whose backup is whole, the reverse, or
	// a backup that is not where the device ends (it was grown).
	Problems []string
	// Sectors are the raw sectors that it was read from, for a backup of them.
	Sectors []Extent
	// Entries are where the entries of a GPT are that are used, in the copy that was read.
	Entries []Entry
}

// An Entry of a GPT: the number of its partition, and where it is, in bytes.
type Entry struct {
	Number int
	Offset int64
}

// An Extent is some bytes of a device.
type Extent struct {
	Offset int64
	Bytes  []byte
}

// A Partition of a device, in sectors; Last is part of it.
type Partition struct {
	Number      int
	Type        string // "fb", or a GUID
	VMFS        bool
	First, Last uint64
	Name        string // GPT
}

// Offset is where it begins, in bytes.
func (p Partition) Offset() int64 { return int64(p.First) * Sector }

// maxSector keeps offsets in bytes within an int64.
const maxSector = 1 << 53

// ReadTable reads the partition table of a device of size bytes; 0: not known, then no backup is looked for.
func ReadTable(r io.ReaderAt, size int64) (Table, error) {
	first, err := read(r, 0, Sector)
	if err != nil {
		return Table{}, fmt.Errorf("read the first sector: %w", err)
	}
	if first[510] != 0x55 || first[511] != 0xaa {
		return Table{Scheme: SchemeNone}, nil
	}
	t := Table{Scheme: SchemeMBR, Sectors: []Extent{{0, first}}}
	for i := range 4 {
		e := first[mbrEntries+16*i:][:16]
		start, count := uint64(binary.LittleEndian.Uint32(e[8:])), uint64(binary.LittleEndian.Uint32(e[12:]))
		switch {
		case e[4] == mbrProtective:
			return readGPT(r, size, t)
		case e[4] == 0 || count == 0:
			continue
		}
		t.Partitions = append(t.Partitions, Partition{Number: i + 1, Type: fmt.Sprintf("%02x", e[4]), VMFS: e[4] == mbrVMFS, First: start, Last: start + count - 1})
	}
	return t, nil
}

// readGPT reads the primary table, and the backup where that is damaged; both are kept.
func readGPT(r io.ReaderAt, size int64, t Table) (Table, error) {
	t.Scheme = SchemeGPT
	primary, err := readHalf(r, Sector)
	if err != nil && !errors.As(err, new(*DamagedError)) {
		return t, err
	}
	if err != nil {
		t.Problems = append(t.Problems, "primary: "+err.Error())
	} else {
		t.Partitions, t.Entries, t.Sectors = primary.partitions, primary.used, append(t.Sectors, primary.sectors...)
	}
	at := int64(primary.other) * Sector
	last := size/Sector*Sector - Sector
	if err != nil || at == 0 {
		at = last
	}
	if size <= 0 {
		if err != nil {
			return t, fmt.Errorf("%w (the backup was not looked for, as the size of the device is not known)", err)
		}
		return t, nil
	}
	if at != last {
		t.Problems = append(t.Problems, fmt.Sprintf("backup: it is at byte %d, and the device ends %d bytes behind it: it was grown, or is not whole", at, last-at))
	}
	backup, backupErr := readHalf(r, at)
	if backupErr == nil && overlap(append(slices.Clone(t.Sectors), backup.sectors...)) {
		backupErr = damaged("GPT", "the copy at byte %d lies on the other one", at)
	}
	switch {
	case backupErr != nil && err != nil:
		return t, errors.Join(err, backupErr)
	case backupErr != nil:
		t.Problems = append(t.Problems, "backup: "+backupErr.Error())
		return t, nil //nolint:nilerr // the primary is whole: that is no failure, but told
	}
	t.Sectors = append(t.Sectors, backup.sectors...)
	switch {
	case err != nil:
		t.Partitions, t.Entries = backup.partitions, backup.used
	case !bytes.Equal(primary.entries, backup.entries):
		t.Problems = append(t.Problems, "the primary and the backup name other partitions")
	}
	return t, nil
}

// A half is one of the two copies of a GPT.
type half struct {
	other      uint64 // sector of the other copy's header
	entries    []byte
	partitions []Partition
	used       []Entry
	sectors    []Extent
}

// overlap tells whether any two of them have bytes in common.
func overlap(list []Extent) bool {
	slices.SortFunc(list, func(a, b Extent) int { return cmp.Compare(a.Offset, b.Offset) })
	for i := range list[1:] {
		if list[i].Offset+int64(len(list[i].Bytes)) > list[i+1].Offset {
			return true
		}
	}
	return false
}

// readHalf reads the copy whose header is at the byte, and checks both of its CRCs (UEFI 2.10, §5.3.2).
func readHalf(r io.ReaderAt, at int64) (half, error) {
	b, err := read(r, at, Sector)
	if err != nil {
		return half{}, fmt.Errorf("read the GPT: %w", err)
	}
	le := binary.LittleEndian
	if string(b[:8]) != gptMagic {
		return half{}, damaged("GPT", "no header at byte %d", at)
	}
	length := le.Uint32(b[12:])
	if length < gptLength || length > Sector {
		return half{}, damaged("GPT", "its header would have %d bytes", length)
	}
	head := bytes.Clone(b[:length])
	le.PutUint32(head[16:], 0)
	if sum := crc32.ChecksumIEEE(head); sum != le.Uint32(b[16:]) {
		return half{}, damaged("GPT", "the header at byte %d has the CRC %08x, and says %08x", at, sum, le.Uint32(b[16:]))
	}
	h := half{other: le.Uint64(b[32:])}
	mine, table, count, size := le.Uint64(b[24:]), le.Uint64(b[72:]), le.Uint32(b[80:]), le.Uint32(b[84:])
	whole := (uint64(count)*uint64(size) + Sector - 1) / Sector * Sector
	switch {
	case mine != uint64(at/Sector):
		return half{}, damaged("GPT", "the header in sector %d says that it is in sector %d", at/Sector, mine)
	case h.other > maxSector || table > maxSector || count == 0 || size < gptEntryLeast || whole > gptMaxLength || table < 2 || table <= mine && mine < table+whole/Sector:
		return half{}, damaged("GPT", "%d entries of %d bytes at sector %d", count, size, table)
	}
	sectors, err := read(r, int64(table)*Sector, int(whole))
	switch {
	case errors.Is(err, ErrEnd):
		return half{}, damaged("GPT", "%d entries of %d bytes at sector %d: %v", count, size, table, err)
	case err != nil:
		return half{}, fmt.Errorf("read the GPT's entries: %w", err)
	}
	h.entries = sectors[:count*size]
	if sum := crc32.ChecksumIEEE(h.entries); sum != le.Uint32(b[88:]) {
		return half{}, damaged("GPT", "the entries have the CRC %08x, the header says %08x", sum, le.Uint32(b[88:]))
	}
	h.sectors = []Extent{{at, b}, {int64(table) * Sector, sectors}}
	for i := range int(count) {
		e := h.entries[i*int(size):][:gptEntryLeast]
		if bytes.Equal(e[:16], make([]byte, 16)) {
			continue
		}
		p := Partition{Number: i + 1, Type: guidText(e[:16]), VMFS: bytes.Equal(e[:16], vmfsGUID), First: le.Uint64(e[32:]), Last: le.Uint64(e[40:]), Name: utf16Name(e[56:128])}
		if p.First > p.Last || p.Last > maxSector {
			return half{}, damaged("GPT", "partition %d would be from sector %d to %d", p.Number, p.First, p.Last)
		}
		h.partitions = append(h.partitions, p)
		h.used = append(h.used, Entry{p.Number, int64(table)*Sector + int64(i)*int64(size)})
	}
	return h, nil
}

// guidText is a GUID as people write it: its first three fields are little-endian on disk (UEFI 2.10, appendix A).
func guidText(b []byte) string {
	x := []byte{b[3], b[2], b[1], b[0], b[5], b[4], b[7], b[6]}
	s := strings.ToUpper(hex.EncodeToString(append(x, b[8:16]...)))
	return s[0:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

// utf16Name is the ASCII part of a name; anything else is shown as a question mark.
func utf16Name(b []byte) string {
	var s strings.Builder
	for i := 0; i+1 < len(b); i += 2 {
		switch c := binary.LittleEndian.Uint16(b[i:]); {
		case c == 0:
			return s.String()
		case c < 0x20 || c > 0x7e:
			s.WriteByte('?')
		default:
			s.WriteByte(byte(c))
		}
	}
	return s.String()
}
