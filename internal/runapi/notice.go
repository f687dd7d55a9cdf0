package runapi

import (
	"slices"
	"time"

	"nightshift/internal/plan"
)

// The workflow types behind what people are told.
const (
	NotifyType    = "Notify"    // one message, through every channel that wants it
	CaretakerType = "Caretaker" // looks for what no run sees
)

// CaretakerID is the workflow id of a lab's caretaker.
func CaretakerID(lab string) string { return "nightshift-caretaker-" + lab }

// An Event is something that people are told about. The words are those of the lab file: notifications.channels[].on.
type Event string

// The events. An ended run is told by its outcome.
const (
	EventApproval   Event = "approval" // a plan, or a new plan of what is left, waits for an approval
	EventBlocked    Event = "blocked"  // steps wait for a person
	EventStale      Event = "stale"    // a run woke late, and asks whether it may go on
	EventDeadline   Event = "deadline" // a run that waits for a person ends by itself soon
	EventDone       Event = Done
	EventPartial    Event = Partial
	EventRefused    Event = Refused
	EventSkipped    Event = Skipped
	EventAborted    Event = Aborted
	EventFailed     Event = Failed
	EventTerminated Event = "terminated" // a run was ended from outside, and left its locks
	EventMissed     Event = "missed"     // a schedule did not start its run
	EventDebt       Event = "debt"       // something is switched off for too long
	EventHold       Event = "hold"       // a hold ends soon, or has ended
	EventUPS        Event = "ups"        // the power failed, came back, or a UPS does not tell
	EventMessage    Event = "message"    // a step of a runbook says something to people
	EventTest       Event = "test"       // `nightshift notify test`; no channel can ask for it
)

// Events lists what a channel can ask for.
func Events() []Event {
	return []Event{EventApproval, EventBlocked, EventStale, EventDeadline, EventDone, EventPartial, EventRefused, EventSkipped,
		EventAborted, EventFailed, EventTerminated, EventMissed, EventDebt, EventHold, EventUPS, EventMessage}
}

// NeedsPerson tells whether somebody should do, or know, something: what a channel gets that does not say. A run that was skipped
// is of that kind: what was to happen that night has not happened.
func (e Event) NeedsPerson() bool { return e != EventDone }

// Bounds of a Notice: it goes into histories, and is read on a telephone.
const (
	MostNoticeSteps = 5
	MostNoticeLines = 10
)

// A Notice is what a run, or the caretaker, knows of an event. internal/notice puts it into words.
type Notice struct {
	Event   Event     `json:"event"`
	Lab     string    `json:"lab"`
	Runbook string    `json:"runbook,omitempty"`
	Run     string    `json:"run,omitempty"` // workflow id; empty: about no run
	At      time.Time `json:"at"`
	// Sheet is the run's, without its lists; nil where no run tells it. Steps are the first of the blocked ones, with their
	// reasons in Sheet.Notes; More is how many others there are.
	Sheet *Sheet      `json:"sheet,omitempty"`
	Steps []plan.Step `json:"steps,omitempty"`
	More  int         `json:"more,omitempty"`
	// Parameters are the run's.
	Parameters map[string]string `json:"parameters,omitempty"`

	// Channels are those that a step of a runbook has named; none: whoever wants the event.
	Channels []string `json:"channels,omitempty"`

	// Key tells what the caretaker says from all else that it says: one key is told once.
	Key string `json:"key,omitempty"`
	// Subject, Lines and Commands are of notices that no run tells.
	Subject  string    `json:"subject,omitempty"`
	Lines    []string  `json:"lines,omitempty"`
	Commands []Command `json:"commands,omitempty"`
}

// A Command is something to type, and what it is good for.
type Command struct {
	Type string `json:"type"`
	Why  string `json:"why"`
}

// Brief is the sheet for a notice: how the run stands, without its lists of steps, orders and signatures.
func (s Sheet) Brief() *Sheet {
	b := Sheet{Lab: s.Lab, Runbook: s.Runbook, Title: s.Title, By: s.By, Phase: s.Phase, Outcome: s.Outcome, Why: s.Why, Started: s.Started,
		Ended: s.Ended, Paused: s.Paused, Waiting: s.Waiting, Deadline: s.Deadline, Total: s.Total, Done: s.Done, Running: s.Running,
		Blocked: s.Blocked, Skipped: s.Skipped, Untouched: s.Untouched, Proposal: s.Proposal, Stale: s.Stale, Approval: s.Approval, Orphan: s.Orphan,
		Left: s.Left[:min(len(s.Left), MostNoticeLines)], Blockers: s.Blockers[:min(len(s.Blockers), MostNoticeLines)]}
	if s.Approvers != nil {
		b.Approvers = &plan.Approvers{Need: s.Approvers.Need}
	}
	return &b
}

// A NoticeCall asks for a notice to be sent through one channel.
type NoticeCall struct {
	Channel string `json:"channel"`
	Notice  Notice `json:"notice"`
}

// A Watch is what the caretaker remembers: what it has told, and how often each schedule had missed its time.
type Watch struct {
	Lab    string         `json:"lab"`
	Told   []Told         `json:"told,omitempty"`
	Missed map[string]int `json:"missed,omitempty"` // by the id of the schedule
}

// Told is when something was told.
type Told struct {
	Key string    `json:"key"`
	At  time.Time `json:"at"`
}

// keepTold is how long the caretaker remembers what it has told; whatever it tells once is over by then.
const keepTold = 60 * 24 * time.Hour

// Learn takes in what was seen, and answers what of it is to be told.
func (w *Watch) Learn(s Sighting, now time.Time) []Notice {
	tell := w.New(s)
	w.Missed = s.Missed
	w.Told = slices.DeleteFunc(w.Told, func(t Told) bool { return now.Sub(t.At) > keepTold })
	for _, n := range tell {
		w.Told = append(w.Told, Told{n.Key, now})
	}
	return tell
}

// New is what of the sighting has not been told yet.
func (w Watch) New(s Sighting) (tell []Notice) {
	for _, n := range s.Notices {
		same := func(key string) bool { return key == n.Key }
		told := slices.ContainsFunc(w.Told, func(t Told) bool { return same(t.Key) })
		if !told && !slices.ContainsFunc(tell, func(o Notice) bool { return same(o.Key) }) {
			tell = append(tell, n)
		}
	}
	return tell
}

// A Sighting is what the caretaker's look at the lab found.
type Sighting struct {
	Notices []Notice       `json:"notices,omitempty"`
	Missed  map[string]int `json:"missed,omitempty"`
	// Idle says that nobody wants to be told anything: the caretaker ends.
	Idle bool `json:"idle,omitempty"`
}
