package runapi

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/plan"
)

func commands(list []Command) (types []string) {
	for _, c := range list {
		types = append(types, c.Type)
	}
	return types
}

// Only what the run takes is told: see checkSteps of the run.
func TestGoOnNamesTheCommandsThatTheRunTakes(t *testing.T) {
	minute := plan.Duration(time.Minute)
	db := plan.Step{ID: "shutdown-guest:my db", Action: plan.ShutdownGuest, Params: plan.Encode(plan.ShutdownGuestParams{Timeout: minute})}
	check := plan.Step{ID: "check-guest:db", Action: plan.CheckGuest}
	retry, force := "nightshift retry run-1 'shutdown-guest:my db'", "nightshift retry run-1 'shutdown-guest:my db' --force"
	skip, abort := "nightshift skip run-1 'shutdown-guest:my db' --reason WHY", "nightshift abort run-1 --reason WHY"
	signed := Sheet{Approval: true, Approvers: &plan.Approvers{Need: 1}}

	require.Equal(t, []string{retry, retry + " -p method=suspend", force, skip}, commands(Sheet{}.GoOn("run-1", db)))
	asked := Sheet{Orders: []Record{{Verb: Retry, Order: Order{Steps: []string{db.ID}, Params: map[string]any{"method": "suspend"}}}}}
	require.Equal(t, []string{retry, force, skip}, commands(asked.GoOn("run-1", db)), "what an operator has tried is not offered again")
	host := plan.Step{ID: "shutdown-host:esx1", Action: plan.ShutdownHost, Params: plan.Encode(plan.ShutdownHostParams{Timeout: minute})}
	require.Contains(t, commands(Sheet{}.GoOn("run-1", host)), "nightshift retry run-1 shutdown-host:esx1 -p noRights=graceful", "as its own text recommends")
	require.NotContains(t, commands(Sheet{Approval: true}.GoOn("run-1", host)), "nightshift retry run-1 shutdown-host:esx1 -p noRights=graceful")
	require.Equal(t, []string{retry, abort, skip}, commands(Sheet{Approval: true}.GoOn("run-1", db)), "an approved plan is not changed")
	require.Equal(t, []string{retry, abort}, commands(signed.GoOn("run-1", db)), "neither is a step that acts left out of a signed one")
	require.Equal(t, []string{"nightshift retry run-1 --all", "nightshift retry run-1 --all -p noRights=graceful", "nightshift retry run-1 --all --force",
		"nightshift skip run-1 STEP… --reason WHY"}, commands(Sheet{}.GoOnAll("run-1", host)))
	require.Equal(t, []string{"nightshift confirm run-1 ask", abort}, commands(Sheet{}.GoOnAll("run-1", plan.Step{ID: "ask", Action: plan.Confirm})))
	for _, s := range []Sheet{{}, {Approval: true}, signed} {
		require.Equal(t, []string{"nightshift retry run-1 check-guest:db", "nightshift skip run-1 check-guest:db --reason WHY"}, commands(s.GoOn("run-1", check)),
			"one that only waits may be skipped")
		require.Equal(t, []string{"nightshift confirm run-1 ask", abort}, commands(s.GoOn("run-1", plan.Step{ID: "ask", Action: plan.Confirm})))
	}
}

func TestHarsher(t *testing.T) {
	require.Empty(t, Harsher(plan.Step{Action: plan.EnterMaintenance}))
	require.NotEmpty(t, Harsher(plan.Step{Action: plan.ShutdownHost}))
	require.Empty(t, Harsher(plan.Step{Action: plan.ShutdownGuest, Params: plan.Encode(plan.ShutdownGuestParams{Method: plan.PowerOffGuest})}), "it is the harshest already")
}
