package simlab

import (
	"strings"
	"sync"
	"time"
)

// Kind is what goes wrong with a call.
type Kind string

// Kinds of faults.
const (
	Drop       Kind = "drop"       // it never arrives; the connection is closed
	LoseAnswer Kind = "loseAnswer" // it acts; the connection is closed without an answer
	Delay      Kind = "delay"      // it arrives late
	Hang       Kind = "hang"       // it never arrives; the connection stays open without an answer
	Break      Kind = "break"      // its connection is closed in the midst of its stream: commands on storage hosts
	Error      Kind = "error"      // it is refused with the fault or status given, and does not act
)

// A Fault is put between the callers and a system. Empty System, Verb or Target: any.
type Fault struct {
	System string // "vcenter", "esxi:HOST", "bmc:HOST" or "ssh:NAME" of a guest, machine or storage host
	// Verb as in a Record, or the name of a reading SOAP method; "GET" and other HTTP methods match all their paths.
	// "Login" is a login at any.
	Verb   string
	Target string
	Kind   Kind
	Times  int           // how often; 0 = always
	Delay  time.Duration // for Delay: wall-clock time
	// SOAP names the vSphere fault ("HostCommunication") and Status the HTTP status for Error. Defaults: RuntimeFault, 503.
	// Over SSH, Status is the exit status, by default 1.
	SOAP   string
	Status int
	// Bytes is how much of the stream goes through before it breaks.
	Bytes int64
}

type faults struct {
	mu     sync.Mutex
	active []*Fault
	struck int
}

// Struck is how often a fault has met a call.
func (l *Lab) Struck() int {
	l.faults.mu.Lock()
	defer l.faults.mu.Unlock()
	return l.faults.struck
}

// Inject puts a fault in place; later ones come first. The function returned takes it away again.
func (l *Lab) Inject(f Fault) (remove func()) {
	l.faults.mu.Lock()
	defer l.faults.mu.Unlock()
	p := &f
	if f.Times == 0 {
		p.Times = -1
	}
	l.faults.active = append([]*Fault{p}, l.faults.active...)
	return func() {
		l.faults.mu.Lock()
		defer l.faults.mu.Unlock()
		p.Times = 0
	}
}

// match finds the fault for a request and counts it.
func (f *faults) match(system string, calls []call) (Fault, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.active {
		if p.Times == 0 || p.System != "" && p.System != system {
			continue
		}
		for _, c := range calls {
			verb := verbMatches(p.Verb, c.verb) || strings.HasPrefix(c.verb, p.Verb+" ")
			if verb && (p.Target == "" || p.Target == c.target) {
				if p.Times > 0 {
					p.Times--
				}
				f.struck++
				return *p, true
			}
		}
	}
	return Fault{}, false
}

// CutOff makes a system unreachable: "vcenter", "bmc:HOST" or "esxi:HOST" close every connection; "host:HOST" loses its
// management network, so that vCenter sees it not responding, and its own API does not answer, while its guests run on. "ssh:NAME" closes
// the connections of a member, machine or storage host, "storage:HOST" is a storage host without current, and "replication" the way
// between storage hosts, on which then nothing arrives. For d of wall-clock time, or with 0 until the function returned is called.
func (l *Lab) CutOff(system string, d time.Duration) (restore func()) {
	restore = func() { l.setCut(system, false) }
	l.setCut(system, true)
	if d > 0 {
		l.goAfter(d, restore)
	}
	return restore
}

func (l *Lab) setCut(system string, cut bool) {
	if name, ok := strings.CutPrefix(system, "host:"); ok {
		l.cutHost(name, cut)
		return
	}
	l.setStorageCut(system, cut)
	if g := l.gateOf(system); g != nil {
		g.setCut(cut)
	}
	if name, ok := strings.CutPrefix(system, "bmc:"); ok && l.ipmis[name] != nil {
		l.ipmis[name].wire.cut.Store(cut)
	}
}

func (l *Lab) gateOf(system string) *gate {
	l.gatesMu.Lock()
	defer l.gatesMu.Unlock()
	return l.gates[system]
}

// doors opens and closes endpoints as the world demands: the vCenter's while its guest runs, a host's own while ESXi does
// and its management network is there.
// The world is locked: who sees that a host runs finds its door open.
func (l *Lab) doors() {
	l.wakers()
	down := map[string]bool{"vcenter": l.vcState == vcDown}
	for _, e := range l.esxis.list() {
		down[e.system] = !e.host.answers()
		if !e.host.running {
			e.mu.Lock()
			e.drop()
			e.mu.Unlock()
		}
	}
	for system, d := range down {
		if g := l.gateOf(system); g != nil {
			g.setDown(d)
		}
	}
}
