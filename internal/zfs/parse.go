package zfs

import (
	"bytes"
	"fmt"
	"strings"

	"nightshift/internal/fault"
	"nightshift/internal/live"
)

// ParseList reads what `zfs list -Hp -o …` printed, with these columns (names of properties), into datasets with their
// snapshots and bookmarks in the order in which they were made. What cannot be read is fault.Unsupported and names the line.
func ParseList(out []byte, properties []string) ([]live.ZDataset, error) {
	cols, err := columnsOf(properties)
	if err != nil {
		return nil, err
	}
	l := listing{index: make(map[string]int)}
	for n := 1; len(out) > 0; n++ {
		line, rest, ended := bytes.Cut(out, []byte{'\n'})
		out = rest
		if err := l.line(line, cols); err != nil || !ended {
			if err == nil {
				err = fmt.Errorf("the last line has no end")
			}
			return nil, unreadable("zfs list", n, line, err)
		}
	}
	for i := range l.datasets {
		l.datasets[i].Sort()
	}
	return l.datasets, nil
}

// A listing is as far as one was read.
type listing struct {
	datasets []live.ZDataset
	index    map[string]int // of a dataset in datasets
	last     string         // the dataset that the line before was about
	lastAt   int
}

func (l *listing) line(line []byte, cols []column) error {
	var r row
	text := string(line)
	rest := text
	for i, col := range cols {
		value, after, more := strings.Cut(rest, "\t")
		if more != (i < len(cols)-1) {
			return fmt.Errorf("it has %d columns, not %d", strings.Count(text, "\t")+1, len(cols))
		}
		if !col.set(&r, value) {
			return fmt.Errorf("its column %s is %q", col.property, value)
		}
		rest = after
	}
	return l.add(&r)
}

func (l *listing) add(r *row) error {
	switch r.kind {
	case "snapshot", "bookmark":
		return l.addPoint(r)
	}
	if _, twice := l.index[r.name]; twice {
		return fmt.Errorf("%s is there twice", r.name)
	}
	r.dataset.Name, r.dataset.Volume = strings.Clone(r.name), r.kind == "volume"
	l.last, l.lastAt = r.dataset.Name, len(l.datasets)
	l.index[l.last] = l.lastAt
	l.datasets = append(l.datasets, r.dataset)
	return nil
}

// addPoint adds a snapshot or bookmark to its dataset, which was listed before it.
func (l *listing) addPoint(r *row) error {
	mark := "@"
	if r.kind == "bookmark" {
		mark = "#"
	}
	dataset, name, found := strings.Cut(r.name, mark)
	if !found || name == "" {
		return fmt.Errorf("%q is no name of a %s", r.name, r.kind)
	}
	if dataset != l.last {
		at, known := l.index[dataset]
		if !known {
			return fmt.Errorf("the dataset of %s was not listed before it", r.name)
		}
		l.last, l.lastAt = l.datasets[at].Name, at
	}
	d, v := &l.datasets[l.lastAt], &r.dataset
	if r.kind == "bookmark" {
		d.Bookmarks = append(d.Bookmarks, live.ZBookmark{Name: strings.Clone(name), GUID: v.GUID, CreateTXG: v.CreateTXG, Creation: v.Creation})
		return nil
	}
	d.Snapshots = append(d.Snapshots, live.ZSnapshot{Name: strings.Clone(name), GUID: v.GUID, CreateTXG: v.CreateTXG, Creation: v.Creation,
		Used: v.Used, Referenced: v.Referenced, Written: v.Written, Holds: int(r.holds), Clones: clonesOf(r.clones), Doomed: r.doomed})
	return nil
}

func clonesOf(v string) []string {
	if v == "" || v == "-" {
		return nil
	}
	return strings.Split(strings.Clone(v), ",")
}

func columnsOf(properties []string) ([]column, error) {
	var found []column
	for _, p := range properties {
		for _, col := range columns {
			if col.property == p {
				found = append(found, col)
			}
		}
	}
	if len(found) != len(properties) {
		return nil, fault.As(fault.Invalid, fmt.Errorf("there are unknown columns among %s", strings.Join(properties, ", ")))
	}
	return found, nil
}

// unreadable is the one error for output that is not understood.
func unreadable(command string, n int, line []byte, err error) error {
	text := strings.ToValidUTF8(string(line[:min(len(line), 200)]), "?")
	return fault.As(fault.Unsupported, fmt.Errorf("`%s` prints what nightshift cannot read, in line %d: %w: %q", command, n, err, text))
}
