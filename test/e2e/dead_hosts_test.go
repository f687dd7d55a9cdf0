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

// backAgain repairs nothing: a power-up must bring everything back, the host that died as well.
func (p *place) backAgain(guests map[string]simlab.GuestState, clusters map[string]simlab.ClusterState) {
	p.Helper()
	p.done("power-up")
	p.isAs(guests, clusters)
}

func hostLosesPower(t *testing.T, b *temporalRig) {
	p := b.place(t, "d-power", slow(), nil)
	guests, clusters := p.lab.Guests(), p.lab.Clusters()
	since := p.calls()
	run := p.begin("power-down")
	p.whilePaused(run, func() { p.crash("esx21", false) })
	r := p.end(run)
	t.Logf("%s\n%+v", p.cli("report", run).out, r.Proposal)
	require.Equal(t, runapi.Done, r.Outcome, r.Why)
	p.amended(r, "esx21")
	p.retried(r)
	p.onceSince(since, r)
	require.Zero(t, p.lab.Count("ShutdownGuest", "dc01"))
	require.Zero(t, p.lab.Guests()["web01"].Crashes)
	require.Len(t, p.ledger().Memory, 3, "what died is remembered: it ran")
	p.backAgain(guests, clusters)
}

// hostLosesPowerUnderHA: HA starts the guests of the dead host on the one that goes down as well.
func hostLosesPowerUnderHA(t *testing.T, b *temporalRig) {
	p := b.place(t, "d-power-ha", withKeptHost(), nil)
	guests, clusters := p.lab.Guests(), p.lab.Clusters()
	since := p.calls()
	run := p.begin("power-down")
	p.whilePaused(run, func() {
		p.crash("esx21", false)
		p.guestIs("dc01", func(g simlab.GuestState) bool { return g.Restarts > 0 && g.Tools })
		p.guestIs("db01", func(g simlab.GuestState) bool { return g.Restarts > 0 && g.Tools })
	})
	r := p.end(run)
	t.Logf("%s\n%+v", p.cli("report", run).out, r.Proposal)
	require.Equal(t, runapi.Done, r.Outcome, r.Why)
	p.retried(r)
	p.onceSince(since, r)
	for name, g := range p.lab.Guests() {
		if g.Host != "esx23" && !g.VCLS {
			require.Equal(t, "poweredOff", g.Power, name)
		}
	}
	require.Equal(t, "Off", p.lab.Hosts()["esx22"].Power)
	require.LessOrEqual(t, p.lab.Guests()["dc01"].Crashes, 1)
	p.backAgain(guests, clusters)
}

// hostHangs: its BMC says On, its vCenter has lost it. Nobody knows what its guests do, so a person has to look; the rest
// goes on meanwhile.
func hostHangs(t *testing.T, b *temporalRig) {
	p := b.place(t, "d-hang", slow(), nil)
	guests, clusters := p.lab.Guests(), p.lab.Clusters()
	since := p.calls()
	run := p.begin("power-down")
	p.whilePaused(run, func() { p.crash("esx21", true) })
	step := p.blockedAt(run)
	t.Log(p.cli("report", run).out)
	require.Contains(t, step.Note, "its state is unknown")
	require.Equal(t, "On", p.lab.Hosts()["esx21"].Power, "nobody cuts the power of a host whose guests may run")
	p.cut("esx21") // somebody looked at its console
	p.must("retry", run, "--all")
	r := p.end(run)
	require.Equal(t, runapi.Done, r.Outcome, r.Why)
	p.onceSince(since, r)
	p.retried(r)
	p.backAgain(guests, clusters)
}

func hostHangsUnderHA(t *testing.T, b *temporalRig) {
	p := b.place(t, "d-hang-ha", withKeptHost(), nil)
	guests, clusters := p.lab.Guests(), p.lab.Clusters()
	run := p.begin("power-down")
	p.whilePaused(run, func() {
		p.crash("esx21", true)
		p.guestIs("dc01", func(g simlab.GuestState) bool { return g.Restarts > 0 && g.Tools })
		p.guestIs("db01", func(g simlab.GuestState) bool { return g.Restarts > 0 && g.Tools })
	})
	step := p.blockedAt(run)
	t.Log(p.cli("report", run).out)
	require.Contains(t, step.Note, "esx21")
	require.Equal(t, "On", p.lab.Hosts()["esx21"].Power)
	p.cut("esx21")
	p.must("retry", run, "--all")
	r := p.end(run)
	require.Equal(t, runapi.Done, r.Outcome, r.Why)
	p.retried(r)
	p.backAgain(guests, clusters)
}

func hostDiesInPowerUp(t *testing.T, b *temporalRig) {
	p := b.place(t, "d-up", slow(), nil)
	guests, clusters := p.lab.Guests(), p.lab.Clusters()
	p.done("power-down")
	run := p.begin("power-up")
	p.await(func(l *simlab.Lab) bool { return l.Guests()["dc01"].Power == "poweredOn" })
	require.NoError(t, p.lab.Crash("esx21", false))
	r := p.through(run, "esx21")
	t.Log(p.cli("report", run).out)
	require.NotEmpty(t, r.Outcome)
	p.backAgain(guests, clusters)
}

func hostHangsInPowerUp(t *testing.T, b *temporalRig) {
	p := b.place(t, "d-uphang", slow(), nil)
	guests, clusters := p.lab.Guests(), p.lab.Clusters()
	p.done("power-down")
	run := p.begin("power-up")
	p.await(func(l *simlab.Lab) bool { return l.Hosts()["esx21"].Running })
	require.NoError(t, p.lab.Crash("esx21", true))
	p.blockedAt(run)
	t.Log(p.cli("report", run).out)
	p.cut("esx21")
	p.must("abort", run, "--reason", "it hangs")
	require.Equal(t, runapi.Aborted, p.end(run).Outcome)
	p.backAgain(guests, clusters)
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
