package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"nightshift/internal/runapi"
)

// How long steps waited for a person is no time of their own: it is counted as the answers come.

// answered counts the time since step i blocked.
func (r *run) answered(ctx workflow.Context, i int) {
	if r.steps[i] == runapi.Blocked && r.EndedAt[i] >= 0 {
		r.waited(i, r.tenths(ctx)-r.EndedAt[i])
	}
}

// proposalAnswered counts the time since the new plan was proposed, for the steps that had asked for it.
func (r *run) proposalAnswered(ctx workflow.Context) {
	waited := int64(workflow.Now(ctx).Sub(r.Proposal.At) / (100 * time.Millisecond))
	for _, id := range r.Asking {
		if i, ok := r.graph.Index(id); ok && r.steps[i] == runapi.Todo && r.BegunAt[i] >= 0 {
			r.waited(i, waited)
		}
	}
}

func (r *run) waited(i int, tenths int64) {
	if tenths > 0 { // clocks are set back
		r.Asked[r.graph.Steps[i].ID] += tenths
	}
}
