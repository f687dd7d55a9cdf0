package calendar_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/calendar"
)

// matches tells of a moment whether one of the sets has it, as Temporal does.
func matches(all []calendar.Times, t time.Time) bool {
	return slices.ContainsFunc(all, func(c calendar.Times) bool {
		return t.Hour() == c.Hour && t.Minute() == c.Minute && in(c.Days, t.Day()) && in(c.Months, int(t.Month())) && in(c.Years, t.Year()) && in(c.Weekdays, int(t.Weekday()))
	})
}

func in(list []calendar.Range, n int) bool {
	return len(list) == 0 || slices.ContainsFunc(list, func(r calendar.Range) bool {
		return n >= r.From && n <= r.To && (n-r.From)%max(1, r.Step) == 0
	})
}

// Each form is held against what it means, on every day of the years that Temporal knows.
func TestEveryDayOfTheCentury(t *testing.T) {
	daysIn := func(d time.Time) int { return time.Date(d.Year(), d.Month()+1, 0, 0, 0, 0, 0, time.UTC).Day() }
	weekday := func(days ...time.Weekday) func(time.Time) bool {
		return func(d time.Time) bool { return slices.Contains(days, d.Weekday()) }
	}
	nth := func(w time.Weekday, n ...int) func(time.Time) bool {
		return func(d time.Time) bool { return d.Weekday() == w && slices.Contains(n, (d.Day()-1)/7+1) }
	}
	last := func(w time.Weekday) func(time.Time) bool {
		return func(d time.Time) bool { return d.Weekday() == w && d.Day()+7 > daysIn(d) }
	}
	either := func(a, b func(time.Time) bool) func(time.Time) bool {
		return func(d time.Time) bool { return a(d) || b(d) }
	}
	for words, want := range map[string]func(time.Time) bool{
		"every day at 23:00":                              func(time.Time) bool { return true },
		"daily at 23:00":                                  func(time.Time) bool { return true },
		"weekdays at 23:00":                               func(d time.Time) bool { return d.Weekday() >= 1 && d.Weekday() <= 5 },
		"weekends at 23:00":                               weekday(time.Saturday, time.Sunday),
		"  Every   MONDAY at 23:00 ":                      weekday(time.Monday),
		"Mondays, wed and Friday at 23:00":                weekday(time.Monday, time.Wednesday, time.Friday),
		"first Sunday of the month at 23:00":              nth(time.Sunday, 1),
		"the first and third Tuesday of month at 23:00":   nth(time.Tuesday, 1, 3),
		"4th Thursday of every month at 23:00":            nth(time.Thursday, 4),
		"last Friday of the month at 23:00":               last(time.Friday),
		"second and last Sunday of the month at 23:00":    either(nth(time.Sunday, 2), last(time.Sunday)),
		"last day of the month at 23:00":                  func(d time.Time) bool { return d.Day() == daysIn(d) },
		"first day of January, April and Oct at 23:00":    func(d time.Time) bool { return d.Day() == 1 && slices.Contains([]time.Month{1, 4, 10}, d.Month()) },
		"last day of February at 23:00":                   func(d time.Time) bool { return d.Month() == 2 && d.Day() == daysIn(d) },
		"last Monday of February and March at 23:00":      func(d time.Time) bool { return (d.Month() == 2 || d.Month() == 3) && last(time.Monday)(d) },
		"day 15 of the month at 23:00":                    func(d time.Time) bool { return d.Day() == 15 },
		"day 1, 15, and 28 of July at 23:00":              func(d time.Time) bool { return d.Month() == 7 && slices.Contains([]int{1, 15, 28}, d.Day()) },
		"first day of the month at 06:00 and 23:00":       func(d time.Time) bool { return d.Day() == 1 },
		"last sat of the month at 1:05, 22:59, and 23:00": last(time.Saturday),
	} {
		t.Run(words, func(t *testing.T) {
			all, err := calendar.Parse(words)
			require.NoError(t, err)
			for d := time.Date(2000, 1, 1, 23, 0, 0, 0, time.UTC); d.Year() <= 2100; d = d.AddDate(0, 0, 1) {
				require.Equal(t, want(d), matches(all, d), d.Format(time.RFC1123))
			}
			require.False(t, matches(all, time.Date(2027, 1, 1, 23, 1, 0, 0, time.UTC)))
		})
	}
}

