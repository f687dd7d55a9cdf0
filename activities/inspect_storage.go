package activities

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"nightshift/internal/fault"
	"nightshift/internal/live"
	"nightshift/internal/zfs"
	"nightshift/runbooks"
)

// storageRead is for one storage host, login and all: a hundred thousand snapshots take seconds.
const storageRead = 2 * time.Minute

// inspectStorage reads storage hosts side by side. One that cannot be read says so in its Err.
func (a *Activities) inspectStorage(ctx context.Context, wanted []runbooks.StorageRead) []live.StorageHost {
	out := make([]live.StorageHost, len(wanted))
	var all errgroup.Group
	all.SetLimit(besides)
	for i, w := range wanted {
		all.Go(func() error {
			got, err := a.inspectStorageHost(ctx, w)
			if err != nil {
				got = live.StorageHost{Err: err.Error()}
			}
			out[i], out[i].Host = got, w.Host
			return nil
		})
	}
	_ = all.Wait() // a host says in its Err why it cannot be read
	return out
}

// inspectStorageHost reads one: three commands side by side, and one more where tags of holds are wanted.
func (a *Activities) inspectStorageHost(ctx context.Context, w runbooks.StorageRead) (live.StorageHost, error) {
	c, err := a.zfsOf(w.Host)
	if err != nil {
		return live.StorageHost{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, storageRead)
	defer cancel()
	var h live.StorageHost
	all, ctx := errgroup.WithContext(ctx)
	all.Go(func() error {
		s, err := c.System(ctx)
		h.System, h.ZFS, h.Module, h.Ahead = s.Name, s.Tools, s.Module, s.Ahead
		return err
	})
	all.Go(func() (err error) {
		h.Pools, err = c.Pools(ctx)
		return err
	})
	all.Go(func() (err error) {
		if len(w.Datasets) == 0 {
			h.Datasets, err = wholePools(ctx, c)
		} else {
			h.Datasets, err = listThere(ctx, c, w.Datasets)
		}
		if err == nil && w.Group != "" {
			err = partsOf(ctx, c, h.Datasets)
		}
		if err == nil && w.Holds {
			h.Holds, err = holdsOf(ctx, c, h.Datasets)
		}
		return err
	})
	if w.Group != "" {
		all.Go(func() (err error) {
			h.Mark, err = markOn(ctx, c, w.Group, w.Under)
			return err
		})
	}
	return h, all.Wait()
}

// wholePools reads every dataset.
func wholePools(ctx context.Context, c *zfs.Client) ([]live.ZDataset, error) {
	pools, err := c.Pools(ctx)
	if err != nil || len(pools) == 0 {
		return nil, err
	}
	names := make([]string, len(pools))
	for i, p := range pools {
		names[i] = p.Name
	}
	return c.List(ctx, true, names...)
}

// listThere reads those of the datasets that are there: in one command where all are.
func listThere(ctx context.Context, c *zfs.Client, names []string) ([]live.ZDataset, error) {
	found, err := c.List(ctx, false, names...)
	if len(names) == 1 && errors.Is(err, fault.NotFound) {
		return nil, nil
	}
	if !errors.Is(err, fault.NotFound) {
		return found, err
	}
	each := make([][]live.ZDataset, len(names)) // zfs does not say which
	all, ctx := errgroup.WithContext(ctx)
	for i, name := range names {
		all.Go(func() (err error) {
			if each[i], err = c.List(ctx, false, name); errors.Is(err, fault.NotFound) {
				err = nil
			}
			return err
		})
	}
	if err := all.Wait(); err != nil {
		return nil, err
	}
	return slices.Concat(each...), nil
}

// partsOf asks of what the parts of streams are that the datasets hold: any host can tell by the token, and refuses it then.
func partsOf(ctx context.Context, c *zfs.Client, datasets []live.ZDataset) error {
	for i, d := range datasets {
		if d.ResumeToken == "" {
			continue
		}
		e, err := c.Estimate(ctx, zfs.Send{Token: d.ResumeToken})
		if err != nil && !errors.As(err, new(*zfs.ToolError)) {
			return err
		}
		datasets[i].Part = live.ZPart{Snapshot: e.Snapshot, GUID: e.ToGUID}
	}
	return nil
}

// holdsOf reads the tags on those snapshots that have any.
func holdsOf(ctx context.Context, c *zfs.Client, datasets []live.ZDataset) ([]live.ZHold, error) {
	var held []string
	for _, d := range datasets {
		for _, s := range d.Snapshots {
			if s.Holds > 0 {
				held = append(held, strings.Join([]string{d.Name, s.Name}, "@"))
			}
		}
	}
	if len(held) == 0 {
		return nil, nil
	}
	return c.Holds(ctx, held...)
}
