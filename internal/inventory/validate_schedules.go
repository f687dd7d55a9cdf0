package inventory

import (
	"errors"
	"fmt"
	"regexp"
	"time"

	"nightshift/internal/calendar"
	"nightshift/internal/plan"
	"nightshift/internal/runapi"
	"nightshift/internal/words"
)

var scheduleName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,39}$`)

// mostJitter is how much later than its time a run may start.
const mostJitter = plan.Duration(12 * time.Hour)

// schedules checks all of a schedule but its runbook and parameters, which package runbooks knows.
func (c *checker) schedules() {
	seen := map[string]string{}
	for i, s := range c.f.Schedules {
		at := fmt.Sprintf("schedules[%d]", i)
		if c.has(at+".name") && !scheduleName.MatchString(s.Name) {
			c.add(at+".name", fmt.Sprintf("%q is no name for a schedule", s.Name), "lower-case letters, digits and dashes, at most 40")
		}
		c.unique(seen, s.Name, at+".name", "the schedule "+s.Name)
		c.when(at, s)
		c.approvable(at, s)
		if c.has(at+".zone") && !knownZone(s.Zone) {
			c.add(at+".zone", fmt.Sprintf("the time zone %q is not known", s.Zone), "an IANA name: Europe/Berlin, America/New_York, UTC")
		}
		if s.Jitter > mostJitter {
			c.add(at+".jitter", fmt.Sprintf("%s is too long", s.Jitter), "at most "+mostJitter.String())
		}
		if _, err := time.Parse(time.DateOnly, s.Until); c.has(at+".until") && err != nil {
			c.add(at+".until", fmt.Sprintf("%q is no day", s.Until), `the last day, in quotes: "2027-01-31"`)
		}
	}
}

func (c *checker) when(at string, s Schedule) {
	switch {
	case c.has(at+".calendar") && c.has(at+".cron"):
		c.add(at+".cron", "there is a calendar and a cron expression", "keep one of them")
	case c.has(at + ".calendar"):
		_, err := calendar.Parse(s.Calendar)
		if wrong := (*calendar.Error)(nil); errors.As(err, &wrong) {
			c.add(at+".calendar", fmt.Sprintf("%q: %s", wrong.Words, wrong.Problem), calendar.Forms)
		}
	case c.has(at + ".cron"):
		if err := calendar.CheckCron(s.Cron); err != nil {
			c.add(at+".cron", err.Error(), `"0 23 * * *"`)
		}
	case !c.unread[at]:
		c.add(at, "it is not said when", `add calendar: "every day at 23:00", or cron: "0 23 * * *"`)
	}
}

// approvable refuses a schedule whose runs nobody could ever approve.
func (c *checker) approvable(at string, s Schedule) {
	people := "runbooks." + s.Runbook + ".approvers.of"
	a := c.f.Runbooks[s.Runbook].Approvers
	if a == nil || !c.has(at+".runbook") || !c.has(people) || len(a.Of) == 0 || len(a.Of) >= runapi.LeastForSchedule {
		return
	}
	c.add(at+".runbook", fmt.Sprintf("what a schedule asks for takes %d signed approvals, as nobody signs for a schedule, and only %s may approve %s",
		runapi.LeastForSchedule, words.CountOf(len(a.Of), "person", "people"), s.Runbook), fmt.Sprintf("at least %d people in %s", runapi.LeastForSchedule, people))
}

func knownZone(name string) bool {
	_, err := time.LoadLocation(name)
	return err == nil && name != "" && name != "Local"
}
