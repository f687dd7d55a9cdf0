package storage

import (
	"slices"
	"strings"
)

// kept is why a snapshot is not destroyed; empty: it may be.
func (s *snapshot) kept() string {
	switch {
	case len(s.holds) > 0:
		return "it's being held. Run 'zfs holds -r " + s.full() + "' to see holders."
	case s.sends > 0:
		return "dataset is busy"
	}
	return ""
}

// destroy is zfs destroy.
func (t *tool) destroy() int {
	name := t.args[0]
	of, short, isSnap := strings.Cut(name, "@")
	if isSnap {
		return t.destroySnapshots(of, short)
	}
	if of, short, is := strings.Cut(name, "#"); is {
		return t.destroyBookmark(of, short)
	}
	x := t.open(name)
	if x == nil {
		return 1
	}
	d := x.d
	if d.parent() == nil {
		return t.fail("cannot destroy '%s': operation does not apply to pools\nuse 'zfs destroy -r %s' to destroy all datasets in the pool\nuse 'zpool destroy %s' to destroy the pool itself",
			name, name, name)
	}
	in := d.below()
	if !t.has('r') && !t.has('R') {
		if why := within(d, in); why != "" {
			return t.fail("cannot destroy '%s': %s", name, why)
		}
	}
	return t.destroyAll(append(in, d), name)
}

// within is what a dataset has in it that -r would destroy, too.
func within(d *dataset, in []*dataset) string {
	var names []string
	for _, c := range in {
		names = append(names, c.name)
	}
	for _, s := range d.snaps {
		names = append(names, s.full())
	}
	if len(names) == 0 {
		return ""
	}
	return thing{d: d}.kind() + " has children\nuse '-r' to destroy the following datasets:\n" + strings.Join(names, "\n")
}

func (t *tool) destroyAll(all []*dataset, name string) int {
	for _, d := range all {
		if !t.may(&thing{d: d}, "destroy", "mount") {
			return t.fail("cannot destroy '%s': permission denied", d.name)
		}
		if d.receiver != nil && !d.receiver.dead() || t.open1(d) {
			return t.fail("cannot destroy '%s': dataset is busy", d.name)
		}
		for _, s := range d.snaps {
			for _, c := range s.clones {
				if !slices.Contains(all, c) {
					return t.fail("cannot destroy '%s': %s has dependent clones\nuse '-R' to destroy the following datasets:\n%s", name, thing{d: d}.kind(), c.name)
				}
			}
			if why := s.kept(); why != "" {
				return t.fail("cannot destroy snapshot %s: %s", s.full(), why)
			}
		}
	}
	t.tick()
	for _, d := range all {
		if d.origin != nil {
			d.origin.clones = slices.DeleteFunc(d.origin.clones, func(c *dataset) bool { return c == d })
			if o := d.origin; o.doomed && len(o.clones) == 0 && len(o.holds) == 0 {
				o.of.drop(o)
			}
		}
		delete(d.pool.datasets, d.name)
		delete(d.pool.allowed, d.name)
	}
	return 0
}

// open1 says whether an initiator has a volume open.
func (h *Host) open1(d *dataset) bool { return d.volume && h.target != nil && h.target.opens(d) }

func (t *tool) destroyBookmark(of, short string) int {
	d := t.dataset(of)
	if d == nil || d.mark(short) == nil {
		return t.fail("bookmark '%s#%s' does not exist.", of, short)
	}
	if !t.may(&thing{d: d}, "destroy", "mount") {
		return t.fail("cannot destroy bookmark: permission denied")
	}
	t.tick()
	d.marks = slices.DeleteFunc(d.marks, func(b *bookmark) bool { return b.name == short })
	return 0
}

// destroySnapshots is zfs destroy DATASET@A,B%C: all of them, or none.
func (t *tool) destroySnapshots(of, list string) int {
	x := t.open(of)
	if x == nil {
		return 1
	}
	var found []*snapshot
	for _, short := range strings.Split(list, ",") {
		if from, to, is := strings.Cut(short, "%"); is {
			on := from == ""
			for _, s := range x.d.snaps {
				on = on || s.name == from
				if on {
					found = append(found, s)
				}
				if s.name == to {
					break
				}
			}
			continue
		}
		if s := x.d.snap(short); s != nil && !slices.Contains(found, s) {
			found = append(found, s)
		}
	}
	if len(found) == 0 {
		return t.fail("could not find any snapshots to destroy; check snapshot names.")
	}
	for _, s := range found {
		var names []string
		for _, c := range s.clones {
			names = append(names, c.name)
		}
		if p := x.d.partial; p != nil && p.on == s {
			names = append(names, of+"/%recv") // what has arrived of an increment
		}
		if len(names) > 0 && !t.has('d') {
			return t.fail("cannot destroy '%s': snapshot has dependent clones\nuse '-R' to destroy the following datasets:\n%s", s.full(), strings.Join(names, "\n"))
		}
	}
	for _, s := range found {
		if !t.may(&thing{d: x.d, s: s}, "destroy", "mount") {
			return t.fail("cannot destroy snapshots: permission denied")
		}
	}
	refused := 0
	for _, s := range found {
		if why := s.kept(); why != "" && !t.has('d') {
			refused = t.fail("cannot destroy snapshot %s: %s", s.full(), why)
		}
	}
	if refused != 0 || t.has('n') {
		return refused
	}
	t.tick()
	for _, s := range found {
		if s.kept() != "" || len(s.clones) > 0 {
			s.doomed = true
			continue
		}
		x.d.drop(s)
	}
	return 0
}
