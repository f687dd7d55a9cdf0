package storage

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"
)

// A unit is one written piece of a volume or file system: what is in it, and the transaction group in which it came.
type unit struct {
	id, birth uint64
	data      []byte // nil: bytes that follow from id
}

// A layer holds what was written between two snapshots, by number.
type layer map[int64]unit

type pool struct {
	name     string
	guid     uint64
	size     int64 // bytes
	datasets map[string]*dataset
	allowed  map[string]grants // by dataset
	degraded string            // its health, where that is not ONLINE
}

// A dataset is a volume or file system. What it holds at a snapshot is what the layers up to there leave, over its origin.
type dataset struct {
	pool            *pool
	name            string
	volume          bool
	guid, txg       uint64
	creation        time.Time
	local, received map[string]string
	snaps           []*snapshot // by age
	marks           []*bookmark
	head            layer  // since the newest snapshot
	refs            int64  // units that it holds
	volsize, block  int64  // block: the largest that it was written with, in bytes; of a file system where it was received
	crypt           *crypt // nil: not encrypted
	origin          *snapshot
	mounted         bool
	partial         *partial // of a receive that was broken off, or is under way
	fresh           bool     // there is nothing but that
	receiver        *process
}

type snapshot struct {
	of            *dataset
	name          string
	guid, txg     uint64
	creation      time.Time
	delta         layer
	refs, volsize int64
	holds         map[string]time.Time
	clones        []*dataset
	sends         int // that read it
	doomed        bool
	user          map[string]string
	iv            uint64 // its IV set, which only raw streams keep
}

type bookmark struct {
	name          string
	guid, txg, iv uint64
	creation      time.Time
	refs          int64
}

func (p *pool) add(name string, guid, txg uint64, at time.Time) *dataset {
	d := &dataset{pool: p, name: name, guid: guid, txg: txg, creation: at, local: map[string]string{}, received: map[string]string{}, head: layer{}}
	p.datasets[name] = d
	return d
}

// dataset finds one; nil: there is none.
func (h *Host) dataset(name string) *dataset {
	pool, _, _ := strings.Cut(name, "/")
	if p := h.pools[pool]; p != nil {
		return p.datasets[name]
	}
	return nil
}

// snapshot finds dataset@name; nil: there is none.
func (h *Host) snapshot(name string) *snapshot {
	of, short, _ := strings.Cut(name, "@")
	if d := h.dataset(of); d != nil {
		return d.snap(short)
	}
	return nil
}

func (d *dataset) snap(short string) *snapshot {
	i := slices.IndexFunc(d.snaps, func(s *snapshot) bool { return s.name == short })
	if i < 0 {
		return nil
	}
	return d.snaps[i]
}

func (d *dataset) mark(short string) *bookmark {
	i := slices.IndexFunc(d.marks, func(b *bookmark) bool { return b.name == short })
	if i < 0 {
		return nil
	}
	return d.marks[i]
}

func (d *dataset) newest() *snapshot {
	if len(d.snaps) == 0 {
		return nil
	}
	return d.snaps[len(d.snaps)-1]
}

func (s *snapshot) full() string { return s.of.name + "@" + s.name }

// parent is the dataset above; nil for that of a pool.
func (d *dataset) parent() *dataset {
	i := strings.LastIndexByte(d.name, '/')
	if i < 0 {
		return nil
	}
	return d.pool.datasets[d.name[:i]]
}

// below are all datasets in a dataset, in the order of their names.
func (d *dataset) below() []*dataset {
	var out []*dataset
	for n, c := range d.pool.datasets {
		if strings.HasPrefix(n, d.name+"/") {
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b *dataset) int { return cmp.Compare(a.name, b.name) })
	return out
}

// put writes a unit.
func (d *dataset) put(i int64, u unit) {
	if _, has := d.head[i]; !has {
		if _, has = d.at(i, len(d.snaps)); !has {
			d.refs++
		}
	}
	d.head[i] = u
}

// at is a unit in the first n snapshots of a dataset, or in what it is a clone of.
func (d *dataset) at(i int64, n int) (unit, bool) {
	for _, s := range slices.Backward(d.snaps[:n]) {
		if u, has := s.delta[i]; has {
			return u, true
		}
	}
	if d.origin != nil {
		return d.origin.of.at(i, slices.Index(d.origin.of.snaps, d.origin)+1)
	}
	return unit{}, false
}

// content is all that a snapshot holds.
func (s *snapshot) content() layer {
	all := layer{}
	if o := s.of.origin; o != nil {
		all = o.content()
	}
	for _, x := range s.of.snaps {
		maps.Copy(all, x.delta)
		if x == s {
			break
		}
	}
	return all
}

// take makes a snapshot of what is there.
func (d *dataset) take(name string, guid, txg uint64, at time.Time) *snapshot {
	s := &snapshot{of: d, name: name, guid: guid, iv: guid, txg: txg, creation: at, delta: d.head, refs: d.refs, volsize: d.volsize,
		holds: map[string]time.Time{}, user: map[string]string{}}
	d.head = layer{}
	d.snaps = append(d.snaps, s)
	return s
}

// drop takes a snapshot away: what later ones still need of it goes on to the next.
func (d *dataset) drop(s *snapshot) {
	i := slices.Index(d.snaps, s)
	next := d.head
	if i+1 < len(d.snaps) {
		next = d.snaps[i+1].delta
	}
	for n, u := range s.delta {
		if _, written := next[n]; !written {
			next[n] = u
		}
	}
	d.snaps = slices.Delete(d.snaps, i, i+1)
}

// unique is how many units a snapshot alone holds.
func (s *snapshot) unique() int64 {
	i := slices.Index(s.of.snaps, s)
	next := s.of.head
	if i+1 < len(s.of.snaps) {
		next = s.of.snaps[i+1].delta
	}
	a, b := s.delta, next
	if len(b) < len(a) {
		a, b = b, a
	}
	n := int64(0)
	for k := range a {
		if _, has := b[k]; has {
			n++
		}
	}
	return n
}

// own is how many units all layers of a dataset have, and how many of them its head still shows.
func (d *dataset) own() (all, shown int64) {
	all = int64(len(d.head))
	for _, s := range d.snaps {
		all += int64(len(s.delta))
	}
	if d.origin == nil {
		return all, d.refs
	}
	seen := layer{}
	for _, s := range d.snaps {
		maps.Copy(seen, s.delta)
	}
	maps.Copy(seen, d.head)
	return all, int64(len(seen))
}

// Digest is that of all that a snapshot holds, or a dataset now.
func (h *Host) Digest(name string) (string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all layer
	var size int64
	if s := h.snapshot(name); s != nil {
		all, size = s.content(), s.volsize
	} else if d := h.dataset(name); d != nil {
		all, size = d.shown(), d.volsize
	} else {
		return "", errors.New(h.cfg.Name + ": there is no " + name)
	}
	sum := sha256.New()
	_ = binary.Write(sum, binary.BigEndian, size) // a hash takes everything
	for _, i := range slices.Sorted(maps.Keys(all)) {
		_ = binary.Write(sum, binary.BigEndian, []uint64{uint64(i), all[i].id})
		sum.Write(all[i].data)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
