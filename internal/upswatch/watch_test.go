package upswatch

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/inventory"
	"nightshift/internal/nut"
	"nightshift/internal/runapi"
)

// A bench is a watch over a lab whose UPSes and runs are what the test says.
type bench struct {
	*testing.T
	watch   Watch
	at      time.Time
	vars    map[string]nut.Vars // nil: it does not tell
	runs    map[string]*Run
	holders []string
	order   []string // ids of runs, as they were started
	params  map[string]runapi.Params
	aborted []string
	told    []string
	broken  error
	found   int // how often a run was looked up
}

func newBench(t *testing.T) *bench {
	b := &bench{T: t, at: start, vars: map[string]nut.Vars{"rack": {"ups.status": "OL", "battery.charge": "100"}, "shelf": {"ups.status": "OL", "battery.charge": "100"}},
		runs: map[string]*Run{}, params: map[string]runapi.Params{}}
	b.watch = Watch{Lab: lab(t), Runs: b, Logger: slog.New(slog.DiscardHandler), Now: func() time.Time { return b.at },
		Tell: func(e Event) { b.told = append(b.told, e.UPS+": "+e.Text) },
		Look: func(_ context.Context, u *inventory.UPS) (nut.Status, error) {
			if b.vars[u.Name] == nil {
				return nut.Status{}, nut.ErrNoDriver
			}
			return b.vars[u.Name].Status(), nil
		}}
	b.steps(1)
	return b
}

// steps lets the watch look n times, five seconds apart.
func (b *bench) steps(n int) {
	for range n {
		b.watch.Step(b.Context())
		b.at = b.at.Add(5 * s)
	}
}

func (b *bench) is(ups, status, charge string) {
	b.vars[ups] = nut.Vars{"ups.status": status, "battery.charge": charge}
}

func (b *bench) ends(id, outcome string, touched bool) {
	r := b.runs[id]
	require.NotNil(b, r, "there is no run %s but %v", id, b.order)
	r.Open, r.Outcome, r.Touched, r.Ended = false, outcome, touched, b.at
	b.holders = slices.DeleteFunc(b.holders, func(h string) bool { return h == id })
}

func (b *bench) Holders(context.Context) (list []Run, _ error) {
	for _, id := range b.holders {
		list = append(list, *b.runs[id])
	}
	return list, b.broken
}

func (b *bench) Find(_ context.Context, id string) (*Run, error) {
	b.found++
	return b.runs[id], b.broken
}

func (b *bench) Latest(_ context.Context, of func(Run) bool) (list []Run, _ error) {
	for _, id := range slices.Backward(b.order) {
		if r := b.runs[id]; r.Open || r.Touched {
			if list = append(list, *r); !of(*r) {
				break
			}
		}
	}
	return list, b.broken
}

func (b *bench) Underway(context.Context) (list []Run, _ error) {
	for _, id := range b.order {
		if r := b.runs[id]; r.Open && (r.Runbook == "power-down" || strings.HasPrefix(id, "power-down-")) {
			list = append(list, *r)
		}
	}
	return list, b.broken
}

func (b *bench) Ended(_ context.Context, since time.Time) (list []Run, _ error) {
	for _, id := range slices.Backward(b.order) {
		if r := b.runs[id]; !r.Open && r.Runbook == "power-down" && r.Ended.After(since) {
			list = append(list, *r)
		}
	}
	return list, b.broken
}

func (b *bench) Start(_ context.Context, id string, p runapi.Params, _ string) error {
	if b.runs[id] == nil {
		b.begin(&Run{ID: id, Runbook: p.Runbook, Open: true, Parameters: p.Parameters})
		b.params[id] = p
	}
	return b.broken
}

func (b *bench) begin(r *Run) {
	b.order = append(b.order, r.ID)
	b.runs[r.ID] = r
}

func (b *bench) Abort(_ context.Context, id string, o runapi.Order) error {
	require.NotEmpty(b, o.Reason)
	b.aborted = append(b.aborted, id)
	b.runs[id].Aborting = true
	return b.broken
}

