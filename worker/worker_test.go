package worker

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/temporalproto"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	historypb "go.temporal.io/api/history/v1"

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
}

func newSite(t *testing.T, spec simlab.Spec) *site {
	s := &site{T: t}
	ctx := t.Context()
	var err error
	s.lab, err = simlab.Start(context.WithoutCancel(ctx), simlab.Config{Spec: spec, Speed: 120})
	require.NoError(t, err)
	t.Cleanup(s.lab.Close)
	path, err := s.lab.WriteLabFile(t.TempDir())
	require.NoError(t, err)
	s.file, err = inventory.Load(path)
	require.NoError(t, err)

	s.client = newEngine(t)
	s.start()
	t.Cleanup(func() { s.worker.Stop() })
	return s
}

// newEngine is a client of a Temporal server of its own.
func newEngine(t *testing.T) client.Client {
	ctx := t.Context()
	dir, err := statedir.Open(filepath.Join(t.TempDir(), "state"))
	require.NoError(t, err)
	require.NoError(t, dir.Lock(ctx))
	server, err := engine.Start(context.WithoutCancel(ctx), engine.Options{Dir: dir, UIPort: -1, SearchAttributes: workflows.SearchAttributes(), Unsafe: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop()); require.NoError(t, dir.Close()) })
	c, err := client.Dial(client.Options{HostPort: server.Address(), Namespace: server.Namespace(), Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler))})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func (s *site) start() {
	s.Helper()
	var err error
	s.worker, err = Start(s.Context(), Config{Client: s.client, Namespace: "default", Lab: s.file, Instance: "test", Logger: slog.New(slog.DiscardHandler)})
	require.NoError(s, err)
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
	down := s.begin("down", runapi.PowerDownType, "power-down", runapi.Params{HandOverAt: 40})
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
	record(t, s, "power-down")

	again := s.result(s.begin("down-again", runapi.PowerDownType, "power-down", runapi.Params{}))
	require.Equal(t, runapi.Done, again.Outcome)
	require.Zero(t, again.Total, "a lab that is down needs nothing")

	up := s.result(s.begin("up", runapi.PowerUpType, "power-up", runapi.Params{HandOverAt: 40}))
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
	record(t, s, "power-up")
}

// record writes the histories of a chain into workflows/testdata, for replay, where NIGHTSHIFT_RECORD names a version.
func record(t *testing.T, s *site, runbook string) {
	version := os.Getenv("NIGHTSHIFT_RECORD")
	if version == "" {
		return
	}
	id := strings.TrimPrefix(runbook, "power-")
	run := ""
	for n := 1; ; n++ {
		h := &historypb.History{}
		it := s.client.GetWorkflowHistory(t.Context(), id, run, false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
		for it.HasNext() {
			e, err := it.Next()
			require.NoError(t, err)
			h.Events = append(h.Events, e)
		}
		b, err := temporalproto.CustomJSONMarshalOptions{Indent: " "}.Marshal(h)
		require.NoError(t, err)
		var packed bytes.Buffer
		w := gzip.NewWriter(&packed)
		_, err = w.Write(b)
		require.NoError(t, err)
		require.NoError(t, w.Close())
		require.NoError(t, os.WriteFile(fmt.Sprintf("../workflows/testdata/%s-%s-%d.json.gz", version, runbook, n), packed.Bytes(), 0o600))
		if run = h.Events[0].GetWorkflowExecutionStartedEventAttributes().GetContinuedExecutionRunId(); run == "" {
			return
		}
	}
}

// Terminated in the Temporal UI: the run says nothing any more. What it owes is known all the same, nobody works beside
// what it left until a person says so, and a power-up gives everything back.
func TestATerminatedRunLeavesItsDebtsAndItsLock(t *testing.T) {
	s := newSite(t, simlab.SmallSpec())
	clusters := s.lab.Clusters()
	down := s.begin("down", runapi.PowerDownType, "power-down", runapi.Params{})
	require.NoError(t, s.lab.WaitFor(t.Context(), func(l *simlab.Lab) bool { return l.Count("ShutdownGuest", "") > 0 }))
	require.NoError(t, s.client.TerminateWorkflow(t.Context(), down.GetID(), "", "impatience"))
	require.NotEmpty(t, s.ledger().Debts)
	require.NotEmpty(t, s.ledger().Memory)

	refused := s.result(s.begin("up-too-early", runapi.PowerUpType, "power-up", runapi.Params{Wait: true}))
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

	h, err := s.client.UpdateWorkflow(t.Context(), client.UpdateWorkflowOptions{WorkflowID: ledger.WorkflowID(s.file.Lab), UpdateName: ledger.Update,
		Args: []any{ledger.Change{By: "ann@desk", Unlock: &ledger.Unlock{Workflow: "down", Reason: "looked at it"}}}, WaitForStage: client.WorkflowUpdateStageCompleted})
	require.NoError(t, err)
	require.NoError(t, h.Get(t.Context(), nil))
	up := s.result(s.begin("up", runapi.PowerUpType, "power-up", runapi.Params{}))
	require.Equal(t, runapi.Done, up.Outcome, up.Why)
	require.Equal(t, clusters, s.lab.Clusters())
	require.Empty(t, s.ledger().Debts)
	require.Empty(t, s.ledger().Locks)
}
