package simlab

import (
	"fmt"
	"slices"
	"time"
)

// How long things take at an application cluster, as far as the spec does not say.
const (
	appStops  = 20 * time.Second
	appStarts = 30 * time.Second
	appFences = 10 * time.Second // from the loss of a member to its being switched on again
	lsbBusy   = 4                // LSB: "program or service status is unknown"
)

// An ApplicationSpec is an application cluster: a cluster manager in guests, reached over SSH at each of them with the
// commands `cluster status`, `cluster stop` and `cluster start`. While it runs, it fails over when a member goes, and
// fences that member: it switches it on again.
type ApplicationSpec struct {
	Name    string
	Members []string      // guests
	Stopped bool          // at the start
	Stop    time.Duration // default 20 s
	Start   time.Duration // default 30 s
	Fence   time.Duration // default 10 s
}

// ApplicationState is what is really the case at an application cluster.
type ApplicationState struct {
	State     string // running | stopping | stopped | starting
	Failovers int    // how often a member was lost while it ran
	Fenced    int    // how often it switched a member on again
	Crashed   int    // how often it lost its last member while it ran
}

// States of an application cluster.
const (
	appRunning  = "running"
	appStopping = "stopping"
	appStopped  = "stopped"
	appStarting = "starting"
)

// An application is guarded by Lab.mu.
type application struct {
	spec    ApplicationSpec
	members []*guest
	state   string
	lost    map[*guest]bool // members whose loss it has noticed
	seen    ApplicationState
	nodes   []*sshNode
}

// completeApplications fills in defaults and refuses what cannot be.
func (s *Spec) completeApplications() error {
	guests, member := map[string]bool{}, map[string]bool{}
	for _, g := range s.Guests {
		guests[g.Name] = true
	}
	s.Applications = append([]ApplicationSpec(nil), s.Applications...)
	for i := range s.Applications {
		a := &s.Applications[i]
		a.Stop, a.Start, a.Fence = orDefault(a.Stop, appStops), orDefault(a.Start, appStarts), orDefault(a.Fence, appFences)
		if a.Name == "" || len(a.Members) == 0 {
			return fmt.Errorf("simulated lab %s: application cluster %q has no name, or no members", s.Name, a.Name)
		}
		for _, m := range a.Members {
			if !guests[m] || member[m] {
				return fmt.Errorf("simulated lab %s: application cluster %q: its member %q is not in the spec, or in another one", s.Name, a.Name, m)
			}
			member[m] = true
		}
	}
	return nil
}

// isMember says so of a guest: the lab file lists it then.
func (s *Spec) isMember(guest string) bool {
	return slices.ContainsFunc(s.Applications, func(a ApplicationSpec) bool { return slices.Contains(a.Members, guest) })
}

// startApplications makes them and serves SSH at each member.
func (l *Lab) startApplications() error {
	for _, spec := range l.spec.Applications {
		a := &application{spec: spec, state: appRunning, lost: map[*guest]bool{}}
		if spec.Stopped {
			a.state = appStopped
		}
		for _, name := range spec.Members {
			g := l.guestNamed(name)
			a.members = append(a.members, g)
			n := &sshNode{name: name, target: spec.Name, up: func() bool { return g.power == guestOn && g.ready },
				run:     func(line string) (int, string) { return l.clusterCommand(a, line) },
				changes: func(line string) bool { return line == "cluster stop" || line == "cluster start" }}
			if err := l.startSSH(n); err != nil {
				return err
			}
			a.nodes = append(a.nodes, n)
		}
		l.apps = append(l.apps, a)
		l.goRun(func() { l.tendApplication(a) })
	}
	return nil
}

// up counts the members that can take part.
func (a *application) up() int {
	n := 0
	for _, g := range a.members {
		if g.power == guestOn && g.ready {
			n++
		}
	}
	return n
}

// noticed says whether a member went, or came back, since the cluster last looked.
func (a *application) noticed() bool {
	for _, g := range a.members {
		if gone := a.state == appRunning && g.power != guestOn; gone != a.lost[g] {
			return true
		}
	}
	return false
}

