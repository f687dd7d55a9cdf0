package vmfs

import (
	"encoding/binary"
	"time"
)

// Magic numbers of the file system's descriptor: 5e f1 ab 2f and its followers.
const (
	magicVMFS   = 0x2fabf15e
	magicVMFSL  = 0x2fabf15f // local: not shared between hosts
	magicVMFS6  = 0x2fabf160
	magicVMFS6L = 0x2fabf161
)

// A FileSystem is the descriptor of the file system: the beginning of its hidden file .vh.sf.
type FileSystem struct {
	Major     uint32 // 4 in VMFS3, 14 in VMFS5, 24 in VMFS6
	Minor     byte
	Local     bool // VMFS-L: of one host only
	UUID      UUID // of the datastore: /vmfs/volumes/UUID
	Label     string
	BlockSize uint64 // in bytes
	Made      time.Time
	Snapshot  uint32 // as in the LVM header
	// Volume is the UUID of the LVM's volume on which it was made: as Header.Volume.
	Volume UUID
}

// ParseFileSystem reads the first 0x200 bytes of a descriptor. Errors: ErrNoVMFS, *DamagedError.
func ParseFileSystem(b []byte) (FileSystem, error) {
	le := binary.LittleEndian
	if len(b) < fsLength {
		return FileSystem{}, damaged("descriptor of the file system", "it has %d bytes, %d are needed", len(b), fsLength)
	}
	f := FileSystem{Major: le.Uint32(b[0x04:]), Minor: b[0x08], UUID: UUID(b[0x09:0x19]), Label: text(b[0x1d:0x9d]), BlockSize: le.Uint64(b[0xa1:]),
		Snapshot: le.Uint32(b[0xad:])}
	switch magic := le.Uint32(b); magic {
	case magicVMFS, magicVMFS6:
	case magicVMFSL, magicVMFS6L:
		f.Local = true
	default:
		return FileSystem{}, noVMFS("the descriptor of the file system begins with %08x", magic)
	}
	if f.UUID.IsZero() {
		return f, damaged("descriptor of the file system", "it has no UUID")
	}
	if f.BlockSize == 0 || f.BlockSize&(f.BlockSize-1) != 0 || f.BlockSize > 1<<30 {
		return f, damaged("descriptor of the file system", "its blocks would have %d bytes", f.BlockSize)
	}
	if s := le.Uint32(b[0xa9:]); s != 0 {
		f.Made = time.Unix(int64(s), 0).UTC()
	}
	f.Volume = volumeOf(b[0xb1:0xd1])
	return f, nil
}

// volumeOf reads the volume's id: its UUID in every volume seen, of VMFS3, 5 and 6; or a UUID as text, as the field has room for it.
func volumeOf(b []byte) UUID {
	if u, err := ParseUUID(text(b)); err == nil {
		return u
	}
	return UUID(b[:16])
}

// Version is the version as ESXi tells it, "3.31".
func (f FileSystem) Version() string {
	switch f.Major {
	case 4:
		return version(3, f.Minor)
	case 14:
		return version(5, f.Minor)
	case 24:
		return version(6, f.Minor)
	}
	return version(f.Major, f.Minor)
}
