package storage

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A receiving is a zfs receive that has begun.
type receiving struct {
	into   string
	set    []string // -o
	leave  []string // -x
	keeps  bool     // -s
	forces bool     // -F
	d      *dataset
	what   string // as it calls the stream
	// ignores: the snapshot is there already.
	ignores bool
	// late is what it says when all has arrived, of what was to be known before.
	late string
}

// prepareReceive reads what is asked for. The host is locked.
func (c *call) prepareReceive(t *tool, argv []string) (func() Exit, int) {
	if status := t.parse(argv, "sunvFdehMo:x:A"); status != 0 {
		return nil, status
	}
	if len(t.args) != 1 {
		return nil, t.wrong("missing snapshot argument")
	}
	into, _, _ := strings.Cut(t.args[0], "@")
	if t.has('A') {
		return nil, t.abort(into)
	}
	r := &receiving{into: into, set: t.opts['o'], leave: t.opts['x'], keeps: t.has('s'), forces: t.has('F')}
	return func() Exit { return c.receive(t, r) }, 0
}

// abort is zfs receive -A.
func (t *tool) abort(into string) int {
	d := t.dataset(into)
	switch {
	case d == nil:
		t.fail("cannot open '%s': dataset does not exist", into)
		return t.usageOf()
	case d.partial == nil:
		return t.fail("'%s' does not have any resumable receive state to abort", into)
	case !t.may(&thing{d: d}, "destroy", "mount"):
		return t.fail("cannot destroy '%s': permission denied", into)
	case d.receiver != nil && !d.receiver.dead():
		return t.fail("cannot destroy '%s': dataset is busy", into)
	}
	t.tick()
	d.partial = nil
	if d.fresh {
		delete(d.pool.datasets, d.name)
	}
	return 0
}

// receive takes a stream in.
func (c *call) receive(t *tool, r *receiving) Exit {
	end := func(status int) Exit {
		errs := bytes.Clone(t.errs.Bytes())
		_, _ = c.err.Write(errs) // who read it may be gone
		return Exit{Status: status}
	}
	h, err := readHeader(c.in)
	switch {
	case errors.Is(err, errNoStream):
		return end(t.fail("cannot receive: failed to read from stream"))
	case err != nil:
		return end(t.fail("cannot receive: invalid stream (%v)", err))
	}
	status := 0
	if !c.locked(func() { status = t.begin(c.p, r, h) }) || status != 0 {
		return end(status)
	}
	for {
		i, u, done, err := readRecord(c.in)
		full := false
		ok := c.locked(func() {
			switch {
			case r.ignores && err != nil:
				status = t.fail("%s: %s", r.what, damaged)
				return
			case r.ignores:
				return
			case err != nil:
				status = t.cutShort(r)
			case done && r.d.partial.records != h.Records:
				status = t.cutShort(r)
			case done && r.late != "":
				status = t.fail("%s", r.late)
				t.dropUnlessKept(r)
			case done:
				t.complete(r)
			default:
				if status = t.room(r, h.Unit); status != 0 {
					full = true
					return
				}
				r.d.partial.layer[i] = unit{id: u.id, data: u.data}
				r.d.partial.records++
				r.d.partial.bytes += h.Unit + recordHead
				return
			}
			r.d.receiver = nil
		})
		if !ok || err != nil || done || full {
			return end(status)
		}
	}
}

