package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
	"nightshift/internal/words"
)

func newReplanCommand(a *app) *cobra.Command {
	return newOrderCommand(a, order{verb: runapi.Replan, use: "replan [RUN]",
		short: "Read the lab again and plan anew what a run has not begun",
		long: `Read the lab again and plan anew what a run has not begun. What is done stays done, and what is under way goes on; blocked steps
stay blocked until they are retried, in their new form. The same objects at another place need no approval; a new object, or a
harsher way, waits for one: ` + "`nightshift approve`" + `.`})
}

// showProposal shows how the plan that waits for an approval differs from the one that the run carries out.
func (a *app) showProposal(ctx context.Context, s *session, run string, p *runapi.Amendment) error {
	now, err := s.runs.Plan(ctx, run)
	if err != nil {
		return err
	}
	proposed, err := s.runs.Proposal(ctx, run)
	if err != nil {
		return err
	}
	if now == nil || proposed == nil || proposed.Hash() != p.To {
		return fmt.Errorf("the new plan of run %s cannot be read now: try again", run)
	}
	fmt.Fprintf(a.err, "%s\n\nA new plan of what is left, as %s.\n", proposed.Title, p.Why)
	section(a.err, a.errPaint(), "What goes beyond the approved plan", p.Beyond...)
	section(a.err, a.errPaint(), "All that is other", plan.Diff(*now, *proposed)...)
	fmt.Fprintln(a.err)
	return nil
}

// planned are lines on what became of the plan of a run: new ones that wait, are made, or were carried out.
func (v view) planned() (lines []string) {
	s := v.Sheet
	if s.Stale != "" {
		lines = append(lines, s.Stale+": let it go on with", "    nightshift resume "+words.Shell(v.Run))
	}
	if s.Proposal != nil && s.Outcome == "" {
		lines = append(lines, "a new plan waits for an approval ("+s.Proposal.Why+"):")
		for _, b := range s.Proposal.Beyond {
			lines = append(lines, "    "+b)
		}
		approve := "    nightshift approve " + words.Shell(v.Run)
		if s.Approvers != nil {
			approve += " --sign"
		}
		lines = append(lines, approve, "    nightshift reject "+words.Shell(v.Run)+" --reason WHY")
	}
	return lines
}
