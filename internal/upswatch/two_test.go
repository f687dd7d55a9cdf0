package upswatch

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/runapi"
)

const (
	downShelf = "power-down-home-ups-shelf-20261120-2200"
	downBoth  = "power-down-home-ups-rack+shelf-20261120-2200"
)

// begins is a bench whose watch has never seen the mains: the power cut is older than it.
func begins(t *testing.T, rack, shelf string) *bench {
	b := newBench(t)
	b.watch.tracks = nil
	b.is("rack", rack, "35")
	b.is("shelf", shelf, "35")
	return b
}

// TestOneOfTwoFallsSilent: what counts is which hosts go down, not which UPSes a run is called after.
func TestOneOfTwoFallsSilent(t *testing.T) {
	both := func(t *testing.T) *bench {
		b := newBench(t)
		b.watch.Lab.UPS[1].WhenLost = "alarm"
		b.is("shelf", "OB", "35")
		b.is("rack", "OB", "35")
		b.steps(1)
		require.Equal(t, []string{downBoth}, b.order)
		return b
	}
	t.Run("the run waits for the lab", func(t *testing.T) {
		b := both(t)
		b.vars["shelf"] = nil
		b.steps(20)
		require.Equal(t, []string{downBoth}, b.order)
		require.Empty(t, b.aborted)
	})
	t.Run("the run has the lab", func(t *testing.T) {
		b := both(t)
		b.holders = []string{downBoth}
		b.vars["shelf"] = nil
		b.steps(20)
		require.Equal(t, []string{downBoth}, b.order)
		require.Empty(t, b.aborted)
	})
	t.Run("the run has ended", func(t *testing.T) {
		b := both(t)
		b.ends(downBoth, runapi.Done, true)
		b.steps(1)
		b.vars["shelf"] = nil
		b.steps(20)
		require.Equal(t, []string{downBoth}, b.order)
	})
	t.Run("it tells again", func(t *testing.T) {
		b := newBench(t)
		b.watch.Lab.UPS[1].WhenLost, b.watch.Lab.UPS[1].Feeds = "alarm", b.watch.Lab.UPS[0].Feeds
		b.vars["shelf"] = nil
		b.is("rack", "OB", "35")
		b.steps(1)
		b.holders = []string{downRack}
		b.is("shelf", "OB", "35")
		b.steps(20)
		require.Equal(t, []string{downRack}, b.order, "it takes the same hosts down")
		require.Empty(t, b.aborted)
	})
}

// TestMoreHostsThanTheRunTakes: the other UPS fed a host, and tells nothing any more: that host goes down, too.
func TestMoreHostsThanTheRunTakes(t *testing.T) {
	for name, ended := range map[string]bool{"the run has the lab": false, "the run waits for the lab": false, "the run has ended": true} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.watch.Lab.UPS[1].WhenLost = "alarm"
			b.is("rack", "OB", "35")
			b.steps(1)
			require.Equal(t, map[string]string{"ups": "rack", "host": "esx21,esx24"}, b.params[downRack].Parameters)
			if name == "the run has the lab" {
				b.holders = []string{downRack}
			}
			if ended {
				b.ends(downRack, runapi.Done, true)
				b.steps(1)
			}
			b.vars["shelf"] = nil
			b.steps(20)
			require.Equal(t, []string{downRack, downRack + ".2"}, b.order)
			require.Equal(t, map[string]string{"ups": "rack"}, b.params[downRack+".2"].Parameters)
			require.Equal(t, !ended, slices.Equal(b.aborted, []string{downRack}))
			b.ends(downRack+".2", runapi.Done, true)
			b.steps(20)
			require.Len(t, b.order, 2)
		})
	}
}

