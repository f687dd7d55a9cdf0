package activities

import (
	"context"
	"maps"
	"time"

	"go.temporal.io/sdk/activity"

	"nightshift/internal/fault"
	"nightshift/internal/ledger"
	"nightshift/internal/plan"
	"nightshift/internal/runapi"
)

const (
	// lookEvery is the pause between two looks at the lab, and lookFor how long one activity goes on looking: each is a few
	// events in a history, and a year has 100,000 times five minutes.
	lookEvery = 5 * time.Minute
	lookFor   = 12 * time.Hour
)

// lookedAt are the events for which the caretaker looks.
var lookedAt = []runapi.Event{runapi.EventDeadline, runapi.EventTerminated, runapi.EventMissed, runapi.EventDebt, runapi.EventHold}

// LookAround looks at what no run sees, until there is something that the caretaker has not told yet, or for some hours.
func (a *Activities) LookAround(ctx context.Context, w runapi.Watch) (runapi.Sighting, error) {
	target := plan.Target{Kind: plan.Lab, Name: w.Lab}
	if !a.Watches() {
		return runapi.Sighting{Idle: true}, nil
	}
	end := time.Now().Add(lookFor)
	for {
		s, err := a.look(ctx, w)
		if err != nil {
			return s, classify(plan.LookAround, target, err)
		}
		// What schedules there are is remembered at once: one that misses its time while nobody works must be known before.
		if s.Notices = w.New(s); len(s.Notices) > 0 || !maps.Equal(s.Missed, w.Missed) || time.Now().After(end) {
			return s, nil
		}
		activity.RecordHeartbeat(ctx)
		timer := time.NewTimer(a.lookEvery)
		select {
		case <-timer.C:
			continue
		case <-ctx.Done():
			err = ctx.Err()
		case <-activity.GetWorkerStopChannel(ctx):
			err = classify(plan.LookAround, target, refuse(fault.Unreachable, "this worker ends"))
		}
		timer.Stop()
		return runapi.Sighting{}, err
	}
}

// A lookout is what the caretaker's look at a lab reads.
type lookout interface {
	schedules(ctx context.Context, lab string) ([]timetable, error)
	// waiting are the open runs of the lab that wait for a person, with their sheets, by workflow id.
	waiting(ctx context.Context, lab string) (map[string]runapi.Sheet, error)
}

// look reads everything once and says what there is to tell, whether it was told before or not.
func (a *Activities) look(ctx context.Context, w runapi.Watch) (runapi.Sighting, error) {
	book, err := a.ledger.read(ctx, w.Lab)
	if err != nil {
		return runapi.Sighting{}, err
	}
	tables, err := a.lookout.schedules(ctx, w.Lab)
	if err != nil {
		return runapi.Sighting{}, err
	}
	runs, err := a.lookout.waiting(ctx, w.Lab)
	if err != nil {
		return runapi.Sighting{}, err
	}
	orphans, err := a.orphans(ctx, w.Lab, book)
	if err != nil {
		return runapi.Sighting{}, err
	}
	v := vista{lab: w.Lab, now: time.Now(), book: book, tables: tables, runs: runs, orphans: orphans,
		debtsAfter: time.Duration(a.lab.Notifications.DebtsAfter)}
	return v.sighting(w.Missed), nil
}

// orphans are the holders of locks that closed without giving them back. One may have done so since it was asked.
func (a *Activities) orphans(ctx context.Context, lab string, book ledger.State) ([]ledger.Lock, error) {
	var left []ledger.Lock
	for _, l := range book.Locks {
		ended, err := a.ledger.ended(ctx, l.Holder)
		if err != nil {
			return nil, err
		}
		if ended {
			left = append(left, l)
		}
	}
	if len(left) == 0 {
		return nil, nil
	}
	again, err := a.ledger.read(ctx, lab)
	if err != nil {
		return nil, err
	}
	var sure []ledger.Lock
	for _, l := range left {
		for _, still := range again.Locks {
			if sameLock(l, still) {
				sure = append(sure, l)
			}
		}
	}
	return sure, nil
}
