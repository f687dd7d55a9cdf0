package replica

import (
	"fmt"
	"slices"
	"time"

	"nightshift/internal/live"
	"nightshift/internal/words"
)

// A Policy is a grandfather-father-son rollup: which recovery points of a group stay. Of each period the last point stays: the
// last of a day, of a week that ends with Weekday, of a month, of a year. N periods are the N newest that have points, the one
// that is under way among them: a lab that stood still loses nothing by it. Zero values keep nothing by that rule.
type Policy struct {
	All                            time.Duration // everything that is younger
	Daily, Weekly, Monthly, Yearly int
	Weekday                        time.Weekday   // on which weeks end
	Zone                           *time.Location // in which days begin
}

// What becomes of a snapshot.
const (
	Kept      = "kept"
	Destroyed = "destroyed"
	Protected = "protected"
)

// A Verdict is what becomes of one snapshot, and why: for people.
type Verdict struct {
	Snapshot string // the name behind the @
	GUID     uint64
	At       time.Time
	What     string // Kept, Destroyed, Protected
	Why      []string
	Foreign  bool // not of the group
}

// Rollup says what becomes of each snapshot of a dataset. Only those of the group may be destroyed; the others are foreign.
// The time of a point is that of its name, so that all datasets of a group come to the same answer. Those of the Future stay, and
// none of the others goes for them.
func Rollup(d *live.ZDataset, group string, p Policy, facts Facts, now time.Time) ([]Verdict, error) {
	if p.Zone == nil {
		return nil, errNoZone
	}
	if p.All < 0 || p.Daily < 0 || p.Weekly < 0 || p.Monthly < 0 || p.Yearly < 0 {
		return nil, fmt.Errorf("a policy cannot keep less than nothing: %+v", p)
	}
	verdicts := make([]Verdict, len(d.Snapshots))
	var points []*Verdict // of the group
	for i, s := range d.Snapshots {
		v := &verdicts[i]
		*v = Verdict{Snapshot: s.Name, GUID: s.GUID, At: s.Creation}
		of, at, ours := ParsePoint(s.Name)
		switch {
		case !ours:
			v.Foreign = true
			v.protect("foreign: not made by nightshift")
		case of != group:
			v.Foreign = true
			v.protect("foreign: of group " + of)
		default:
			if v.At = at; Future(at, now) { // its time has not come: it stands in the place of no point of today
				v.keep("of the future, by a clock that was wrong")
				continue
			}
			points = append(points, v)
		}
	}
	slices.SortStableFunc(points, func(a, b *Verdict) int { return b.At.Compare(a.At) }) // newest first
	p.keep(points, now)
	if facts.Whole != nil {
		p.keep(slices.DeleteFunc(points, func(v *Verdict) bool { return !facts.Whole[v.Snapshot] }), now)
	}
	for i := range verdicts {
		v := &verdicts[i]
		if v.What == "" {
			v.What, v.Why = Destroyed, []string{"no rule keeps it"}
		}
		for _, why := range facts.Protects(&d.Snapshots[i], group) {
			v.protect(why)
		}
		if v.What == Destroyed && facts.Unknown != "" {
			v.protect("perhaps the last common one: " + facts.Unknown)
		}
	}
	return verdicts, nil
}

// keep marks what the rules keep; points are sorted, the newest first.
func (p Policy) keep(points []*Verdict, now time.Time) {
	if len(points) > 0 {
		points[0].keep("the newest")
	}
	for _, v := range points {
		if p.All > 0 && now.Sub(v.At) < p.All {
			v.keep("younger than " + words.Written(p.All))
		}
	}
	rules := []struct {
		count  int
		period func(time.Time) time.Time // the day on which the period of a moment ends
		name   string
	}{
		{p.Daily, func(t time.Time) time.Time { return date(t) }, "last of " + time.DateOnly},
		{p.Weekly, p.endOfWeek, "last of the week to Mon " + time.DateOnly},
		{p.Monthly, func(t time.Time) time.Time { return date(t).AddDate(0, 1, -t.Day()) }, "month end 2006-01"},
		{p.Yearly, func(t time.Time) time.Time { return time.Date(t.Year(), 12, 31, 0, 0, 0, 0, time.UTC) }, "year end 2006"},
	}
	for _, rule := range rules {
		var last time.Time
		left := rule.count
		for _, v := range points {
			end := rule.period(v.At.In(p.Zone))
			if !last.IsZero() && end.Equal(last) {
				continue // a later point of this period stays
			}
			if left == 0 {
				break
			}
			last, left = end, left-1
			v.keep(end.Format(rule.name))
		}
	}
}

// date is the day of a moment on its own clock. It is kept in UTC, where every day has 24 hours.
func date(t time.Time) time.Time {
	y, m, d := t.Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}

func (p Policy) endOfWeek(t time.Time) time.Time {
	day := date(t)
	return day.AddDate(0, 0, int(p.Weekday-day.Weekday()+7)%7)
}

func (v *Verdict) keep(why string) {
	v.What = Kept
	if !slices.Contains(v.Why, why) {
		v.Why = append(v.Why, why)
	}
}

// protect takes a snapshot out of the policy's hands. Why it would have been kept stays to be read.
func (v *Verdict) protect(why string) {
	if v.What == Destroyed {
		v.Why = nil
	}
	if v.What != Kept {
		v.What = Protected
	}
	v.Why = append(v.Why, why)
}
