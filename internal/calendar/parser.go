package calendar

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

type parser struct {
	words string   // as written, for errors
	rest  []string // what is not read yet
}

func (p *parser) fail(format string, args ...any) error {
	return &Error{Words: p.words, Problem: fmt.Sprintf(format, args...)}
}

func (p *parser) peek() string {
	if len(p.rest) == 0 {
		return ""
	}
	return p.rest[0]
}

// take reads the next words where they are these.
func (p *parser) take(words ...string) bool {
	if len(p.rest) < len(words) || !slices.Equal(p.rest[:len(words)], words) {
		return false
	}
	p.rest = p.rest[len(words):]
	return true
}

// days reads all before "at".
func (p *parser) days() ([]Times, error) {
	switch {
	case len(p.rest) == 0:
		return nil, p.fail("nothing is said")
	case p.take("every", "day"), p.take("daily"):
		return []Times{{}}, nil
	case p.take("weekdays"), p.take("every", "weekday"):
		return []Times{{Weekdays: []Range{{From: 1, To: 5}}}}, nil
	case p.take("weekends"), p.take("every", "weekend"):
		return []Times{{Weekdays: []Range{only(0), only(6)}}}, nil
	case p.take("day"):
		return p.numbered()
	}
	if every := p.take("every"); every && counts(p.peek()) {
		return nil, p.fail(`"every %s …" counts on from one time to the next, which no calendar does: Temporal's intervals count from 1970 in UTC, `+
			`and move against the clock when that is set. "first and third Monday of the month" comes close`, p.peek())
	}
	p.take("the")
	if _, ok := ordinals[p.peek()]; ok {
		return p.ordinal()
	}
	if _, ok := weekdays[p.peek()]; ok {
		return p.weekly()
	}
	return nil, p.fail("%q is not understood", p.peek())
}

// counts tells whether a word begins an interval.
func counts(word string) bool {
	_, err := strconv.Atoi(word)
	return err == nil || slices.Contains([]string{"two", "three", "four", "other", "second", "hour", "minute", "week", "month", "year"}, word)
}

// list reads words of one kind with commas and "and" between them.
func list[T comparable](p *parser, kind map[string]T, what string) ([]T, error) {
	var all []T
	for {
		word := p.peek()
		v, ok := kind[word]
		switch {
		case !ok && word == "":
			return nil, p.fail("it ends where %s should stand", what)
		case !ok:
			return nil, p.fail("%q is no %s", word, strings.TrimPrefix(what, "a "))
		case slices.Contains(all, v):
			return nil, p.fail("%q is there twice", word)
		}
		all = append(all, v)
		p.rest = p.rest[1:]
		if !p.take(",", "and") && !p.take(",") && !p.take("and") {
			return all, nil
		}
	}
}

func (p *parser) weekly() ([]Times, error) {
	days, err := list(p, weekdays, "a day of the week")
	if err != nil {
		return nil, err
	}
	return []Times{{Weekdays: singles(days)}}, nil
}

// numbered reads "15 of the month". Days that some months do not have are left to "last day".
func (p *parser) numbered() ([]Times, error) {
	days, err := list(p, monthDays(), `a day from 1 to 28 ("last day of the month" is the one for later)`)
	if err != nil {
		return nil, err
	}
	months, err := p.months()
	if err != nil {
		return nil, err
	}
	return []Times{{Days: singles(days), Months: singles(months)}}, nil
}

// ordinal reads "first and third Sunday of the month", or "last day of the month".
func (p *parser) ordinal() ([]Times, error) {
	which, err := list(p, ordinals, "one of first, second, third, fourth and last")
	if err != nil {
		return nil, err
	}
	weekday, isWeekday := weekdays[p.peek()]
	switch {
	case isWeekday:
		p.rest = p.rest[1:]
	case !p.take("day"):
		return nil, p.fail(`after first, second, … and last comes a day of the week, or "day"`)
	}
	months, err := p.months()
	if err != nil {
		return nil, err
	}
	var all []Times
	var counted []Range
	for _, n := range which {
		switch {
		case n == last:
			continue
		case isWeekday: // the second Sunday is the one from the 8th to the 14th
			counted = append(counted, Range{From: 7*n - 6, To: 7 * n})
		default:
			counted = append(counted, only(n))
		}
	}
	if len(counted) > 0 {
		all = append(all, Times{Days: counted, Months: singles(months)})
	}
	if slices.Contains(which, last) {
		all = append(all, lastDays(months, isWeekday)...)
	}
	if isWeekday {
		for i := range all {
			all[i].Weekdays = []Range{only(weekday)}
		}
	}
	return all, nil
}

// months reads "of the month", or "of January and July". None: every month.
func (p *parser) months() ([]int, error) {
	if !p.take("of") {
		return nil, p.fail(`"of the month" is missing`)
	}
	for _, all := range [][]string{{"the", "month"}, {"every", "month"}, {"each", "month"}, {"month"}} {
		if p.take(all...) {
			return nil, nil
		}
	}
	return list(p, monthNames, "a month")
}

// clocks reads the rest: "at 08:00 and 20:00".
func (p *parser) clocks() (all [][2]int, _ error) {
	if !p.take("at") {
		if p.peek() == "" {
			return nil, p.fail("the time of day is missing")
		}
		return nil, p.fail(`"at" should stand in place of %q`, p.peek())
	}
	for {
		hour, minute, ok := clock(p.peek())
		switch {
		case p.peek() == "":
			return nil, p.fail("the time of day is missing")
		case !ok:
			return nil, p.fail("%q is no time of day from 00:00 to 23:59", p.peek())
		case slices.Contains(all, [2]int{hour, minute}):
			return nil, p.fail("%q is there twice", p.peek())
		}
		all = append(all, [2]int{hour, minute})
		p.rest = p.rest[1:]
		if !p.take(",", "and") && !p.take(",") && !p.take("and") {
			break
		}
	}
	if len(p.rest) > 0 {
		return nil, p.fail("%q is too much", strings.Join(p.rest, " "))
	}
	return all, nil
}

// clock reads HH:MM, also H:MM.
func clock(s string) (hour, minute int, ok bool) {
	h, m, found := strings.Cut(s, ":")
	if !found || len(h) < 1 || len(h) > 2 || len(m) != 2 || strings.Trim(h+m, "0123456789") != "" {
		return 0, 0, false
	}
	hour, _ = strconv.Atoi(h)
	minute, _ = strconv.Atoi(m)
	return hour, minute, hour < 24 && minute < 60
}
