package ideal

import (
	"fmt"
	"slices"
	"time"

	"nightshift/internal/plan"
)

// A Span is when a step was under way, from some moment that is the same for all.
type Span struct{ Begun, Ended time.Duration }

// A Verdict is what a run made of its plan.
type Verdict struct {
	// Over names limits that were exceeded: "vcenter:vc1: 33 of 32".
	Over []string
	// Early names steps that began before their needs were done.
	Early []string
	// Lag is the longest time for which a step that could have begun (needs done, a slot of each of its keys free) did not;
	// Lagged is that step. A barrier that the plan does not have shows here.
	Lag    time.Duration
	Lagged string
}

// Judge compares what was done with the plan. The spans are those of the steps, in the plan's order; slack is by how
// much the clock that took them is off: within it, an end and a begin count as simultaneous.
func Judge(p plan.Plan, spans []Span, slack time.Duration) (Verdict, error) {
	var v Verdict
	g, err := plan.NewGraph(p)
	if err != nil {
		return v, err
	}
	holders := map[string][]int{}
	for i, s := range p.Steps {
		for _, key := range s.Holds {
			holders[key] = append(holders[key], i)
		}
	}
	full := map[string][]Span{} // by key: when all of its slots were taken
	for _, key := range sorted(holders) {
		limit := g.Limit(key)
		taken, most := occupied(holders[key], spans, limit, slack)
		if most > limit {
			v.Over = append(v.Over, fmt.Sprintf("%s: %d of %d", key, most, limit))
		}
		full[key] = taken
	}
	for i, s := range p.Steps {
		ready := time.Duration(0)
		for _, need := range s.Needs {
			j, _ := g.Index(need)
			ready = max(ready, spans[j].Ended)
			if spans[i].Begun+slack < spans[j].Ended {
				v.Early = append(v.Early, s.ID+" before the end of "+need)
			}
		}
		if lag := idle(Span{ready, spans[i].Begun}, s.Holds, full); lag > v.Lag {
			v.Lag, v.Lagged = lag, s.ID
		}
	}
	return v, nil
}

// occupied is when all slots of a key were taken, and how many were at most.
func occupied(steps []int, spans []Span, limit int, slack time.Duration) (taken []Span, most int) {
	type change struct {
		at time.Duration
		by int
	}
	var changes, strict []change
	for _, i := range steps {
		s := spans[i]
		changes = append(changes, change{s.Begun, 1}, change{s.Ended, -1})
		strict = append(strict, change{s.Begun, 1}, change{max(s.Begun, s.Ended-slack), -1})
	}
	inOrder := func(a, b change) int {
		if a.at != b.at {
			return int((a.at - b.at) / max(1, (a.at-b.at).Abs()))
		}
		return a.by - b.by // a slot is given back before it is taken
	}
	slices.SortStableFunc(strict, inOrder)
	n := 0
	for _, c := range strict {
		n += c.by
		most = max(most, n)
	}
	slices.SortStableFunc(changes, inOrder)
	n = 0
	var since time.Duration
	for _, c := range changes {
		was := n
		n += c.by
		switch {
		case was < limit && n >= limit:
			since = c.at
		case was >= limit && n < limit:
			taken = append(taken, Span{since, c.at})
		}
	}
	return taken, most
}

// idle is the longest part of the time in which a slot of each key was free.
func idle(wait Span, keys []string, full map[string][]Span) (longest time.Duration) {
	var taken []Span
	for _, key := range keys {
		list := full[key]
		from, _ := slices.BinarySearchFunc(list, wait.Begun, func(s Span, at time.Duration) int { return int(s.Ended - at) })
		for _, s := range list[from:] {
			if s.Begun >= wait.Ended {
				break
			}
			taken = append(taken, s)
		}
	}
	slices.SortFunc(taken, func(a, b Span) int { return int(a.Begun - b.Begun) })
	at := wait.Begun
	for _, s := range taken {
		longest = max(longest, s.Begun-at)
		at = max(at, s.Ended)
	}
	return max(longest, wait.Ended-at)
}

func sorted(m map[string][]int) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
