package vmfs

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
)

// Where partition tables are, in sectors: an MBR in the first one, a GPT in the first 34 and the last 33 (UEFI 2.10, §5.3.1).
const (
	tableFirst = 34
	tableLast  = 33
)

// ErrPlace says that a partition table is where none is put back.
var ErrPlace = errors.New("the partition table is not in the first 34 and the last 33 sectors of the device")

// Places joins the sectors of a partition table to as few ranges as there can be, in the order in which to write them: from the end
// of the device to its beginning, so that an MBR comes last. size is that of the device in bytes. Errors: ErrPlace.
func Places(table []Extent, size int64) ([]Extent, error) {
	list := slices.SortedFunc(slices.Values(table), func(a, b Extent) int { return cmp.Compare(a.Offset, b.Offset) })
	var out []Extent
	for _, e := range list {
		begin, end := e.Offset, e.Offset+int64(len(e.Bytes))
		inFront, behind := end <= tableFirst*Sector, begin >= size/Sector*Sector-tableLast*Sector && end <= size
		if begin%Sector != 0 || len(e.Bytes) == 0 || len(e.Bytes)%Sector != 0 || begin < 0 || !inFront && !behind {
			return nil, fmt.Errorf("%w: %d bytes at byte %d of %d", ErrPlace, len(e.Bytes), begin, size)
		}
		last := len(out) - 1
		switch {
		case last >= 0 && out[last].Offset+int64(len(out[last].Bytes)) == begin:
			out[last].Bytes = append(out[last].Bytes, e.Bytes...)
		case last >= 0 && out[last].Offset+int64(len(out[last].Bytes)) > begin:
			return nil, fmt.Errorf("%w: two parts of it overlap at byte %d", ErrPlace, begin)
		default:
			out = append(out, Extent{begin, bytes.Clone(e.Bytes)})
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%w: there is none", ErrPlace)
	}
	slices.Reverse(out)
	return out, nil
}

// ReadPlaces reads what lies in places now.
func ReadPlaces(r io.ReaderAt, places []Extent) ([]Extent, error) {
	out := make([]Extent, len(places))
	for i, p := range places {
		b, err := read(r, p.Offset, len(p.Bytes))
		if err != nil {
			return nil, fmt.Errorf("read the partition table: %w", err)
		}
		out[i] = Extent{p.Offset, b}
	}
	return out, nil
}

// Sum is the SHA-256 of what is in places, one after the other.
func Sum(places []Extent) string {
	h := sha256.New()
	for _, p := range places {
		h.Write(p.Bytes)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Ranges are places as SKIP:COUNT, in sectors.
func Ranges(places []Extent) []string {
	out := make([]string, len(places))
	for i, p := range places {
		out[i] = fmt.Sprintf("%d:%d", p.Offset/Sector, len(p.Bytes)/Sector)
	}
	return out
}

// With is a device as it would be with places written over it.
func With(r io.ReaderAt, places []Extent) io.ReaderAt { return overlay{r, places} }

type overlay struct {
	io.ReaderAt
	over []Extent
}

// ReadAt implements io.ReaderAt.
func (o overlay) ReadAt(b []byte, at int64) (int, error) {
	n, err := o.ReaderAt.ReadAt(b, at)
	for _, e := range o.over {
		lo, hi := max(at, e.Offset), min(at+int64(n), e.Offset+int64(len(e.Bytes)))
		if lo < hi {
			copy(b[lo-at:hi-at], e.Bytes[lo-e.Offset:])
		}
	}
	return n, err
}
