package zfs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"nightshift/internal/fault"
	"nightshift/internal/live"
)

// maxListing bounds one listing, in bytes: a million snapshots.
const maxListing = 256 << 20

// List reads datasets, with their snapshots and bookmarks; with below, also all that lie below them. One command, and one
// more for each property that an older ZFS does not know. fault.NotFound: one of them is not there; fault.Unreachable: nor is its pool.
func (c *Client) List(ctx context.Context, below bool, datasets ...string) ([]live.ZDataset, error) {
	if err := all(datasets, checkDataset); err != nil {
		return nil, err
	}
	depth := "1" // snapshots and bookmarks count as one
	if below {
		depth = strconv.Itoa(maxDepth)
	}
	found, err := c.list(ctx, slices.Concat([]string{"-t", "filesystem,volume,snapshot,bookmark", "-d", depth}, datasets)...)
	if err != nil || below {
		return found, c.absent(ctx, err, datasets...)
	}
	return slices.DeleteFunc(found, func(d live.ZDataset) bool { return !slices.Contains(datasets, d.Name) }), nil // children
}

// maxDepth is deeper than ZFS lets datasets be (zfs_max_dataset_nesting is 50).
const maxDepth = 100

// list asks for all columns, without those that this ZFS does not know.
func (c *Client) list(ctx context.Context, args ...string) ([]live.ZDataset, error) {
	cols := slices.Clone(columns)
	for {
		var properties []string
		for _, col := range cols {
			properties = append(properties, col.property)
		}
		argv := slices.Concat([]string{"zfs", "list", "-Hp", "-o", strings.Join(properties, ",")}, args)
		out, err := c.output(ctx, maxListing, argv...)
		if err == nil {
			found, err := ParseList(out, properties)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", c.name, err)
			}
			return found, nil
		}
		missing := unknownProperty(err)
		at := slices.IndexFunc(cols, func(col column) bool { return col.property == missing })
		if at < 0 {
			return nil, err
		}
		if cols[at].must {
			return nil, fault.As(fault.Unsupported, fmt.Errorf("%s: its ZFS is too old: it has no property %s", c.name, missing))
		}
		cols = slices.Delete(cols, at, at+1)
	}
}

// unknownProperty is the one that zfs complains of: "bad property list: invalid property 'keystatus'".
func unknownProperty(err error) string {
	var said *ToolError
	if !errors.As(err, &said) {
		return ""
	}
	_, after, found := strings.Cut(said.Words, "invalid property '")
	if !found {
		return ""
	}
	name, _, _ := strings.Cut(after, "'")
	return name
}

// GUIDs reads those of snapshots, by their full names. Those that are not there are missing from the answer.
func (c *Client) GUIDs(ctx context.Context, snapshots ...string) (map[string]uint64, error) {
	if err := all(snapshots, checkSnapshot); err != nil {
		return nil, err
	}
	found := make(map[string]uint64)
	for names := range slices.Chunk(snapshots, PerCommand) {
		argv := slices.Concat([]string{"zfs", "list", "-Hp", "-t", "snapshot", "-o", "name,guid"}, names)
		out, err := c.output(ctx, maxListing, argv...)
		if err != nil && !onlyMissing(err) {
			return nil, err
		}
		if err := eachLine("zfs list", out, 2, func(f []string) bool {
			guid := new(uint64)
			ok := id(guid, f[1])
			found[f[0]] = *guid
			return ok
		}); err != nil {
			return nil, fmt.Errorf("%s: %w", c.name, err)
		}
	}
	return found, nil
}

// PerCommand is how many names one command is given at most: a name has at most 255 bytes, a command line 100,000.
const PerCommand = 300

// onlyMissing says that a tool complained of nothing but things that are not there: it has told of the others.
func onlyMissing(err error) bool {
	var said *ToolError
	if !errors.As(err, &said) || said.Words == "" || said.Exit.Signal != "" {
		return false
	}
	for line := range strings.SplitSeq(said.Words, " / ") {
		if !strings.HasSuffix(line, "dataset does not exist") {
			return false
		}
	}
	return true
}

// eachLine splits tab-separated output into lines of so many columns.
func eachLine(command string, out []byte, columns int, take func(fields []string) bool) error {
	n := 0
	for line := range strings.Lines(string(out)) {
		n++
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		switch {
		case len(fields) != columns:
			return unreadable(command, n, []byte(line), fmt.Errorf("it has %d columns, not %d", len(fields), columns))
		case !take(fields):
			return unreadable(command, n, []byte(line), errors.New("a column is not as known"))
		}
	}
	return nil
}
