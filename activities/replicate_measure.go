package activities

import (
	"context"
	"fmt"
	"strings"
	"time"

	"nightshift/internal/fault"
	"nightshift/internal/ledger"
	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/internal/replica"
	"nightshift/internal/words"
)

// noiseWithin is the time over which the change rate is looked at: what happens once a week is in it.
const noiseWithin = 7 * 24 * time.Hour

// MeasureGroup measures change rate, lag and space after a cycle, and writes them into the ledger.
func (a *Activities) MeasureGroup(ctx context.Context, c plan.Call) (plan.Outcome, error) {
	return a.act(ctx, verb{op: plan.MeasureGroup, call: c, bare: true, prepare: from(c, func(_ context.Context, p plan.GroupParams) (verb, error) {
		s, err := a.groupStep(c, p)
		if err != nil {
			return verb{}, err
		}
		var m ledger.Measured
		var said []string
		return verb{bare: true,
			read: func(ctx context.Context) (seen, error) {
				var err error
				m, said, err = s.measure(ctx)
				return seen{done: err == nil, state: "measured"}, err
			},
			first: func(context.Context, *seen) (string, error) { return "", nil },
			finish: func(ctx context.Context, _ seen) error {
				return a.ledger.change(ctx, c.Lab, ledger.Change{Measure: &m})
			},
			remark: func() string { return strings.Join(said, "; ") },
			calls:  map[string]call{"": {limit: zfsLimit}}}, nil
	})})
}

// measure reads both sides, and what was measured before; said is for the report.
func (s *groupStep) measure(ctx context.Context) (m ledger.Measured, said []string, _ error) {
	book, err := s.a.ledger.read(ctx, s.call.Lab)
	if err != nil {
		return m, nil, err
	}
	from, to, err := s.sides(ctx, s.p.Under)
	if err != nil {
		return m, nil, err
	}
	now := time.Now().UTC()
	under := to.Dataset(s.p.Under)
	if under == nil {
		return m, nil, refuse(fault.NotFound, "%s is not there on %s", s.p.Under, s.p.To)
	}
	m = ledger.Measured{Group: s.p.Group, Run: s.call.Run, At: now, Every: s.p.Every, Free: under.Available}
	var future int
	m.Point, future = newestWhole(s.p, &to, now)
	said = append(said, lagWords(replica.LagOf(m.Point, time.Duration(s.p.Every), now)))
	if future > 0 {
		said = append(said, fmt.Sprintf("warning: %s of the future, which a clock that was wrong has made, does not count", words.Count(future, "recovery point")))
	}
	said = append(said, s.noise(&m, &from, now)...)
	before, _ := book.Group(s.p.Group)
	said = append(said, spaceWords(&m, before.Samples, s.p.Under, now))
	return m, said, nil
}

// newestWhole is the moment of the newest recovery point that all replicas have; zero: there is none. Those of the future are counted: they
// would hide for as long that a replication has stopped.
func newestWhole(p plan.GroupParams, to *live.StorageHost, now time.Time) (newest time.Time, future int) {
	count := map[time.Time]int{}
	for _, d := range p.Datasets {
		there := to.Dataset(d.Replica)
		if there == nil {
			return time.Time{}, 0
		}
		for _, x := range there.Snapshots {
			if group, at, ours := replica.ParsePoint(x.Name); ours && group == p.Group {
				count[at]++
			}
		}
	}
	for at, n := range count {
		switch {
		case n < len(p.Datasets):
		case replica.Future(at, now):
			future++
		case at.After(newest):
			newest = at
		}
	}
	return newest, future
}

func lagWords(l replica.Lag) string {
	text := "the newest recovery point on the other side is " + l.String()
	switch l.Level {
	case replica.Unknown:
		return "critical: the other side has no recovery point that is whole"
	case replica.Late:
		return "warning: " + text
	case replica.Critical:
		return "critical: " + text
	}
	return text
}

// noise measures what is written to each dataset, and tells of those where it is more than may be.
func (s *groupStep) noise(m *ledger.Measured, from *live.StorageHost, now time.Time) (said []string) {
	for _, d := range s.p.Datasets {
		v := ledger.Volume{Dataset: d.Dataset, PerDay: -1}
		if got := from.Dataset(d.Dataset); got != nil {
			got.Sort()
			if n, ok := replica.NoiseOf(got, noiseWithin, now); ok {
				v.PerDay, v.Noisy = n.PerDay, n.Noisy(s.p.Noise)
				text := fmt.Sprintf("%s changes by %s a day", d.Dataset, words.Bytes(n.PerDay))
				if v.Noisy {
					text = fmt.Sprintf("warning: %s, more than %s: swap and temporary files would be better elsewhere", text, words.Bytes(s.p.Noise))
				}
				said = append(said, text)
			}
		}
		m.Volumes = append(m.Volumes, v)
	}
	return said
}

// spaceWords lays a line through the free space of the last replications, but for what a clock that was wrong has put into the future.
func spaceWords(m *ledger.Measured, before []ledger.Sample, under string, now time.Time) string {
	var samples []replica.Sample
	for _, x := range before {
		if !replica.Future(x.At, now) {
			samples = append(samples, replica.Sample{At: x.At, Free: x.Free})
		}
	}
	f, ok := replica.ForecastOf(append(samples, replica.Sample{At: m.At, Free: m.Free}))
	ok = ok && now.Sub(samples[0].At) >= leastForecast
	text := fmt.Sprintf("%s left in %s", words.Bytes(m.Free), under)
	if !ok || f.Full.IsZero() {
		return text
	}
	m.Full = f.Full.UTC()
	if f.Full.Sub(now) < soonFull {
		text = "warning: " + text
	}
	return text + ", full about " + m.Full.Format(time.DateOnly) + " if all goes on so"
}

// leastForecast is the shortest time from which it is told when the space is used up: within a day there is day and night.
const leastForecast = 24 * time.Hour

// soonFull is how long before the space is used up it is warned of.
const soonFull = 14 * 24 * time.Hour
