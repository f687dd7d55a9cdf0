package plan

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Validate says what is wrong with the plan, all of it, nil if nothing: schema version, step ids, needs, circles,
// actions, policies and time-outs.
func (p Plan) Validate() error {
	if p.Schema != SchemaVersion {
		return fmt.Errorf("the plan has schema version %d, this nightshift knows version %d", p.Schema, SchemaVersion)
	}
	var errs []error
	bad := func(format string, a ...any) { errs = append(errs, fmt.Errorf(format, a...)) }
	for _, s := range p.Steps {
		switch {
		case s.ID == "":
			bad("a step has no id (%q)", s.Title)
		case !slices.Contains(Actions(), s.Action):
			bad("step %q: unknown action %q", s.ID, s.Action)
		case s.Timeout <= 0:
			bad("step %q: no time-out", s.ID)
		case !s.OnFailure.Valid():
			bad("step %q: onFailure is %q, allowed are ask, skip, force, abort", s.ID, s.OnFailure)
		}
		if err := CheckParams(s.Action, s.Params); err != nil {
			bad("step %q: %w", s.ID, err)
		}
	}
	for _, key := range sortedKeys(p.Limits) {
		if n := p.Limits[key]; n < 1 {
			bad("limit %q is %d, it must be at least 1", key, n)
		}
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	if _, err := NewGraph(p); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// sortedKeys is the one place where code that workflows call goes through a map: what comes out has an order.
//
//workflowcheck:ignore
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
