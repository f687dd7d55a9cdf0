package simlab

import "fmt"

// What happens by itself while a run is under way: verbs for tests. Cut networks are in CutOff, questions in Ask, tasks of
// others in RunTask.

// Move moves a guest to another host, as DRS or a person does: by vMotion, if it runs. Nobody is asked.
func (l *Lab) Move(guestName, hostName string) (err error) {
	l.change(func(t *touched) {
		g, to := l.guestNamed(guestName), l.hostNamed(hostName)
		if g == nil || to == nil || !to.reads(g.datastore) {
			err = fmt.Errorf("simulated lab %s: move %q to %q: one of them is not there, or the host does not read the guest's datastore", l.spec.Name, guestName, hostName)
			return
		}
		l.move(t, g, to)
	})
	return err
}

func (l *Lab) move(t *touched, g *guest, to *host) {
	t.host(g.host)
	t.host(to)
	g.host = to
}

// Start powers a guest on, as somebody else may in the middle of a run.
func (l *Lab) Start(guestName string) (err error) {
	l.change(func(t *touched) {
		g := l.guestNamed(guestName)
		if g == nil || g.power == guestOn || !g.host.takes() || !g.host.reads(g.datastore) {
			err = fmt.Errorf("simulated lab %s: start %q: it is not there, runs already, or its host or datastore is not", l.spec.Name, guestName)
			return
		}
		l.powerOn(t, g)
	})
	return err
}

// Kill takes the power from a guest, as a crash of it does.
func (l *Lab) Kill(guestName string) (err error) {
	l.change(func(t *touched) {
		g := l.guestNamed(guestName)
		if g == nil || g.power != guestOn {
			err = fmt.Errorf("simulated lab %s: kill %q: it is not there, or does not run", l.spec.Name, guestName)
			return
		}
		l.powerOff(t, g)
	})
	return err
}

// Crash has a host die with all that runs on it: without power (its BMC says Off), or hanging with the power on. Where HA
// is on, its guests are started on other hosts some time later.
func (l *Lab) Crash(hostName string, hang bool) (err error) {
	l.change(func(t *touched) {
		h := l.hostNamed(hostName)
		switch {
		case h == nil || h.power == off:
			err = fmt.Errorf("simulated lab %s: crash %q: it is not there, or off", l.spec.Name, hostName)
		case hang:
			l.panicHost(t, h)
		default:
			l.cutPower(t, h)
		}
	})
	return err
}

// Crashes is how often guests died: with their host, or because their storage went away.
func (l *Lab) Crashes() int {
	n := 0
	for _, g := range l.Guests() {
		n += g.Crashes
	}
	return n
}
