package calendar

import (
	"slices"
	"strconv"
	"strings"
)

// last is the ordinal that counts from the end.
const last = -1

var ordinals = map[string]int{ //nolint:gochecknoglobals // a constant table
	"first": 1, "1st": 1, "second": 2, "2nd": 2, "third": 3, "3rd": 3, "fourth": 4, "4th": 4, "last": last,
}

var weekdays = names("sunday monday tuesday wednesday thursday friday saturday", 0, 3, "s") //nolint:gochecknoglobals // the same

var monthNames = names("january february march april may june july august september october november december", 1, 3, "") //nolint:gochecknoglobals // the same

// names numbers words: in full, by their first letters, and in the plural.
func names(words string, first, short int, plural string) map[string]int {
	m := map[string]int{}
	for i, w := range strings.Fields(words) {
		m[w], m[w[:short]], m[w+plural] = first+i, first+i, first+i
	}
	return m
}

// monthDays are the days that every month has.
func monthDays() map[string]int {
	m := map[string]int{}
	for d := 1; d <= 28; d++ {
		m[strconv.Itoa(d)] = d
	}
	return m
}

func singles(numbers []int) (list []Range) {
	for _, n := range numbers {
		list = append(list, only(n))
	}
	return list
}

// Temporal knows the years from 2000 to 2100, of which the last has no 29th of February.
const lastYear = 2100

// lastDays are the last day, or the last seven days, of the months (none: of all). Temporal has no "last": months of the
// same length share a set, and February has one for leap years and one for the others.
func lastDays(months []int, week bool) (all []Times) {
	add := func(length int, years []Range, of ...int) {
		if len(months) > 0 {
			of = slices.DeleteFunc(of, func(m int) bool { return !slices.Contains(months, m) })
		}
		if len(of) == 0 {
			return
		}
		days := only(length)
		if week {
			days.From = length - 6
		}
		all = append(all, Times{Days: []Range{days}, Months: singles(of), Years: years})
	}
	add(31, nil, 1, 3, 5, 7, 8, 10, 12)
	add(30, nil, 4, 6, 9, 11)
	add(29, []Range{{From: 2000, To: 2096, Step: 4}}, 2)
	add(28, []Range{{From: 2001, To: 2097, Step: 4}, {From: 2002, To: 2098, Step: 4}, {From: 2003, To: 2099, Step: 4}, only(lastYear)}, 2)
	return all
}
