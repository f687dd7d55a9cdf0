package workflows

import (
	"errors"
	"fmt"
	"slices"

	"go.temporal.io/sdk/workflow"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
)

// merge puts a new plan of what is left in the place of what the run has not begun. An error says why the two do not fit.
func (r *run) merge(reply plan.Reply) (plan.Plan, error) {
	now, err := plan.Unpack(reply.Packed)
	switch {
	case err != nil:
		return plan.Plan{}, err
	case now.Schema > plan.SchemaVersion || now.Hash() != reply.Hash || r.graph.Hash() != r.Hash:
		// A newer worker made one of them: packed again by this one it would lose what is new in it. A panic fails this
		// workflow task only; Temporal tries it again until a worker comes that knows the plan.
		panic(errors.New("the plan has parts that this nightshift does not know: upgrade it"))
	}
	for i := range now.Steps {
		r.keepAmended(&now.Steps[i])
	}
	merged := join(r.graph.Plan, now, r.keeps)
	_, err = plan.NewGraph(merged)
	return merged, err
}

// keeps tells whether step i stays as it is, whatever the new plan says: it is behind the run, or under way. What only reads, or
// keeps nightshift's own books, is done again where the new plan has it otherwise: another guest must be remembered too.
func (r *run) keeps(i int, now *plan.Step) (keep, behind bool) {
	s := r.graph.Steps[i]
	switch r.steps[i] {
	case runapi.StepDone:
		keep = now == nil || s.Changes() || sameDeed(s, *now)
		return keep, keep
	case runapi.Todo:
		return r.Memos[s.ID].Sent(), false
	case runapi.Blocked:
		return false, false
	}
	return true, r.steps[i] != runapi.Running
}

// sameDeed tells whether what was done is what the new plan wants. What a vCenter knew is written down anew in any case: the
// lab is not any more as it was then, and the power-up begins with that.
func sameDeed(a, b plan.Step) bool {
	return a.Action != plan.RecordLab && a.Action == b.Action && string(a.Params) == string(b.Params)
}

// keepAmended gives a step of the new plan the parameters that an operator has changed.
func (r *run) keepAmended(s *plan.Step) {
	if _, ok := r.Amended[s.ID]; !ok {
		return
	}
	for _, o := range r.Orders {
		if o.Verb != runapi.Retry || len(o.Params) == 0 || !slices.Contains(o.Steps, s.ID) {
			continue
		}
		if amended, err := plan.Amend(s.Action, s.Params, o.Params); err == nil {
			s.Params = amended
		}
	}
}

// join makes the plan: what is kept of the old one, then, step by step, the new version of what is not, without what the
// new plan does not need any more, and what is new in it. Steps that always run stay: what they put back is still to be
// put back, and each looks whether it is.
func join(old, now plan.Plan, keeps func(i int, now *plan.Step) (keep, behind bool)) plan.Plan {
	j := joint{was: map[string]plan.Step{}, is: map[string]plan.Step{}, kept: map[string]bool{}, behind: map[string]bool{}, in: map[string]bool{}, open: map[string][]string{}}
	for _, s := range now.Steps {
		j.is[s.ID] = s
	}
	merged := now
	merged.Title, merged.Steps = old.Title, nil
	for i, s := range old.Steps {
		j.was[s.ID] = s
		version, ok := j.is[s.ID]
		var next *plan.Step
		if ok {
			next = &version
		}
		keep, behind := keeps(i, next)
		j.behind[s.ID] = behind
		switch {
		case keep:
			j.kept[s.ID] = true
		case ok:
			s = version
		case !s.Always:
			continue
		}
		j.in[s.ID] = true
		merged.Steps = append(merged.Steps, s)
	}
	for _, s := range now.Steps {
		if !j.in[s.ID] {
			j.in[s.ID] = true
			merged.Steps = append(merged.Steps, s)
		}
	}
	ends := j.ends(now)
	for i, s := range merged.Steps {
		merged.Steps[i].Needs = j.needs(s, ends)
	}
	return merged
}

type joint struct {
	was, is          map[string]plan.Step
	kept, behind, in map[string]bool
	open             map[string][]string // see through
}

