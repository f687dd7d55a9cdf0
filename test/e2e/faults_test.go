//go:build e2e

package e2e

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vmware/govmomi"
	"github.com/vmware/govmomi/find"
	"github.com/vmware/govmomi/object"

	"nightshift/internal/report"
	"nightshift/internal/runapi"
	"nightshift/internal/simlab"
)

// acting are the calls with which both runbooks change the lab.
var acting = []string{"ShutdownGuest", "PowerOffVM_Task", "EnterMaintenanceMode_Task", "ShutdownHost_Task", "ReconfigureComputeResource_Task", "UpdateOptions",
	"SetField", "Reset:On", "ExitMaintenanceMode_Task", "PowerOnVM_Task", "PowerOnMultiVM_Task"}

// TestFaults does to runs what nights do to them.
func TestFaults(t *testing.T) {
	b := newTemporalRig(t)
	for name, test := range map[string]func(*testing.T, *temporalRig){
		"answers get lost":        func(t *testing.T, b *temporalRig) { everyCall(t, b, "lost", simlab.LoseAnswer) },
		"calls get lost":          func(t *testing.T, b *temporalRig) { everyCall(t, b, "drop", simlab.Drop) },
		"calls fail":              func(t *testing.T, b *temporalRig) { everyCall(t, b, "error", simlab.Error) },
		"the vCenter goes":        vcenterGoes,
		"a BMC goes":              bmcGoes,
		"somebody starts a guest": guestStarted,
		"a guest is renamed":      guestRenamed,
		"a question is pending":   questionPending,
		"the password changes":    passwordChanges,
		"two runs":                twoRuns,
		"terminated":              terminated,
		"aborted and again":       abortedAndAgain,
		"up aborted and again":    upAbortedAndAgain,
		"cancelled":               cancelled,
		"orders":                  orders,
		"policies":                policies,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, b)
		})
	}
}

// everyCall lets each kind of call go wrong once in both runs.
func everyCall(t *testing.T, b *temporalRig, name string, kind simlab.Kind) {
	p := b.place(t, "f-"+name, simlab.SmallSpec(), nil)
	guests, clusters := p.lab.Guests(), p.lab.Clusters()
	for _, verb := range acting {
		p.lab.Inject(simlab.Fault{Verb: verb, Kind: kind, Times: 1})
	}
	for _, runbook := range []string{"power-down", "power-up"} {
		p.done(runbook)
		if runbook == "power-down" {
			p.isDown()
		}
	}
	p.isAs(guests, clusters)
}

// done runs a runbook to its end, which must be done.
func (p *place) done(args ...string) report.Report {
	p.Helper()
	since := p.calls()
	r := p.end(p.begin(args...))
	require.Equal(p, runapi.Done, r.Outcome, "%s\n%s", r.Why, p.cli("report", r.Run).Out)
	p.onceSince(since, r)
	return r
}

func vcenterGoes(t *testing.T, b *temporalRig) {
	p := b.place(t, "f-vc", simlab.SmallSpec(), nil)
	since := p.calls()
	run := p.begin("power-down")
	p.await(func(l *simlab.Lab) bool { return l.Count("ShutdownGuest", "") > 0 })
	p.lab.CutOff("vcenter", 20*time.Second)
	r := p.end(run)
	require.Equal(t, runapi.Done, r.Outcome, r.Why)
	p.onceSince(since, r)
	p.isDown()
}

func bmcGoes(t *testing.T, b *temporalRig) {
	p := b.place(t, "f-bmc", simlab.SmallSpec(), nil)
	since := p.calls()
	run := p.begin("power-down")
	p.await(func(l *simlab.Lab) bool { return l.Count("ShutdownHost_Task", "") > 0 })
	p.lab.CutOff("bmc:esx21", 10*time.Second)
	p.lab.CutOff("bmc:esx22", 10*time.Second)
	r := p.end(run)
	require.Equal(t, runapi.Done, r.Outcome, r.Why)
	p.onceSince(since, r)
	p.isDown()
}

// vim is a vCenter session of somebody else.
func (p *place) vim(act func(context.Context, *find.Finder)) {
	p.Helper()
	u, err := url.Parse(p.lab.VCenterURL())
	require.NoError(p, err)
	u.User = url.UserPassword(p.lab.Spec().User, p.lab.VCenterPassword())
	c, err := govmomi.NewClient(p.Context(), u, true)
	require.NoError(p, err)
	f := find.NewFinder(c.Client)
	dc, err := f.DefaultDatacenter(p.Context())
	require.NoError(p, err)
	act(p.Context(), f.SetDatacenter(dc))
	require.NoError(p, c.Logout(p.Context()))
}

