package plan

import (
	"bytes"
	"compress/zlib"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// MaxPacked is how large a packed plan may be. Temporal refuses what is larger than 2 MiB in one event: the answer of MakePlan, in
// which the plan is base64 (a third more), and the hand-over, where the State of the run is beside it, and in that, while a new plan
// waits for an approval, that one in base64. To give it out in several arguments would not help: Temporal counts them together.
//
// Of more than 512 KiB in one event it warns (1.32; servers before it of more than 256 KiB), so of plans of more than some 352 KiB
// packed. A line in its log is better than a lab that cannot be powered down.
const MaxPacked = 704 << 10

// maxUnpacked bounds what Unpack reads: more than what the largest packed plan unfolds to.
const maxUnpacked = 22 << 20

// maxSteps is how many steps a plan may have that comes from outside: ten times what MaxPacked holds. A step takes some
// 400 bytes of memory, be it empty, and a packed plan could name millions of them.
const maxSteps = 1 << 18

// Pack makes the plan small: some 25 bytes a guest, of which 16 are its UUID. Hand it to Temporal as a []byte argument of
// its own, as inside a struct it becomes base64. It fails when the plan is larger than MaxPacked: 20,000 guests whose names are numbered,
// half as many whose names are 40 random characters. Names and UUIDs are in it once, as small as they can be: they are what it is made of.
func (p Plan) Pack() ([]byte, error) {
	b, err := p.pack()
	if err != nil {
		return nil, fmt.Errorf("pack the plan: %w", err)
	}
	if len(b) > MaxPacked {
		return nil, fmt.Errorf("the plan has %d steps and %d KiB packed, the limit is %d KiB: run it in parts, by cluster",
			len(p.Steps), len(b)>>10, MaxPacked>>10)
	}
	return b, nil
}

func (p Plan) pack() ([]byte, error) {
	if c, ok := inColumns(p); ok {
		return c.write()
	}
	var b bytes.Buffer
	w, _ := zlib.NewWriterLevel(&b, zlib.BestCompression) // only an unknown level fails
	err := errors.Join(json.NewEncoder(w).Encode(p), w.Close())
	return b.Bytes(), err
}

// Unpack is the reverse of Pack.
func Unpack(b []byte) (Plan, error) {
	p, err := unpack(b)
	if err != nil {
		return Plan{}, fmt.Errorf("unpack the plan: %w", err)
	}
	return p, nil
}

func unpack(b []byte) (p Plan, err error) {
	if len(b) > 0 && b[0] == packedColumns {
		c, err := readColumns(b)
		if err != nil {
			return p, err
		}
		return c.plan()
	}
	r, err := zlib.NewReader(bytes.NewReader(b))
	if err != nil {
		return p, err
	}
	text, err := io.ReadAll(io.LimitReader(r, maxUnpacked+1))
	if err == nil && len(text) > maxUnpacked {
		err = errTooLarge
	}
	if err != nil {
		return p, err
	}
	return Decode(text)
}

// Decode reads a plan's JSON from outside: one with too many steps is refused before memory is taken for them.
func Decode(text []byte) (p Plan, err error) {
	if err := checkSize(text); err != nil {
		return p, err
	}
	return p, json.Unmarshal(text, &p)
}

// checkSize is the error of a plan whose lists are too long.
func checkSize(text []byte) error {
	var m struct {
		Steps     []skipped `json:"steps"`
		Untouched []skipped `json:"untouched"`
		Warnings  []skipped `json:"warnings"`
		Blockers  []skipped `json:"blockers"`
		Rollups   []struct {
			Rows []skipped `json:"rows"`
		} `json:"rollups"`
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return err
	}
	if max(len(m.Steps), len(m.Untouched), len(m.Warnings), len(m.Blockers)) > maxSteps {
		return errTooMany
	}
	rows := len(m.Rollups)
	for _, r := range m.Rollups {
		rows += len(r.Rows)
	}
	if rows > maxSteps {
		return errTooMany
	}
	return nil
}

// skipped takes no memory, of whatever JSON it is read.
type skipped struct{}

// UnmarshalJSON reads nothing.
func (*skipped) UnmarshalJSON([]byte) error { return nil }
