package inventory_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/inventory"
	"nightshift/internal/plan"
)

const withSchedule = `
lab: home
self: {outside: true}
vcenters: [{name: vc, url: "https://vc", user: u, password: "env:P"}]
hosts: [{name: esx1}]
runbooks: {power-down: {onStale: stop}}
schedules:
  - name: nightly
    runbook: power-down
    calendar: last Friday of the month at 20:00
    zone: Europe/Prague
    jitter: 5m
    until: "2027-01-31"
    parameters: {host: "esx1"}
    onFailure: skip
    deadline: 2h
    paused: true
`

func TestSchedules(t *testing.T) {
	lab, err := inventory.Parse("lab.yaml", []byte(withSchedule))
	require.NoError(t, err)
	yes := true
	want := inventory.Schedule{Name: "nightly", Runbook: "power-down", Calendar: "last Friday of the month at 20:00", Zone: "Europe/Prague",
		Jitter: plan.Duration(5 * time.Minute), Until: "2027-01-31", Parameters: map[string]string{"host": "esx1"}, OnFailure: plan.Skip,
		Deadline: plan.Duration(2 * time.Hour), Paused: &yes}
	require.Equal(t, []inventory.Schedule{want}, lab.Schedules)
	got, ok := lab.Schedule("nightly")
	require.True(t, ok)
	require.Equal(t, want, *got)
	_, ok = lab.Schedule("weekly")
	require.False(t, ok)
	require.Equal(t, "stop", lab.Settings("power-down").OnStale, "what an unattended run does that wakes late")

	e := lab.Complain("schedules[0].parameters.tag", "no", "")
	require.Equal(t, 14, e.Line, "the nearest place that is written down")
	require.EqualError(t, lab.Complain("nowhere", "no", ""), "lab.yaml: nowhere: no")
}
