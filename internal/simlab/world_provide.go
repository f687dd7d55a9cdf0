package simlab

import (
	"time"

	"github.com/vmware/govmomi/vim25/types"
)

// What the lab stands on, and runs itself: datastores that a guest serves, and the vCenter in a guest.

// States of the vCenter's service.
const (
	vcUp       = "up"
	vcStarting = "starting" // its proxy answers 503
	vcDown     = "down"
)

// follow lets what depends on guests follow them: after every change, with the world locked.
func (l *Lab) follow(t *touched) {
	for l.followStorage(t) { // a guest that loses its disk may serve a datastore itself
	}
	l.followVCenter(t)
}

// followStorage says whether guests lost their disks.
func (l *Lab) followStorage(t *touched) bool {
	lost := false
	for _, spec := range l.spec.Datastores {
		d := l.datastores[spec.Name]
		if d == nil || d.provider == nil {
			continue
		}
		serves := d.provider.power == guestOn && d.provider.ready
		if serves != d.served {
			d.served = serves
			d.found, d.seen = map[*host]bool{}, map[*host]bool{}
			for _, h := range l.hosts {
				if d.spec.on(h.spec.Name) {
					t.host(h)
				}
			}
		}
		if serves {
			continue
		}
		for _, g := range l.guests {
			if g.datastore == d && g.power == guestOn {
				l.crash(t, g) // all paths down
				lost = true
			}
		}
	}
	return lost
}

// find is a host that scans its adapters, and then mounts what it found.
func (l *Lab) find(h *host) {
	for _, d := range l.datastores {
		if d.served && d.spec.on(h.spec.Name) {
			d.found[h] = true
		}
	}
}

func (l *Lab) mount(h *host) {
	for _, d := range l.datastores {
		if d.served && d.found[h] {
			d.seen[h] = true
		}
	}
}

// rescan is both.
func (l *Lab) rescan(h *host) {
	l.find(h)
	l.mount(h)
}

// followVCenter: with its guest the vCenter goes, and it comes some time after it.
func (l *Lab) followVCenter(t *touched) {
	g := l.vcGuest
	if g == nil || g.epoch == l.vcEpoch {
		return
	}
	l.vcEpoch = g.epoch
	l.vcState = vcDown
	l.vc.sessions.end()
	l.vc.born++
	for _, h := range l.hosts {
		h.connected = false
		t.host(h)
	}
	if g.power != guestOn {
		return
	}
	epoch := g.epoch
	still := func(fn func(t *touched)) func() {
		return func() {
			l.change(func(t *touched) {
				if g.epoch == epoch {
					fn(t)
				}
			})
		}
	}
	l.after(l.spec.VCenterBoot/2, still(func(*touched) {
		l.vcState = vcStarting
		l.after(l.spec.VCenterBoot/2, still(func(*touched) { // one after the other, however late the machine wakes us
			l.vcState = vcUp
			l.reconnect()
		}))
	}))
}

// reconnect lets a vCenter that has just come up find its hosts, one after the other.
func (l *Lab) reconnect() {
	n := 0
	for _, h := range l.hosts {
		if !h.running || h.cut {
			continue
		}
		n++
		l.later(h, hostReconnects*time.Duration(n), func(*touched) {
			if l.vcState == vcUp && h.running && !h.cut && !h.silent {
				h.connected = true
			}
		})
	}
}

// VCenterUp says whether the vCenter answers.
func (l *Lab) VCenterUp() (up bool) {
	l.read(func() { up = l.vcState == vcUp })
	return up
}

// DatastoreState is what is really the case at a datastore.
type DatastoreState struct {
	Served bool            // by its provider; true where there is none
	Hosts  map[string]bool // whether it is accessible, by host
}

// Datastores returns the state of every datastore by name.
func (l *Lab) Datastores() map[string]DatastoreState {
	out := map[string]DatastoreState{}
	l.read(func() {
		for name, d := range l.datastores {
			s := DatastoreState{Served: d.provider == nil || d.served, Hosts: map[string]bool{}}
			for _, h := range l.hosts {
				if d.spec.on(h.spec.Name) {
					s.Hosts[h.spec.Name] = h.reads(d)
				}
			}
			out[name] = s
		}
	})
	return out
}

// unreadable is the fault for a guest whose files cannot be read where it is. The world is locked.
func (v *view) unreadable(g *guest) types.BaseMethodFault {
	if g.host.reads(g.datastore) {
		return nil
	}
	f := &types.InaccessibleDatastore{}
	f.Name = g.spec.Datastore
	if ref, ok := v.datastores[g.spec.Datastore]; ok {
		f.Datastore = &ref
	}
	return f
}
