package workflows

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
	"nightshift/internal/signature"
	"nightshift/internal/words"
)

// scheduledBy is set by Temporal on what a schedule starts.
var scheduledBy = temporal.NewSearchAttributeKeyKeyword("TemporalScheduledById")

// awaitApproval waits for Approve. Reject, and silence, is no.
func (r *run) awaitApproval(ctx workflow.Context) error {
	if r.needsSignatures() {
		if err := r.checkRequest(ctx); err != nil {
			return r.finish(runapi.Refused, err.Error())
		}
	}
	if r.p.Approved && !r.Settings.Approval && !r.needsSignatures() {
		return nil
	}
	r.enter(ctx, runapi.PhaseApprove, r.wanted())
	limit := time.Duration(r.Settings.ApprovalDeadline)
	answered := func() bool { return r.approved() || r.Outcome != "" }
	r.tell(runapi.EventApproval, func() bool { return !answered() })
	r.alarm.set(ctx, workflow.Now(ctx).Add(limit), "waits for an approval, at most "+words.Written(limit))
	for !answered() {
		if rang := r.await(ctx, nil); rang {
			return r.finish(runapi.Refused, r.silence(limit))
		}
		if r.Aborted != "" {
			return errAborted
		}
	}
	r.alarm.stop()
	if r.Outcome != "" {
		return errors.New(r.Why)
	}
	return nil
}

// silence is what a run that was not approved in time ends with.
func (r *run) silence(limit time.Duration) string {
	if n := len(r.approvals(r.Hash)); n > 0 {
		return fmt.Sprintf("only %s of the plan came within %s", words.Of(n, r.Settings.Approvers.Need, "approval"), words.Written(limit))
	}
	return "nobody approved the plan within " + words.Written(limit)
}

// wanted is what the run waits for, for people.
func (r *run) wanted() string {
	text := "approval of plan " + plan.ShortHash(r.Hash)
	if !r.needsSignatures() {
		return text
	}
	var who []string
	for _, p := range r.Settings.Approvers.Of {
		if !r.asked(p) {
			who = append(who, p.Name)
		}
	}
	return fmt.Sprintf("%s, signed by %d of %s", text, r.Settings.Approvers.Need, strings.Join(who, ", "))
}

// needsSignatures tells whether plans of this run are approved by signatures: the first one, and each amendment of it that
// needs an approval at all. Approve orders without a signature are refused then.
func (r *run) needsSignatures() bool { return r.Settings.Approvers != nil }

// approved tells whether the plan as it is now has the approvals that it needs.
func (r *run) approved() bool { return r.approvedPlan(r.Hash) }

// approvedPlan tells the same of a plan by its hash, such as an amended one that is not carried out yet.
func (r *run) approvedPlan(hash string) bool {
	if r.needsSignatures() {
		return len(r.approvals(hash)) >= max(1, r.Settings.Approvers.Need)
	}
	return slices.ContainsFunc(r.Orders, func(o runapi.Record) bool { return o.Verb == runapi.Approve && o.Hash == hash })
}

// approvals are the signatures that count for a plan.
func (r *run) approvals(hash string) []runapi.Consent {
	var out []runapi.Consent
	for _, a := range r.Approvals {
		if a.Hash == hash {
			out = append(out, a)
		}
	}
	return out
}

// checkApproval says why an Approve order cannot be taken for the plan with the hash. It is pure, for validators.
func (r *run) checkApproval(ctx workflow.Context, o runapi.Order, hash string) error {
	switch {
	case r.approvedPlan(hash):
		return errors.New("the plan is approved already")
	case o.Hash != hash:
		return fmt.Errorf("the plan is %s, not %s: read it again", plan.ShortHash(hash), plan.ShortHash(o.Hash))
	case !r.needsSignatures():
		return nil
	}
	_, err := r.consent(ctx, o, hash)
	return err
}

// takeApproval keeps the signature of an Approve order that checkApproval has allowed.
func (r *run) takeApproval(ctx workflow.Context, o runapi.Order, hash string) error {
	if !r.needsSignatures() {
		return nil
	}
	c, err := r.consent(ctx, o, hash)
	if err == nil { // those that have expired while others were waited for count no more
		r.Approvals = append(slices.DeleteFunc(r.Approvals, func(a runapi.Consent) bool { return a.Hash == hash && !a.Expires.After(c.At) }), c)
	}
	return err
}

