// Package runbooks holds what each runbook does: one planner per file. A planner is a pure function from the lab file,
// the live state and the ledger to a plan: it does no I/O and reads no clock, and the same input makes the same plan,
// with the same hash, in whatever order the input lists its things.
//
// It must not know Temporal, nor any device.
package runbooks

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"nightshift/internal/inventory"
	"nightshift/internal/ledger"
	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/runbooks/steps"
)

// Names of the runbooks.
const (
	PowerDown = "power-down"
	PowerUp   = "power-up"
	Settle    = "settle"
	Replicate = "replicate"
	Prune     = "prune"
)

// Sources of runbooks, beside the paths of files.
const (
	SourceBuiltIn = "built in"
	SourceLibrary = "library"
)

// Input is all that a planner may look at. It is not changed.
type Input struct {
	Lab        *inventory.Lab
	State      *live.State
	Ledger     ledger.State
	Parameters map[string]string
	// Scheduled: a schedule has begun the run.
	Scheduled bool
	// Run is the workflow id of the run that asks; empty for a preview. Nothing of a plan may depend on it, or a preview
	// would never have the hash of its run.
	Run string
}

// A Runbook is something that one can ask a lab to do.
type Runbook struct {
	Name        string // "power-down"
	Summary     string // one line, for lists
	Description string // a paragraph or two, for `runbook show`
	Workflow    string // one of plan.RunWorkflows
	Parameters  []Parameter
	// Actions are those that its plans may have: what its account needs follows from them.
	Actions []plan.Action
	// Source says where it comes from: SourceBuiltIn, SourceLibrary, or the path of a file of the user's own.
	Source string
	// ReadOnly: its plans change nothing, and nobody is asked about them.
	ReadOnly bool
	// Reads is what of the lab is read for its planner.
	Reads Reads
	// Plan checks the parameters and makes the plan. A lab in a wrong state is no error: the plan has blockers then.
	// Errors: *ParameterError, or a fault of the planner itself.
	Plan func(Input) (plan.Plan, error)

	definition *steps.Definition // of a step runbook
	names      map[string]knows  // the parameters that name something of the lab file
}

// Steps reports whether it is a step runbook: a file in YAML.
func (r Runbook) Steps() bool { return r.definition != nil }

// AsksVCenters reports whether it reads or changes anything in a vCenter, so that its account needs rights there.
func (r Runbook) AsksVCenters() bool {
	return !r.Reads.OnlyStorage || slices.Contains(r.Actions, plan.MapLUNs) || slices.Contains(r.Actions, plan.SaveRecord)
}

// Catalog lists the runbooks that nightshift brings along: those in Go, then its library of step runbooks.
func Catalog() []Runbook {
	list := []Runbook{powerDown(), powerUp(), settle(), replicate(), prune(), lunMap(), vmfsInspect(), vmfsBackup(), vmfsRestorePartition()}
	for i := range list {
		list[i].Plan, list[i].Source = checked(list[i]), SourceBuiltIn
	}
	defs, err := shipped()
	if err != nil {
		return list // a test fails then
	}
	library := steps.NewLibrary(defs...)
	for _, d := range defs {
		list = append(list, stepRunbook(d, library, SourceLibrary))
	}
	return list
}

// Lookup finds one of them by its name.
func Lookup(name string) (Runbook, bool) { return Find(Catalog(), name) }

// Find finds a runbook of a list by its name.
func Find(list []Runbook, name string) (Runbook, bool) {
	i := slices.IndexFunc(list, func(r Runbook) bool { return r.Name == name })
	if i < 0 {
		return Runbook{}, false
	}
	return list[i], true
}

// CatalogWith lists all runbooks by name: nightshift's own, and the step runbooks of these files. The error says what is
// wrong with files, each of which is left out then; the list holds in any case.
func CatalogWith(files []inventory.RunbookFile) ([]Runbook, error) {
	list := Catalog()
	library, err := shipped()
	var errs []error
	if err != nil {
		errs = append(errs, err)
	}
	files = slices.SortedFunc(slices.Values(files), func(a, b inventory.RunbookFile) int { return strings.Compare(a.Path, b.Path) })
	var own []*steps.Definition
	for _, f := range files {
		d, err := steps.Parse(f.Path, f.Data)
		if err == nil {
			err = notTaken(f.Path, d.Name)
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		own = append(own, d)
	}
	all := steps.NewLibrary(append(slices.Clone(library), own...)...)
	for _, d := range own {
		if err := all.Check(d); err != nil {
			errs = append(errs, err)
			continue
		}
		list = append(list, stepRunbook(d, all, d.File()))
	}
	return list, errors.Join(errs...)
}

// checked wraps a planner: parameters before it, validation after it.
func checked(r Runbook) func(Input) (plan.Plan, error) {
	planner := r.Plan
	return func(in Input) (plan.Plan, error) {
		if in.Lab == nil || in.State == nil {
			return plan.Plan{}, errors.New("plan " + r.Name + ": no lab file or no live state was given")
		}
		given, err := r.Check(in.Parameters)
		if err != nil {
			return plan.Plan{}, err
		}
		in.Parameters = given
		p, err := planner(in)
		if err != nil {
			return plan.Plan{}, fmt.Errorf("plan %s for lab %s: %w", r.Name, in.Lab.Lab, err)
		}
		if err := p.Validate(); err != nil {
			return plan.Plan{}, fmt.Errorf("plan %s for lab %s: the planner made an invalid plan: %w", r.Name, in.Lab.Lab, err)
		}
		return p, nil
	}
}
