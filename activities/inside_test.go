package activities

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"nightshift/internal/inventory"
	"nightshift/internal/ledger"
	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/internal/simlab"
	"nightshift/runbooks"
)

// A bench runs plans on a simulated lab, step by step, with a ledger in memory: what an executor and a server do besides
// is not its business.
type bench struct {
	*testing.T
	lab *simlab.Lab
	a   *Activities

	mu   sync.Mutex
	book ledger.State
	last map[string]plan.Memo // of a step
	step string
}

func newBench(t *testing.T, spec simlab.Spec) *bench {
	t.Helper()
	lab, err := simlab.Start(context.WithoutCancel(t.Context()), simlab.Config{Spec: spec, Speed: 600})
	require.NoError(t, err)
	t.Cleanup(lab.Close)
	path, err := lab.WriteLabFile(t.TempDir())
	require.NoError(t, err)
	file, err := inventory.Load(path)
	require.NoError(t, err)
	b := &bench{T: t, lab: lab, last: map[string]plan.Memo{}, book: ledger.State{Lab: file.Lab}}
	b.a = New(Config{Lab: file, Instance: "bench", Logger: slog.New(slog.DiscardHandler), Papers: t.TempDir()})
	b.a.recorder, b.a.ledger, b.a.pace = b, b, pace{5 * time.Millisecond, 50 * time.Millisecond}
	t.Cleanup(b.a.Close)
	return b
}

func (b *bench) RecordActivityHeartbeatWithOptions(_ context.Context, o client.RecordActivityHeartbeatOptions) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last[b.step] = o.Details[0].(plan.Memo)
	return nil
}

func (b *bench) change(_ context.Context, _ string, c ledger.Change) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.book.Check(c); err != nil {
		return err
	}
	b.book.Apply(c, time.Now())
	return nil
}

func (b *bench) read(context.Context, string) (ledger.State, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	st := b.book
	st.Debts, st.Memory, st.Records = slices.Clone(st.Debts), slices.Clone(st.Memory), slices.Clone(st.Records)
	return st, nil
}

func (b *bench) ended(context.Context, ledger.Holder) (bool, error) { return false, nil }

// plan asks for one, through the activity.
func (b *bench) plan(runbook string) plan.Plan {
	b.Helper()
	return b.planFor(runbook, nil)
}

func (b *bench) planFor(runbook string, given map[string]string) plan.Plan {
	b.Helper()
	reply, err := makePlan(b.T, b.a, plan.Request{Runbook: runbook, Lab: b.a.lab.Lab, Parameters: given})
	require.NoError(b, err)
	require.Empty(b, reply.Blockers)
	p, err := plan.Unpack(reply.Packed)
	require.NoError(b, err)
	require.NoError(b, p.Validate())
	return p
}

// carryOut does the steps one after the other, each after those that it needs.
func (b *bench) carryOut(p plan.Plan) {
	b.Helper()
	done := map[string]bool{}
	for len(done) < len(p.Steps) {
		n := len(done)
		for _, s := range p.Steps {
			if !done[s.ID] && !slices.ContainsFunc(s.Needs, func(id string) bool { return !done[id] }) {
				b.do(s)
				done[s.ID] = true
			}
		}
		require.Greater(b, len(done), n, "a circle")
	}
}

// do is what Temporal does with a step: again and again, as long as it fails for what passes.
func (b *bench) do(s plan.Step) {
	b.Helper()
	b.step = s.ID
	if b.a.steps()[s.Action] == nil {
		return // the executor's own
	}
	c := plan.Call{Run: "run-1", Lab: b.a.lab.Lab, Step: s.ID, Title: s.Title, Target: s.Target, Params: s.Params}
	for end := time.Now().Add(5 * time.Minute); ; {
		var memo *plan.Memo
		if m, ok := b.last[s.ID]; ok {
			memo = &m
		}
		out, err := attemptOf(b.T, b.a, s.Action, c, memo)
		app := new(temporal.ApplicationError)
		if errors.As(err, &app) && app.Type() == Transient && time.Now().Before(end) {
			continue
		}
		require.NoError(b, err, "step %s (%s)", s.ID, s.Title)
		require.Nil(b, out.Unclear, s.ID)
		require.Empty(b, out.Replan, s.ID)
		require.Nil(b, out.Yield, s.ID)
		return
	}
}

