package main

import (
	"time"

	"go.temporal.io/sdk/client"

	"nightshift/internal/calendar"
	"nightshift/internal/runapi"
)

// scheduleSpec is when a schedule starts its runs, as Temporal takes it.
func scheduleSpec(s runapi.Schedule) (*client.ScheduleSpec, error) {
	spec := &client.ScheduleSpec{TimeZoneName: s.Zone, Jitter: time.Duration(s.Jitter)}
	switch {
	case s.Calendar != "":
		times, err := calendar.Parse(s.Calendar)
		if err != nil {
			return nil, usage("%w", err)
		}
		for _, t := range times {
			spec.Calendars = append(spec.Calendars, client.ScheduleCalendarSpec{
				Minute: []client.ScheduleRange{{Start: t.Minute}}, Hour: []client.ScheduleRange{{Start: t.Hour}},
				DayOfMonth: scheduleRanges(t.Days), Month: scheduleRanges(t.Months), Year: scheduleRanges(t.Years), DayOfWeek: scheduleRanges(t.Weekdays),
			})
		}
	default:
		if err := calendar.CheckCron(s.Cron); err != nil {
			return nil, usage("%w", err)
		}
		spec.CronExpressions = []string{s.Cron}
	}
	if s.Until == "" {
		return spec, nil
	}
	end, err := endOf(s.Until, s.Zone)
	spec.EndAt = end
	return spec, err
}

func scheduleRanges(list []calendar.Range) (out []client.ScheduleRange) {
	for _, r := range list {
		out = append(out, client.ScheduleRange{Start: r.From, End: r.To, Step: r.Step})
	}
	return out
}

// endOf is the last second of a day in a time zone.
func endOf(day, zone string) (time.Time, error) {
	at, err := time.LoadLocation(zone)
	if err != nil {
		return time.Time{}, usage("time zone %q is not known: %w", zone, err)
	}
	t, err := time.ParseInLocation(time.DateOnly, day, at)
	if err != nil {
		return time.Time{}, usage("until %q: write the last day as 2027-01-31", day)
	}
	return t.AddDate(0, 0, 1).Add(-time.Second), nil
}
