package upswatch

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"nightshift/internal/runapi"
)

// raise powers up again what went down because of UPSes, when all of these are ready. Only where that power-down is the last
// thing that was done to the lab: what a person did since then stands.
func (w *Watch) raise(ctx context.Context) error {
	if err := w.callBack(ctx); err != nil {
		return err
	}
	latest, err := w.Runs.Latest(ctx, func(r Run) bool {
		_, ours := dueOf(w.Lab.Lab, r.ID)
		return ours && !r.Open
	})
	if err != nil {
		w.toRaise = true
		return err
	}
	d, ok := w.wentDown(latest)
	switch {
	case slices.ContainsFunc(latest, func(r Run) bool { return r.Open }):
		return nil // it may be one of ours that takes its time
	case !ok:
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
			w.sayWaiting(name, latest[0].ID, why)
			return nil
		}
	}
	return w.beginUp(ctx, d)
}

// callBack ends power-downs in order that have touched nothing yet, as they wait for the lab, or are planned, when the mains are back.
func (w *Watch) callBack(ctx context.Context) error {
	under, err := w.Runs.Underway(ctx)
	if err != nil {
		return err
	}
	for _, r := range under {
		was, ours := dueOf(w.Lab.Lab, r.ID)
		if !ours || !r.Open || r.Planned || r.Aborting || r.Unread || slices.ContainsFunc(was.UPS, func(name string) bool { return !w.tracks[name].over() }) {
			continue
		}
		w.say(was.UPS, "run", false, "the mains are back, and run "+r.ID+" has touched nothing: it is ended; a run that was aborted for it is not begun again by itself (what that had switched off: nightshift status, nightshift settle)")
		if err := w.Runs.Abort(ctx, r.ID, runapi.Order{By: was.By(), Reason: "the mains are back, and nothing was touched"}); err != nil {
			return err
		}
	}
	return nil
}

// wentDown is what power-downs of UPSes have taken down since anything else was done to the lab: several, where one has left
// something, or UPSes failed one after the other. The newest comes first; false: the last thing that was done was another.
func (w *Watch) wentDown(latest []Run) (d Due, ok bool) {
	down := map[string]bool{}
	for i, r := range latest {
		was, ours := dueOf(w.Lab.Lab, r.ID)
		if !ours {
			break
		}
		if i == 0 {
			d.Began = was.Began
		}
		d.UPS = append(d.UPS, was.UPS...)
		for _, host := range hostsOf(w.Lab, r, was.UPS) {
			down[host] = true
		}
	}
	slices.Sort(d.UPS)
	d.UPS = slices.Compact(d.UPS)
	fed := hostsOf(w.Lab, Run{}, d.UPS)
	d.Down = slices.DeleteFunc(slices.Clone(fed), func(name string) bool { return !down[name] })
	if len(d.Down) < len(fed) {
		d.Hosts = d.Down
	}
	return d, len(d.UPS) > 0
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
func (w *Watch) beginUp(ctx context.Context, d Due) error {
	for n := 1; n <= mostTries; n++ {
		id := d.ID(w.Lab.Lab, powerUp, n)
		r, err := w.Runs.Find(ctx, id)
		switch {
		case err != nil:
			return err
		case r == nil:
			p := runapi.Params{Lab: w.Lab.Lab, Runbook: powerUp, Parameters: d.Parameters(), By: d.By(), Approved: true, Scheduled: true}
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
		if key := d.ID(w.Lab.Lab, powerUp, 1) + "/" + r.Outcome + " " + r.Why; w.told[key] == "" { // once for each reason
			w.told[key] = id
			w.say(d.UPS, "power-up", true, fmt.Sprintf("run %s was %s (%s); the power-up is tried again", id, r.Outcome, r.Why))
		}
		if w.now().Sub(r.Ended) < min(time.Duration(n)*tryAgain, time.Hour) {
			return nil
		}
	}
	return nil
}
