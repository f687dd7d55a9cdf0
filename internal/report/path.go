package report

import (
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"nightshift/internal/plan"
)

// Why a step began when it did and not before, as Step.AfterWhy has it.
const (
	AfterNeed = "need" // the step that it needs ended last
	AfterSlot = "slot" // as many steps as the plan's limits allow at a time were under way: this one made room
)

// late is from when on a step that could begin, and did not, is said to have waited: what it takes to start one on a busy
// machine is no waiting.
const late = time.Second

// A Link is a part of the chain that determined when the run ended: each began when the one before it was over. Idle and
// Seconds of all of them together are the time that the run took.
type Link struct {
	Step  string    `json:"step,omitempty"` // its id; empty: what nightshift itself did
	Title string    `json:"title"`
	Begun time.Time `json:"begun"`
	Ended time.Time `json:"ended"`
	// Seconds that it took, and Idle those before it in which nothing of the chain was under way.
	Seconds float64 `json:"seconds"`
	Idle    float64 `json:"idle,omitempty"`
	// Why says for what it waited: what kept it in words, and why there was an idle time.
	Why string `json:"why,omitempty"`
	// Slot is the key of the plan's limits for which it had to wait.
	Slot string `json:"slot,omitempty"`
	// Folded is how many links this one stands for, where a long chain is told.
	Folded int `json:"-"`
}

// A tracer finds out from the times of the steps, and from what the plan lets them wait for, who waited for whom.
type tracer struct {
	r     *Report
	p     *plan.Plan
	graph *plan.Graph
	index map[string]int
	users map[string]*users // by the key that they hold
	first time.Time         // when the first step began
}

// users of a slot: when they began and ended, in order.
type users struct {
	begun, ended []time.Time
	who          []int // by ended
}

// trace fills in what each step waited for, and what determined the end.
func (r *Report) trace(p *plan.Plan) {
	g, err := plan.NewGraph(*p)
	if err != nil || len(p.Steps) != len(r.Steps) {
		return
	}
	t := &tracer{r: r, p: p, graph: g, index: map[string]int{}, users: map[string]*users{}}
	for i, s := range r.Steps {
		t.index[s.ID] = i
		if !s.Begun.IsZero() && (t.first.IsZero() || s.Begun.Before(t.first)) {
			t.first = s.Begun
		}
		if s.Begun.IsZero() || s.Ended.IsZero() {
			continue
		}
		for _, key := range p.Steps[i].Holds {
			u := t.users[key]
			if u == nil {
				u = &users{}
				t.users[key] = u
			}
			u.begun, u.who = append(u.begun, s.Begun), append(u.who, i)
		}
	}
	for _, u := range t.users { // each on its own
		slices.SortFunc(u.begun, time.Time.Compare)
		slices.SortStableFunc(u.who, func(a, b int) int { return r.Steps[a].Ended.Compare(r.Steps[b].Ended) })
		for _, i := range u.who {
			u.ended = append(u.ended, r.Steps[i].Ended)
		}
	}
	for i := range r.Steps {
		if !r.Steps[i].Begun.IsZero() {
			t.after(i)
		}
	}
	if !r.Ended.IsZero() {
		t.path()
	}
}

// after finds out what step i waited for last.
func (t *tracer) after(i int) {
	s := &t.r.Steps[i]
	need := -1
	for _, id := range t.p.Steps[i].Needs {
		n, ok := t.index[id]
		if !ok {
			continue
		}
		if need := t.r.Steps[n]; need.Begun.IsZero() || need.Ended.IsZero() || need.Ended.After(s.Begun) {
			continue // skipped through, dropped by an abort, or done once more since
		}
		if need < 0 || t.r.Steps[n].Ended.After(t.r.Steps[need].Ended) {
			need = n
		}
	}
	could := t.r.Started
	if need >= 0 {
		could = t.r.Steps[need].Ended
		s.After, s.AfterWhy = t.r.Steps[need].ID, AfterNeed
	}
	if s.Begun.Sub(could) <= late {
		return
	}
	if j, key := t.roomBy(i, could); j >= 0 {
		s.After, s.AfterWhy, s.Slot = t.r.Steps[j].ID, AfterSlot, key
	}
	if need >= 0 || s.AfterWhy == AfterSlot {
		s.Waited = s.Begun.Sub(could).Seconds()
	}
}

