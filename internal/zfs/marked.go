package zfs

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"nightshift/internal/fault"
	"nightshift/internal/live"
)

// A Marked is a snapshot that has a certain value of a user property.
type Marked struct {
	Dataset string
	live.ZSnapshot
}

// Marked finds the snapshots of datasets whose user property has the value. Of each only name, GUID, transaction group and the
// number of holds are read. fault.NotFound: one of the datasets is not there; fault.Unreachable: nor is its pool.
func (c *Client) Marked(ctx context.Context, property, value string, datasets ...string) ([]Marked, error) {
	if err := all(datasets, checkDataset); err != nil {
		return nil, err
	}
	if err := checkUser(property, value); err != nil {
		return nil, err
	}
	if value == "" {
		return nil, fault.As(fault.Invalid, fmt.Errorf("%s: without a value %s marks nothing", c.name, property))
	}
	argv := slices.Concat([]string{"zfs", "list", "-Hp", "-t", "snapshot", "-d", "1", "-o", "name,guid,createtxg,userrefs," + property}, datasets)
	out, err := c.output(ctx, maxListing, argv...)
	if err != nil {
		return nil, c.absent(ctx, err, datasets...)
	}
	var found []Marked
	err = eachLine("zfs list", out, 5, func(f []string) bool {
		name, snapshot, is := strings.Cut(f[0], "@")
		m := Marked{Dataset: strings.Clone(name), ZSnapshot: live.ZSnapshot{Name: strings.Clone(snapshot)}}
		var holds int64
		ok := is && snapshot != "" && id(&m.GUID, f[1]) && id(&m.CreateTXG, f[2]) && number(&holds, f[3])
		m.Holds = int(holds)
		if ok && f[4] == value {
			found = append(found, m)
		}
		return ok
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.name, err)
	}
	return found, nil
}
