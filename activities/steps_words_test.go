package activities

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/plan"
)

// As CommandLineToArgvW reads them (Microsoft, "Parsing C command-line arguments").
func TestArgumentsOfPrograms(t *testing.T) {
	for want, run := range map[string][]string{
		`behavior set X 1`:      {"p", "behavior", "set", "X", "1"},
		`"a b" ""`:              {"p", "a b", ""},
		`"say \"hi\""`:          {"p", `say "hi"`},
		`C:\x\ "C:\a b\\"`:      {"p", `C:\x\`, `C:\a b\`},
		`"\\\" x"`:              {"p", `\" x`},
		`&calc`:                 {"p", "&calc"}, // no shell reads it
		`"autocheck autochk *"`: {"p", "autocheck autochk *"},
	} {
		got, err := argumentLine(run, true)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	got, err := argumentLine([]string{"/bin/x", "a b", "$(reboot)", "-n"}, false)
	require.NoError(t, err)
	require.Equal(t, `'a b' '$(reboot)' -n`, got)
	got, err = argumentLine([]string{"/usr/local/my tool"}, false)
	require.NoError(t, err)
	require.Empty(t, got)
	_, err = argumentLine([]string{"x", "a\x00b"}, true)
	require.Error(t, err)
}

func TestWhenAWaitIsOver(t *testing.T) {
	since := time.Date(2026, 3, 28, 22, 30, 0, 0, time.UTC) // 23:30 in Berlin; the clocks go forward in the night
	for _, c := range []struct {
		p    plan.WaitParams
		want string
	}{
		{plan.WaitParams{For: plan.Duration(time.Hour)}, "2026-03-28T23:30:00Z"},
		{plan.WaitParams{Until: "22:31"}, "2026-03-28T22:31:00Z"},
		{plan.WaitParams{Until: "22:30"}, "2026-03-29T22:30:00Z"},
		{plan.WaitParams{Until: "06:00", Zone: "Europe/Berlin"}, "2026-03-29T04:00:00Z"},
	} {
		end, err := endOf(c.p, since, 0)
		require.NoError(t, err)
		require.Equal(t, c.want, end.UTC().Format(time.RFC3339))
		soon, err := endOf(c.p, since, 60)
		require.NoError(t, err)
		require.Equal(t, end.Sub(since)/60, soon.Sub(since), "in a simulated lab that is 60 times as fast")
	}
	_, err := endOf(plan.WaitParams{Until: "06:00", Zone: "Nowhere"}, since, 0)
	require.Error(t, err)
}
