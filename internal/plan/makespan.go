package plan

import (
	"cmp"
	"container/heap"
	"time"
)

// Makespan is how long the plan takes by its estimates and under its limits, with no overhead.
func (p Plan) Makespan() time.Duration {
	g, err := NewGraph(p)
	if err != nil {
		return 0
	}
	for i, l := range g.left {
		if l == 0 {
			g.Offer(i)
		}
	}
	now, running := time.Duration(0), &endQueue{}
	for {
		for i := g.Take(); i >= 0; i = g.Take() {
			heap.Push(running, ending{now + time.Duration(g.Steps[i].Estimate), i})
		}
		if running.Len() == 0 {
			return now
		}
		e := heap.Pop(running).(ending)
		now = e.at
		g.Release(e.step)
		for _, j := range g.Satisfied(e.step) {
			g.Offer(j)
		}
	}
}

// An ending is when a running step of Makespan ends.
type ending struct {
	at   time.Duration
	step int
}

type endQueue []ending

func (q endQueue) Len() int { return len(q) }
func (q endQueue) Less(a, b int) bool {
	return cmp.Or(cmp.Compare(q[a].at, q[b].at), cmp.Compare(q[a].step, q[b].step)) < 0
}
func (q endQueue) Swap(a, b int) { q[a], q[b] = q[b], q[a] }
func (q *endQueue) Push(x any)   { *q = append(*q, x.(ending)) }
func (q *endQueue) Pop() any {
	x := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return x
}