func TestWordsThatAreRefused(t *testing.T) {
	for words, problem := range map[string]string{
		"":                                     "nothing is said",
		"at 23:00":                             `"at" is not understood`,
		"every day":                            "the time of day is missing",
		"every day at":                         "the time of day is missing",
		"every day at 24:00":                   `"24:00" is no time of day`,
		"every day at 11pm":                    `"11pm" is no time of day`,
		"every day at 23:00 and 23:00":         `"23:00" is there twice`,
		"every day at 23:00 sharp":             `"sharp" is too much`,
		"every day, 23:00":                     `"at" should stand in place of ","`,
		"every 2 weeks at 23:00":               "counts on from one time to the next",
		"every other Friday at 23:00":          "counts on from one time to the next",
		"every second Sunday at 23:00":         "counts on from one time to the next",
		"fifth Sunday of the month at 23:00":   `"fifth" is not understood`,
		"first Sunday at 23:00":                `"of the month" is missing`,
		"first of the month at 23:00":          "comes a day of the week",
		"last weekday of the month at 23:00":   "comes a day of the week",
		"Monday and Monday at 23:00":           `"monday" is there twice`,
		"Monday, at 23:00":                     `"at" is no day of the week`,
		"day 31 of the month at 23:00":         `"31" is no day from 1 to 28`,
		"day of the month at 23:00":            `"of" is no day from 1 to 28`,
		"first Sunday of Smarch at 23:00":      `"smarch" is no month`,
		strings.Repeat("Monday and ", 60):      "too long",
		"first Sunday of":                      "it ends where a month should stand",
		"first and first day of May at 23:00":  `"first" is there twice`,
		"first and last Sundae of May at 1:00": "comes a day of the week",
	} {
		_, err := calendar.Parse(words)
		require.ErrorContains(t, err, problem, words)
		require.ErrorContains(t, err, "first Sunday of the month", "what is allowed is said")
	}
}

func TestCron(t *testing.T) {
	for _, good := range []string{"0 23 * * *", "*/5 * * * *", "0 6 * * 1-5", "30 4 1,15 * *", "0 0 1-7/2 Jan-mar *", "5/10 0-23/2 * * Mon,WED", "0 0 29 2 *", "0 0 * * 7", "0 0 */2 * 1"} {
		require.NoError(t, calendar.CheckCron(good), good)
	}
	for expr, problem := range map[string]string{
		"":                  "five fields",
		"0 23 * *":          "five fields",
		"0 23 * * * *":      "five fields",
		"@daily":            "five fields",
		"TZ=UTC 0 0 * *":    "five fields",
		"60 0 * * *":        `the minute "60" is not one of 0 to 59`,
		"0 24 * * *":        "the hour",
		"0 0 0 * *":         "the day",
		"0 0 * 13 *":        "the month",
		"0 0 * Foo *":       "Jan to Dec",
		"0 0 * * 8":         "the weekday",
		"0 0 * * Sundays":   "the weekday",
		"0 5-1 * * *":       "ends before it begins",
		"*/0 * * * *":       "a step",
		"*/ * * * *":        "a step",
		"1//2 * * * *":      "a step",
		"1, * * * *":        "the minute",
		"-1 * * * *":        "the minute",
		"+1 * * * *":        "the minute",
		"0 0 31 2 *":        "no day is like that",
		"0 0 31 4,6,9,11 *": "no day is like that",
		"0 23 1-7 * 0":      "both a day of the month and a day of the week",
	} {
		require.ErrorContains(t, calendar.CheckCron(expr), problem, expr)
	}
}
