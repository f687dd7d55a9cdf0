package report

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
)

func compared(change func(p *plan.Plan, s *runapi.Sheet)) (Comparison, string) {
	pa, sa := night(20)
	pb, sb := night(20)
	change(&pb, &sb)
	c := Compare(Assemble("a", sa, &pa, sa.Ended), Assemble("b", sb, &pb, sb.Ended), &pa, &pb)
	var b strings.Builder
	c.Text(&b)
	return c, b.String()
}

func TestTheSameTwice(t *testing.T) {
	c, text := compared(func(_ *plan.Plan, s *runapi.Sheet) {
		s.Finished[5] += 90 // within noise
		s.Orders[0].At = s.Orders[0].At.Add(time.Second)
		s.Decisions[1].At = s.Orders[0].At
	})
	require.True(t, c.Same(), text)
	require.Contains(t, text, "Both did the same; times differ by no more than noise (more than 10 s and more than a quarter of the longer time)")
}

func TestWhatTwoRunsDidDifferently(t *testing.T) {
	c, text := compared(func(p *plan.Plan, s *runapi.Sheet) {
		p.LabHash = "another"
		p.Parameters = map[string]string{"cluster": "Lab"}
		p.Limits["vcenter"] = 8
		p.Steps[10].ID, p.Steps[10].Title = "shutdown-guest:new", "Shut down guest new"
		p.Steps[len(p.Steps)-1].Timeout = plan.Duration(time.Hour)
		s.Steps = s.Steps[:6] + "s" + s.Steps[7:]
		s.Notes[p.Steps[6].ID] = "skipped by ann@desk"
		s.Finished[7] += 600
		s.Attempts[p.Steps[8].ID] = 3
		s.Orders = append(s.Orders, runapi.Record{Verb: runapi.Skip, Order: runapi.Order{By: "ann@desk", Reason: "by hand", Steps: []string{p.Steps[6].ID}}})
		s.Outcome = runapi.Partial
	})
	require.False(t, c.Same())
	for _, want := range []string{"the lab file was changed", "new parameter cluster=Lab", "limit vcenter is 8, was 16", "new: Shut down guest new", "no longer: Shut down guest vm0006",
		"Ended otherwise\n  Shut down guest vm0002", "A done (2 attempts); B skipped", "B done (3 attempts)", "Took another time: more than 10 s", "vm0003",
		"B: skip shutdown-guest:vm0002, by ann@desk: by hand", "b: partial, "} {
		require.Contains(t, text, want)
	}
	require.Len(t, c.Durations, 1)
	require.NotContains(t, text, "A: retry", "both had it")
}

func TestComparingRunsWithoutPlans(t *testing.T) {
	c := Compare(Assemble("a", runapi.Sheet{Runbook: "settle"}, nil, started()), Assemble("b", runapi.Sheet{Runbook: "settle", Outcome: runapi.Failed}, nil, started()), nil, nil)
	require.False(t, c.Same())
	require.Equal(t, "under way", c.A.Outcome)
}

func TestNoise(t *testing.T) {
	for _, c := range []struct {
		a, b  float64
		noisy bool
	}{{0, 10, true}, {0, 11, false}, {100, 75, true}, {100, 74, false}, {1000, 760, true}, {1000, 740, false}, {5, 5, true}} {
		require.Equal(t, c.noisy, Noisy(c.a, c.b), "%v", c)
		require.Equal(t, c.noisy, Noisy(c.b, c.a), "%v", c)
	}
}

// history is so many nights, the newest first: the lab goes down for nine hours and comes up again.
func history(nights int, seconds func(night int) float64) (runs []Past) {
	for n := range nights {
		at := started().Add(-time.Duration(n) * 24 * time.Hour)
		took := time.Duration(seconds(n) * float64(time.Second))
		reading := func(w float64) *plan.PowerReading {
			return &plan.PowerReading{Hosts: map[string]float64{"esx21": w}, Watts: w, Price: 0.5, Currency: "EUR"}
		}
		down := runapi.Sheet{Runbook: "power-down", Started: at, Ended: at.Add(took), Total: 3, Outcome: runapi.Done,
			Power: &plan.Power{Before: reading(210), After: reading(10)}}
		up := runapi.Sheet{Runbook: "power-up", Started: down.Ended.Add(10 * time.Hour), Ended: down.Ended.Add(11 * time.Hour), Total: 3, Outcome: runapi.Done}
		runs = append(runs, Past{Run: fmt.Sprint("up", n), Outcome: runapi.Done, Sheet: up}, Past{Run: fmt.Sprint("down", n), Outcome: runapi.Done, Sheet: down,
			Steps: []Step{{ID: "a", State: StateDone, Seconds: 10}, {ID: "b", State: StateDone, Seconds: float64(100 + n)}, {ID: "c", State: StateBlocked, Seconds: 999}}})
	}
	return runs
}

