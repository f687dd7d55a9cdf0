package identity

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"nightshift/internal/fault"
	"nightshift/internal/homefile"
	"nightshift/internal/sshexec"
	"nightshift/internal/zfs"
)

// A Runner runs commands on a storage host. sshexec has one.
type Runner interface {
	// Query runs what changes nothing. An exit status other than 0 is no error.
	Query(ctx context.Context, argv []string) (sshexec.Result, error)
	// Act runs what does, and gives it stdin. It sends the command once.
	Act(ctx context.Context, argv []string, stdin io.Reader) (sshexec.Result, error)
}

// A Store is a storage host with records.
type Store struct {
	zfs *zfs.Client
	run Runner
}

// NewStore is that of a storage host, as its service account.
func NewStore(z *zfs.Client, run Runner) *Store { return &Store{z, run} }

// Dir is where the files are, in the home directory of the service account. Each is LAB.GROUP.json.
const Dir = ".nightshift/records"

// The scripts that hosts are sent; all that they get is in their arguments and on standard input.
const (
	// ListScript names the files.
	ListScript = `cd && cd ` + Dir + ` 2>/dev/null || exit 0
for f in *.json; do
	if [ -f "$f" ]; then
		echo "$f"
	fi
done`
	// ReadScript prints the file $1. Status 44: it is not there.
	ReadScript = `cd || exit 1
[ -f "` + Dir + `/$1" ] || exit 44
cat "` + Dir + `/$1"`
)

const notThere = 44 // status of ReadScript

var fileForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]*\.[a-z0-9][a-z0-9-]*\.json$`)

// FileName is that of a group's file.
func FileName(lab, group string) string { return lab + "." + group + ".json" }

// datasetsAtOnce is how many datasets are named in a command that has a whole record in it, too.
const datasetsAtOnce = 20

// SetProperties puts the record on datasets.
func (s *Store) SetProperties(ctx context.Context, r Record, datasets []string) error {
	values, err := Properties(r)
	if err != nil {
		return fault.As(fault.NotDone, err)
	}
	for some := range slices.Chunk(datasets, datasetsAtOnce) {
		if err := s.zfs.SetUser(ctx, values, some...); err != nil {
			return err
		}
	}
	return nil
}

// Stamps says which record lies on which of the datasets; on all of the host where none is named. One that has none is missing. What
// cannot be read as a stamp is in the error, the others hold in any case.
func (s *Store) Stamps(ctx context.Context, datasets ...string) (map[string]Stamp, error) {
	got, err := s.zfs.GetEach(ctx, []string{Property}, datasets...)
	if err != nil {
		return nil, err
	}
	out := map[string]Stamp{}
	var wrong []error
	for d, values := range got {
		p, ok := values[Property]
		if !ok || !p.Own() {
			continue
		}
		stamp, err := ParseStamp(p.Value)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %s: %w", s.zfs.Name(), d, err))
			continue
		}
		out[d] = stamp
	}
	return out, errors.Join(wrong...)
}

// OnDataset reads the record on a dataset. fault.NotFound: there is none.
func (s *Store) OnDataset(ctx context.Context, dataset string) (Record, error) {
	values := map[string]string{}
	read := func(names ...string) error {
		got, err := s.zfs.Get(ctx, dataset, names...)
		for name, p := range got {
			if p.Own() {
				values[name] = p.Value
			}
		}
		return err
	}
	if err := read(Property); err != nil {
		return Record{}, err
	}
	if values[Property] == "" {
		return Record{}, fault.As(fault.NotFound, fmt.Errorf("%s: %s has no identity record", s.zfs.Name(), dataset))
	}
	stamp, err := ParseStamp(values[Property])
	if err != nil {
		return Record{}, err
	}
	if err := read(PartNames(stamp.Parts)...); err != nil {
		return Record{}, err
	}
	return FromProperties(values)
}

// SaveFile writes the record into its file.
func (s *Store) SaveFile(ctx context.Context, r Record) error {
	text, _, err := Seal(r)
	if err != nil {
		return fault.As(fault.NotDone, err)
	}
	var wide bytes.Buffer
	if err := json.Indent(&wide, text, "", " "); err == nil && wide.Len() < MostRecord {
		text = append(wide.Bytes(), '\n') // people may have to read it without nightshift
	}
	res, err := s.run.Act(ctx, homefile.Save(Dir, FileName(r.Lab, r.Group), len(text)), bytes.NewReader(text))
	if err == nil && res.Status != 0 {
		err = fault.As(fault.State, fmt.Errorf("%s: the identity record of group %s could not be written: %s", s.zfs.Name(), r.Group, res.Summary()))
	}
	return err
}

// File reads the record in a file. fault.NotFound: it is not there.
func (s *Store) File(ctx context.Context, name string) (Record, error) {
	if !fileForm.MatchString(name) {
		return Record{}, fault.As(fault.Invalid, fmt.Errorf("%q is no name of an identity record", name))
	}
	res, err := s.run.Query(ctx, []string{"sh", "-c", ReadScript, "sh", name})
	switch {
	case err != nil:
		return Record{}, err
	case res.Status == notThere:
		return Record{}, fault.As(fault.NotFound, fmt.Errorf("%s has no %s/%s", s.zfs.Name(), Dir, name))
	case res.Status != 0:
		return Record{}, fault.As(fault.State, fmt.Errorf("%s: %s/%s cannot be read: %s", s.zfs.Name(), Dir, name, res.Summary()))
	}
	r, _, err := Open(res.Stdout)
	return r, err
}

// Files names the files that there are.
func (s *Store) Files(ctx context.Context) (names []string, _ error) {
	res, err := s.run.Query(ctx, []string{"sh", "-c", ListScript, "sh"})
	if err == nil && res.Status != 0 {
		err = fault.As(fault.State, fmt.Errorf("%s: %s cannot be read: %s", s.zfs.Name(), Dir, res.Summary()))
	}
	if err != nil {
		return nil, err
	}
	for _, name := range strings.Fields(string(res.Stdout)) {
		if fileForm.MatchString(name) {
			names = append(names, name)
		}
	}
	return names, nil
}
