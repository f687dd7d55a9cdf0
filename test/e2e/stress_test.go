//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"math/rand"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
	"nightshift/internal/simlab"
	"nightshift/test/command"
)

// TestStress lets everything that tears at a run happen at once, at moments that the seed chooses: a hand-over every 200
// events, a worker killed with kill -9, orders of operators, and calls that the vCenter refuses. Nothing may be sent twice
// without a decision, and of the orders that were accepted each is in the run's record once.
func TestStress(t *testing.T) {
	t.Parallel()
	const hosts, guests, seed = 8, 400, 1
	rig := newTemporalRig(t)
	spec := simlab.ScaleSpec(hosts, guests)
	p := rig.place(t, "stress", spec, nil)
	p.worker.Stop() // those of this test are processes of their own
	s := &stress{place: p, rng: rand.New(rand.NewSource(seed))}
	t.Cleanup(s.kill)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(s.said.String())
		}
	})

	before := p.lab.Guests()
	s.refuse("ShutdownGuest", 12)
	s.storm(plan.PowerDownWorkflow, "power-down", false)
	p.isDown()
	s.refuse("PowerOnVM_Task", 12)
	skipped := s.storm(plan.PowerUpWorkflow, "power-up", true)
	for name, g := range p.lab.Guests() {
		was, ours := before[name]
		if ours && !g.VCLS && !was.VCLS && !slices.ContainsFunc(skipped, func(id string) bool { return strings.HasSuffix(id, ":"+name) }) {
			require.Equal(t, was.Power, g.Power, "guest %s", name)
		}
	}
}

type stress struct {
	*place
	rng    *rand.Rand
	worker *command.Server
	said   command.Log
}

// work starts a worker in a process of its own.
func (s *stress) work() {
	s.Helper()
	var err error
	s.worker, err = command.Serve(&s.said, binary, "worker", "--lab", s.path, "--state-dir", s.TempDir(), "--temporal-address", s.rig.server.Address())
	require.NoError(s, err)
}

func (s *stress) kill() {
	s.worker.Kill()
	s.worker = nil
}

// refuse lets the vCenter refuse a call about n guests, once or twice each: their steps block.
func (s *stress) refuse(verb string, n int) {
	for range n {
		s.lab.Inject(simlab.Fault{Verb: verb, Target: fmt.Sprintf("vm%04d", 1+s.rng.Intn(400)), Kind: simlab.Error, SOAP: "NoPermission", Times: 1 + s.rng.Intn(2)})
	}
}

// An order that was sent, and what is known of it.
type sentOrder struct {
	verb, reason string
	accepted     bool
	refused      bool // neither: no answer came
	steps        []string
}

// storm carries a runbook out while it is torn at, and answers the steps that were skipped.
func (s *stress) storm(workflow, runbook string, skip bool) (skipped []string) {
	s.Helper()
	since := s.calls()
	run := runapi.RunID(s.lab.Spec().Name, runbook, time.Now())
	s.work()
	defer s.kill()
	_, err := s.rig.client.ExecuteWorkflow(s.Context(), client.StartWorkflowOptions{ID: run, TaskQueue: plan.TaskQueue(s.lab.Spec().Name)}, workflow,
		runapi.Params{Lab: s.lab.Spec().Name, Runbook: runbook, By: "e2e", Approved: true, HandOverAt: 200})
	require.NoError(s, err)
	var orders []*sentOrder
	kills := 0
	nextKill := time.Now().Add(time.Duration(1000+s.rng.Intn(4000)) * time.Millisecond)
	for end := time.Now().Add(2 * patience); ; {
		require.True(s, time.Now().Before(end), "the run does not end")
		if sheet, ok := s.sheet(run); ok {
			if sheet.Outcome != "" {
				break
			}
			if o := s.choose(sheet, len(orders), skip); o != nil {
				s.send(run, o)
				orders = append(orders, o)
			}
		}
		if kills < 4 && time.Now().After(nextKill) {
			s.kill()
			s.work()
			kills++
			nextKill = time.Now().Add(time.Duration(2000+s.rng.Intn(15000)) * time.Millisecond)
		}
		time.Sleep(time.Duration(s.rng.Intn(400)) * time.Millisecond) //nolint:forbidigo // the moments are the seed's choice
	}
	r := s.report(run)
	require.Contains(s, []string{runapi.Done, runapi.Partial}, r.Outcome, r.Why)
	s.onceSince(since, r)
	count := map[string]int{}
	for _, o := range r.Orders {
		count[o.Reason]++
	}
	accepted := 0
	for _, o := range orders {
		switch {
		case o.accepted:
			accepted++
			require.Equal(s, 1, count[o.reason], "%s, which was accepted: %+v", o.reason, r.Orders)
		case o.refused:
			require.Zero(s, count[o.reason], "%s, which was refused", o.reason)
		default:
			require.LessOrEqual(s, count[o.reason], 1, "%s, of which no answer came", o.reason)
		}
		if o.verb == runapi.Skip {
			skipped = append(skipped, o.steps...)
		}
	}
	var sheet runapi.Sheet
	require.NoError(s, s.rig.client.GetWorkflow(s.Context(), run, "").Get(s.Context(), &sheet))
	s.Logf("%s %s: %d steps in %d runs, %d kills, %d orders sent, %d accepted, %d decisions", runbook, r.Outcome, r.Counts.Total, sheet.Runs, kills, len(orders), accepted, len(r.Decisions))
	require.Greater(s, sheet.Runs, 3, "it handed over")
	require.NotZero(s, accepted)
	return skipped
}

// sheet is the run's, where a worker answers.
func (s *stress) sheet(run string) (sheet runapi.Sheet, ok bool) {
	ctx, cancel := context.WithTimeout(s.Context(), 5*time.Second)
	defer cancel()
	v, err := s.rig.client.QueryWorkflow(ctx, run, "", runapi.SheetQuery)
	return sheet, err == nil && v.Get(&sheet) == nil
}

// choose thinks of an order that makes sense now; nil: none.
func (s *stress) choose(sheet runapi.Sheet, number int, skip bool) *sentOrder {
	o := &sentOrder{reason: fmt.Sprintf("order %d", number)}
	switch {
	case sheet.Phase != runapi.PhaseExecute:
		return nil
	case sheet.Paused != "":
		o.verb = runapi.Resume
	case sheet.Blocked > 0 && s.rng.Intn(2) == 0:
		for id := range sheet.Notes {
			if strings.Contains(id, "-guest:") {
				o.steps = append(o.steps, id)
			}
		}
		if len(o.steps) == 0 {
			return nil
		}
		slices.Sort(o.steps)
		o.steps = o.steps[:1]
		o.verb = runapi.Retry
		if skip && s.rng.Intn(3) == 0 {
			o.verb = runapi.Skip
		}
	case s.rng.Intn(8) == 0:
		o.verb = runapi.Pause
	default:
		return nil
	}
	return o
}

func (s *stress) send(run string, o *sentOrder) {
	ctx, cancel := context.WithTimeout(s.Context(), 10*time.Second)
	defer cancel()
	h, err := s.rig.client.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{WorkflowID: run, UpdateName: o.verb, WaitForStage: client.WorkflowUpdateStageCompleted,
		Args: []any{runapi.Order{By: "ann", Reason: o.reason, Steps: o.steps}}})
	if err == nil {
		err = h.Get(ctx, nil)
	}
	var no *temporal.ApplicationError
	var gone *serviceerror.NotFound
	o.accepted = err == nil
	o.refused = errors.As(err, &no) || errors.As(err, &gone)
}
