//go:build e2e

package e2e

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/report"
	"nightshift/internal/runapi"
	"nightshift/internal/simlab"
)

// retried fails when a step was begun so often that it must have been at it for many minutes.
func (p *place) retried(r report.Report) {
	p.Helper()
	for _, s := range r.Steps {
		require.Less(p, s.Attempts, 15, "%s: %s", s.ID, s.Note)
	}
}

// crash has a host die, and waits until its vCenter has noticed.
func (p *place) crash(host string, hang bool) {
	p.Helper()
	require.NoError(p, p.lab.Crash(host, hang))
	p.await(func(l *simlab.Lab) bool { return !l.Hosts()[host].Connected })
}

// dies has a host lose its power, or hang; where HA starts its guests elsewhere, they are waited for.
func dies(host string, hang, restarted bool) func(*descent) {
	return func(d *descent) {
		d.crash(host, hang)
		if restarted {
			d.guestIs("dc01", func(g simlab.GuestState) bool { return g.Restarts > 0 && g.Tools })
			d.guestIs("db01", func(g simlab.GuestState) bool { return g.Restarts > 0 && g.Tools })
		}
	}
}

func hostLosesPower(t *testing.T, b *temporalRig) {
	d := b.descent(t, "d-power", slow(), dies("esx21", false, false))
	r := d.ends(runapi.Done)
	d.amended(r, "esx21")
	d.retried(r)
	require.Zero(t, d.lab.Count("ShutdownGuest", "dc01"))
	require.Zero(t, d.lab.Guests()["web01"].Crashes)
	require.Len(t, d.ledger().Memory, 3, "what died is remembered: it ran")
	d.upAgain()
}

// hostLosesPowerUnderHA: HA starts the guests of the dead host on the one that goes down as well.
func hostLosesPowerUnderHA(t *testing.T, b *temporalRig) {
	d := b.descent(t, "d-power-ha", withKeptHost(), dies("esx21", false, true))
	d.retried(d.ends(runapi.Done))
	for name, g := range d.lab.Guests() {
		if g.Host != "esx23" && !g.VCLS {
			require.Equal(t, "poweredOff", g.Power, name)
		}
	}
	require.Equal(t, "Off", d.lab.Hosts()["esx22"].Power)
	require.LessOrEqual(t, d.lab.Guests()["dc01"].Crashes, 1)
	d.upAgain()
}

// lookedAt is what a person does about a host that hangs: its console, its plug, and the steps again.
func (d *descent) lookedAt(host string) {
	d.Helper()
	require.Equal(d, "On", d.lab.Hosts()[host].Power, "nobody cuts the power of a host whose guests may run")
	d.cut(host)
	d.must("retry", d.run, "--all")
}

// hostHangs: its BMC says On, its vCenter has lost it. Nobody knows what its guests do, so a person has to look; the rest
// goes on meanwhile.
func hostHangs(t *testing.T, b *temporalRig) {
	d := b.descent(t, "d-hang", slow(), dies("esx21", true, false))
	require.Contains(t, d.blockedAt(d.run).Note, "its state is unknown")
	d.lookedAt("esx21")
	d.retried(d.ends(runapi.Done))
	d.upAgain()
}

func hostHangsUnderHA(t *testing.T, b *temporalRig) {
	d := b.descent(t, "d-hang-ha", withKeptHost(), dies("esx21", true, true))
	require.Contains(t, d.blockedAt(d.run).Note, "esx21")
	d.lookedAt("esx21")
	d.retried(d.ends(runapi.Done))
	d.upAgain()
}

func hostDiesInPowerUp(t *testing.T, b *temporalRig) {
	d := b.lab(t, "d-up", slow())
	d.done("power-down")
	run := d.begin("power-up")
	d.await(func(l *simlab.Lab) bool { return l.Guests()["dc01"].Power == "poweredOn" })
	require.NoError(t, d.lab.Crash("esx21", false))
	r := d.through(run, "esx21")
	t.Log(d.cli("report", run).Out)
	require.NotEmpty(t, r.Outcome)
	d.upAgain()
}

func hostHangsInPowerUp(t *testing.T, b *temporalRig) {
	d := b.lab(t, "d-uphang", slow())
	d.done("power-down")
	run := d.begin("power-up")
	d.await(func(l *simlab.Lab) bool { return l.Hosts()["esx21"].Running })
	require.NoError(t, d.lab.Crash("esx21", true))
	d.blockedAt(run)
	t.Log(d.cli("report", run).Out)
	d.cut("esx21")
	d.must("abort", run, "--reason", "it hangs")
	require.Equal(t, runapi.Aborted, d.end(run).Outcome)
	d.upAgain()
}

// through lets a run go to its end. Where a step is blocked, it must say that it is about the thing; then it is aborted.
func (p *place) through(run, thing string) report.Report {
	p.Helper()
	r := p.end(run)
	if r.Outcome != "" {
		return r
	}
	said := false
	for _, s := range r.Steps {
		if s.State == report.StateBlocked {
			require.NotEmpty(p, s.Note)
			said = said || strings.Contains(s.Note+s.ID+s.Target, thing)
		}
	}
	require.True(p, said, "%+v", r.Steps)
	p.must("abort", run, "--reason", "enough")
	return p.end(run)
}
