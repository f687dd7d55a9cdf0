package identity

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"

	"nightshift/internal/fault"
	"nightshift/internal/zfs"
)

// Property is the ZFS user property that says that there is a record, and which: a Stamp. The record itself, as Seal writes it, is
// packed with gzip and written in base64, as ZFS takes no longer values than 8 KiB, in the properties Property.1, Property.2, …
const Property = zfs.Namespace + "identity"

const (
	partLength = 8000 // ZAP_MAXVALUELEN is 8192, with the NUL
	mostParts  = 11   // all of it has to be in one command line
)

// A Stamp says which record lies on a dataset.
type Stamp struct {
	Version int
	Parts   int
	Made    time.Time
	SHA256  string
	Run     string
}

func (s Stamp) String() string {
	return fmt.Sprintf("version=%d parts=%d made=%s sha256=%s run=%s", s.Version, s.Parts, s.Made.UTC().Format(time.RFC3339), s.SHA256, oneWord(s.Run))
}

// oneWord is a run's id as stamps have it.
func oneWord(s string) string { return strings.Join(strings.Fields(s), "_") }

// By tells whether a run made the record.
func (s Stamp) By(run string) bool { return s.Run == oneWord(run) }

var stampForm = regexp.MustCompile(`^version=([0-9]{1,6}) parts=([0-9]{1,3}) made=(\S{1,40}) sha256=([0-9a-f]{64}) run=(\S{0,400})$`)

// ParseStamp reads what Stamp.String wrote. Of a later version only that is told: ErrNewer.
func ParseStamp(text string) (Stamp, error) {
	if rest, ok := strings.CutPrefix(text, "version="); ok {
		number, _, _ := strings.Cut(rest, " ")
		if v, err := strconv.Atoi(number); err == nil && v > Version {
			return Stamp{}, newer(v)
		}
	}
	m := stampForm.FindStringSubmatch(text)
	if m == nil {
		return Stamp{}, damagedStamp(text)
	}
	s := Stamp{SHA256: m[4], Run: m[5]}
	var err error
	s.Version, _ = strconv.Atoi(m[1])
	s.Parts, _ = strconv.Atoi(m[2])
	if s.Made, err = time.Parse(time.RFC3339, m[3]); err != nil || s.Version < 1 || s.Parts < 1 || s.Parts > mostParts {
		return Stamp{}, damagedStamp(text)
	}
	return s, nil
}

func damagedStamp(text string) error {
	return fault.As(fault.Unsupported, fault.As(ErrDamaged, fmt.Errorf("the property %s is damaged: %q", Property, shortened(text))))
}

// PartNames are the properties that hold the parts of a record.
func PartNames(parts int) (names []string) {
	for i := 1; i <= parts; i++ {
		names = append(names, Property+"."+strconv.Itoa(i))
	}
	return names
}

// Properties are those of a record: of the datasets on which it lies.
func Properties(r Record) (map[string]string, error) {
	text, sum, err := Seal(r)
	if err != nil {
		return nil, err
	}
	var packed bytes.Buffer
	z, _ := gzip.NewWriterLevel(&packed, gzip.BestCompression) // the level is one that there is
	if _, err := z.Write(text); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	all := base64.StdEncoding.EncodeToString(packed.Bytes())
	parts := (len(all) + partLength - 1) / partLength
	if parts > mostParts {
		return nil, fault.As(fault.Unsupported, fmt.Errorf("the identity record of group %s takes %d properties of ZFS, more than %d: only its file has it; make more groups of it", r.Group, parts, mostParts))
	}
	out := map[string]string{Property: Stamp{Version, parts, r.Made, sum, r.Run}.String()}
	for i, name := range PartNames(parts) {
		out[name] = all[i*partLength : min(len(all), (i+1)*partLength)]
	}
	return out, nil
}

// FromProperties reads a record from the values of the properties of a dataset. Errors are those of Open.
func FromProperties(values map[string]string) (Record, error) {
	stamp, err := ParseStamp(values[Property])
	if err != nil {
		return Record{}, err
	}
	damaged := func(why string) (Record, error) {
		return Record{}, fault.As(fault.Unsupported, fault.As(ErrDamaged, fmt.Errorf("the identity record is damaged: %s", why)))
	}
	var all strings.Builder
	for _, name := range PartNames(stamp.Parts) {
		if values[name] == "" {
			return damaged("the property " + name + " is missing")
		}
		all.WriteString(values[name])
	}
	packed, err := base64.StdEncoding.DecodeString(all.String())
	if err != nil {
		return damaged(err.Error())
	}
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return damaged(err.Error())
	}
	text, err := io.ReadAll(io.LimitReader(z, MostRecord+1))
	if err != nil {
		return damaged(err.Error())
	}
	r, sum, err := Open(text)
	if err == nil && sum != stamp.SHA256 {
		return damaged("its parts are of two records")
	}
	return r, err
}
