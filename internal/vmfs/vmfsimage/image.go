// Package vmfsimage writes the beginning of a VMFS volume: the bytes of a real one of VMFS3, with another identity and name; on
// request as VMFS5 or VMFS6, with as much metadata as vmfs-tools and vmfs6-tools need to open it. It is for tests and the
// simulated lab; what it writes proves nothing about VMFS.
package vmfsimage

import (
	_ "embed"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	"nightshift/internal/vmfs"
)

// The dumps of the volume in Mike La Spina's "Understanding VMFS volumes" (2009), as lines of an offset and hexadecimal digits.
var (
	//go:embed lvm.hex
	lvmDump string
	//go:embed vh.sf.hex
	fsDump string
)

// Where things are on the device, in bytes.
const (
	// First is the sector of the partition.
	First      = 128
	lvmAt      = First*vmfs.Sector + vmfs.LVMOffset
	fsOffset   = 0x200000 // of its descriptor in the file system
	fsAt       = First*vmfs.Sector + 0x1100000 + fsOffset
	identityAt = 0x0c // in the LVM header
	uuidAt     = 0x09 // in the descriptor of the file system
	labelAt    = 0x1d
	labelMost  = 0x80

	tableAt     = vmfs.Sector // of the LVM's volumes, behind its header; since VMFS6 behind a page
	alignment   = 0x1000      // of the metadata, since VMFS6
	alignmentAt = 0xca        // in the LVM header
	// Leaves room for the descriptor of the file system and the metadata.
	least = fsAt + 16<<20
)

// A Volume is what is other than in the dumps.
type Volume struct {
	Label string
	UUID  vmfs.UUID // of the datastore
	// LUN is the logical unit on which it was made.
	LUN vmfs.LU
	// Size is that of the device in bytes; the partition goes to its end.
	Size int64
	// Version of VMFS, with the metadata that other programs need to open it: 3, 5 or 6. 0: VMFS3 without.
	Version int
}

// Write writes the volume with a master boot record: some pieces; whatever else is on the device stays.
func Write(w io.WriterAt, v Volume) error {
	l, metadata := layouts[v.Version]
	switch {
	case len(v.Label) >= labelMost || v.Size < fsAt+1<<20 || metadata && v.Size < least:
		return fmt.Errorf("no volume %q fits on %d bytes", v.Label, v.Size)
	case !metadata && v.Version != 0:
		return fmt.Errorf("no volume of VMFS%d can be written: 3, 5 and 6 are known", v.Version)
	}
	lvm, err := undump(lvmDump)
	if err != nil {
		return err
	}
	fs, err := undump(fsDump)
	if err != nil {
		return err
	}
	id := v.LUN.DiskID()
	clear(lvm[identityAt : identityAt+78])
	lvm[identityAt], lvm[identityAt+1], lvm[identityAt+4], lvm[identityAt+5] = id.Type, id.Length, id.DeviceType, 6
	binary.LittleEndian.PutUint16(lvm[identityAt+2:], id.LUN)
	copy(lvm[identityAt+6:], fmt.Sprintf("%-8.8s%-16.16s1.0 ", v.LUN.Vendor, v.LUN.Product))
	copy(lvm[identityAt+34:], id.Identity)
	copy(fs[uuidAt:], v.UUID[:])
	clear(fs[labelAt : labelAt+labelMost])
	copy(fs[labelAt:], v.Label)
	if metadata {
		lvm = upgrade(lvm, fs, v.Version)
		if err := writeMetadata(w, fsAt-fsOffset, l); err != nil {
			return err
		}
	}
	_, err1 := w.WriteAt(MBR(v.Size), 0)
	_, err2 := w.WriteAt(lvm, lvmAt)
	_, err3 := w.WriteAt(fs, fsAt)
	return errors.Join(err1, err2, err3)
}

// upgrade gives the LVM header (which it returns) and the descriptor of the file system the numbers that ESXi gave later ones.
func upgrade(lvm, fs []byte, version int) []byte {
	if version == 3 {
		return lvm
	}
	le := binary.LittleEndian
	le.PutUint32(lvm[0x04:], uint32(version))
	le.PutUint32(lvm[0x08:], 21)
	if version == 5 {
		le.PutUint32(fs[0x04:], 14)
		fs[0x08] = 81
		return lvm
	}
	le.PutUint32(fs[0x04:], 24)
	fs[0x08] = 82
	b := make([]byte, alignment, alignment+vmfs.Sector)
	copy(b, lvm[:tableAt])
	le.PutUint32(b[alignmentAt:], alignment)
	return append(b, lvm[tableAt:]...)
}

// MBR is the first sector of a device of so many bytes with one partition for VMFS.
func MBR(size int64) []byte {
	b := make([]byte, vmfs.Sector)
	e := b[446:]
	copy(e, []byte{0, 2, 3, 0, 0xfb, 0xfe, 0xff, 0xff})
	binary.LittleEndian.PutUint32(e[8:], First)
	binary.LittleEndian.PutUint32(e[12:], uint32(min(size/vmfs.Sector-First, 1<<32-1)))
	b[510], b[511] = 0x55, 0xaa
	return b
}

// undump reads `hexdump -C` without its right column.
func undump(text string) ([]byte, error) {
	var out []byte
	start := int64(-1)
	repeat := false
	for line := range strings.Lines(strings.TrimSpace(text)) {
		line = strings.TrimSpace(line)
		if line == "*" {
			repeat = true
			continue
		}
		at, digits, _ := strings.Cut(line, "  ")
		var offset int64
		if _, err := fmt.Sscanf(at, "%x", &offset); err != nil {
			return nil, err
		}
		b, err := hex.DecodeString(strings.ReplaceAll(digits, " ", ""))
		if err != nil {
			return nil, err
		}
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
	if len(out) < vmfs.Sector {
		out = append(out, make([]byte, vmfs.Sector-len(out))...)
	}
	return out, nil
}
