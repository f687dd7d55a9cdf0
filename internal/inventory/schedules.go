package inventory

import "nightshift/internal/plan"

// A Schedule starts a runbook by the clock. `nightshift apply` makes it.
type Schedule struct {
	Name    string `json:"name" jsonschema:"pattern=^[a-z0-9][a-z0-9-]*$,maxLength=40"` // lower-case letters, digits and dashes
	Runbook string `json:"runbook"`                                                     // by its catalog name: "power-down"
	// Calendar says when in words: "every day at 23:00", "weekdays at 22:30", "Monday and Thursday at 06:00", "first Sunday of
	// the month at 23:00", "last Friday of January and July at 20:00", "day 15 of the month at 04:00".
	Calendar string `json:"calendar,omitempty"`
	// Cron says when in five fields: minute hour day month weekday. One of Calendar and Cron.
	Cron string `json:"cron,omitempty"`
	// Zone is the IANA name of the time zone: Europe/Berlin.
	Zone string `json:"zone"`
	// Jitter lets each run start up to so much later, by chance.
	Jitter plan.Duration `json:"jitter,omitempty"`
	// Until is the last day on which it starts runs: "2027-01-31".
	Until string `json:"until,omitempty"`
	// Parameters are those of the runbook, each as text: {host: "esx21,esx22"}.
	Parameters map[string]string `json:"parameters,omitempty"`
	// OnFailure and Deadline take the place of the runbook's settings; a step that skips or aborts by itself does so still.
	OnFailure plan.OnFailure `json:"onFailure,omitempty" jsonschema:"enum=ask,enum=skip,enum=force,enum=abort"`
	Deadline  plan.Duration  `json:"deadline,omitempty"`
	// Paused lets it start no runs, or lets it again. Without it, `schedule pause` and `resume` decide.
	Paused *bool `json:"paused,omitempty"`
}

// Schedule finds a schedule by its name.
func (l *Lab) Schedule(name string) (*Schedule, bool) {
	return find(l.Schedules, func(s *Schedule) bool { return s.Name == name })
}
