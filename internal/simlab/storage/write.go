package storage

import (
	"io"
	"slices"
)

// Volume writes into a volume at any place, and leaves all around as it is: what whoever uses it writes, such as a file system.
func (h *Host) Volume(name string) io.WriterAt { return volumeWriter{h, name} }

type volumeWriter struct {
	host *Host
	name string
}

// WriteAt implements io.WriterAt.
func (v volumeWriter) WriteAt(p []byte, at int64) (int, error) {
	err := v.host.write(v.name, func(d *dataset) error {
		unit := v.host.cfg.Unit
		buf := make([]byte, unit)
		for done := int64(0); done < int64(len(p)); {
			i := (at + done) / unit
			v.host.bytesOf(d.now(i), buf)
			done += int64(copy(buf[(at+done)%unit:], p[done:]))
			d.put(i, newUnit(v.host, buf))
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

// newUnit is one with these bytes.
func newUnit(h *Host, b []byte) unit { return unit{id: h.guid(), birth: h.txg, data: slices.Clone(b)} }

// now is a unit as it is.
func (d *dataset) now(i int64) unit {
	if u, has := d.head[i]; has {
		return u
	}
	u, _ := d.at(i, len(d.snaps))
	return u
}
