package activities

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"nightshift/internal/fault"
	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/internal/replica"
	"nightshift/internal/sshexec"
	"nightshift/internal/zfs"
)

// propRun is the property of snapshots that tells by which run they were taken: so their run finds them, whatever their names are.
const propRun = zfs.Namespace + "run"

// zfsLimit is how long the effect of a ZFS command may take that usually takes a second.
const zfsLimit = 4 * time.Minute

// A groupStep is a step on a whole protection group.
type groupStep struct {
	a        *Activities
	call     plan.Call
	p        plan.GroupParams
	from, to *zfs.Client
	mark     groupMark
}

func (a *Activities) groupStep(c plan.Call, p plan.GroupParams) (*groupStep, error) {
	if _, ok := a.lab.ProtectionGroup(p.Group); !ok {
		return nil, refuse(fault.Invalid, "protection group %q is not in the lab file", p.Group)
	}
	s := &groupStep{a: a, call: c, p: p, mark: groupMark{a, c.Run, p.Group, p.To, p.Under}}
	var err error
	if s.from, err = a.zfsOf(p.From); err != nil {
		return nil, err
	}
	s.to, err = a.zfsOf(p.To)
	return s, err
}

func (s *groupStep) datasets() (names []string) {
	for _, d := range s.p.Datasets {
		names = append(names, d.Dataset)
	}
	return names
}

func (s *groupStep) replicas() (names []string) {
	for _, d := range s.p.Datasets {
		names = append(names, d.Replica)
	}
	return names
}

// point finds the recovery point of this run: a snapshot of one name on each of its datasets. Empty: it was not taken.
func (s *groupStep) point(ctx context.Context) (name string, of map[string]zfs.Marked, err error) {
	found, err := s.from.Marked(ctx, propRun, s.call.Run, s.datasets()...)
	if err != nil {
		return "", nil, err
	}
	for _, m := range found {
		if of == nil || m.Name < name { // a lost answer may have made a second one: the first counts
			name = m.Name
		}
		if of == nil {
			of = map[string]zfs.Marked{}
		}
	}
	for _, m := range found {
		if m.Name == name {
			of[m.Dataset] = m
		}
	}
	for _, d := range s.datasets() {
		if _, ok := of[d]; of != nil && !ok {
			return "", nil, refuse(fault.NotFound, "%s has no recovery point of this run, and others of the group have: was %s@%s destroyed?", d, d, name)
		}
	}
	return name, of, nil
}

// mustHave is point where the run cannot go on without.
func (s *groupStep) mustHave(ctx context.Context) (string, map[string]zfs.Marked, error) {
	name, of, err := s.point(ctx)
	if err == nil && name == "" {
		err = refuse(fault.NotFound, "the recovery point of this run is not there any more on %s: was it destroyed?", s.p.From)
	}
	return name, of, err
}

// sides reads the datasets of both sides side by side, and more of the target.
func (s *groupStep) sides(ctx context.Context, more ...string) (from, to live.StorageHost, err error) {
	from.Host, to.Host = s.p.From, s.p.To
	all, ctx := errgroup.WithContext(ctx)
	all.Go(func() (err error) {
		from.Datasets, err = s.from.List(ctx, false, s.datasets()...)
		return err
	})
	all.Go(func() (err error) {
		to.Datasets, err = listThere(ctx, s.to, append(s.replicas(), more...))
		return err
	})
	return from, to, all.Wait()
}

// sameDatasets refuses a source on which another dataset has taken the place of one since the plan was made.
func (s *groupStep) sameDatasets(from *live.StorageHost) error {
	for _, d := range s.p.Datasets {
		got := from.Dataset(d.Dataset)
		switch {
		case got == nil:
			return refuse(fault.NotFound, "%s is not there any more", d.Dataset)
		case got.GUID != d.GUID:
			return refuse(fault.Identity, "%s is another dataset than when the plan was made: its GUID was %d, and is %d", d.Dataset, d.GUID, got.GUID)
		}
	}
	return nil
}

// full names a snapshot.
func full(dataset, snapshot string) string { return strings.Join([]string{dataset, snapshot}, "@") }

// SnapshotGroup takes the recovery point of the run, on all datasets at once, and holds it.
func (a *Activities) SnapshotGroup(ctx context.Context, c plan.Call) (plan.Outcome, error) {
	return a.act(ctx, verb{op: plan.SnapshotGroup, call: c, prepare: from(c, func(_ context.Context, p plan.GroupParams) (verb, error) {
		s, err := a.groupStep(c, p)
		if err != nil {
			return verb{}, err
		}
		return verb{read: s.readPoint,
			first: func(ctx context.Context, _ *seen) (string, error) {
				if err := s.mark.still(ctx); err != nil {
					return "", err
				}
				found, err := s.from.List(ctx, false, s.datasets()...)
				if err != nil {
					return "", err
				}
				return "snapshot", s.sameDatasets(&live.StorageHost{Datasets: found})
			},
			calls: map[string]call{"snapshot": {words: "the snapshot of " + c.Target.String(), limit: zfsLimit, harmless: true,
				send: func(ctx context.Context, _ seen) (string, error) { return "", s.takePoint(ctx) }}},
		}, nil
	})})
}

