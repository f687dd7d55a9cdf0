package storage

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// stream runs zfs send and zfs receive, which take their time.
func (c *call) stream(argv []string) Exit {
	var out, errs bytes.Buffer
	t := &tool{Host: c.Host, user: c.p.user, out: &out, errs: &errs}
	status := 0
	var go1 func() Exit
	ok := c.locked(func() {
		if argv[1] == "send" {
			go1, status = c.prepareSend(t, argv[2:])
		} else {
			go1, status = c.prepareReceive(t, argv[2:])
		}
	})
	if !ok {
		return Exit{}
	}
	if go1 != nil {
		_, _ = c.err.Write(errs.Bytes())
		return go1()
	}
	_, _ = c.out.Write(out.Bytes()) // who read it may be gone
	_, _ = c.err.Write(errs.Bytes())
	return Exit{Status: status}
}

// A sending is a zfs send that has begun.
type sending struct {
	header
	from    string // as it was asked for
	snap    *snapshot
	numbers []int64
	units   layer
	token   *header
}

// recordHead is what a record has beside its bytes, and streamHead a stream beside its records, as they are estimated.
const (
	recordHead = 312
	streamHead = 624
)

func (s *sending) bytes() int64 {
	return streamHead + int64(len(s.numbers))*(s.Unit+recordHead)
}

// prepareSend reads what is asked for, and finds it. The host is locked.
func (c *call) prepareSend(t *tool, argv []string) (func() Exit, int) {
	if status := t.parse(argv, "nvPwcLepRi:I:t:DVh"); status != 0 {
		return nil, status
	}
	s, status := t.find1()
	if s == nil {
		return nil, status
	}
	if t.has('n') {
		t.out.WriteString(s.told())
		return nil, 0
	}
	if s.snap.of.locked() && !s.Raw {
		return nil, t.fail("warning: cannot send '%s': dataset key must be loaded", s.Snapshot)
	}
	s.snap.sends++
	return func() Exit { return c.send(s, t.has('v')) }, 0
}

// named finds the snapshot of a token by its GUID, as guid_to_name does: where the token says that it is, then ever nearer to the pool.
// Empty: there is none.
func (t *tool) named(token *header) string {
	name, _, _ := strings.Cut(token.Snapshot, "@")
	for ; name != ""; name = name[:max(0, strings.LastIndexByte(name, '/'))] {
		d := t.dataset(name)
		if d == nil {
			continue
		}
		for _, in := range append([]*dataset{d}, d.below()...) {
			for _, s := range in.snaps {
				if s.guid == token.To {
					return s.full()
				}
			}
		}
	}
	return ""
}

// find1 is the sending that the arguments ask for.
func (t *tool) find1() (*sending, int) {
	s := &sending{}
	var name string
	from, fromGUID := t.last('i', ""), uint64(0)
	raw, large := t.has('w'), t.has('L') || t.has('w')
	if t.has('t') {
		token, why := parseToken(t.last('t', ""))
		if why != "" {
			t.fail("cannot resume send: %s", why)
			return nil, minusOne
		}
		s.token = &token
		if t.has('v') {
			to := t.errs
			if t.has('n') {
				to = t.out
			}
			to.WriteString(token.contents())
		}
		name, fromGUID, raw, large = t.named(&token), token.From, token.Raw, token.Large
		switch {
		case name == "" && t.find(token.Snapshot) != nil:
			t.fail("cannot resume send: '%s' is no longer the same snapshot used in the initial send", token.Snapshot)
			return nil, minusOne
		case name == "":
			t.fail("cannot resume send: '%s' used in the initial send no longer exists", token.Snapshot)
			return nil, minusOne
		}
	} else if len(t.args) != 1 {
		return nil, t.wrong("missing snapshot argument")
	} else {
		name = t.args[0]
	}
	x := t.open(name)
	if x == nil {
		return nil, 1
	}
	if x.s == nil {
		return nil, t.fail("cannot send '%s': target is not a snapshot", name) // nobody sends that
	}
	if !t.may(x, "send") {
		return nil, t.fail("warning: cannot send '%s': permission denied", name)
	}
	var base bookmark
	var why string
	switch {
	case fromGUID != 0:
		if base, s.from = x.d.byGUID(fromGUID); s.from == "" {
			t.fail("cannot resume send: incremental source %#x no longer exists", fromGUID)
			return nil, minusOne
		}
	case from != "":
		if base, why = t.base(x, from); why != "" {
			return nil, t.fail("%s", why)
		}
		s.from = from
	}
	s.snap, s.units = x.s, x.s.content()
	for i, u := range s.units {
		if u.birth > base.txg {
			s.numbers = append(s.numbers, i)
		}
	}
	slices.Sort(s.numbers)
	s.header = header{Snapshot: name, To: x.s.guid, From: base.guid, Made: x.s.creation, Volume: x.d.volume, Size: x.s.volsize, Block: x.d.largest(),
		Large: large, Unit: t.cfg.Unit, Scale: t.cfg.Scale, Refs: x.s.refs, Records: int64(len(s.numbers))}
	if raw && x.d.crypt != nil {
		s.Raw, s.Key, s.IV, s.FromIV = true, x.d.crypt.key, x.s.iv, base.iv
	}
	if t.has('p') {
		s.Props = maps.Clone(x.d.local)
	}
	if s.token != nil {
		s.Resumes, s.Have, s.HaveBytes = true, s.token.Have, s.token.HaveBytes
		s.numbers = s.numbers[min(int64(len(s.numbers)), s.Have):]
	}
	return s, 0
}

