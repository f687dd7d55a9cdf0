// Package ideal computes how long a plan takes without any overhead: what a perfect executor would need under the same
// limits and with the same delays, and what two common ways of doing the same work would need. It is pure.
package ideal

import (
	"cmp"
	"container/heap"
	"fmt"
	"hash/fnv"
	"math"
	"time"

	"nightshift/internal/plan"
)

// Delay is how long a step takes in a lab that lives: its estimate, spread as such times are (log-normal, sigma 0.5, half
// of them shorter), from a third to five times. The same step of the same seed always takes the same time.
func Delay(s plan.Step, seed uint64) time.Duration {
	factor := math.Exp(0.5 * normal(s.ID, seed))
	return time.Duration(float64(s.Estimate) * min(5, max(1.0/3, factor)))
}

// normal is a draw from the normal distribution that the id and the seed determine (Box and Muller).
func normal(id string, seed uint64) float64 {
	draw := func(salt byte) float64 {
		h := fnv.New64a()
		_, _ = fmt.Fprintf(h, "%d/%d/%s", seed, salt, id) // a hash takes everything
		x := h.Sum64()
		x ^= x >> 33 // FNV's last bytes move its high bits too little: mixed as MurmurHash3 does
		x *= 0xff51afd7ed558ccd
		x ^= x >> 33
		return (float64(x>>11) + 0.5) / (1 << 53)
	}
	return math.Sqrt(-2*math.Log(draw(1))) * math.Cos(2*math.Pi*draw(2))
}

// A Delayer says how long a step takes.
type Delayer func(plan.Step) time.Duration

// Makespan is the time of a perfect executor: every step begins when its needs are done and a slot is free, the one with
// the longest path to the end first.
func Makespan(p plan.Plan, d Delayer) (time.Duration, error) {
	g, err := plan.NewGraph(p)
	if err != nil {
		return 0, err
	}
	for i := range g.Steps {
		if g.Open(i) == 0 {
			g.Offer(i)
		}
	}
	now, running := time.Duration(0), &ends{}
	for {
		for i := g.Take(); i >= 0; i = g.Take() {
			heap.Push(running, end{now + d(g.Steps[i]), i})
		}
		if running.Len() == 0 {
			return now, nil
		}
		e := heap.Pop(running).(end)
		now = e.at
		g.Release(e.step)
		for _, j := range g.Satisfied(e.step) {
			g.Offer(j)
		}
	}
}

// Stages is the time where a stage begins only when all of the one before is done, as recovery products do it. The stages
// are those that suit the plan best: a step is in the first in which it could be. Within one the limits are the plan's.
func Stages(p plan.Plan, d Delayer) (total time.Duration, stages int, err error) {
	var levels [][]plan.Step
	level := make(map[string]int, len(p.Steps))
	order, err := topological(p)
	if err != nil {
		return 0, 0, err
	}
	for _, s := range order {
		l := 0
		for _, need := range s.Needs {
			l = max(l, level[need]+1)
		}
		level[s.ID] = l
		for len(levels) <= l {
			levels = append(levels, nil)
		}
		s.Needs = nil
		levels[l] = append(levels[l], s)
	}
	for _, steps := range levels {
		span, err := Makespan(plan.Plan{Steps: steps, Limits: p.Limits}, d)
		if err != nil {
			return 0, 0, err
		}
		total += span
	}
	return total, len(levels), nil
}

// topological lists the steps so that each comes after what it needs.
func topological(p plan.Plan) ([]plan.Step, error) {
	g, err := plan.NewGraph(p)
	if err != nil {
		return nil, err
	}
	var order []plan.Step
	var ready []int
	for i := range g.Steps {
		if g.Open(i) == 0 {
			ready = append(ready, i)
		}
	}
	for k := 0; k < len(ready); k++ {
		order = append(order, g.Steps[ready[k]])
		ready = append(ready, g.Satisfied(ready[k])...)
	}
	return order, nil
}

// OneByOne is the time of a script that does one thing after the other.
func OneByOne(p plan.Plan, d Delayer) (total time.Duration) {
	for _, s := range p.Steps {
		total += d(s)
	}
	return total
}

type end struct {
	at   time.Duration
	step int
}

// ends are the steps under way, the one that ends next first.
type ends []end

func (e ends) Len() int { return len(e) }
func (e ends) Less(a, b int) bool {
	return cmp.Or(cmp.Compare(e[a].at, e[b].at), cmp.Compare(e[a].step, e[b].step)) < 0
}
func (e ends) Swap(a, b int) { e[a], e[b] = e[b], e[a] }
func (e *ends) Push(x any)   { *e = append(*e, x.(end)) }
func (e *ends) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}
