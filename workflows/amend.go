package workflows

import (
	"fmt"
	"slices"
	"strings"

	"go.temporal.io/sdk/workflow"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
)

// Amendments: a step that finds the lab other than planned, an operator, or a run that has slept, wants a new plan of what
// is left. Until it is there nothing new begins; what is under way goes on. merge.go puts the two plans together.

// mostAsked is how often one step may ask for a new plan, until an operator retries it.
const mostAsked = 3

// ask takes in that a step found the lab other than planned, and has sent nothing.
func (r *run) ask(ctx workflow.Context, i int, why string) {
	id := r.graph.Steps[i].ID
	switch r.Replans[id]++; {
	case r.Aborted != "":
		r.unplanned(ctx, i, why)
	case r.Vain[id] == why:
		r.unplanned(ctx, i, why+" (a new plan of what is left would do nothing about it)")
	case r.Replans[id] > mostAsked:
		r.unplanned(ctx, i, fmt.Sprintf("%s (%d new plans did not help)", why, mostAsked))
	default:
		r.Notes[id] = why
		r.Asking = append(r.Asking, id)
		r.wantPlan(why)
		r.set(i, runapi.Todo)
	}
}

// wantPlan asks for a new plan of what is left. Several who ask at once get one.
func (r *run) wantPlan(why string) {
	if r.Replan == "" {
		r.Replan = why
	}
}

// suspended tells whether no step may begin because another plan may come.
func (r *run) suspended() bool { return r.Replan != "" || r.Proposal != nil }

// forgetPlans drops what is being planned: the run ends, or nobody wants it any more.
func (r *run) forgetPlans() {
	r.Replan, r.Asking, r.Proposal, r.Proposed, r.replanning, r.amid, r.unsettled = "", nil, nil, nil, nil, false, false
}

// amend does what can be done now about a new plan: ask for it, take it in, carry it out once it is approved.
func (r *run) amend(ctx workflow.Context) {
	switch {
	case r.replanning != nil && r.replanning.IsReady():
		r.takeIn(ctx)
		if r.unsettled && r.mayAsk() { // nothing is under way any more whose end would wake the run
			r.askForPlan(ctx)
		}
	case r.mayAsk():
		r.askForPlan(ctx)
	case r.replanning == nil && r.Proposal != nil && r.approvedPlan(r.Proposal.To):
		r.proposalAnswered(ctx)
		a, packed := *r.Proposal, r.Proposed
		a.ApprovedBy = r.approvers(a.To)
		r.adopt(ctx, a, packed)
	}
}

// mayAsk tells whether a new plan is wanted, and the lab can be read for it.
func (r *run) mayAsk() bool {
	return r.replanning == nil && r.Replan != "" && !r.leaving && (!r.unsettled || len(r.flights) == 0)
}

func (r *run) askForPlan(ctx workflow.Context) {
	r.amid = len(r.flights) > 0 || !r.unsettled && r.Paused == "" && r.interrupted()
	r.unsettled = false
	r.replanning = workflow.ExecuteActivity(workflow.WithActivityOptions(r.acts, replanOptions()), plan.MakePlan, r.request(ctx))
}

// takeIn takes in the answer of the planner.
func (r *run) takeIn(ctx workflow.Context) {
	var reply plan.Reply
	err := r.replanning.Get(ctx, &reply)
	r.replanning = nil
	if err != nil && r.leaving { // it was called back: the next run of the chain asks again
		return
	}
	if err == nil && r.readAmid(ctx) && (len(reply.Blockers) > 0 || r.leavesMore(ctx, reply)) {
		// What is under way looks like a fault: a host that goes down is lost to its vCenter. Asked again when it has landed.
		r.unsettled = true
		return
	}
	a := runapi.Amendment{At: workflow.Now(ctx).UTC(), Why: r.Replan, From: r.Hash}
	r.Replan, r.Proposal, r.Proposed = "", nil, nil
	switch {
	case err != nil:
		r.keepPlan(ctx, a, "no new plan could be made: "+cause(err))
	case len(reply.Blockers) > 0:
		r.keepPlan(ctx, a, "the new plan has "+theFirst(reply.Blockers))
	default:
		r.consider(ctx, a, reply)
	}
	r.looked(ctx, err == nil)
}

