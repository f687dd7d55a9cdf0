package identity

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"nightshift/internal/fault"
)

// Version is that of the form in which records are written.
const Version = 1

// format says what a file is, to whoever finds it.
const format = "nightshift identity record"

// MostRecord is how long a record may be, in bytes: what one command over SSH may print.
const MostRecord = 1_000_000

// Why a record is refused, beside fault.Unsupported.
var (
	// ErrNewer: a later nightshift has written it.
	ErrNewer = errors.New("written by a later version")
	// ErrDamaged: it is not what was written.
	ErrDamaged = errors.New("damaged")
)

// A sealed record is what is written: the record with the SHA-256 of its canonical JSON (no blanks, keys in order), so that a tool
// that lays it out anew does no harm, and any other change is noticed.
type sealed struct {
	Format  string          `json:"format"`
	Version int             `json:"version"`
	SHA256  string          `json:"sha256"`
	Record  json.RawMessage `json:"record"`
}

// Seal writes a record, in one line, and answers the checksum in it.
func Seal(r Record) (text []byte, sum string, err error) {
	b, err := json.Marshal(r)
	if err != nil {
		return nil, "", fmt.Errorf("the identity record of group %s cannot be written: %w", r.Group, err)
	}
	if b, err = canonical(b); err != nil {
		return nil, "", err
	}
	sum = checksum(b)
	if text, err = json.Marshal(sealed{format, Version, sum, b}); err != nil {
		return nil, "", err
	}
	if len(text) > MostRecord {
		return nil, "", fault.As(fault.Unsupported, fmt.Errorf("the identity record of group %s has %d bytes, more than %d: make more groups of it", r.Group, len(text), MostRecord))
	}
	return text, sum, nil
}

// Open reads what Seal wrote. Fields that are not known are of a later nightshift and do no harm, as long as the version is known.
// Errors are fault.Unsupported, with ErrNewer or ErrDamaged.
func Open(text []byte) (r Record, sum string, err error) {
	damaged := func(format string, args ...any) (Record, string, error) {
		return Record{}, "", fault.As(fault.Unsupported, fault.As(ErrDamaged, fmt.Errorf("the identity record is damaged: "+format, args...)))
	}
	if len(text) > MostRecord {
		return damaged("it has more than %d bytes", MostRecord)
	}
	var s sealed
	dec := json.NewDecoder(bytes.NewReader(text))
	if err := dec.Decode(&s); err != nil {
		return damaged("%v", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return damaged("there is something behind it")
	}
	switch {
	case s.Format != format:
		return damaged("it says that it is %q, and not a %s", shortened(s.Format), format)
	case s.Version > Version:
		return Record{}, "", newer(s.Version)
	case s.Version < 1:
		return damaged("its version is %d", s.Version)
	}
	b, err := canonical(s.Record)
	if err != nil {
		return damaged("%v", err)
	}
	if got := checksum(b); got != s.SHA256 {
		return damaged("its SHA-256 is %s, and it says %s", got, shortened(s.SHA256))
	}
	if err := json.Unmarshal(b, &r); err != nil {
		return damaged("%v", err)
	}
	if r.Group == "" || r.Lab == "" || r.Made.IsZero() || len(r.Datasets) == 0 {
		return damaged("it has no group, lab, time or datasets")
	}
	for _, d := range r.Datasets {
		for _, l := range d.LUNs {
			if err := l.Check(); err != nil {
				return Record{}, "", err
			}
		}
	}
	return r, s.SHA256, nil
}

func newer(version int) error {
	return fault.As(fault.Unsupported, fault.As(ErrNewer, fmt.Errorf("the identity record has version %d, this nightshift knows 1 to %d: read it with a later one", version, Version)))
}

// canonical is JSON without blanks and with its keys in order. Numbers stay as they are written.
func canonical(b []byte) ([]byte, error) {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

func checksum(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// shortened keeps what somebody else wrote out of long errors.
func shortened(s string) string {
	if len(s) > 80 {
		return s[:80] + "…"
	}
	return s
}
