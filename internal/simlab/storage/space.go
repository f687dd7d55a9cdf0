package storage

import "math"

// What a dataset takes that holds nothing, in bytes.
const (
	emptyVolume = 12 << 10
	emptyFS     = 24 << 10
)

// A spread is where the space of a dataset goes, in bytes.
type spread struct{ dataset, snapshots, reserved, children int64 }

func (s spread) used() int64 { return s.dataset + s.snapshots + s.reserved + s.children }

func (d *dataset) empty() int64 {
	if d.volume {
		return emptyVolume
	}
	return emptyFS
}

// referenced is what a number of units takes.
func (h *Host) referenced(d *dataset, refs int64) int64 { return d.empty() + refs*h.cfg.Unit }

// unique is what a dataset has for itself alone, no snapshot with it: that much of its reservation is used up.
func (h *Host) unique(d *dataset) int64 {
	if len(d.snaps) == 0 && d.origin == nil {
		return h.referenced(d, d.refs)
	}
	return int64(len(d.head)) * h.cfg.Unit
}

// lacks tells whether there is no room for a snapshot: what the dataset has for itself alone is then reserved anew
// (dsl_dataset_snapshot_reserve_space).
func (h *Host) lacks(d *dataset) bool {
	free, _ := h.available(d)
	return min(h.unique(d), d.number("refreservation")) > max(0, free-h.spread(d).reserved)
}

func (h *Host) spread(d *dataset) spread {
	all, shown := d.own()
	s := spread{dataset: h.referenced(d, shown), snapshots: (all - shown) * h.cfg.Unit}
	if p := d.partial; p != nil {
		if d.fresh {
			s.dataset += int64(len(p.layer)) * h.cfg.Unit
		} else {
			s.children += int64(len(p.layer)) * h.cfg.Unit
		}
	}
	s.reserved = max(0, d.number("refreservation")-h.unique(d))
	for n, c := range d.pool.datasets {
		if p := c.parent(); p == d && n != d.name {
			s.children += h.spread(c).used()
		}
	}
	return s
}

func (p *pool) root() *dataset { return p.datasets[p.name] }

// allocated is what is written in a pool; the rest of what is used is promised.
func (h *Host) allocated(p *pool) int64 {
	sum := int64(0)
	for _, d := range p.datasets {
		s := h.spread(d)
		sum += s.dataset + s.snapshots
		if d.partial != nil && !d.fresh {
			sum += int64(len(d.partial.layer)) * h.cfg.Unit
		}
	}
	return sum
}

// slop is what ZFS keeps for itself: a 32nd, at least 128 MiB, at most half of the pool (spa_get_slop_space).
func (p *pool) slop() int64 { return min(p.size/2, max(p.size/32, 128<<20)) }

// available is what may still be written to a dataset, and whether it is a quota that says so.
func (h *Host) available(d *dataset) (free int64, quota bool) {
	free = d.pool.size - d.pool.slop() - h.spread(d.pool.root()).used()
	for up := d; up != nil; up = up.parent() {
		q := d.pool.datasets[up.name].number("quota")
		if q == 0 {
			continue
		}
		if left := q - h.spread(up).used(); left < free {
			free, quota = left, true
		}
	}
	if q := d.number("refquota"); q != 0 {
		if left := q - h.referenced(d, d.refs); left < free {
			free, quota = left, true
		}
	}
	free += h.spread(d).reserved
	return min(max(free, 0), math.MaxInt64), quota
}
