package plan

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The packed form of a plan, column by column: what steps have in common is written once, as their shape, and beside it
// which target each has and what it needs. What remains is mostly the UUIDs, which are random: 16 bytes a guest.
//
// A shape is a step without its needs, in which own* stand for what its target is called. Params that list other objects
// (RememberRunning) name them by their place among the objects.

// packedColumns is the first byte. That of zlib, in which plans were packed before, is 0x78.
const packedColumns = 2

// Stand-ins. Plans in which one of these characters occurs are packed as JSON.
const (
	ownName    = "\x01" // of the step's target
	ownRef     = "\x02"
	ownUUID    = "\x03"
	otherUUID  = "\x04" // followed by the distance from the object named before, and otherEnd
	otherEnd   = "\x05"
	otherName  = "\x06" // of the object that was named by its UUID last
	otherRef   = "\x07"
	standsIn   = ownName + ownRef + ownUUID + otherUUID + otherEnd + otherName + otherRef
	uuidLength = 36
)

// An object is what targets are, without what their kind tells.
type object struct{ name, ref, uuid string }

// A shape is what many steps have in common. Params are text, as they hold stand-ins.
type shape struct {
	Step   Step   `json:"step"`
	Params string `json:"params,omitempty"`
}

// columns are the parts of a packed plan.
type columns struct {
	head    Plan // without its steps
	objects []object
	shapes  []shape
	steps   []columnStep
}

// A columnStep is one step: which shape, which object, and the steps that it needs, by their numbers.
type columnStep struct {
	shape, object int
	needs         []int
}

// inColumns answers false where the plan cannot be written so: it holds stand-ins, or a need that is not in the plan.
func inColumns(p Plan) (columns, bool) {
	c := columns{head: p}
	if c.head.Steps = nil; len(p.Steps) == 0 {
		c.head.Steps = p.Steps // none, or an empty list: the hash knows the difference
	}
	number := make(map[string]int, len(p.Steps))
	for i, s := range p.Steps {
		number[s.ID] = i
	}
	objects, byUUID, shapes := map[object]int{}, map[string]int{}, map[string]int{}
	for _, s := range p.Steps {
		o := object{s.Target.Name, s.Target.Ref, s.Target.UUID}
		if _, known := objects[o]; !known {
			objects[o] = len(c.objects)
			if isUUID(o.uuid) {
				byUUID[o.uuid] = len(c.objects)
			}
			c.objects = append(c.objects, o)
		}
	}
	for _, s := range p.Steps {
		o := object{s.Target.Name, s.Target.Ref, s.Target.UUID}
		step := columnStep{object: objects[o], needs: make([]int, len(s.Needs))}
		for k, need := range s.Needs {
			j, ok := number[need]
			if !ok {
				return c, false
			}
			step.needs[k] = j
		}
		sh := shape{Step: s, Params: c.otherObjects(string(s.Params), byUUID)}
		sh.Step.Needs, sh.Step.Params = nil, nil
		text, err := json.Marshal(sh.Step) // what is escaped in it is none of the stand-ins' business
		if err != nil || strings.ContainsAny(s.ID+s.Title+s.Group+o.name+o.ref+o.uuid+string(s.Params), standsIn) || len(s.Params) > 0 && !json.Valid(s.Params) || !utf8.Valid(s.Params) {
			return c, false
		}
		sh = sh.replace(o.to())
		if text, err = json.Marshal(sh); err != nil {
			return c, false
		}
		n, known := shapes[string(text)]
		if !known {
			n = len(c.shapes)
			shapes[string(text)] = n
			c.shapes = append(c.shapes, sh)
		}
		step.shape = n
		c.steps = append(c.steps, step)
	}
	return c, true
}

// to puts the stand-ins in the place of the object's names; from does the reverse. The longest goes first: a name may be
// part of another.
func (o object) to() *strings.Replacer {
	return pairs([2]string{o.uuid, ownUUID}, [2]string{o.ref, ownRef}, [2]string{o.name, ownName})
}

func (o object) from() *strings.Replacer {
	return pairs([2]string{ownUUID, o.uuid}, [2]string{ownRef, o.ref}, [2]string{ownName, o.name})
}

func pairs(list ...[2]string) *strings.Replacer {
	var args []string
	for _, p := range list {
		if p[0] != "" {
			args = append(args, p[0], p[1])
		}
	}
	return strings.NewReplacer(args...)
}