// TestAPowerDownThatHasNotBegunIsCalledBack: the mains are back for as long as they have to be, and it still waits for the lab.
func TestAPowerDownThatHasNotBegunIsCalledBack(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*bench)
		ends   bool
	}{
		"it waits":               {func(*bench) {}, true},
		"it has begun":           {func(b *bench) { b.runs[downRack].Planned = true }, false},
		"nobody knows":           {func(b *bench) { b.runs[downRack].Unread = true }, false},
		"it is being aborted":    {func(b *bench) { b.runs[downRack].Aborting = true }, false},
		"one of a person's":      {func(b *bench) { b.runs[downRack].ID = "by-hand"; b.runs[downRack].Runbook = "power-down" }, false},
		"one UPS is on battery":  {func(b *bench) { b.is("rack", "OB", "90") }, false},
		"one UPS is not steady":  {func(b *bench) { b.is("rack", "OB", "90"); b.steps(1); b.is("rack", "OL", "90"); b.steps(1) }, false},
		"one UPS tells nothing":  {func(b *bench) { b.vars["rack"] = nil }, false},
		"it is of a second, too": {func(b *bench) { b.runs[downRack].ID = downBoth; b.is("shelf", "OB", "90") }, false},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.vars["shelf"] = nil
			b.is("rack", "OB", "35")
			b.steps(1)
			b.is("rack", "OL", "90")
			b.is("shelf", "OL", "90")
			b.steps(5)
			require.Empty(t, b.aborted, "the mains are not steady yet")
			c.change(b)
			if name != "one UPS is not steady" {
				b.steps(20)
			}
			require.Equal(t, c.ends, slices.Equal(b.aborted, []string{downRack}), "%v %q", b.aborted, b.told)
			require.Len(t, b.order, 1)
		})
	}
}

// TestARunThatEndsUnderAnotherWatch: the worker was restarted while it ran, and knows another beginning of the power cut.
func TestARunThatEndsUnderAnotherWatch(t *testing.T) {
	const before = "power-down-home-ups-rack-20261120-2150"
	for outcome, again := range map[string]bool{runapi.Done: false, runapi.Partial: false, runapi.Refused: true, "left": true} {
		b := begins(t, "OB", "OL")
		b.begin(&Run{ID: before, Runbook: "power-down", Open: true, Planned: true})
		b.steps(3)
		require.Len(t, b.order, 1)
		if outcome == "left" {
			b.runs[before].Left, outcome = []string{"host esx21"}, runapi.Partial
		}
		b.ends(before, outcome, true)
		b.steps(20)
		require.Equal(t, again, len(b.order) > 1, "%s: %v %q", outcome, b.order, b.told)
	}
	b := begins(t, "OB", "OL") // it ended before: nobody knows whether the mains were there since
	b.begin(&Run{ID: before, Runbook: "power-down", Outcome: runapi.Done, Touched: true, Ended: start.Add(-time.Minute)})
	b.steps(1)
	require.Len(t, b.order, 2)
}

// TestAWatchThatBeginsCallsNothingBackUnseen: a UPS that tells nothing yet is not on mains.
func TestAWatchThatBeginsCallsNothingBackUnseen(t *testing.T) {
	b := begins(t, "OL", "OL")
	b.vars["shelf"] = nil
	b.begin(&Run{ID: downBoth, Runbook: "power-down", Open: true})
	b.steps(50)
	require.Empty(t, b.aborted)
	b.is("shelf", "OL", "90")
	b.steps(20)
	require.Equal(t, []string{downBoth}, b.aborted)
}

