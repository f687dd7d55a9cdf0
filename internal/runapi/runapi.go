// Package runapi is how runs are started, given orders and read: the names and types that workflows/ offers, and that
// starter/ and internal/report use. Plain data: it knows neither Temporal nor any device.
package runapi

import (
	"fmt"
	"time"

	"nightshift/internal/plan"
	"nightshift/internal/words"
)

// PlanType is the workflow type of a preview: it makes a plan and does nothing. Those of runs are plan.RunWorkflows.
const PlanType = "Plan"

// RunID is the workflow id of a run: readable, unique, sorted by time.
// Scheduled runs get theirs from the schedule: "power-down-home-nightly-2026-11-20T22:00:00Z".
func RunID(lab, runbook string, at time.Time) string {
	return runbook + "-" + lab + "-" + at.UTC().Format("20060102-150405")
}

// Names of queries and updates of a run. Every update takes an Order and answers a Sheet.
const (
	SheetQuery = "sheet" // -> Sheet
	// PulseQuery -> string: another one whenever the sheet may be another. For those who look often.
	PulseQuery = "pulse"
	PlanQuery  = "plan" // -> []byte, the packed plan; nil before there is one
	// ProposalQuery -> []byte, the packed plan that waits for an approval while the run is executing (Sheet.Proposal); nil: none.
	ProposalQuery = "proposal"

	Approve = "approve"
	Reject  = "reject"
	Retry   = "retry"
	Skip    = "skip"
	Pause   = "pause"
	Resume  = "resume"
	Abort   = "abort"
	Replan  = "replan"
	Confirm = "confirm" // a person's yes to steps that ask for it
)

// Verbs lists the updates.
func Verbs() []string {
	return []string{Approve, Reject, Retry, Skip, Pause, Resume, Abort, Replan, Confirm}
}

// Params start a run.
type Params struct {
	Lab        string            `json:"lab"`
	Runbook    string            `json:"runbook"`
	Parameters map[string]string `json:"parameters,omitempty"`
	By         string            `json:"by"` // who asks, as claimed: "ann@desk", "schedule nightly"
	// Signature is that of the one who asks, on a signature.Request: needed where the runbook has approvers.
	Signature *Signature `json:"signature,omitempty"`
	// Approved says that whoever asks has said yes beforehand (--yes, a schedule). Otherwise the run waits for Approve.
	Approved bool `json:"approved,omitempty"`
	// Resolute says that a new plan of what is left needs no approval either, whatever it wants: there is nobody to ask, and no
	// time. A UPS asks so. Runbooks that demand approvals do not heed it.
	Resolute bool `json:"resolute,omitempty"`
	// PlanHash, where given, is the only plan that may be carried out (--plan FILE): another one is drift and refused.
	PlanHash string `json:"planHash,omitempty"`
	// Wait for locks that other runs hold.
	Wait bool `json:"wait,omitempty"`
	// Scheduled runs end as skipped while a hold stands.
	Scheduled bool `json:"scheduled,omitempty"`
	// Settings override those of the lab file where they are set.
	OnFailure plan.OnFailure `json:"onFailure,omitempty"`
	Deadline  plan.Duration  `json:"deadline,omitempty"`
	// HandOverAt is the length of history, in events, at which the run goes on in a fresh one (Continue-As-New). 0: 8,000.
	HandOverAt int `json:"handOverAt,omitempty"`
	// StaleAfter is how late a run may wake before it counts as having lost time. 0: 15 minutes. For tests.
	StaleAfter plan.Duration `json:"staleAfter,omitempty"`
}

// An Order is what an operator says to a run.
type Order struct {
	By     string   `json:"by"` // as claimed
	Reason string   `json:"reason,omitempty"`
	Steps  []string `json:"steps,omitempty"` // for Retry and Skip: ids of blocked steps
	Hash   string   `json:"hash,omitempty"`  // for Approve: the hash of the plan that was read
	// Signature is that of the approver, on a signature.Approval: for Approve, where the runbook has approvers.
	Signature *Signature `json:"signature,omitempty"`
	// Params replaces parameters of the steps of a Retry, all of which have to take them: an amendment, recorded with the order.
	Params map[string]any `json:"params,omitempty"`
	// Force sets Call.Force in a Retry: the harsher way that the step knows.
	Force bool `json:"force,omitempty"`
}

// A Signature is a text and what an SSH key made of it.
type Signature struct {
	Text string `json:"text"`
	SSH  string `json:"ssh"` // "-----BEGIN SSH SIGNATURE-----…"
}

// A Consent is a signature that was checked: somebody asked for the run, or approved its plan.
type Consent struct {
	At      time.Time `json:"at"`             // when it was taken, by the clock of the run
	Name    string    `json:"name"`           // as in the lab file; of a run that a schedule began: "schedule NAME"
	Key     string    `json:"key,omitempty"`  // of that person, as in authorized_keys
	Hash    string    `json:"hash,omitempty"` // of the plan that was approved
	Expires time.Time `json:"expires,omitzero"`
	Signature
}