// landedMeanwhile is the change under workflow.GetVersion: before it, what had landed when the plan came counted as settled, and what was
// interrupted did not go on before the plan was there.
const landedMeanwhile = "landed-meanwhile"

func (r *run) believesOnlySettled(ctx workflow.Context) bool {
	return workflow.GetVersion(ctx, landedMeanwhile, workflow.DefaultVersion, 1) >= 1
}

// readAmid tells whether something was under way when the lab was read for the plan that has come, whether or not it has landed since.
func (r *run) readAmid(ctx workflow.Context) bool {
	return r.amid && r.believesOnlySettled(ctx) || len(r.flights) > 0
}

// leftInFlight is the change under workflow.GetVersion: before it, no plan left anything as it was.
const leftInFlight = "left-in-flight"

// leavesMore tells whether the new plan leaves something as it is that this one does not: a blocker, where there is a battery. It is asked
// only of a plan that was read amid something, as ever: what it asks of workflow.GetVersion is in histories where it was asked.
func (r *run) leavesMore(ctx workflow.Context, reply plan.Reply) bool {
	more := slices.ContainsFunc(reply.Left, func(s string) bool { return !slices.Contains(r.graph.Left, s) })
	return more && workflow.GetVersion(ctx, leftInFlight, workflow.DefaultVersion, 1) >= 1
}

// consider carries the new plan out, or proposes it.
func (r *run) consider(ctx workflow.Context, a runapi.Amendment, reply plan.Reply) {
	merged, err := r.merge(reply)
	if err != nil {
		r.keepPlan(ctx, a, err.Error())
		return
	}
	packed, err := merged.Pack()
	if err != nil {
		r.keepPlan(ctx, a, err.Error())
		return
	}
	a.To = merged.Hash()
	describeChanges(&a, r.graph.Plan, merged)
	for _, w := range reply.Warnings {
		if !slices.Contains(r.Warnings, w) {
			r.Warnings = append(r.Warnings, w)
		}
	}
	a.Beyond = bounded(plan.Beyond(r.graph.Plan, merged))
	r.inVain(ctx, merged)
	switch policy := r.Settings.OnFailure; {
	case len(a.Beyond) == 0, r.p.Resolute && !r.Settings.Approval && !r.needsSignatures():
		r.adopt(ctx, a, packed)
	case r.p.Approved && (policy == plan.Skip || policy == plan.Abort): // nobody is there
		r.keepPlan(ctx, a, "the new plan needs an approval: "+a.Beyond[0])
	default:
		r.Proposal, r.Proposed = &a, packed
		r.tell(runapi.EventApproval, func() bool { return r.Proposal != nil })
	}
}

// vainPlans is the change under workflow.GetVersion: before it, a step asked for new plans until it had asked mostAsked times.
const vainPlans = "vain-plans"

// inVain notes which of those that asked get nothing by the new plan: they are as they were, and nothing is to be done before
// them. Who asks again for the same reason gets no other one. A guest whose own step was skipped, say, stays on its host.
func (r *run) inVain(ctx workflow.Context, merged plan.Plan) {
	if len(r.Asking) == 0 || workflow.GetVersion(ctx, vainPlans, workflow.DefaultVersion, 1) == workflow.DefaultVersion {
		return
	}
	r.Vain = map[string]string{}
	for _, s := range merged.Steps {
		if i, ok := r.graph.Index(s.ID); ok && slices.Contains(r.Asking, s.ID) && sameDeed(r.graph.Steps[i], s) && r.graph.Steps[i].Target == s.Target &&
			!slices.ContainsFunc(s.Needs, r.ahead) {
			r.Vain[s.ID] = r.Notes[s.ID]
		}
	}
}

