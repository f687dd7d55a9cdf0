package workflows

import (
	"errors"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
)

// What has sent nothing is not half done, though it had begun.

// heard notes what the end of an attempt tells of what step i has sent: nothing, if that is so of each of its attempts.
func (r *run) heard(i int, err error) {
	id := r.graph.Steps[i].ID
	if saysNothingSent(err) && (r.Unsent[id] || r.Attempts[id] == 0 && r.Again[id].Count == 0) {
		r.Unsent[id] = true
		return
	}
	delete(r.Unsent, id)
}

func saysNothingSent(err error) bool {
	app := new(temporal.ApplicationError)
	var what string
	return errors.As(err, &app) && app.HasDetails() && app.Details(&what) == nil && what == plan.NothingSent
}

// sentNothing tells whether it is known that step i, which had begun, has sent nothing.
func (r *run) sentNothing(i int) bool {
	s := r.graph.Steps[i]
	return r.Unsent[s.ID] || s.NeverSends()
}

// drop ends a step that had begun and is not seen to its end.
func (r *run) drop(ctx workflow.Context, i int) {
	if !r.sentNothing(i) {
		r.finishStep(ctx, i, runapi.HalfDone)
		return
	}
	r.Dropped[r.graph.Steps[i].ID] = true
	r.finishStep(ctx, i, runapi.Untouched)
}

// unsent are the ids of the blocked steps that have sent nothing.
func (r *run) unsent() (ids []string) {
	if len(r.Unsent) == 0 {
		return nil
	}
	for i, c := range r.steps {
		if id := r.graph.Steps[i].ID; c == runapi.Blocked && r.Unsent[id] {
			ids = append(ids, id)
		}
	}
	return ids
}
