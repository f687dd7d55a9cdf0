package activities

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"nightshift/internal/fault"
	"nightshift/internal/ledger"
	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/internal/vsphere"
	"nightshift/internal/words"
)

const (
	reconfigureLimit = 4 * time.Minute
	snapshotLimit    = 8 * time.Minute
	// ours begins the description of a snapshot that nightshift made: no other is ever removed.
	ours = "nightshift: "
)

// A snapshotStep is a step on the snapshots, or the change tracking, of a guest.
type snapshotStep struct {
	guestStep
	w   workshop
	got live.Guest
	is  vsphere.Tracked
}

func (a *Activities) snapshotStep(ctx context.Context, c plan.Call) (*snapshotStep, error) {
	g, err := a.guestStep(ctx, c)
	if err != nil {
		return nil, err
	}
	w, err := a.workshop(ctx, c.Target)
	return &snapshotStep{guestStep: g, w: w}, err
}

func (s *snapshotStep) look(ctx context.Context) (err error) {
	if s.got, err = s.read(ctx); err != nil {
		return err
	}
	s.is, err = s.w.Tracking(ctx, s.call.Target.Ref)
	return err
}

// mayChange refuses guests that nightshift leaves alone.
func (s *snapshotStep) mayChange(ctx context.Context) error {
	if why := s.a.kept(s.call.Target.Endpoint, s.got); why != "" {
		return refuse(errUnsafe, "guest %s %s: nightshift does not change it", s.got.Name, why)
	}
	return s.stillUntagged(ctx, &s.got)
}

// SetChangeTracking switches Changed Block Tracking on or off. Off is a debt until it is on again.
func (a *Activities) SetChangeTracking(ctx context.Context, c plan.Call) (plan.Outcome, error) {
	const set = "reconfigure"
	debt := plan.Debt{ID: plan.DebtID(c.Target.Endpoint, c.Target.Ref, plan.ChangeTracking), Target: c.Target, Setting: plan.ChangeTracking, Was: "true", Run: c.Run}
	return a.act(ctx, verb{op: plan.SetChangeTracking, call: c, prepare: from(c, func(ctx context.Context, p plan.TrackingParams) (verb, error) {
		s, err := a.snapshotStep(ctx, c)
		if err != nil {
			return verb{}, err
		}
		v := verb{tasks: s.vc,
			read: func(ctx context.Context) (seen, error) {
				err := s.look(ctx)
				return seen{done: s.is.Enabled == p.Enabled, state: trackingState(s.is.Enabled)}, err
			},
			first: func(ctx context.Context, _ *seen) (string, error) {
				if n := len(s.is.Snapshots); n > 0 {
					return "", refuse(fault.State, "it has %s, the first %q: CBT changes only without any; remove them", words.Count(n, "snapshot"), s.is.Snapshots[0].Name)
				}
				return set, s.mayChange(ctx)
			},
			calls: map[string]call{set: {words: fmt.Sprintf("Reconfigure (CBT %s) to %s", trackingState(p.Enabled), c.Target), limit: reconfigureLimit, harmless: true, task: "reconfig",
				send: func(ctx context.Context, _ seen) (string, error) {
					return s.w.SetTracking(ctx, c.Target.Ref, p.Enabled)
				}}},
		}
		if p.Enabled {
			v.finish = func(ctx context.Context, _ seen) error {
				return a.ledger.change(ctx, c.Lab, ledger.Change{Settle: debt.ID})
			}
		} else {
			v.owe = func(ctx context.Context, _ seen) error {
				return a.ledger.change(ctx, c.Lab, ledger.Change{Owe: &debt})
			}
		}
		return v, nil
	})})
}

func trackingState(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

// snapshot finds one that nightshift made under the name; of another one of that name it is an error.
func (s *snapshotStep) snapshot(name string) (vsphere.Snapshot, bool, error) {
	i := slices.IndexFunc(s.is.Snapshots, func(x vsphere.Snapshot) bool { return x.Name == name })
	if i < 0 {
		return vsphere.Snapshot{}, false, nil
	}
	found := s.is.Snapshots[i]
	if !strings.HasPrefix(found.Description, ours) {
		return found, false, refuse(errUnsafe, "it has a snapshot %q that nightshift did not make: it is left alone", name)
	}
	return found, true, nil
}

// SnapshotGuest makes a snapshot.
func (a *Activities) SnapshotGuest(ctx context.Context, c plan.Call) (plan.Outcome, error) {
	return a.snapshots(ctx, plan.SnapshotGuest, c, true)
}

// RemoveSnapshot removes a snapshot that nightshift made.
func (a *Activities) RemoveSnapshot(ctx context.Context, c plan.Call) (plan.Outcome, error) {
	return a.snapshots(ctx, plan.RemoveSnapshot, c, false)
}

func (a *Activities) snapshots(ctx context.Context, op plan.Action, c plan.Call, want bool) (plan.Outcome, error) {
	return a.act(ctx, verb{op: op, call: c, prepare: from(c, func(ctx context.Context, p plan.SnapshotParams) (verb, error) {
		s, err := a.snapshotStep(ctx, c)
		if err != nil {
			return verb{}, err
		}
		var found vsphere.Snapshot
		send := call{words: fmt.Sprintf("CreateSnapshot %q to %s", p.Name, c.Target), limit: snapshotLimit, task: "createSnapshot",
			send: func(ctx context.Context, _ seen) (string, error) {
				return s.w.CreateSnapshot(ctx, c.Target.Ref, p.Name, ours+"step "+c.Step+" of run "+c.Run)
			}}
		if !want {
			send = call{words: fmt.Sprintf("RemoveSnapshot %q of %s", p.Name, c.Target), limit: plan.RemoveSnapshotLimit, harmless: true, task: "snapshot",
				send: func(ctx context.Context, _ seen) (string, error) { return s.w.RemoveSnapshot(ctx, found.Ref) }}
		}
		return verb{tasks: s.vc,
			read: func(ctx context.Context) (seen, error) {
				if err := s.look(ctx); err != nil {
					return seen{}, err
				}
				var is bool
				var err error
				found, is, err = s.snapshot(p.Name)
				return seen{done: is == want, state: snapshotState(p.Name, is)}, err
			},
			first: func(ctx context.Context, _ *seen) (string, error) { return string(op), s.mayChange(ctx) },
			calls: map[string]call{string(op): send},
		}, nil
	})})
}

func snapshotState(name string, is bool) string {
	if is {
		return fmt.Sprintf("with the snapshot %q", name)
	}
	return fmt.Sprintf("without a snapshot %q", name)
}
