package simlab

import (
	"context"

	"github.com/vmware/govmomi/vim25/types"
)

// The world is what is really the case in the lab: the truth behind vCenter and BMCs, which show it, sometimes late.
// Everything here is guarded by Lab.mu and changed only through Lab.change.

const (
	on          = "On"
	off         = "Off"
	poweringOn  = "PoweringOn"
	poweringOff = "PoweringOff"
)

const (
	guestOn        = "poweredOn"
	guestOff       = "poweredOff"
	guestSuspended = "suspended"
)

type cluster struct {
	spec      ClusterSpec
	ref       types.ManagedObjectReference
	ha, drs   bool
	drsLevel  string
	dpm       bool
	poolsGone bool // resource pools were lost: DRS was disabled once
	retreat   bool // vCLS retreat mode
}

type host struct {
	spec        HostSpec
	ref         types.ManagedObjectReference
	cluster     *cluster // nil: standalone
	power       string   // as the BMC tells it
	running     bool     // ESXi is up
	stopping    bool     // ESXi shuts down
	connected   bool     // vCenter hears it
	cut         bool     // its management network is down
	maintenance bool
	entering    int  // tasks that wait for maintenance mode
	storage     bool // its datastores are accessible
	epoch       int  // counts power changes: what was begun before one does not happen after it
	restarts    int
}

// usable says whether vCenter can run a guest on it.
func (h *host) usable() bool { return h.running && h.connected && !h.stopping && !h.maintenance }

type guest struct {
	spec     GuestSpec
	ref      types.ManagedObjectReference
	host     *host
	power    string
	known    string // the power state that vCenter saw last
	tools    bool   // the Tools run and their heartbeat is green
	ready    bool   // its service answers
	question *types.VirtualMachineQuestionInfo
	stopping bool // the guest OS shuts down
	wantStop bool // a shutdown waits for the question to be answered
	busy     bool // a task changes its power
	crashes  int
	restarts int // by HA
	epoch    int
	vcls     *cluster // it is a vCLS VM of this cluster
	deleted  bool
}

// touched collects what a change concerned, so that vCenter can show it.
type touched struct {
	hosts  map[*host]bool
	guests map[*guest]bool
}

func (t *touched) host(h *host)   { t.hosts[h] = true }
func (t *touched) guest(g *guest) { t.guests[g] = true }

// change changes the world, wakes who waits for it and then lets vCenter show it. No vcsim lock may be held.
func (l *Lab) change(fn func(t *touched)) {
	t := &touched{hosts: map[*host]bool{}, guests: map[*guest]bool{}}
	l.mu.Lock()
	fn(t)
	for h := range t.hosts {
		for _, g := range l.guestsOn(h) {
			t.guest(g)
		}
	}
	close(l.changed)
	l.changed = make(chan struct{})
	l.mu.Unlock()
	l.show(t)
}

// read looks at the world.
func (l *Lab) read(fn func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fn()
}

// wait blocks until cond, which is called with the world locked, is true.
func (l *Lab) wait(ctx context.Context, cond func() bool) error {
	for {
		l.mu.Lock()
		ok, changed := cond(), l.changed
		l.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		case <-l.ctx.Done():
			return l.ctx.Err()
		}
	}
}

// guestsOn are the guests registered on a host.
func (l *Lab) guestsOn(h *host) []*guest {
	var out []*guest
	for _, g := range l.guests {
		if g.host == h && !g.deleted {
			out = append(out, g)
		}
	}
	return out
}

// other finds a usable host of the same cluster with the fewest guests on.
func (l *Lab) other(h *host) *host {
	var best *host
	least := 0
	for _, c := range l.hosts {
		if c == h || c.cluster == nil || c.cluster != h.cluster || !c.usable() || c.entering > 0 {
			continue
		}
		n := 0
		for _, g := range l.guestsOn(c) {
			if g.power == guestOn {
				n++
			}
		}
		if best == nil || n < least {
			best, least = c, n
		}
	}
	return best
}

func (l *Lab) hostNamed(name string) *host {
	for _, h := range l.hosts {
		if h.spec.Name == name {
			return h
		}
	}
	return nil
}

func (l *Lab) guestNamed(name string) *guest {
	for _, g := range l.guests {
		if g.spec.Name == name && !g.deleted {
			return g
		}
	}
	return nil
}