// replace is the shape with everything replaced that may hold names of the target.
func (s shape) replace(r *strings.Replacer) shape {
	for _, field := range []*string{&s.Step.ID, &s.Step.Title, &s.Step.Group, &s.Step.Target.Name, &s.Step.Target.Ref, &s.Step.Target.UUID, &s.Params} {
		*field = r.Replace(*field)
	}
	return s
}

// otherObjects puts stand-ins in the place of objects that the parameters list by UUID.
func (c *columns) otherObjects(params string, byUUID map[string]int) string {
	if len(params) < 2*uuidLength { // one UUID is the target's own
		return params
	}
	var b strings.Builder
	last := -1
	for params != "" {
		at := strings.IndexByte(params, '"')
		if at < 0 {
			break
		}
		b.WriteString(params[:at+1])
		params = params[at+1:]
		end := strings.IndexByte(params, '"')
		if end < 0 {
			break
		}
		word := params[:end]
		n, known := byUUID[word]
		switch {
		case known:
			b.WriteString(otherUUID + strconv.Itoa(n-last) + otherEnd)
			last = n
		case last >= 0 && word != "" && word == c.objects[last].name:
			b.WriteString(otherName)
		case last >= 0 && word != "" && word == c.objects[last].ref:
			b.WriteString(otherRef)
		default:
			b.WriteString(word)
		}
		b.WriteByte('"')
		params = params[end+1:]
	}
	b.WriteString(params)
	return b.String()
}

// theObjects is the reverse of otherObjects. What it adds it takes from room.
func (c *columns) theObjects(params string, room *int) (string, error) {
	if !strings.Contains(params, otherUUID) {
		return params, nil
	}
	var b strings.Builder
	last := -1
	for params != "" {
		at := strings.IndexAny(params, otherUUID+otherName+otherRef)
		if at < 0 {
			break
		}
		b.WriteString(params[:at])
		what := params[at : at+1]
		params = params[at+1:]
		if what == otherUUID {
			number, rest, ok := strings.Cut(params, otherEnd)
			distance, err := strconv.Atoi(number)
			if !ok || err != nil || last+distance < 0 || last+distance >= len(c.objects) {
				return "", errors.New("parameters name an object that is not there")
			}
			last += distance
			params = rest
		}
		if last < 0 {
			return "", errors.New("parameters name no object")
		}
		word := c.objects[last].ref
		switch what {
		case otherUUID:
			word = c.objects[last].uuid
		case otherName:
			word = c.objects[last].name
		}
		if *room -= len(word); *room < 0 {
			return "", errTooLarge
		}
		b.WriteString(word)
	}
	b.WriteString(params)
	return b.String(), nil
}

// plan puts the columns together again.
func (c *columns) plan() (Plan, error) {
	p := c.head
	if len(c.steps) > 0 {
		p.Steps = make([]Step, len(c.steps))
	}
	replacers := make([]*strings.Replacer, len(c.objects))
	room := maxUnpacked
	for i, s := range c.steps {
		if replacers[s.object] == nil {
			replacers[s.object] = c.objects[s.object].from()
		}
		sh := c.shapes[s.shape]
		if room -= sh.unfolds(c.objects[s.object]); room < 0 { // before it is made: a few bytes can stand for terabytes
			return p, errTooLarge
		}
		sh = sh.replace(replacers[s.object])
		params, err := c.theObjects(sh.Params, &room)
		if err != nil {
			return p, err
		}
		if params != "" {
			sh.Step.Params = json.RawMessage(params)
		}
		sh.Step.Holds = slices.Clone(sh.Step.Holds)
		p.Steps[i] = sh.Step
	}
	for i, s := range c.steps {
		for _, j := range s.needs {
			p.Steps[i].Needs = append(p.Steps[i].Needs, p.Steps[j].ID)
		}
	}
	return p, nil
}

// unfolds is how many bytes the shape takes with the names of the object in it, without other objects.
func (s shape) unfolds(o object) (n int) {
	for _, text := range []string{s.Step.ID, s.Step.Title, s.Step.Group, s.Step.Target.Name, s.Step.Target.Ref, s.Step.Target.UUID, s.Params} {
		n += len(text) + strings.Count(text, ownName)*len(o.name) + strings.Count(text, ownRef)*len(o.ref) + strings.Count(text, ownUUID)*len(o.uuid)
	}
	return n + len(s.Step.Holds)*int(reflect.TypeFor[string]().Size())
}

