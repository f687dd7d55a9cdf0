package worker

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"nightshift/internal/engine"
	"nightshift/internal/inventory"
	"nightshift/internal/ledger"
	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/internal/runapi"
	"nightshift/internal/simlab"
	"nightshift/internal/statedir"
	"nightshift/workflows"
)

// A site is a simulated lab, a Temporal server and a worker, in this process.
type site struct {
	*testing.T
	lab    *simlab.Lab
	file   *inventory.Lab
	client client.Client
	worker *Worker
	speed  float64 // as in Config
	name   string  // its instance
	home   string  // of the server
	close  func()  // ends the server and its client
}

// siteSpeed is how much faster than a real lab the one of a site is.
const siteSpeed = 120

func newSite(t *testing.T, spec simlab.Spec) *site {
	s := &site{T: t, name: "test"}
	ctx := t.Context()
	var err error
	s.lab, err = simlab.Start(context.WithoutCancel(ctx), simlab.Config{Spec: spec, Speed: siteSpeed})
	require.NoError(t, err)
	t.Cleanup(s.lab.Close)
	path, err := s.lab.WriteLabFile(t.TempDir())
	require.NoError(t, err)
	s.file, err = inventory.Load(path)
	require.NoError(t, err)

	s.home = filepath.Join(t.TempDir(), "state")
	s.client, s.close = startEngine(t, s.home)
	s.start()
	t.Cleanup(func() { s.worker.Stop() })
	return s
}

// beside is another nightshift on the same lab, with a ledger of its own.
func (s *site) beside(name string) *site {
	s.Helper()
	o := &site{T: s.T, lab: s.lab, file: s.file, name: name, home: filepath.Join(s.TempDir(), "state")}
	o.client, o.close = startEngine(s.T, o.home)
	o.start()
	s.Cleanup(func() { o.worker.Stop() })
	return o
}

// newEngine is a client of a Temporal server of its own.
func newEngine(t *testing.T) client.Client {
	c, _ := startEngine(t, filepath.Join(t.TempDir(), "state"))
	return c
}

// startEngine starts a Temporal server on a state directory, and answers a client of it. Both end with the test, or earlier by stop.
func startEngine(t *testing.T, path string) (c client.Client, stop func()) {
	t.Helper()
	dir, err := statedir.Open(path)
	require.NoError(t, err)
	require.NoError(t, dir.Lock(t.Context()))
	server, err := engine.Start(context.WithoutCancel(t.Context()), engine.Options{Dir: dir, UIPort: -1, SearchAttributes: workflows.SearchAttributes(), Unsafe: true})
	require.NoError(t, err)
	c, err = client.Dial(client.Options{HostPort: server.Address(), Namespace: server.Namespace(), Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler))})
	require.NoError(t, err)
	stop = sync.OnceFunc(func() {
		c.Close()
		require.NoError(t, server.Stop())
		require.NoError(t, dir.Close())
	})
	t.Cleanup(stop)
	return c, stop
}

func (s *site) start() {
	s.Helper()
	var err error
	s.worker, err = Start(s.Context(), Config{Client: s.client, Namespace: "default", Lab: s.file, Instance: s.name, Logger: slog.New(slog.DiscardHandler), Speed: s.speed})
	require.NoError(s, err)
}

// amendLabFile adds to the lab file, and starts a worker by it.
func (s *site) amendLabFile(text string) {
	s.Helper()
	b, err := os.ReadFile(s.file.Path)
	require.NoError(s, err)
	require.NoError(s, os.WriteFile(s.file.Path, append(b, text...), 0o600))
	file, err := inventory.Load(s.file.Path)
	require.NoError(s, err)
	s.worker.Stop()
	s.file = file
	s.start()
}

func (s *site) begin(id, workflow, runbook string, p runapi.Params) client.WorkflowRun {
	s.Helper()
	p.Lab, p.Runbook, p.By, p.Approved = s.file.Lab, runbook, "ann@desk", true
	run, err := s.client.ExecuteWorkflow(s.Context(), client.StartWorkflowOptions{ID: id, TaskQueue: plan.TaskQueue(s.file.Lab)}, workflow, p)
	require.NoError(s, err)
	return run
}

func (s *site) result(run client.WorkflowRun) (sheet runapi.Sheet) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), 5*time.Minute)
	defer cancel()
	require.NoError(s, run.Get(ctx, &sheet))
	return sheet
}

func (s *site) ledger() (st ledger.State) {
	s.Helper()
	v, err := s.client.QueryWorkflow(s.Context(), ledger.WorkflowID(s.file.Lab), "", ledger.StateQuery)
	require.NoError(s, err)
	require.NoError(s, v.Get((*ledger.Wire)(&st)))
	return st
}