// LeastForSchedule is how many people have to approve what a schedule has asked for, where the runbook has approvers: nobody signs
// for a schedule, and whoever has added it must not be the only one who approves.
const LeastForSchedule = 2

// Messages that runs log, at level Info: what whoever runs a worker wants to see of them.
const (
	LogBlocked = "a step is blocked" // lab, runbook, step (its id), target, title, why
	LogEnded   = "a run has ended"   // lab, runbook, outcome, why
)

// Metrics that runs tell. Where they are exported for Prometheus, durations end in _seconds and counters in _total.
const (
	MetricRunEnded     = "nightshift_run_ended"     // counter: lab, runbook, outcome
	MetricRunDuration  = "nightshift_run_duration"  // the same
	MetricStepDuration = "nightshift_step_duration" // lab, runbook, action, state
)

// Phases of a run, in this order.
const (
	PhaseLock    = "locking"
	PhasePlan    = "planning"
	PhaseApprove = "waiting for approval"
	PhaseExecute = "executing"
	PhaseVerify  = "verifying"
	PhaseEnd     = "ended"
)

// Outcomes of a run. A run that ended in order is Completed in Temporal, whatever its outcome; it is Failed there only
// when something is wrong with nightshift or the lab file.
const (
	Done    = "done"    // everything that was planned, or nothing was to do
	Partial = "partial" // ended with skipped steps, or the end-state check found something left
	Refused = "refused" // blockers, drift, a lock, no approval: nothing was touched
	Skipped = "skipped" // a scheduled run while a hold stood, or another run had the lab
	Aborted = "aborted" // by an operator, a deadline, a policy or a cancel request
	Failed  = "failed"  // no plan could be made: a system unreachable, a login refused, a lab file that does not fit
)

// How Sheet.Why begins: who must know whether a person ended a run reads it there.
const (
	AbortedBy = "aborted by " // and who it was
	Cancelled = "the workflow was cancelled"
	OnHold    = "on hold until"
)

// AskedMemo is the memo of a run that UPSes have begun: the parameters that it was asked for, which it has before it has a plan.
const AskedMemo = "asked"

// SkippedBy is how the note of a step begins that a person has skipped, and who it was.
const SkippedBy = "skipped by "

// Outcomes lists them.
func Outcomes() []string { return []string{Done, Partial, Refused, Skipped, Aborted, Failed} }

// Letters of the steps in Sheet.Steps.
const (
	Todo      = '.' // not begun
	Running   = 'r'
	StepDone  = 'd'
	StepSkip  = 's'
	Untouched = 'u' // not begun when the run was aborted, or had sent nothing
	HalfDone  = 'h' // begun, and not seen to its end when the run was aborted
	Blocked   = 'b' // waits for an operator
)