func (p *place) guest(name string, act func(context.Context, *object.VirtualMachine)) {
	p.Helper()
	p.vim(func(ctx context.Context, f *find.Finder) {
		vm, err := f.VirtualMachine(ctx, name)
		require.NoError(p, err)
		act(ctx, vm)
	})
}

// blockedAt waits until a run has nothing left but blocked steps, and answers the first of them.
func (p *place) blockedAt(run string) report.Step {
	p.Helper()
	s := p.cli("watch", run)
	require.Equal(p, 3, s.Code, s.Out+s.Err)
	for _, step := range p.report(run).Steps {
		if step.State == report.StateBlocked {
			return step
		}
	}
	require.FailNow(p, "no step is blocked", s.Out)
	return report.Step{}
}

// hasty is for labs in which a host will not get into maintenance mode.
func hasty(_ *place, s string) string { return swap("maintenance: 1m0s", "maintenance: 4s")(s) }

func guestStarted(t *testing.T, b *temporalRig) {
	p := b.place(t, "f-start", simlab.SmallSpec(), hasty)
	run := p.begin("power-down")
	p.await(func(l *simlab.Lab) bool { return l.Count("ShutdownGuest", "db01") > 0 })
	p.guest("web01", func(ctx context.Context, vm *object.VirtualMachine) {
		_, err := vm.PowerOn(ctx)
		require.NoError(t, err)
	})
	step := p.blockedAt(run)
	require.Contains(t, step.Note, "web01")
	require.Equal(t, "poweredOn", p.lab.Guests()["web01"].Power, "who starts a guest wants it to run")
	require.Equal(t, "On", p.lab.Hosts()["esx22"].Power)
	require.Zero(t, p.lab.Count("Reset", ""))
	p.must("abort", run, "--reason", "it is needed")
	require.Equal(t, runapi.Aborted, p.end(run).Outcome)
}

func guestRenamed(t *testing.T, b *temporalRig) {
	p := b.place(t, "f-rename", simlab.SmallSpec(), nil)
	run := p.begin("power-down")
	p.await(func(l *simlab.Lab) bool { return l.Count("ShutdownGuest", "web01") > 0 })
	p.guest("dc01", func(ctx context.Context, vm *object.VirtualMachine) {
		task, err := vm.Rename(ctx, "dc01-keep")
		require.NoError(t, err)
		require.NoError(t, task.Wait(ctx))
	})
	step := p.blockedAt(run)
	require.Contains(t, step.Note, "dc01-keep")
	require.Zero(t, p.lab.Count("ShutdownGuest", "dc01"))
}

// cut cuts the power of a host, through its BMC.
func (p *place) cut(host string) {
	p.Helper()
	bmc, ok := p.lab.BMC(host)
	require.True(p, ok)
	p.post(bmc, "ForceOff")
}

func questionPending(t *testing.T, b *temporalRig) {
	p := b.place(t, "f-ask", simlab.SmallSpec(), nil)
	run := p.begin("power-down")
	p.await(func(l *simlab.Lab) bool { return l.Count("ShutdownGuest", "web01") > 0 })
	p.lab.Ask("dc01", "Did you \x1b[31mmove\x1b[0m or **copy** it?")
	step := p.blockedAt(run)
	require.Contains(t, step.Note, "copy")
	require.Zero(t, p.lab.Count("ShutdownGuest", "dc01"))
	s := p.cli("report", run)
	require.NotContains(t, s.Out, "\x1b")
	require.NotContains(t, p.cli("status").Out, "\x1b")
}

func passwordChanges(t *testing.T, b *temporalRig) {
	p := b.place(t, "f-pw", simlab.SmallSpec(), nil)
	run := p.begin("power-down")
	p.await(func(l *simlab.Lab) bool { return l.Count("ShutdownGuest", "web01") > 0 })
	secret := filepath.Join(filepath.Dir(p.path), "secrets", "vcenter.password")
	require.NoError(t, os.WriteFile(secret, []byte("wrong"), 0o600))
	p.worker.Stop()
	p.work()
	p.blockedAt(run)
	require.Equal(t, 1, p.lab.Logins()["vcenter"].Failed)
	require.NoError(t, os.WriteFile(secret, []byte(p.lab.VCenterPassword()), 0o600))
	for range 30 {
		p.cli("retry", run, "--all")
		if r := p.end(run); r.Outcome != "" {
			require.Equal(t, runapi.Done, r.Outcome, r.Why)
			break
		}
	}
	p.isDown()
	require.Equal(t, 1, p.lab.Logins()["vcenter"].Failed)
}

