package activities

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"

	"nightshift/internal/inventory"
	"nightshift/internal/plan"
)

// changedLabFile says what is the matter where the lab file says something else today than when this worker read it:
// somebody may have marked a host as kept, and believes that it is. nil: nothing.
func (a *Activities) changedLabFile() *plan.Finding {
	if _, err := os.Stat(a.lab.Path); err != nil || !filepath.IsAbs(a.lab.Path) { // not read from a file, or moved away since
		return nil
	}
	f := plan.Finding{Subject: "lab file " + a.lab.Path, Remedy: "restart `nightshift serve`, or the worker; runs under way go on"}
	now, err := inventory.Load(a.lab.Path)
	switch {
	case err == nil && (now.Hash == a.lab.Hash || reflect.DeepEqual(now.File, a.lab.File)):
		return nil
	case err != nil:
		f.Text = "it was changed after this nightshift read it, and is not valid now"
		f.Remedy = "correct it (`nightshift lab validate`), then " + f.Remedy
		return &f
	}
	f.Text = "it was changed after this nightshift read it: the plan is made of what it said before"
	return &f
}

// heedLabFile adds the finding to a plan. What switches something off must not be made of an old file; but what runs on a UPS
// loses its power, whatever the file says.
func heedLabFile(p *plan.Plan, f *plan.Finding) {
	if f == nil {
		return
	}
	if p.Parameters["ups"] != "" {
		p.Warnings = append(p.Warnings, *f)
		return
	}
	if slices.ContainsFunc(p.Steps, func(s plan.Step) bool { return s.Action == plan.ShutdownGuest || s.Action == plan.ShutdownHost }) {
		p.Blockers = append(p.Blockers, *f)
		return
	}
	p.Warnings = append(p.Warnings, *f)
}
