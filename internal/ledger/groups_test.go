package ledger

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// How long the space lasts is told from a day of replications on, however often they are.
func TestSamplesReachBackOverADay(t *testing.T) {
	for _, every := range []time.Duration{time.Minute, 15 * time.Minute, time.Hour, 6 * time.Hour, 24 * time.Hour} {
		var s State
		var last time.Time
		for i := range int(7*24*time.Hour/every) + 1 {
			last = noon.Add(time.Duration(i) * every)
			apply(t, &s, Change{Measure: &Measured{Group: "mail", Run: fmt.Sprint(i), At: last, Free: int64(i)}})
			g, ok := s.Group("mail")
			require.True(t, ok)
			require.LessOrEqual(t, len(g.Samples), keepSamples)
			require.Equal(t, Sample{last, int64(i)}, g.Samples[len(g.Samples)-1], "the newest is there")
		}
		g, _ := s.Group("mail")
		require.Greater(t, last.Sub(g.Samples[0].At), 24*time.Hour, every)
		require.Greater(t, len(g.Samples), 7, every)
	}
}

// What one run has measured with a clock that was a year ahead does not stop the list.
func TestASampleOfTheFutureIsNotTheLastOne(t *testing.T) {
	var s State
	for i := range 2 * keepSamples {
		at := noon.Add(time.Duration(i) * time.Hour)
		if i == 10 {
			at = at.AddDate(1, 0, 0)
		}
		apply(t, &s, Change{Measure: &Measured{Group: "mail", Run: fmt.Sprint(i), At: at, Free: int64(i)}})
	}
	g, _ := s.Group("mail")
	require.Len(t, g.Samples, keepSamples)
	require.Equal(t, Sample{noon.Add(keepSamples * time.Hour), keepSamples}, g.Samples[0])
}

func TestWhatARunMeasuresAgainCountsOnce(t *testing.T) {
	var s State
	for i, run := range []string{"a", "b", "b"} {
		apply(t, &s, Change{Measure: &Measured{Group: "mail", Run: run, At: noon.Add(time.Duration(i) * time.Hour), Free: int64(i)}})
	}
	apply(t, &s, Change{Measure: &Measured{Group: "db", Run: "c", At: noon}})
	require.Equal(t, "db", s.Groups[0].Group, "sorted by name")
	g, _ := s.Group("mail")
	require.Equal(t, []Sample{{noon, 0}, {noon.Add(2 * time.Hour), 2}}, g.Samples)
}
