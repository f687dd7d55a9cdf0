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
	"strings"
)

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