// ahead tells whether the step is not behind the run; one that it does not know is not.
func (r *run) ahead(id string) bool {
	i, ok := r.graph.Index(id)
	if !ok {
		return true
	}
	switch r.steps[i] {
	case runapi.StepDone, runapi.StepSkip, runapi.Untouched, runapi.HalfDone:
		return false
	}
	return true
}

// describeChanges says what is other in the new plan.
func describeChanges(a *runapi.Amendment, was, is plan.Plan) {
	lines := plan.Diff(was, is)
	for _, l := range lines {
		switch {
		case strings.HasPrefix(l, "new: "):
			a.Added++
		case strings.HasPrefix(l, "changed: "):
			a.Changed++
		case strings.HasPrefix(l, "no longer: "):
			a.Dropped++
		}
	}
	a.Changes = bounded(lines)
}

func bounded(lines []string) []string {
	if n := len(lines) - runapi.MostChanges; n > 0 {
		lines = append(slices.Clone(lines[:runapi.MostChanges]), fmt.Sprintf("… and %d more", n))
	}
	return lines
}

// keepPlan goes on with the plan as it was: those who asked for another one end as their policies say.
func (r *run) keepPlan(ctx workflow.Context, a runapi.Amendment, why string) {
	a.Refused = why
	r.note(a)
	asking := r.Asking
	r.Asking, r.Proposal, r.Proposed = nil, nil, nil
	for _, id := range asking {
		if i, ok := r.graph.Index(id); ok && r.steps[i] == runapi.Todo {
			r.unplanned(ctx, i, r.Notes[id]+"; "+why)
			r.Asking = append(r.Asking, id) // a later plan may still be about it
		}
	}
}

// decline is a person's no to the new plan.
func (r *run) decline(ctx workflow.Context, why string) {
	r.proposalAnswered(ctx)
	a := *r.Proposal
	a.At = workflow.Now(ctx).UTC()
	r.keepPlan(ctx, a, why)
}

// note keeps an amendment for the report.
func (r *run) note(a runapi.Amendment) {
	r.Amendments = append(r.Amendments, a)
	if n := len(r.Amendments) - runapi.MostAmendments; n > 0 {
		r.Amendments = slices.Delete(r.Amendments, 0, n)
	}
}

// unplanned ends a step for which there is no plan any more, as its policy says. No harsher way: it has sent nothing, and
// would do to another lab what was approved for this one.
func (r *run) unplanned(ctx workflow.Context, i int, why string) {
	s := r.graph.Steps[i]
	policy := r.policy(s)
	if policy == plan.Force {
		policy = plan.Ask
	}
	if r.Aborted != "" && !s.Always {
		r.Notes[s.ID] = why
		r.finishStep(ctx, i, runapi.Untouched)
		return
	}
	r.failAs(ctx, i, policy, why)
}

// awaited is the hash of the plan that waits for an approval: that of the run, or of an amendment. Empty: none does.
func (r *run) awaited() string {
	switch {
	case r.Phase == runapi.PhaseApprove:
		return r.Hash
	case r.Phase == runapi.PhaseExecute && r.Proposal != nil && r.Aborted == "":
		return r.Proposal.To
	}
	return ""
}

// approvers names those who approved the plan with the hash: by their signatures, where these count.
func (r *run) approvers(hash string) string {
	var names []string
	if r.needsSignatures() {
		for _, a := range r.approvals(hash) {
			names = append(names, a.Name)
		}
		return strings.Join(names, ", ")
	}
	for _, o := range r.Orders {
		if o.Verb == runapi.Approve && o.Hash == hash && !slices.Contains(names, o.By) {
			names = append(names, o.By)
		}
	}
	return strings.Join(names, ", ")
}
