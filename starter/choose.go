package main

import (
	"context"
	"fmt"
	"strings"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
	"nightshift/runbooks"
)

// latest stands for the newest run of the lab where a verb takes a run.
const latest = "latest"

// runID resolves what stands where a run is wanted: "latest", or nothing where exactly one is under way.
func (s *session) runID(ctx context.Context, arg string) (string, error) {
	switch arg {
	case "":
		return s.onlyOpen(ctx)
	case latest:
		list, err := s.runs.List(ctx, s.lab, runFilter{limit: 1})
		if err != nil {
			return "", err
		}
		if len(list) == 0 {
			return "", fmt.Errorf("lab %s has had no run yet", s.lab)
		}
		return list[0].Run, nil
	}
	return arg, nil
}

// onlyOpen is the run under way, where there is exactly one.
func (s *session) onlyOpen(ctx context.Context) (string, error) {
	const few = 10
	open, err := s.runs.List(ctx, s.lab, runFilter{open: true, limit: few})
	if err != nil {
		return "", err
	}
	switch len(open) {
	case 0:
		return "", fmt.Errorf("no run of lab %s is under way (see `nightshift runs`)", s.lab)
	case 1:
		return open[0].Run, nil
	}
	var names []string
	for _, r := range open {
		names = append(names, r.Run)
	}
	return "", usage("%d runs are under way: name one of %s", len(open), join(names))
}

// runAndSteps parts the arguments of an order about steps: the run may be left out where exactly one is under way.
func (s *session) runAndSteps(ctx context.Context, args []string) (run string, steps []string, err error) {
	if len(args) > 0 && s.namesRun(ctx, args[0]) {
		run, err = s.runID(ctx, args[0])
		return run, args[1:], err
	}
	run, err = s.onlyOpen(ctx)
	return run, args, err
}

// namesRun tells a run from a step: ids of runs begin with runbook and lab.
func (s *session) namesRun(ctx context.Context, arg string) bool {
	if arg == latest {
		return true
	}
	for _, rb := range runbooks.Catalog() {
		if strings.HasPrefix(arg, rb.Name+"-"+s.lab+"-") {
			return true
		}
	}
	if strings.Contains(arg, ":") { // a step's id
		return false
	}
	_, err := s.runs.Info(ctx, arg)
	return err == nil
}

// blockedSteps are the steps of a run that wait for an operator.
func (s *session) blockedSteps(ctx context.Context, run string) ([]plan.Step, error) {
	sheet, err := s.runs.Sheet(ctx, run)
	if err != nil {
		return nil, err
	}
	p, err := s.runs.Plan(ctx, run)
	if err != nil {
		return nil, err
	}
	v := view{Run: run, Plan: p, Sheet: sheet}
	var steps []plan.Step
	for _, i := range v.blocked() {
		if p != nil && i < len(p.Steps) {
			steps = append(steps, p.Steps[i])
		}
	}
	if len(steps) == 0 {
		return nil, fmt.Errorf("run %s has no blocked step: it is %s", run, v.headline())
	}
	return steps, nil
}

// stepIDs finds the blocked steps that are meant: by id, or by the name of their target where only one is about it.
func stepIDs(run string, blocked []plan.Step, names []string) ([]string, error) {
	var ids []string
	for _, name := range names {
		var found []string
		for _, st := range blocked {
			if st.ID == name {
				found = []string{st.ID}
				break
			}
			if st.Target.Name == name {
				found = append(found, st.ID)
			}
		}
		if len(found) != 1 {
			what := "has no blocked step"
			if len(found) > 1 {
				what = "has more than one blocked step about"
			}
			return nil, usage("run %s %s %q; blocked are: %s", run, what, name, listed(blocked))
		}
		ids = append(ids, found[0])
	}
	return ids, nil
}

func listed(steps []plan.Step) string {
	const few = 20
	var ids []string
	for _, st := range steps[:min(few, len(steps))] {
		ids = append(ids, st.ID)
	}
	if n := len(steps) - few; n > 0 {
		ids = append(ids, fmt.Sprintf("… and %d more", n))
	}
	return join(ids)
}

// inTheWay warns of what a skipped step leaves behind: a guest that may still be on keeps its host up.
func inTheWay(p *plan.Plan, sheet runapi.Sheet, skipped []string) (warnings []string) {
	if p == nil || len(p.Steps) != len(sheet.Steps) {
		return nil
	}
	v := view{Plan: p, Sheet: sheet}
	for _, st := range p.Steps {
		if st.Action != plan.ShutdownGuest || !contains(skipped, st.ID) {
			continue
		}
		for i, host := range p.Steps {
			behind := v.letter(i) == runapi.StepDone || v.letter(i) == runapi.StepSkip
			if host.Target.Kind == plan.Host && contains(host.Needs, st.ID) && !behind {
				warnings = append(warnings, fmt.Sprintf("%s was not seen off: %s cannot go into maintenance mode, nor down, as long as it runs. Shut it down by hand, or answer when the host's step asks.",
					st.Target, host.Target))
			}
		}
	}
	return warnings
}

// waitsFor says of a running step what it is likely to wait for in vain: guests whose shutdown was skipped.
func (v view) waitsFor(i int) string {
	var names []string
	for j, st := range v.Plan.Steps {
		if v.letter(j) == runapi.StepSkip && st.Action == plan.ShutdownGuest && contains(v.Plan.Steps[i].Needs, st.ID) {
			names = append(names, st.Target.Name)
		}
	}
	if len(names) == 0 || v.Plan.Steps[i].Target.Kind != plan.Host {
		return ""
	}
	return "waits for " + some(names) + " to be off (skipped)"
}
