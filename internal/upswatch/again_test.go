package upswatch

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/inventory"
	"nightshift/internal/plan"
	"nightshift/internal/runapi"
)

// TestMainsThatFailWhileTheLabComesUp: a power cut is another one where a power-up has begun since the last power-down, however
// long the mains were there. What was taken down for the first does not count for it.
func TestMainsThatFailWhileTheLabComesUp(t *testing.T) {
	for name, steady := range map[string]time.Duration{"steady before": time.Minute, "steady after": time.Hour} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			for i := range b.watch.Lab.UPS {
				b.watch.Lab.UPS[i].OnBattery.Steady = plan.Duration(steady)
			}
			b.vars["shelf"] = nil
			b.is("rack", "OB", "35")
			b.steps(1)
			b.ends(downRack, runapi.Done, true)
			b.is("rack", "OL", "90")
			b.steps(750) // more than an hour
			require.Equal(t, []string{downRack, upRack}, b.order)
			b.holders = []string{upRack}
			b.is("rack", "OB", "35")
			b.steps(3)
			require.Len(t, b.order, 3, "the lab goes down again: %q", b.told)
			require.Equal(t, []string{upRack}, b.aborted)
		})
	}
}

// TestAnErrorIsToldOnce: it is tried again every few seconds, and each attempt may fail in other words.
func TestAnErrorIsToldOnce(t *testing.T) {
	for _, status := range []string{"OB", "OL"} {
		b := newBench(t)
		b.vars["shelf"] = nil
		b.watch.toRaise = true
		b.is("rack", status, "35")
		for i := range 20 {
			b.broken = fmt.Errorf("read tcp 127.0.0.1:%d: connection reset", 40000+i)
			b.steps(1)
		}
		failed := slices.DeleteFunc(slices.Clone(b.told), func(s string) bool { return !strings.Contains(s, "connection reset") })
		require.Len(t, failed, 1, "%s: %q", status, b.told)
		require.Contains(t, failed[0], "is tried again: read tcp 127.0.0.1:4000")
	}
}

// TestNothingComesUpBeforeTheLoadWentOff: the mains are back when the order was given; the UPS carries it out all the same, and
// whatever had come up would lose its power.
func TestNothingComesUpBeforeTheLoadWentOff(t *testing.T) {
	u, _ := lab(t).UPSOf("rack")
	u.LoadOff = &inventory.LoadOff{Delay: plan.Duration(10 * time.Minute), RestartDelay: plan.Duration(5 * time.Minute)}
	track := Track{}.Next(u, told(0, "OL", "60", ""))
	for at, want := range map[time.Duration]bool{5 * time.Minute: false, 15*time.Minute - s: false, 15 * time.Minute: true} {
		ready, why := track.Next(u, told(at, "OL", "60", "")).Ready(u)
		require.Equal(t, want, ready, "%s: %s", at, why)
	}
}

// TestAPowerUpThatIsTriedAgainIsToldOnce: for one reason, however often.
func TestAPowerUpThatIsTriedAgainIsToldOnce(t *testing.T) {
	b := newBench(t)
	b.begin(&Run{ID: downRack, Runbook: "power-down", Outcome: runapi.Done, Touched: true})
	b.watch.toRaise = true
	for range 2 * 720 {
		b.steps(1)
		for id, r := range b.runs {
			if r.Open {
				b.ends(id, runapi.Refused, false)
				b.runs[id].Why = "2 blockers"
			}
		}
	}
	require.Greater(t, len(b.order), 10)
	told := slices.DeleteFunc(slices.Clone(b.told), func(s string) bool { return !strings.Contains(s, "is tried again") })
	require.Len(t, told, 1, "%q", told)
	for _, id := range b.order {
		require.Equal(t, id != downRack && id != upRack, TriedAgain(id), id)
	}
	require.False(t, TriedAgain("power-down-home-20261120-220000"))
}