// tendApplication is the cluster manager that looks after its members.
func (l *Lab) tendApplication(a *application) {
	for l.wait(l.ctx, a.noticed) == nil {
		l.change(func(*touched) {
			for _, g := range a.members {
				gone := a.state == appRunning && g.power != guestOn
				if gone && !a.lost[g] {
					a.seen.Failovers++
					l.fenceLater(a, g)
				}
				a.lost[g] = gone
			}
			if a.state == appRunning && a.up() == 0 { // nobody is left to fence anybody
				a.state = appStopped
				a.seen.Crashed++
				clear(a.lost)
			}
		})
	}
}

// fenceLater switches a lost member on again, as a fence agent does through the vCenter, unless the cluster was stopped,
// or nobody is left.
func (l *Lab) fenceLater(a *application, g *guest) {
	epoch := g.epoch
	l.after(a.spec.Fence, func() {
		l.change(func(t *touched) {
			if a.state != appRunning || g.epoch != epoch || a.up() == 0 || !g.host.usable() {
				return
			}
			a.seen.Fenced++
			l.powerOn(t, g)
		})
	})
}

// The commands of the cluster manager answer an exit status, as the LSB has them, and what they print.

func (l *Lab) clusterStatus(a *application) (status int, text string) {
	l.read(func() {
		text = fmt.Sprintf("cluster %s is %s, %d of %d members are up\n", a.spec.Name, a.state, a.up(), len(a.members))
		status = map[string]int{appRunning: 0, appStopped: 3, appStarting: lsbBusy, appStopping: lsbBusy}[a.state]
	})
	return status, text
}

// clusterStop stops the whole cluster, and ends when it is stopped.
func (l *Lab) clusterStop(a *application) (int, string) {
	return l.clusterMove(a, appRunning, appStopping, appStopped, a.spec.Stop)
}

// clusterStart starts it, where more than half of the members are up.
func (l *Lab) clusterStart(a *application) (int, string) {
	var up int
	l.read(func() { up = a.up() })
	if quorum := len(a.members)/2 + 1; up < quorum {
		return 1, fmt.Sprintf("no quorum: %d of %d members are up, %d are needed\n", up, len(a.members), quorum)
	}
	return l.clusterMove(a, appStopped, appStarting, appRunning, a.spec.Start)
}

func (l *Lab) clusterMove(a *application, from, via, to string, d time.Duration) (status int, text string) {
	begun := false
	l.change(func(*touched) {
		switch a.state {
		case from:
			a.state, begun = via, true
		case to:
			text = fmt.Sprintf("cluster %s is %s already\n", a.spec.Name, to)
		default:
			status, text = 1, fmt.Sprintf("cluster %s is %s\n", a.spec.Name, a.state)
		}
	})
	if !begun {
		return status, text
	}
	ok := sleep(l.ctx, l.scaled(l.about(d)))
	l.change(func(*touched) {
		if ok && a.state == via {
			a.state = to
		}
	})
	return 0, fmt.Sprintf("cluster %s is %s\n", a.spec.Name, to)
}

// Applications returns the state of every application cluster by name.
func (l *Lab) Applications() map[string]ApplicationState {
	out := map[string]ApplicationState{}
	l.read(func() {
		for _, a := range l.apps {
			s := a.seen
			s.State = a.state
			out[a.spec.Name] = s
		}
	})
	return out
}

// ClusterAppSpec is the smallest lab with an application cluster: two hosts, with one of two database nodes on each. The
// nodes take unlike long to shut down, so that one would be fenced if they just went down.
func ClusterAppSpec() Spec {
	s := SmallSpec()
	s.Name = "cluster"
	s.Guests = append(s.Guests[:1:1],
		GuestSpec{Name: "pg01", Host: "esx21", Tags: []string{"StartUp"}, Shutdown: 10 * time.Second, After: []string{"dc01"}},
		GuestSpec{Name: "pg02", Host: "esx22", Tags: []string{"StartUp"}, Shutdown: 60 * time.Second, After: []string{"dc01"}},
		GuestSpec{Name: "web01", Host: "esx22", Tags: []string{"StartUp"}, HTTP: true},
	)
	s.Applications = []ApplicationSpec{{Name: "pg", Members: []string{"pg01", "pg02"}}}
	return s
}
