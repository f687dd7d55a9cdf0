package replica

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/live"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func TestLag(t *testing.T) {
	for _, test := range []struct {
		age   time.Duration
		level string
	}{
		{-time.Minute, Good}, {0, Good}, {time.Hour, Good}, {2 * time.Hour, Good}, {2*time.Hour + time.Second, Late}, {3*time.Hour - time.Second, Late}, {3 * time.Hour, Critical}, {99 * time.Hour, Critical},
	} {
		require.Equal(t, test.level, LagOf(noon.Add(-test.age), time.Hour, noon).Level, test.age)
	}
	l := LagOf(noon.Add(-90*time.Minute), time.Hour, noon)
	require.InDelta(t, 1.5, l.Ratio, 1e-9)
	require.Equal(t, "1h30m0s old, 1.5 times the interval", l.String())
	require.Equal(t, "no recovery point", LagOf(time.Time{}, time.Hour, noon).String())
	require.Equal(t, Unknown, LagOf(noon, 0, noon).Level)
	require.Equal(t, Good, LagOf(noon.Add(time.Hour), time.Hour, noon).Level, "clocks differ")
	require.Equal(t, Unknown, LagOf(noon.Add(time.Hour+time.Second), time.Hour, noon).Level)
}

func TestNoise(t *testing.T) {
	d := &live.ZDataset{Written: 100}
	for i, written := range []int64{1 << 30, 1000, 2000, 3000} { // the first is the whole volume
		d.Snapshots = append(d.Snapshots, live.ZSnapshot{Written: written, Creation: noon.Add(time.Duration(i-4) * 6 * time.Hour)})
	}
	n, known := NoiseOf(d, 7*24*time.Hour, noon)
	require.True(t, known)
	require.Equal(t, Noise{PerDay: 6100, Written: 6100, Over: 24 * time.Hour}, n)
	n, known = NoiseOf(d, 12*time.Hour, noon)
	require.True(t, known)
	require.Equal(t, Noise{PerDay: 6200, Written: 3100, Over: 12 * time.Hour}, n)
	require.True(t, n.Noisy(6199))
	require.False(t, n.Noisy(6200))
	require.False(t, n.Noisy(0))

	_, known = NoiseOf(&live.ZDataset{}, time.Hour, noon)
	require.False(t, known)
	_, known = NoiseOf(&live.ZDataset{Snapshots: []live.ZSnapshot{{Creation: noon.Add(-time.Minute)}}}, time.Hour, noon)
	require.False(t, known, "a minute says nothing of a day")
}

func TestForecast(t *testing.T) {
	const gib = 1 << 30
	var samples []Sample
	for i := range 10 {
		samples = append(samples, Sample{At: noon.Add(time.Duration(i-9) * 24 * time.Hour), Free: int64(100-10*i) * gib})
	}
	f, known := ForecastOf(samples)
	require.True(t, known)
	require.InDelta(t, 10*gib, f.PerDay, 16)
	require.WithinDuration(t, noon.Add(24*time.Hour), f.Full, time.Second)

	for i := range samples {
		samples[i].Free = int64(i) * gib
	}
	f, known = ForecastOf(samples)
	require.True(t, known)
	require.True(t, f.Full.IsZero(), "it grows")
	require.Negative(t, f.PerDay)

	_, known = ForecastOf(samples[:2])
	require.False(t, known)
	_, known = ForecastOf([]Sample{{noon, 1}, {noon, 2}, {noon, 3}})
	require.False(t, known)
	f, known = ForecastOf([]Sample{{noon, 1 << 60}, {noon.Add(time.Hour), 1<<60 - 1024}, {noon.Add(2 * time.Hour), 1<<60 - 2048}})
	require.True(t, known)
	require.True(t, f.Full.IsZero(), "not within a hundred years")
}
