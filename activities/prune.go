package activities

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"nightshift/internal/fault"
	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/internal/replica"
	"nightshift/internal/words"
	"nightshift/internal/zfs"
)

// A pointsStep is a step on recovery points of one dataset.
type pointsStep struct {
	p           plan.PointsParams
	here, other *zfs.Client
	mark        groupMark
	left        []string // of the last look: what stays, and why
	frees       int64    // bytes that the points destroyed by this attempt had for themselves
}

func (a *Activities) pointsStep(c plan.Call, p plan.PointsParams) (*pointsStep, error) {
	if _, ok := a.lab.ProtectionGroup(p.Group); !ok {
		return nil, refuse(fault.Invalid, "protection group %q is not in the lab file", p.Group)
	}
	s := &pointsStep{p: p, mark: groupMark{a, c.Run, p.Group, p.To, p.Under}}
	var err error
	if s.here, err = a.zfsOf(p.Host); err != nil {
		return nil, err
	}
	s.other, err = a.zfsOf(p.OtherHost)
	return s, err
}

// remaining are those of the points that are still there: another snapshot of the name is none of them.
func (s *pointsStep) remaining(ctx context.Context) ([]plan.Point, error) {
	found, err := listThere(ctx, s.here, []string{s.p.Dataset}) // zfs complains at length of each name that is not there any more
	switch {
	case err != nil:
		return nil, err
	case len(found) == 0: // of a pool that is not imported nothing is gone
		return nil, s.away()
	}
	guids := map[string]uint64{}
	for _, d := range found {
		for _, x := range d.Snapshots {
			guids[x.Name] = x.GUID
		}
	}
	return slices.DeleteFunc(slices.Clone(s.p.Points), func(x plan.Point) bool { return guids[x.Name] != x.GUID }), nil
}

func (s *pointsStep) away() error {
	return refuse(fault.NotFound, "%s is not there any more on %s", s.p.Dataset, s.p.Host)
}

// both reads both sides, and refuses where they are not any more what the plan was made of.
func (s *pointsStep) both(ctx context.Context) (here *live.ZDataset, facts replica.Facts, _ error) {
	var mine, theirs live.StorageHost
	all, lctx := errgroup.WithContext(ctx)
	all.Go(func() (err error) {
		mine.Datasets, err = listThere(lctx, s.here, []string{s.p.Dataset})
		return err
	})
	all.Go(func() (err error) {
		theirs.Datasets, err = listThere(lctx, s.other, []string{s.p.Other})
		return err
	})
	if err := all.Wait(); err != nil {
		return nil, facts, err
	}
	here, there := mine.Dataset(s.p.Dataset), theirs.Dataset(s.p.Other)
	switch {
	case here == nil:
		return nil, facts, s.away()
	case here.GUID != s.p.GUID:
		return nil, facts, refuse(fault.Identity, "%s is another dataset than when the plan was made: its GUID was %d, and is %d", s.p.Dataset, s.p.GUID, here.GUID)
	case there == nil:
		return nil, facts, refuse(fault.State, "%s is not there any more on %s: nobody knows what both sides have, so nothing is done", s.p.Other, s.p.OtherHost)
	}
	for _, side := range []struct {
		host string
		d    *live.ZDataset
	}{{s.p.Host, here}, {s.p.OtherHost, there}} {
		if s.p.Common != 0 && !hasPoint(side.d, s.p.Common) {
			return nil, facts, refuse(fault.State, "%s on %s does not have the last snapshot any more that both sides had when the plan was made (GUID %d): nothing is done, plan anew",
				side.d.Name, side.host, s.p.Common)
		}
	}
	return here, replica.FactsOf(here, there, s.p.Group), nil
}

// hasPoint tells whether a dataset has a snapshot, or a bookmark of it.
func hasPoint(d *live.ZDataset, guid uint64) bool {
	return slices.ContainsFunc(d.Snapshots, func(x live.ZSnapshot) bool { return x.GUID == guid }) ||
		slices.ContainsFunc(d.Bookmarks, func(b live.ZBookmark) bool { return b.GUID == guid })
}