// consent is the approval in an order: of this run and plan, not expired, by an approver who has not approved it yet and did
// not ask for the run.
func (r *run) consent(ctx workflow.Context, o runapi.Order, hash string) (runapi.Consent, error) {
	if o.Signature == nil {
		return runapi.Consent{}, fmt.Errorf("%s wants signed approvals, a name alone is none: `nightshift approve %s --sign`", r.p.Runbook, workflow.GetInfo(ctx).WorkflowExecution.ID)
	}
	info, now := workflow.GetInfo(ctx), workflow.Now(ctx).UTC()
	want := signature.Approval{Lab: r.p.Lab, Runbook: r.p.Runbook, Run: info.WorkflowExecution.ID, FirstRun: info.FirstRunID, Plan: hash}
	who, expires, err := signature.CheckApproval(o.Signature.Text, o.Signature.SSH, want, r.Settings.Approvers.Known, now)
	switch {
	case err != nil:
		return runapi.Consent{}, err
	case r.asked(who):
		return runapi.Consent{}, fmt.Errorf("%s asked for this run: nobody approves their own", who.Name)
	case !slices.ContainsFunc(r.Settings.Approvers.Of, func(p plan.Approver) bool { return p == who }):
		return runapi.Consent{}, fmt.Errorf("%s is no approver of %s", who.Name, r.p.Runbook)
	}
	for _, a := range r.approvals(hash) {
		if a.Expires.After(now) && signature.SamePerson(who, plan.Approver{Name: a.Name, Key: a.Key}) {
			return runapi.Consent{}, fmt.Errorf("%s has approved this plan already: %d different people have to", who.Name, r.Settings.Approvers.Need)
		}
	}
	return runapi.Consent{At: now, Name: who.Name, Key: who.Key, Hash: hash, Expires: expires, Signature: *o.Signature}, nil
}

// asked tells whether the run was asked for by that person.
func (r *run) asked(p plan.Approver) bool {
	return r.Requester != nil && r.Requester.Key != "" && signature.SamePerson(p, plan.Approver{Name: r.Requester.Name, Key: r.Requester.Key})
}

// checkRequest finds out who asked for the run: a schedule, or a person who has signed the request. A name that is only
// claimed would let people approve what they ask for themselves.
func (r *run) checkRequest(ctx workflow.Context) error {
	r.Strict = workflow.GetVersion(ctx, signedRules, workflow.DefaultVersion, 1) > workflow.DefaultVersion
	if name, ok := r.schedule(ctx); ok {
		r.Requester = &runapi.Consent{At: r.Started, Name: "schedule " + name}
		return r.askedBySchedule()
	}
	if r.p.Signature == nil {
		return fmt.Errorf("%s has approvers, so whoever asks for it signs the request, to be told from those who approve: `nightshift run %s --sign`", r.p.Runbook, r.p.Runbook)
	}
	info := workflow.GetInfo(ctx)
	want := Request(r.p, info.WorkflowExecution.ID)
	who, err := signature.CheckRequest(r.p.Signature.Text, r.p.Signature.SSH, want, r.Settings.Approvers.Known, info.WorkflowStartTime)
	if err != nil {
		return fmt.Errorf("the request for this run is not taken: %w", err)
	}
	r.Requester = &runapi.Consent{At: r.Started, Name: who.Name, Key: who.Key, Signature: *r.p.Signature}
	return nil
}

// signedRules is the change under workflow.GetVersion: before it, what a schedule had asked for took as many approvals as any
// other run, and every blocked step could be skipped.
const signedRules = "signed-rules"

// askedBySchedule asks for two approvals at least: nobody has signed for the schedule, so whoever has added it may be one of
// those who approve, and must not be the only one.
func (r *run) askedBySchedule() error {
	if !r.Strict {
		return nil
	}
	all := *r.Settings.Approvers
	all.Need = max(all.Need, runapi.LeastForSchedule)
	r.Settings.Approvers = &all
	if len(all.Of) < all.Need {
		return fmt.Errorf("a schedule has asked for this run, and nobody signs for a schedule: %d people have to approve it, and %s has only one approver; "+
			"name another one under approvers in the lab file, or ask for the run yourself: `nightshift run %s --sign`", all.Need, r.p.Runbook, r.p.Runbook)
	}
	return nil
}

// Request is what the one signs who asks for a run with these parameters, without a name and a time.
func Request(p runapi.Params, run string) signature.Request {
	return signature.Request{Lab: p.Lab, Runbook: p.Runbook, Parameters: p.Parameters, Plan: p.PlanHash, OnFailure: string(p.OnFailure),
		Deadline: time.Duration(p.Deadline), Run: run}
}

// schedule is the name of the schedule that began the run. What the parameters say is not enough: Temporal must have set
// its mark, and the ids must fit.
func (r *run) schedule(ctx workflow.Context) (name string, ok bool) {
	id, marked := workflow.GetTypedSearchAttributes(ctx).GetKeyword(scheduledBy)
	name, said := strings.CutPrefix(r.p.By, "schedule ")
	if !r.p.Scheduled || !marked || !said || id != r.p.Runbook+"-"+r.p.Lab+"-"+name {
		return "", false
	}
	return name, strings.HasPrefix(workflow.GetInfo(ctx).WorkflowExecution.ID, id+"-")
}
