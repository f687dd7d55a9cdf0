package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
)

type approveOptions struct {
	hash   string
	yes    bool
	reason string
	signed signedOptions
}

func newApproveCommand(a *app) *cobra.Command {
	o := &approveOptions{}
	c := &cobra.Command{
		Use:   "approve [RUN]",
		Short: "Say yes to the plan that a run waits with",
		Long: `Show the plan that a run waits with, ask, and say yes to it. With --hash (at least its first 12 digits) it says yes to that plan and no other, without asking.

Where the lab file names approvers, a yes is an SSH signature, over run, plan and time, by one of them who did not ask for
the run. --sign makes it with a key of ssh-agent, FIDO keys included, or with --key FILE. Or make it elsewhere:

  nightshift approve RUN --print --as ann > approval.txt
  ssh-keygen -Y sign -n nightshift-approval@v1 -f ~/.ssh/id_ed25519 approval.txt
  nightshift approve RUN --signature approval.txt.sig

` + runHelp,
		Args: atMost(1), ValidArgsFunction: a.completeRun,
		RunE: func(c *cobra.Command, args []string) error {
			if err := o.signed.check(); err != nil {
				return err
			}
			if o.signed.print {
				return a.printApproval(c.Context(), args, o.signed)
			}
			return a.sendOrder(c.Context(), args, runapi.Approve, false, func(s *session, run string, _ []string) (runapi.Order, error) {
				return approval(c.Context(), a, *o, s, run)
			})
		},
	}
	c.Flags().StringVar(&o.hash, "hash", "", "approve the plan with this `HASH`, without asking")
	c.Flags().BoolVarP(&o.yes, "yes", "y", false, "approve whatever the plan is, without asking")
	reasonFlag(c.Flags(), &o.reason, "`why`, for the report")
	o.signed.addFlags(c.Flags())
	return c
}

// approval makes the order: with the hash of the plan that was read, and the signature where one is needed.
func approval(ctx context.Context, a *app, o approveOptions, s *session, run string) (runapi.Order, error) {
	order := runapi.Order{Reason: o.reason}
	sheet, hash, err := s.waiting(ctx, run)
	if err != nil {
		return order, err
	}
	order.Hash = hash
	if o.hash != "" && (len(o.hash) < 12 || len(o.hash) > len(hash) || hash[:len(o.hash)] != o.hash) {
		return order, &exitError{exitRefused, fmt.Errorf("run %s waits with plan %s, not with %s: read it with `nightshift approve %s`", run, plan.ShortHash(hash), o.hash, run)}
	}
	if err := o.signed.fits(sheet, run); err != nil {
		return order, err
	}
	sure := o.hash != "" || o.yes
	if !sure {
		if err := a.showWaiting(ctx, s, run, sheet, hash); err != nil {
			return order, err
		}
	}
	if sheet.Approvers != nil {
		order.Signature, err = a.signedApproval(ctx, o.signed, s, run, sheet, hash, sure)
		return order, err
	}
	if sure {
		return order, nil
	}
	return order, a.agree(ctx, run, "Approve this plan?")
}

// waiting is how the run stands, and the hash of the plan that it waits with.
func (s *session) waiting(ctx context.Context, run string) (runapi.Sheet, string, error) {
	sheet, err := s.runs.Sheet(ctx, run)
	if err == nil && sheet.Phase == runapi.PhaseExecute && sheet.Proposal != nil {
		return sheet, sheet.Proposal.To, nil
	}
	if err == nil && sheet.Phase != runapi.PhaseApprove {
		err = fmt.Errorf("run %s waits for no approval: it is %s", run, view{Sheet: sheet}.headline())
	}
	return sheet, sheet.Hash, err
}

// showWaiting shows the plan that the run waits with.
func (a *app) showWaiting(ctx context.Context, s *session, run string, sheet runapi.Sheet, hash string) error {
	if sheet.Proposal != nil {
		return a.showProposal(ctx, s, run, sheet.Proposal)
	}
	p, err := s.runs.Plan(ctx, run)
	if err != nil {
		return err
	}
	if p == nil || p.Hash() != hash {
		return fmt.Errorf("the plan of run %s cannot be read now: try again", run)
	}
	fmt.Fprintln(a.err, a.treeIn(*p, false, a.errTerminal, a.errPaint()))
	return nil
}

// agree asks; anything but a clear yes is an error.
func (a *app) agree(ctx context.Context, run, question string) error {
	ok, err := a.ask(ctx, question)
	if err != nil {
		return &exitError{exitRefused, fmt.Errorf("not approved: %w; give --yes or --hash where nobody can be asked", err)}
	}
	if !ok {
		return &exitError{exitRefused, errors.New("not approved; run " + run + " waits on, `nightshift reject " + run + " --reason WHY` ends it")}
	}
	return nil
}
