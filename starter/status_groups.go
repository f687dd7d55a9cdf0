package main

import (
	"fmt"
	"time"

	"nightshift/internal/ledger"
	"nightshift/internal/replica"
	"nightshift/internal/words"
)

// groupText says how a protection group is doing: how far its replica is behind now, what changes too much, how long the
// space lasts.
func groupText(p paint, g ledger.Group, now time.Time) []string {
	if g.At.IsZero() {
		return []string{p.on(yellow, fmt.Sprintf("%s: never replicated (every %s): nightshift run replicate -p group=%s", g.Group, words.Written(time.Duration(g.Every)), g.Group))}
	}
	lag := replica.LagOf(g.Point, time.Duration(g.Every), now)
	first := fmt.Sprintf("%s: newest recovery point on the other side %s", g.Group, lag)
	switch lag.Level {
	case replica.Late:
		first = p.on(yellow, first+": late")
	case replica.Critical:
		first = p.on(red, first+": critical")
	case replica.Unknown:
		first = p.on(red, g.Group+": the other side has no recovery point that is whole")
		if replica.Future(g.Point, now) {
			first = p.on(red, g.Group+": how old the other side is, is not known: it was measured with a clock that was wrong")
		}
	}
	lines := []string{first + " (every " + words.Written(time.Duration(g.Every)) + ")"}
	for _, v := range g.Volumes {
		if v.Noisy {
			lines = append(lines, p.on(yellow, fmt.Sprintf("    %s changes by %s a day, more than it should", v.Dataset, words.Bytes(v.PerDay))))
		}
	}
	if !g.Full.IsZero() {
		lines = append(lines, fmt.Sprintf("    %s left for replicas, full about %s if all goes on so", words.Bytes(g.Free), g.Full.Format(time.DateOnly)))
	}
	return lines
}
