package storage

import (
	"slices"
	"strings"
)

// snapshots is zfs snapshot: all of them at one moment, or none.
func (t *tool) snapshots() int {
	type want struct {
		d     *dataset
		short string
	}
	var wanted []want
	for _, a := range t.args {
		of, short, is := strings.Cut(a, "@")
		if !is {
			return t.wrong("'%s' is not a snapshot", a) // nobody sends that
		}
		x := t.open(of)
		if x == nil {
			return t.usageOf()
		}
		wanted = append(wanted, want{x.d, short})
		if t.has('r') {
			for _, c := range x.d.below() {
				wanted = append(wanted, want{c, short})
			}
		}
	}
	user := map[string]string{}
	for _, o := range t.opts['o'] {
		name, value, _ := strings.Cut(o, "=")
		if !isUser(name) {
			return t.fail("cannot create snapshots : this property can not be modified for snapshots")
		}
		user[name] = value
	}
	no := func() int {
		if len(wanted) > 1 {
			t.fail("no snapshots were created")
		}
		return 1
	}
	of := map[*dataset]bool{}
	for _, w := range wanted {
		if of[w.d] {
			t.fail("cannot create snapshots : multiple snapshots of same fs not allowed")
			return no()
		}
		of[w.d] = true
		if why := legal(w.d.name + "@" + w.short); why != "" {
			t.fail("cannot create snapshot '%s@%s': %s", w.d.name, w.short, why)
			return no()
		}
		if !t.may(&thing{d: w.d}, "snapshot") {
			t.fail("cannot create snapshots : permission denied")
			return no()
		}
		if w.d.fresh {
			t.fail("cannot create snapshot '%s@%s': dataset is busy", w.d.name, w.short)
			return no()
		}
	}
	refused := false
	for _, w := range wanted {
		switch {
		case w.d.snap(w.short) != nil:
			t.fail("cannot create snapshot '%s@%s': dataset already exists", w.d.name, w.short)
		case t.lacks(w.d):
			t.fail("cannot create snapshot '%s@%s': out of space", w.d.name, w.short)
		default:
			continue
		}
		refused = true
	}
	if refused {
		return no()
	}
	txg, now := t.tick(), t.now()
	for _, w := range wanted {
		s := w.d.take(w.short, t.guid(), txg, now)
		for k, v := range user {
			s.user[k] = v
		}
	}
	return 0
}

// usageOf shows how a command is used, after what was said.
func (t *tool) usageOf() int {
	t.errs.WriteString("usage:\n\tthe manual page tells\n")
	return usage
}

// bookmark is zfs bookmark SNAPSHOT|BOOKMARK BOOKMARK.
func (t *tool) bookmark() int {
	from, to := t.args[0], t.args[1]
	of, short, is := strings.Cut(to, "#")
	if !is {
		return t.fail("cannot create bookmark '%s': full dataset name must be specified", to)
	}
	if of == "" {
		of, _, _ = strings.Cut(from, "@")
		to = of + "#" + short
	}
	d := t.dataset(of)
	x := t.open(from)
	switch {
	case x == nil:
		return t.usageOf()
	case d == nil || x.s == nil && x.b == nil:
		return t.fail("cannot create bookmark '%s': dataset does not exist", to)
	case legal(to) != "":
		return t.fail("cannot create bookmark '%s': %s", to, legal(to))
	case !t.may(&thing{d: d}, "bookmark"):
		return t.fail("cannot create bookmark '%s': permission denied", to)
	case d.mark(short) != nil:
		return t.fail("cannot create bookmark '%s': bookmark exists", to)
	case x.d != d:
		return t.fail("cannot create bookmark '%s': bookmark is in a different pool", to)
	}
	b := &bookmark{name: short}
	if x.s != nil {
		b.guid, b.txg, b.iv, b.creation, b.refs = x.s.guid, x.s.txg, x.s.iv, x.s.creation, x.s.refs
	} else {
		b.guid, b.txg, b.iv, b.creation, b.refs = x.b.guid, x.b.txg, x.b.iv, x.b.creation, x.b.refs
	}
	t.tick()
	d.marks = append(d.marks, b)
	return 0
}

// tagged are the snapshots of a hold or release: all must be there.
func (t *tool) tagged() ([]*snapshot, int) {
	var found []*snapshot
	for _, a := range t.args[1:] {
		of, short, is := strings.Cut(a, "@")
		if !is {
			return nil, t.fail("'%s' is not a snapshot", a)
		}
		x := t.open(of)
		if x == nil {
			return nil, 1
		}
		all := []*dataset{x.d}
		if t.has('r') {
			all = append(all, x.d.below()...)
		}
		n := len(found)
		for _, d := range all {
			if s := d.snap(short); s != nil {
				found = append(found, s)
			}
		}
		if len(found) == n {
			return nil, -1
		}
	}
	return found, 0
}

// hold is zfs hold.
func (t *tool) hold() int {
	tag := t.args[0]
	found, status := t.tagged()
	if status > 0 {
		return status
	}
	if status < 0 {
		return t.fail("cannot hold snapshot '%s': dataset does not exist", t.args[len(t.args)-1])
	}
	for _, s := range found {
		if _, has := s.holds[tag]; has {
			return t.fail("cannot hold snapshot '%s': tag already exists on this dataset", s.full())
		}
		if !t.may(&thing{d: s.of}, "hold") {
			return t.fail("cannot hold: permission denied")
		}
	}
	t.tick()
	for _, s := range found {
		s.holds[tag] = t.now()
	}
	return 0
}

// release is zfs release.
func (t *tool) release() int {
	tag := t.args[0]
	found, status := t.tagged()
	if status > 0 {
		return status
	}
	if status < 0 {
		return t.fail("cannot release hold from snapshot '%s': dataset does not exist", t.args[len(t.args)-1])
	}
	for _, s := range found {
		if _, has := s.holds[tag]; !has {
			return t.fail("cannot release hold from snapshot '%s': no such tag on this dataset", s.full())
		}
		if !t.may(&thing{d: s.of}, "release") {
			return t.fail("cannot release: permission denied")
		}
	}
	t.tick()
	for _, s := range found {
		delete(s.holds, tag)
		if s.doomed && len(s.holds) == 0 && len(s.clones) == 0 {
			s.of.drop(s)
		}
	}
	return 0
}

// listHolds is zfs holds.
func (t *tool) listHolds() int {
	status := 0
	var rows [][]string
	for _, a := range t.args {
		x := t.open(a)
		if x == nil {
			status = 1
			continue
		}
		if x.s == nil {
			status = t.fail("'%s' is not a snapshot", a)
			continue
		}
		var tags []string
		for tag := range x.s.holds {
			tags = append(tags, tag)
		}
		slices.Sort(tags)
		for _, tag := range tags {
			rows = append(rows, []string{a, tag, x.s.holds[tag].Format("Mon Jan _2 15:04 2006")})
		}
	}
	if len(rows) == 0 && status != 0 {
		t.fail("no datasets available")
	}
	if !t.has('H') && len(rows) > 0 {
		rows = append([][]string{{"NAME", "TAG", "TIMESTAMP"}}, rows...)
	}
	t.table(rows)
	return status
}
