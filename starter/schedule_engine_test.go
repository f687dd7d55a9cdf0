package main

import (
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/converter"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
)

// What a schedule is told is what its runs are told, after a change too, and what it has counted stays.
func TestSchedulesOnTheEmbeddedEngine(t *testing.T) {
	c := embeddedClient(t)
	s := &temporalSchedules{c, "default"}
	ctx := t.Context()
	require.ErrorContains(t, s.Add(ctx, runapi.Schedule{Name: "x", Lab: "home", Runbook: "no-such", Cron: "0 6 * * *", Zone: "UTC"}), "no runbook")
	weekly := runapi.Schedule{Name: "weekly", Lab: "home", Runbook: "power-up", Calendar: "first Sunday of the month at 06:00", Zone: "Europe/Berlin",
		Parameters: map[string]string{"tag": "T"}, OnFailure: plan.Skip, Deadline: plan.Duration(time.Hour), Declared: true}
	require.NoError(t, s.Add(ctx, weekly))
	require.ErrorContains(t, s.Add(ctx, weekly), "there is a schedule weekly already")
	elsewhere := newConsole(t, &fakeLab{}) // backups of headers, as docs/vmfs.md has it, of another lab
	storageAlone(t)
	text, err := os.ReadFile("lab.yaml")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile("lab.yaml", []byte(strings.Replace(string(text), "lab: home", "lab: elsewhere", 1)), 0o600))
	elsewhere.dial = func(context.Context, where) (*session, error) {
		s := newSession(c, where{Lab: "elsewhere"})
		s.close = nil // the test's
		return s, nil
	}
	backups := []string{"schedule", "add", "vmfs", "vmfs-backup", "--cron", "0 3 * * *", "--zone", "UTC", "-p", "on=ss1"}
	require.Equal(t, exitUsage, elsewhere.run(append(backups, "-p", "keep=many")...))
	require.Equal(t, exitUsage, elsewhere.run(append(backups, "-p", "tag=T")...), "a parameter of another runbook")
	require.Equal(t, exitDone, elsewhere.run(append(backups, "-p", "keep=7")...), elsewhere.stderr)

	var list []runapi.Schedule
	look := func() runapi.Schedule {
		require.Eventually(t, func() bool { // the list lags behind
			var err error
			list, err = s.List(ctx, "home")
			return err == nil && len(list) == 1
		}, time.Minute, 100*time.Millisecond)
		return list[0]
	}
	asMade := func(want runapi.Schedule, end time.Time) { // as the server has it
		t.Helper()
		d, err := c.ScheduleClient().GetHandle(ctx, want.ID()).Describe(ctx)
		require.NoError(t, err)
		require.Equal(t, enums.SCHEDULE_OVERLAP_POLICY_SKIP, d.Schedule.Policy.Overlap, "never a second run beside one")
		require.Equal(t, 10*time.Minute, d.Schedule.Policy.CatchupWindow, "no lab goes down at noon as nightshift slept at midnight")
		require.Equal(t, time.Duration(want.Jitter), d.Schedule.Spec.Jitter)
		require.True(t, end.Equal(d.Schedule.Spec.EndAt), "%s", d.Schedule.Spec.EndAt)
	}
	asMade(weekly, time.Time{})
	got := look()
	require.Len(t, got.Times, runapi.ScheduledRuns)
	require.True(t, got.Next.Equal(got.Times[0]))
	got.Next, got.Times = time.Time{}, nil
	require.Equal(t, weekly, got)

	run, err := s.Trigger(ctx, "home", "weekly")
	require.NoError(t, err)
	require.Contains(t, run, weekly.ID()+"-")
	_, err = s.Trigger(ctx, "home", "weekly")
	require.ErrorContains(t, err, "no second run beside "+run)
	require.Equal(t, run, look().LastRun)

	was := weekly
	weekly.Calendar, weekly.Cron, weekly.Jitter, weekly.Until, weekly.Paused, weekly.Note = "", "30 5 * * *", plan.Duration(time.Minute), "2090-01-31", true, "paused by ann"
	require.NoError(t, s.Change(ctx, was, weekly))
	asMade(weekly, time.Date(2090, 1, 31, 22, 59, 59, 0, time.UTC)) // the day's last second in Berlin
	require.Eventually(t, func() bool { got = look(); return got.Cron != "" }, time.Minute, 100*time.Millisecond)
	require.Equal(t, run, got.LastRun, "what it has counted stays")
	got.LastRun, got.LastAt = "", time.Time{}
	require.Equal(t, weekly, got)
	require.NoError(t, s.Pause(ctx, "home", "weekly", false, "resumed by bob"))
	require.Eventually(t, func() bool { got = look(); return !got.Paused }, time.Minute, 100*time.Millisecond)

	// Somebody pauses it while another one looks at the difference: the pause stands.
	seen := weekly
	seen.Paused, seen.Note = false, ""
	require.NoError(t, s.Pause(ctx, "home", "weekly", true, "not tonight"))
	require.NoError(t, s.Change(ctx, seen, seen))
	described, err := c.ScheduleClient().GetHandle(ctx, weekly.ID()).Describe(ctx)
	require.NoError(t, err)
	require.True(t, described.Schedule.State.Paused)
	require.Equal(t, "not tonight", described.Schedule.State.Note)
	require.NoError(t, s.Pause(ctx, "home", "weekly", false, "resumed by bob"))
	require.Eventually(t, func() bool { got = look(); return !got.Paused }, time.Minute, 100*time.Millisecond)
	require.NotEmpty(t, got.Times)
	for _, at := range got.Times {
		local, err := time.LoadLocation("Europe/Berlin")
		require.NoError(t, err)
		require.Equal(t, 5, at.In(local).Hour())
	}

	begun := func(run, workflow string, want runapi.Params) {
		t.Helper()
		h := c.GetWorkflowHistory(ctx, run, "", false, 0)
		e, err := h.Next()
		require.NoError(t, err)
		began := e.GetWorkflowExecutionStartedEventAttributes()
		require.Equal(t, workflow, began.GetWorkflowType().GetName())
		require.Equal(t, plan.TaskQueue(want.Lab), began.GetTaskQueue().GetName())
		var p runapi.Params
		require.NoError(t, converter.GetDefaultDataConverter().FromPayloads(began.GetInput(), &p))
		require.Equal(t, want, p)
	}
	begun(run, plan.PowerUpWorkflow, runapi.Params{Lab: "home", Runbook: "power-up", Parameters: map[string]string{"tag": "T"}, By: "schedule weekly", Approved: true, Scheduled: true,
		OnFailure: plan.Skip, Deadline: plan.Duration(time.Hour)})
	require.Eventually(t, func() bool { return elsewhere.run("schedule", "trigger", "vmfs", "-o", "json") == exitDone }, time.Minute, 100*time.Millisecond, elsewhere.stderr)
	var triggered struct{ Run string }
	require.NoError(t, json.Unmarshal(elsewhere.stdout.Bytes(), &triggered), elsewhere.stdout)
	begun(triggered.Run, plan.VMFSBackupWorkflow, runapi.Params{Lab: "elsewhere", Runbook: "vmfs-backup", Parameters: map[string]string{"on": "ss1", "keep": "7"},
		By: "schedule vmfs", Approved: true, Scheduled: true})

	from := time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)
	times, err := s.Times(ctx, "home", "weekly", from, from.AddDate(0, 0, 3))
	require.NoError(t, err)
	require.Len(t, times, 3)
	require.NoError(t, c.TerminateWorkflow(ctx, run, "", "test"))
	require.NoError(t, s.Backfill(ctx, "home", "weekly", from, from.AddDate(0, 0, 3)))
	require.Eventually(t, func() bool { return look().LastRun != run }, time.Minute, 100*time.Millisecond)

	require.NoError(t, s.Remove(ctx, "home", "weekly"))
	require.ErrorContains(t, s.Remove(ctx, "home", "no-such"), "has no schedule no-such")
}
