package storage

import (
	"fmt"
	"maps"
	"strings"
	"time"
)

// A Past is what has happened to a dataset before anybody looked: it was replicated for long.
type Past struct {
	Dataset, Replica string
	Points           []Moment // the oldest first
	Written          int64    // bytes before each of them, in one place after the other
}

// A Moment is a snapshot of one.
type Moment struct {
	Name string // behind the @
	At   time.Time
}

// Relive makes a dataset of a host, and its replica on another one, as they are after their past.
func Relive(from, to *Host, p Past) error {
	for i, m := range p.Points {
		from.mu.Lock()
		d := from.dataset(p.Dataset)
		from.mu.Unlock()
		if d == nil {
			return fmt.Errorf("%s: there is no %s", from.cfg.Name, p.Dataset)
		}
		if size := d.volsize; size > 0 {
			if err := from.Write(p.Dataset, int64(i)*p.Written%(size-p.Written+1), p.Written); err != nil {
				return err
			}
		}
		from.mu.Lock()
		d.take(m.Name, from.guid(), from.tick(), m.At)
		from.mu.Unlock()
	}
	return from.copyTo(to, p)
}

// copyTo makes the replica, as streams would have.
func (h *Host) copyTo(to *Host, p Past) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if to != h {
		to.mu.Lock()
		defer to.mu.Unlock()
	}
	up := to.dataset(p.Replica[:max(0, strings.LastIndexByte(p.Replica, '/'))])
	if up == nil || to.dataset(p.Replica) != nil {
		return fmt.Errorf("%s: %s lies in nothing, or is there", to.cfg.Name, p.Replica)
	}
	d := h.dataset(p.Dataset)
	r := up.pool.add(p.Replica, to.guid(), to.tick(), to.now())
	r.volume, r.block = d.volume, d.block
	r.local["readonly"] = "on"
	if d.volume {
		r.local["volmode"] = "none"
	}
	for _, s := range d.snaps {
		txg := to.tick()
		r.head = maps.Clone(s.delta)
		for i, u := range r.head {
			u.birth = txg
			r.head[i] = u
		}
		r.refs, r.volsize = s.refs, s.volsize
		r.take(s.name, s.guid, to.tick(), s.creation)
	}
	return nil
}
