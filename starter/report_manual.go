package main

import (
	"context"
	"fmt"
	"slices"

	"nightshift/activities"
	"nightshift/internal/ledger"
	"nightshift/internal/plan"
	"nightshift/internal/report"
	"nightshift/internal/runapi"
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

// manualOf is the page for the report of a power-down; nil where the lab file of its lab is not here.
func (a *app) manualOf(book ledger.State, p *plan.Plan, run string, sheet runapi.Sheet) *report.Manual {
	if sheet.Runbook != runbooks.PowerDown || !takesDown(p) {
		return nil
	}
	lab, err := a.loadLab()
	if err == nil && lab.Lab != sheet.Lab {
		err = fmt.Errorf("the lab file is about lab %s", lab.Lab)
	}
	var m report.Manual
	if err == nil {
		m, err = activities.ManualOf(lab, book, *p, run, sheet.Started)
	}
	if err != nil {
		a.notef("The report has no page of what to do by hand: %v", err)
		return nil
	}
	return &m
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
