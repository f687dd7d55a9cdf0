package runbooks

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"

	"nightshift/internal/inventory"
	"nightshift/internal/plan"
	"nightshift/runbooks/steps"
)

// libraryFS holds the step runbooks that nightshift brings along.
//
//go:embed library/*.yaml
var libraryFS embed.FS

// shipped are their definitions. That they are right is tested.
var shipped = sync.OnceValues(func() (defs []*steps.Definition, err error) {
	names, err := fs.Glob(libraryFS, "library/*.yaml")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		data, err := libraryFS.ReadFile(name)
		if err != nil {
			return nil, err
		}
		d, err := steps.Parse(path.Base(name), data)
		if err != nil {
			return nil, err
		}
		defs = append(defs, d)
	}
	return defs, nil
})

// notTaken refuses a name that a runbook of nightshift's own has.
func notTaken(file, name string) error {
	if _, taken := Lookup(name); taken {
		return fmt.Errorf("%s: nightshift itself has a runbook %s: give yours another name", file, name)
	}
	return nil
}

// stepRunbook is a definition as a runbook.
func stepRunbook(d *steps.Definition, l *steps.Library, source string) Runbook {
	summary, rest, _ := strings.Cut(strings.TrimSpace(d.Description), "\n")
	r := Runbook{Name: d.Name, Summary: strings.TrimSuffix(summary, "."), Description: strings.TrimSpace(rest), Workflow: plan.StepsWorkflow, Source: source, definition: d,
		Reads: Reads{Lenient: true}}
	if r.Description == "" {
		r.Description = summary
	}
	for i := range d.Parameters {
		p := &d.Parameters[i]
		r.Parameters = append(r.Parameters, Parameter{Name: p.Name, Type: p.Type, Help: strings.TrimSpace(p.Description), Default: p.Text(), Allowed: p.Choices,
			Required: p.Required, List: p.List, Pattern: p.Pattern})
	}
	r.Actions = []plan.Action{plan.MarkLab, plan.UnmarkLab, plan.Join}
	for _, uses := range l.Uses(d) {
		for _, a := range does(uses) {
			if !slices.Contains(r.Actions, a) {
				r.Actions = append(r.Actions, a)
			}
		}
	}
	r.Plan = func(in Input) (plan.Plan, error) { return planSteps(in, d, l) }
	r.Plan = checked(r)
	return r
}

// Read reads one step runbook, which may use those of the other files and nightshift's own. An error says what is wrong
// with it; what is wrong with the others is left out, if it does not use them.
func Read(file inventory.RunbookFile, others []inventory.RunbookFile) (Runbook, error) {
	d, err := steps.Parse(file.Path, file.Data)
	if err != nil {
		return Runbook{}, err
	}
	if err := notTaken(file.Path, d.Name); err != nil {
		return Runbook{}, err
	}
	library, err := shipped()
	if err != nil {
		return Runbook{}, err
	}
	all := append(slices.Clone(library), d)
	for _, f := range others {
		if o, err := steps.Parse(f.Path, f.Data); err == nil {
			all = append(all, o)
		}
	}
	l := steps.NewLibrary(all...)
	return stepRunbook(d, l, d.File()), l.Check(d)
}

// Machines names the machines that a step runbook runs commands on, with these parameters, as far as can be told without a
// lab: for trying it out.
func (r Runbook) Machines(parameters map[string]string) []string {
	if r.definition == nil {
		return nil
	}
	return r.definition.Machines(parameters)
}

// Channels names the channels through which a step runbook sends messages, for the same.
func (r Runbook) Channels(parameters map[string]string) []string {
	if r.definition == nil {
		return nil
	}
	return r.definition.Channels(parameters)
}

// does are the actions of a plan that a step with this word may become; what it takes away is given back, and who watches is
// asked to be quiet.
func does(uses string) []plan.Action {
	monitoring := []plan.Action{plan.SilenceMonitoring, plan.ResumeMonitoring}
	watched := append([]plan.Action{plan.Silencing}, monitoring...)
	with := func(more []plan.Action, actions ...plan.Action) []plan.Action { return append(actions, more...) }
	return map[string][]plan.Action{
		steps.HostEnter: with(watched, plan.EnterMaintenance, plan.ExitMaintenance), steps.GuestTracking: {plan.SetChangeTracking},
		steps.GuestShutdown: with(monitoring, plan.ShutdownGuest), steps.GuestPowerOn: {plan.PowerOnGuest}, steps.GuestCheck: {plan.CheckGuest},
		steps.GuestRun: {plan.RunInGuest}, steps.GuestSnapshot: {plan.SnapshotGuest}, steps.GuestUnsnapshot: {plan.RemoveSnapshot},
		steps.HostExit: {plan.ExitMaintenance}, steps.HostShutdown: with(watched, plan.ShutdownHost), steps.HostPowerOn: with(watched, plan.PowerOnHost),
		steps.HostAwait: {plan.AwaitHost}, steps.HostReboot: with(watched, plan.RebootHost), steps.HostSetOption: {plan.SetHostOption},
		steps.HostReadOption: {plan.ReadHostOption}, steps.ApplicationStop: with(monitoring, plan.StopApplication),
		steps.ApplicationStart: {plan.StartApplication}, steps.VCenterAwait: {plan.AwaitVCenter}, steps.SSHRun: {plan.RunCommand},
		steps.HTTPProbe: {plan.ProbeHTTP}, steps.Wait: {plan.Wait}, steps.Confirm: {plan.Confirm}, steps.Notify: {plan.SendMessage},
	}[uses]
}
