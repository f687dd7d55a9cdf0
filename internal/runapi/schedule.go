package runapi

import (
	"time"

	"nightshift/internal/plan"
)

// A Schedule starts a runbook by the clock: what a person said, and what became of it.
type Schedule struct {
	Name    string `json:"name"`
	Lab     string `json:"lab"`
	Runbook string `json:"runbook"`
	// Cron or Calendar says when, in the time zone: five fields, or words such as "first Sunday of the month at 23:00".
	Cron       string            `json:"cron,omitempty"`
	Calendar   string            `json:"calendar,omitempty"`
	Zone       string            `json:"zone"`             // IANA name
	Jitter     plan.Duration     `json:"jitter,omitempty"` // each run starts up to so much later
	Until      string            `json:"until,omitempty"`  // the last day, 2027-01-31
	Parameters map[string]string `json:"parameters,omitempty"`
	// OnFailure and Deadline take the place of the runbook's in the lab file.
	OnFailure plan.OnFailure `json:"onFailure,omitempty"`
	Deadline  plan.Duration  `json:"deadline,omitempty"`
	Paused    bool           `json:"paused"`
	Note      string         `json:"note,omitempty"` // who paused it and why
	// Approval: its runs wait for an approval, as the lab file demands.
	Approval bool `json:"approval,omitempty"`
	// Steps: its runbook is a file of the user's own.
	Steps bool `json:"steps,omitempty"`
	// Declared: the lab file declares it, and `nightshift apply` made it.
	Declared bool `json:"declared,omitempty"`

	Next    time.Time   `json:"next,omitzero"`
	Times   []time.Time `json:"times,omitempty"` // the next five
	LastRun string      `json:"lastRun,omitempty"`
	LastAt  time.Time   `json:"lastAt,omitzero"`   // when that was to start
	Outcome string      `json:"outcome,omitempty"` // of the last run, or its phase
	Why     string      `json:"why,omitempty"`     // of a last run that was skipped
	Missed  int         `json:"missed,omitempty"`  // not started, because it was too late
	Skipped int         `json:"skipped,omitempty"` // not started, because the run before was still under way
}

// ID is the schedule's in Temporal, and the beginning of the ids of its runs.
func (s Schedule) ID() string { return s.Runbook + "-" + s.Lab + "-" + s.Name }

// When is the schedule's time in words.
func (s Schedule) When() string {
	when := s.Calendar
	if when == "" {
		when = `"` + s.Cron + `"`
	}
	return when + " " + s.Zone
}

// ScheduleMemo is the key under which a schedule, and the runs that it starts, keep what a person said of it.
const ScheduleMemo = "nightshift"

// ScheduledRuns is how many of the next times of a schedule are told.
const ScheduledRuns = 5