// A lab goes down with all that it stands on, its vCenter included, and comes up from nothing but the record.
func TestALabThatCarriesItsOwnVCenter(t *testing.T) {
	if testing.Short() {
		t.Skip("minutes of a simulated lab")
	}
	for name, spec := range map[string]simlab.Spec{"inside": simlab.InsideSpec(), "drbox": simlab.DRBoxSpec(), "onehost": simlab.OneHostSpec()} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, spec)
			before, err := b.a.inspect(t.Context(), b.book)
			require.NoError(t, err)
			b.carryOut(b.plan(runbooks.PowerDown))
			st, err := b.a.inspect(t.Context(), b.book)
			require.NoError(t, err)
			for _, bmc := range st.BMCs {
				require.Equal(t, "Off", bmc.Power, bmc.Host)
			}
			require.False(t, st.VCenters[0].Remembered.IsZero())
			require.Empty(t, st.Hosts)
			require.NotEmpty(t, b.book.Records)
			page, err := os.ReadFile(filepath.Join(b.a.papers, "restore-"+b.a.lab.Lab+".txt"))
			require.NoError(t, err)
			for _, g := range before.VCenters[0].Guests {
				if g.Power == "poweredOn" && !g.VCLS {
					require.Contains(t, string(page), g.Path)
				}
			}

			b.last = map[string]plan.Memo{}
			b.carryOut(b.plan(runbooks.PowerUp))
			after, err := b.a.inspect(t.Context(), b.book)
			require.NoError(t, err)
			require.True(t, after.VCenters[0].Remembered.IsZero())
			for _, g := range before.VCenters[0].Guests {
				if g.Power != "poweredOn" || g.VCLS {
					continue
				}
				for _, now := range after.VCenters[0].Guests {
					require.True(t, now.UUID != g.UUID || now.Power == "poweredOn", g.Name)
				}
			}
			vc, err := b.a.clients.vcenter(t.Context(), "vcenter")
			require.NoError(t, err)
			for _, c := range after.VCenters[0].Clusters {
				note, err := vc.ClusterNote(t.Context(), c.Ref)
				require.NoError(t, err)
				require.Empty(t, note, "what was given back is still noted at cluster %s", c.Name)
			}
			require.Empty(t, b.book.Debts)
			require.Empty(t, b.book.Memory)
			for system, l := range b.lab.Logins() {
				require.Zero(t, l.Failed, system)
			}
			for _, r := range b.lab.Calls() {
				if strings.HasPrefix(r.Verb, "ShutdownHost_Task") || strings.HasPrefix(r.Verb, "ShutdownGuest") {
					require.Equal(t, 1, b.lab.Count(r.Verb, r.Target), "%s of %s", r.Verb, r.Target)
				}
			}
		})
	}
}

// step is the first of a plan with that action on that target.
func (b *bench) find(p plan.Plan, action plan.Action, target string) plan.Step {
	b.Helper()
	i := slices.IndexFunc(p.Steps, func(s plan.Step) bool { return s.Action == action && s.Target.Name == target })
	require.GreaterOrEqual(b, i, 0, "the plan has no %s of %s", action, target)
	return p.Steps[i]
}

// A lab that changes after the plan was made: the step says how, and has sent nothing.
func TestALabThatIsOtherThanPlanned(t *testing.T) {
	spec := simlab.SmallSpec()
	spec.Clusters[0].HA = false // it would start the guests elsewhere
	b := newBench(t, spec)
	b.a.pace.last = 20 * time.Millisecond
	p := b.plan(runbooks.PowerDown)
	b.do(p.Steps[slices.IndexFunc(p.Steps, func(s plan.Step) bool { return s.Action == plan.RememberRunning })])
	replan := func(s plan.Step, words ...string) {
		t.Helper()
		sent := len(b.lab.Calls())
		b.step = s.ID
		out, err := attemptOf(t, b.a, s.Action, plan.Call{Run: "run-1", Lab: b.a.lab.Lab, Step: s.ID, Target: s.Target, Params: s.Params}, nil)
		require.NoError(t, err)
		for _, w := range words {
			require.Contains(t, out.Replan, w)
		}
		require.Len(t, b.lab.Calls(), sent, "something was sent")
		require.NotContains(t, b.last, s.ID)
	}
	require.NoError(t, b.lab.Move("web01", "esx21"))
	replan(b.find(p, plan.ShutdownGuest, "web01"), "guest web01 is on host esx21 now")
	require.NoError(t, b.lab.Start("spare"))
	replan(b.find(p, plan.EnterMaintenance, "esx22"), "not there when the plan was made: spare")
	require.NoError(t, b.lab.Crash("esx21", false))
	dc01 := b.find(p, plan.ShutdownGuest, "dc01")
	vc, err := b.a.clients.vcenter(t.Context(), dc01.Target.Endpoint)
	require.NoError(t, err)
	require.Eventually(t, func() bool { // a vCenter takes a while to notice
		g, err := vc.Guest(t.Context(), dc01.Target.Ref)
		require.NoError(t, err)
		return g.Connection != live.Connected
	}, time.Minute, 5*time.Millisecond)
	replan(dc01, "host esx21, on which guest dc01 ran, is off")
}
