package report

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
)

// timed is a report of steps with their begin and end in seconds.
func timed(limits map[string]int, ended float64, steps ...timedStep) Report {
	p := plan.Plan{Limits: limits}
	s := runapi.Sheet{Started: started(), Ended: started().Add(seconds(ended)), Outcome: runapi.Done, Phase: runapi.PhaseEnd, Total: len(steps), Done: len(steps)}
	for _, st := range steps {
		p.Steps = append(p.Steps, plan.Step{ID: st.id, Title: "do " + st.id, Needs: st.needs, Holds: st.holds, Action: plan.ShutdownGuest})
		s.Begun, s.Finished = append(s.Begun, int64(st.begun*10)), append(s.Finished, int64(st.ended*10))
		s.Steps += "d"
	}
	return Assemble(run, s, &p, s.Ended)
}

type timedStep struct {
	id           string
	begun, ended float64
	needs, holds []string
}

func chainOf(r Report) (ids []string) {
	for _, l := range r.Path {
		ids = append(ids, l.Step)
	}
	return ids
}

func requireWhole(t *testing.T, r Report) {
	t.Helper()
	sum := 0.0
	for _, l := range r.Path {
		require.GreaterOrEqual(t, l.Idle, 0.0)
		sum += l.Idle + l.Seconds
	}
	require.InDelta(t, r.Ended.Sub(r.Started).Seconds(), sum, 0.001, "the parts of the chain are the time that the run took")
}

func TestTheChainFollowsWhatEndedLast(t *testing.T) {
	r := timed(nil, 100, timedStep{id: "a", begun: 2, ended: 10}, timedStep{id: "b", begun: 2, ended: 50},
		timedStep{id: "c", begun: 50, ended: 90, needs: []string{"a", "b"}}, timedStep{id: "d", begun: 10, ended: 20, needs: []string{"a"}})
	require.Equal(t, []string{"b", "c", ""}, chainOf(r))
	require.Equal(t, []string{"b", AfterNeed}, []string{r.Steps[2].After, r.Steps[2].AfterWhy})
	require.True(t, r.Steps[1].Critical && r.Steps[2].Critical)
	require.False(t, r.Steps[0].Critical || r.Steps[3].Critical)
	requireWhole(t, r)
}

// Two at a time at the vCenter: the third could have begun, and waited until the first was over.
func TestWaitingForRoom(t *testing.T) {
	slot := []string{"vcenter:vc1"}
	r := timed(map[string]int{"vcenter": 2}, 95, timedStep{id: "a", begun: 1, ended: 40, holds: slot}, timedStep{id: "b", begun: 1, ended: 60, holds: slot},
		timedStep{id: "c", begun: 40.2, ended: 90, holds: slot, needs: []string{"z"}}, timedStep{id: "z", begun: 1, ended: 5})
	require.Equal(t, []string{"a", "c", ""}, chainOf(r))
	c := r.Steps[2]
	require.Equal(t, []string{"a", AfterSlot, "vcenter:vc1"}, []string{c.After, c.AfterWhy, c.Slot})
	require.InDelta(t, 35.2, c.Waited, 0.01)
	require.Equal(t, "no more than 2 at a time at vcenter vc1", r.Path[1].Why)
	requireWhole(t, r)
}

// There was room, and it began late all the same: no other step is to blame.
func TestALateBeginIsNotBlamedOnWhoLeftRoom(t *testing.T) {
	slot := []string{"vcenter:vc1"}
	r := timed(map[string]int{"vcenter": 3}, 95, timedStep{id: "a", begun: 1, ended: 40, holds: slot}, timedStep{id: "c", begun: 40.2, ended: 90, holds: slot, needs: []string{"z"}},
		timedStep{id: "z", begun: 1, ended: 5})
	require.Equal(t, []string{"z", "c", ""}, chainOf(r))
	require.Equal(t, AfterNeed, r.Steps[1].AfterWhy)
	requireWhole(t, r)
}

func TestAnIdleTimeIsExplained(t *testing.T) {
	steps := []timedStep{{id: "a", begun: 30, ended: 40}, {id: "b", begun: 140, ended: 150, needs: []string{"a"}}}
	r := timed(nil, 151, steps...)
	require.Equal(t, "the lab was inspected, the plan made and said yes to", r.Path[0].Why)
	require.Empty(t, r.Path[1].Why)
	require.InDelta(t, 100, r.Path[1].Idle, 0.01)
	r.Orders = []runapi.Record{{At: started().Add(139 * time.Second), Verb: "resume", Order: runapi.Order{By: "ann"}}}
	require.Equal(t, "waited for a person: resume by ann", r.between(started().Add(40*time.Second), started().Add(140*time.Second), false))
	r.Orders, r.Amendments = nil, []runapi.Amendment{{At: started().Add(100 * time.Second), Why: "host esx21 is dead"}}
	require.Equal(t, "what was left was planned anew: host esx21 is dead", r.between(started().Add(40*time.Second), started().Add(140*time.Second), false))
}