// TestAPersonsWordOutlivesTheWorker: a watch that begins in mid-cut finds it in the runs.
func TestAPersonsWordOutlivesTheWorker(t *testing.T) {
	const before = "power-down-home-ups-rack-20261120-2150"
	aborted := func() *Run {
		return &Run{ID: before, Runbook: "power-down", Outcome: runapi.Aborted, Why: "aborted by ann@desk: I carry the servers out", Touched: true, Ended: start.Add(-5 * time.Minute)}
	}
	for name, c := range map[string]struct {
		runs  func() []*Run
		again bool
	}{
		"aborted by a person": {func() []*Run { return []*Run{aborted()} }, false},
		"and refused before": {func() []*Run {
			r := aborted()
			r.ID += ".2"
			return []*Run{{ID: before, Runbook: "power-down", Outcome: runapi.Refused, Ended: start.Add(-6 * time.Minute)}, r}
		}, false},
		"and refused since": {func() []*Run {
			return []*Run{aborted(), {ID: before + ".2", Runbook: "power-down", Outcome: runapi.Refused, Ended: start.Add(-time.Minute)}}
		}, false},
		"long ago": {func() []*Run { r := aborted(); r.Ended = start.Add(-2 * time.Hour); return []*Run{r} }, true},
		"by a UPS": {func() []*Run { r := aborted(); r.Why = "aborted by ups rack: away"; return []*Run{r} }, true},
		"and powered up since": {func() []*Run {
			return []*Run{aborted(), {ID: upRack, Runbook: "power-up", Outcome: runapi.Done, Touched: true, Ended: start.Add(-time.Minute)}}
		}, true},
		"and down for it since": {func() []*Run {
			return []*Run{aborted(), {ID: before + ".2", Runbook: "power-down", Outcome: runapi.Done, Touched: true, Ended: start.Add(-time.Minute)}}
		}, true},
		"a person's own":           {func() []*Run { r := aborted(); r.ID = "by-hand"; return []*Run{r} }, true},
		"of another UPS":           {func() []*Run { r := aborted(); r.ID = downShelf; return []*Run{r} }, true},
		"for fewer hosts than now": {func() []*Run { r := aborted(); r.Parameters = map[string]string{"host": "esx21"}; return []*Run{r} }, false},
	} {
		t.Run(name, func(t *testing.T) {
			b := begins(t, "OB", "OL")
			for _, r := range c.runs() {
				b.begin(r)
			}
			n := len(b.order)
			b.steps(50)
			require.Equal(t, c.again, len(b.order) > n, "%v %q", b.order, b.told)
			require.NotEqual(t, c.again, slices.ContainsFunc(b.told, func(s string) bool { return strings.Contains(s, "nothing more is begun") }), "%q", b.told)
			if !c.again {
				require.True(t, slices.ContainsFunc(b.told, func(s string) bool {
					return strings.Contains(s, "aborted by ann@desk: I carry the servers out; nothing more is begun in this power cut")
				}), "%q", b.told)
				b.is("rack", "OL", "90") // the next power cut is another one
				b.steps(20)
				b.is("rack", "OB", "35")
				b.steps(20)
				require.Greater(t, len(b.order), n)
			}
		})
	}
	b := newBench(t) // this watch has seen the mains: it is another power cut
	b.begin(aborted())
	b.is("rack", "OB", "35")
	b.steps(3)
	require.Equal(t, []string{before, downRack}, b.order)
}

// TestAllThatWentDownComesUp: what several power-downs of UPSes have taken down comes up with one power-up, when all of these are ready.
func TestAllThatWentDownComesUp(t *testing.T) {
	b := newBench(t)
	b.is("rack", "OB", "35")
	b.steps(1)
	b.ends(downRack, runapi.Done, true)
	b.steps(1)
	b.is("rack", "OL", "90") // and meanwhile the other fails, before the first is ready
	b.is("shelf", "OB", "35")
	b.steps(20)
	require.Len(t, b.order, 2)
	require.Equal(t, "esx23", b.params[b.order[1]].Parameters["host"])
	b.ends(b.order[1], runapi.Done, true)
	b.steps(100)
	require.Len(t, b.order, 2, "the shelf is not ready")
	b.is("shelf", "OL", "90")
	b.steps(100)
	require.Len(t, b.order, 3)
	p := b.params[b.order[2]]
	require.Equal(t, "power-up", p.Runbook)
	require.Equal(t, map[string]string{"ups": "rack,shelf", "host": "esx21,esx23,esx24"}, p.Parameters)
	b.ends(b.order[2], runapi.Done, true)
	b.steps(100)
	require.Len(t, b.order, 3)
}
