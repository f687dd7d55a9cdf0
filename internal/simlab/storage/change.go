package storage

import (
	"slices"
	"strings"
)

// above finds the dataset in which a new one is to be; nil: it says why not.
func (t *tool) above(doing, name string, also ...string) *dataset {
	i := strings.LastIndexByte(name, '/')
	switch why := legal(name); {
	case why != "":
		t.fail("cannot %s '%s': %s", doing, name, why)
		return nil
	case i < 0:
		t.fail("cannot %s '%s': missing dataset name", doing, name)
		return nil
	}
	up := t.dataset(name[:i])
	switch {
	case t.dataset(name) != nil:
		t.fail("cannot %s '%s': dataset already exists", doing, name)
		return nil
	case up == nil:
		t.fail("cannot %s '%s': parent does not exist", doing, name)
		return nil
	case up.volume:
		t.fail("cannot %s '%s': parent is not a filesystem", doing, name)
		return nil
	case !t.may(&thing{d: up}, append([]string{"create", "mount"}, also...)...):
		t.fail("cannot %s '%s': permission denied", doing, name)
		return nil
	}
	return up
}

// create is zfs create.
func (t *tool) create() int {
	name := t.args[len(t.args)-1]
	up := t.above("create", name)
	if up == nil {
		return 1
	}
	d := up.pool.add(name, t.guid(), t.tick(), t.now())
	if t.has('V') {
		d.volume, d.block = true, 16<<10
		if b, ok := size(t.last('b', "16K")); ok {
			d.block = b
		}
		text := t.last('V', "")
		n, ok := size(text)
		if !ok || n == 0 {
			delete(up.pool.datasets, name)
			if ok {
				return t.fail("cannot create '%s': volume size cannot be zero", name)
			}
			return t.fail("bad volume size '%s': invalid numeric suffix '%s'", text, strings.TrimLeft(text, "0123456789."))
		}
		d.volsize = (n + d.block - 1) / d.block * d.block
		free, _ := t.available(up)
		if !t.has('s') && d.volsize > free {
			delete(up.pool.datasets, name)
			return t.fail("cannot create '%s': out of space", name)
		}
		if !t.has('s') {
			d.local["refreservation"] = number(d.volsize, true)
		}
	}
	if status := t.withOptions(d, "create"); status != 0 {
		delete(up.pool.datasets, name)
		return status
	}
	d.mounted = !d.volume && d.mountable()
	return 0
}

// withOptions sets what -o says on a new dataset.
func (t *tool) withOptions(d *dataset, doing string) int {
	encryption := map[string]string{}
	for _, o := range t.opts['o'] {
		name, value, _ := strings.Cut(o, "=")
		if d.origin == nil && slices.Contains(cryptOptions, name) {
			encryption[name] = value
			continue
		}
		full, v, why := t.checked(thing{d: d}, name, value)
		if why != "" {
			return t.fail("cannot %s '%s': %s", doing, d.name, why)
		}
		if !t.may(&thing{d: d}, permission(full)) {
			return t.fail("cannot %s '%s': permission denied", doing, d.name)
		}
		d.local[full] = v
	}
	if d.origin == nil {
		d.encrypt(encryption)
	}
	return 0
}

// clone is zfs clone.
func (t *tool) clone() int {
	x := t.openSnapshot(t.args[0])
	if x == nil {
		return 1
	}
	name := t.args[1]
	if t.user != root && !t.permits(x.d, true, "clone") {
		return t.fail("cannot create '%s': permission denied", name)
	}
	up := t.above("create", name)
	if up == nil {
		return 1
	}
	if up.pool != x.d.pool {
		return t.fail("cannot create '%s': source and target pools differ", name)
	}
	d := up.pool.add(name, t.guid(), t.tick(), t.now())
	d.volume, d.block, d.volsize, d.refs, d.origin, d.crypt = x.d.volume, x.d.block, x.s.volsize, x.s.refs, x.s, x.d.crypt
	if status := t.withOptions(d, "create"); status != 0 {
		delete(up.pool.datasets, name)
		return status
	}
	x.s.clones = append(x.s.clones, d)
	d.mounted = !d.volume && d.mountable()
	return 0
}

// rename is zfs rename of datasets and snapshots. It does not look whether a volume is open: nor does the real one.
func (t *tool) rename() int {
	x := t.open(t.args[0])
	if x == nil {
		return 1
	}
	to := t.args[1]
	if x.s != nil {
		of, short, _ := strings.Cut(to, "@")
		if of == "" {
			of = x.d.name
		}
		switch {
		case of != x.d.name:
			return t.fail("cannot rename to '%s': snapshots must be part of same dataset", to)
		case x.d.snap(short) != nil:
			return t.fail("cannot rename '%s': dataset already exists", x.name())
		case !t.may(&thing{d: x.d}, "rename", "mount"):
			return t.fail("cannot rename '%s': permission denied", x.name())
		}
		x.s.name = short
		return 0
	}
	if !t.may(x, "rename", "mount") {
		return t.fail("cannot rename '%s': permission denied", x.name())
	}
	if t.dataset(to) != nil {
		return t.fail("cannot rename '%s': dataset already exists", x.name())
	}
	if up := t.above("create", to); up == nil || up.pool != x.d.pool {
		return 1
	}
	p := x.d.pool
	for _, d := range append(x.d.below(), x.d) {
		old := d.name
		delete(p.datasets, old)
		d.name = to + strings.TrimPrefix(old, t.args[0])
		p.datasets[d.name] = d
		if g, is := p.allowed[old]; is {
			delete(p.allowed, old)
			p.allowed[d.name] = g
		}
	}
	return 0
}

// rollback is zfs rollback, also where an initiator has the volume open.
func (t *tool) rollback() int {
	x := t.openSnapshot(t.args[0])
	if x == nil {
		return 1
	}
	i := slices.Index(x.d.snaps, x.s)
	var newer []string
	for _, s := range x.d.snaps[i+1:] {
		newer = append(newer, s.full())
	}
	for _, b := range x.d.marks {
		if b.txg > x.s.txg {
			newer = append(newer, x.d.name+"#"+b.name)
		}
	}
	if len(newer) > 0 && !t.has('r') && !t.has('R') {
		return t.fail("cannot rollback to '%s': more recent snapshots or bookmarks exist\nuse '-r' to force deletion of the following snapshots and bookmarks:\n%s",
			t.args[0], strings.Join(newer, "\n"))
	}
	if !t.may(&thing{d: x.d}, "rollback") {
		return t.fail("cannot rollback '%s': permission denied", x.d.name)
	}
	for _, s := range slices.Clone(x.d.snaps[i+1:]) {
		if why := s.kept(); why != "" {
			return t.fail("cannot rollback to '%s': %s", t.args[0], why)
		}
		x.d.drop(s)
	}
	x.d.marks = slices.DeleteFunc(x.d.marks, func(b *bookmark) bool { return b.txg > x.s.txg })
	t.tick()
	x.d.head, x.d.refs, x.d.volsize = layer{}, x.s.refs, x.s.volsize
	return 0
}
