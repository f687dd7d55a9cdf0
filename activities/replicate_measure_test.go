package activities

import (
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/ledger"
	"nightshift/internal/plan"
	"nightshift/internal/replica"
	"nightshift/internal/simlab/storage"
	"nightshift/internal/words"
)

// pointsOf are recovery points of the group that were taken so long ago, the oldest first.
func pointsOf(t *testing.T, ago ...time.Duration) (points []storage.Moment) {
	t.Helper()
	now := time.Now().UTC().Truncate(time.Second)
	for _, d := range ago {
		name, err := replica.PointName("mail", now.Add(-d))
		require.NoError(t, err)
		points = append(points, storage.Moment{Name: name, At: now.Add(-d)})
	}
	return points
}

// aged gives a volume and its replica recovery points, with so much written before each.
func (m *mailLab) aged(volume string, mib int64, points []storage.Moment) {
	m.t.Helper()
	require.NoError(m.t, storage.Relive(m.ss1, m.ss2, storage.Past{Dataset: volume, Replica: "backup/ss1/" + path.Base(volume), Points: points, Written: mib << 20}))
}

// measured is what a run says that only measures, and what the ledger has of it.
func (m *mailLab) measured(run string) (said []string, g ledger.Group) {
	m.t.Helper()
	p := m.plan()
	require.Empty(m.t, p.Blockers)
	out := m.must(p, run, "measure:mail")
	require.False(m.t, out.Acted)
	g, ok := m.w.book.Group("mail")
	require.True(m.t, ok)
	require.Equal(m.t, run, g.Run)
	return strings.Split(out.Note, "; "), g
}

func TestWhatAVolumeChangesByIsWarnedOf(t *testing.T) {
	m := newMailLab(t)
	const mib, gib = 1 << 20, 1 << 30
	// In two hours 128 MiB are written to one volume, in a day that is 1.5 GiB, and nothing to the other: what was there in the
	// beginning is no change.
	points := pointsOf(t, 120*time.Minute, 90*time.Minute, 60*time.Minute, 30*time.Minute)
	m.aged("tank/mail", 32, points)
	m.aged("tank/log", 0, points)
	m.write("tank/mail", 0, 32)
	said, g := m.measured("run-1")
	require.Equal(t, "warning: tank/mail changes by 1.5 GiB a day, more than 1 GiB: swap and temporary files would be better elsewhere", said[1])
	require.Equal(t, "tank/log changes by 0 B a day", said[2])
	require.Len(t, g.Volumes, 2)
	require.Equal(t, "tank/mail", g.Volumes[0].Dataset)
	require.InDelta(t, 1.5*gib, g.Volumes[0].PerDay, 48*mib)
	require.True(t, g.Volumes[0].Noisy)
	require.Equal(t, ledger.Volume{Dataset: "tank/log"}, g.Volumes[1])

	m.lab.ProtectionGroups[0].Noise = "2GiB" // what may be is the lab file's word
	m.restart()
	said, g = m.measured("run-2")
	require.Equal(t, "tank/mail changes by 1.5 GiB a day", said[1])
	require.False(t, g.Volumes[0].Noisy)
}

// Points of less than an hour say nothing of a day.
func TestWhatAVolumeChangesByIsNotGuessed(t *testing.T) {
	m := newMailLab(t)
	points := pointsOf(t, 40*time.Minute, 10*time.Minute)
	m.aged("tank/mail", 32, points)
	m.aged("tank/log", 0, points)
	said, g := m.measured("run-1")
	require.Len(t, said, 2, "lag and space: %v", said)
	require.Equal(t, []ledger.Volume{{Dataset: "tank/mail", PerDay: -1}, {Dataset: "tank/log", PerDay: -1}}, g.Volumes)
}

func TestLagIsToldInIntervals(t *testing.T) {
	m := newMailLab(t)
	points := pointsOf(t, 4*time.Hour, 90*time.Minute, 30*time.Minute)
	m.aged("tank/mail", 1, points)
	m.aged("tank/log", 1, points[:2]) // the newest did not arrive whole: nothing can be started from it
	for i, test := range []struct {
		every time.Duration
		says  string
	}{
		{time.Hour, `^the newest recovery point on the other side is 1h3\dm\d+s old, 1\.[5-6] times the interval$`},
		{40 * time.Minute, `^warning: the newest recovery point on the other side is 1h3\dm\d+s old, 2\.[2-4] times the interval$`},
		{30 * time.Minute, `^critical: the newest recovery point on the other side is 1h3\dm\d+s old, 3\.[0-2] times the interval$`},
	} {
		m.lab.ProtectionGroups[0].Every = within(test.every)
		m.restart()
		said, g := m.measured("run-" + strconv.Itoa(i))
		require.Regexp(t, test.says, said[0])
		require.True(t, points[1].At.Equal(g.Point), "%s", g.Point)
		require.Equal(t, plan.Duration(test.every), g.Every)
	}
}