// A Sheet is the state of a run: the answer to the query "sheet" and to every order, and the result.
type Sheet struct {
	Lab     string `json:"lab"`
	Runbook string `json:"runbook"`
	Title   string `json:"title"`
	Hash    string `json:"hash,omitempty"` // of the plan
	// Parameters are those that the run was started with: it may end before it has a plan.
	Parameters map[string]string `json:"parameters,omitempty"`
	By         string            `json:"by"`
	Phase      string            `json:"phase"`
	Outcome    string            `json:"outcome,omitempty"`
	Why        string            `json:"why,omitempty"` // of a refusal, skip, abort or partial outcome
	Started    time.Time         `json:"started"`
	Ended      time.Time         `json:"ended,omitzero"`
	Paused     string            `json:"paused,omitempty"`  // by whom and why
	Aborted    string            `json:"aborted,omitempty"` // the same
	Waiting    string            `json:"waiting,omitempty"` // what the run waits for, where it is not its steps: a lock, an approval
	Deadline   time.Time         `json:"deadline,omitzero"` // when it ends by itself if nobody answers

	Total     int    `json:"total"`
	Done      int    `json:"done"`
	Running   int    `json:"running"`
	Blocked   int    `json:"blocked"`
	Skipped   int    `json:"skipped"`
	Untouched int    `json:"untouched"` // half-done ones included
	Steps     string `json:"steps"`     // one letter for each step of the plan

	// Begun and Finished are when the steps first began and came to their end, or blocked, in tenths of a second since Started;
	// -1: not yet.
	Begun    Tenths `json:"begun,omitempty"`
	Finished Tenths `json:"finished,omitempty"`
	// Notes say, by step id, why a step is blocked or was skipped, or what was special about it.
	Notes Notes `json:"notes,omitempty"`
	// Asked is how long steps have waited for a person, by step id, in tenths of a second: no time of their own. What a blocked one
	// waits now comes on top, since Finished.
	Asked map[string]int64 `json:"asked,omitempty"`
	// Unsent are the blocked steps of which it is known that they have sent nothing.
	Unsent []string `json:"unsent,omitempty"`
	// Progress says, by step id, how far running steps are that are measured in bytes. Only who reads it from Temporal knows.
	Progress map[string]plan.Progress `json:"progress,omitempty"`
	// Found is, by step id, what steps that only look have found, for people.
	Found map[string]string `json:"found,omitempty"`
	// Attempts counts, by step id, how often a step was started, where that is more than once.
	Attempts  map[string]int `json:"attempts,omitempty"`
	Decisions []Decision     `json:"decisions,omitempty"`
	Orders    []Record       `json:"orders,omitempty"`
	// Approval says that no step of the plan can be changed: it had to be approved, whatever --yes said.
	Approval bool `json:"approval,omitempty"`
	// Approvers are those whose signatures the plan needs, Requester is who signed the request for the run, and Approvals
	// are the signatures that count, those of amended plans included. All are empty where the runbook has no approvers.
	Approvers *plan.Approvers `json:"approvers,omitempty"`
	Requester *Consent        `json:"requester,omitempty"`
	Approvals []Consent       `json:"approvals,omitempty"`
	Left      []plan.Finding  `json:"left,omitempty"` // what the end-state check found
	Warnings  []plan.Finding  `json:"warnings,omitempty"`
	Blockers  []plan.Finding  `json:"blockers,omitempty"`
	// Orphan is the run that is no more, and whose lock refused this one.
	Orphan string `json:"orphan,omitempty"`
	// Owed are the lab's open debts when the run ended: what `settle --recover` can put back into a lost ledger.
	Owed []plan.Debt `json:"owed,omitempty"`
	Runs int         `json:"runs"` // Temporal runs in the chain
	// Power is what the lab's servers took before and after; nil where the run switches no hosts, or nothing is metered.
	Power *plan.Power `json:"power,omitempty"`
	// Versions are those of what took part, by name: "nightshift", "vCenter vc1".
	Versions map[string]string `json:"versions,omitempty"`

	// Replanning is why a new plan of what is left is being made; no step begins until it is there.
	Replanning string `json:"replanning,omitempty"`
	// Proposal is the new plan that waits for an approval; what is under way goes on, and nothing else begins.
	Proposal   *Amendment  `json:"proposal,omitempty"`
	Amendments []Amendment `json:"amendments,omitempty"` // the last MostAmendments
	// Stale says that the run has slept, when it did, and that it waits for `resume`.
	Stale string `json:"stale,omitempty"`
}

// MostAmendments is how many amendments a run remembers, and MostChanges how many changes of each.
const (
	MostAmendments = 50
	MostChanges    = 20
)

// An Amendment is a new plan of what is left of a run.
type Amendment struct {
	At      time.Time `json:"at"`
	Why     string    `json:"why"`
	From    string    `json:"from"`              // hash of the plan before
	To      string    `json:"to,omitempty"`      // hash of the plan after
	Added   int       `json:"added,omitempty"`   // steps
	Changed int       `json:"changed,omitempty"` // the same
	Dropped int       `json:"dropped,omitempty"` // no longer needed
	Changes []string  `json:"changes,omitempty"` // in people's words, no more than MostChanges
	// Beyond says what needs an approval: it goes beyond the plan before.
	Beyond     []string `json:"beyond,omitempty"`
	ApprovedBy string   `json:"approvedBy,omitempty"` // empty: it needed no approval
	// Refused says why the plan before stands: blockers, a rejection, a lab that could not be read.
	Refused string `json:"refused,omitempty"`
}

// String is the amendment in a line, for people.
func (a Amendment) String() string {
	if a.Refused != "" {
		return fmt.Sprintf("no new plan (%s): %s", a.Why, a.Refused)
	}
	if a.From == a.To {
		return fmt.Sprintf("planned anew (%s): nothing is other than before", a.Why)
	}
	s := fmt.Sprintf("planned anew (%s): %s added, %d changed, %d no longer needed", a.Why, words.Count(a.Added, "step"), a.Changed, a.Dropped)
	if a.ApprovedBy != "" {
		s += ", approved by " + a.ApprovedBy
	}
	return s
}

// A Decision to act again, or to give up, after an unclear answer.
type Decision struct {
	At       time.Time `json:"at"`
	Step     string    `json:"step"`
	By       string    `json:"by"`      // an operator, or "nightshift" by rule
	Verdict  string    `json:"verdict"` // "act again", "skip"
	Evidence string    `json:"evidence"`
}

// A Record of an order.
type Record struct {
	At   time.Time `json:"at"`
	Verb string    `json:"verb"`
	Order
}

// Stuck tells whether nothing of the run goes on without a person: it waits for an approval, or has slept and asks, or all
// that is left is blocked or waits for what is.
func (s Sheet) Stuck() bool {
	if s.Outcome != "" {
		return false
	}
	waits := s.Blocked > 0 || s.Proposal != nil || s.Stale != ""
	return s.Phase == PhaseApprove || s.Phase == PhaseExecute && waits && s.Running == 0 && s.Replanning == ""
}
