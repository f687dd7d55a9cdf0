package replica

import (
	"time"

	"nightshift/internal/live"
)

// A Noise is how much is written to a dataset: what the increments have to carry.
type Noise struct {
	PerDay  int64         // bytes
	Written int64         // bytes, in the time that was looked at
	Over    time.Duration // that time
}

// minNoise is the shortest time that says something of a whole day.
const minNoise = time.Hour

// NoiseOf adds up what was written between the snapshots of the last days, and since the newest; false: the snapshots are too
// few or too young to tell. What was written and overwritten between two snapshots counts once, as in a send.
func NoiseOf(d *live.ZDataset, within time.Duration, now time.Time) (Noise, bool) {
	since := now.Add(-within)
	first := -1 // the newest snapshot that is not younger than that; else the oldest
	for i, s := range d.Snapshots {
		if i == 0 || !s.Creation.After(since) {
			first = i
		}
	}
	if first < 0 {
		return Noise{}, false
	}
	n := Noise{Written: d.Written, Over: now.Sub(d.Snapshots[first].Creation)}
	for _, s := range d.Snapshots[first+1:] {
		n.Written += s.Written
	}
	if n.Over < minNoise {
		return Noise{}, false
	}
	n.PerDay = int64(float64(n.Written) * float64(24*time.Hour) / float64(n.Over))
	return n, true
}

// Noisy says whether that is more than may be; limit is in bytes a day, 0: anything may be.
func (n Noise) Noisy(limit int64) bool { return limit > 0 && n.PerDay > limit }
