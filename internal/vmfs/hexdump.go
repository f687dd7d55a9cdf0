package vmfs

import (
	"bytes"
	"fmt"
	"io"
	"strings"
)

// A field is a part of a structure on disk.
type field struct {
	at, length int
	name       string
	// value is the field for people; nil: only its bytes are shown.
	value func(b []byte) string
}

// perLine is how many bytes a line shows.
const perLine = 16

// Hexdump writes the structures that v was read from as hexadecimal digits, with the name and the value of each field: for people
// who compare or repair by hand. r is the device. What is zero and has no name is left out; what has no name and is not zero is
// shown all the same.
func Hexdump(w io.Writer, r io.ReaderAt, v Volume) error {
	for _, s := range structures(v) {
		b, err := read(r, s.at, s.length)
		if err != nil {
			return fmt.Errorf("read the %s again: %w", s.title, err)
		}
		fmt.Fprintf(w, "%s, at byte %d (0x%x)\n", s.title, s.at, s.at)
		for _, line := range dumpLines(s.at, b, s.fields) {
			fmt.Fprintf(w, "  %s\n", line)
		}
		fmt.Fprintln(w)
	}
	return nil
}

// A structure on a device.
type structure struct {
	title  string
	at     int64
	length int
	fields []field
}

func structures(v Volume) []structure {
	var list []structure
	if v.Table.Scheme != SchemeNone && v.Table.Scheme != "" {
		list = append(list, structure{"Master boot record", 0, Sector, mbrFields()})
	}
	if v.Table.Scheme == SchemeGPT {
		for _, e := range v.Table.Sectors {
			if bytes.HasPrefix(e.Bytes, []byte(gptMagic)) {
				list = append(list, structure{"GPT header", e.Offset, Sector, gptFields()})
			}
		}
		for _, e := range v.Table.Entries {
			list = append(list, structure{fmt.Sprintf("GPT entry %d", e.Number), e.Offset, gptEntryLeast, gptEntryFields()})
		}
	}
	base := v.Partition.Offset()
	if v.LVM.Major == 0 {
		return list
	}
	list = append(list, structure{"LVM header", base + LVMOffset, deviceLength, lvmFields(v.LVM.Disk)},
		structure{"LVM, entry of the volume", base + LVMOffset + v.LVM.tableOffset(), entryLength, entryFields()})
	if v.FileSystem != nil {
		list = append(list, structure{"Descriptor of the file system (.vh.sf)", base + v.LVM.DataOffset + fsOffset, fsLength, fsFields()})
	}
	return list
}

// dumpLines are the lines of a structure that begins at a byte of the device. Fields are in order and do not overlap.
func dumpLines(base int64, b []byte, fields []field) (lines []string) {
	next := 0
	for _, f := range fields {
		if f.at+f.length > len(b) {
			break
		}
		lines = append(append(lines, unnamed(base, b, next, f.at)...), named(base, b, f)...)
		next = f.at + f.length
	}
	return append(lines, unnamed(base, b, next, len(b))...)
}

func named(base int64, b []byte, f field) (lines []string) {
	part := b[f.at : f.at+f.length]
	shown := len(bytes.TrimRight(part, "\x00")) // the padding of long texts says nothing
	shown = min(f.length, max(perLine, (shown+perLine-1)/perLine*perLine))
	for i := 0; i < shown; i += perLine {
		line := digits(base+int64(f.at+i), part[i:min(i+perLine, shown)])
		if i == 0 {
			line += f.name
			if f.value != nil {
				line += ": " + f.value(part)
			}
		}
		lines = append(lines, strings.TrimRight(line, " "))
	}
	return lines
}

func unnamed(base int64, b []byte, from, to int) (lines []string) {
	for ; from < to; from += perLine {
		if part := b[from:min(from+perLine, to)]; len(bytes.Trim(part, "\x00")) > 0 {
			lines = append(lines, digits(base+int64(from), part)+"not known")
		}
	}
	return lines
}

func digits(at int64, b []byte) string {
	return fmt.Sprintf("%012x  %-48s ", at, fmt.Sprintf("% x", b))
}