// write writes the columns one after the other, each packed for itself, as each is of another kind.
func (c *columns) write() ([]byte, error) {
	head, err := json.Marshal(c.head)
	if err != nil {
		return nil, err
	}
	shapes, err := json.Marshal(c.shapes)
	if err != nil {
		return nil, err
	}
	var names, refs, ids, shapeOf, objectOf, needs numbers
	var uuids, otherIDs []string
	for i, o := range c.objects {
		before := object{}
		if i > 0 {
			before = c.objects[i-1]
		}
		names.word(before.name, o.name)
		refs.word(before.ref, o.ref)
		if isUUID(o.uuid) {
			uuids = append(uuids, o.uuid)
			ids.add(0)
		} else {
			otherIDs = append(otherIDs, o.uuid)
			ids.add(1)
		}
	}
	object := 0
	for i, s := range c.steps {
		shapeOf.add(s.shape)
		objectOf.add(s.object - object)
		object = s.object
		needs.add(len(s.needs))
		at := i
		for _, j := range s.needs {
			needs.add(at - j)
			at = j
		}
	}
	raw, err := hex.DecodeString(strings.ReplaceAll(strings.Join(uuids, ""), "-", ""))
	if err != nil {
		return nil, err
	}
	other, err := json.Marshal(otherIDs)
	if err != nil {
		return nil, err
	}
	out := []byte{packedColumns}
	out = binary.AppendUvarint(out, uint64(len(c.objects)))
	out = binary.AppendUvarint(out, uint64(len(c.steps)))
	for _, column := range [][]byte{head, shapes, names.b, refs.b, ids.b, raw, other, shapeOf.b, objectOf.b, needs.b} {
		packed, err := deflate(column)
		if err != nil {
			return nil, err
		}
		out = binary.AppendUvarint(out, uint64(len(packed)))
		out = append(out, packed...)
	}
	return out, nil
}

func deflate(b []byte) ([]byte, error) {
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, flate.BestCompression)
	if err == nil {
		_, err = w.Write(b)
	}
	if err == nil {
		err = w.Close()
	}
	return out.Bytes(), err
}

// readColumns is the reverse of write. What it reads may be anything: it checks each number before it is used.
func readColumns(b []byte) (*columns, error) {
	in := &columnReader{rest: b[1:], room: maxUnpacked}
	nObjects, nSteps := in.uvarint(), in.uvarint()
	if max(nObjects, nSteps) > maxSteps {
		return nil, errTooMany
	}
	var parts [10][]byte
	for i := range parts {
		parts[i] = in.column()
	}
	if in.err != nil {
		return nil, in.err
	}
	c := &columns{}
	var otherIDs []string
	var shapes, ids []skipped
	if err := errors.Join(checkSize(parts[0]), json.Unmarshal(parts[1], &shapes), json.Unmarshal(parts[6], &ids)); err != nil {
		return nil, err
	}
	if len(shapes) > nSteps || len(ids) > nObjects {
		return nil, errShort
	}
	if err := errors.Join(json.Unmarshal(parts[0], &c.head), json.Unmarshal(parts[1], &c.shapes), json.Unmarshal(parts[6], &otherIDs)); err != nil {
		return nil, err
	}
	if nObjects > len(parts[2]) || nSteps > len(parts[7]) {
		return nil, errShort
	}
	names, refs, kinds, raw := &numbers{b: parts[2]}, &numbers{b: parts[3]}, &numbers{b: parts[4]}, parts[5]
	before := object{}
	for range nObjects {
		o := object{name: names.nextWord(before.name), ref: refs.nextWord(before.ref)}
		switch which := kinds.next(); {
		case which == 0 && len(raw) >= 16:
			o.uuid, raw = uuidText(raw[:16]), raw[16:]
		case which == 1 && len(otherIDs) > 0:
			o.uuid, otherIDs = otherIDs[0], otherIDs[1:]
		default:
			return nil, errShort
		}
		c.objects = append(c.objects, o)
		before = o
	}
	shapeOf, objectOf, needs := &numbers{b: parts[7]}, &numbers{b: parts[8]}, &numbers{b: parts[9]}
	for i, at := 0, 0; i < nSteps; i++ {
		at += objectOf.next()
		s := columnStep{shape: shapeOf.next(), object: at}
		if s.shape < 0 || s.shape >= len(c.shapes) || at < 0 || at >= len(c.objects) {
			return nil, errShort
		}
		from := i
		for range needs.count() {
			from -= needs.next()
			if from < 0 || from >= nSteps {
				return nil, errShort
			}
			s.needs = append(s.needs, from)
		}
		c.steps = append(c.steps, s)
	}
	return c, errors.Join(names.err, refs.err, kinds.err, shapeOf.err, objectOf.err, needs.err)
}