// A run whose worker had a clock that was a year ahead hides nothing of those before it.
func TestAPointOfTheFutureDoesNotCount(t *testing.T) {
	m := newMailLab(t)
	points := pointsOf(t, 4*time.Hour, -365*24*time.Hour)
	m.aged("tank/mail", 1, points)
	m.aged("tank/log", 1, points)
	said, g := m.measured("run-1")
	require.Regexp(t, "^critical: the newest recovery point on the other side is 4h0m", said[0])
	require.Equal(t, "warning: 1 recovery point of the future, which a clock that was wrong has made, does not count", said[1])
	require.True(t, points[0].At.Equal(g.Point), "%s", g.Point)
}

func TestLagWords(t *testing.T) {
	now := time.Now()
	for age, want := range map[time.Duration]string{
		time.Hour:         "the newest recovery point on the other side is 1h0m0s old, 1.0 times the interval",
		150 * time.Minute: "warning: the newest recovery point on the other side is 2h30m0s old, 2.5 times the interval",
		210 * time.Minute: "critical: the newest recovery point on the other side is 3h30m0s old, 3.5 times the interval",
	} {
		require.Equal(t, want, lagWords(replica.LagOf(now.Add(-age), time.Hour, now)))
	}
}

func TestLagOfAGroupThatNeverArrivedWhole(t *testing.T) {
	m := newMailLab(t)
	m.aged("tank/mail", 1, pointsOf(t, 2*time.Hour))
	said, g := m.measured("run-1") // tank/log has no replica
	require.Equal(t, "critical: the other side has no recovery point that is whole", said[0])
	require.True(t, g.Point.IsZero())
}

// From a day of replications on it is told how long the space lasts, and less than two weeks are warned of.
func TestSpaceForecast(t *testing.T) {
	m := newMailLab(t)
	points := pointsOf(t, time.Hour)
	m.aged("tank/mail", 1, points)
	m.aged("tank/log", 1, points)
	free, err := strconv.ParseInt(m.root(m.ss2, "zfs", "get", "-Hp", "-o", "value", "available", "backup/ss1"), 10, 64)
	require.NoError(t, err)
	left := words.Bytes(free) + " left in backup/ss1"
	const day = 24 * time.Hour
	for i, test := range []struct {
		lasts int64           // days, by the samples before
		ago   []time.Duration // of these
		full  bool
		warns bool
	}{
		{10, []time.Duration{3 * day, 2 * day, day}, true, true},
		{40, []time.Duration{3 * day, 2 * day, day}, true, false},
		{10, []time.Duration{20 * time.Hour, 10 * time.Hour}, false, false}, // within a day there is day and night
		{10, []time.Duration{2 * day}, false, false},                        // two points make any line
		{-10, []time.Duration{3 * day, 2 * day, day}, false, false},         // it grows
		{10, []time.Duration{3 * day, 2 * day, day, -9 * day}, true, true},  // the last one by a clock that was wrong
	} {
		now := time.Now().UTC()
		var before []ledger.Sample
		for _, ago := range test.ago {
			before = append(before, ledger.Sample{At: now.Add(-ago), Free: free + int64(float64(free)/float64(test.lasts)*float64(ago.Abs())/float64(day))})
		}
		m.w.book.Groups = []ledger.Group{{Measured: ledger.Measured{Group: "mail"}, Samples: slices.Clone(before)}}
		said, g := m.measured("run-" + strconv.Itoa(i))
		require.Equal(t, free, g.Free)
		require.Equal(t, append(before, ledger.Sample{At: g.At, Free: free}), g.Samples)
		want := left
		if test.full {
			require.WithinDuration(t, now.Add(time.Duration(test.lasts)*day), g.Full, time.Hour)
			want += ", full about " + g.Full.Format(time.DateOnly) + " if all goes on so"
		} else {
			require.True(t, g.Full.IsZero(), "%d: %s", i, g.Full)
		}
		if test.warns {
			want = "warning: " + want
		}
		require.Equal(t, want, said[len(said)-1], i)
	}
}
