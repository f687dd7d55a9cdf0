//go:build e2e

package e2e

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"nightshift/internal/plan"
	"nightshift/internal/report"
	"nightshift/internal/runapi"
	"nightshift/internal/simlab"
)

// TestTheLabChangesUnderARun: guests move and are started, hosts die, while a run is under way.
func TestTheLabChangesUnderARun(t *testing.T) {
	t.Parallel()
	b := newTemporalRig(t)
	for name, test := range map[string]func(*testing.T, *temporalRig){
		"moved before the approval to a host that goes down": movedBeforeApproval,
		"moved in mid-run to a host that goes down":          movedInMidRun,
		"moved to a kept host":                               movedToKeptHost,
		"started, and approved to go down":                   startedApproved,
		"started, and rejected":                              startedRejected,
		"started, unattended":                                startedUnattended,
		"a host loses its power, HA off":                     hostLosesPower,
		"a host loses its power, HA on":                      hostLosesPowerUnderHA,
		"a host hangs, HA off":                               hostHangs,
		"a host hangs, HA on":                                hostHangsUnderHA,
		"a host dies in mid power-up":                        hostDiesInPowerUp,
		"a host hangs in mid power-up":                       hostHangsInPowerUp,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // most of it is waiting
			test(t, b)
		})
	}
}

// slow is the small lab, whose first guest takes so long to go down that a test can act meanwhile.
func slow() simlab.Spec {
	s := simlab.SmallSpec()
	i := slices.IndexFunc(s.Guests, func(g simlab.GuestSpec) bool { return g.Name == "web01" })
	s.Guests[i].Shutdown = 8 * time.Minute // four seconds
	return s
}

// withKeptHost is the small lab with a third host in its cluster that stays up: so the cluster keeps HA and DRS.
func withKeptHost() simlab.Spec {
	s := slow()
	s.Hosts = append(s.Hosts, simlab.HostSpec{Name: "esx23", Cluster: "Lab", Keep: true})
	s.Guests = append(s.Guests, simlab.GuestSpec{Name: "mon01", Host: "esx23"})
	return s
}

// unapproved starts a run that waits for approval, and answers its id.
func (p *place) unapproved(runbook, workflow string) string {
	p.Helper()
	lab := p.lab.Spec().Name
	id := runapi.RunID(lab, runbook, time.Now())
	_, err := p.rig.client.ExecuteWorkflow(p.Context(), client.StartWorkflowOptions{ID: id, TaskQueue: plan.TaskQueue(lab)}, workflow,
		runapi.Params{Lab: lab, Runbook: runbook, By: "e2e"})
	require.NoError(p, err)
	p.eventually("it has a plan, and waits", func() bool { return p.report(id).Phase == runapi.PhaseApprove })
	return id
}

func (p *place) eventually(what string, ok func() bool) {
	p.Helper()
	require.Eventually(p, ok, patience, 200*time.Millisecond, what)
}

// whilePaused pauses a run as soon as it has sent its first shutdown to a guest, waits until nothing is under way, lets
// the lab change, and resumes the run.
func (p *place) whilePaused(run string, change func()) {
	p.Helper()
	p.await(func(l *simlab.Lab) bool { return l.Count("ShutdownGuest", "") > 0 })
	h, err := p.rig.client.UpdateWorkflow(p.Context(), client.UpdateWorkflowOptions{WorkflowID: run, UpdateName: runapi.Pause,
		Args: []any{runapi.Order{By: "e2e", Reason: "look away"}}, WaitForStage: client.WorkflowUpdateStageCompleted})
	require.NoError(p, err) // the command takes too long to start
	require.NoError(p, h.Get(p.Context(), nil))
	p.eventually("nothing is under way", func() bool { return p.report(run).Counts.Running == 0 })
	change()
	p.must("resume", run)
}

// guestIs waits for a guest's state in the lab.
func (p *place) guestIs(name string, is func(simlab.GuestState) bool) {
	p.Helper()
	p.await(func(l *simlab.Lab) bool { return is(l.Guests()[name]) })
}

// amended fails unless a new plan was carried out, without anybody's approval, for a reason that contains why.
func (p *place) amended(r report.Report, why string) {
	p.Helper()
	require.True(p, slices.ContainsFunc(r.Amendments, func(a runapi.Amendment) bool {
		return a.Refused == "" && a.ApprovedBy == "" && strings.Contains(a.Why, why)
	}), "%q: %+v", why, r.Amendments)
}

// proposes waits until the run has nothing left to do but to wait for the approval of a new plan.
func (p *place) proposes(run string) runapi.Amendment {
	p.Helper()
	p.eventually("a new plan waits for an approval", func() bool { return p.report(run).Proposal != nil })
	s := p.cli("watch", run)
	require.Equal(p, 3, s.code, s.out+s.err)
	require.Contains(p, p.cli("status").out, "nightshift approve "+run)
	return *p.report(run).Proposal
}

func movedBeforeApproval(t *testing.T, b *temporalRig) {
	p := b.place(t, "c-before", slow(), nil)
	guests, clusters := p.lab.Guests(), p.lab.Clusters()
	since := p.calls()
	run := p.unapproved("power-down", runapi.PowerDownType)
	require.NoError(t, p.lab.Move("dc01", "esx22"))
	p.must("approve", run, "--yes")
	r := p.end(run)
	require.Equal(t, runapi.Done, r.Outcome, "%s %s", r.Why, p.cli("report", run).out)
	p.amended(r, "dc01")
	p.onceSince(since, r)
	p.isDown()
	p.done("power-up")
	p.isAs(guests, clusters)
}

