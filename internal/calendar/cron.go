package calendar

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// CheckCron says what is wrong with a cron expression of five fields, in the form that Temporal takes. An expression that
// says both a day of the month and a day of the week is refused: cron takes either, and Temporal both at once.
func CheckCron(expr string) error {
	if len(expr) > longest {
		return fmt.Errorf("%q… is too long", expr[:20])
	}
	fields := strings.Fields(expr)
	if len(fields) != 5 || strings.ContainsAny(expr, "#=@") {
		return fmt.Errorf(`%q: five fields are needed, minute hour day month weekday: "0 23 * * *"`, expr)
	}
	for i, f := range cronFields() {
		if problem := f.check(fields[i]); problem != "" {
			return fmt.Errorf("%q: the %s %q %s", expr, f.name, fields[i], problem)
		}
	}
	if never(fields[2], fields[3]) {
		return fmt.Errorf("%q: no day is like that, it would never start a run", expr)
	}
	if !strings.HasPrefix(fields[2], "*") && !strings.HasPrefix(fields[4], "*") {
		return fmt.Errorf("%q says both a day of the month and a day of the week: cron starts on either, Temporal only where both fit; "+
			`say what you mean in words: "first Sunday of the month at 23:00"`, expr)
	}
	return nil
}

// never tells whether none of the months has one of the days. Both fields are right.
func never(days, months string) bool {
	fields := cronFields()
	day, month := fields[2].values(days), fields[3].values(months)
	return !slices.ContainsFunc(month, func(m int) bool { return slices.Min(day) <= longestMonth[m-1] })
}

var longestMonth = [...]int{31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31} //nolint:gochecknoglobals // a constant table

type cronField struct {
	name     string
	min, max int
	words    map[string]int
}

func cronFields() []cronField {
	return []cronField{{"minute", 0, 59, nil}, {"hour", 0, 23, nil}, {"day", 1, 31, nil}, {"month", 1, 12, monthNames}, {"weekday", 0, 7, weekdays}}
}

// values lists what a field that is right matches.
func (f cronField) values(s string) (list []int) {
	for _, part := range strings.Split(s, ",") {
		span, step, stepped := strings.Cut(part, "/")
		from, to, ranged := strings.Cut(span, "-")
		a, b, by := f.min, f.max, 1
		if stepped {
			by, _ = strconv.Atoi(step)
		}
		if span != "*" {
			a, _ = f.number(from)
			switch {
			case ranged:
				b, _ = f.number(to)
			case !stepped:
				b = a
			}
		}
		for ; a <= b; a += by {
			list = append(list, a)
		}
	}
	return list
}

// check reads "*", "5", "1-5", each with "/2" after it, and lists of them. "": it is right.
func (f cronField) check(s string) string {
	for _, part := range strings.Split(s, ",") {
		span, step, stepped := strings.Cut(part, "/")
		if n, err := strconv.Atoi(step); stepped && (err != nil || n < 1 || n > f.max) {
			return fmt.Sprintf("has a step that is not from 1 to %d", f.max)
		}
		if span == "*" {
			continue
		}
		from, to, ranged := strings.Cut(span, "-")
		a, ok := f.number(from)
		b := a
		if ok && ranged {
			b, ok = f.number(to)
		}
		switch {
		case !ok:
			return fmt.Sprintf("is not one of %d to %d%s, *, a range 1-5 or a list of them, with a step /2 where it has one", f.min, f.max, f.names())
		case b < a:
			return "has a range that ends before it begins"
		}
	}
	return ""
}

func (f cronField) number(s string) (int, bool) {
	if n, ok := f.words[strings.ToLower(s)]; ok && !strings.HasSuffix(strings.ToLower(s), "s") { // no plurals here
		return n, true
	}
	if len(s) > 2 || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.Atoi(s)
	return n, err == nil && n >= f.min && n <= f.max
}

func (f cronField) names() string {
	switch {
	case f.max == 12:
		return " (or Jan to Dec)"
	case f.max == 7:
		return " (or Sun to Sat)"
	}
	return ""
}