const downRack, upRack = "power-down-home-ups-rack-20261120-2200", "power-up-home-ups-rack-20261120-2200"

func TestDownAndUpAgain(t *testing.T) {
	b := newBench(t)
	b.vars["shelf"] = nil // or else its hosts would be left out
	b.is("rack", "OB", "35")
	b.steps(10)
	require.Equal(t, []string{downRack}, b.order, "once")
	p := b.params[downRack]
	require.Equal(t, runapi.Params{Lab: "home", Runbook: "power-down", Parameters: map[string]string{"ups": "rack"}, By: "ups rack", Approved: true, Resolute: true, Wait: true}, p)
	b.ends(downRack, runapi.Done, true)
	b.steps(10)
	require.Len(t, b.order, 1)
	b.is("rack", "OL", "45")
	b.steps(100)
	require.Len(t, b.order, 1, "the charge is not there")
	b.is("rack", "OL", "55")
	b.steps(2)
	require.Equal(t, []string{downRack, upRack}, b.order)
	require.Equal(t, runapi.Params{Lab: "home", Runbook: "power-up", Parameters: map[string]string{"ups": "rack"}, By: "ups rack", Approved: true, Scheduled: true}, b.params[upRack])
	b.ends(upRack, runapi.Done, true)
	b.steps(100)
	require.Len(t, b.order, 2)
}

func TestAnotherWatchStartsNothingTwice(t *testing.T) {
	b := newBench(t)
	b.vars["shelf"] = nil
	b.is("rack", "OB", "35")
	b.steps(1)
	other := newBench(t)
	other.vars, other.runs, other.order = b.vars, b.runs, b.order
	other.steps(5)
	require.Equal(t, []string{downRack}, other.order)

	// One that was started anew a while later knows another time; the run holds the lab.
	late := newBench(t)
	late.vars, late.runs, late.order, late.holders = b.vars, b.runs, b.order, []string{downRack}
	late.at = start.Add(10 * time.Minute)
	late.steps(5)
	require.Equal(t, []string{downRack}, late.order)
	require.Empty(t, late.aborted)
}

func TestARefusedPowerDownIsTriedAgain(t *testing.T) {
	b := newBench(t)
	b.vars["shelf"] = nil
	b.is("rack", "OB", "35")
	b.steps(1)
	b.ends(downRack, runapi.Refused, false)
	b.runs[downRack].Why = "2 blockers"
	b.steps(5)
	require.Len(t, b.order, 1, "not at once")
	b.steps(5)
	require.Equal(t, []string{downRack, downRack + ".2"}, b.order)
	require.Contains(t, b.told, "rack: the lab is NOT powered down: run "+downRack+" was refused (2 blockers); it is tried again until there is no power")
	b.ends(downRack+".2", runapi.Aborted, true)
	b.runs[downRack+".2"].Why = "aborted by ann@desk: I carry the servers out"
	b.steps(50)
	require.Len(t, b.order, 2, "whoever aborted it has the last word")
}

// TestWhatIsLeftIsTriedAgain: a host that booted, or that nobody reached, goes down as soon as it can, while there is a battery.
func TestWhatIsLeftIsTriedAgain(t *testing.T) {
	b := newBench(t)
	b.vars["shelf"] = nil
	b.is("rack", "OB", "35")
	b.steps(1)
	for n := 1; n <= 3; n++ {
		id := b.order[len(b.order)-1]
		require.Len(t, b.order, n)
		b.runs[id].Left = []string{"host esx21"}
		b.ends(id, runapi.Partial, n == 1)
		b.steps(5)
		require.Len(t, b.order, n, "not at once")
		b.steps(2)
	}
	require.Equal(t, []string{downRack, downRack + ".2", downRack + ".3", downRack + ".4"}, b.order)
	require.Contains(t, b.told, "rack: run "+downRack+" has ended, and has left host esx21 as it is; it is tried again until there is no power")
	again := slices.DeleteFunc(slices.Clone(b.told), func(s string) bool { return !strings.Contains(s, "tried again") })
	require.Len(t, again, 1, "the same is told once: %q", b.told)
	b.ends(downRack+".4", runapi.Done, true)
	b.steps(100)
	require.Len(t, b.order, 4)

	// The mains are back: what is left stays, and what is down comes up, by one power-up.
	b.is("rack", "OL", "90")
	b.steps(100)
	require.Equal(t, upRack, b.order[4])
	require.Len(t, b.order, 5)
}

