package storage

import "slices"

// promote is zfs promote: the clone takes the snapshots up to its origin, with their bookmarks, and what it was a clone of becomes its clone.
func (t *tool) promote() int {
	x := t.open(t.args[0])
	if x == nil {
		return 1
	}
	d := x.d
	if d.origin == nil {
		return t.fail("cannot promote '%s': not a cloned filesystem", d.name)
	}
	was, origin := d.origin.of, d.origin
	n := slices.Index(was.snaps, origin) + 1
	for _, s := range was.snaps[:n] {
		if d.snap(s.name) != nil {
			return t.fail("cannot promote '%s': snapshot name '%s' from origin \nconflicts with '%s' from target", d.name, s.full(), d.snap(s.name).full())
		}
	}
	if !t.may(x, "promote", "mount") || !t.may(&thing{d: was}, "promote") {
		return t.fail("cannot promote '%s': permission denied", d.name)
	}
	t.tick()
	for _, s := range was.snaps[:n] {
		s.of = d
	}
	d.snaps = append(slices.Clone(was.snaps[:n]), d.snaps...)
	was.snaps = slices.Clone(was.snaps[n:])
	earlier := func(b *bookmark) bool { return b.txg <= origin.txg }
	for _, b := range was.marks {
		if earlier(b) {
			d.marks = append(d.marks, b)
		}
	}
	was.marks = slices.DeleteFunc(was.marks, earlier)
	origin.clones = slices.DeleteFunc(origin.clones, func(c *dataset) bool { return c == d })
	origin.clones = append(origin.clones, was)
	if d.origin, was.origin = was.origin, origin; d.origin != nil {
		d.origin.clones[slices.Index(d.origin.clones, was)] = d
	}
	return 0
}
