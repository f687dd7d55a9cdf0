package runbooks

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/internal/words"
	"nightshift/runbooks/steps"
)

// A walk makes the plan of a step runbook. What is planned follows what is written, not what is already so: a step whose
// state is there when its turn comes says so, and sends nothing.
type walk struct {
	*builder
	needs []live.Need
	marks map[*vcenter]string
	// Steps that take something away, by what they take it from; they are followed by one that gives it back.
	entered  map[*host]string
	untraced map[*guest]string
	rebooted map[*host]string
	quiet    *silence
	touched  map[string]string // what a vCenter's tasks must not be about, by vCenter and reference
}

// planSteps makes the plan of a run of a definition.
func planSteps(in Input, d *steps.Definition, l *steps.Library) (plan.Plan, error) {
	w := &walk{builder: newBuilder(in, d.Name), needs: in.State.Needs, marks: map[*vcenter]string{}, entered: map[*host]string{},
		untraced: map[*guest]string{}, rebooted: map[*host]string{}, touched: map[string]string{}}
	w.plan.Definition = l.Hash(d)
	list, left, err := l.Unfold(d, in.Parameters, w)
	if err != nil {
		return plan.Plan{}, err
	}
	for _, x := range left {
		w.leave(x.Step, x.Why)
	}
	hush := w.hush(in, list)
	for _, c := range list {
		w.step(c)
	}
	w.giveBack()
	w.quiet.end(hush.ends, func(*cluster) bool { return false }, false)
	for _, vc := range w.vcenters {
		if w.marks[vc] != "" {
			w.checkTasks(vc, w.affected(vc))
		}
	}
	w.unmark(slices.DeleteFunc(slices.Clone(w.vcenters), func(vc *vcenter) bool { return w.marks[vc] == "" }))
	w.marksFirst()
	switch n := len(list); {
	case n > 0 || len(w.plan.Blockers) > 0:
		w.plan.Title = fmt.Sprintf("Run %s on lab %s: %s", d.Name, w.lab.Lab, words.Count(n, "step"))
	default:
		w.plan.Steps = []plan.Step{}
		w.plan.Title = "Nothing to do: no step of " + d.Name + " has anything to act on in lab " + w.lab.Lab
	}
	return w.plan, nil
}

// Guests are what conditions and selectors know.
func (w *walk) Guests() (facts []steps.Fact) {
	for _, g := range w.guests {
		if !g.ordinary() {
			continue
		}
		f := steps.Fact{Name: g.id, Kind: string(plan.Guest), Power: powerWord(g), Folder: g.Folder, IP: g.IP, Tools: g.Tools,
			Connected: g.Connection == live.Connected, Tags: append([]string{}, g.Tags...), Kept: g.kept}
		if g.host != nil {
			f.Host = g.host.id
			if g.host.cluster != nil {
				f.Cluster = g.host.cluster.Name
			}
		}
		facts = append(facts, f)
	}
	return facts
}

func powerWord(g *guest) string {
	switch {
	case g.runs():
		return "on"
	case g.Power == live.PoweredOff:
		return "off"
	case g.Power == live.Suspended:
		return "suspended"
	}
	return "unknown"
}

// Hosts are the same.
func (w *walk) Hosts() (facts []steps.Fact) {
	for _, h := range w.hosts {
		f := steps.Fact{Name: h.id, Kind: string(plan.Host), Power: "unknown", Connected: h.connected(), Kept: h.kept, Tags: []string{}}
		if h.cluster != nil {
			f.Cluster = h.cluster.Name
		}
		if h.live != nil {
			f.Maintenance, f.Version = h.live.Maintenance, h.live.Version
		}
		switch {
		case h.isOff():
			f.Power = "off"
		case h.connected():
			f.Power = "on"
		}
		facts = append(facts, f)
	}
	return facts
}

// step adds one step, or, where something stands in its way, a blocker and a step that does nothing in its place.
func (w *walk) step(c steps.Concrete) {
	s := plan.Step{ID: c.ID, Title: c.Title, Group: c.Group, Needs: c.Needs, OnFailure: c.OnFailure}
	before := len(w.plan.Blockers)
	w.fill(&s, c)
	if len(w.plan.Blockers) > before || s.Action == "" {
		s = plan.Step{ID: c.ID, Title: cmp.Or(c.Title, c.Uses), Group: c.Group, Needs: c.Needs, Action: plan.Join, Target: w.labTarget(nil),
			Timeout: plan.Duration(marginTask)}
	}
	w.add(s)
}

