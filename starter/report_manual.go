package main

import (
	"context"
	"fmt"
	"slices"

	"nightshift/activities"
	"nightshift/internal/plan"
	"nightshift/runbooks"
)

// runReportManual prints what a person would do by hand to bring up again what a power-down takes down. It is there as soon as the
// run has a plan, so before anything is switched off, and needs no vCenter.
func runReportManual(ctx context.Context, a *app, arg string) error {
	lab, err := a.loadLab()
	if err != nil {
		return err
	}
	s, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	run := arg
	if run == "" {
		run, err = s.lastPowerDown(ctx)
	} else {
		run, err = s.runID(ctx, arg)
	}
	if err != nil {
		return err
	}
	sheet, _, err := s.sheet(ctx, run)
	if err != nil {
		return err
	}
	if sheet.Lab != lab.Lab {
		return usage("run %s is about lab %s, the lab file about %s", run, sheet.Lab, lab.Lab)
	}
	p, err := s.runs.Plan(ctx, run)
	if err != nil {
		return err
	}
	if !takesDown(p) {
		return usage("run %s takes nothing down: name the power-down that did, see `nightshift runs`", run)
	}
	if p.LabHash != "" && p.LabHash != lab.Hash {
		a.notef("Warning: %s is not the lab file that run %s was planned with, or was changed since: what it says below of BMCs, addresses and "+
			"what is kept may differ. restore-%s.txt in the state directory of the machine that serves the lab is as of then.", lab.Path, run, lab.Lab)
	}
	book, err := s.ledger.State(ctx, s.lab)
	if err != nil {
		return err
	}
	m, err := activities.ManualOf(lab, book, *p, run, sheet.Started)
	if err != nil {
		return err
	}
	if a.json() {
		return a.writeJSON(m)
	}
	a.printf("%s", m.Text())
	return nil
}

// takesDown tells whether there is anything to bring up again by hand.
func takesDown(p *plan.Plan) bool {
	return p != nil && len(p.Blockers) == 0 && slices.ContainsFunc(p.Steps, plan.Step.TakesDown)
}

// manyRuns is how far back the last power-down is looked for.
const manyRuns = 200

// lastPowerDown is the newest run of power-down that has a plan with something to do.
func (s *session) lastPowerDown(ctx context.Context) (string, error) {
	list, err := s.runs.List(ctx, s.lab, runFilter{limit: manyRuns})
	if err != nil {
		return "", err
	}
	for _, r := range list {
		if r.Runbook != runbooks.PowerDown {
			continue
		}
		if p, err := s.runs.Plan(ctx, r.Run); err == nil && takesDown(p) {
			return r.Run, nil
		}
	}
	return "", fmt.Errorf("lab %s has had no power-down that took anything down yet", s.lab)
}
