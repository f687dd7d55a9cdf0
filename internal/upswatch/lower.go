package upswatch

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"nightshift/internal/runapi"
)

// lower sees to it that a power-down for d is under way, or behind.
func (w *Watch) lower(ctx context.Context, d Due) error {
	if w.behind(d) {
		return nil
	}
	under, err := w.Runs.Underway(ctx)
	if err != nil {
		return err
	}
	for _, r := range under {
		if w.serves(r, d) {
			w.say(d.UPS, "run", true, d.Why+": run "+r.ID+" is powering the lab down already")
			return nil
		}
	}
	if err := w.recall(ctx, d); err != nil || w.behind(d) {
		return err
	}
	if err := w.begin(ctx, d); err != nil || w.behind(d) {
		return err
	}
	return w.clear(ctx, d, under)
}

// clear ends what is in the way: whoever holds the lab, and power-downs of UPSes for less than is to go down now.
func (w *Watch) clear(ctx context.Context, d Due, under []Run) error {
	inTheWay, err := w.Runs.Holders(ctx)
	if err != nil {
		return err
	}
	for _, r := range under {
		_, ours, _ := w.ours(r, d)
		if ours && !slices.ContainsFunc(inTheWay, func(h Run) bool { return h.ID == r.ID }) {
			inTheWay = append(inTheWay, r)
		}
	}
	for _, r := range inTheWay {
		if err := w.giveWay(ctx, r, d); err != nil {
			return err
		}
	}
	return nil
}

// behind tells whether each of the hosts has been seen to in the power cut of all UPSes that feed it.
func (w *Watch) behind(d Due) bool {
	for _, host := range d.Down {
		at, ok := w.settled[host]
		if !ok {
			return false
		}
		for _, name := range w.Lab.FeedsOf(host) {
			if slices.Contains(d.UPS, name) && at.Before(w.tracks[name].Began) {
				return false
			}
		}
	}
	return true
}

// settle notes that nothing is left to do after a run: for the hosts that it was to take down. A person's word counts for all
// that the UPSes feed.
func (w *Watch) settle(r Run, upses []string) {
	hosts := hostsOf(w.Lab, r, upses)
	if r.stopped() {
		hosts = append(slices.Clone(hosts), hostsOf(w.Lab, Run{}, upses)...)
	}
	for _, host := range hosts {
		w.settled[host] = w.now()
	}
}

// serves tells whether a run under way does what is wanted: for these hosts, or a power-down of the whole lab that gets on.
func (w *Watch) serves(r Run, d Due) bool {
	if _, ours, covers := w.ours(r, d); ours {
		return r.Open && covers
	}
	return r.Open && r.Runbook == powerDown && r.Planned && len(r.Parameters) == 0 && !r.Stands && !r.Aborting
}

// begin starts the power-down. One that was refused, or failed before it did anything, is tried again: what stood in its way
// may be gone, and the battery is not waiting. So is one that ended by itself, as the mains were back, and are away again; and
// one that has left something as it was: a host that booted may be there now.
func (w *Watch) begin(ctx context.Context, d Due) error {
	first := d.ID(w.Lab.Lab, powerDown, 1)
	for n := max(1, w.tried[first]+1); n <= mostTries; n++ {
		id := d.ID(w.Lab.Lab, powerDown, n)
		r, err := w.Runs.Find(ctx, id)
		switch {
		case err != nil:
			return err
		case r == nil:
			p := runapi.Params{Lab: w.Lab.Lab, Runbook: powerDown, Parameters: d.Parameters(), By: d.By(), Approved: true, Resolute: true, Wait: true}
			if err := w.Runs.Start(ctx, id, p, "power-down of lab "+w.Lab.Lab+": "+d.Why); err != nil {
				return err
			}
			w.say(d.UPS, "run", n == 1, d.Why+": run "+id+" powers down "+what(d))
			return nil
		case r.Open:
			if _, _, covers := w.ours(*r, d); covers {
				return nil
			}
			continue // it gives way
		case r.lastWord():
			w.settle(*r, d.UPS)
			w.say(d.UPS, "run", true, fmt.Sprintf("run %s has ended: %s", id, strings.Trim(r.Outcome+", "+r.Why, ", ")))
			w.tried[first] = n // should more have to go down since, the next look begins it
			return nil
		}
		w.sayTriedAgain(d, first, r)
		if w.now().Sub(r.Ended) < pause(n) {
			return nil
		}
		w.tried[first] = n // how it ended does not change any more
	}
	w.say(d.UPS, "run", true, fmt.Sprintf("%d runs have not powered down all of it, the last is %s: it is not tried any more", mostTries, d.ID(w.Lab.Lab, powerDown, mostTries)))
	return nil
}

// pause is how long after the end of the nth try the next one begins.
func pause(n int) time.Duration {
	if n <= soonTries {
		return tryAgain
	}
	return tryLater
}

// sayTriedAgain tells why the power-down is tried again, once for each reason.
func (w *Watch) sayTriedAgain(d Due, first string, r *Run) {
	why := cmp.Or(r.Outcome, "ended") + " (" + r.Why + ")"
	text := fmt.Sprintf("the lab is NOT powered down: run %s was %s; it is tried again until there is no power", r.ID, why)
	if len(r.Left) > 0 {
		why = "left " + strings.Join(r.Left, ", ")
		text = fmt.Sprintf("run %s has ended, and has %s as it is; it is tried again until there is no power", r.ID, why)
	}
	if key := first + "/" + why; w.told[key] == "" {
		w.told[key] = text
		w.tell(Event{At: w.now(), UPS: strings.Join(d.UPS, ", "), Text: text, Alarm: true})
	}
}

// lastWord tells of a run that has ended whether nothing is left to do after it: it did what it could, or a person stopped it.
// What became of one that cannot be read is not known.
func (r Run) lastWord() bool {
	switch r.Outcome {
	case runapi.Refused, runapi.Failed:
		return false
	case runapi.Aborted:
		return r.stopped()
	}
	return !r.Unread && len(r.Left) == 0
}

// stopped tells whether a person has ended the run.
func (r Run) stopped() bool {
	by, ordered := strings.CutPrefix(r.Why, runapi.AbortedBy)
	return r.Outcome == runapi.Aborted && (ordered && !strings.HasPrefix(by, byUPS) || strings.HasPrefix(r.Why, runapi.Cancelled))
}

func what(d Due) string {
	if len(d.Hosts) > 0 {
		return "host " + strings.Join(d.Hosts, ", ")
	}
	return "what it feeds"
}

// giveWay ends a run in order that holds the lab: the battery does not wait for it. Only a person frees a lock that nobody holds any more.
func (w *Watch) giveWay(ctx context.Context, r Run, d Due) error {
	_, _, covers := w.ours(r, d)
	switch {
	case !r.Open:
		w.say(d.UPS, "lock of "+r.ID, true, "run "+r.ID+" has ended without releasing its locks, and keeps the lab from being powered down: nightshift unlock "+r.ID+" --reason WHY")
		return nil
	case r.Aborting, covers:
		return nil
	}
	w.say(d.UPS, "way of "+r.ID, true, "run "+r.ID+" is aborted in order: it is in the way of the power-down")
	return w.Runs.Abort(ctx, r.ID, runapi.Order{By: d.By(), Reason: d.Why})
}