var (
	errShort    = errors.New("a part of it is missing")
	errTooLarge = fmt.Errorf("it unfolds to more than %d MiB", maxUnpacked>>20)
	errTooMany  = fmt.Errorf("it has more than %d steps", maxSteps)
)

type columnReader struct {
	rest []byte
	room int // how much all columns together may unfold to
	err  error
}

func (r *columnReader) uvarint() int {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 || v > maxUnpacked {
		r.err, r.rest = errShort, nil
		return 0
	}
	r.rest = r.rest[n:]
	return int(v)
}

func (r *columnReader) column() []byte {
	n := r.uvarint()
	if r.err == nil && n > len(r.rest) {
		r.err = errShort
	}
	if r.err != nil {
		return nil
	}
	b, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(r.rest[:n])), int64(r.room)+1))
	r.rest = r.rest[n:]
	if r.room -= len(b); err == nil && r.room < 0 {
		err = errTooLarge
	}
	r.err = err
	return b
}

// numbers are written so that small ones, of either sign, take a byte. Words can stand among them.
type numbers struct {
	b   []byte
	err error
}

func (n *numbers) add(v int) { n.b = binary.AppendVarint(n.b, int64(v)) }

func (n *numbers) next() int {
	v, size := binary.Varint(n.b)
	if size <= 0 || v > maxUnpacked || v < -maxUnpacked {
		n.err, n.b = errShort, nil
		return 0
	}
	n.b = n.b[size:]
	return int(v)
}

// count is a number that says how many more of them follow.
func (n *numbers) count() int {
	v := n.next()
	if v < 0 || v > len(n.b) {
		n.err, n.b = errShort, nil
		return 0
	}
	return v
}

// word writes the word that comes after another: as the distance of the numbers at their ends where that is all in which
// they differ (vm-1013 after vm-1007), else in full.
func (n *numbers) word(before, word string) {
	if d := successor(before, word); d > 0 {
		n.add(d)
		return
	}
	n.add(-1 - len(word))
	n.b = append(n.b, word...)
}

func (n *numbers) nextWord(before string) string {
	v := n.next()
	if v > 0 {
		return advance(before, v)
	}
	size := -1 - v
	if size < 0 || size > len(n.b) {
		n.err, n.b = errShort, nil
		return ""
	}
	word := string(n.b[:size])
	n.b = n.b[size:]
	return word
}

// successor is by how much the number at the end of word is greater; 0: it is not, or that is not all.
func successor(before, word string) int {
	a, b := trailing(before), trailing(word)
	if a < 0 || b <= a || advance(before, b-a) != word {
		return 0
	}
	return b - a
}

// advance adds to the number at the end of the word, and keeps its zeros.
func advance(word string, by int) string {
	stem := strings.TrimRight(word, "0123456789")
	stem = word[:max(len(stem), len(word)-maxDigits)]
	digits := word[len(stem):]
	v, _ := strconv.Atoi(digits) // 0 where there are none
	return stem + fmt.Sprintf("%0*d", len(digits), v+by)
}

// maxDigits of a number at the end of a word are counted: what is before them belongs to the stem.
const maxDigits = 6

// trailing is the number at the end of the word; -1: there is none.
func trailing(word string) int {
	stem := strings.TrimRight(word, "0123456789")
	stem = word[:max(len(stem), len(word)-maxDigits)]
	v, err := strconv.Atoi(word[len(stem):])
	if err != nil {
		return -1
	}
	return v
}

// isUUID tells whether s is a UUID as uuidText writes it.
func isUUID(s string) bool {
	if len(s) != uuidLength || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return false
	}
	b, err := hex.DecodeString(strings.ReplaceAll(s, "-", ""))
	return err == nil && len(b) == 16 && uuidText(b) == s
}

func uuidText(b []byte) string {
	h := hex.EncodeToString(b)
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
