package activities

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/ledger"
	"nightshift/internal/plan"
	"nightshift/internal/runapi"
)

var midnight = time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)

func debtOf(hours int) plan.Debt {
	return plan.Debt{ID: fmt.Sprint("d", hours), Target: plan.Target{Kind: plan.Cluster, Name: "Lab"}, Setting: plan.HA, Was: "true", Run: "power-down-home-1",
		Since: midnight.Add(-time.Duration(hours) * time.Hour)}
}

// keys are those of what there is to tell.
func (v vista) keys(missed map[string]int) (keys []string) {
	for _, n := range v.sighting(missed).Notices {
		keys = append(keys, string(n.Event)+" "+n.Key)
	}
	return keys
}

func TestWhatTheCaretakerTells(t *testing.T) {
	up := timetable{ID: "power-up-home-morning", Name: "morning", Runbook: "power-up", Next: midnight.Add(7 * time.Hour), Last: midnight.Add(-17 * time.Hour)}
	with := func(t timetable, set func(*timetable)) []timetable { set(&t); return []timetable{t} }
	hold := func(since, until time.Duration) ledger.State {
		return ledger.State{Hold: &ledger.Hold{Since: midnight.Add(since), Until: midnight.Add(until), By: "ann", Reason: "backup"}}
	}
	owed := func(hours ...int) (st ledger.State) {
		for _, h := range hours {
			st.Debts = append(st.Debts, debtOf(h))
		}
		return st
	}
	stuck := func(started, left time.Duration) map[string]runapi.Sheet {
		return map[string]runapi.Sheet{"run-1": {Runbook: "power-down", Phase: runapi.PhaseExecute, Blocked: 1, Started: midnight.Add(-started), Deadline: midnight.Add(left)}}
	}
	lock := ledger.Lock{Scope: ledger.LabScope, Holder: ledger.Holder{Workflow: "run-1", FirstRun: "first", Runbook: "power-down", By: "ann"}}
	for name, c := range map[string]struct {
		v      vista
		missed map[string]int
		keys   []string
	}{
		"nothing":                          {v: vista{}},
		"a new schedule":                   {v: vista{tables: with(up, func(t *timetable) { t.Missed = 3 })}, missed: map[string]int{}},
		"missed":                           {v: vista{tables: with(up, func(t *timetable) { t.Missed = 3 })}, missed: map[string]int{up.ID: 1}, keys: []string{"missed missed:power-up-home-morning:3"}},
		"missed before":                    {v: vista{tables: with(up, func(t *timetable) { t.Missed = 3 })}, missed: map[string]int{up.ID: 3}},
		"made anew":                        {v: vista{tables: with(up, func(t *timetable) { t.Missed = 0 })}, missed: map[string]int{up.ID: 3}},
		"debts of today":                   {v: vista{book: owed(23)}},
		"debts of yesterday":               {v: vista{book: owed(24, 30)}, keys: []string{"debt debt:2026-11-19T18:00:00Z:0"}},
		"a day later":                      {v: vista{book: owed(49, 54)}, keys: []string{"debt debt:2026-11-18T18:00:00Z:1"}},
		"comes back in the morning":        {v: vista{book: owed(30), tables: with(up, func(t *timetable) { t.Last = midnight.Add(-40 * time.Hour) })}},
		"did not come back in the morning": {v: vista{book: owed(30), tables: []timetable{up}}, keys: []string{"debt debt:2026-11-19T18:00:00Z:0"}},
		"the morning is paused": {v: vista{book: owed(30), tables: with(up, func(t *timetable) { t.Paused, t.Last = true, time.Time{} })},
			keys: []string{"debt debt:2026-11-19T18:00:00Z:0"}},
		"only another is scheduled": {v: vista{book: owed(30), tables: with(up, func(t *timetable) { t.Runbook, t.Last = "power-down", time.Time{} })},
			keys: []string{"debt debt:2026-11-19T18:00:00Z:0"}},
		"a run works":                   {v: vista{book: ledger.State{Debts: []plan.Debt{debtOf(90)}, Locks: []ledger.Lock{lock}}}},
		"down on purpose":               {v: vista{book: ledger.State{Debts: []plan.Debt{debtOf(90)}, Hold: hold(-90*time.Hour, 90*time.Hour).Hold}}},
		"a hold ends soon":              {v: vista{book: hold(-9*time.Hour, time.Hour)}, keys: []string{"hold hold-ends:2026-11-21T01:00:00Z"}},
		"a hold ends later":             {v: vista{book: hold(-9*time.Hour, 61*time.Minute)}},
		"a short hold":                  {v: vista{book: hold(-30*time.Minute, time.Hour)}},
		"a hold has ended":              {v: vista{book: hold(-9*time.Hour, -time.Minute)}, keys: []string{"hold hold-ended:2026-11-20T23:59:00Z"}},
		"a hold ended long ago":         {v: vista{book: hold(-90*time.Hour, -25*time.Hour)}},
		"a run ends by itself soon":     {v: vista{runs: stuck(11*time.Hour, time.Hour)}, keys: []string{"deadline deadline:run-1:2026-11-21T01:00:00Z"}},
		"a run ends by itself later":    {v: vista{runs: stuck(11*time.Hour, 2*time.Hour)}},
		"a run that only began to wait": {v: vista{runs: stuck(time.Minute, 59*time.Minute)}},
		"a run whose time is over":      {v: vista{runs: stuck(11*time.Hour, 0)}},
		"terminated":                    {v: vista{orphans: []ledger.Lock{lock, lock}}, keys: []string{"terminated terminated:run-1:first"}},
	} {
		t.Run(name, func(t *testing.T) {
			c.v.lab, c.v.now, c.v.debtsAfter = "home", midnight, 24*time.Hour
			require.Equal(t, c.keys, c.v.keys(c.missed))
			for _, n := range c.v.sighting(c.missed).Notices {
				require.NotEmpty(t, n.Commands, "what to type next")
				require.True(t, n.Sheet != nil || n.Subject != "" && len(n.Lines) > 0)
			}
		})
	}
}

func TestManyDebtsAreAShortMessage(t *testing.T) {
	v := vista{lab: "home", now: midnight, debtsAfter: 24 * time.Hour}
	for i := range 100 {
		v.book.Debts = append(v.book.Debts, debtOf(30+i))
	}
	n := v.sighting(nil).Notices[0]
	require.Len(t, n.Lines, runapi.MostNoticeLines+2)
	require.Equal(t, "… and 90 more", n.Lines[runapi.MostNoticeLines])
	require.Contains(t, n.Subject, "100 settings are switched off since")
	require.Contains(t, n.Commands[2].Type, "nightshift hold", "how to quiet it")
}

// What was told is told once, whatever is seen again.
func TestAWatchLearns(t *testing.T) {
	w := runapi.Watch{Lab: "home"}
	s := runapi.Sighting{Notices: []runapi.Notice{{Key: "a"}, {Key: "b"}, {Key: "a"}}, Missed: map[string]int{"x": 1}}
	require.Len(t, w.Learn(s, midnight), 2)
	require.Empty(t, w.Learn(s, midnight.Add(time.Hour)))
	require.Equal(t, map[string]int{"x": 1}, w.Missed)
	s.Notices = append(s.Notices, runapi.Notice{Key: "c"})
	require.Len(t, w.Learn(s, midnight.Add(2*time.Hour)), 1)
	require.Len(t, w.Told, 3)
	require.Empty(t, w.Learn(runapi.Sighting{}, midnight.Add(100*24*time.Hour)))
	require.Empty(t, w.Told, "it does not grow for ever")
}
