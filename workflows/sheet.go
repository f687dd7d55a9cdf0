package workflows

import (
	"fmt"
	"maps"
	"slices"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"nightshift/internal/runapi"
)

// The search attributes of a run, all keywords.
var (
	LabAttribute     = temporal.NewSearchAttributeKeyKeyword("Lab")
	RunbookAttribute = temporal.NewSearchAttributeKeyKeyword("Runbook")
	TargetAttribute  = temporal.NewSearchAttributeKeyKeyword("Target")
	PhaseAttribute   = temporal.NewSearchAttributeKeyKeyword("Phase")
	OutcomeAttribute = temporal.NewSearchAttributeKeyKeyword("Outcome")
)

// SearchAttributes are what a Temporal namespace must know for nightshift's runs to be found.
func SearchAttributes() map[string]enums.IndexedValueType {
	m := map[string]enums.IndexedValueType{}
	for _, k := range []temporal.SearchAttributeKeyKeyword{LabAttribute, RunbookAttribute, TargetAttribute, PhaseAttribute, OutcomeAttribute} {
		m[k.GetName()] = enums.INDEXED_VALUE_TYPE_KEYWORD
	}
	return m
}

// enter begins a phase, and says so where people look.
func (r *run) enter(ctx workflow.Context, phase, waiting string) {
	r.Phase, r.Waiting = phase, waiting
	target := r.p.Lab
	if c := r.p.Parameters["cluster"]; c != "" {
		target = c
	}
	updates := []temporal.SearchAttributeUpdate{LabAttribute.ValueSet(r.p.Lab), RunbookAttribute.ValueSet(r.p.Runbook),
		TargetAttribute.ValueSet(target), PhaseAttribute.ValueSet(phase)}
	if phase == runapi.PhaseEnd {
		updates = append(updates, OutcomeAttribute.ValueSet(r.Outcome))
	}
	if err := workflow.UpsertTypedSearchAttributes(ctx, updates...); err != nil {
		workflow.GetLogger(ctx).Warn("search attributes are not set", "phase", phase, "error", err)
	}
	r.show(ctx)
}

func (r *run) handleQueries(ctx workflow.Context) error {
	if err := workflow.SetQueryHandler(ctx, runapi.SheetQuery, func() (runapi.Sheet, error) { return r.sheet(), nil }); err != nil {
		return err
	}
	// What a run knows changes with its workflow tasks alone.
	if err := workflow.SetQueryHandler(ctx, runapi.PulseQuery, func() (string, error) {
		info := workflow.GetInfo(ctx)
		return fmt.Sprintf("%s/%d", info.WorkflowExecution.RunID, info.GetCurrentHistoryLength()), nil
	}); err != nil {
		return err
	}
	if err := workflow.SetQueryHandler(ctx, runapi.ProposalQuery, func() ([]byte, error) { return r.Proposed, nil }); err != nil {
		return err
	}
	return workflow.SetQueryHandler(ctx, runapi.PlanQuery, func() ([]byte, error) { return r.packed, nil })
}

// sheet is what the run tells of itself: as a query, with each order, and as its result.
func (r *run) sheet() runapi.Sheet {
	deadline, _, _ := r.deadline()
	if r.Phase == runapi.PhaseApprove {
		deadline = r.alarm.at
	}
	return runapi.Sheet{
		Lab: r.p.Lab, Runbook: r.p.Runbook, Title: r.Title, Hash: r.Hash, Parameters: r.p.Parameters, By: r.p.By, Phase: r.Phase, Outcome: r.Outcome, Why: r.Why,
		Started: r.Started, Ended: r.Ended, Paused: r.Paused, Aborted: r.Aborted, Waiting: r.Waiting, Deadline: deadline,
		Total: len(r.steps), Done: r.count[runapi.StepDone], Running: r.count[runapi.Running], Blocked: r.count[runapi.Blocked], Skipped: r.count[runapi.StepSkip],
		Untouched: r.count[runapi.Untouched] + r.count[runapi.HalfDone], Steps: string(r.steps),
		Begun: slices.Clone(r.BegunAt), Finished: slices.Clone(r.EndedAt), Notes: maps.Clone(r.Notes), Found: maps.Clone(r.Found), Attempts: maps.Clone(r.Attempts), Asked: maps.Clone(r.Asked), Unsent: r.unsent(),
		Decisions: slices.Clone(r.Decisions), Orders: slices.Clone(r.Orders), Approval: r.Settings.Approval, Approvers: r.Settings.Approvers,
		Requester: r.Requester, Orphan: r.orphan,
		Approvals: slices.Clone(r.Approvals), Left: r.Left, Owed: r.Owed, Warnings: r.Warnings, Blockers: r.Blockers,
		Runs: r.Runs + 1, Replanning: r.Replan, Proposal: r.Proposal, Amendments: slices.Clone(r.Amendments), Stale: r.Stale,
		Power: r.Power, Versions: r.Versions,
	}
}