func TestStats(t *testing.T) {
	runs := history(20, func(n int) float64 {
		if n < 10 {
			return 1200
		}
		return 600
	})
	add := func(outcome string, s runapi.Sheet) {
		s.Runbook, s.Started = "power-down", started().Add(-1000*time.Hour)
		runs = append(runs, Past{Outcome: outcome, Sheet: s})
	}
	order := func(steps ...string) runapi.Sheet {
		return runapi.Sheet{Orders: []runapi.Record{{Verb: runapi.Retry, Order: runapi.Order{Steps: steps}}, {Verb: runapi.Retry, Order: runapi.Order{Steps: steps}}}}
	}
	add(runapi.Partial, order("shutdown-guest:stubborn"))
	add(runapi.Aborted, order("shutdown-guest:stubborn", "shutdown-host:esx21"))
	add("terminated", runapi.Sheet{})
	add(runapi.Skipped, runapi.Sheet{})
	add(runapi.Refused, runapi.Sheet{Blockers: []plan.Finding{{Subject: "vCenter vc1", Text: "does not answer"}}})
	add(runapi.Done, runapi.Sheet{Ended: started()}) // nothing was to do
	s := Summarize("home", runs)
	require.Equal(t, []string{"power-down", "power-up"}, []string{s.Runbooks[0].Runbook, s.Runbooks[1].Runbook})
	d := s.Runbooks[0]
	require.Equal(t, 26, d.Runs)
	require.Equal(t, map[string]int{"done": 21, "partial": 1, "aborted": 1, "terminated": 1, "skipped": 1, "refused": 1}, d.Outcomes)
	require.InDelta(t, 21.0/24, d.Success, 0.001)
	require.Equal(t, []float64{600, 1200, 1200, 600}, []float64{d.Median, d.P95, d.Recent, d.Before})
	require.Equal(t, Count{"shutdown-guest:stubborn", 2}, d.Blockers[0])
	require.Len(t, d.Blockers, 3)
	require.Equal(t, []string{"b", "a"}, []string{d.Slowest[0].Step, d.Slowest[1].Step})
	require.Equal(t, 20, s.Nights)
	require.InDelta(t, 20*2.0, s.KWh, 0.001)
	require.InDelta(t, 20.0, s.Money["EUR"], 0.001)
	var b strings.Builder
	s.Text(&b)
	golden(t, "stats.txt", b.String())
}

func TestStatsOfLittle(t *testing.T) {
	var b strings.Builder
	Summarize("home", nil).Text(&b)
	require.Equal(t, "Lab home: no run has ended yet.\n", b.String())
	s := Summarize("home", history(2, func(int) float64 { return 60 }))
	require.Zero(t, s.Runbooks[0].Before, "no trend of two runs")
	refused := Summarize("home", []Past{{Outcome: runapi.Refused, Sheet: runapi.Sheet{Runbook: "power-up"}}})
	require.Zero(t, refused.Runbooks[0].Success)
}

// A lab that was switched on and off by others, or down twice, saves what was metered and no more.
func TestNightsThatDoNotCount(t *testing.T) {
	runs := history(1, func(int) float64 { return 60 })
	require.Equal(t, 1, Summarize("home", runs).Nights)
	between := Past{Outcome: runapi.Partial, Sheet: runapi.Sheet{Runbook: "power-up", Started: runs[1].Sheet.Ended.Add(time.Hour), Ended: runs[1].Sheet.Ended.Add(2 * time.Hour)}}
	s := Summarize("home", append(runs, between))
	require.Equal(t, 1, s.Nights)
	require.InDelta(t, 0.2, s.KWh, 0.001, "until the first power-up")
	between.Outcome = runapi.Refused
	require.InDelta(t, 2.0, Summarize("home", append(runs, between)).KWh, 0.001)
	between.Outcome, between.Sheet.Runbook = runapi.Done, "settle"
	require.Zero(t, Summarize("home", append(runs, between)).Nights, "another run has changed the lab")
}