// change changes the ledger.
func (s *site) change(c ledger.Change) {
	s.Helper()
	h, err := s.client.UpdateWorkflow(s.Context(), client.UpdateWorkflowOptions{WorkflowID: ledger.WorkflowID(s.file.Lab), UpdateName: ledger.Update,
		Args: []any{c}, WaitForStage: client.WorkflowUpdateStageCompleted})
	require.NoError(s, err)
	require.NoError(s, h.Get(s.Context(), nil))
}

// requireOnce fails when the lab received a call twice.
func (s *site) requireOnce() {
	s.Helper()
	seen := map[string]bool{}
	for _, c := range s.lab.Calls() {
		switch c.Verb {
		case "ShutdownGuest", "PowerOffVM_Task", "ShutdownHost_Task", "EnterMaintenanceMode_Task", "Reset:On":
			key := c.Verb + " " + c.Target
			require.False(s, seen[key], "%s was received twice", key)
			seen[key] = true
		}
	}
}

// A hand-over every few dozen events, and a worker that stops and starts again in the middle: nothing is sent twice and
// nothing is lost.
func TestDownAndUpThroughHandOversAndRestarts(t *testing.T) {
	s := newSite(t, simlab.SmallSpec())
	clusters, guests := s.lab.Clusters(), s.lab.Guests()
	down := s.begin("down", plan.PowerDownWorkflow, "power-down", runapi.Params{HandOverAt: 40})
	require.NoError(t, s.lab.WaitFor(t.Context(), func(l *simlab.Lab) bool { return l.Count("ShutdownGuest", "") > 0 }))
	s.worker.Stop()
	s.start()
	sheet := s.result(down)
	require.Equal(t, runapi.Done, sheet.Outcome, sheet.Why)
	require.Greater(t, sheet.Runs, 1, "it handed over")
	st := s.ledger()
	require.Empty(t, st.Locks)
	require.Len(t, st.Memory, 3, "what ran is remembered")
	require.NotEmpty(t, st.Debts, "what was switched off is owed")
	for name, h := range s.lab.Hosts() {
		require.Equal(t, "Off", h.Power, name)
	}
	record(t, s.client, "down", "power-down")

	again := s.result(s.begin("down-again", plan.PowerDownWorkflow, "power-down", runapi.Params{}))
	require.Equal(t, runapi.Done, again.Outcome)
	require.Zero(t, again.Total, "a lab that is down needs nothing")

	up := s.result(s.begin("up", plan.PowerUpWorkflow, "power-up", runapi.Params{HandOverAt: 40}))
	require.Equal(t, runapi.Done, up.Outcome, up.Why)
	require.Greater(t, up.Runs, 1)
	require.Equal(t, clusters, s.lab.Clusters())
	for name, g := range s.lab.Guests() {
		if !g.VCLS {
			require.Equal(t, guests[name].Power, g.Power, name)
			require.Zero(t, g.Crashes, name)
		}
	}
	st = s.ledger()
	require.Empty(t, st.Debts)
	require.Empty(t, st.Memory)
	s.requireOnce()
	record(t, s.client, "up", "power-up")
	record(t, s.client, ledger.WorkflowID(s.file.Lab), "ledger")
}

// Terminated in the Temporal UI: the run says nothing any more. What it owes is known all the same, nobody works beside
// what it left until a person says so, and a power-up gives everything back.
func TestATerminatedRunLeavesItsDebtsAndItsLock(t *testing.T) {
	s := newSite(t, simlab.SmallSpec())
	clusters := s.lab.Clusters()
	down := s.begin("down", plan.PowerDownWorkflow, "power-down", runapi.Params{})
	require.NoError(t, s.lab.WaitFor(t.Context(), func(l *simlab.Lab) bool { return l.Count("ShutdownGuest", "") > 0 }))
	require.NoError(t, s.client.TerminateWorkflow(t.Context(), down.GetID(), "", "impatience"))
	require.NotEmpty(t, s.ledger().Debts)
	require.NotEmpty(t, s.ledger().Memory)

	refused := s.result(s.begin("up-too-early", plan.PowerUpWorkflow, "power-up", runapi.Params{Wait: true}))
	require.Equal(t, runapi.Refused, refused.Outcome)
	require.Contains(t, refused.Why, "nightshift unlock down --reason")
	require.NoError(t, s.lab.WaitFor(t.Context(), func(l *simlab.Lab) bool { // what was on the wire has its effect
		for name, g := range l.Guests() {
			if l.Count("ShutdownGuest", name) > 0 && g.Power == live.PoweredOn {
				return false
			}
		}
		return true
	}))

	s.change(ledger.Change{By: "ann@desk", Unlock: &ledger.Unlock{Workflow: "down", Reason: "looked at it"}})
	up := s.result(s.begin("up", plan.PowerUpWorkflow, "power-up", runapi.Params{}))
	require.Equal(t, runapi.Done, up.Outcome, up.Why)
	require.Equal(t, clusters, s.lab.Clusters())
	require.Empty(t, s.ledger().Debts)
	require.Empty(t, s.ledger().Locks)
	record(t, s.client, ledger.WorkflowID(s.file.Lab), "ledger-unlocked")
}
