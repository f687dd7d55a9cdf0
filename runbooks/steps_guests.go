package runbooks

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/runbooks/steps"
)

const (
	takesCommand  = 10 * time.Second
	takesSnapshot = 30 * time.Second // without memory
	commandLimit  = 10 * time.Minute // where the runbook does not say
)

// guestNamed finds the guest that a step is about; changes: it is not only read. What must not be touched is a blocker.
func (w *walk) guestNamed(name string, changes bool) *guest {
	var found []*guest
	var known []string
	for _, g := range w.guests {
		if !g.ordinary() {
			continue
		}
		known = append(known, g.id)
		if g.id == name {
			found = []*guest{g}
			break
		}
		if g.Name == name {
			found = append(found, g)
		}
	}
	switch {
	case len(found) == 0:
		w.unknown("guest", name, "no vCenter has such a guest", known)
		return nil
	case len(found) > 1:
		w.block("guest "+name, fmt.Sprintf("%d guests have this name", len(found)), "say which: "+found[0].id+", …")
		return nil
	}
	g := found[0]
	if changes && g.kept != "" {
		w.block(g.subject(), "is left alone: "+g.kept, "leave it out, or correct the lab file")
		return nil
	}
	return g
}

// onGuest is what steps on a guest have in common.
func (w *walk) onGuest(s *plan.Step, name string, changes bool) *guest {
	g := w.guestNamed(name, changes)
	if g == nil || !w.through(s, g.vc) {
		return nil
	}
	if changes {
		w.touch(g.vc, g.Ref, g.subject())
	}
	return g
}

func (g *guest) holds() []string {
	if g.host == nil {
		return []string{g.vc.holds()}
	}
	return holdsOf(g.target(), g.vc, g.host)
}

func (w *walk) guestStep(s *plan.Step, c steps.Concrete, name string) {
	g := w.onGuest(s, name, c.Uses != steps.GuestCheck)
	if g == nil {
		return
	}
	switch c.Uses {
	case steps.GuestShutdown:
		w.guestDown(s, c, g)
	case steps.GuestPowerOn:
		w.set(s, plan.PowerOnGuest, g.target(), nil, "Power on guest "+g.Name, takesPowerOn, time.Duration(w.settled(marginHarder)), g.holds()...)
	case steps.GuestCheck:
		checks, wait := health(g)
		if !checks.Tools && len(checks.TCP) == 0 && len(checks.HTTP) == 0 {
			w.block(g.subject(), "has no Tools, and no health: in the lab file, so nobody can say when it is up", "give it health: tcp or http, or use http/probe")
			return
		}
		w.plan.Limits["check"] = checksAtATime
		w.set(s, plan.CheckGuest, g.target(), checks, "See that guest "+g.Name+" is up ("+healthText(checks)+")", takesCheck,
			cmp.Or(wait, plan.HealthLimit)+marginRead, "check:"+g.vc.Name)
	}
}

// guestDown shuts a guest down as power-down does. What the lab stands on, and members of application clusters, go down in
// an order that a step runbook does not know.
func (w *walk) guestDown(s *plan.Step, c steps.Concrete, g *guest) {
	down := *g
	down.Encrypted = false // its host stays up, and with it whoever gives it its keys
	w.checkGuestDown(&down, true)
	if g.foundation() {
		w.block(g.subject(), "provides what the rest of the lab stands on", "use power-down, which takes down first what needs it")
	}
	if a, ok := w.lab.ApplicationClusterOf(g.Name, g.Tags); ok {
		w.block(g.subject(), "is a member of application cluster "+a.Name+", which would fail over", "stop the cluster (application/stop) and its members with power-down")
	}
	for _, n := range w.needs {
		if g.HasAddress(n.Address) && (n.What != live.NameServer || w.lab.AsksByName()) {
			w.block(g.subject(), "nightshift itself needs it: "+n.What+" is "+n.Address, "let nightshift use another")
		}
	}
	policy := g.policy
	policy.Timeout = cmp.Or(c.Timeout, policy.Timeout)
	down.policy = policy
	p := policyParams(policy)
	if g.host != nil {
		p.Host = reference(g.host.ref())
	}
	w.set(s, plan.ShutdownGuest, g.target(), p, guestDownTitle(&down), takesGuestDown(g), guestDownTimeout(w.lab, policy), g.holds()...)
}

func (w *walk) runInGuest(s *plan.Step, c steps.Concrete, with *steps.GuestRunWith) {
	reads := with.Changes != nil && !*with.Changes
	g := w.onGuest(s, with.Guest, !reads)
	if g == nil {
		return
	}
	if g.lab == nil || g.lab.Login == nil {
		w.block(g.subject(), "has no login: in the lab file, with which a program could be started in it", "add login: {user: …, password: env:…} to its entry under guests")
		return
	}
	p := plan.GuestCommandParams{Run: with.Run, Windows: with.Windows, Directory: with.Directory, Reads: reads, Success: with.Success,
		Timeout: cmp.Or(c.Timeout, plan.Duration(commandLimit))}
	w.set(s, plan.RunInGuest, g.target(), p, "Run "+shortCommand(with.Run)+" in guest "+g.Name, takesCommand,
		time.Duration(w.settled(time.Duration(p.Timeout)+marginRead)), g.holds()...)
}

func (w *walk) tracking(s *plan.Step, with *steps.ChangeTrackingWith) {
	g := w.onGuest(s, with.Guest, true)
	if g == nil {
		return
	}
	word := "off"
	if with.Enabled {
		word = "on"
	} else {
		w.untraced[g] = s.ID
	}
	w.set(s, plan.SetChangeTracking, g.target(), plan.TrackingParams{Enabled: with.Enabled}, "Switch Changed Block Tracking of guest "+g.Name+" "+word,
		takesDRS, time.Duration(w.settled(marginTask)), g.holds()...)
}

func (w *walk) snapshot(s *plan.Step, c steps.Concrete, with *steps.SnapshotWith) {
	g := w.onGuest(s, with.Guest, true)
	if g == nil {
		return
	}
	p := plan.SnapshotParams{Name: with.Name}
	if c.Uses == steps.GuestSnapshot {
		w.set(s, plan.SnapshotGuest, g.target(), p, fmt.Sprintf("Make the snapshot %q of guest %s", with.Name, g.Name), takesSnapshot,
			time.Duration(w.settled(marginHarder)), g.holds()...)
		return
	}
	w.set(s, plan.RemoveSnapshot, g.target(), p, fmt.Sprintf("Remove the snapshot %q of guest %s", with.Name, g.Name), takesSnapshot,
		time.Duration(w.settled(plan.RemoveSnapshotLimit+marginTask)), g.holds()...)
	made := w.last(func(o plan.Step) bool {
		return o.Action == plan.SnapshotGuest && o.Target == s.Target && string(o.Params) == string(s.Params)
	})
	if made != nil { // it goes even after an abort: a snapshot that is forgotten fills the datastore
		s.Always, s.OnlyAfter = true, made.ID
	}
}

// shortCommand names a command in a title.
func shortCommand(run []string) string {
	const most = 60
	text := "`" + strings.Join(run, " ") + "`"
	if i := slices.IndexFunc(run, func(w string) bool { return strings.ContainsAny(w, "\n\r\t") }); i >= 0 {
		text = "`" + strings.Join(run[:i], " ") + " …`"
	}
	if runes := []rune(text); len(runes) > most {
		text = string(runes[:most-2]) + "…`"
	}
	return text
}
