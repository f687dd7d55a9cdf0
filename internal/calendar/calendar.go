// Package calendar reads when a schedule starts its runs: words such as "first Sunday of the month at 23:00", or a cron
// expression. It accepts what Temporal's calendars can truly do, and says what they can where they cannot. It also reads the
// moment until which something lasts.
//
// It is plain data: it knows neither Temporal nor any clock.
package calendar

import "strings"

// A Times is a set of moments of the wall clock, in whatever time zone the schedule has: those that match all of its fields.
// An empty field matches everything.
type Times struct {
	Minute, Hour int
	Days         []Range // of the month, from 1
	Months       []Range // from 1
	Years        []Range
	Weekdays     []Range // Sunday is 0
}

// A Range of numbers, both ends included, in steps: a Step of 0 is one of 1.
type Range struct{ From, To, Step int }

func only(n int) Range { return Range{From: n, To: n} }

// An Error says what of the words is not understood, and what would be.
type Error struct{ Words, Problem string }

func (e *Error) Error() string { return "\"" + e.Words + "\": " + e.Problem + "; " + Forms }

// Forms lists what may be said.
const Forms = `allowed are DAYS at HH:MM, where DAYS is "every day", "weekdays", "weekends", days of the week ("Monday, Wednesday and Friday"), ` +
	`"first Sunday of the month" (first, second, third, fourth, last; "first and third Sunday"), "first day of the month", "last day of the month", ` +
	`"day 15 of the month" (1 to 28); in place of "the month" some of them: "of January and July"; and several times: "at 08:00 and 20:00"`

// longest is how many bytes the words may have: more than anybody writes.
const longest = 300

// Parse reads words. The sets of moments that it answers count together: a moment in one of them is enough.
func Parse(words string) ([]Times, error) {
	if len(words) > longest {
		return nil, &Error{words[:20] + "…", "it is too long"}
	}
	p := &parser{words: strings.Join(strings.Fields(words), " ")}
	p.rest = tokens(p.words)
	days, err := p.days()
	if err != nil {
		return nil, err
	}
	clocks, err := p.clocks()
	if err != nil {
		return nil, err
	}
	var all []Times
	for _, c := range clocks {
		for _, d := range days {
			d.Hour, d.Minute = c[0], c[1]
			all = append(all, d)
		}
	}
	return all, nil
}

// tokens splits the words at blanks, with commas as words of their own.
func tokens(words string) []string {
	return strings.Fields(strings.ReplaceAll(strings.ToLower(words), ",", " , "))
}
