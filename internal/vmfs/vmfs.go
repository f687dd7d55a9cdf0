// Package vmfs reads what a VMFS volume says of itself: its partition entry, the LVM header that binds the volume to one
// LUN, and the file system's descriptor. It reads a few sectors of any block device or image, and never writes.
//
// VMFS is not documented by its maker. Sources: the hexdumps of a VMFS3 volume in Mike La Spina's "Understanding VMFS
// volumes" (2009), and those of an ESXi 5 in Jarret Lavallee's "Recreating VMFS Partitions using Hexdump" (2012), which are
// fixtures; the structures that vmfs-tools (Fillot, Hommey) and dissect.vmfs (Fox-IT) found in VMFS3 to VMFS6 and in the
// symbols of ESXi. docs/vmfs.md has what was compared with what. All numbers are little-endian.
//
// It knows no device client: whoever calls it says where the bytes come from.
package vmfs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// Where things are, in bytes.
const (
	LVMOffset     = 0x100000 // of the LVM header in the partition
	fsOffset      = 0x200000 // of the file system's descriptor in the volume
	fsLength      = 0x200
	maxDataOffset = 1 << 40 // more is no offset but rubbish
)

// ErrNoVMFS says that there is no VMFS where it was looked for.
var ErrNoVMFS = errors.New("no VMFS")

// ErrEnd says that the device ends before what was to be read.
var ErrEnd = errors.New("the device ends")

// A Volume is what one extent of a VMFS volume says.
type Volume struct {
	Table     Table     // of the device; Scheme none where the image is a partition itself
	Partition Partition // that holds the volume
	LVM       Header
	// FileSystem is nil on an extent other than the first: only that one holds it.
	FileSystem *FileSystem
}

// Inspect reads the volume on a whole device, or in a single partition. size is that of the device in bytes; 0: not known, then
// the backup of a GPT is not read. Errors: ErrNoVMFS, ErrEnd, *DamagedError, or those of the reader.
func Inspect(r io.ReaderAt, size int64) (Volume, error) {
	table, err := ReadTable(r, size)
	if err != nil {
		return Volume{}, err
	}
	v := Volume{Table: table}
	for _, p := range table.Partitions {
		if p.VMFS {
			v.Partition = p
			break
		}
	}
	if table.Scheme != SchemeNone && !v.Partition.VMFS {
		return v, fmt.Errorf("%w: the partition table (%s) has no partition of the type VMFS", ErrNoVMFS, table.Scheme)
	}
	base := v.Partition.Offset()
	if v.LVM, err = readHeader(r, base); err != nil || v.LVM.FirstExtent != 0 {
		return v, err
	}
	b, err := read(r, base+v.LVM.DataOffset+fsOffset, fsLength)
	if err != nil {
		return v, fmt.Errorf("read the descriptor of the file system: %w", err)
	}
	fs, err := ParseFileSystem(b)
	if err != nil {
		return v, err
	}
	v.FileSystem = &fs
	return v, nil
}

// A DamagedError says what does not fit in a structure that is there.
type DamagedError struct {
	What string // "LVM header"
	Why  string
}

func (e *DamagedError) Error() string { return "the " + e.What + " is damaged: " + e.Why }

func damaged(what, format string, args ...any) error {
	return &DamagedError{what, fmt.Sprintf(format, args...)}
}

// read reads n bytes. The end of a device that is too short is said as such.
func read(r io.ReaderAt, at int64, n int) ([]byte, error) {
	b := make([]byte, n)
	got, err := r.ReadAt(b, at)
	switch {
	case got == n:
		return b, nil
	case err == io.EOF: // the end itself: a connection that ended is another one
		return nil, fmt.Errorf("%w at byte %d, %d were wanted", ErrEnd, at+int64(got), at+int64(n))
	}
	return nil, err
}

// text is a name in a field of fixed length: it ends at the first zero, and blanks at its end are padding.
func text(b []byte) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return strings.TrimRight(string(b), " ")
}

// microseconds since 1970, as the LVM header tells times; 0: none.
func microseconds(n uint64) time.Time {
	if n == 0 || n > 1<<62 {
		return time.Time{}
	}
	return time.UnixMicro(int64(n)).UTC()
}

func noVMFS(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrNoVMFS, fmt.Sprintf(format, args...))
}

func version(major uint32, minor byte) string { return fmt.Sprintf("%d.%d", major, minor) }
