package calendar_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/calendar"
)

// FuzzParse: whatever is said is refused with the forms that are allowed, or means moments that there are.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"every day at 23:00", "weekdays at 22:30", "first Sunday of the month at 23:00", "last Friday of January and July at 20:00, 21:00",
		"day 15 of the month at 04:00", "every 2 weeks", "the first, and third day of feb at 0:00", ", , at", "day ,", "last", "every"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, words string) {
		all, err := calendar.Parse(words)
		if err != nil {
			require.ErrorContains(t, err, calendar.Forms)
			return
		}
		require.NotEmpty(t, all)
		for _, c := range all {
			require.True(t, c.Hour >= 0 && c.Hour < 24 && c.Minute >= 0 && c.Minute < 60)
			within(t, c.Days, 1, 31)
			within(t, c.Months, 1, 12)
			within(t, c.Years, 2000, 2100)
			within(t, c.Weekdays, 0, 6)
		}
	})
}

func within(t *testing.T, list []calendar.Range, from, to int) {
	t.Helper()
	for _, r := range list {
		require.True(t, r.From >= from && r.From <= r.To && r.To <= to && r.Step >= 0, "%+v", r)
	}
}

func FuzzCheckCron(f *testing.F) {
	for _, s := range []string{"0 23 * * *", "*/5 0-6/2 1,15 Jan-Mar *", "0 0 * * Mon-Fri", "0 0 31 2 *", "@daily", "1//2 * * * *"} {
		f.Add(s)
	}
	f.Fuzz(func(_ *testing.T, expr string) { _ = calendar.CheckCron(expr) })
}
