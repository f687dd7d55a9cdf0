package workflows

import (
	"encoding/json"
	"time"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
)

// A State is what one run of a chain hands to the next, readable in the Temporal UI.
type State struct {
	Version  int            `json:"version,omitempty"` // stateVersion of the worker that wrote it
	Phase    string         `json:"phase,omitempty"`
	Settings plan.Settings  `json:"settings"`
	Title    string         `json:"title,omitempty"`
	Hash     string         `json:"hash,omitempty"`
	Warnings []plan.Finding `json:"warnings,omitempty"`
	Blockers []plan.Finding `json:"blockers,omitempty"`
	Left     []plan.Finding `json:"left,omitempty"`
	Owed     []plan.Debt    `json:"owed,omitempty"`
	Started  time.Time      `json:"started"`
	Waiting  string         `json:"waiting,omitempty"`
	Begun    time.Time      `json:"begun,omitzero"` // when the first step could begin: the deadline counts from here
	Ended    time.Time      `json:"ended,omitzero"`
	Stuck    time.Time      `json:"stuck,omitzero"` // since when the run waits for an operator and nothing else
	Outcome  string         `json:"outcome,omitempty"`
	Why      string         `json:"why,omitempty"`
	Paused   string         `json:"paused,omitempty"`
	Aborted  string         `json:"aborted,omitempty"`
	Runs     int            `json:"runs,omitempty"` // how many runs of the chain are behind

	Steps    string                     `json:"steps,omitempty"`    // a letter for each step of the plan
	BegunAt  runapi.Tenths              `json:"begunAt,omitempty"`  // tenths of a second since Started, -1: not yet
	EndedAt  runapi.Tenths              `json:"endedAt,omitempty"`  // the same
	Memos    map[string]*plan.Memo      `json:"memos,omitempty"`    // what steps that yielded left for their next attempt
	Notes    runapi.Notes               `json:"notes,omitempty"`    // why a step is blocked or was skipped
	Asked    map[string]int64           `json:"asked,omitempty"`    // tenths of a second that steps waited for a person
	Unsent   map[string]bool            `json:"unsent,omitempty"`   // steps that have begun, and of which it is known that they sent nothing
	Dropped  map[string]bool            `json:"dropped,omitempty"`  // those of them that the run has left so
	Found    map[string]string          `json:"found,omitempty"`    // what steps that only look have found
	Attempts map[string]int             `json:"attempts,omitempty"` // starts of a step, where there was more than one
	Again    map[string]Again           `json:"again,omitempty"`    // decisions to act again
	Amended  map[string]json.RawMessage `json:"amended,omitempty"`  // parameters changed by a retry

	Decisions []runapi.Decision `json:"decisions,omitempty"`
	Orders    []runapi.Record   `json:"orders,omitempty"`

	Requester *runapi.Consent  `json:"requester,omitempty"` // who asked for the run, where its runbook has approvers
	Approvals []runapi.Consent `json:"approvals,omitempty"`
	Strict    bool             `json:"strict,omitempty"` // see signedRules

	Replan     string             `json:"replan,omitempty"`   // why a new plan of what is left is wanted
	Asking     []string           `json:"asking,omitempty"`   // steps that wanted it
	Replans    map[string]int     `json:"replans,omitempty"`  // how many steps wanted, by step
	Vain       map[string]string  `json:"vain,omitempty"`     // why steps wanted one that does nothing for them, by step
	Proposal   *runapi.Amendment  `json:"proposal,omitempty"` // a new plan that waits for an approval
	Proposed   []byte             `json:"proposed,omitempty"` // the same, packed
	Amendments []runapi.Amendment `json:"amendments,omitempty"`

	Stale string    `json:"stale,omitempty"` // when the run slept, until somebody lets it go on
	Due   time.Time `json:"due,omitzero"`    // when the next run of the chain should go on

	Power    *plan.Power       `json:"power,omitempty"`
	Versions map[string]string `json:"versions,omitempty"`
}

// stateVersion is raised with every field that an older worker must not lose when it hands over.
const stateVersion = 1

// Again is what the next start of a step must know of the decisions about it.
type Again struct {
	Count int    `json:"count"` // of decisions to act again
	Own   int    `json:"own"`   // of those that no person took
	By    string `json:"by"`
	Force bool   `json:"force,omitempty"`
	// Forced is set when the policy Force was used: it is used once.
	Forced bool `json:"forced,omitempty"`
	// Before is the memo of the call after which it was decided.
	Before *plan.Memo `json:"before,omitempty"`
}

// prepare makes the maps and lists of a fresh state for n steps.
func (st *State) prepare(n int) {
	if st.Notes == nil {
		st.Notes = map[string]string{}
	}
	if st.Found == nil {
		st.Found = map[string]string{}
	}
	if st.Memos == nil {
		st.Memos = map[string]*plan.Memo{}
	}
	if st.Unsent == nil {
		st.Unsent = map[string]bool{}
	}
	if st.Dropped == nil {
		st.Dropped = map[string]bool{}
	}
	if st.Asked == nil {
		st.Asked = map[string]int64{}
	}
	if st.Attempts == nil {
		st.Attempts = map[string]int{}
	}
	if st.Again == nil {
		st.Again = map[string]Again{}
	}
	if st.Amended == nil {
		st.Amended = map[string]json.RawMessage{}
	}
	if st.Replans == nil {
		st.Replans = map[string]int{}
	}
	for len(st.BegunAt) < n {
		st.BegunAt = append(st.BegunAt, -1)
		st.EndedAt = append(st.EndedAt, -1)
	}
}
