package upswatch

import (
	"context"
	"fmt"
	"strings"
	"time"

	"nightshift/internal/runapi"
)

// raise powers up again what went down because of UPSes, when all of these are ready. Only where that power-down is the last
// thing that was done to the lab: what a person did since then stands.
func (w *Watch) raise(ctx context.Context) error {
	last, err := w.Runs.Latest(ctx)
	if err != nil || last == nil {
		w.toRaise = err != nil
		return err
	}
	d, ours := dueOf(w.Lab.Lab, last.ID)
	switch {
	case last.Open:
		return nil // it may be one of ours that takes its time
	case !ours:
		w.toRaise = false
		return nil
	}
	for _, name := range d.UPS {
		u, ok := w.Lab.UPSOf(name)
		if !ok || !*u.PowerUp.Auto {
			w.toRaise = false
			return nil
		}
		if ready, why := w.tracks[name].Ready(u); !ready {
			w.sayWaiting(name, last.ID, why)
			return nil
		}
	}
	return w.beginUp(ctx, d, last)
}

// sayWaiting tells once for each power-down that the lab waits, and what for.
func (w *Watch) sayWaiting(ups, run, why string) {
	key := "waits after " + run
	if w.told[key] == "" {
		w.told[key] = why
		w.tell(Event{At: w.now(), UPS: ups, Text: "the power-up waits: " + why})
	}
}

// locked tells of a run that was skipped as another one had the lab. That one ends; a hold is a person's word.
func (r Run) locked() bool {
	return r.Outcome == runapi.Skipped && !strings.HasPrefix(r.Why, runapi.OnHold)
}

// beginUp starts the power-up. A hold stops it, as a person has said so. One that was refused, or could not be planned, is tried
// again, less and less often: switches and storage take their time to come up. So is one that found the lab taken.
func (w *Watch) beginUp(ctx context.Context, d Due, last *Run) error {
	parameters := d.Parameters()
	if hosts := last.Parameters["host"]; hosts != "" {
		parameters["host"] = hosts
	}
	for n := 1; n <= mostTries; n++ {
		id := d.ID(w.Lab.Lab, powerUp, n)
		r, err := w.Runs.Find(ctx, id)
		switch {
		case err != nil:
			return err
		case r == nil:
			p := runapi.Params{Lab: w.Lab.Lab, Runbook: powerUp, Parameters: parameters, By: d.By(), Approved: true, Scheduled: true}
			if err := w.Runs.Start(ctx, id, p, "power-up of lab "+w.Lab.Lab+": the mains are back"); err != nil {
				return err
			}
			w.say(d.UPS, "power-up", false, "the mains are back, and the battery is charged enough: run "+id+" powers up again")
			return nil
		case r.Open:
			return nil
		case r.Outcome == "" && r.Unread:
			return fmt.Errorf("what became of run %s cannot be read", id)
		case r.Outcome != runapi.Refused && r.Outcome != runapi.Failed && !r.locked():
			w.toRaise = false
			if r.Outcome == runapi.Skipped {
				w.say(d.UPS, "power-up", true, "the power-up was skipped, "+r.Why+": start it yourself when the hold is over")
			}
			return nil
		}
		w.say(d.UPS, "power-up", true, fmt.Sprintf("run %s was %s (%s); the power-up is tried again", id, r.Outcome, r.Why))
		if w.now().Sub(r.Ended) < min(time.Duration(n)*tryAgain, time.Hour) {
			return nil
		}
	}
	return nil
}
