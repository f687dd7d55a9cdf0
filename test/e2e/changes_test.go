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
	require.Equal(p, 3, s.Code, s.Out+s.Err)
	require.Contains(p, p.cli("status").Out, "nightshift approve "+run)
	return *p.report(run).Proposal
}

// A descent is a power-down of a lab that changes under it.
type descent struct {
	*place
	guests   map[string]simlab.GuestState // before it
	clusters map[string]simlab.ClusterState
	since    int // calls that the lab had had before it
	run      string
}

// lab makes the lab of a descent, which is not begun yet.
func (b *temporalRig) lab(t *testing.T, name string, spec simlab.Spec) *descent {
	p := b.place(t, name, spec, nil)
	return &descent{place: p, guests: p.lab.Guests(), clusters: p.lab.Clusters(), since: p.calls()}
}

// descent begins one, and lets the lab change as soon as it has sent its first shutdown to a guest.
func (b *temporalRig) descent(t *testing.T, name string, spec simlab.Spec, change func(*descent), args ...string) *descent {
	d := b.lab(t, name, spec)
	d.run = d.begin(append([]string{"power-down"}, args...)...)
	d.whilePaused(d.run, func() { change(d) })
	return d
}

// ends waits for the end with the outcome; what was sent, was sent once for each decision.
func (d *descent) ends(outcome string) report.Report {
	d.Helper()
	r := d.end(d.run)
	d.Logf("%s\n%+v", d.cli("report", d.run).Out, r.Proposal)
	require.Equal(d, outcome, r.Outcome, r.Why)
	d.onceSince(d.since, r)
	return r
}

// upAgain repairs nothing: a power-up must bring everything back as it was, what died as well, and the guests that were started
// meanwhile.
func (d *descent) upAgain(started ...string) {
	d.Helper()
	for _, name := range started {
		g := d.guests[name]
		g.Power = "poweredOn"
		d.guests[name] = g
	}
	d.done("power-up")
	d.isAs(d.guests, d.clusters)
}

// moves moves dc01 to a host.
func moves(to string) func(*descent) {
	return func(d *descent) { require.NoError(d, d.lab.Move("dc01", to)) }
}

func movedBeforeApproval(t *testing.T, b *temporalRig) {
	d := b.lab(t, "c-before", slow())
	d.run = d.unapproved("power-down", plan.PowerDownWorkflow)
	moves("esx22")(d)
	d.must("approve", d.run, "--yes")
	d.amended(d.ends(runapi.Done), "dc01")
	d.isDown()
	d.upAgain()
}

func movedInMidRun(t *testing.T, b *temporalRig) {
	d := b.descent(t, "c-mid", slow(), moves("esx22"))
	d.amended(d.ends(runapi.Done), "dc01")
	d.isDown() // and no guest crashed: esx22 waited for its new guest
	d.upAgain()
}

func movedToKeptHost(t *testing.T, b *temporalRig) {
	d := b.descent(t, "c-kept", withKeptHost(), moves("esx23"))
	r := d.ends(runapi.Done)
	require.Zero(t, d.lab.Count("ShutdownGuest", "dc01"), "what runs on a kept host is kept")
	d.amended(r, "dc01 is on host esx23 now")
	requireNoCrash(t, d.lab)
	require.Equal(t, "On", d.lab.Hosts()["esx23"].Power)
	require.Equal(t, "Off", d.lab.Hosts()["esx21"].Power)
	require.Equal(t, "Off", d.lab.Hosts()["esx22"].Power)
	d.upAgain()
}

// startsSpare starts the guest that was off, and waits until it can be shut down.
func startsSpare(d *descent) {
	require.NoError(d, d.lab.Start("spare"))
	d.guestIs("spare", func(g simlab.GuestState) bool { return g.Tools })
}

func startedApproved(t *testing.T, b *temporalRig) {
	d := b.descent(t, "c-yes", slow(), startsSpare)
	a := d.proposes(d.run)
	require.Contains(t, a.Why, "spare")
	require.Contains(t, strings.Join(a.Beyond, "\n"), "spare")
	require.Zero(t, d.lab.Count("ShutdownGuest", "spare"))
	require.Equal(t, "On", d.lab.Hosts()["esx22"].Power)
	d.must("approve", d.run, "--yes")
	d.ends(runapi.Done)
	d.isDown()
	require.Len(t, d.ledger().Memory, 4, "spare is remembered as well")
	d.upAgain("spare")
}

func startedRejected(t *testing.T, b *temporalRig) {
	d := b.descent(t, "c-no", slow(), startsSpare)
	d.proposes(d.run)
	d.must("reject", d.run, "--reason", "it is needed")
	step := d.blockedAt(d.run)
	require.Contains(t, step.ID, "esx22")
	require.Contains(t, step.Note, "spare")
	require.Contains(t, step.Note, "it is needed")
	d.spareRuns()
	d.must("abort", d.run, "--reason", "another night")
	d.ends(runapi.Aborted)
	requireNoCrash(t, d.lab)
	d.upAgain("spare")
}

// startedUnattended: nobody is there to approve: the run goes on without what it may not do, and says so.
func startedUnattended(t *testing.T, b *temporalRig) {
	d := b.descent(t, "c-alone", slow(), startsSpare, "--on-failure", "skip")
	d.ends(runapi.Partial)
	d.spareRuns()
	requireNoCrash(t, d.lab)
	d.upAgain("spare")
}

// spareRuns fails where the guest, or its host under it, was switched off without an approval.
func (d *descent) spareRuns() {
	d.Helper()
	require.Zero(d, d.lab.Count("ShutdownGuest", "spare"))
	require.Equal(d, "poweredOn", d.lab.Guests()["spare"].Power)
	require.Equal(d, "On", d.lab.Hosts()["esx22"].Power, "not under a guest that runs")
}
