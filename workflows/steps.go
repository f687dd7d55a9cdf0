package workflows

import (
	"encoding/json"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	"nightshift/internal/ledger"
	"nightshift/internal/plan"
	"nightshift/internal/runapi"
	"nightshift/internal/words"
)

// What is other in the run of a step runbook: its plan is carried out as it was made, and never made anew, as the steps that
// are done may have changed what its conditions were about; and it may wait for a person's yes.

// ofSteps tells whether the run is that of a step runbook.
func (r *run) ofSteps() bool { return r.graph != nil && r.graph.Definition != "" }

// asMade tells whether the plan is carried out as it was made: that of a step runbook, and that of a protection group, of which
// each replication takes a new recovery point, and each pruning looks at another moment.
func (r *run) asMade() bool { return r.ofSteps() || r.p.OfGroup() }

// unconfirmed is when the answer to a person's yes that is waited for is no, and by which step; zero: none is waited for.
func (r *run) unconfirmed() (at time.Time, step string, limit time.Duration) {
	if !r.ofSteps() || r.count[runapi.Blocked] == 0 {
		return at, "", 0
	}
	for i, c := range r.steps {
		s := r.graph.Steps[i]
		var p plan.ConfirmParams
		if c != runapi.Blocked || s.Action != plan.Confirm || r.BegunAt[i] < 0 || json.Unmarshal(s.Params, &p) != nil || p.Timeout <= 0 {
			continue
		}
		no := r.Started.Add(time.Duration(r.BegunAt[i])*100*time.Millisecond + time.Duration(p.Timeout))
		if at.IsZero() || no.Before(at) {
			at, step, limit = no, s.Title, time.Duration(p.Timeout)
		}
	}
	return at, step, limit
}

// verifySteps ends a run whose checks were steps of its own. It is not green as long as it owes something.
func (r *run) verifySteps(ctx workflow.Context) {
	r.Outcome = runapi.Done
	if n := r.count[runapi.StepSkip]; n > 0 {
		r.Outcome, r.Why = runapi.Partial, words.Of(n, len(r.steps), "step")+" skipped"
	}
	var st ledger.State
	if err := r.call(ctx, ledgerOptions("read what is owed"), plan.ReadLedger, r.p.Lab, &st); err != nil {
		if r.Aborted != "" {
			r.Outcome, r.Why = runapi.Aborted, r.Aborted+" (every step was done)"
			return
		}
		r.say("whether it owes something could not be read: " + cause(err))
		return
	}
	var owed []string
	for _, d := range st.Debts {
		if d.Run == workflow.GetInfo(ctx).WorkflowExecution.ID {
			owed = append(owed, d.Setting.Title()+" of "+d.Target.String())
		}
	}
	if len(owed) > 0 {
		r.say("it has not given back " + strings.Join(owed, ", ") + ": `nightshift settle`")
	}
}
