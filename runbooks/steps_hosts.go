package runbooks

import (
	"cmp"
	"slices"
	"time"

	"nightshift/internal/plan"
	"nightshift/runbooks/steps"
)

const (
	takesReboot   = takesHostShutdown + takesHostBoot
	takesOption   = 2 * time.Second
	takesEvacuate = 5 * time.Minute // vMotion of what runs on a host
)

// onHost finds the host that a step is about. What must not be touched is a blocker.
func (w *walk) onHost(s *plan.Step, name string, changes bool) *host {
	var known []string
	for _, h := range w.hosts {
		known = append(known, h.id)
		if h.id != name {
			continue
		}
		switch {
		case h.kept != "" && (changes || h.lab == nil):
			w.block(h.subject(), "is left alone: "+h.kept, "leave it out, or correct the lab file")
		case h.live == nil:
			w.block(h.subject(), "its vCenter does not know it", "see `nightshift lab check`")
		case w.through(s, h.vc):
			if changes {
				w.touch(h.vc, h.live.Ref, h.subject())
				s.Needs = append(s.Needs, w.quiet.hosts[h])
			}
			return h
		}
		return nil
	}
	w.unknown("host", name, "the lab has no such host", known)
	return nil
}

func (h *host) holds() []string { return []string{h.vc.holds(), "host:" + h.id} }

func (w *walk) hostStep(s *plan.Step, c steps.Concrete, name string) {
	h := w.onHost(s, name, c.Uses != steps.HostAwait)
	if h == nil {
		return
	}
	p, t := w.hostPolicy(h), h.target()
	switch c.Uses {
	case steps.HostExit:
		w.set(s, plan.ExitMaintenance, t, plan.HostParams{Host: h.lab.Name}, "Take host "+h.name+" out of maintenance mode", takesMaintenance,
			time.Duration(w.settled(time.Duration(p.Maintenance)+marginTask)), h.holds()...)
	case steps.HostAwait:
		w.set(s, plan.AwaitHost, t, plan.HostParams{Host: h.lab.Name}, "Wait until vCenter is connected to host "+h.name, takesHostBoot,
			time.Duration(p.Boot)+marginRead)
	case steps.HostShutdown:
		w.emptied(s, h)
		w.checkBMC(h)
		w.set(s, plan.ShutdownHost, t, plan.ShutdownHostParams{Host: h.lab.Name, Via: p.Via, NoRights: p.NoRights, Timeout: p.Timeout, OnTimeout: p.OnTimeout},
			"Shut down host "+h.name+" and see its BMC say Off", takesHostShutdown, hostDownTimeout(w.lab, p), "bmc:"+h.id)
	case steps.HostPowerOn:
		w.checkBMC(h)
		w.plan.Limits["power-on"] = max(1, w.lab.Limits.PowerOn)
		w.set(s, plan.PowerOnHost, t, plan.PowerOnHostParams{Host: h.lab.Name}, "Switch on host "+h.name+" through its BMC", takesHostPowerOn,
			time.Duration(w.powerOnTimeout(h)), "bmc:"+h.id, "power-on")
	case steps.HostReboot:
		w.reboot(s, c, h)
	}
}

// reboot goes by when the host was booted: so a second one in the same plan would find it done.
func (w *walk) reboot(s *plan.Step, c steps.Concrete, h *host) {
	w.emptied(s, h)
	switch {
	case w.rebooted[h] != "":
		w.block(h.subject(), "is rebooted twice, by "+w.rebooted[h]+" and "+s.ID, "one reboot of a host in one run")
	case h.live.Booted.IsZero():
		w.block(h.subject(), "vCenter does not tell when it was booted, so nobody could see that it was booted again", "reconnect it in vCenter")
	}
	w.rebooted[h] = s.ID
	p := w.hostPolicy(h)
	limit := cmp.Or(c.Timeout, p.Timeout+p.Boot)
	w.set(s, plan.RebootHost, h.target(), plan.RebootParams{Host: h.lab.Name, Booted: h.live.Booted, Timeout: limit}, "Reboot host "+h.name, takesReboot,
		time.Duration(w.settled(time.Duration(limit)+marginRead)), h.holds()...)
}

// emptied makes sure that the host is in maintenance mode by then, and that nothing of the lab stands on it.
func (w *walk) emptied(s *plan.Step, h *host) {
	if !h.live.Maintenance && w.entered[h] == "" {
		w.block(h.subject(), "is not in maintenance mode when the step "+s.ID+" comes", "put host/enterMaintenance before it")
	}
	if len(h.lab.Provides) > 0 {
		w.block(h.subject(), "provides what the rest of the lab stands on", "use power-down, which takes down first what needs it")
	}
}

func (w *walk) enterMaintenance(s *plan.Step, with *steps.EnterMaintenanceWith) {
	h := w.onHost(s, with.Host, true)
	if h == nil {
		return
	}
	takes, how := takesMaintenance, ""
	if with.Evacuate {
		takes, how = takesEvacuate, ", after DRS has moved its guests"
		w.checkEvacuation(h)
	}
	if !h.live.Maintenance || w.inOurMaintenance(h) { // a host that a person has put into it stays in it
		w.entered[h] = s.ID
	}
	w.set(s, plan.EnterMaintenance, h.target(), plan.HostParams{Host: h.lab.Name, Evacuate: with.Evacuate}, "Put host "+h.name+" into maintenance mode"+how, takes,
		time.Duration(w.settled(time.Duration(w.hostPolicy(h).Maintenance)+marginTask)), h.holds()...)
}

// checkEvacuation: maintenance mode waits for running guests for ever, and only DRS moves them by itself.
func (w *walk) checkEvacuation(h *host) {
	running := slices.ContainsFunc(h.guests, func(g *guest) bool { return g.ordinary() && !g.atRest() })
	others := 0
	if h.cluster != nil {
		for _, o := range h.cluster.hosts {
			if o != h && o.connected() && !o.live.Maintenance {
				others++
			}
		}
	}
	switch {
	case !running:
	case h.cluster == nil || !h.cluster.DRS || h.cluster.DRSLevel != "fullyAutomated":
		w.block(h.subject(), "guests run on it, and no fully automated DRS would move them to another host", "set DRS of its cluster to fully automated, or shut its guests down first")
	case others == 0:
		w.block(h.subject(), "guests run on it, and no other host of its cluster could take them", "bring another host of the cluster up, or shut its guests down first")
	}
	for _, g := range h.guests {
		if g.ordinary() && !g.atRest() && g.NoSuspend == "passthrough device" {
			w.block(g.subject(), "has a passthrough device, so that it cannot leave host "+h.name+" while it runs", "shut it down first")
		}
	}
}

func (w *walk) option(s *plan.Step, a plan.Action, name, option, value, title string) {
	h := w.onHost(s, name, a == plan.SetHostOption)
	if h == nil {
		return
	}
	w.set(s, a, h.target(), plan.OptionParams{Host: h.lab.Name, Option: option, Value: value}, title, takesOption, time.Duration(w.settled(marginTask)), h.holds()...)
}
