package activities

import (
	"context"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"nightshift/internal/fault"
	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/internal/replica"
	"nightshift/internal/words"
	"nightshift/internal/zfs"
)

// KeepPoint moves holds and bookmarks from older recovery points to that of the run.
func (a *Activities) KeepPoint(ctx context.Context, c plan.Call) (plan.Outcome, error) {
	return a.act(ctx, verb{op: plan.KeepPoint, call: c, prepare: from(c, func(_ context.Context, p plan.GroupParams) (verb, error) {
		s, err := a.groupStep(c, p)
		if err != nil {
			return verb{}, err
		}
		return verb{
			read: func(ctx context.Context) (seen, error) {
				todo, err := s.upkeep(ctx)
				return seen{done: err == nil && todo.none(), state: todo.String()}, err
			},
			first: s.mark.first("keep"),
			calls: map[string]call{"keep": {words: "the holds and bookmarks of " + c.Target.String(), limit: zfsLimit, harmless: true,
				send: func(ctx context.Context, _ seen) (string, error) {
					todo, err := s.upkeep(ctx)
					if err == nil {
						err = s.keep(ctx, todo)
					}
					return "", err
				}}},
		}, nil
	})})
}

// An upkeep is what is missing of a point, and left of older ones.
type upkeep struct {
	holdFrom, holdTo       []string    // snapshots to be held
	bookmarks              [][2]string // snapshots, and their bookmarks to be made
	releaseFrom, releaseTo []string    // snapshots whose hold is to be released
	drop                   []string    // bookmarks
}

func (u upkeep) none() bool {
	return len(u.holdFrom)+len(u.holdTo)+len(u.bookmarks)+len(u.releaseFrom)+len(u.releaseTo)+len(u.drop) == 0
}

func (u upkeep) String() string {
	if u.none() {
		return "held on both sides"
	}
	return fmt.Sprintf("with %s and %s to set, %s and %s to take away", words.Count(len(u.holdFrom)+len(u.holdTo), "hold"), words.Count(len(u.bookmarks), "bookmark"),
		words.Count(len(u.releaseFrom)+len(u.releaseTo), "hold"), words.Count(len(u.drop), "bookmark"))
}

// upkeep reads both sides. Where a replica does not have the point, nothing is released: the older one is the last that both have.
func (s *groupStep) upkeep(ctx context.Context) (u upkeep, _ error) {
	name, of, err := s.mustHave(ctx)
	if err != nil {
		return u, err
	}
	from, to, err := s.sides(ctx)
	if err != nil {
		return u, err
	}
	if err := s.sameDatasets(&from); err != nil {
		return u, err
	}
	all, hctx := errgroup.WithContext(ctx)
	for _, side := range []struct {
		c *zfs.Client
		h *live.StorageHost
	}{{s.from, &from}, {s.to, &to}} {
		all.Go(func() (err error) {
			side.h.Holds, err = holdsOf(hctx, side.c, side.h.Datasets)
			return err
		})
	}
	if err := all.Wait(); err != nil {
		return u, err
	}
	for _, d := range s.p.Datasets {
		point := of[d.Dataset]
		source, there := from.Dataset(d.Dataset), to.Dataset(d.Replica)
		if why := unlike(there, point.GUID); why != "" {
			return u, refuse(fault.State, "on %s: %s %s", s.p.To, d.Replica, why)
		}
		at := there.Snapshots[slices.IndexFunc(there.Snapshots, func(x live.ZSnapshot) bool { return x.GUID == point.GUID })]
		tag := replica.HoldTag(s.p.Group)
		holdFrom, releaseFrom := s.holds(&from, source, live.ZSnapshot{Name: name, CreateTXG: point.CreateTXG}, tag)
		holdTo, releaseTo := s.holds(&to, there, at, tag)
		u.holdFrom, u.releaseFrom = append(u.holdFrom, holdFrom...), append(u.releaseFrom, releaseFrom...)
		u.holdTo, u.releaseTo = append(u.holdTo, holdTo...), append(u.releaseTo, releaseTo...)
		s.bookmarks(&u, source, name, point)
	}
	return u, nil
}

// holds says where our hold is missing, and where it is left over: on older points of the group. What is newer, or not a
// point of the group, is not ours to release.
func (s *groupStep) holds(h *live.StorageHost, d *live.ZDataset, at live.ZSnapshot, tag string) (hold, release []string) {
	held := func(snapshot string) bool { return slices.Contains(h.Holds, live.ZHold{Snapshot: snapshot, Tag: tag}) }
	if !held(full(d.Name, at.Name)) {
		hold = append(hold, full(d.Name, at.Name))
	}
	for _, x := range d.Snapshots {
		if group, _, ours := replica.ParsePoint(x.Name); ours && group == s.p.Group && x.CreateTXG < at.CreateTXG && held(full(d.Name, x.Name)) {
			release = append(release, full(d.Name, x.Name))
		}
	}
	return hold, release
}

func (s *groupStep) bookmarks(u *upkeep, d *live.ZDataset, name string, point zfs.Marked) {
	if !slices.ContainsFunc(d.Bookmarks, func(b live.ZBookmark) bool { return b.GUID == point.GUID }) {
		u.bookmarks = append(u.bookmarks, [2]string{full(d.Name, name), d.Name + "#" + name})
	}
	for _, b := range d.Bookmarks {
		if group, _, ours := replica.ParsePoint(b.Name); ours && group == s.p.Group && b.CreateTXG < point.CreateTXG {
			u.drop = append(u.drop, d.Name+"#"+b.Name)
		}
	}
}

// keep does it: first what holds the new point, then what lets go of older ones.
func (s *groupStep) keep(ctx context.Context, u upkeep) error {
	held, hctx := errgroup.WithContext(ctx)
	held.Go(func() error { return inBatches(u.holdFrom, s.tagging(hctx, s.from.Hold)) })
	held.Go(func() error { return inBatches(u.holdTo, s.tagging(hctx, s.to.Hold)) })
	for _, b := range u.bookmarks {
		held.Go(func() error { return s.from.Bookmark(hctx, b[0], b[1]) })
	}
	if err := held.Wait(); err != nil {
		return err
	}
	gone, gctx := errgroup.WithContext(ctx)
	gone.Go(func() error { return inBatches(u.releaseFrom, s.tagging(gctx, s.from.Release)) })
	gone.Go(func() error { return inBatches(u.releaseTo, s.tagging(gctx, s.to.Release)) })
	for _, b := range u.drop {
		gone.Go(func() error { return s.from.DestroyBookmark(gctx, b) })
	}
	return gone.Wait()
}

// tagging does something with our tag.
func (s *groupStep) tagging(ctx context.Context, do func(ctx context.Context, tag string, snapshots ...string) error) func([]string) error {
	return func(snapshots []string) error { return do(ctx, replica.HoldTag(s.p.Group), snapshots...) }
}

// inBatches does something with names, as many at a time as one command takes.
func inBatches(names []string, do func([]string) error) error {
	for some := range slices.Chunk(names, zfs.PerCommand) {
		if err := do(some); err != nil {
			return err
		}
	}
	return nil
}
