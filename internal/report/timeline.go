package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A scale puts moments of a run on a line from 0 to 100 percent.
type scale struct{ from, to time.Time }

// scaleOf reaches over the whole run; of one under way, until now.
func scaleOf(r Report) scale {
	s := scale{r.Started, r.Ended}
	if s.to.IsZero() {
		s.to = r.Started.Add(time.Duration(r.Seconds * float64(time.Second)))
	}
	for _, st := range r.Steps {
		if st.Ended.After(s.to) {
			s.to = st.Ended
		}
	}
	if !s.to.After(s.from) {
		s.to = s.from.Add(time.Second)
	}
	return s
}

func (s scale) at(t time.Time) float64 {
	return min(100, max(0, 100*float64(t.Sub(s.from))/float64(s.to.Sub(s.from))))
}

// A bar is a part of the line. X and Width are percentages of its length.
type bar struct {
	X, Width string
	Class    string
}

// thinnest is the width of the shortest bar, in percent: one sees that there is something.
const thinnest = 0.35

func (s scale) bar(from, to time.Time, class string) bar {
	x, end := s.at(from), s.at(to)
	width := max(thinnest, end-x)
	return bar{percent(min(x, 100-width)), percent(width), class}
}

func percent(x float64) string { return strings.TrimSuffix(fmt.Sprintf("%.2f", x), ".00") + "%" }

// A tick is a time written at the line.
type tick struct{ X, Label, Anchor string }

// ticks are some five round times, in the local zone.
func (s scale) ticks() (list []tick) {
	total := s.to.Sub(s.from)
	steps := []time.Duration{time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second, time.Minute,
		2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour}
	step := steps[len(steps)-1]
	for _, d := range steps {
		if total/d <= 5 {
			step = d
			break
		}
	}
	for total/step > 8 { // runs of weeks
		step *= 2
	}
	format := "15:04"
	if step < time.Minute {
		format = "15:04:05"
	}
	for t := s.from.Truncate(step); !t.After(s.to); t = t.Add(step) {
		if x := s.at(t); !t.Before(s.from) && x >= 1 && x <= 99 {
			anchor := "middle"
			switch {
			case x < 8:
				anchor = "start"
			case x > 92:
				anchor = "end"
			}
			list = append(list, tick{percent(x), t.Local().Format(format), anchor})
		}
	}
	return list
}

// A lane is a group of steps on the overview: how many of them were under way at each moment.
type lane struct {
	Name     string
	Steps    int
	Seconds  float64
	Bars     []bar
	Critical []bar
	from, to time.Time
	steps    []Step
}

const (
	mostLanes = 20
	bins      = 150
)

// lanes are the groups, in the order in which they began. Where there are many, those of a kind ("Host esx21") are one, and those
// that are still too many are one at the end.
func (r Report) lanes(s scale) []lane {
	groups := r.byGroup(func(st Step) string { return st.Group })
	if len(groups) > mostLanes {
		names := map[string]int{}
		for _, g := range groups {
			names[kindOf(g.name)]++
		}
		groups = r.byGroup(func(st Step) string {
			if k := kindOf(st.Group); names[k] > 1 {
				return fmt.Sprintf("%ss (%d)", k, names[k])
			}
			return st.Group
		})
	}
	var list []lane
	for _, g := range groups {
		if l := laneOf(g.name, g.steps, s); !l.from.IsZero() {
			list = append(list, l)
		}
	}
	slices.SortStableFunc(list, func(a, b lane) int { return cmp.Or(a.from.Compare(b.from), a.to.Compare(b.to)) })
	return inOne(list, s)
}

// inOne is the list with its last lanes in one, where there are too many to be looked at: nothing is left out.
func inOne(list []lane, s scale) []lane {
	const most = 2 * mostLanes
	if len(list) <= most {
		return list
	}
	var rest []Step
	for _, l := range list[most-1:] {
		rest = append(rest, l.steps...)
	}
	name := fmt.Sprintf("%d more groups, which began later", len(list)-most+1)
	return append(list[:most-1], laneOf(name, rest, s))
}

// laneOf is the lane of the steps; of such as have not begun it has no time.
func laneOf(name string, steps []Step, s scale) lane {
	l := lane{Name: name, Steps: len(steps), steps: steps}
	for _, st := range steps {
		if st.Begun.IsZero() {
			continue
		}
		if l.from.IsZero() || st.Begun.Before(l.from) {
			l.from = st.Begun
		}
		if e := st.until(s); e.After(l.to) {
			l.to = e
		}
		if st.Critical {
			l.Critical = append(l.Critical, s.bar(st.Begun, st.until(s), "crit"))
		}
	}
	l.Seconds = l.to.Sub(l.from).Seconds()
	l.Bars = density(steps, s)
	return l
}

// kindOf is the first word of a group's name.
func kindOf(group string) string {
	kind, _, _ := strings.Cut(group, " ")
	return kind
}

// until is the end of a step; of one under way, of the line.
func (st Step) until(s scale) time.Time {
	if st.Ended.IsZero() {
		return s.to
	}
	return st.Ended
}

// density makes bars of how many steps were under way: four shades, the darkest where there were most.
func density(steps []Step, s scale) (bars []bar) {
	var change [bins + 1]int
	for _, st := range steps {
		if st.Begun.IsZero() {
			continue
		}
		a, b := int(s.at(st.Begun)/100*bins), int(s.at(st.until(s))/100*bins)
		a = min(a, bins-1)
		change[a]++
		change[min(bins, max(b, a+1))]--
	}
	var under [bins]int
	most, n := 0, 0
	for i := range bins {
		n += change[i]
		under[i] = n
		most = max(most, n)
	}
	shade := func(n int) int {
		if n == 0 {
			return 0
		}
		return 1 + (n*3+most-1)/most
	}
	for i := 0; i < bins; {
		j := i
		for j < bins && shade(under[j]) == shade(under[i]) {
			j++
		}
		if k := shade(under[i]); k > 0 {
			bars = append(bars, bar{percent(100 * float64(i) / bins), percent(100 * float64(j-i) / bins), fmt.Sprintf("d%d", k)})
		}
		i = j
	}
	return bars
}

// A stepGroup is steps that belong together, in the order of the plan.
type stepGroup struct {
	name  string
	steps []Step
}

// byGroup parts the steps by the name that the function gives them, in the order of the plan.
func (r Report) byGroup(name func(Step) string) (groups []*stepGroup) {
	index := map[string]*stepGroup{}
	for _, s := range r.Steps {
		n := name(s)
		g := index[n]
		if g == nil {
			g = &stepGroup{name: n}
			index[n] = g
			groups = append(groups, g)
		}
		g.steps = append(g.steps, s)
	}
	return groups
}
