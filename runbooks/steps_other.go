package runbooks

import (
	"cmp"
	"net/url"
	"slices"
	"time"

	"nightshift/internal/inventory"
	"nightshift/internal/plan"
	"nightshift/internal/words"
	"nightshift/runbooks/steps"
)

const (
	takesProbe   = 10 * time.Second
	takesMessage = time.Second
	takesConfirm = 5 * time.Minute
	probeLimit   = 5 * time.Minute // where the runbook does not say
	confirmLimit = 12 * time.Hour  // the same
)

// run is a command on a machine. A script goes to /bin/sh as one argument, and what it is given as others: no shell ever
// reads a parameter.
func (w *walk) run(s *plan.Step, c steps.Concrete, with *steps.SSHRunWith) {
	reads := with.Changes != nil && !*with.Changes
	if _, _, ok := w.lab.SSHMachine(with.At); !ok {
		known := w.lab.SSHMachines()
		remedy := "list it under machines: in the lab file"
		if near := inventory.Nearest(with.At, known); near != "" {
			remedy = "did you mean " + near + "?"
		}
		w.block("machine "+with.At, "the lab file has no machine of that name that is reached over SSH", remedy)
		return
	}
	if h, ok := w.lab.Host(with.At); ok && h.Keep && !reads {
		w.block("host "+with.At, "is left alone: keep: true in the lab file", "leave it out, or correct the lab file")
		return
	}
	argv, title := with.Run, "Run "+shortCommand(with.Run)
	if with.Script != "" {
		argv = append([]string{"/bin/sh", "-c", with.Script, "sh"}, with.Args...)
		title = "Run a script"
	}
	p := plan.CommandParams{Machine: with.At, Run: argv, Reads: reads, Success: with.Success, Timeout: cmp.Or(c.Timeout, plan.Duration(commandLimit))}
	w.set(s, plan.RunCommand, plan.Target{Kind: plan.Machine, Name: with.At}, p, title+" on "+with.At, takesCommand,
		time.Duration(w.settled(time.Duration(p.Timeout)+marginRead)), "machine:"+with.At)
}

func (w *walk) probe(s *plan.Step, c steps.Concrete, with *steps.ProbeWith) {
	p := plan.ProbeParams{URL: with.URL, Status: with.Status, Contains: with.Contains, Fingerprint: with.Fingerprint,
		Timeout: cmp.Or(c.Timeout, plan.Duration(probeLimit))}
	at := with.URL
	if u, err := url.Parse(with.URL); err == nil {
		at = u.Host + u.Path
	}
	w.set(s, plan.ProbeHTTP, w.labTarget(nil), p, "Wait until "+at+" answers", takesProbe, time.Duration(p.Timeout)+marginRead)
}

func (w *walk) wait(s *plan.Step, with *steps.WaitWith) {
	p := plan.WaitParams{For: with.For, Until: with.Until, Zone: with.Zone}
	takes, title := time.Duration(with.For), "Wait for "+words.Limit(time.Duration(with.For))
	if with.Until != "" {
		takes, title = 12*time.Hour, "Wait until "+with.Until+" "+cmp.Or(with.Zone, "UTC")
	}
	w.set(s, plan.Wait, w.labTarget(nil), p, title, takes, max(takes, 25*time.Hour)+marginTask)
}

func (w *walk) confirm(s *plan.Step, c steps.Concrete, with *steps.ConfirmWith) {
	s.OnFailure = plan.Ask // nobody's silence is a yes
	w.set(s, plan.Confirm, w.labTarget(nil), plan.ConfirmParams{Message: with.Message, Timeout: cmp.Or(c.Timeout, plan.Duration(confirmLimit))},
		"Wait for a person's yes", takesConfirm, marginTask)
}

// message tells people. Nothing of the run hangs on whether it comes.
func (w *walk) message(s *plan.Step, with *steps.NotifyWith) {
	var known []string
	for _, ch := range w.lab.Notifications.Channels {
		known = append(known, ch.Name)
	}
	for _, name := range with.Channels {
		if !slices.Contains(known, name) {
			remedy := "list it under notifications: in the lab file"
			if near := inventory.Nearest(name, known); near != "" {
				remedy = "did you mean " + near + "?"
			}
			w.block("channel "+name, "the lab file has none of that name", remedy)
			return
		}
	}
	to := "whoever wants to be told"
	if len(with.Channels) > 0 {
		to = words.Some(with.Channels, fewNames)
	} else if len(known) == 0 {
		w.warn("step "+s.ID, "nobody is told: the lab file has no notifications", "add channels under notifications:")
	}
	w.set(s, plan.SendMessage, w.labTarget(nil), plan.MessageParams{Text: with.Text, Channels: with.Channels}, "Tell "+to, takesMessage, marginTask)
}

func (w *walk) applicationStep(s *plan.Step, c steps.Concrete, name string) {
	a, ok := w.lab.ApplicationCluster(name)
	if !ok {
		var known []string
		for _, x := range w.lab.ApplicationClusters {
			known = append(known, x.Name)
		}
		w.unknown("application cluster", name, "the lab file has none of that name", known)
		return
	}
	action, title := plan.StopApplication, "Stop application cluster "+name
	if c.Uses == steps.ApplicationStart {
		action, title = plan.StartApplication, "Start application cluster "+name
	}
	for _, g := range w.guests {
		if w.lab.IsMember(a, g.Name, g.Tags) && g.kept != "" {
			w.block(g.subject(), "is a member of application cluster "+name+", and is left alone: "+g.kept, "leave it out, or correct the lab file")
		}
	}
	p := plan.ApplicationParams{Application: name, Timeout: cmp.Or(c.Timeout, a.Timeout), Commands: a.Commands()}
	w.set(s, action, plan.Target{Kind: plan.Application, Name: name}, p, title, takesApplication, time.Duration(w.settled(time.Duration(p.Timeout)+marginTask)))
}

// awaitVCenter may wait for one that does not answer now.
func (w *walk) awaitVCenter(s *plan.Step, name string) {
	if name == "" && len(w.vcenters) == 1 {
		name = w.vcenters[0].Name
	}
	if i := slices.IndexFunc(w.vcenters, func(vc *vcenter) bool { return vc.Name == name }); i < 0 {
		var known []string
		for _, vc := range w.vcenters {
			known = append(known, vc.Name)
		}
		text := "the lab file has none of that name"
		if name == "" && len(known) > 0 {
			text = "it is not said which one is waited for"
		}
		w.unknown("vCenter", name, text, known)
		return
	}
	w.set(s, plan.AwaitVCenter, plan.Target{Kind: plan.VCenter, Name: name, Endpoint: name}, nil, "Wait until vCenter "+name+" answers", takesVCenter, plan.VCenterLimit)
}
