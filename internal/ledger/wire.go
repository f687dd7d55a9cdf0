package ledger

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Wire is a State on its way to and from Temporal, which warns of payloads of 512 KiB and refuses 2 MiB: the memory of
// 10,000 guests is 1.5 MB. Up to readable bytes people can read it in the Temporal UI; what is larger is a string, base64
// of gzip.
type Wire State

const (
	readable = 128 << 10
	// maxUnfolded bounds what a packed state unfolds to: some 200,000 guests.
	maxUnfolded = 32 << 20
)

// MarshalJSON writes the state, packed where it is long.
func (w Wire) MarshalJSON() ([]byte, error) {
	b, err := json.Marshal(State(w))
	if err != nil || len(b) <= readable {
		return b, err
	}
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, err = z.Write(b)
	if err := errors.Join(err, z.Close()); err != nil {
		return nil, err
	}
	return json.Marshal(out.Bytes())
}

// UnmarshalJSON reads both forms.
func (w *Wire) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		var raw []byte
		if err := json.Unmarshal(b, &raw); err != nil {
			return err
		}
		z, err := gzip.NewReader(bytes.NewReader(raw))
		if err != nil {
			return fmt.Errorf("the packed ledger cannot be read: %w", err)
		}
		if b, err = io.ReadAll(io.LimitReader(z, maxUnfolded+1)); err != nil {
			return fmt.Errorf("the packed ledger cannot be read: %w", err)
		}
		if len(b) > maxUnfolded {
			return fmt.Errorf("the packed ledger unfolds to more than %d MiB", maxUnfolded>>20)
		}
	}
	return json.Unmarshal(b, (*State)(w))
}
