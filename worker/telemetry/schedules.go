package telemetry

import (
	"context"
	"fmt"

	"nightshift/activities"
	"nightshift/internal/runapi"
)

// lastRuns is how many of a schedule's runs that were done are looked at for the last one: the server does not sort its list.
const lastRuns = 1000

func (s *source) schedules(ctx context.Context) ([]schedule, error) {
	list, err := activities.ScheduleReader{Temporal: s.client}.List(ctx, s.lab)
	if err != nil {
		return nil, err
	}
	all := make([]schedule, 0, len(list))
	for _, x := range list {
		one := schedule{name: x.Name, runbook: x.Runbook, paused: x.Paused, next: x.Next, missed: x.Missed, skipped: x.Skipped}
		done, err := s.list(ctx, s.query(fmt.Sprintf("TemporalScheduledById = '%s' AND Outcome = '%s'", x.ID(), runapi.Done)), lastRuns)
		if err != nil {
			return all, err
		}
		for _, e := range done {
			if at := e.GetCloseTime().AsTime(); e.GetCloseTime() != nil && at.After(one.success) {
				one.success = at
			}
		}
		all = append(all, one)
	}
	return all, nil
}