// begin finds out whether the stream may go where it is to (zfs_receive_one, dmu_recv_begin_check). The host is locked.
func (t *tool) begin(p *process, r *receiving, h header) int {
	r.what = "cannot receive new filesystem stream"
	if h.From != 0 {
		r.what = "cannot receive incremental stream"
	}
	if h.Resumes {
		r.what = "cannot receive resume stream"
	}
	d := t.dataset(r.into)
	if status := t.mayReceive(r, d); status != 0 {
		return status
	}
	busy := d != nil && d.receiver != nil && !d.receiver.dead()
	switch {
	case busy && h.From == 0 && !h.Resumes:
		return t.fail("%s: destination '%s' exists\nmust specify -F to overwrite it", r.what, r.into)
	case busy && d.receiver.keeps():
		return t.fail("%s: destination %s contains partially-complete state from \"zfs receive -s\".", r.what, r.into)
	case busy:
		return t.fail("%s: dataset is busy", r.what)
	case h.Resumes && (d == nil || d.partial == nil || d.partial.To != h.To || d.partial.records != h.Have):
		if d == nil {
			return t.fail("%s: destination '%s' does not exist", r.what, r.into)
		}
		return t.fail("%s: kernel modules must be upgraded to receive this stream.", r.what)
	case h.Resumes:
	case h.From == 0 && d != nil:
		return t.fail("%s: destination '%s' exists\nmust specify -F to overwrite it", r.what, r.into)
	case h.From == 0:
		if d = t.newReplica(r, h); d == nil {
			return 1
		}
	case d == nil:
		return t.fail("%s: destination '%s' does not exist", r.what, r.into)
	case d.partial != nil:
		return t.fail("%s: destination %s contains partially-complete state from \"zfs receive -s\".", r.what, r.into)
	case h.Raw && d.crypt == nil:
		return t.fail("%s: cannot perform raw receive on top of existing unencrypted dataset", r.what)
	case !h.Raw && d.locked():
		return t.fail("%s: inherited key must be loaded", r.what)
	case d.block > small && !h.Large:
		return t.fail("%s: incremental send stream requires -L (--large-block), to match previous receive.", r.what)
	default:
		if status := t.base1(r, d, h); status != 0 {
			return status
		}
	}
	if r.ignores {
		return 0
	}
	if d.partial == nil {
		d.partial = &partial{header: h, layer: layer{}, on: d.newest()}
	}
	if h.Props != nil {
		d.partial.props = h.Props
	}
	r.d, d.receiver = d, p
	return 0
}

func (t *tool) mayReceive(r *receiving, d *dataset) int {
	if why := legal(r.into); why != "" {
		return t.fail("%s: %s", r.what, why)
	}
	near := d
	if near == nil {
		i := max(0, strings.LastIndexByte(r.into, '/'))
		if near = t.dataset(r.into[:i]); near == nil {
			t.fail("cannot open '%s': dataset does not exist", r.into[:i])
			return t.fail("%s: unable to restore to destination", r.what)
		}
	}
	if !t.may(&thing{d: near}, "receive", "mount", "create") {
		return t.fail("%s: permission denied", r.what)
	}
	for _, o := range r.set {
		name, value, _ := strings.Cut(o, "=")
		full, _, why := t.checked(thing{d: &dataset{volume: true, pool: near.pool, name: r.into}}, name, value)
		if why != "" && !strings.Contains(why, "does not apply") {
			return t.fail("%s: %s", r.what, why)
		}
		if full != "" && !t.may(&thing{d: near}, permission(full)) {
			return t.fail("%s: permission denied", r.what)
		}
	}
	return 0
}

func (t *tool) newReplica(r *receiving, h header) *dataset {
	i := strings.LastIndexByte(r.into, '/')
	up := t.dataset(r.into[:i])
	if up.volume {
		t.fail("%s: parent '%s' is not a filesystem", r.what, up.name)
		return nil
	}
	if !h.Raw && up.locked() {
		t.fail("%s: inherited key must be loaded", r.what)
		return nil
	}
	d := up.pool.add(r.into, t.guid(), t.tick(), t.now())
	d.volume, d.volsize, d.block, d.fresh, d.crypt = h.Volume, h.Size, h.blocks(), true, up.crypt
	if h.Raw {
		d.crypt = &crypt{root: d, key: h.Key, prompt: true}
	}
	return d
}

// small is how large a block gets in a stream without -L, in bytes.
const small = 128 << 10

// blocks is how large they are where they arrive.
func (h header) blocks() int64 {
	if h.Large {
		return h.Block
	}
	return min(h.Block, small)
}