// readPoint tells whether the point is there and held.
func (s *groupStep) readPoint(ctx context.Context) (seen, error) {
	name, of, err := s.point(ctx)
	if err != nil || name == "" {
		return seen{state: "without the recovery point of this run"}, err
	}
	loose, err := s.unheld(ctx, name, of)
	return seen{done: err == nil && len(loose) == 0, state: "at recovery point @" + name}, err
}

// unheld are the snapshots of the point on which our hold is not.
func (s *groupStep) unheld(ctx context.Context, name string, of map[string]zfs.Marked) ([]string, error) {
	var loose, held []string
	for _, d := range s.datasets() {
		if of[d].Holds == 0 {
			loose = append(loose, full(d, name))
		} else {
			held = append(held, full(d, name))
		}
	}
	if len(held) == 0 {
		return loose, nil
	}
	holds, err := s.from.Holds(ctx, held...)
	if err != nil {
		return nil, err
	}
	for _, snapshot := range held {
		if !slices.Contains(holds, live.ZHold{Snapshot: snapshot, Tag: replica.HoldTag(s.p.Group)}) {
			loose = append(loose, snapshot)
		}
	}
	return loose, nil
}

// takePoint does what is missing: sent again after a lost answer, it takes no second snapshot where it sees the first.
func (s *groupStep) takePoint(ctx context.Context) error {
	name, of, err := s.point(ctx)
	if err != nil {
		return certainlyNot(err)
	}
	var loose []string
	if name == "" {
		if name, err = s.freeName(ctx); err != nil {
			return certainlyNot(err)
		}
		for _, d := range s.datasets() {
			loose = append(loose, full(d, name))
		}
		if err := s.from.Snapshot(ctx, map[string]string{propRun: s.call.Run}, loose...); err != nil {
			return certainlyNot(err)
		}
	} else if loose, err = s.unheld(ctx, name, of); err != nil {
		return err
	}
	if len(loose) == 0 {
		return nil
	}
	return s.from.Hold(ctx, replica.HoldTag(s.p.Group), loose...)
}

// freeName is the name of a point of now, or of the next second where a point of this one is there.
func (s *groupStep) freeName(ctx context.Context) (string, error) {
	found, err := s.from.List(ctx, false, s.datasets()...)
	if err != nil {
		return "", err
	}
	for at := time.Now().UTC(); ; at = at.Add(time.Second) {
		name, err := replica.PointName(s.p.Group, at)
		if err != nil {
			return "", refuse(fault.Invalid, "%w", err)
		}
		if !slices.ContainsFunc(found, func(d live.ZDataset) bool { return d.Snapshot(name) != nil }) {
			return name, nil
		}
	}
}

// certainlyNot marks an error of which it is certain that nothing was done, for want of a connection.
func certainlyNot(err error) error {
	if errors.Is(err, sshexec.ErrNotSent) {
		return notSent{err}
	}
	return err
}

// VerifyReplicas compares both sides.
func (a *Activities) VerifyReplicas(ctx context.Context, c plan.Call) (plan.Outcome, error) {
	return a.act(ctx, verb{op: plan.VerifyReplicas, call: c, bare: true, prepare: from(c, func(_ context.Context, p plan.GroupParams) (verb, error) {
		s, err := a.groupStep(c, p)
		return verb{bare: true, read: s.compare, first: func(context.Context, *seen) (string, error) { return "", nil }, calls: map[string]call{"": {limit: zfsLimit}}}, err
	})})
}

// compare reads what the target has of the point of this run.
func (s *groupStep) compare(ctx context.Context) (seen, error) {
	name, of, err := s.mustHave(ctx)
	if err != nil {
		return seen{}, err
	}
	found, err := listThere(ctx, s.to, s.replicas())
	if err != nil {
		return seen{}, err
	}
	to := live.StorageHost{Datasets: found}
	var wrong []string
	for _, d := range s.p.Datasets {
		if why := unlike(to.Dataset(d.Replica), of[d.Dataset].GUID); why != "" {
			wrong = append(wrong, d.Replica+" "+why)
		}
	}
	if len(wrong) > 0 {
		return seen{}, refuse(fault.State, "on %s: %s", s.p.To, strings.Join(wrong, "; "))
	}
	return seen{done: true, state: fmt.Sprintf("%d of %d replicas at @%s", len(s.p.Datasets), len(s.p.Datasets), name)}, nil
}

// unlike says why it is not the replica that it should be; empty: it is.
func unlike(d *live.ZDataset, guid uint64) string {
	switch {
	case d == nil:
		return "is not there"
	case !slices.ContainsFunc(d.Snapshots, func(x live.ZSnapshot) bool { return x.GUID == guid }):
		return fmt.Sprintf("does not have the recovery point of this run (GUID %d)", guid)
	case d.ResumeToken != "":
		return "holds the part of another stream"
	case !d.ReadOnly:
		return "is not readonly=on: somebody changed it"
	case d.Volume && d.VolMode != "none" && d.VolMode != "":
		return "has volmode=" + d.VolMode + ", and not none: somebody changed it"
	}
	return ""
}