// TestMainsThatAreBackEndTheTries: what is left when they return is not taken down any more.
func TestMainsThatAreBackEndTheTries(t *testing.T) {
	b := newBench(t)
	b.vars["shelf"] = nil
	b.is("rack", "OB", "35")
	b.steps(1)
	b.runs[downRack].Left = []string{"host esx21"}
	b.ends(downRack, runapi.Partial, true)
	b.is("rack", "OL", "90")
	b.steps(100)
	require.Equal(t, []string{downRack, upRack}, b.order)
}

// TestAPersonStopsTheTries: whoever aborts one has the last word, whatever it has left.
func TestAPersonStopsTheTries(t *testing.T) {
	b := newBench(t)
	b.vars["shelf"] = nil
	b.is("rack", "OB", "35")
	b.steps(1)
	b.runs[downRack].Left, b.runs[downRack].Why = []string{"host esx21"}, "aborted by ann@desk: enough"
	b.ends(downRack, runapi.Aborted, true)
	b.steps(100)
	require.Equal(t, []string{downRack}, b.order)
}

// TestHowOftenItIsTried: soon at first, then now and then, and not for ever; what has ended is not asked again.
func TestHowOftenItIsTried(t *testing.T) {
	b := newBench(t)
	b.vars["shelf"] = nil
	b.is("rack", "OB", "35")
	refused := func() {
		for id, r := range b.runs {
			if r.Open {
				b.ends(id, runapi.Refused, false)
			}
		}
	}
	for range 7200 / 5 {
		b.steps(1)
		refused()
	}
	require.InDelta(t, 40+(7200-40*35)/125, len(b.order), 5)
	before := b.found
	b.steps(1)
	require.LessOrEqual(t, b.found-before, 2, "of all tries, the last is looked at")
	for range 10 * 3600 / 5 {
		b.steps(1)
		refused()
	}
	require.Len(t, b.order, 250)
	require.Contains(t, b.told[len(b.told)-1], "it is not tried any more")
}

// TestARunThatEndedByItselfIsNotTheLastWord: the run saw the mains for long enough, between the looks of the watch, and they
// are away again.
func TestARunThatEndedByItselfIsNotTheLastWord(t *testing.T) {
	for why, again := range map[string]bool{
		"the mains are back, for 1m0s now, and no host has gone down yet: UPS rack on mains": true,
		"asleep for 20m0s; onStale: stop":                         true,
		"aborted by ups rack, shelf: UPS shelf: on battery":       true,
		"aborted by ann@desk: I carry the servers out":            false,
		"the workflow was cancelled":                              false,
		"the workflow was cancelled (every step was done)":        false,
		"aborted by upsala@desk: it is called like a UPS, nearly": false,
	} {
		t.Run(why, func(t *testing.T) {
			b := newBench(t)
			b.vars["shelf"] = nil
			b.is("rack", "OB", "35")
			b.steps(2)
			b.is("rack", "OL", "35")
			b.steps(10)
			b.ends(downRack, runapi.Aborted, true)
			b.runs[downRack].Why = why
			b.is("rack", "OB", "34")
			b.steps(20)
			require.Equal(t, again, slices.Contains(b.order, downRack+".2"), "%v", b.told)
		})
	}
}

