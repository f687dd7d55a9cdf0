package runapi

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// What a run says about each of its steps grows with them, and goes into each hand-over, each answer and the result, of
// which Temporal warns at 512 KiB: lists of more than readable entries are written packed. Up to there people can read
// them in the Temporal UI.
const readable = 1000

// maxUnfolded bounds what a packed list unfolds to.
const maxUnfolded = 32 << 20

// mostMoments bounds how many a packed list holds: each is eight bytes of memory, and may be a thousandth of one when packed.
const mostMoments = 1 << 20

// Tenths are moments of steps, in tenths of a second since the run was started; -1: not yet.
type Tenths []int64

// MarshalJSON writes a list, or, where that is long, a string: base64 of zlib of the differences as varints.
func (t Tenths) MarshalJSON() ([]byte, error) {
	if len(t) <= readable {
		return json.Marshal([]int64(t))
	}
	var b []byte
	last := int64(0)
	for _, v := range t {
		b = binary.AppendVarint(b, v-last)
		last = v
	}
	return packed(b)
}

// UnmarshalJSON reads both forms.
func (t *Tenths) UnmarshalJSON(b []byte) error {
	if !isPacked(b) {
		return json.Unmarshal(b, (*[]int64)(t))
	}
	b, err := unfolded(b)
	if err != nil {
		return err
	}
	*t = nil
	for last := int64(0); len(b) > 0; {
		v, n := binary.Varint(b)
		if n <= 0 {
			return errors.New("a packed list of moments is cut off")
		}
		if len(*t) == mostMoments {
			return fmt.Errorf("a packed list has more than %d moments", mostMoments)
		}
		last += v
		*t, b = append(*t, last), b[n:]
	}
	return nil
}

// Notes are what there is to say of steps, by their ids.
type Notes map[string]string

// MarshalJSON writes an object, or, where there are many, a string: base64 of zlib of it.
func (n Notes) MarshalJSON() ([]byte, error) {
	b, err := json.Marshal(map[string]string(n))
	if err != nil || len(n) <= readable {
		return b, err
	}
	return packed(b)
}

// UnmarshalJSON reads both forms.
func (n *Notes) UnmarshalJSON(b []byte) (err error) {
	if isPacked(b) {
		if b, err = unfolded(b); err != nil {
			return err
		}
	}
	return json.Unmarshal(b, (*map[string]string)(n))
}

func isPacked(b []byte) bool { return len(b) > 0 && b[0] == '"' }

func packed(b []byte) ([]byte, error) {
	var out bytes.Buffer
	w := zlib.NewWriter(&out)
	_, err := w.Write(b)
	if err := errors.Join(err, w.Close()); err != nil {
		return nil, err
	}
	return json.Marshal(base64.StdEncoding.EncodeToString(out.Bytes()))
}

func unfolded(b []byte) ([]byte, error) {
	var raw []byte // JSON's form of bytes is base64
	if err := json.Unmarshal(b, &raw); err != nil {
		return nil, err
	}
	r, err := zlib.NewReader(bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	out, err := io.ReadAll(io.LimitReader(r, maxUnfolded+1))
	if err == nil && len(out) > maxUnfolded {
		err = fmt.Errorf("a packed list unfolds to more than %d MiB", maxUnfolded>>20)
	}
	return out, err
}
