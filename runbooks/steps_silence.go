package runbooks

import (
	"nightshift/runbooks/steps"
)

// A hush is who is to be quiet while a step runbook works: the alarms of hosts that it empties, reboots, shuts down or switches
// on, and monitoring, also where only guests go down. What commands do to a lab, nobody can tell.
type hush struct {
	quiet    *silence
	hosts    []*host
	switched map[*host]bool // on
	down     map[*host]bool // and stays so: its alarms act again after a power-up
	guests   bool
}

// hush plans the silence before the steps. Nothing is planned where none is wanted.
func (w *walk) hush(in Input, list []steps.Concrete) *hush {
	w.quiet = newSilence(w.builder, in)
	x := &hush{quiet: w.quiet, switched: map[*host]bool{}, down: map[*host]bool{}}
	if !w.quiet.wanted {
		return x
	}
	named := map[string]bool{}
	for _, c := range list {
		switch with := c.With.(type) {
		case *steps.EnterMaintenanceWith:
			named[with.Host] = true
		case *steps.HostWith:
			switch c.Uses {
			case steps.HostShutdown, steps.HostReboot, steps.HostPowerOn:
				named[with.Host] = true
			}
			if h := w.hostOf(with.Host); h != nil {
				x.down[h] = c.Uses == steps.HostShutdown || x.down[h] && c.Uses != steps.HostPowerOn
				x.switched[h] = x.switched[h] || c.Uses == steps.HostPowerOn
			}
		case *steps.GuestWith:
			x.guests = x.guests || c.Uses == steps.GuestShutdown
		case *steps.ApplicationWith:
			x.guests = x.guests || c.Uses == steps.ApplicationStop
		}
	}
	marks := map[string]string{}
	for _, h := range w.hosts {
		if !named[h.id] || h.kept != "" || h.live == nil || !h.vc.answers() {
			continue
		}
		x.hosts = append(x.hosts, h)
		marks[h.vc.Name] = w.marked(h.vc)
	}
	w.quiet.begin(len(x.hosts) > 0 || x.guests, x.hosts, nil, marks)
	return x
}

// ends tells whose alarms the run lets act again: those that it has silenced, and those that are back by it.
func (x *hush) ends(h *host) bool {
	return !x.down[h] && (x.quiet.hosts[h] != "" || x.switched[h])
}

func (w *walk) hostOf(id string) *host {
	for _, h := range w.hosts {
		if h.id == id {
			return h
		}
	}
	return nil
}
