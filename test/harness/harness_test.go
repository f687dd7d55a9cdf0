//go:build e2e

package harness

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
	"nightshift/internal/simlab"
)

// A subject is a runbook that the harness tries. A new runbook joins by a line in subjects.
type subject struct {
	runbook, workflow string
	actions           []plan.Action // its kinds of steps, in the lab of the harness
}

// subjects are tried one after the other on the same lab: each begins where the one before it ended, and after the last
// the lab is again as it was.
var subjects = []subject{
	{"power-down", runapi.PowerDownType, []plan.Action{plan.MarkLab, plan.RememberRunning, plan.SuspendSetting, plan.ShutdownGuest,
		plan.EnterMaintenance, plan.ShutdownHost, plan.UnmarkLab}},
	{"power-up", runapi.PowerUpType, []plan.Action{plan.MarkLab, plan.PowerOnHost, plan.AwaitHost, plan.ExitMaintenance, plan.AwaitDatastores,
		plan.SettleDebt, plan.PowerOnGuest, plan.CheckGuest, plan.ForgetRunning, plan.UnmarkLab}},
}

// labSpec is the smallest lab that has every kind of action.
func labSpec() simlab.Spec {
	s := simlab.SmallSpec()
	s.Clusters[0].DPM = true
	return s
}

func TestEveryStepEveryFault(t *testing.T) {
	srv := newServer(t)
	table := newTable()
	var n atomic.Int64
	t.Run("all", func(t *testing.T) {
		for _, action := range plan.Actions() {
			users := slices.DeleteFunc(slices.Clone(subjects), func(s subject) bool { return !slices.Contains(s.actions, action) })
			for _, f := range faults() {
				switch {
				case len(users) == 0:
					table.skip(action, f, "no runbook of the harness has it")
					continue
				case f.skip != nil && f.skip(action) != "":
					table.skip(action, f, f.skip(action))
					continue
				}
				t.Run(fmt.Sprintf("%s/%s", action, strings.ReplaceAll(f.name, " ", "-")), func(t *testing.T) {
					t.Parallel() // most of it is waiting
					r := newRig(t, srv, fmt.Sprintf("h%d", n.Add(1)))
					r.try(action, f, table)
				})
			}
		}
	})
	table.print(t)
}

// try goes through all subjects, and breaks the first step with the action in each that has one.
func (r *rig) try(action plan.Action, f fault, table *table) {
	before, clusters := r.lab.Guests(), r.lab.Clusters()
	for _, s := range subjects {
		if !slices.Contains(s.actions, action) {
			r.whole(s)
			continue
		}
		sheet := r.broken(s, action, f)
		table.add(s, action, f, sheet)
		r.traps.disarm()
	}
	// Whatever happened: a power-up, and everything is as it was.
	r.whole(subjects[len(subjects)-1])
	for name, g := range r.lab.Guests() {
		if was, ok := before[name]; ok && !g.VCLS {
			require.Equal(r, was.Power, g.Power, "guest %s", name)
			require.Zero(r, g.Crashes, "guest %s", name)
		}
	}
	require.Equal(r, clusters, r.lab.Clusters())
	for name, h := range r.lab.Hosts() {
		require.False(r, h.Maintenance, "host %s", name)
	}
	st := r.ledger()
	require.Empty(r, st.Debts)
	require.Empty(r, st.Memory)
}

// whole runs a runbook that nothing happens to.
func (r *rig) whole(s subject) {
	r.Helper()
	id := r.begin(s)
	sheet := r.settle(id)
	require.Equal(r, runapi.Done, sheet.Outcome, "%s: %s %v", s.runbook, sheet.Why, sheet.Notes)
	r.once(sheet)
	require.Empty(r, r.ledger().Locks)
}

// broken runs a runbook of which one step breaks.
func (r *rig) broken(s subject, action plan.Action, f fault) runapi.Sheet {
	r.Helper()
	trap := r.traps.arm(r, "", action, f)
	id := r.begin(s)
	sheet, answered := r.sheet(id), false
	meanwhile := make(chan struct{})
	if f.meanwhile == nil {
		close(meanwhile)
	} else {
		r.eventually("a step with action "+string(action)+" of "+s.runbook, func() bool { return closed(trap.sprung) })
		go func() {
			defer close(meanwhile)
			f.meanwhile(r, id, trap)
		}()
	}
	for {
		sheet = r.settle(id)
		<-meanwhile
		if sheet.Outcome != "" {
			break
		}
		switch {
		case sheet.Blocked == 0: // not stuck any more
		case f.answer != nil && !answered:
			answered = true
			f.answer(r, id, trap)
		case f.answer != nil: // what came of the answer is blocked, and says why
			for _, note := range sheet.Notes {
				require.NotEmpty(r, note)
			}
			r.order(id, runapi.Abort, runapi.Order{Reason: "it goes no further"})
		default:
			require.FailNow(r, "stuck", "%s: %v", s.runbook, sheet.Notes)
		}
	}
	require.True(r, closed(trap.sprung), "no step of %s has action %s", s.runbook, action)
	ends := f.ends
	if len(ends) == 0 {
		ends = []string{runapi.Done}
	}
	require.Contains(r, ends, sheet.Outcome, "%s: %s %v", s.runbook, sheet.Why, sheet.Notes)
	r.once(sheet)
	st := r.ledger()
	require.Empty(r, st.Locks)
	require.Len(r, sheet.Owed, len(st.Debts), "what is owed is said")
	return sheet
}

func closed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
