package zfs

import (
	"context"
	"fmt"
	"slices"

	"nightshift/internal/fault"
	"nightshift/internal/live"
)

// Holds reads the holds of snapshots, by their full names. Those that are not there any more have none.
func (c *Client) Holds(ctx context.Context, snapshots ...string) ([]live.ZHold, error) {
	if err := all(snapshots, checkSnapshot); err != nil {
		return nil, err
	}
	var found []live.ZHold
	for names := range slices.Chunk(snapshots, PerCommand) {
		out, err := c.output(ctx, maxListing, slices.Concat([]string{"zfs", "holds", "-H"}, names)...)
		if err != nil && !onlyMissing(err) {
			return nil, err
		}
		// The third column is a date of a person's kind (-p came with 2.2) and says nothing that is needed.
		if err := eachLine("zfs holds", out, 3, func(f []string) bool {
			found = append(found, live.ZHold{Snapshot: f[0], Tag: f[1]})
			return checkSnapshot(f[0]) == nil && f[1] != ""
		}); err != nil {
			return nil, fmt.Errorf("%s: %w", c.name, err)
		}
	}
	return found, nil
}

// Hold puts a hold on snapshots of one pool, all or none. One that has it already is ErrExists: read first.
func (c *Client) Hold(ctx context.Context, tag string, snapshots ...string) error {
	return c.tagged(ctx, "hold", tag, snapshots)
}

// Release takes a hold away from snapshots of one pool. ErrNoHold: one does not have it.
func (c *Client) Release(ctx context.Context, tag string, snapshots ...string) error {
	return c.tagged(ctx, "release", tag, snapshots)
}

func (c *Client) tagged(ctx context.Context, verb, tag string, snapshots []string) error {
	if err := checkTag(tag); err != nil {
		return err
	}
	if err := all(snapshots, checkSnapshot); err != nil {
		return err
	}
	if len(snapshots) > PerCommand {
		return fault.As(fault.NotDone, fault.As(fault.Invalid, fmt.Errorf("%d snapshots are too many for one command", len(snapshots))))
	}
	return c.act(ctx, slices.Concat([]string{"zfs", verb, tag}, snapshots)...)
}
