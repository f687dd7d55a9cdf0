package activities

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"nightshift/internal/fault"
	"nightshift/internal/inventory"
	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/internal/replica"
	"nightshift/internal/storagesetup"
	"nightshift/internal/words"
	"nightshift/internal/zfs"
)

// sendLimit is how long a stream may take, with all that it was broken off. It ends before where it does not get on.
const sendLimit = 60 * 24 * time.Hour

// A sendStep is the step that brings the point of a run to one replica.
type sendStep struct {
	a        *Activities
	call     plan.Call
	p        plan.SendParams
	from, to *zfs.Client
	mark     groupMark
	route    zfs.Route
	point    zfs.Marked // of this run, once read has found it
}

// SendDataset sends what the replica lacks to have the recovery point of the run. The stream is carried by this process, and
// goes on where it broke off; what it is sent from is chosen now, by what both sides have.
func (a *Activities) SendDataset(ctx context.Context, c plan.Call) (plan.Outcome, error) {
	return a.act(ctx, verb{op: plan.SendDataset, call: c, prepare: from(c, func(_ context.Context, p plan.SendParams) (verb, error) {
		s, err := a.sendStep(c, p)
		if err != nil {
			return verb{}, err
		}
		t := a.streams.of(into(p.To, p.Replica), commandKey(c), s.try)
		return verb{
			read:   func(ctx context.Context) (seen, error) { return s.read(ctx, t) },
			first:  func(context.Context, *seen) (string, error) { return "send", nil },
			remark: t.remarks,
			calls: map[string]call{"send": {words: fmt.Sprintf("the stream of %s to %s on %s", p.Dataset, p.Replica, p.To), limit: sendLimit, harmless: true,
				send: func(context.Context, seen) (string, error) {
					t.begin()
					return "", nil
				},
				carry: t.carry,
			}},
		}, nil
	})})
}

func (a *Activities) sendStep(c plan.Call, p plan.SendParams) (*sendStep, error) {
	s := &sendStep{a: a, call: c, p: p, mark: groupMark{a, c.Run, p.Group, p.To, p.Under}}
	var err error
	if s.from, err = a.zfsOf(p.From); err != nil {
		return nil, err
	}
	if s.to, err = a.zfsOf(p.To); err != nil {
		return nil, err
	}
	h, _ := a.lab.StorageHost(p.To) // zfsOf found it
	s.route, err = routeTo(h)
	return s, err
}

// routeTo is how other storage hosts reach this one.
func routeTo(h *inventory.StorageHost) (zfs.Route, error) {
	address, service := h.ReplicationAddress()
	var port int
	if _, err := fmt.Sscan(service, &port); err != nil {
		return zfs.Route{}, refuse(fault.Invalid, "storage host %s: its port %q is no number", h.Name, service)
	}
	return zfs.Route{Address: address, Port: port, User: h.SSH.User, Key: storagesetup.KeyFile}, nil // ssh begins in the account's home
}

// read asks the target whether it has the point, unless a stream is under way to it.
func (s *sendStep) read(ctx context.Context, t *carriage) (seen, error) {
	if p, running := t.progress(); running {
		return seen{state: "being sent: " + p.String(), progress: &p}, nil
	}
	if s.point.Name == "" {
		var err error
		if s.point, err = s.find(ctx); err != nil {
			return seen{}, err
		}
	}
	there := full(s.p.Replica, s.point.Name)
	guids, err := s.to.GUIDs(ctx, there)
	if err != nil {
		return seen{}, err
	}
	if guids[there] == s.point.GUID {
		return seen{done: true, state: "at recovery point @" + s.point.Name}, nil
	}
	return seen{state: "without recovery point @" + s.point.Name, progress: t.waiting()}, nil
}

// find finds the recovery point of this run on the source.
func (s *sendStep) find(ctx context.Context) (point zfs.Marked, _ error) {
	found, err := s.from.Marked(ctx, propRun, s.call.Run, s.p.Dataset)
	if err != nil {
		return point, err
	}
	if len(found) == 0 {
		return point, refuse(fault.NotFound, "the recovery point of this run is not there any more on %s: was it destroyed?", s.p.Dataset)
	}
	point = found[0]
	for _, m := range found[1:] { // as groupStep.point chooses
		if m.Name < point.Name {
			point = m
		}
	}
	return point, nil
}

// mostStreams is how many streams one try sends: what was broken off of an earlier run comes before what is new.
const mostStreams = 4

// try brings the point to the replica. The run has the group's lock, and this process has no other stream into the replica.
func (s *sendStep) try(ctx context.Context, t *carriage) error {
	for range mostStreams {
		done, err := s.one(ctx, t)
		if done || err != nil {
			return err
		}
	}
	return refuse(fault.State, "after %d streams %s still does not have the recovery point of this run", mostStreams, s.p.Replica)
}