// largest is the largest block that it writes, in bytes.
func (d *dataset) largest() int64 {
	if d.volume {
		return d.block
	}
	return max(d.block, d.number("recordsize"))
}

// byGUID finds what is left of a snapshot, and its name.
func (d *dataset) byGUID(guid uint64) (left bookmark, name string) {
	for _, s := range d.snaps {
		if s.guid == guid {
			return bookmark{guid: guid, txg: s.txg, iv: s.iv}, "@" + s.name
		}
	}
	for _, b := range d.marks {
		if b.guid == guid {
			return *b, "#" + b.name
		}
	}
	return left, ""
}

// base finds what an increment is sent from; why: it cannot be.
func (t *tool) base(x *thing, from string) (left bookmark, why string) {
	if from[0] == '@' || from[0] == '#' {
		from = x.d.name + from
	}
	b := t.find(from)
	at := strings.IndexAny(from, "@#")
	switch {
	case at < 0 || b == nil && from[at] == '@':
		return left, fmt.Sprintf("cannot open '%s': dataset does not exist", from)
	case b == nil && !t.has('n'):
		return left, fmt.Sprintf("warning: cannot send '%s': incremental source (%s) does not exist", x.name(), from)
	case b == nil:
		return left, fmt.Sprintf("warning: cannot send '%s': No such process", x.name())
	case b.s != nil:
		left = bookmark{guid: b.s.guid, txg: b.s.txg, iv: b.s.iv}
	case b.b != nil:
		left = *b.b
	}
	if b.d != x.d || left.txg >= x.s.txg {
		return left, fmt.Sprintf("warning: cannot send '%s': not an earlier snapshot from the same fs", x.name())
	}
	return left, ""
}

// contents is what a resumed send says of its token, before it looks for the snapshot: all that a host which does not have it says.
func (h *header) contents() string {
	var b strings.Builder
	b.WriteString("resume token contents:\nnvlist version: 0\n")
	if h.From != 0 {
		fmt.Fprintf(&b, "\tfromguid = %#x\n", h.From)
	}
	fmt.Fprintf(&b, "\tobject = 0x1\n\toffset = %#x\n\tbytes = %#x\n\ttoguid = %#x\n\ttoname = %s\n", h.Have*h.Unit, h.HaveBytes, h.To, h.Snapshot)
	return b.String()
}

// told is what it says of what it will send (send_print_verbose).
func (s *sending) told() string {
	var b strings.Builder
	if s.from != "" {
		short := s.from
		if at := strings.IndexAny(short, "@#"); at >= 0 {
			short = short[at:]
		}
		fmt.Fprintf(&b, "incremental\t%s\t%s\t%d\n", strings.TrimPrefix(short, "@"), s.Snapshot, s.bytes())
	} else {
		fmt.Fprintf(&b, "full\t%s\t%d\n", s.Snapshot, s.bytes())
	}
	fmt.Fprintf(&b, "size\t%d\n", s.bytes())
	return b.String()
}

// send writes the stream, and says how far it is, if it was asked to.
func (c *call) send(s *sending, verbose bool) Exit {
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		s.snap.sends--
	}()
	var sent atomic.Int64
	over := make(chan struct{})
	defer close(over)
	if verbose {
		_, _ = io.WriteString(c.err, s.told()) // who reads it may be gone: then it is killed
		go func() {
			t := time.NewTicker(max(c.scaled(time.Second), 10*time.Millisecond))
			defer t.Stop()
			for {
				select {
				case <-t.C:
					fmt.Fprintf(c.err, "%s\t%d\t%s\n", c.now().Format(time.TimeOnly), sent.Load(), s.Snapshot)
				case <-over:
					return
				case <-c.p.gone:
					return
				}
			}
		}()
	}
	if writeHeader(c.out, s.header) != nil {
		return c.cannotSend(s)
	}
	sent.Add(streamHead / 2)
	begun := time.Now()
	for _, i := range s.numbers {
		if _, err := c.out.Write(record(i, s.units[i], s.Unit, s.Scale)); err != nil {
			return c.cannotSend(s)
		}
		n := sent.Add(s.Unit + recordHead)
		if c.cfg.Rate > 0 {
			due := time.Duration(float64(n) / float64(c.cfg.Rate) * float64(time.Second))
			if ahead := due - time.Duration(float64(time.Since(begun))*c.cfg.Speed); c.scaled(ahead) > time.Millisecond {
				c.sleep(ahead, c.p.gone)
			}
		}
	}
	if _, err := c.out.Write([]byte{anEnd}); err != nil {
		return c.cannotSend(s)
	}
	return Exit{}
}

func (c *call) cannotSend(s *sending) Exit {
	c.say("warning: cannot send '%s': Broken pipe", s.Snapshot)
	return Exit{Status: 1}
}