// roomBy is the step whose end made room for step i, which could have begun before: -1 where that is not why it waited.
func (t *tracer) roomBy(i int, could time.Time) (best int, slot string) {
	began := t.r.Steps[i].Begun
	best = -1
	for _, key := range t.p.Steps[i].Holds {
		u := t.users[key]
		if u == nil {
			continue
		}
		k := sort.Search(len(u.ended), func(k int) bool { return u.ended[k].After(began) }) - 1
		for ; k >= 0 && u.who[k] == i; k-- {
		}
		if k < 0 || !u.ended[k].After(could) || began.Sub(u.ended[k]) > 2*late {
			continue
		}
		if u.atOnce(u.ended[k]) < t.graph.Limit(key) {
			continue
		}
		if best < 0 || u.ended[k].After(t.r.Steps[best].Ended) {
			best, slot = u.who[k], key
		}
	}
	return best, slot
}

// atOnce is how many held the slot just before the moment.
func (u *users) atOnce(at time.Time) int {
	begun := sort.Search(len(u.begun), func(k int) bool { return !u.begun[k].Before(at) })
	ended := sort.Search(len(u.ended), func(k int) bool { return !u.ended[k].Before(at) })
	return begun - ended
}

// room says why a step that waited for the slot had to.
func (t *tracer) room(slot string) string {
	kind, name, _ := strings.Cut(slot, ":")
	return fmt.Sprintf("no more than %d at a time at %s", t.graph.Limit(slot), strings.TrimSpace(kind+" "+name))
}

// fewLinks in a row that only waited for room are told one by one.
const fewLinks = 3

// Chain is Path for people: steps that came one after another as there was no room for all are told in one line.
func (r Report) Chain() (list []Link) {
	for i := 0; i < len(r.Path); {
		j := i
		for j < len(r.Path) && r.Path[j].Slot != "" && r.Path[j].Slot == r.Path[i].Slot {
			j++
		}
		if j-i <= fewLinks {
			list = append(list, r.Path[i])
			i++
			continue
		}
		l := Link{Title: fmt.Sprintf("%d steps, each when there was room for it: from “%s” to “%s”", j-i, brief(r.Path[i].Title), brief(r.Path[j-1].Title)),
			Begun: r.Path[i].Begun, Ended: r.Path[j-1].Ended, Why: r.Path[i].Why, Slot: r.Path[i].Slot, Folded: j - i}
		for _, one := range r.Path[i:j] {
			l.Seconds += one.Seconds + one.Idle
		}
		list = append(list, l)
		i = j
	}
	return list
}

// path walks back from the step that ended last.
func (t *tracer) path() {
	r := t.r
	last := -1
	for i, s := range r.Steps {
		if !s.Ended.IsZero() && !s.Begun.IsZero() && !s.Ended.After(r.Ended) && (last < 0 || s.Ended.After(r.Steps[last].Ended)) {
			last = i
		}
	}
	if last < 0 {
		return
	}
	var back []Link
	for i, seen := last, map[int]bool{}; i >= 0 && !seen[i]; {
		seen[i] = true
		s := &r.Steps[i]
		s.Critical = true
		l := Link{Step: s.ID, Title: s.Title, Begun: s.Begun, Ended: s.Ended, Seconds: s.Ended.Sub(s.Begun).Seconds(), Why: asked(s.Asked)}
		before, next := r.Started, -1
		if j, ok := t.index[s.After]; ok && s.After != "" {
			before, next = r.Steps[j].Ended, j
			if s.AfterWhy == AfterSlot {
				l.Why, l.Slot = both(l.Why, t.room(s.Slot)), s.Slot
			}
		}
		if idle := s.Begun.Sub(before); idle > 0 {
			l.Idle = idle.Seconds()
			if idle > late {
				if why := r.between(before, s.Begun, next < 0 && s.Begun.Sub(t.first) <= late); why != "" {
					l.Why = both(asked(s.Asked), why)
				}
			}
		}
		back = append(back, l)
		i = next
	}
	slices.Reverse(back)
	if rest := r.Ended.Sub(r.Steps[last].Ended); rest > 0 {
		title := "See that everything is as it should be, and end"
		if r.Outcome == "aborted" {
			title = "End in order"
		}
		back = append(back, Link{Title: title, Begun: r.Steps[last].Ended, Ended: r.Ended, Seconds: rest.Seconds()})
	}
	r.Path = back
}

// both are two reasons, of which either may be empty.
func both(a, b string) string {
	if a != "" && b != "" {
		return a + "; " + b
	}
	return a + b
}

// between says what happened in a time in which the chain stood still.
func (r *Report) between(from, to time.Time, first bool) string {
	in := func(at time.Time) bool { return !at.Before(from) && !at.After(to.Add(late)) }
	for _, o := range slices.Backward(r.Orders) {
		if in(o.At) {
			return fmt.Sprintf("waited for a person: %s by %s", o.Verb, o.By)
		}
	}
	for _, a := range slices.Backward(r.Amendments) {
		if in(a.At) {
			return "what was left was planned anew: " + a.Why
		}
	}
	if first {
		return "the lab was inspected, the plan made and said yes to"
	}
	return ""
}
