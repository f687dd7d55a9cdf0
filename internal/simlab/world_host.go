package simlab

import "time"

// later runs fn about d from now, if the host's power was not changed in between.
func (l *Lab) later(h *host, d time.Duration, fn func(t *touched)) {
	epoch := h.epoch
	l.after(d, func() {
		l.change(func(t *touched) {
			if h.epoch == epoch {
				fn(t)
				t.host(h)
			}
		})
	})
}

// begin is a change of a host's power.
func (h *host) begin(power string) {
	h.power, h.running, h.stopping, h.silent, h.storage = power, false, false, false, false
	h.epoch++
}

// bootHost is the BMC's On: POST, ESXi, and vCenter connects to it.
func (l *Lab) bootHost(t *touched, h *host) {
	h.begin(poweringOn)
	h.restarts++
	t.host(h)
	l.later(h, min(bmcTransition, h.spec.Boot/2), func(*touched) { h.power = on })
	l.later(h, hostLost, func(*touched) { h.connected = h.connected && h.running })
	l.later(h, h.spec.Boot, func(*touched) {
		h.power, h.running, h.booted = on, true, time.Now()
		l.connectHost(h)
		l.later(h, hostConnects+storageAppears, func(*touched) {
			h.storage = true
			l.rescan(h)
		})
	})
}

// connectHost lets vCenter find the host again.
func (l *Lab) connectHost(h *host) {
	l.later(h, hostConnects, func(*touched) {
		if h.running && !h.cut && l.vcState == vcUp {
			h.connected = true
		}
	})
}

// stopHost is ESXi that shuts down: guests that still run die, then the power goes.
func (l *Lab) stopHost(t *touched, h *host) {
	if !h.running || h.stopping {
		return
	}
	h.stopping = true
	h.epoch++
	t.host(h)
	down := h.spec.Shutdown
	l.later(h, min(hostStopsGuests, down/3), func(t *touched) { l.killGuests(t, h) })
	l.later(h, min(hostLost, down/2), func(*touched) { h.connected, h.silent, h.storage = false, true, false })
	l.later(h, down-min(bmcTransition, down/4), func(*touched) { h.power, h.running = poweringOff, false })
	l.later(h, down+down/8, func(t *touched) { // the eighth: never before PoweringOff, whatever the jitter
		l.killGuests(t, h) // where the machine wakes us so late that this comes first
		h.begin(off)
		h.connected = false
	})
}

// cutPower is what ForceOff does: at once, with everything that runs.
func (l *Lab) cutPower(t *touched, h *host) {
	h.begin(off)
	t.host(h)
	l.killGuests(t, h)
	l.loseHost(h)
}

// panicHost is ESXi that stops in a purple screen: the power stays on.
func (l *Lab) panicHost(t *touched, h *host) {
	h.begin(on)
	t.host(h)
	l.killGuests(t, h)
	l.loseHost(h)
}

func (l *Lab) loseHost(h *host) {
	l.later(h, hostLost, func(*touched) { h.connected = false })
}

// killGuests crashes what runs on a host. Where HA is on, it starts them elsewhere later; vCenter restarts vCLS VMs itself.
func (l *Lab) killGuests(t *touched, h *host) {
	var died []*guest
	for _, g := range l.guestsOn(h) {
		if g.power == guestOn {
			l.crash(t, g)
			died = append(died, g)
		}
	}
	if h.cluster == nil || !h.cluster.ha || len(died) == 0 {
		return
	}
	l.after(haRestarts, func() {
		l.change(func(t *touched) {
			for _, g := range died {
				l.haRestart(t, g)
			}
		})
	})
}

func (l *Lab) haRestart(t *touched, g *guest) {
	from := g.host
	to := l.best(from, func(c *host) bool { return c.takes() && !c.cut && c.reads(g.datastore) })
	if g.deleted || g.vcls != nil || g.power != guestOff || from.takes() || !from.cluster.ha || to == nil {
		return
	}
	g.host = to
	g.restarts++
	t.host(from)
	t.host(to)
	l.powerOn(t, g)
}

// cutHost is the management network of a host going down or coming back.
func (l *Lab) cutHost(name string, cut bool) {
	l.change(func(t *touched) {
		h := l.hostNamed(name)
		if h == nil || h.cut == cut {
			return
		}
		h.cut = cut
		if cut {
			l.loseHost(h)
		} else if h.running {
			l.connectHost(h)
		}
	})
}
