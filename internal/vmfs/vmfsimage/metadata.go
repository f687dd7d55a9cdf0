package vmfsimage

import (
	"encoding/binary"
	"errors"
	"io"
)

// A layout is where vmfs-tools (VMFS3 and VMFS5) and vmfs6-tools (VMFS6) look for the metadata of a file system: the file descriptors,
// and four files of the root directory that they open before they answer anything. What ESXi keeps there beyond that is not written.
type layout struct {
	descriptors int64                                                 // number of the block where the file descriptors begin
	header      int                                                   // length of the header of a file descriptor
	descriptor  int                                                   // length of a file descriptor
	bitmap      int                                                   // length of a bitmap before the descriptors
	address     func(block uint64) []byte                             // of a block, as the list in a descriptor has it
	addresses   int                                                   // of that list in the descriptor
	directory   func(names []string, id func(item int) uint32) []byte // the content of the root directory
}

var layout5 = layout{4, 0x200, 0x800, 0x400, func(block uint64) []byte { return le32(uint32(block<<6 | 1)) }, 0x400, directory5}

var layouts = map[int]layout{
	3: layout5,
	5: layout5,
	6: {7, 0x1000, 0x2000, 0x2000, func(block uint64) []byte {
		return binary.LittleEndian.AppendUint64(nil, block&0x1ff<<51|block>>9<<15|1)
	}, 0x1600, directory6},
}

const (
	blockSize       = 1 << 20
	bitmapHeader    = 0x10000 // before the bitmaps of a resource file
	descriptorMagic = 0x10c00001
	typeDirectory   = 2
	typeSystem      = 5
)

// writeMetadata writes an empty root directory to the file system that begins at the byte.
func writeMetadata(w io.WriterAt, at int64, l layout) error {
	names := []string{".", "..", ".fbb.sf", ".fdc.sf", ".pbc.sf", ".sbc.sf", ".pb2.sf"}
	id := func(item int) uint32 { return uint32(item)<<22 | 4 }
	directory, bitmaps := l.descriptors+1, l.descriptors+2 // blocks
	fdc := resources(len(names), l.descriptor)
	fdc = append(fdc, make([]byte, bitmapHeader-len(fdc)+l.bitmap)...)
	content := l.directory(names, id)
	fdc = append(fdc, l.inode(id(0), typeDirectory, len(content), directory)...)
	for i, name := range names[2:] {
		block := bitmaps
		if name == ".fdc.sf" {
			block = l.descriptors
		}
		fdc = append(fdc, l.inode(id(i+1), typeSystem, blockSize, block)...)
	}
	_, err1 := w.WriteAt(fdc, at+l.descriptors*blockSize)
	_, err2 := w.WriteAt(content, at+directory*blockSize)
	_, err3 := w.WriteAt(resources(1, 0x10000), at+bitmaps*blockSize)
	return errors.Join(err1, err2, err3)
}

// resources is the beginning of a file of resources: how many of which length it has, in one group.
func resources(count, length int) []byte {
	return le32(uint32(count), 1, bitmapHeader, uint32(length), blockSize-bitmapHeader, uint32(count), 1)
}

// inode is a file descriptor of a file in one block.
func (l layout) inode(id, kind uint32, size int, block int64) []byte {
	b := make([]byte, l.descriptor)
	copy(b, le32(descriptorMagic))
	h := b[l.header:]
	copy(h, le32(id, 1, 1, kind, 0))
	binary.LittleEndian.PutUint64(h[0x14:], uint64(size))
	binary.LittleEndian.PutUint64(h[0x1c:], blockSize)
	binary.LittleEndian.PutUint64(h[0x24:], 1)
	copy(h[0x40:], le32(0o755, 1)) // rights, and that the list has addresses of blocks
	copy(b[l.addresses:], l.address(uint64(block)))
	return b
}

// directory5 is a directory up to VMFS5: entries one behind the other.
func directory5(names []string, id func(int) uint32) []byte {
	const length, nameAt = 0x8c, 0x0c
	b := make([]byte, length*len(names))
	for i, name := range names {
		entry(b[i*length:], i, name, nameAt, id)
	}
	return b
}

// directory6 is one of VMFS6: the first two entries have a place of their own, the others are in pages, of which a map tells which
// are used (1) and where they end (8).
func directory6(names []string, id func(int) uint32) []byte {
	const length, nameAt, dots, pages, first = 0x120, 0x18, 0x3b8, 0x10040, 0x11040
	b := make([]byte, 0x12000)
	b[pages], b[pages+1] = 0x01, 0x80
	for i, name := range names {
		at := dots + i*length
		if i >= 2 {
			at = first + (i-2)*length
		}
		entry(b[at:], i, name, nameAt, id)
	}
	return b
}

func entry(b []byte, i int, name string, nameAt int, id func(int) uint32) {
	kind, item := uint32(typeSystem), i-1
	if i < 2 {
		kind, item = typeDirectory, 0
	}
	copy(b, le32(kind, id(item), uint32(i)))
	copy(b[nameAt:], name)
}

func le32(numbers ...uint32) []byte {
	var b []byte
	for _, n := range numbers {
		b = binary.LittleEndian.AppendUint32(b, n)
	}
	return b
}
