package vmfs

import (
	"encoding/binary"
	"fmt"
	"io"
	"time"
)

// The LVM header: 512 bytes about the device, and behind them, or behind as many as the metadata is aligned to since VMFS6, a
// table of volumes of 512 bytes each, of which ESXi uses the first.
const (
	lvmMagic     = 0xc001d00d // 0d d0 01 c0
	lvm6         = 6
	deviceLength = 0x200
	entryLength  = 0x200
	maxAlignment = 1 << 20
)

// A Header is the LVM header of one extent (one device) of a volume, with the entry of the volume that it belongs to.
type Header struct {
	Major      uint32 // of the LVM: 3 (VMFS3), 5 (VMFS5), 6 (VMFS6)
	Minor      uint32
	Disk       DiskID
	BlockSize  uint32 // of the device, in bytes
	DeviceSize uint64 // in bytes, as told when the extent was made or grown
	Device     UUID   // of the extent
	Made       time.Time
	Changed    time.Time
	DataOffset int64 // of the volume in the partition, in bytes

	VolumeSize  uint64 // in bytes, over all extents
	Volume      UUID   // of the logical volume; not that of the file system
	Snapshot    uint32 // number of the snapshot: 1 in every volume seen, none of which was resignatured
	Devices     uint32 // extents of the volume
	FirstExtent uint64 // number of the first physical extent here: 0 on the first device

	alignment uint32
}

// readHeader reads the header of the extent in the partition that begins at base.
func readHeader(r io.ReaderAt, base int64) (Header, error) {
	b, err := read(r, base+LVMOffset, deviceLength)
	if err != nil {
		return Header{}, fmt.Errorf("read the LVM header: %w", err)
	}
	h, err := parseDevice(b)
	if err != nil {
		return h, err
	}
	if b, err = read(r, base+LVMOffset+h.tableOffset(), entryLength); err != nil {
		return h, fmt.Errorf("read the LVM's table of volumes: %w", err)
	}
	return h, h.parseEntry(b)
}

func (h Header) tableOffset() int64 {
	if h.Major == lvm6 {
		return int64(h.alignment)
	}
	return deviceLength
}

func parseDevice(b []byte) (Header, error) {
	le := binary.LittleEndian
	if magic := le.Uint32(b); magic != lvmMagic {
		return Header{}, noVMFS("the LVM header begins with %08x, not with %08x", magic, uint32(lvmMagic))
	}
	h := Header{Major: le.Uint32(b[0x04:]), Minor: le.Uint32(b[0x08:]), BlockSize: le.Uint32(b[0x5a:]), DeviceSize: le.Uint64(b[0x5e:]),
		Device: UUID(b[0x82:0x92]), Made: microseconds(le.Uint64(b[0x92:])), Changed: microseconds(le.Uint64(b[0x9a:])), alignment: le.Uint32(b[0xca:])}
	var err error
	if h.Disk, err = parseDiskID(b[0x0c : 0x0c+diskIDLength]); err != nil {
		return h, err
	}
	if h.Major < 3 || h.Major > lvm6 {
		return h, damaged("LVM header", "version %d; 3 to %d are known", h.Major, lvm6)
	}
	if a := h.alignment; h.Major == lvm6 && (a < deviceLength || a > maxAlignment || a%deviceLength != 0) {
		return h, damaged("LVM header", "its metadata would be aligned to %d bytes", a)
	}
	offset := le.Uint64(b[0x7a:])
	if offset < LVMOffset || offset > maxDataOffset || offset%deviceLength != 0 {
		return h, damaged("LVM header", "the volume would begin at byte %d of the partition", offset)
	}
	h.DataOffset = int64(offset)
	return h, nil
}

func (h *Header) parseEntry(b []byte) error {
	le := binary.LittleEndian
	h.VolumeSize, h.Volume = le.Uint64(b), UUID(b[0x54:0x64])
	h.Snapshot, h.FirstExtent, h.Devices = le.Uint32(b[0x64:]), le.Uint64(b[0x78:]), le.Uint32(b[0x90:])
	if name := text(b[0x14:0x54]); name != "" && name != h.Volume.String() {
		return damaged("LVM header", "the volume is %s in one place and %q in another", h.Volume, name)
	}
	return nil
}