// needs are those of a step in the merged plan. What is kept has its own behind it, so that whoever needs it waits for what
// the new plan wants before it. An Always step waits for what is still under way of the old plan, too, and one that the new
// plan does not have for the end of the new one.
func (j joint) needs(s plan.Step, ends []string) []string {
	var needs []string
	in := map[string]bool{}
	add := func(ids ...string) {
		for _, id := range ids {
			if !in[id] {
				in[id] = true
				needs = append(needs, id)
			}
		}
	}
	_, planned := j.is[s.ID]
	switch {
	case j.kept[s.ID]:
		for _, id := range s.Needs {
			if j.kept[id] {
				add(id)
			}
		}
		return needs
	case planned:
		add(s.Needs...)
		for _, id := range s.Needs {
			add(j.through(id)...)
		}
	default:
		add(ends...)
	}
	if s.Always {
		j.before(j.was[s.ID], planned, map[string]bool{}, func(id string) { add(id) })
	}
	return needs
}

// through is what the new plan wants before a step that is kept, and that is not kept.
func (j joint) through(id string) []string {
	if !j.kept[id] {
		return nil
	}
	open, known := j.open[id]
	if known {
		return open
	}
	for _, need := range j.is[id].Needs {
		if !j.kept[need] {
			open = append(open, need)
		}
		open = append(open, j.through(need)...)
	}
	slices.Sort(open)
	open = slices.Compact(open)
	j.open[id] = open
	return open
}

// before adds the nearest steps of the old plan, through those that were dropped, on which s waited: all that are left, or
// only those that the new plan does not know.
func (j joint) before(s plan.Step, strange bool, seen map[string]bool, add func(string)) {
	for _, id := range s.Needs {
		if seen[id] || j.behind[id] {
			continue
		}
		seen[id] = true
		_, known := j.is[id]
		switch {
		case j.in[id] && !(strange && known):
			add(id)
		case !j.in[id]:
			j.before(j.was[id], strange, seen, add)
		}
	}
}

// ends are the steps of the new plan after which nothing comes but what always runs.
func (j joint) ends(now plan.Plan) []string {
	needed := map[string]bool{}
	for _, s := range now.Steps {
		if s.Always || j.kept[s.ID] {
			continue
		}
		for _, id := range s.Needs {
			needed[id] = true
		}
	}
	var ends []string
	for _, s := range now.Steps {
		if !s.Always && !needed[s.ID] && !j.behind[s.ID] {
			ends = append(ends, s.ID)
		}
	}
	return ends
}

// adopt carries on with the merged plan. What is behind and what is under way keeps its place in it.
func (r *run) adopt(ctx workflow.Context, a runapi.Amendment, packed []byte) {
	p, err := plan.Unpack(packed)
	if err != nil {
		panic(fmt.Errorf("what this run packed itself: %w", err))
	}
	asking := r.Asking
	r.forgetPlans()
	r.note(a)
	was, letters, begun, ended := r.graph, r.steps, r.BegunAt, r.EndedAt
	r.steps, r.BegunAt, r.EndedAt = make([]byte, len(p.Steps)), nil, nil
	for i, s := range p.Steps {
		letter, at, end := byte(runapi.Todo), int64(-1), int64(-1)
		if j, ok := was.Index(s.ID); ok {
			letter, at, end = letters[j], begun[j], ended[j]
			switch {
			case letter == runapi.StepDone && !s.Changes() && !sameDeed(was.Steps[j], s): // see keeps
				letter, at, end = runapi.Todo, -1, -1
				delete(r.Notes, s.ID)
			case letter == runapi.Blocked && slices.Contains(asking, s.ID):
				if end >= 0 {
					r.Asked[s.ID] += max(0, r.tenths(ctx)-end)
				}
				letter, end = runapi.Todo, -1
			case letter == runapi.Todo && !r.Memos[s.ID].Sent():
				delete(r.Memos, s.ID) // since when it waits: it begins anew
			}
			if letter == runapi.Todo && slices.Contains(asking, s.ID) {
				delete(r.Notes, s.ID)
			}
		}
		r.steps[i] = letter
		r.BegunAt, r.EndedAt = append(r.BegunAt, at), append(r.EndedAt, end)
	}
	r.packed, r.Hash, r.Steps, r.Amended = packed, a.To, string(r.steps), nil
	r.count, r.grouped, r.groupOf = [256]int{}, nil, nil
	if err := r.load(); err != nil {
		panic(err) // merge has made a graph of it
	}
	for _, s := range was.Steps { // what was dropped leaves nothing behind
		if _, ok := r.graph.Index(s.ID); !ok {
			delete(r.Notes, s.ID)
			delete(r.Memos, s.ID)
		}
	}
	for _, fl := range r.flights {
		fl.step, _ = r.graph.Index(was.Steps[fl.step].ID)
		r.graph.Hold(fl.step)
	}
	r.show(ctx)
}