// TestARunThatDoesNotTellHowItEnded: nothing is concluded from no answer.
func TestARunThatDoesNotTellHowItEnded(t *testing.T) {
	b := newBench(t)
	b.vars["shelf"] = nil
	b.is("rack", "OB", "35")
	b.steps(1)
	b.ends(downRack, "", false)
	b.runs[downRack].Unread = true
	b.steps(20)
	require.Contains(t, b.order, downRack+".2")

	b = newBench(t)
	b.begin(&Run{ID: downRack, Runbook: "power-down", Outcome: runapi.Done, Touched: true})
	b.watch.toRaise = true
	b.steps(100)
	b.ends(upRack, "", false)
	b.runs[upRack].Unread = true
	b.steps(2)
	b.ends(upRack, runapi.Refused, false)
	b.steps(20)
	require.Contains(t, b.order, upRack+".2")
}

// TestAPowerUpThatFindsTheLabTakenComesAgain: the docs know one thing that stops it: a hold.
func TestAPowerUpThatFindsTheLabTakenComesAgain(t *testing.T) {
	for why, again := range map[string]bool{
		"lab is locked by run settle-home-1 of ann@desk":           true,
		"on hold until 2026-11-21T08:00:00Z, by ann: the holidays": false,
	} {
		b := newBench(t)
		b.begin(&Run{ID: downRack, Runbook: "power-down", Outcome: runapi.Done, Touched: true})
		b.watch.toRaise = true
		b.steps(100)
		b.ends(upRack, runapi.Skipped, false)
		b.runs[upRack].Why = why
		b.steps(20)
		require.Equal(t, again, slices.Contains(b.order, upRack+".2"), why)
	}
}

func TestWhatIsUnderWayGivesWay(t *testing.T) {
	for name, c := range map[string]struct {
		run     Run
		aborted bool
		started bool
	}{
		"a power-up":                         {Run{Runbook: "power-up", Open: true, Planned: true}, true, true},
		"a power-up that is being aborted":   {Run{Runbook: "power-up", Open: true, Planned: true, Aborting: true}, false, true},
		"a power-down of the lab":            {Run{Runbook: "power-down", Open: true, Planned: true}, false, false},
		"a power-down that waits":            {Run{Runbook: "power-down", Open: true, Planned: true, Stands: true}, true, true},
		"a power-down of a part":             {Run{Runbook: "power-down", Open: true, Planned: true, Parameters: map[string]string{"vm": "web01"}}, true, true},
		"a power-down without a plan so far": {Run{Runbook: "power-down", Open: true}, true, true},
		"one that ended with its locks":      {Run{Runbook: "power-down"}, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.vars["shelf"] = nil
			c.run.ID = "some-run"
			b.begin(&c.run)
			b.holders = []string{"some-run"}
			b.is("rack", "OB", "35")
			b.steps(1)
			require.Equal(t, c.aborted, len(b.aborted) == 1)
			require.Equal(t, c.started, slices.Contains(b.order, downRack))
			if !c.run.Open {
				require.Contains(t, b.told[len(b.told)-1], "nightshift unlock some-run")
			}
			if !c.started { // when it has ended, what is left goes down
				b.ends("some-run", runapi.Done, true)
				b.steps(1)
				require.Contains(t, b.order, downRack)
			}
		})
	}
}

// TestTheSecondUPSTakesOver: a run for one of two gives way to one for both.
func TestTheSecondUPSTakesOver(t *testing.T) {
	b := newBench(t)
	b.is("rack", "OB", "35")
	b.steps(1)
	require.Equal(t, map[string]string{"ups": "rack", "host": "esx21,esx24"}, b.params[downRack].Parameters)
	b.holders = []string{downRack}
	b.is("shelf", "OB", "35")
	b.steps(1)
	both := "power-down-home-ups-rack+shelf-20261120-2200"
	require.Equal(t, []string{downRack, both}, b.order)
	require.Equal(t, []string{downRack}, b.aborted)
	require.Equal(t, map[string]string{"ups": "rack,shelf"}, b.params[both].Parameters)
	b.ends(downRack, runapi.Aborted, true)
	b.ends(both, runapi.Done, true)
	b.steps(1)
	b.is("rack", "OL", "90")
	b.steps(100)
	require.Len(t, b.order, 2, "the mains are not back at the other")
	b.is("shelf", "OL", "90")
	b.steps(100)
	require.Equal(t, "power-up-home-ups-rack+shelf-20261120-2200", b.order[2])
}

