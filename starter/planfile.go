package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"nightshift/internal/plan"
)

// A planFile is what `plan --out` writes and `run --plan` reads. The hash says that nobody changed the plan in between.
type planFile struct {
	Hash string    `json:"hash"`
	Plan plan.Plan `json:"plan"`
}

func writePlanFile(path string, p plan.Plan) error {
	b, err := json.MarshalIndent(planFile{p.Hash(), p}, "", "  ")
	if err != nil {
		return fmt.Errorf("write the plan: %w", err)
	}
	if err := replaceFile(path, append(b, '\n')); err != nil {
		return fmt.Errorf("write the plan to %s: %w", path, err)
	}
	return nil
}

// replaceFile writes a file whole, or leaves what was there.
func replaceFile(path string, b []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".nightshift-*")
	if err != nil {
		return err
	}
	_, err = tmp.Write(b)
	err = errors.Join(err, tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
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
	hash, p, err := parsePlanFile(b)
	if err != nil {
		return plan.Plan{}, usage("%s is not a plan file: %w; make one with `nightshift plan RUNBOOK --out FILE`", path, err)
	}
	if p.Schema > plan.SchemaVersion {
		return plan.Plan{}, usage("%s was made by a newer nightshift (plan schema %d, this one knows %d): make it again with this one", path, p.Schema, plan.SchemaVersion)
	}
	if err := p.Validate(); err != nil {
		return plan.Plan{}, usage("%s is not a valid plan: %w", path, err)
	}
	if got := p.Hash(); got != hash {
		return plan.Plan{}, &exitError{exitRefused, fmt.Errorf("%s was changed after it was made (its hash is %s, it says %s): make it again with `nightshift plan %s --out FILE`",
			path, plan.ShortHash(got), plan.ShortHash(hash), p.Runbook)}
	}
	return p, nil
}

// parsePlanFile tells in which line a file is no JSON.
func parsePlanFile(b []byte) (hash string, p plan.Plan, err error) {
	var f struct {
		Hash string          `json:"hash"`
		Plan json.RawMessage `json:"plan"`
	}
	if err := json.Unmarshal(b, &f); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			err = fmt.Errorf("line %d: %w", 1+bytes.Count(b[:min(int(syntax.Offset), len(b))], []byte("\n")), err)
		}
		return "", p, err
	}
	if len(f.Plan) == 0 {
		return "", p, errors.New(`it has no "plan"`)
	}
	p, err = plan.Decode(f.Plan)
	return f.Hash, p, err
}
