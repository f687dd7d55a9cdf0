package plan

import (
	"bytes"
	"compress/zlib"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// MaxPacked is how large a packed plan may be: the payload size at which Temporal servers before 1.32 begin to warn.
const MaxPacked = 256 << 10

// maxUnpacked bounds what Unpack reads: 64 times MaxPacked, about twice what the largest packed plan unfolds to.
const maxUnpacked = 64 * MaxPacked

// Pack makes the plan small: about 30 bytes a step. Hand it to Temporal as a []byte argument of its own, as inside a
// struct it becomes base64. It fails when the plan is larger than MaxPacked (roughly 8,500 steps).
func (p Plan) Pack() ([]byte, error) {
	var b bytes.Buffer
	w, _ := zlib.NewWriterLevel(&b, zlib.BestCompression) // only an unknown level fails
	if err := errors.Join(json.NewEncoder(w).Encode(p), w.Close()); err != nil {
		return nil, fmt.Errorf("pack the plan: %w", err)
	}
	if b.Len() > MaxPacked {
		return nil, fmt.Errorf("the plan has %d steps and %d KiB packed, the limit is %d KiB: run it in parts, by cluster",
			len(p.Steps), b.Len()>>10, MaxPacked>>10)
	}
	return b.Bytes(), nil
}

// Unpack is the reverse of Pack.
func Unpack(b []byte) (Plan, error) {
	var p Plan
	r, err := zlib.NewReader(bytes.NewReader(b))
	if err != nil {
		return p, fmt.Errorf("unpack the plan: %w", err)
	}
	if err := json.NewDecoder(io.LimitReader(r, maxUnpacked)).Decode(&p); err != nil {
		return p, fmt.Errorf("unpack the plan: %w", err)
	}
	return p, nil
}
