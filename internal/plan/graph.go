package plan

import (
	"cmp"
	"container/heap"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Graph says which step may start now. Steps are numbered by their place in Plan.Steps. Its owner tells it what
// happens (Offer, Take, Release, Satisfied); every operation costs O(degree · log), never O(steps), as a replay goes
// through thousands of them in one workflow task. No map is ever iterated: it is safe in workflow code.
type Graph struct {
	Plan

	index   map[string]int
	next    [][]int               // who needs step i
	left    []int                 // how many needs of step i are open
	rank    []time.Duration       // longest path from step i to the end: the longer, the earlier it starts
	order   []int                 // topological
	ready   *rankQueue            // needs met, slots not looked at yet
	waiting map[string]*rankQueue // parked on the first key that had no slot
	used    map[string]int
}

// NewGraph checks that ids are unique, that every need is in the plan and that the steps do not need each other in a
// circle; the error names the circle.
func NewGraph(p Plan) (*Graph, error) {
	n := len(p.Steps)
	g := &Graph{Plan: p, index: make(map[string]int, n), next: make([][]int, n), left: make([]int, n),
		rank: make([]time.Duration, n), waiting: map[string]*rankQueue{}, used: map[string]int{}}
	g.ready = &rankQueue{g: g}
	for i, s := range p.Steps {
		if _, dup := g.index[s.ID]; dup {
			return nil, fmt.Errorf("step %q appears twice", s.ID)
		}
		g.index[s.ID] = i
	}
	for i, s := range p.Steps {
		for _, need := range s.Needs {
			j, ok := g.index[need]
			if !ok {
				return nil, fmt.Errorf("step %q needs %q, which is not in the plan", s.ID, need)
			}
			g.next[j] = append(g.next[j], i)
			g.left[i]++
		}
	}
	if err := g.sort(); err != nil {
		return nil, err
	}
	for _, i := range slices.Backward(g.order) {
		for _, j := range g.next[i] {
			g.rank[i] = max(g.rank[i], g.rank[j])
		}
		g.rank[i] += g.cost(i)
	}
	return g, nil
}

// sort fills g.order, or names a circle.
func (g *Graph) sort() error {
	left := slices.Clone(g.left)
	for i, l := range left {
		if l == 0 {
			g.order = append(g.order, i)
		}
	}
	for k := 0; k < len(g.order); k++ {
		for _, j := range g.next[g.order[k]] {
			if left[j]--; left[j] == 0 {
				g.order = append(g.order, j)
			}
		}
	}
	if len(g.order) < len(g.Steps) {
		return fmt.Errorf("the steps need each other in a circle: %s", strings.Join(g.circle(left), " needs "))
	}
	return nil
}

// fewNames of a circle are named.
const fewNames = 20

// circle walks from need to need among the steps that sort could not order; sooner or later one comes again.
func (g *Graph) circle(left []int) []string {
	i := slices.IndexFunc(left, func(l int) bool { return l > 0 })
	var path []int
	seen := make([]bool, len(g.Steps)) // circles may be long
	for !seen[i] {
		seen[i] = true
		path = append(path, i)
		k := slices.IndexFunc(g.Steps[i].Needs, func(need string) bool { return left[g.index[need]] > 0 })
		i = g.index[g.Steps[i].Needs[k]]
	}
	path = append(path[slices.Index(path, i):], i)
	var names []string
	for k, j := range path {
		switch more := len(path) - 1 - fewNames; { // the last is the first once more
		case k < fewNames || k == len(path)-1:
			names = append(names, fmt.Sprintf("%q", g.Steps[j].ID))
		case k == fewNames:
			names = append(names, fmt.Sprintf("(%d more) … which", more))
		}
	}
	return names
}

// cost is at least something, so that rank follows the number of steps where there are no estimates.
func (g *Graph) cost(i int) time.Duration {
	return max(time.Millisecond, time.Duration(g.Steps[i].Estimate))
}

// Index is the number of the step with the id.
func (g *Graph) Index(id string) (int, bool) {
	i, ok := g.index[id]
	return i, ok
}

// Open is how many needs of step i are not behind it yet.
func (g *Graph) Open(i int) int { return g.left[i] }

// Limit is how many steps may hold the key at a time.
func (g *Graph) Limit(key string) int {
	kind, _, _ := strings.Cut(key, ":")
	for _, k := range []string{key, kind} {
		if n, ok := g.Limits[k]; ok {
			return n
		}
	}
	return 1
}

// First puts step i before all others that wait for the same slots: it is under way already, and was only interrupted.
// Say it before Offer.
func (g *Graph) First(i int) { g.rank[i] += 100 * 365 * 24 * time.Hour }

// Offer says that step i may start as far as its needs go.
func (g *Graph) Offer(i int) { heap.Push(g.ready, i) }

// Take returns the next step that may start and takes its slots, all or none; -1 if there is none.
func (g *Graph) Take() int {
next:
	for g.ready.Len() > 0 {
		i := heap.Pop(g.ready).(int)
		holds := g.Steps[i].Holds
		for n, key := range holds {
			if g.used[key] < g.Limit(key) {
				continue
			}
			if g.waiting[key] == nil {
				g.waiting[key] = &rankQueue{g: g}
			}
			heap.Push(g.waiting[key], i)
			for _, free := range holds[:n] { // it may have been woken for a slot that it cannot use: let others have it
				g.wake(free)
			}
			continue next
		}
		for _, key := range holds {
			g.used[key]++
		}
		return i
	}
	return -1
}

// Hold takes the slots of step i, which is under way already: a graph that is made in the middle of a run begins so.
func (g *Graph) Hold(i int) {
	for _, key := range g.Steps[i].Holds {
		g.used[key]++
	}
}

// wake offers as many of the steps parked on key as it has free slots.
func (g *Graph) wake(key string) {
	q := g.waiting[key]
	for n := g.Limit(key) - g.used[key]; n > 0 && q != nil && q.Len() > 0; n-- {
		g.Offer(heap.Pop(q).(int))
	}
}

// Release gives back the slots of step i.
func (g *Graph) Release(i int) {
	for _, key := range g.Steps[i].Holds {
		g.used[key]--
		g.wake(key)
	}
}

// Satisfied tells the dependents of step i that it is behind them, and returns those that may start now.
func (g *Graph) Satisfied(i int) (free []int) {
	for _, j := range g.next[i] {
		if g.left[j]--; g.left[j] == 0 {
			free = append(free, j)
		}
	}
	return free
}

// CriticalPath is the longest chain of steps by estimate, in order, and how long it takes.
func (g *Graph) CriticalPath() (ids []string, total time.Duration) {
	var firsts []int
	for i, s := range g.Steps {
		if len(s.Needs) == 0 {
			firsts = append(firsts, i)
		}
	}
	for next := firsts; len(next) > 0; {
		i := slices.MaxFunc(next, func(a, b int) int { return cmp.Or(cmp.Compare(g.rank[a], g.rank[b]), cmp.Compare(b, a)) })
		ids = append(ids, g.Steps[i].ID)
		total += time.Duration(g.Steps[i].Estimate)
		next = g.next[i]
	}
	return ids, total
}

// A rankQueue holds steps, the highest rank first; equal ranks in the plan's order.
type rankQueue struct {
	g *Graph
	s []int
}

func (q *rankQueue) Len() int { return len(q.s) }
func (q *rankQueue) Less(a, b int) bool {
	x, y := q.s[a], q.s[b]
	return cmp.Or(cmp.Compare(q.g.rank[y], q.g.rank[x]), cmp.Compare(x, y)) < 0
}
func (q *rankQueue) Swap(a, b int) { q.s[a], q.s[b] = q.s[b], q.s[a] }
func (q *rankQueue) Push(x any)    { q.s = append(q.s, x.(int)) }
func (q *rankQueue) Pop() any {
	x := q.s[len(q.s)-1]
	q.s = q.s[:len(q.s)-1]
	return x
}
