package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"nightshift/internal/inventory"
	"nightshift/internal/plan"
	"nightshift/internal/report"
)

func newReportVerifyCommand(a *app) *cobra.Command {
	var people string
	c := &cobra.Command{
		Use:   "verify RUN|FILE.json",
		Short: "Look at the signatures of a run once more",
		Long: `Verify every signature of a run again: who asked for it, and who approved its plan. FILE.json is what
"nightshift report RUN -o json" printed; then nothing has to run. With --people the keys and approvers of that lab file
count; without it those that the run recorded, which only proves that they fit together.

The exit code is 0 where everything holds, 1 where something does not.`,
		Args: wants("RUN|FILE.json"), ValidArgsFunction: a.completeRun,
		RunE: func(c *cobra.Command, args []string) error { return runReportVerify(c.Context(), a, args[0], people) },
	}
	c.Flags().StringVar(&people, "people", "", "lab `FILE` whose people and approvers count")
	return c
}

func runReportVerify(ctx context.Context, a *app, arg, peopleFile string) error {
	r, firstRun, err := a.reportToVerify(ctx, arg)
	if err != nil {
		return err
	}
	var people []plan.Approver
	var want *plan.Approvers
	keys := "the keys that the run recorded"
	if peopleFile != "" {
		lab, err := inventory.Load(peopleFile)
		if err != nil {
			return err
		}
		if lab.Lab != r.Lab {
			return usage("%s is about lab %s, the run was on lab %s", peopleFile, lab.Lab, r.Lab)
		}
		people, want, keys = append([]plan.Approver{}, lab.Signers()...), lab.Settings(r.Runbook).Approvers, "the keys of "+peopleFile
	}
	checks := r.Verify(people, want, firstRun)
	if a.json() {
		if checks == nil {
			checks = []report.Check{}
		}
		err = a.writeJSON(map[string]any{"run": r.Run, "checks": checks})
	} else {
		a.tellChecks(r, checks, keys)
	}
	for _, c := range checks {
		if !c.Holds {
			return errors.Join(err, silent(exitFailed))
		}
	}
	return err
}

// reportToVerify reads a report from a file, or makes it of a run; then firstRun is what Temporal knows.
func (a *app) reportToVerify(ctx context.Context, arg string) (r report.Report, firstRun string, err error) {
	if b, err := readInput(arg, mostInput); err == nil {
		if err := json.Unmarshal(b, &r); err != nil || r.Run == "" {
			return r, "", usage("%s is no report: make one with `nightshift report RUN -o json > FILE.json`", arg)
		}
		return r, "", nil
	}
	s, err := a.connect(ctx)
	if err != nil {
		return r, "", err
	}
	defer s.Close()
	run, err := s.runID(ctx, arg)
	if err != nil {
		return r, "", err
	}
	sheet, _, err := s.sheet(ctx, run)
	if err != nil {
		return r, "", err
	}
	p, err := s.runs.Plan(ctx, run)
	if err != nil {
		return r, "", err
	}
	info, err := s.runs.Info(ctx, run)
	return report.Assemble(run, sheet, p, a.now()), info.FirstRun, err
}

func (a *app) tellChecks(r report.Report, checks []report.Check, keys string) {
	if len(checks) == 0 {
		a.printf("Run %s has no signatures, and %s needed none.\n", r.Run, r.Runbook)
		return
	}
	a.printf("Run %s, by %s:\n", r.Run, keys)
	paint := a.paint()
	for _, c := range checks {
		mark := paint.on(green, "holds  ")
		if !c.Holds {
			mark = paint.on(red, "FAILS  ")
		}
		a.printf("  %s %s: %s\n", mark, c.What, c.Why)
	}
	for _, s := range signedTexts(r) {
		a.printf("\n%s", indent(s))
	}
}

// signedTexts are what was signed, for people to read.
func signedTexts(r report.Report) (texts []string) {
	if r.Requester != nil && r.Requester.Text != "" {
		texts = append(texts, r.Requester.Text)
	}
	for _, c := range r.Approvals {
		texts = append(texts, fmt.Sprintf("%s(signed by %s)\n", c.Text, c.Name))
	}
	return texts
}
