package zfs

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"nightshift/internal/fault"
)

// Snapshot takes snapshots of datasets of one pool in one command: all at the same moment, all or none. Values are user properties
// of nightshift on all of them.
func (c *Client) Snapshot(ctx context.Context, values map[string]string, snapshots ...string) error {
	var options []string
	for _, property := range slices.Sorted(maps.Keys(values)) {
		if err := checkUser(property, values[property]); err != nil {
			return err
		}
		options = append(options, "-o", property+"="+values[property])
	}
	if err := all(snapshots, checkSnapshot); err != nil {
		return err
	}
	pool, _, _ := strings.Cut(dataset(snapshots[0]), "/")
	for _, s := range snapshots {
		if p, _, _ := strings.Cut(dataset(s), "/"); p != pool {
			return fault.As(fault.NotDone, fault.As(fault.Invalid,
				fmt.Errorf("%s and %s are in two pools: snapshots are of one moment only within one", snapshots[0], s)))
		}
	}
	if len(snapshots) > PerCommand {
		return fault.As(fault.NotDone, fault.As(fault.Invalid, fmt.Errorf("%d snapshots are too many for one command", len(snapshots))))
	}
	return c.act(ctx, slices.Concat([]string{"zfs", "snapshot"}, options, snapshots)...)
}

// Bookmark makes bookmark "dataset#name" of snapshot "dataset@name".
func (c *Client) Bookmark(ctx context.Context, snapshot, bookmark string) error {
	if err := checkSnapshot(snapshot); err != nil {
		return err
	}
	if err := checkBookmark(bookmark); err != nil {
		return err
	}
	return c.act(ctx, "zfs", "bookmark", snapshot, bookmark)
}

// DestroyBookmark destroys one bookmark.
func (c *Client) DestroyBookmark(ctx context.Context, bookmark string) error {
	if err := checkBookmark(bookmark); err != nil {
		return err
	}
	return c.act(ctx, "zfs", "destroy", bookmark)
}

// dataset is what stands in front of @ or #.
func dataset(name string) string {
	if i := strings.IndexAny(name, "@#"); i >= 0 {
		return name[:i]
	}
	return name
}