func movedInMidRun(t *testing.T, b *temporalRig) {
	p := b.place(t, "c-mid", slow(), nil)
	guests, clusters := p.lab.Guests(), p.lab.Clusters()
	since := p.calls()
	run := p.begin("power-down")
	p.whilePaused(run, func() { require.NoError(t, p.lab.Move("dc01", "esx22")) })
	r := p.end(run)
	require.Equal(t, runapi.Done, r.Outcome, "%s %s", r.Why, p.cli("report", run).out)
	p.amended(r, "dc01")
	p.onceSince(since, r)
	p.isDown() // and no guest crashed: esx22 waited for its new guest
	p.done("power-up")
	p.isAs(guests, clusters)
}

func movedToKeptHost(t *testing.T, b *temporalRig) {
	p := b.place(t, "c-kept", withKeptHost(), nil)
	guests, clusters := p.lab.Guests(), p.lab.Clusters()
	since := p.calls()
	run := p.begin("power-down")
	p.whilePaused(run, func() { require.NoError(t, p.lab.Move("dc01", "esx23")) })
	r := p.end(run)
	t.Log(p.cli("report", run).out)
	require.Equal(t, runapi.Done, r.Outcome, r.Why)
	require.Zero(t, p.lab.Count("ShutdownGuest", "dc01"), "what runs on a kept host is kept")
	p.amended(r, "dc01 is on host esx23 now")
	p.onceSince(since, r)
	requireNoCrash(t, p.lab)
	require.Equal(t, "On", p.lab.Hosts()["esx23"].Power)
	require.Equal(t, "Off", p.lab.Hosts()["esx21"].Power)
	require.Equal(t, "Off", p.lab.Hosts()["esx22"].Power)
	p.done("power-up")
	p.isAs(guests, clusters)
}

// startSpare starts the guest that was off, and waits until it can be shut down.
func (p *place) startSpare() {
	p.Helper()
	require.NoError(p, p.lab.Start("spare"))
	p.guestIs("spare", func(g simlab.GuestState) bool { return g.Tools })
}

func startedApproved(t *testing.T, b *temporalRig) {
	p := b.place(t, "c-yes", slow(), nil)
	guests, clusters := p.lab.Guests(), p.lab.Clusters()
	since := p.calls()
	run := p.begin("power-down")
	p.whilePaused(run, p.startSpare)
	a := p.proposes(run)
	require.Contains(t, a.Why, "spare")
	require.Contains(t, strings.Join(a.Beyond, "\n"), "spare")
	require.Zero(t, p.lab.Count("ShutdownGuest", "spare"))
	require.Equal(t, "On", p.lab.Hosts()["esx22"].Power)
	p.must("approve", run, "--yes")
	r := p.end(run)
	require.Equal(t, runapi.Done, r.Outcome, r.Why)
	p.onceSince(since, r)
	p.isDown()
	require.Len(t, p.ledger().Memory, 4, "spare is remembered as well")
	was := guests["spare"]
	was.Power = "poweredOn"
	guests["spare"] = was
	p.done("power-up")
	p.isAs(guests, clusters)
}

func startedRejected(t *testing.T, b *temporalRig) {
	p := b.place(t, "c-no", slow(), nil)
	guests, clusters := p.lab.Guests(), p.lab.Clusters()
	run := p.begin("power-down")
	p.whilePaused(run, p.startSpare)
	p.proposes(run)
	p.must("reject", run, "--reason", "it is needed")
	step := p.blockedAt(run)
	require.Contains(t, step.ID, "esx22")
	require.Contains(t, step.Note, "spare")
	require.Contains(t, step.Note, "it is needed")
	require.Zero(t, p.lab.Count("ShutdownGuest", "spare"))
	require.Equal(t, "poweredOn", p.lab.Guests()["spare"].Power)
	require.Equal(t, "On", p.lab.Hosts()["esx22"].Power)
	p.must("abort", run, "--reason", "another night")
	r := p.end(run)
	require.Equal(t, runapi.Aborted, r.Outcome)
	requireNoCrash(t, p.lab)
	was := guests["spare"]
	was.Power = "poweredOn"
	guests["spare"] = was
	p.done("power-up")
	p.isAs(guests, clusters)
}

// startedUnattended: nobody is there to approve: the run goes on without what it may not do, and says so.
func startedUnattended(t *testing.T, b *temporalRig) {
	p := b.place(t, "c-alone", slow(), nil)
	guests, clusters := p.lab.Guests(), p.lab.Clusters()
	run := p.begin("power-down", "--on-failure", "skip")
	p.whilePaused(run, p.startSpare)
	r := p.end(run)
	t.Log(p.cli("report", run).out)
	require.Equal(t, runapi.Partial, r.Outcome, r.Why)
	require.Zero(t, p.lab.Count("ShutdownGuest", "spare"))
	require.Equal(t, "poweredOn", p.lab.Guests()["spare"].Power)
	require.Equal(t, "On", p.lab.Hosts()["esx22"].Power, "not under a guest that runs")
	requireNoCrash(t, p.lab)
	was := guests["spare"]
	was.Power = "poweredOn"
	guests["spare"] = was
	p.done("power-up")
	p.isAs(guests, clusters)
}
