package replica

import (
	"fmt"
	"slices"
	"time"

	"nightshift/internal/live"
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
	Used     int64 // what destroying it alone gives back, in bytes
}

// Facts are what protects snapshots beside what they say themselves.
type Facts struct {
	// Common is the newest snapshot that the other side has as well, by GUID: increments start there. 0: not known. Where
	// CommonUnknown is set, the other side could not be read, and every snapshot counts as the last common one.
	Common        uint64
	CommonUnknown bool
	// InFlight are those that a transfer uses that is under way or was broken off, by GUID.
	InFlight []uint64
	// Tags are the holds of the dataset's snapshots, by the name behind the @, where they were read.
	Tags map[string][]string
}

// Rollup says what becomes of each snapshot of a dataset. Only those of the group may be destroyed; the others are foreign.
// The time of a point is that of its name, so that all datasets of a group come to the same answer.
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
		*v = Verdict{Snapshot: s.Name, GUID: s.GUID, At: s.Creation, Used: s.Used}
		of, at, ours := ParsePoint(s.Name)
		switch {
		case !ours:
			v.protect("foreign: not made by nightshift")
		case of != group:
			v.protect("foreign: of group " + of)
		default:
			v.At = at
			points = append(points, v)
		}
	}
	slices.SortStableFunc(points, func(a, b *Verdict) int { return b.At.Compare(a.At) }) // newest first
	p.keep(points, now)
	for i := range verdicts {
		v := &verdicts[i]
		if v.What == "" {
			v.What, v.Why = Destroyed, []string{"no rule keeps it"}
		}
		facts.protect(v, &d.Snapshots[i], group)
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
			v.keep("younger than " + words(p.All))
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
	v.Why = append(v.Why, why)
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

func (f Facts) protect(v *Verdict, s *live.ZSnapshot, group string) {
	tags := f.Tags[s.Name]
	for _, tag := range tags {
		if tag == HoldTag(group) {
			v.protect("held by nightshift")
		} else {
			v.protect("held: " + tag)
		}
	}
	if s.Holds > len(tags) {
		v.protect(fmt.Sprintf("held: %d", s.Holds-len(tags)))
	}
	for _, clone := range s.Clones {
		v.protect("cloned: " + clone)
	}
	switch {
	case f.CommonUnknown && v.What == Destroyed:
		v.protect("perhaps the last common one: the other side could not be read")
	case f.Common != 0 && f.Common == s.GUID:
		v.protect("the last common one")
	}
	if slices.Contains(f.InFlight, s.GUID) {
		v.protect("in flight")
	}
}

// words is a duration as people write it: 48h, 90m.
func words(d time.Duration) string {
	switch {
	case d%time.Hour == 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d%time.Minute == 0:
		return fmt.Sprintf("%dm", d/time.Minute)
	}
	return d.String()
}

// DanglingHolds are the holds of ours that nothing needs any more: on a snapshot of the group, or in its name, other than the
// last common one and those in flight. They are offered to be released; others' holds are never in it.
func DanglingHolds(holds []live.ZHold, d *live.ZDataset, group string, facts Facts) []live.ZHold {
	if facts.CommonUnknown {
		return nil
	}
	var dangling []live.ZHold
	for _, h := range holds {
		if h.Tag != HoldTag(group) || len(h.Snapshot) <= len(d.Name) || h.Snapshot[:len(d.Name)+1] != d.Name+"@" {
			continue
		}
		s := d.Snapshot(h.Snapshot[len(d.Name)+1:])
		if s != nil && s.GUID != facts.Common && !slices.Contains(facts.InFlight, s.GUID) {
			dangling = append(dangling, h)
		}
	}
	return dangling
}
