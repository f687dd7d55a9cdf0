package ledger

import (
	"slices"
	"strings"
	"time"

	"nightshift/internal/plan"
)

// A Group is how a protection group is doing, as its last replication measured it.
type Group struct {
	Measured
	// Samples are the free space of the last replications, oldest first: from them it is seen when it will be used up.
	Samples []Sample `json:"samples,omitempty"`
}

// Measured is what one replication measured when it was done. Sizes are in bytes.
type Measured struct {
	Group string        `json:"group"` // its name in the lab file
	Run   string        `json:"run"`   // workflow id
	At    time.Time     `json:"at"`
	Point time.Time     `json:"point"` // the moment of the newest recovery point that the other side has whole
	Every plan.Duration `json:"every"` // the interval at which it is to be replicated
	Free  int64         `json:"free"`  // where the replicas lie
	// Full is when nothing of that will be left, if all goes on as it did; zero: never, or not known.
	Full    time.Time `json:"full,omitzero"`
	Volumes []Volume  `json:"volumes"`
}

// A Volume is one dataset of a group.
type Volume struct {
	Dataset string `json:"dataset"`
	PerDay  int64  `json:"perDay"` // that is written in a day; less than 0: not known yet
	Noisy   bool   `json:"noisy,omitempty"`
}

// A Sample is how much space was free at a moment, in bytes.
type Sample struct {
	At   time.Time `json:"at"`
	Free int64     `json:"free"`
}

// keepSamples bounds the list, as the state travels through every Continue-As-New: two days of hourly replications.
const keepSamples = 48

// sampleEvery is how far samples are apart at least, all but the newest: so those of a group that is replicated every few minutes
// reach back over more than a day, too.
const sampleEvery = 50 * time.Minute

// Group finds how one is doing; false: it was never replicated.
func (s *State) Group(name string) (Group, bool) {
	i := slices.IndexFunc(s.Groups, func(g Group) bool { return g.Group == name })
	if i < 0 {
		return Group{}, false
	}
	return s.Groups[i], true
}

// measure takes the place of what was measured before. Again, by the same run, is fine.
func (s *State) measure(m Measured) {
	g, _ := s.Group(m.Group)
	g.Samples = slices.DeleteFunc(slices.Clone(g.Samples), func(x Sample) bool { return g.Run == m.Run && x.At.Equal(g.At) })
	if n := len(g.Samples); n > 1 {
		if apart := m.At.Sub(g.Samples[n-2].At); apart >= 0 && apart < sampleEvery { // below 0: by a clock that was wrong
			g.Samples = g.Samples[:n-1]
		}
	}
	g.Measured, g.Samples = m, append(g.Samples, Sample{m.At, m.Free})
	if n := len(g.Samples) - keepSamples; n > 0 {
		g.Samples = slices.Delete(g.Samples, 0, n)
	}
	s.Groups = append(slices.DeleteFunc(s.Groups, func(x Group) bool { return x.Group == m.Group }), g)
	slices.SortFunc(s.Groups, func(a, b Group) int { return strings.Compare(a.Group, b.Group) })
}
