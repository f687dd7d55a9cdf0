package zfs

import (
	"context"
	"errors"
	"slices"
	"strings"

	"nightshift/internal/fault"
)

// Destroyed is what became of snapshots that were to be destroyed.
type Destroyed struct {
	Gone   []string         // destroyed now, or not there any more
	Failed map[string]error // why: ErrHeld, ErrCloned, ErrBusy, fault.Permission, …
}

// batch is how many snapshots are destroyed by one command: all or none of them, and none of what is not named.
const batch = 100

// Destroy destroys exactly these snapshots. One that cannot be destroyed does not stop the others. The error says why it
// had to stop before the end (no connection, ctx ended, a name that is none): what is in neither list was not tried, but for
// those of the command under way. Those held or cloned are refused by ZFS; -d, -r, -R and ranges are never used.
func (c *Client) Destroy(ctx context.Context, snapshots ...string) (Destroyed, error) {
	d := Destroyed{Failed: make(map[string]error)}
	if len(snapshots) == 0 {
		return d, nil
	}
	if err := all(snapshots, checkSnapshot); err != nil {
		return d, err
	}
	of := make(map[string][]string)
	var order []string
	for _, s := range snapshots {
		name := dataset(s)
		if of[name] == nil {
			order = append(order, name)
		}
		of[name] = append(of[name], s)
	}
	for _, name := range order {
		for names := range slices.Chunk(of[name], batch) {
			if err := c.destroyBatch(ctx, name, names, &d); err != nil {
				return d, err
			}
		}
	}
	return d, nil
}

// destroyBatch destroys snapshots of one dataset, in one command where all can be destroyed. Where ZFS refuses, those that it
// names are left out and the others tried again; where it names none, each is tried alone.
func (c *Client) destroyBatch(ctx context.Context, name string, snapshots []string, d *Destroyed) error {
	for len(snapshots) > 1 {
		err := c.destroyNamed(ctx, name, snapshots)
		var said *ToolError
		switch {
		case err == nil:
			d.Gone = append(d.Gone, snapshots...)
			return nil
		case !errors.As(err, &said):
			return err
		}
		accused := accusedOf(said, snapshots)
		if len(accused) == 0 && (errors.Is(err, fault.Permission) || errors.Is(err, ErrSuspended)) { // so it is with each of them
			for _, s := range snapshots {
				d.Failed[s] = err
			}
			return nil
		}
		if len(accused) == 0 {
			break
		}
		for s, err := range accused {
			d.Failed[s] = err
		}
		snapshots = slices.DeleteFunc(slices.Clone(snapshots), func(s string) bool { return accused[s] != nil })
	}
	for _, s := range snapshots {
		err := c.destroyNamed(ctx, name, []string{s})
		var said *ToolError
		switch {
		case err == nil, errors.Is(err, fault.NotFound):
			d.Gone = append(d.Gone, s)
		case errors.As(err, &said):
			d.Failed[s] = err
		default:
			return err
		}
	}
	return nil
}

func (c *Client) destroyNamed(ctx context.Context, name string, snapshots []string) error {
	var short []string
	for _, s := range snapshots {
		short = append(short, strings.TrimPrefix(s, name+"@"))
	}
	return c.act(ctx, "zfs", "destroy", name+"@"+strings.Join(short, ","))
}

// accusedOf are the snapshots that a refused command names as the reason, each with its own error:
// "cannot destroy snapshot tank/mail@x: snapshot is cloned", "cannot destroy 'tank/mail@x': snapshot has dependent clones".
func accusedOf(said *ToolError, snapshots []string) map[string]error {
	accused := make(map[string]error)
	for line := range strings.SplitSeq(said.Words, " / ") {
		about, found := strings.CutPrefix(line, "cannot destroy ")
		if !found {
			continue
		}
		about = strings.TrimPrefix(about, "snapshot ")
		name, _, _ := strings.Cut(strings.Replace(strings.TrimPrefix(about, "'"), "':", ": ", 1), ": ")
		if slices.Contains(snapshots, name) {
			accused[name] = &ToolError{Host: said.Host, Command: "zfs destroy " + name, Exit: said.Exit, Words: line, kinds: classify(said.Exit, line)}
		}
	}
	return accused
}