// fill says what the step does to what.
func (w *walk) fill(s *plan.Step, c steps.Concrete) {
	switch with := c.With.(type) {
	case nil:
		w.set(s, plan.Join, w.labTarget(nil), nil, c.Title, takesJoin, marginTask)
	case *steps.GuestWith:
		w.guestStep(s, c, with.Guest)
	case *steps.GuestRunWith:
		w.runInGuest(s, c, with)
	case *steps.ChangeTrackingWith:
		w.tracking(s, with)
	case *steps.SnapshotWith:
		w.snapshot(s, c, with)
	case *steps.HostWith:
		w.hostStep(s, c, with.Host)
	case *steps.EnterMaintenanceWith:
		w.enterMaintenance(s, with)
	case *steps.SetOptionWith:
		value, _ := with.Value.(string) // bind makes text of it
		w.option(s, plan.SetHostOption, with.Host, with.Option, value, "Set "+with.Option+" of host "+with.Host+" to "+value)
	case *steps.ReadOptionWith:
		w.option(s, plan.ReadHostOption, with.Host, with.Option, "", "Read "+with.Option+" of host "+with.Host)
	case *steps.ApplicationWith:
		w.applicationStep(s, c, with.Application)
	case *steps.VCenterWith:
		w.awaitVCenter(s, with.VCenter)
	case *steps.SSHRunWith:
		w.run(s, c, with)
	case *steps.ProbeWith:
		w.probe(s, c, with)
	case *steps.WaitWith:
		w.wait(s, with)
	case *steps.ConfirmWith:
		w.confirm(s, c, with)
	case *steps.NotifyWith:
		w.message(s, with)
	}
}

// set fills in what every step has. A title that somebody gave stays.
func (w *walk) set(s *plan.Step, a plan.Action, t plan.Target, params any, title string, takes, timeout time.Duration, holds ...string) {
	s.Action, s.Target, s.Estimate, s.Timeout, s.Holds = a, t, plan.Duration(takes), plan.Duration(timeout), holds
	if params != nil {
		s.Params = plan.Encode(params)
	}
	s.Title = cmp.Or(s.Title, title)
}

// through makes the step wait until this nightshift is announced at the vCenter through which it goes. Nothing is done
// through one that does not answer.
func (w *walk) through(s *plan.Step, vc *vcenter) bool {
	if !vc.answers() {
		w.block(vc.subject(), "does not answer, and the step "+s.ID+" goes through it", "see `nightshift lab check`")
		return false
	}
	s.Needs = append(slices.Clone(s.Needs), w.marked(vc))
	return true
}

// marked is the step that announces this nightshift at the vCenter.
func (w *walk) marked(vc *vcenter) string {
	if w.marks[vc] == "" {
		w.checkVCenter(vc)
		w.marks[vc] = w.mark([]*vcenter{vc})[vc.Name]
	}
	return w.marks[vc]
}

// marksFirst puts the marks before the steps of the runbook: they need nothing, and steps that need no vCenter would else stand
// before them.
func (w *walk) marksFirst() {
	isMark := func(s plan.Step) bool { return s.Action == plan.MarkLab }
	marks := slices.DeleteFunc(slices.Clone(w.plan.Steps), func(s plan.Step) bool { return !isMark(s) })
	w.plan.Steps = append(marks, slices.DeleteFunc(w.plan.Steps, isMark)...)
}

// affected names what the plan acts on in a vCenter, by reference.
func (w *walk) affected(vc *vcenter) map[string]string {
	out := map[string]string{}
	for key, subject := range w.touched {
		if ref, ok := strings.CutPrefix(key, vc.Name+"/"); ok {
			out[ref] = subject
		}
	}
	return out
}

func (w *walk) touch(vc *vcenter, ref, subject string) { w.touched[vc.Name+"/"+ref] = subject }

// giveBack ends the plan with what was taken away and is not given back by a step of the runbook, and lets each step that
// gives something back run after an abort too.
func (w *walk) giveBack() {
	for _, h := range w.hosts {
		enter := w.entered[h]
		if enter == "" {
			continue
		}
		last := w.last(func(s plan.Step) bool {
			return s.Action == plan.ExitMaintenance && s.Target.Ref == h.live.Ref && s.Target.Endpoint == h.vc.Name
		})
		if last == nil {
			ends := w.ends()
			w.exitMaintenance(h, h.target(), ends)
			last = &w.plan.Steps[len(w.plan.Steps)-1]
			last.ID = "settle/" + last.ID
		}
		last.Always, last.OnlyAfter = true, enter
	}
	for _, g := range w.guests {
		off := w.untraced[g]
		if off == "" {
			continue
		}
		last := w.last(func(s plan.Step) bool {
			return s.Action == plan.SetChangeTracking && s.Target.Ref == g.Ref && s.Target.Endpoint == g.vc.Name && s.ID != off
		})
		if last == nil {
			w.add(w.trackAgain(g, w.ends()...))
			last = &w.plan.Steps[len(w.plan.Steps)-1]
		}
		last.Always, last.OnlyAfter = true, off
	}
}

// last finds the last step that fits.
func (w *walk) last(fits func(plan.Step) bool) *plan.Step {
	for i := len(w.plan.Steps) - 1; i >= 0; i-- {
		if fits(w.plan.Steps[i]) {
			return &w.plan.Steps[i]
		}
	}
	return nil
}
