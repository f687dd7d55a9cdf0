package runbooks

import (
	"nightshift/internal/plan"
)

// A way goes through an order and lays the steps of guests along it, or against it. What has no step of its own (a guest
// that is off, a set) hands on what it would have waited for: a machine that is off does not undo the order of those
// before and after it. Where that makes more edges than it saves, a Join takes their place.
type way struct {
	b       *builder
	order   *order
	prefix  string             // tells the joins of one way from those of another in one plan
	against bool               // from those that need to those that are needed: power-down
	done    map[*node][]string // the steps after which the node is up, or what needs it and itself are down
}

func newWay(o *order, against bool, prefix string) *way {
	return &way{b: o.b, order: o, against: against, prefix: prefix, done: map[*node][]string{}}
}

// lay goes once through all nodes. step makes the steps of a node and returns the last one's id; "": it has none.
func (w *way) lay(step func(n *node, needs []string) string) {
	nodes := w.order.sorted()
	for i := range nodes {
		n := nodes[i]
		if w.against {
			n = nodes[len(nodes)-1-i]
		}
		needs := w.needs(n)
		if id := step(n, needs); id != "" {
			w.done[n] = []string{id}
		} else if len(needs) > 0 {
			w.done[n] = w.join(n, needs)
		}
	}
}

// needs are the steps before the node, each once.
func (w *way) needs(n *node) []string {
	var ids []string
	seen := map[string]bool{}
	add := func(m *node) {
		for _, id := range w.done[m] {
			if !seen[id] {
				seen[id] = true
				ids = append(ids, id)
			}
		}
	}
	if w.against {
		for _, m := range n.needed {
			add(m)
		}
		return ids
	}
	for _, e := range n.needs {
		add(e.to)
	}
	return ids
}

func (w *way) join(n *node, needs []string) []string {
	used := len(n.needed)
	if w.against {
		used = len(n.needs)
	}
	if !worthJoining(len(needs), used) {
		return needs
	}
	what := n.set
	if n.guest != nil {
		what = "guest " + n.guest.id
	}
	title := "All that " + what + " waits for is up"
	if n.guest == nil {
		title = "All of " + what + " are up"
	}
	if w.against {
		title = "All that needs " + what + " is down"
	}
	return []string{w.b.join(w.prefix+what, title, groupGuests, needs)}
}

// joinSaves is how many edges a Join has to save: a person reads a small plan better without.
const joinSaves = 32

// worthJoining: from steps before and used after there would be from times used edges.
func worthJoining(from, used int) bool { return from*used >= from+used+joinSaves }

// join adds a step that stands for all of its needs. what is unique.
func (b *builder) join(what, title, group string, needs []string) string {
	return b.add(plan.Step{ID: "join:" + what, Title: title, Group: group, Action: plan.Join, Target: b.labTarget(nil), Needs: needs,
		Estimate: plan.Duration(takesJoin), Timeout: plan.Duration(marginTask)})
}
