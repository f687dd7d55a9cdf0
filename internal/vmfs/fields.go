package vmfs

import (
	"encoding/binary"
	"fmt"
	"time"
)

// What fields say. All numbers are little-endian.

func number(b []byte) string { return fmt.Sprint(unsigned(b)) }

func hexNumber(b []byte) string { return fmt.Sprintf("%0*x", 2*len(b), unsigned(b)) }

func unsigned(b []byte) uint64 {
	var whole [8]byte
	copy(whole[:], b)
	return binary.LittleEndian.Uint64(whole[:])
}

func quotedText(b []byte) string { return fmt.Sprintf("%q", text(b)) }

func uuidText(b []byte) string {
	u := UUID(b)
	if u.IsZero() {
		return "none"
	}
	return fmt.Sprintf("%s, made by the host with the MAC %s", u, u.Host())
}

func moment(b []byte) string {
	t := microseconds(unsigned(b))
	if t.IsZero() {
		return "none"
	}
	return t.Format(time.RFC3339)
}

func second(b []byte) string {
	if n := unsigned(b); n > 0 && n < 1<<40 {
		return time.Unix(int64(n), 0).UTC().Format(time.RFC3339)
	}
	return "none"
}

func bytesText(b []byte) string { return fmt.Sprintf("%d bytes", unsigned(b)) }

func guidOf(b []byte) string { return guidText(b) }

func mbrFields() []field {
	list := []field{{0, 440, "boot code", nil}, {440, 4, "signature of the disk", hexNumber}}
	for i := range 4 {
		list = append(list, field{mbrEntries + 16*i, 16, fmt.Sprintf("partition entry %d", i+1), func(b []byte) string {
			if b[4] == 0 {
				return "empty"
			}
			le := binary.LittleEndian
			return fmt.Sprintf("type %02x, first sector %d, %d sectors", b[4], le.Uint32(b[8:]), le.Uint32(b[12:]))
		}})
	}
	return append(list, field{510, 2, "signature", nil})
}

func gptFields() []field {
	return []field{{0, 8, "magic", quotedText}, {8, 4, "revision", hexNumber}, {12, 4, "length of the header", bytesText}, {16, 4, "CRC of the header", hexNumber},
		{24, 8, "sector of this header", number}, {32, 8, "sector of the other header", number}, {40, 8, "first usable sector", number},
		{48, 8, "last usable sector", number}, {56, 16, "GUID of the disk", guidOf}, {72, 8, "sector of the entries", number},
		{80, 4, "number of entries", number}, {84, 4, "length of an entry", bytesText}, {88, 4, "CRC of the entries", hexNumber}}
}

func gptEntryFields() []field {
	return []field{{0, 16, "type", func(b []byte) string {
		if s := guidText(b); s == vmfsGUIDText {
			return s + ", VMFS"
		}
		return guidText(b)
	}}, {16, 16, "GUID of the partition", guidOf}, {32, 8, "first sector", number}, {40, 8, "last sector", number}, {48, 8, "attributes", hexNumber},
		{56, 72, "name", func(b []byte) string { return fmt.Sprintf("%q", utf16Name(b)) }}}
}

// lvmFields are those of the device; the LUN's identity in it is SCSI_DiskId (diskid.go), which d is.
func lvmFields(d DiskID) []field {
	const id = 0x0c
	return []field{{0x00, 4, "magic", hexNumber}, {0x04, 4, "LVM version", number}, {0x08, 4, "minor version", number},
		{id, 1, "LUN: type of the identity", func(b []byte) string {
			if b[0] == 2 {
				return "2, of INQUIRY page 0x83"
			}
			return number(b)
		}}, {id + 1, 1, "LUN: length of the identity", bytesText}, {id + 2, 2, "LUN: number", number},
		{id + 4, 1, "LUN: device type", func(b []byte) string {
			if b[0] == 0 {
				return "0, a disk"
			}
			return number(b)
		}}, {id + 5, 1, "LUN: SCSI level", number}, {id + 6, 8, "LUN: vendor", quotedText}, {id + 14, 16, "LUN: product", quotedText},
		{id + 30, 4, "LUN: revision", quotedText},
		{id + 34, identityLength, "LUN: identity", func([]byte) string {
			if naa := d.NAA(); naa != "" {
				return naa + " and the product's " + quoted(d)
			}
			return d.Name()
		}},
		{0x5a, 4, "length of a block", bytesText}, {0x5e, 8, "size of the device", bytesText}, {0x66, 4, "volumes", number},
		{0x6a, 4, "physical extents, up to VMFS5", number}, {0x6e, 4, "last physical extent, up to VMFS5", number}, {0x72, 8, "generation", number},
		{0x7a, 8, "the volume begins in the partition at", hexNumber}, {0x82, 16, "UUID of the extent", uuidText}, {0x92, 8, "made", moment},
		{0x9a, 8, "changed", moment}, {0xca, 4, "alignment of the metadata", bytesText}, {0xce, 4, "physical extents, since VMFS6", number}}
}

func entryFields() []field {
	return []field{{0x00, 8, "size of the volume", bytesText}, {0x08, 8, "generation", number}, {0x10, 4, "state", number},
		{0x14, 0x40, "UUID of the volume, as text", quotedText}, {0x54, 16, "UUID of the volume", uuidText}, {0x64, 4, "snapshot number", number},
		{0x68, 8, "made", moment}, {0x74, 4, "physical extents here", number}, {0x78, 8, "first physical extent here", number},
		{0x80, 8, "last physical extent here", number}, {0x88, 8, "changed", moment}, {0x90, 4, "devices of the volume", number}}
}

func fsFields() []field {
	return []field{{0x00, 4, "magic", hexNumber}, {0x04, 4, "version", number}, {0x08, 1, "minor version", number}, {0x09, 16, "UUID of the datastore", uuidText},
		{0x19, 4, "flags", hexNumber}, {0x1d, 0x80, "label", quotedText}, {0x9d, 4, "length of a block of the device", bytesText},
		{0xa1, 8, "length of a block", bytesText}, {0xa9, 4, "made", second}, {0xad, 4, "snapshot number", number},
		{0xb1, 0x20, "UUID of the volume", func(b []byte) string { return volumeOf(b).String() }}, {0xd9, 4, "length of a sub-block", bytesText},
		{0xed, 16, "UUID of the host that made it", func(b []byte) string { return UUID(b).String() }}, {0x130, 4, "length of a physical block, since VMFS6", bytesText},
		{0x134, 4, "alignment of the metadata, since VMFS6", bytesText}}
}
