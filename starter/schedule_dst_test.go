package main

import (
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"google.golang.org/protobuf/types/known/timestamppb"

	"nightshift/internal/engine"
	"nightshift/internal/runapi"
	"nightshift/internal/statedir"
)

// Schedules go by the clock on the wall. In the nights in which that is set they start once, at the hour that was asked
// for, also where that hour is there twice; an hour that is left out starts nothing that night.
func TestSchedulesInTheNightsOfTheClockChange(t *testing.T) {
	dir, err := statedir.Open(filepath.Join(t.TempDir(), "state"))
	require.NoError(t, err)
	require.NoError(t, dir.Lock(t.Context()))
	server, err := engine.Start(t.Context(), engine.Options{Dir: dir, UIPort: -1, Unsafe: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop()); require.NoError(t, dir.Close()) })
	c, err := client.Dial(client.Options{HostPort: server.Address(), Namespace: server.Namespace(), Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler))})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	for name, s := range map[string]struct {
		cron string
		days [2]string // from, until
		want []string
	}{
		"autumn, evening":                 {"0 22 * * *", [2]string{"2026-10-24", "2026-10-27"}, []string{"2026-10-24T20:00:00Z", "2026-10-25T21:00:00Z", "2026-10-26T21:00:00Z"}},
		"autumn, morning":                 {"30 6 * * *", [2]string{"2026-10-24", "2026-10-27"}, []string{"2026-10-24T04:30:00Z", "2026-10-25T05:30:00Z", "2026-10-26T05:30:00Z"}},
		"autumn, in the double hour":      {"30 2 * * *", [2]string{"2026-10-24", "2026-10-27"}, []string{"2026-10-24T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-26T01:30:00Z"}},
		"spring, evening":                 {"0 22 * * *", [2]string{"2027-03-27", "2027-03-30"}, []string{"2027-03-27T21:00:00Z", "2027-03-28T20:00:00Z", "2027-03-29T20:00:00Z"}},
		"spring, morning":                 {"30 6 * * *", [2]string{"2027-03-27", "2027-03-30"}, []string{"2027-03-27T05:30:00Z", "2027-03-28T04:30:00Z", "2027-03-29T04:30:00Z"}},
		"spring, in the hour that is not": {"30 2 * * *", [2]string{"2027-03-27", "2027-03-30"}, []string{"2027-03-27T01:30:00Z", "2027-03-29T00:30:00Z"}},
	} {
		t.Run(name, func(t *testing.T) {
			sched := schedule{Name: "s" + time.Now().Format("150405.000000000"), Lab: "home", Runbook: "power-down", Cron: s.cron, Zone: "Europe/Berlin", workflow: runapi.PowerDownType}
			require.NoError(t, (&temporalSchedules{c}).Add(t.Context(), sched))
			day := func(d string) *timestamppb.Timestamp {
				at, err := time.Parse("2006-01-02", d)
				require.NoError(t, err)
				return timestamppb.New(at)
			}
			r, err := c.WorkflowService().ListScheduleMatchingTimes(t.Context(), &workflowservice.ListScheduleMatchingTimesRequest{
				Namespace: "default", ScheduleId: sched.id(), StartTime: day(s.days[0]), EndTime: day(s.days[1])})
			require.NoError(t, err)
			var got []string
			for _, at := range r.GetStartTime() {
				got = append(got, at.AsTime().Format(time.RFC3339))
			}
			require.Equal(t, s.want, got)
		})
	}
}