// base1 looks whether the increment fits: its base is there, and nothing changed since, though there may be snapshots.
func (t *tool) base1(r *receiving, d *dataset, h header) int {
	at := slices.IndexFunc(d.snaps, func(s *snapshot) bool { return s.guid == h.From })
	_, short, _ := strings.Cut(h.Snapshot, "@")
	if s := d.snap(short); s != nil && s.guid == h.To {
		r.ignores = true // it is read to its end
		return 0
	}
	if at < 0 {
		return t.fail("%s: most recent snapshot of %s does not\nmatch incremental source", r.what, r.into)
	}
	if d.snap(short) != nil {
		return t.fail("cannot restore to %s@%s: destination already exists", r.into, short)
	}
	if h.Raw && d.snaps[at].iv != h.FromIV {
		return t.fail("%s: IV set guid mismatch. See the 'zfs receive' man page section\n discussing the limitations of raw encrypted send streams.", r.what)
	}
	if !r.forces {
		changed := len(d.head) > 0 || h.Raw && at+1 < len(d.snaps)
		for _, s := range d.snaps[at+1:] {
			changed = changed || len(s.delta) > 0
		}
		if changed {
			return t.fail("%s: destination %s has been modified\nsince most recent snapshot", r.what, r.into)
		}
		return 0
	}
	for _, s := range slices.Clone(d.snaps[at+1:]) {
		if why := s.kept(); why != "" || len(s.clones) > 0 {
			r.late = fmt.Sprintf("cannot restore to %s@%s: destination already exists", r.into, short)
			return 0
		}
		d.drop(s)
	}
	d.head, d.refs = layer{}, d.snaps[at].refs
	return 0
}

// room looks whether there is some for another unit.
func (t *tool) room(r *receiving, n int64) int {
	free, quota := t.available(r.d)
	if free >= n {
		return 0
	}
	r.d.receiver = nil
	t.dropUnlessKept(r)
	if quota {
		return t.fail("%s: destination %s space quota exceeded.", r.what, r.into)
	}
	return t.fail("%s: out of space", r.what)
}

func (t *tool) dropUnlessKept(r *receiving) {
	if r.keeps {
		return
	}
	r.d.partial = nil
	if r.d.fresh {
		delete(r.d.pool.datasets, r.d.name)
	}
}

// damaged is said of a stream that ended early, and of one that came damaged: 2.3 does not tell them apart.
const damaged = "checksum mismatch or incomplete stream"

// cutShort keeps what has arrived of a stream that ended early, or came damaged.
func (t *tool) cutShort(r *receiving) int {
	if !r.keeps {
		t.dropUnlessKept(r)
		return t.fail("%s: %s", r.what, damaged)
	}
	return t.fail("%s: %s.\nPartially received snapshot is saved.\nA resuming stream can be generated on the sending system by running:\n    zfs send -t %s",
		r.what, damaged, r.d.partial.token())
}

// complete makes the snapshot.
func (t *tool) complete(r *receiving) {
	d, p := r.d, r.d.partial
	txg := t.tick()
	d.head = layer{} // of -F
	if d.volume && !d.fresh && d.block <= small && p.blocks() > small {
		for i := range d.shown() { // ZFS makes the volume anew with larger blocks, and has only what came now
			d.head[i] = unit{birth: txg}
		}
	}
	if d.block = max(d.block, p.blocks()); d.volume {
		d.block = p.blocks()
	}
	for i, u := range p.layer {
		u.birth = txg
		d.head[i] = u
	}
	d.refs, d.volsize = p.Refs, p.Size
	_, short, _ := strings.Cut(p.Snapshot, "@")
	s := d.take(short, p.To, t.tick(), p.Made)
	if s.iv = p.IV; !p.Raw {
		s.iv = t.guid()
	}
	d.partial, d.fresh = nil, false
	if p.props != nil {
		got := maps.Clone(p.props)
		for _, x := range r.leave {
			delete(got, x)
		}
		delete(got, "refreservation")
		d.received = got
	}
	for _, o := range r.set {
		name, value, _ := strings.Cut(o, "=")
		if full, v, why := t.checked(thing{d: d}, name, value); why == "" {
			d.local[full] = v
		}
	}
}
