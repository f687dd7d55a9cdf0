//go:build e2e

package e2e

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/plan"
	"nightshift/internal/report"
	"nightshift/internal/runapi"
	"nightshift/internal/simlab"
)

// killed names, by runbook, the kinds of steps at which nightshift is killed.
var killed = map[string][]plan.Action{
	"power-down": {plan.MarkLab, plan.SuspendSetting, plan.ShutdownGuest, plan.EnterMaintenance, plan.ShutdownHost, plan.UnmarkLab},
	"power-up":   {plan.MarkLab, plan.PowerOnHost, plan.AwaitHost, plan.ExitMaintenance, plan.SettleDebt, plan.PowerOnGuest, plan.CheckGuest, plan.UnmarkLab},
}

// arrives are the calls by which the lab sees that a step of the kind is under way, as soon as it has received them.
var arrives = map[plan.Action][]string{
	plan.MarkLab:          {"SetField"},
	plan.UnmarkLab:        {"SetField"},
	plan.SuspendSetting:   {"ReconfigureComputeResource_Task", "UpdateOptions"},
	plan.SettleDebt:       {"ReconfigureComputeResource_Task", "UpdateOptions"},
	plan.ShutdownGuest:    {"ShutdownGuest"},
	plan.PowerOnGuest:     {"PowerOnVM_Task", "PowerOnMultiVM_Task"},
	plan.EnterMaintenance: {"EnterMaintenanceMode_Task"},
	plan.ExitMaintenance:  {"ExitMaintenanceMode_Task"},
	plan.ShutdownHost:     {"ShutdownHost_Task"},
	plan.PowerOnHost:      {"Reset:On"},
}

// prefixes are those of the ids of steps that only wait.
var prefixes = map[plan.Action]string{plan.AwaitHost: "await-host:", plan.CheckGuest: "check-guest:"}

// TestKilledAtEveryKindOfStep kills nightshift at each kind of step: as soon as its call has arrived, or, of those that
// only wait, as soon as one is under way.
func TestKilledAtEveryKindOfStep(t *testing.T) {
	for runbook, actions := range killed {
		for _, action := range actions {
			t.Run(runbook+" "+string(action), func(t *testing.T) {
				t.Parallel() // most of it is waiting
				r := newRig(t, simlab.SmallSpec(), 1)
				before, clusters := r.lab.Guests(), r.lab.Clusters()
				r.start()
				for _, book := range []string{"power-down", "power-up"} {
					at := plan.Action("")
					if book == runbook {
						at = action
					}
					r.runKilledAt(book, at)
				}
				for name, g := range r.lab.Guests() {
					if was, ok := before[name]; ok && !was.VCLS && !g.VCLS {
						require.Equal(t, was.Power, g.Power, "guest %s", name)
					}
				}
				require.Equal(t, clusters, r.lab.Clusters())
				require.Empty(t, r.ledger().Debts)
			})
		}
	}
}

// runKilledAt runs a runbook to its end, with a kill at the first step of the kind; none: without.
func (r *rig) runKilledAt(runbook string, action plan.Action) {
	r.t.Helper()
	since := len(r.lab.Calls())
	var started struct {
		Run string `json:"run"`
	}
	r.drain()
	require.NoError(r.t, json.Unmarshal([]byte(r.must("run", runbook, "--yes", "--detach", "-o", "json")), &started))
	if action != "" {
		r.awaitStep(started.Run, action)
		r.kill()
		r.start()
	}
	_, err := r.run("watch", started.Run)
	s := r.report(started.Run)
	require.NoError(r.t, err, "%s: %s", s.Outcome, s.Why)
	require.Equal(r.t, runapi.Done, s.Outcome, s.Why)
	r.requireActedOnce(since, s)
	requireNoCrash(r.t, r.lab)
}

// awaitStep waits until a step of the kind has sent its call, or is under way.
func (r *rig) awaitStep(run string, action plan.Action) {
	r.t.Helper()
	verbs, limit := arrives[action], time.After(patience)
	for len(verbs) > 0 {
		select {
		case c := <-r.calls:
			verb, _, _ := strings.Cut(c.Verb, ":")
			if slices.Contains(verbs, c.Verb) || slices.Contains(verbs, verb) {
				return
			}
		case <-limit:
			require.FailNow(r.t, "no step with action "+string(action)+" came", r.log.String())
		}
	}
	r.eventually("a step with action "+string(action), func() bool {
		s := r.report(run)
		return slices.ContainsFunc(s.Steps, func(x report.Step) bool {
			return strings.HasPrefix(x.ID, prefixes[action]) && x.State == report.StateRunning
		})
	})
}
