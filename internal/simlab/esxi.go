package simlab

import (
	"crypto/tls"
	"net/http"
	"sync"

	"github.com/vmware/govmomi/vim25/types"
)

// esxiUser is the account of an ESXi host.
const esxiUser = "root"

// An esxi is a host's own API, as it is without a vCenter: HostAgent. What it shows is made when somebody connects for
// the first time after a boot, as a lab has many hosts and few need it; it dies with ESXi, sessions and tasks with it.
type esxi struct {
	lab      *Lab
	host     *host
	system   string // "esxi:HOST"
	url      string
	password string
	cert     tls.Certificate
	logins   lockout

	mu      sync.Mutex
	now     *hostAgent // nil: nobody has connected since the boot
	past    []*hostAgent
	numbers map[*guest]int // ids of VMs outlive a boot
}

// esxis are the hosts' own endpoints.
type esxis struct {
	mu  sync.Mutex
	all map[*host]*esxi
}

func (s *esxis) of(h *host) *esxi {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all[h]
}

func (s *esxis) list() []*esxi {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]*esxi, 0, len(s.all))
	for _, e := range s.all {
		out = append(out, e)
	}
	return out
}

// agents are those that somebody connected to.
func (s *esxis) agents() []*hostAgent {
	var out []*hostAgent
	for _, e := range s.list() {
		e.mu.Lock()
		if e.now != nil && e.now.made.Load() {
			out = append(out, e.now)
		}
		e.mu.Unlock()
	}
	return out
}

func (s *esxis) named(system string) *esxi {
	for _, e := range s.list() {
		if e.system == system {
			return e
		}
	}
	return nil
}

// startESXi gives a host an endpoint of its own, if it has none yet.
func (l *Lab) startESXi(h *host, port int) (*esxi, error) {
	l.esxis.mu.Lock()
	defer l.esxis.mu.Unlock()
	if e := l.esxis.all[h]; e != nil {
		return e, nil
	}
	e := &esxi{lab: l, host: h, system: "esxi:" + h.spec.Name, password: newPassword(h.spec.Name + "-esxi"), numbers: map[*guest]int{}}
	var err error
	if e.cert, err = selfSigned(h.spec.Name); err != nil {
		return nil, err
	}
	addr, err := l.listen(e.system, port, &e.cert, http.HandlerFunc(e.serve))
	if err != nil {
		return nil, err
	}
	e.url = "https://" + addr + "/sdk"
	l.esxis.all[h] = e
	return e, nil
}

// startESXis serves those that the spec asks for.
func (l *Lab) startESXis(port int) error {
	for _, h := range l.hosts {
		if !h.spec.Direct {
			continue
		}
		if _, err := l.startESXi(h, port); err != nil {
			return err
		}
		if port != 0 {
			port++
		}
	}
	l.read(l.doors)
	return nil
}

// current is the agent of this boot.
func (e *esxi) current() *hostAgent {
	boot := 0
	e.lab.read(func() { boot = e.host.restarts })
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.now != nil && e.now.boot != boot {
		e.drop()
	}
	if e.now == nil {
		e.now = &hostAgent{esxi: e, boot: boot}
	}
	return e.now
}

// drop forgets the agent of an earlier boot. Its files go when the lab is closed: something may still be under way in it.
func (e *esxi) drop() {
	if e.now != nil {
		e.past = append(e.past, e.now)
		e.now = nil
	}
}

// remove deletes the files of all agents.
func (e *esxi) remove() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.drop()
	for _, a := range e.past {
		if a.model != nil {
			a.model.Remove()
		}
	}
	e.past = nil
}

// serve makes the agent at the first request. Who comes meanwhile waits.
func (e *esxi) serve(w http.ResponseWriter, r *http.Request) {
	a := e.current()
	a.once.Do(func() {
		if a.err = a.build(); a.err == nil {
			a.made.Store(true)
			e.lab.change(func(t *touched) { t.host(e.host) })
		}
	})
	if a.err != nil {
		http.Error(w, a.err.Error(), http.StatusInternalServerError)
		return
	}
	a.handler.ServeHTTP(w, r)
}

// ESXi is how to reach a host's own API.
type ESXi struct{ URL, User, Password, Fingerprint string }

// ESXi returns how to reach a host's own API; a host whose spec does not ask for it gets it now. Its zero value: there
// is no such host, or no port.
func (l *Lab) ESXi(hostName string) ESXi {
	h := l.hostNamed(hostName)
	if h == nil {
		return ESXi{}
	}
	e, err := l.startESXi(h, 0)
	if err != nil {
		return ESXi{}
	}
	l.read(l.doors)
	return ESXi{e.url, esxiUser, e.password, fingerprint(e.cert)}
}

// ESXiRef is the id by which a host's own API knows a guest ("7"); empty: it is not there, or nobody has connected yet.
func (l *Lab) ESXiRef(guestName string) string {
	var ref types.ManagedObjectReference
	for _, a := range l.esxis.agents() {
		l.read(func() {
			if g := l.guestNamed(guestName); g != nil && g.host == a.host {
				ref = a.own[g]
			}
		})
	}
	return ref.Value
}
