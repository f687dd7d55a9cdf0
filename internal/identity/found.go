package identity

import (
	"cmp"
	"context"
	"errors"
	"slices"
)

// A Copy is a record in one place, or why it cannot be used.
type Copy struct {
	Where  string // "~/.nightshift/records/home.mail.json", "properties of backup/ss1/mail"
	Record *Record
	Err    error
	// OnSource: it lies on a dataset of the source, and not with the replicas.
	OnSource bool
}

// A Found is the newest record of a group that can be read, and all copies of it and of older ones.
type Found struct {
	Record
	Copies []Copy
	// Newest names those of the copies that are as new as Record, Older the others.
	Newest, Older []string
}

// OnSource tells whether it was found on the source alone.
func (f *Found) OnSource() bool {
	return len(f.Copies) > 0 && !slices.ContainsFunc(f.Copies, func(c Copy) bool { return !c.OnSource })
}

// All reads all records on a host, files and properties. bad are the places whose record cannot be used; the error says that the
// host cannot be read at all.
func (s *Store) All(ctx context.Context) (found []Found, bad []Copy, _ error) {
	files, err := s.Files(ctx)
	if err != nil {
		return nil, nil, err
	}
	var copies []Copy
	add := func(where, dataset string, r Record, err error) {
		c := Copy{Where: where, Err: err}
		if err == nil {
			c.Record = &r
			c.OnSource = slices.ContainsFunc(r.Datasets, func(d Dataset) bool { return d.Name == dataset })
		}
		copies = append(copies, c)
	}
	for _, name := range files {
		r, err := s.File(ctx, name)
		if err == nil && FileName(r.Lab, r.Group) != name {
			err = errors.New("it is of another group than its name says")
		}
		add("~/"+Dir+"/"+name, "", r, err)
	}
	stamps, wrong := s.Stamps(ctx)
	if stamps == nil {
		return nil, nil, wrong
	}
	if wrong != nil {
		add("properties "+Property, "", Record{}, wrong)
	}
	read := map[string]*Record{} // by checksum: datasets of a group have the same
	for _, d := range sortedKeys(stamps) {
		sum := stamps[d].SHA256
		if read[sum] != nil {
			add("properties of "+d, d, *read[sum], nil)
			continue
		}
		r, err := s.OnDataset(ctx, d)
		if err == nil {
			read[sum] = &r
		}
		add("properties of "+d, d, r, err)
	}
	found, bad = Sort(copies)
	return found, bad, ctx.Err()
}

func sortedKeys[V any](m map[string]V) (keys []string) {
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// Sort lays copies together by lab and group, the newest of each first.
func Sort(copies []Copy) (found []Found, bad []Copy) {
	for _, c := range copies {
		if c.Err != nil {
			bad = append(bad, c)
			continue
		}
		i := slices.IndexFunc(found, func(f Found) bool { return f.Lab == c.Record.Lab && f.Group == c.Record.Group })
		if i < 0 {
			found = append(found, Found{Record: *c.Record})
			i = len(found) - 1
		}
		f := &found[i]
		f.Copies = append(f.Copies, c)
		if c.Record.Made.After(f.Made) {
			f.Record = *c.Record
		}
	}
	for i := range found {
		f := &found[i]
		for _, c := range f.Copies {
			if c.Record.Made.Equal(f.Made) {
				f.Newest = append(f.Newest, c.Where)
			} else {
				f.Older = append(f.Older, c.Where)
			}
		}
	}
	slices.SortFunc(found, func(a, b Found) int { return cmp.Or(cmp.Compare(a.Lab, b.Lab), cmp.Compare(a.Group, b.Group)) })
	return found, bad
}
