package main

import (
	"log/slog"
	"path/filepath"
	"strings"
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
	"nightshift/workflows"
)

// Schedules go by the clock on the wall. In the nights in which that is set they start once, at the hour that was asked
// for, also where that hour is there twice (in the first of the two or the second); an hour that is left out starts nothing that night.
func TestSchedulesInTheNightsOfTheClockChange(t *testing.T) {
	c := embeddedClient(t)
	for name, s := range map[string]struct {
		when string
		days [2]string // from, until
		want []string
	}{
		"autumn, evening":                 {"0 22 * * *", [2]string{"2026-10-24", "2026-10-27"}, []string{"2026-10-24T20:00:00Z", "2026-10-25T21:00:00Z", "2026-10-26T21:00:00Z"}},
		"autumn, morning":                 {"30 6 * * *", [2]string{"2026-10-24", "2026-10-27"}, []string{"2026-10-24T04:30:00Z", "2026-10-25T05:30:00Z", "2026-10-26T05:30:00Z"}},
		"autumn, in the double hour":      {"30 2 * * *", [2]string{"2026-10-24", "2026-10-27"}, []string{"2026-10-24T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-26T01:30:00Z"}},
		"spring, evening":                 {"0 22 * * *", [2]string{"2027-03-27", "2027-03-30"}, []string{"2027-03-27T21:00:00Z", "2027-03-28T20:00:00Z", "2027-03-29T20:00:00Z"}},
		"spring, morning":                 {"30 6 * * *", [2]string{"2027-03-27", "2027-03-30"}, []string{"2027-03-27T05:30:00Z", "2027-03-28T04:30:00Z", "2027-03-29T04:30:00Z"}},
		"spring, in the hour that is not": {"30 2 * * *", [2]string{"2027-03-27", "2027-03-30"}, []string{"2027-03-27T01:30:00Z", "2027-03-29T00:30:00Z"}},
		"words: autumn":                   {"every day at 22:00", [2]string{"2026-10-24", "2026-10-27"}, []string{"2026-10-24T20:00:00Z", "2026-10-25T21:00:00Z", "2026-10-26T21:00:00Z"}},
		"words: in the double hour":       {"last Sunday of October at 02:30", [2]string{"2026-10-01", "2027-11-01"}, []string{"2026-10-25T01:30:00Z", "2027-10-31T01:30:00Z"}},
		"words: in the hour that is not":  {"last Sunday of March at 02:30", [2]string{"2027-03-01", "2029-04-01"}, nil},
		"words: the first of a month":     {"first Sunday of the month at 23:00", [2]string{"2027-02-01", "2027-05-01"}, []string{"2027-02-07T22:00:00Z", "2027-03-07T22:00:00Z", "2027-04-04T21:00:00Z"}},
		"words: the last, and a leap day": {"last Tuesday of February and April at 20:00", [2]string{"2027-01-01", "2029-01-01"}, []string{"2027-02-23T19:00:00Z", "2027-04-27T18:00:00Z", "2028-02-29T19:00:00Z", "2028-04-25T18:00:00Z"}},
		"words: the last day":             {"last day of the month at 12:00", [2]string{"2028-01-15", "2028-05-15"}, []string{"2028-01-31T11:00:00Z", "2028-02-29T11:00:00Z", "2028-03-31T10:00:00Z", "2028-04-30T10:00:00Z"}},
		"words: weekdays, twice":          {"weekdays at 06:00 and 18:00", [2]string{"2027-03-26", "2027-03-30"}, []string{"2027-03-26T05:00:00Z", "2027-03-26T17:00:00Z", "2027-03-29T04:00:00Z", "2027-03-29T16:00:00Z"}},
	} {
		t.Run(name, func(t *testing.T) {
			sched := runapi.Schedule{Name: "s" + time.Now().Format("150405.000000000"), Lab: "home", Runbook: "power-down", Cron: s.when, Zone: "Europe/Berlin"}
			if strings.Contains(s.when, " at ") {
				sched.Cron, sched.Calendar = "", s.when
			}
			err := (&temporalSchedules{c, "default"}).Add(t.Context(), sched)
			if s.want == nil {
				require.ErrorContains(t, err, "no day to come is like that")
				return
			}
			require.NoError(t, err)
			day := func(d string) *timestamppb.Timestamp {
				at, err := time.Parse("2006-01-02", d)
				require.NoError(t, err)
				return timestamppb.New(at)
			}
			r, err := c.WorkflowService().ListScheduleMatchingTimes(t.Context(), &workflowservice.ListScheduleMatchingTimesRequest{
				Namespace: "default", ScheduleId: sched.ID(), StartTime: day(s.days[0]), EndTime: day(s.days[1])})
			require.NoError(t, err)
			var got []string
			for _, at := range r.GetStartTime() {
				got = append(got, at.AsTime().Format(time.RFC3339))
			}
			require.Equal(t, s.want, got)
		})
	}
}

// embeddedClient is one of a Temporal server of its own, without a worker.
func embeddedClient(t *testing.T) client.Client {
	t.Helper()
	c, _ := embeddedServer(t)
	return c
}

// embeddedServer is such a client, and an environment by which commands find its server.
func embeddedServer(t *testing.T) (client.Client, fakeEnv) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "state")
	dir, err := statedir.Open(path)
	require.NoError(t, err)
	require.NoError(t, dir.Lock(t.Context()))
	server, err := engine.Start(t.Context(), engine.Options{Dir: dir, UIPort: -1, SearchAttributes: workflows.SearchAttributes(), Unsafe: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop()); require.NoError(t, dir.Close()) })
	c, err := client.Dial(client.Options{HostPort: server.Address(), Namespace: server.Namespace(), Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler))})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c, fakeEnv{"TEMPORAL_ADDRESS": server.Address(), "NIGHTSHIFT_STATE_DIR": path}
}