func TestWhatIsNotPoweredUp(t *testing.T) {
	after := func(t *testing.T, change func(*bench)) *bench {
		b := newBench(t)
		b.vars["shelf"] = nil
		b.is("rack", "OB", "35")
		b.steps(1)
		b.ends(downRack, runapi.Done, true)
		change(b)
		b.is("rack", "OL", "90")
		b.steps(100)
		return b
	}
	require.Contains(t, after(t, func(*bench) {}).order, upRack)
	require.NotContains(t, after(t, func(b *bench) { b.runs[downRack].Touched = false }).order, upRack, "the lab was down before")
	require.NotContains(t, after(t, func(b *bench) { b.begin(&Run{ID: "by-hand", Runbook: "power-up", Outcome: runapi.Done, Touched: true}) }).order, upRack, "a person did so")
	require.NotContains(t, after(t, func(b *bench) {
		b.begin(&Run{ID: "nightly", Runbook: "power-down", Outcome: runapi.Done, Touched: true})
	}).order, upRack, "and went to bed")
	require.Contains(t, after(t, func(b *bench) { b.begin(&Run{ID: "refused", Runbook: "power-down", Outcome: runapi.Refused}) }).order, upRack)
	require.NotContains(t, after(t, func(b *bench) { no := false; b.watch.Lab.UPS[0].PowerUp.Auto = &no }).order, upRack)
}

// TestAfterARestartOfEverything: nightshift's own machine was without power, and knows of it by its runs alone.
func TestAfterARestartOfEverything(t *testing.T) {
	b := newBench(t)
	b.begin(&Run{ID: downRack, Runbook: "power-down", Outcome: runapi.Aborted, Touched: true})
	b.watch.toRaise = true
	b.at = start.Add(time.Hour)
	b.is("rack", "OL", "20")
	b.steps(100)
	require.Len(t, b.order, 1)
	b.is("rack", "OL", "60")
	b.steps(100)
	require.Equal(t, []string{downRack, upRack}, b.order)
}

func TestARefusedPowerUpIsTriedAgain(t *testing.T) {
	b := newBench(t)
	b.begin(&Run{ID: downRack, Runbook: "power-down", Outcome: runapi.Done, Touched: true})
	b.watch.toRaise = true
	b.steps(100)
	b.ends(upRack, runapi.Refused, false)
	b.steps(20)
	require.Equal(t, []string{downRack, upRack, upRack + ".2"}, b.order)
	b.ends(upRack+".2", runapi.Skipped, false)
	b.runs[upRack+".2"].Why = "on hold until 2026-11-21T08:00:00Z, by ann: the holidays"
	b.steps(100)
	require.Len(t, b.order, 3, "a hold is a person's word")
}

func TestWhatIsTold(t *testing.T) {
	b := newBench(t)
	b.steps(100)
	require.Empty(t, b.told, "nothing happens")
	b.is("rack", "OB", "90")
	b.steps(3)
	b.vars["rack"] = nil
	b.steps(3)
	require.Equal(t, []string{"rack: on battery, charge 90 %"}, b.told, "a moment is no loss")
	b.steps(20)
	require.Len(t, b.told, 2)
	require.Contains(t, b.told[1], "cannot be read")
	require.Contains(t, b.told[1], "it was on battery when it last told, and nothing is done about it (whenLost: alarm)")
	b.is("rack", "OL", "80")
	b.steps(3)
	require.Equal(t, "rack: on mains, charge 80 %", b.told[2])
	require.Empty(t, b.order)

	b.broken = errors.New("no answer from Temporal")
	b.is("rack", "FSD", "80")
	b.steps(10)
	require.Contains(t, b.told[len(b.told)-1], "is tried again: no answer from Temporal")
	require.Len(t, b.told, 5, "%q", b.told)
}