// one sends one stream, or sees that there is nothing left to send. Receivers of ours that were left over are ended before.
func (s *sendStep) one(ctx context.Context, t *carriage) (done bool, _ error) {
	var source, target *live.ZDataset
	var point zfs.Marked // asked for anew: the attempt that made this carriage may have ended before it had read anything
	for stale := true; stale; {
		all, ctx := errgroup.WithContext(ctx)
		all.Go(func() error {
			if err := s.mark.still(ctx); err != nil {
				return err
			}
			pids, err := s.to.EndReceivers(ctx, s.p.Replica)
			if stale = len(pids) > 0; stale { // what it had is written only when it has ended
				s.a.log.Info("receivers of an earlier stream were ended", "step", s.call.Step, "target", s.p.Replica, "pids", pids)
			}
			return err
		})
		all.Go(func() (err error) {
			source, target, err = s.both(ctx)
			return err
		})
		all.Go(func() (err error) {
			point, err = s.find(ctx)
			return err
		})
		if err := all.Wait(); err != nil {
			return false, err
		}
	}
	if source.GUID != s.p.GUID {
		return false, refuse(fault.Identity, "%s is another dataset than when the plan was made: its GUID was %d, and is %d", s.p.Dataset, s.p.GUID, source.GUID)
	}
	if err := s.unused(ctx, target); err != nil {
		return false, err
	}
	tr := zfs.Transfer{Limit: s.p.Limit, Receive: zfs.Receive{Dataset: s.p.Replica, Set: zfs.ReplicaProps(source.Volume)}}
	var arrived int64
	if target != nil && target.ResumeToken != "" {
		e, err := s.from.Estimate(ctx, zfs.Send{Token: target.ResumeToken})
		part := live.ZPart{Snapshot: e.Snapshot, GUID: e.ToGUID}
		switch {
		case errors.Is(err, zfs.ErrToken) && replica.MayGo(source, s.p.Group, part):
			return false, s.throwAway(ctx, t, err)
		case errors.Is(err, zfs.ErrToken):
			return false, refuse(fault.State, "%w (%s)", replica.NotOurs(source, target, s.p.Group, part), plain(err))
		case err != nil:
			return false, err
		case !replica.GoesOn(source, part):
			return false, refuse(fault.State, "%w", replica.NotOurs(source, target, s.p.Group, part))
		}
		t.note(fmt.Sprintf("went on with a stream of which %s had arrived", words.Bytes(e.AlreadyArrived)))
		if err := t.arrived(e.AlreadyArrived); err != nil {
			return false, err
		}
		tr.Send, arrived = zfs.Send{Token: target.ResumeToken}, e.AlreadyArrived
	} else {
		base, err := replica.ChooseBase(source, point.Name, target, replica.Stream{Raw: s.p.Raw, LargeBlocks: s.p.LargeBlocks})
		if err != nil {
			return false, refuse(fault.State, "%w", err)
		}
		if base.Done {
			return true, nil
		}
		if err := t.anew(); err != nil {
			return false, err
		}
		tr.Send = zfs.Send{Snapshot: full(s.p.Dataset, point.Name), From: base.From, Raw: s.p.Raw, Compressed: s.p.Compressed, LargeBlocks: s.p.LargeBlocks}
	}
	return tr.Send.Token == "", s.send(ctx, t, tr, arrived) // a token may be of an earlier point
}

// unused refuses a replica that initiators may have open: ZFS writes to it under them, and says nothing. One with volmode=none has no
// device that a target could have.
func (s *sendStep) unused(ctx context.Context, target *live.ZDataset) error {
	if target == nil || !target.Volume || target.VolMode == "none" {
		return nil
	}
	h, err := s.a.lunHost(s.p.To)
	if err != nil || h.Target == nil {
		return err
	}
	list, err := h.list(ctx)
	if err != nil {
		return fmt.Errorf("%s has volmode=%s, and whether a LUN is on it is not known: %w", s.p.Replica, target.VolMode, err)
	}
	return list.Free(s.p.Replica, "receive into "+s.p.Replica)
}

// send sends one stream. Where the source cannot keep to a limit by itself, it goes through this process.
func (s *sendStep) send(ctx context.Context, t *carriage, tr zfs.Transfer, arrived int64) error {
	tr.Report = func(p zfs.Progress) { t.moved(arrived+p.Sent, arrived+p.Total) }
	from, done, err := s.a.zfsForStream(s.p.From)
	if err != nil {
		return err
	}
	defer done()
	var sent zfs.Progress
	if s.p.Via != plan.ViaWorker {
		if sent, err = from.Direct(ctx, s.to, s.route, tr); !errors.Is(err, zfs.ErrNoPacer) {
			t.sent(sent.Sent)
			return err
		}
		t.note(s.p.From + " has neither mbuffer nor pv: to keep to its limit the stream went through nightshift's worker")
	}
	to, done, err := s.a.zfsForStream(s.p.To)
	if err != nil {
		return err
	}
	defer done()
	sent, err = from.Relay(ctx, to, tr)
	t.sent(sent.Sent)
	return err
}

// both reads both sides; the target is nil where it is not there.
func (s *sendStep) both(ctx context.Context) (source, target *live.ZDataset, err error) {
	g := groupStep{from: s.from, to: s.to, p: plan.GroupParams{From: s.p.From, To: s.p.To, Datasets: []plan.GroupDataset{{Dataset: s.p.Dataset, Replica: s.p.Replica}}}}
	from, to, err := g.sides(ctx)
	if err != nil {
		return nil, nil, err
	}
	if source = from.Dataset(s.p.Dataset); source == nil {
		return nil, nil, refuse(fault.NotFound, "%s is not there any more", s.p.Dataset)
	}
	source.Sort()
	if target = to.Dataset(s.p.Replica); target != nil {
		target.Sort()
	}
	return source, target, nil
}

// throwAway throws away the part of a stream that cannot be gone on with; what the replica has whole stays.
func (s *sendStep) throwAway(ctx context.Context, t *carriage, why error) error {
	if err := s.to.Abort(ctx, s.p.Replica); err != nil && !errors.Is(err, fault.NotFound) {
		return err
	}
	t.note("the part of an earlier stream could not be gone on with, and was thrown away: " + strings.TrimSpace(plain(why).Error()))
	return nil
}
