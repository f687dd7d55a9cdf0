package simlab

import (
	"context"
	"time"

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
	quiet     bool // its alarms do nothing
}

type host struct {
	spec        HostSpec
	ref         types.ManagedObjectReference
	cluster     *cluster // nil: standalone
	power       string   // as the BMC tells it
	running     bool     // ESXi is up
	stopping    bool     // ESXi shuts down
	silent      bool     // and its API answers no more
	connected   bool     // vCenter hears it
	cut         bool     // its management network is down
	maintenance bool
	entering    int       // tasks that wait for maintenance mode
	storage     bool      // its datastores are accessible
	booted      time.Time // when ESXi came up
	epoch       int       // counts power changes: what was begun before one does not happen after it
	restarts    int
	quiet       bool // its alarms do nothing
}

// takes says whether a guest can run on it.
func (h *host) takes() bool { return h.running && !h.stopping && !h.maintenance }

// usable says whether vCenter can run a guest on it.
func (h *host) usable() bool { return h.takes() && h.connected }

// answers says whether its own API can be reached.
func (h *host) answers() bool { return h.running && !h.silent && !h.cut }

// reads says whether it reads what is on a datastore.
func (h *host) reads(d *datastore) bool {
	return h.running && h.storage && d != nil && d.spec.on(h.spec.Name) && (d.spec.ProvidedBy == "" || d.seen[h])
}

// lost says whether it cannot read what a guest of the lab is to serve.
func (h *host) lost(d *datastore) bool { return d != nil && d.spec.ProvidedBy != "" && !d.seen[h] }

// A datastore is storage that hosts see.
type datastore struct {
	spec     DatastoreSpec
	provider *guest         // nil: it is always served
	served   bool           // the provider serves it
	found    map[*host]bool // hosts that found its device since it is served, by a scan of their adapters
	seen     map[*host]bool // and mounted it
}

type guest struct {
	spec      GuestSpec
	ref       types.ManagedObjectReference
	host      *host
	power     string
	known     string     // the power state that vCenter saw last
	knownHost *host      // and where
	datastore *datastore // where its files are
	tools     bool       // the Tools run and their heartbeat is green
	ready     bool       // its service answers
	question  *types.VirtualMachineQuestionInfo
	stopping  bool // the guest OS shuts down
	wantStop  bool // a shutdown waits for the question to be answered
	busy      bool // a task changes its power
	crashes   int
	restarts  int // by HA
	epoch     int
	vcls      *cluster // it is a vCLS VM of this cluster
	password  string   // of guestUser inside; empty: nobody logs in
	programs  []*process
	deleted   bool
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
	l.follow(t)
	if len(t.hosts) > 0 {
		for _, g := range l.guests {
			if t.hosts[g.host] || t.hosts[g.knownHost] {
				t.guest(g)
			}
		}
	}
	for g := range t.guests {
		l.learn(g)
	}
	l.doors()
	close(l.changed)
	l.changed = make(chan struct{})
	l.mu.Unlock()
	l.show(t)
}

// learn is vCenter seeing a guest, if it hears its host. Of others, and of those on a host that has just died, it goes on
// telling what it saw last.
func (l *Lab) learn(g *guest) {
	if g.knownHost == nil || g.host.connected && g.host.running {
		g.known, g.knownHost = g.power, g.host
	}
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

// other finds another host of the cluster that vCenter can use for a guest.
func (l *Lab) other(g *guest) *host {
	return l.best(g.host, func(h *host) bool { return h.usable() && h.reads(g.datastore) })
}

// best is that other host of the same cluster with the fewest guests on, of those that will do.
func (l *Lab) best(h *host, will func(*host) bool) *host {
	var best *host
	least := 0
	for _, c := range l.hosts {
		if c == h || c.cluster == nil || c.cluster != h.cluster || c.entering > 0 || !will(c) {
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