func twoRuns(t *testing.T, b *temporalRig) {
	p := b.place(t, "f-two", simlab.SmallSpec(), nil)
	p.lab.Inject(simlab.Fault{Verb: "ShutdownGuest", Target: "dc01", Kind: simlab.Error, SOAP: "NoPermission"})
	first := p.begin("power-down")
	p.blockedAt(first)
	s := p.cli("run", "power-up", "--yes")
	require.Equal(t, 4, s.Code)
	require.Contains(t, s.Out+s.Err, first)
	waits := p.begin("power-up", "--wait")
	require.Eventually(t, func() bool { return strings.Contains(p.report(waits).Waiting, "lock") }, time.Minute, 100*time.Millisecond)
	p.must("abort", first, "--reason", "turn round")
	require.Equal(t, runapi.Aborted, p.end(first).Outcome)
	r := p.end(waits)
	require.Equal(t, runapi.Done, r.Outcome, r.Why)
	p.settled()
}

func terminated(t *testing.T, b *temporalRig) {
	p := b.place(t, "f-term", simlab.SmallSpec(), nil)
	guests, clusters := p.lab.Guests(), p.lab.Clusters()
	run := p.begin("power-down")
	p.await(func(l *simlab.Lab) bool { return l.Count("ShutdownGuest", "web01") > 0 })
	require.NoError(t, b.client.TerminateWorkflow(t.Context(), run, "", "in the UI"))
	s := p.cli("report", run)
	require.Equal(t, 1, s.Code)
	require.Contains(t, s.Out, "nightshift unlock "+run)
	require.Contains(t, p.cli("status").Out, "nightshift unlock "+run)
	s = p.cli("run", "power-down", "--yes")
	require.Equal(t, 4, s.Code, s.Out+s.Err)
	require.Contains(t, s.Out+s.Err, "unlock "+run)
	s = p.cli("run", "power-down", "--yes", "--wait")
	require.Equal(t, 4, s.Code, s.Out+s.Err)
	s = p.cli("unlock", run, "--reason", "I looked")
	require.Zero(t, s.Code, s.Err)
	require.NotEmpty(t, p.ledger().Debts)
	require.Len(t, p.ledger().Memory, 3)
	p.await(func(l *simlab.Lab) bool { return l.Guests()["web01"].Power == "poweredOff" })
	s = p.cli("settle", "--yes")
	require.Zero(t, s.Code, s.Out+s.Err)
	require.Equal(t, clusters, p.lab.Clusters())
	require.Empty(t, p.ledger().Debts)
	require.Len(t, p.ledger().Memory, 3)
	p.done("power-down")
	p.isDown()
	p.done("power-up")
	p.isAs(guests, clusters)
}

func abortedAndAgain(t *testing.T, b *temporalRig) {
	p := b.place(t, "f-again", simlab.SmallSpec(), nil)
	guests, clusters := p.lab.Guests(), p.lab.Clusters()
	run := p.begin("power-down")
	p.await(func(l *simlab.Lab) bool { return l.Guests()["web01"].Power == "poweredOff" })
	p.must("abort", run, "--reason", "changed my mind")
	r := p.end(run)
	require.Equal(t, runapi.Aborted, r.Outcome)
	debts := p.ledger().Debts
	require.NotEmpty(t, debts)
	p.guest("spare", func(ctx context.Context, vm *object.VirtualMachine) {
		_, err := vm.PowerOn(ctx)
		require.NoError(t, err)
	})
	p.await(func(l *simlab.Lab) bool { return l.Guests()["spare"].Tools })
	p.done("power-down")
	p.isDown()
	require.Subset(t, p.ledger().Debts, debts, "the first value stands")
	require.Len(t, p.ledger().Memory, 4, "memory only adds")
	was := guests["spare"]
	was.Power = "poweredOn"
	guests["spare"] = was
	p.done("power-up")
	p.isAs(guests, clusters)
}

