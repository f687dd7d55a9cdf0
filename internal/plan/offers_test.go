package plan

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What is offered is taken, and is not offered once more to the step that has it.
func TestOffersAreTaken(t *testing.T) {
	minute := Duration(time.Minute)
	for name, tc := range map[string]struct {
		step Step
		want []string
	}{
		"a guest":                   {Step{Action: ShutdownGuest, Params: Encode(ShutdownGuestParams{Timeout: minute})}, []string{"-p method=suspend"}},
		"one that is suspended":     {Step{Action: ShutdownGuest, Params: Encode(ShutdownGuestParams{Timeout: minute, Method: SuspendGuest})}, nil},
		"a host":                    {Step{Action: ShutdownHost, Params: Encode(ShutdownHostParams{Timeout: minute})}, []string{"-p noRights=graceful"}},
		"one that its BMC is asked": {Step{Action: ShutdownHost, Params: Encode(ShutdownHostParams{Timeout: minute, Via: ViaBMC})}, nil},
		"an application":            {Step{Action: StopApplication, Params: Encode(ApplicationParams{Application: "sql", Timeout: 10 * minute})}, []string{"-p timeout=20m"}},
		"a command":                 {Step{Action: RunCommand, Params: Encode(CommandParams{Machine: "nas", Run: []string{"true"}, Timeout: 45 * minute / 60})}, []string{"-p timeout=1m30s"}},
		"a program":                 {Step{Action: RunInGuest, Params: Encode(GuestCommandParams{Run: []string{"true"}, Timeout: minute})}, []string{"-p timeout=2m"}},
		"one that waits":            {Step{Action: AwaitHost, Params: Encode(HostParams{Host: "esx1"})}, nil},
		"one without parameters":    {Step{Action: PowerOnGuest}, nil},
	} {
		var args []string
		for _, o := range tc.step.Offers() {
			args = append(args, o.Arg())
			amended, err := Amend(tc.step.Action, tc.step.Params, map[string]any{o.Param: o.Value})
			require.NoError(t, err, "%s: %s", name, o.Arg())
			require.NotEmpty(t, o.Why)
			after := tc.step
			after.Params = amended
			require.NotContains(t, after.Offers(), o, name)
		}
		require.Equal(t, tc.want, args, name)
	}
}

// An action that gets a parameter which a person may decide about says so in Offers, or here why not.
func TestEveryDecisionIsOffered(t *testing.T) {
	not := map[Action][]string{
		ShutdownGuest: {"onTimeout", "noTools", "timeout"}, // method says the same for both; to try again is to wait once more
		ShutdownHost:  {"via", "onTimeout", "timeout"},     // noRights asks the BMC, --force cuts the power
		ProbeHTTP:     {"timeout"}, RebootHost: {"timeout"}, Confirm: {"timeout"},
	}
	decisions := []string{"via", "method", "noRights", "noTools", "onTimeout", "timeout"}
	for _, a := range Actions() {
		var offered []string
		for _, o := range (Step{Action: a, Params: Encode(map[string]any{"timeout": "1m"})}).Offers() {
			offered = append(offered, o.Param)
		}
		for _, name := range fieldNames(a) {
			if slices.Contains(decisions, name) {
				require.True(t, slices.Contains(offered, name) != slices.Contains(not[a], name), "%s: %s", a, name)
			}
		}
	}
}
