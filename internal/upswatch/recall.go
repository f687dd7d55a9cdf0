package upswatch

import (
	"context"
	"slices"
	"strings"
	"time"

	"nightshift/internal/runapi"
)

// recalled is how long a person's word is believed to be about the power cut that a watch finds when it begins: batteries rarely
// last longer, and when the cut began nobody knows.
const recalled = time.Hour

// recall looks, once, what has become of the power-down of a power cut that was there before this watch: a person may have
// aborted it, or it has ended since this watch began. Whatever else has been done to the lab since makes it another one.
func (w *Watch) recall(ctx context.Context, d Due) error {
	if w.sought || !slices.ContainsFunc(d.UPS, func(name string) bool { return !w.tracks[name].Seen }) {
		return nil
	}
	ended, err := w.Runs.Ended(ctx, w.now().Add(-recalled))
	if err != nil {
		return err
	}
	latest, err := w.Runs.Latest(ctx, func(Run) bool { return false })
	if err != nil {
		return err
	}
	w.sought = true
	for _, r := range ended {
		was, ours, _ := w.ours(r, d)
		switch {
		case !ours || r.Outcome == runapi.Refused || r.Outcome == runapi.Failed || !slices.ContainsFunc(was.UPS, func(name string) bool { return slices.Contains(d.UPS, name) }):
			continue
		case len(latest) > 0 && latest[0].ID != r.ID && (latest[0].Open || latest[0].Ended.After(r.Ended)):
			return nil
		case r.stopped():
			w.say(d.UPS, "run", true, d.Why+", but run "+r.ID+" has ended: "+r.Why+"; nothing more is begun in this power cut, but by a person: nightshift run power-down -p ups="+strings.Join(d.UPS, ","))
		case r.lastWord() && r.Ended.After(w.began):
			w.say(d.UPS, "run", true, "run "+r.ID+" has ended: "+strings.Trim(r.Outcome+", "+r.Why, ", "))
		default:
			return nil
		}
		w.settle(r, was.UPS)
		return nil
	}
	return nil
}