// look reads again, and answers by their full names the points that may be destroyed now. Whoever protects one since the plan was made
// has decided that it stays.
func (s *pointsStep) look(ctx context.Context) (todo []string, _ error) {
	here, facts, err := s.both(ctx)
	if err != nil {
		return nil, err
	}
	there := make(map[string]*live.ZSnapshot, len(here.Snapshots))
	for i := range here.Snapshots {
		there[here.Snapshots[i].Name] = &here.Snapshots[i]
	}
	s.left, s.frees = nil, 0
	for _, x := range s.p.Points {
		now := there[x.Name]
		if now == nil || now.GUID != x.GUID {
			continue
		}
		if why := facts.Protects(now, s.p.Group); len(why) > 0 {
			s.left = append(s.left, "@"+x.Name+" ("+strings.Join(why, "; ")+")")
			continue
		}
		todo, s.frees = append(todo, full(s.p.Dataset, x.Name)), s.frees+now.Used
	}
	return todo, nil
}

// read tells whether there is something left to destroy. Both sides are only read where there is.
func (s *pointsStep) read(ctx context.Context) (seen, error) {
	rest, err := s.remaining(ctx)
	if err != nil {
		return seen{}, err
	}
	n := len(s.p.Points)
	if len(rest) == 0 {
		return seen{done: true, state: "rid of " + words.Count(n, "recovery point")}, nil
	}
	frees := s.frees
	todo, err := s.look(ctx)
	s.frees = frees // of what was destroyed, not of what is left
	return seen{done: err == nil && len(todo) == 0, state: "rid of " + words.Of(n-len(rest), n, "recovery point")}, err
}

// destroy destroys what may be destroyed now.
func (s *pointsStep) destroy(ctx context.Context) error {
	todo, err := s.look(ctx)
	if err != nil {
		return nothingYet(err)
	}
	if len(todo) == 0 {
		return nil
	}
	d, err := s.here.Destroy(ctx, todo...)
	switch {
	case err != nil && len(d.Gone) == 0:
		return certainlyNot(err)
	case err != nil:
		return err
	case len(d.Failed) == 0:
		return nil
	}
	var why []string
	kind := fault.State
	for _, name := range todo {
		if no := d.Failed[name]; no != nil {
			why = append(why, no.Error())
			if errors.Is(no, fault.Permission) {
				kind = fault.Permission
			}
		}
	}
	return refuse(kind, "%s could not be destroyed: %s", words.Of(len(why), len(todo), "recovery point"), words.Some(slices.Compact(why), mostWhys))
}

// mostWhys is how many refusals are told: they are mostly the same.
const mostWhys = 3

// nothingYet marks an error from before anything was sent.
func nothingYet(err error) error {
	if saidNo(err) {
		return err
	}
	return notSent{err}
}

// remark is what there is to say when the step is done.
func (s *pointsStep) remark() string {
	var said []string
	if len(s.left) > 0 {
		said = append(said, "left: "+words.Some(s.left, mostWhys))
	}
	if s.frees > 0 {
		said = append(said, "gives back "+words.Bytes(s.frees)+" at least")
	}
	return strings.Join(said, "; ")
}

// DestroyPoints destroys recovery points that the policy does not keep, with one command. Each is read again before.
func (a *Activities) DestroyPoints(ctx context.Context, c plan.Call) (plan.Outcome, error) {
	return a.act(ctx, verb{op: plan.DestroyPoints, call: c, prepare: from(c, func(_ context.Context, p plan.PointsParams) (verb, error) {
		s, err := a.pointsStep(c, p)
		if err != nil {
			return verb{}, err
		}
		return verb{read: s.read, remark: s.remark,
			first: s.mark.first("destroy"),
			calls: map[string]call{"destroy": {words: fmt.Sprintf("the destruction of %s of %s", words.Count(len(p.Points), "recovery point"), p.Dataset), limit: zfsLimit, harmless: true,
				send: func(ctx context.Context, _ seen) (string, error) { return "", s.destroy(ctx) }}},
		}, nil
	})})
}
