package main

import (
	"errors"
	"fmt"
	"io/fs"

	"nightshift/internal/plan"
	"nightshift/internal/wholefile"
)

func writePlanFile(path string, p plan.Plan) error {
	b, err := plan.FileOf(p).Text()
	if err != nil {
		return err
	}
	if err := wholefile.Replace(path, b); err != nil {
		return fmt.Errorf("write the plan to %s: %w", path, err)
	}
	return nil
}

// readPlanFile reads a plan that may be carried out: of this schema, valid, and unchanged since it was written.
func readPlanFile(path string) (plan.Plan, error) {
	b, err := readInput(path, mostInput)
	if errors.Is(err, fs.ErrNotExist) {
		return plan.Plan{}, usage("there is no plan file %s: make one with `nightshift plan RUNBOOK --out %s`", path, path)
	}
	if err != nil {
		return plan.Plan{}, fmt.Errorf("read the plan file: %w", err)
	}
	p, err := plan.ParseFile(b)
	switch {
	case errors.Is(err, plan.ErrChanged):
		return plan.Plan{}, &exitError{exitRefused, fmt.Errorf("%s %w: make it again with `nightshift plan %s --out FILE`", path, err, p.Runbook)}
	case err != nil:
		return plan.Plan{}, usage("%s %w; make one with `nightshift plan RUNBOOK --out FILE`", path, err)
	}
	return p, nil
}
