package plan

import (
	"encoding/json"
	"time"

	"nightshift/internal/words"
)

// A Call is what the activity of a step gets.
type Call struct {
	Run     string          `json:"run"` // workflow id
	Lab     string          `json:"lab"`
	Runbook string          `json:"runbook"`
	Step    string          `json:"step"`
	Title   string          `json:"title"`
	Target  Target          `json:"target"`
	Params  json.RawMessage `json:"params,omitempty"`
	// Memo is what an earlier attempt left: an attempt with a memo never acts, it observes.
	Memo *Memo `json:"memo,omitempty"`
	// Force is set by the policy Force after a failure, or by an operator.
	Force bool `json:"force,omitempty"`
	// Decision counts the recorded decisions to act again: 0 at first. By says who took the last one.
	Decision int    `json:"decision,omitempty"`
	By       string `json:"by,omitempty"`
	// Resolute: there is nobody to ask, and no time, as in a power cut (runapi.Params).
	Resolute bool `json:"resolute,omitempty"`
	// Before is the memo of the attempt after which it was decided to act again. Evidence only: it forbids nothing.
	Before *Memo `json:"before,omitempty"`
}

// A Memo says that a step has sent, or was about to send, a call that changes the world.
type Memo struct {
	Intent string    `json:"intent"`         // what was sent, in a person's words: "the shutdown of guest web01"
	Phase  string    `json:"phase"`          // which of the step's calls it was: an action's own word
	At     time.Time `json:"at"`             // when
	Task   string    `json:"task,omitempty"` // reference to ask about: a vCenter task's managed object id
	// Earlier are the intents before this one, oldest first: a step that escalates has sent more than one call.
	Earlier []string `json:"earlier,omitempty"`
	// Answered says that the call was answered with yes: it arrived. Without it nobody knows.
	Answered bool `json:"answered,omitempty"`
	// Tasks are the tasks that the vCenter knew of the object before the call: one that is not among them came after it.
	Tasks []string `json:"tasks,omitempty"`
	// Progress is how far a stream is.
	Progress *Progress `json:"progress,omitempty"`
	// GuestsOff is when all guests of the host were last seen off. Power is never cut without it.
	GuestsOff time.Time `json:"guestsOff,omitzero"`
}

// Sent says whether the memo is about a call. A step that only waits leaves one without, for the time when it began.
func (m *Memo) Sent() bool { return m != nil && m.Phase != "" }

// NothingSent is the detail of the error of a step that has not sent any call.
const NothingSent = "nothing was sent"

// An Outcome is what the activity of a step returns. At most one of Yield, Replan, End and Unclear is set; none: the step is done.
type Outcome struct {
	// Note is what there is to say: "was already off". Evidence is what was read to know it.
	Note     string `json:"note,omitempty"`
	Evidence string `json:"evidence,omitempty"`
	// Found is what a step that only looks has found, for people: a table of several lines, at most MostFound bytes.
	Found string `json:"found,omitempty"`
	// Acted tells whether this attempt, or one before it, sent a call that changes the world.
	Acted bool `json:"acted,omitempty"`
	// Yield says: I wait for something that is under way; call me again with this.
	Yield *Memo `json:"yield,omitempty"`
	// Replan says, in a person's words, that the lab is not any more as it was planned: "guest web01 is on host esx22 now".
	// The step has sent nothing and asks for a new plan of what is left (an amendment).
	Replan string `json:"replan,omitempty"`
	// End says, in a person's words, why the run ends in order here, without being a failure: "the mains are back". The step is done.
	End string `json:"end,omitempty"`
	// Unclear says: something was, or may have been, sent, and what was wanted isn't coming.
	Unclear *Unclear `json:"unclear,omitempty"`
}

// MostFound bounds Outcome.Found: it goes through the history of its run, and each answer about it.
const MostFound = 64 << 10

// Unclear is the end of a step whose call was sent and whose effect doesn't come.
type Unclear struct {
	What     string `json:"what"`     // "the shutdown of host esx21 was sent at 23:01:02, but the host is still up"
	Evidence string `json:"evidence"` // what was read
	// NeverArrived is set where the evidence proves that the call did not take effect (no task of it, nothing changed),
	// or where it is harmless to send it twice: then the executor records the decision and acts again, once.
	NeverArrived bool `json:"neverArrived,omitempty"`
	Memo         Memo `json:"memo"`
}

// Progress is how far something is that is measured in bytes.
type Progress struct {
	Bytes int64    `json:"bytes"`           // that have been sent, in this and earlier attempts
	Total int64    `json:"total"`           // about; 0: not known
	Rate  int64    `json:"rate,omitempty"`  // bytes per second, of the last while
	Left  Duration `json:"left,omitempty"`  // about; 0: not known
	Waits string   `json:"waits,omitempty"` // why nothing moves: a host is away
}

// MarshalJSON puts the words of String before the numbers: Temporal's UI shows a heartbeat as the JSON that it is.
func (p Progress) MarshalJSON() ([]byte, error) {
	type numbers Progress
	return json.Marshal(struct {
		Text string `json:"text"`
		numbers
	}{p.String(), numbers(p)})
}

// String is for people: "120 MiB of 1.2 GiB, 6.5 MiB/s, 3 min left".
func (p Progress) String() string {
	s := words.Bytes(p.Bytes)
	if p.Total > 0 {
		s += " of " + words.Bytes(p.Total)
	}
	if p.Rate > 0 {
		s += ", " + words.Bytes(p.Rate) + "/s"
	}
	if p.Left > 0 {
		s += ", about " + words.Roughly(time.Duration(p.Left)) + " left"
	}
	if p.Waits != "" {
		s += ", waits for a host: " + p.Waits
	}
	return s
}