// A need that was done once more after the step that waited for it began is not what it waited for.
// An abort drops what had not begun: that is ended without a begin, and no part of the chain to what still has to be done.
func TestWhatAnAbortDroppedIsNotInTheChain(t *testing.T) {
	p := plan.Plan{Steps: []plan.Step{{ID: "a", Title: "do a", Action: plan.ShutdownGuest}, {ID: "b", Title: "do b", Needs: []string{"a"}, Action: plan.ShutdownGuest},
		{ID: "c", Title: "do c", Needs: []string{"a", "b"}, Always: true, Action: plan.ShutdownGuest}}}
	s := runapi.Sheet{Started: started(), Ended: started().Add(seconds(40)), Outcome: runapi.Aborted, Phase: runapi.PhaseEnd, Total: 3, Done: 2, Untouched: 1,
		Steps: "dud", Begun: []int64{20, -1, 300}, Finished: []int64{250, 260, 400}}
	r := Assemble(run, s, &p, s.Ended)
	require.Equal(t, []string{"a", "c"}, chainOf(r))
	requireWhole(t, r)
}

func TestANeedThatWasDoneAgain(t *testing.T) {
	r := timed(nil, 100, timedStep{id: "a", begun: 1, ended: 95}, timedStep{id: "b", begun: 10, ended: 50, needs: []string{"a"}})
	require.Empty(t, r.Steps[1].After)
	requireWhole(t, r)
}

func TestTheChainOfALongNight(t *testing.T) {
	for _, guests := range []int{20, 200, 2000} {
		r := nightReport(guests)
		requireWhole(t, r)
		require.Less(t, len(r.Chain()), 15)
		sum, folded := 0.0, 0.0
		for _, l := range r.Path {
			sum += l.Idle + l.Seconds
		}
		for _, l := range r.Chain() {
			folded += l.Idle + l.Seconds
		}
		require.InDelta(t, sum, folded, 0.001)
	}
}

func TestARunUnderWayHasNoChain(t *testing.T) {
	p, s := night(20)
	s.Ended, s.Outcome = time.Time{}, ""
	require.Empty(t, Assemble(run, s, &p, started()).Path)
}

func TestBetween(t *testing.T) {
	at := func(h float64) time.Time { return started().Add(time.Duration(h * float64(time.Hour))) }
	reading := func(price float64, hosts map[string]float64) *plan.PowerReading {
		return &plan.PowerReading{Hosts: hosts, Price: price, Currency: "EUR"}
	}
	down := runapi.Sheet{Ended: at(0), Power: &plan.Power{Before: reading(0.5, map[string]float64{"a": 200, "b": 150, "c": 100, "late": 90}),
		After: reading(0, map[string]float64{"a": 10, "b": 10, "c": 100})}}
	up := runapi.Sheet{Started: at(10), Power: &plan.Power{Before: reading(0, map[string]float64{"a": 12, "b": 150})}}
	s := Between("down", down, up)
	require.Equal(t, 188.0, s.Watts, "b was on again before, c was never off, late was not metered at the end")
	require.Equal(t, 3, s.Hosts)
	require.InDelta(t, 1.88, s.KWh, 0.0001)
	require.InDelta(t, 0.94, s.Money, 0.0001)
	require.Equal(t, "While it was down, for 10 h, the lab saved 1.9 kWh, 0.94 EUR: 188 W less than before, metered at 3 servers.", s.String())

	for name, change := range map[string]func(d, u *runapi.Sheet){
		"not metered before":     func(d, _ *runapi.Sheet) { d.Power = nil },
		"not metered at the end": func(d, _ *runapi.Sheet) { d.Power = &plan.Power{Before: d.Power.Before} },
		"no host in both": func(d, _ *runapi.Sheet) {
			d.Power = &plan.Power{Before: reading(0, map[string]float64{"x": 1}), After: d.Power.After}
		},
		"never ended":    func(d, _ *runapi.Sheet) { d.Ended = time.Time{} },
		"up before down": func(_, u *runapi.Sheet) { u.Started = at(-1) },
	} {
		d, u := down, up
		change(&d, &u)
		require.Nil(t, Between("down", d, u), name)
	}
	require.Contains(t, strings.Join(Report{Saved: s}.powerInWords(), " "), "1.9 kWh")
}
