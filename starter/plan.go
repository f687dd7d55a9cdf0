package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"nightshift/internal/ledger"
	"nightshift/internal/plan"
	"nightshift/internal/runapi"
	"nightshift/internal/words"
)

const (
	formatTree    = "tree"
	formatMermaid = "mermaid"
)

type planOptions struct {
	parameters parameterOptions
	out        string
	full       bool
}

func newPlanCommand(a *app) *cobra.Command {
	o := &planOptions{}
	c := &cobra.Command{
		Use:   "plan RUNBOOK",
		Short: "Show what a run would do, and do nothing",
		Long: `Inspect the lab and show exactly what a run would do now. Nothing is changed.

With --out the plan goes to a file too; "nightshift run RUNBOOK --plan FILE" then carries out that plan and no other.
Exit code 4: the plan has blockers, a run would be refused.`,
		Args:              wants("RUNBOOK"),
		ValidArgsFunction: a.completeRunbook,
		Annotations:       map[string]string{formats: "tree, mermaid"},
		RunE:              func(c *cobra.Command, args []string) error { return runPlan(c.Context(), a, *o, args[0]) },
	}
	o.parameters.addFlags(c.Flags())
	c.Flags().BoolVar(&o.full, "full", false, "show every step of long lists")
	c.Flags().StringVar(&o.out, "out", "", "write the plan to `FILE`")
	return c
}

func runPlan(ctx context.Context, a *app, o planOptions, name string) error {
	rb, params, err := o.parameters.of(a, name)
	if err != nil {
		return err
	}
	s, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	reply, err := s.runs.Preview(ctx, previewID(s.lab, rb.Name, a.now()), plan.Request{Runbook: rb.Name, Lab: s.lab, Parameters: params})
	if err != nil {
		return err
	}
	p, err := plan.Unpack(reply.Packed)
	if err != nil {
		return err
	}
	if o.out != "" {
		if err := writePlanFile(o.out, p); err != nil {
			return err
		}
	}
	if err := a.showPlan(p, o.full); err != nil {
		return err
	}
	a.tellLocked(ctx, s, runapi.Params{Runbook: rb.Name, Parameters: params})
	if o.out != "" {
		a.notef("Written to %s. Carry it out with: nightshift run %s --plan %s", o.out, rb.Name, o.out)
	}
	if len(p.Blockers) > 0 {
		return &exitError{exitRefused, fmt.Errorf("the plan has %s: a run would be refused", words.Count(len(p.Blockers), "blocker"))}
	}
	return nil
}

// tellLocked says that a run could not begin now: a plan is made beside a run that is under way.
func (a *app) tellLocked(ctx context.Context, s *session, run runapi.Params) {
	st, err := s.ledger.State(ctx, s.lab)
	taken := new(ledger.Conflict)
	if err != nil || !errors.As(st.Check(ledger.Change{Acquire: &ledger.Acquire{Scopes: run.Scopes()}}), &taken) {
		return // the plan is what was asked for
	}
	l := taken.Lock
	what := l.Scope
	if what == ledger.LabScope {
		what = "Lab " + s.lab
	}
	a.notef("%s is locked by run %s (%s, by %s) since %s: another run would be refused until that ends, or wait with --wait.",
		what, l.Holder.Workflow, l.Holder.Runbook, l.Holder.By, words.Second(l.Since))
}

// showPlan prints the plan in the form that was asked for.
func (a *app) showPlan(p plan.Plan, full bool) error {
	switch a.global.output {
	case formatJSON:
		return a.writeJSON(plan.FileOf(p))
	case formatMermaid:
		a.printf("%s", p.Mermaid())
	default:
		a.printf("%s", a.tree(p, full))
	}
	return nil
}

// tree is the plan as people read it, for stdout.
func (a *app) tree(p plan.Plan, full bool) string { return a.treeIn(p, full, a.outTerminal, a.paint()) }

// treeIn is tree for a terminal, or none, with colours, or without.
func (a *app) treeIn(p plan.Plan, full, inTerminal bool, paint paint) string {
	o := plan.TreeOptions{Full: full}
	if inTerminal {
		o.Width, _ = a.size()
	}
	if paint {
		o.Style = func(part plan.Part, s string) string { return paint.on(partCode(part), s) }
	}
	return p.Tree(o)
}

func partCode(part plan.Part) string {
	switch part {
	case plan.PartTitle, plan.PartGroup, plan.PartRemedy:
		return bold
	case plan.PartCritical:
		return cyan
	case plan.PartDim:
		return dim
	case plan.PartWarning:
		return yellow
	case plan.PartBlocker:
		return red
	}
	return plainText
}