func upAbortedAndAgain(t *testing.T, b *temporalRig) {
	p := b.place(t, "f-upagain", simlab.SmallSpec(), nil)
	guests, clusters := p.lab.Guests(), p.lab.Clusters()
	p.done("power-down")
	run := p.begin("power-up")
	p.await(func(l *simlab.Lab) bool { return l.Count("PowerOnVM_Task", "")+l.Count("PowerOnMultiVM_Task", "") > 0 })
	p.must("abort", run, "--reason", "changed my mind")
	r := p.end(run)
	require.Equal(t, runapi.Aborted, r.Outcome)
	p.done("power-up")
	p.isAs(guests, clusters)
}

func cancelled(t *testing.T, b *temporalRig) {
	p := b.place(t, "f-cancel", simlab.SmallSpec(), nil)
	guests, clusters := p.lab.Guests(), p.lab.Clusters()
	run := p.begin("power-down")
	p.await(func(l *simlab.Lab) bool { return l.Count("ShutdownGuest", "web01") > 0 })
	require.NoError(t, b.client.CancelWorkflow(t.Context(), run, ""))
	r := p.end(run)
	require.Equal(t, runapi.Aborted, r.Outcome)
	require.Empty(t, p.ledger().Locks)
	p.done("power-up")
	p.isAs(guests, clusters)
}

func orders(t *testing.T, b *temporalRig) {
	p := b.place(t, "f-order", simlab.SmallSpec(), func(_ *place, s string) string {
		return strings.Replace(s, "guest: {timeout: 1m0s}", "guest: {timeout: 1s, onTimeout: leave}", 1)
	})
	remove := p.lab.Inject(simlab.Fault{Verb: "ShutdownGuest", Kind: simlab.Error, SOAP: "NoPermission"})
	run := p.begin("power-down")
	step := p.blockedAt(run)
	for _, bad := range [][]string{
		{"skip", run, "nope", "--reason", "x"}, {"retry", run, "nope"}, {"retry", run, step.ID, "-p", "nope=1"}, {"retry", run, step.ID, "-p", "timeout=soon"},
		{"approve", run}, {"reject", run, "--reason", "x"}, {"resume", run}, {"unlock", run, "--reason", "x"},
		{"retry", run, step.ID, "-p", "timeout=-5s"},
		{"retry", run, step.ID, "-p", "onTimeout=explode"},
	} {
		s := p.cli(bad...)
		require.Contains(t, []int{1, 2, 4}, s.Code, "%v %s", bad, s.Err)
		require.NotEmpty(t, s.Err)
	}
	p.must("pause", run, "--reason", "phone")
	p.must("retry", run, step.ID)
	require.Contains(t, p.cli("status").Out, "paused by")
	p.must("resume", run)
	p.blockedAt(run)
	p.must("retry", run, step.ID, "--force")
	step = p.blockedAt(run)
	require.Contains(t, step.ID, "db01")
	remove()
	p.must("retry", run, step.ID, "-p", "timeout=2m")
	r := p.end(run)
	require.Equal(t, runapi.Done, r.Outcome, r.Why)
	p.isDown()
	require.Equal(t, 1, p.lab.Count("PowerOffVM_Task", "web01"))
}

func policies(t *testing.T, b *temporalRig) {
	p := b.place(t, "f-policy", simlab.SmallSpec(), hasty)
	defer p.lab.Inject(simlab.Fault{Verb: "ShutdownGuest", Target: "db01", Kind: simlab.Error, SOAP: "NoPermission"})()
	r := p.end(p.begin("power-down", "--on-failure", "abort"))
	require.Equal(t, runapi.Aborted, r.Outcome)
	p.done("power-up")
	run := p.begin("power-down", "--deadline", "10s")
	p.blockedAt(run)
	require.Eventually(t, func() bool { return p.report(run).Outcome == runapi.Aborted }, time.Minute, 100*time.Millisecond)
	require.Contains(t, p.report(run).Why, "deadline")
	r = p.end(p.begin("power-down", "--on-failure", "skip"))
	require.Equal(t, runapi.Partial, r.Outcome)
	require.Equal(t, "poweredOn", p.lab.Guests()["db01"].Power)
	r = p.end(p.begin("power-down", "--on-failure", "force"))
	require.Equal(t, runapi.Done, r.Outcome, r.Why)
	require.Equal(t, 1, p.lab.Count("PowerOffVM_Task", "db01"))
	p.isDown()
}
