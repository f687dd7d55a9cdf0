package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/inventory"
	"nightshift/internal/ledger"
	"nightshift/internal/plan"
	"nightshift/internal/runapi"
	"nightshift/internal/simlab"
)

// midnight is when tests happen.
func midnight() time.Time { return time.Date(2026, 11, 20, 22, 0, 0, 0, time.UTC) }

// fakeEnv is an environment of its own.
type fakeEnv map[string]string

func (e fakeEnv) LookupEnv(name string) (string, bool) { v, ok := e[name]; return v, ok }
func (e fakeEnv) Environ() []string {
	var out []string
	for k, v := range e {
		out = append(out, k+"="+v)
	}
	return out
}

// A fakeLab is a session without Temporal: a script of sheets that a run goes through, one per look.
type fakeLab struct {
	mu     sync.Mutex
	script []runapi.Sheet
	// proposal waits for an approval.
	proposal *plan.Plan
	looks    int
	plan     *plan.Plan
	started  []runapi.Params
	orders   []runapi.Record
	answer   func(verb string, o runapi.Order) error
	list     []runInfo
	by       map[string]string // who asked for a run
	unsent   *unsent
	infos    map[string]runInfo
	state    ledger.State
	changes  []ledger.Change
	scheds   []runapi.Schedule
	times    []time.Time // of a schedule
	// backfilled are the times that were asked for.
	backfilled [][2]time.Time
	broken     error
	taken      map[string]bool // ids of runs that were there before
	onLook     func(n int)
	pulse      string
	pulses     int // how often it was asked for
}

func (f *fakeLab) Start(_ context.Context, _, id string, p runapi.Params) error {
	if f.taken[id] {
		return errStarted
	}
	f.started = append(f.started, p)
	return nil
}

func (f *fakeLab) Preview(context.Context, string, plan.Request) (plan.Reply, error) {
	b, err := f.plan.Pack()
	return plan.Reply{Hash: f.plan.Hash(), Packed: b}, err
}

func (f *fakeLab) Sheet(context.Context, string) (runapi.Sheet, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := min(f.looks, len(f.script)-1)
	f.looks++
	if f.onLook != nil {
		f.onLook(f.looks)
	}
	if f.broken != nil {
		return f.script[i], f.broken
	}
	return f.script[i], nil
}

func (f *fakeLab) Pulse(context.Context, string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pulses++
	return f.pulse
}

func (f *fakeLab) Plan(context.Context, string) (*plan.Plan, error) { return f.plan, nil }

func (f *fakeLab) Proposal(context.Context, string) (*plan.Plan, error) { return f.proposal, nil }

func (f *fakeLab) Order(_ context.Context, _, verb string, o runapi.Order) (runapi.Sheet, error) {
	f.orders = append(f.orders, runapi.Record{Verb: verb, Order: o})
	if f.answer != nil {
		if err := f.answer(verb, o); err != nil {
			return runapi.Sheet{}, err
		}
	}
	return f.script[min(f.looks, len(f.script)-1)], nil
}

func (f *fakeLab) List(_ context.Context, _ string, filter runFilter) ([]runInfo, error) {
	var out []runInfo
	for _, r := range f.list {
		if filter.lets(r) {
			out = append(out, r)
		}
	}
	return filter.newest(out), nil
}

func (f *fakeLab) By(_ context.Context, id string) (string, error) { return f.by[id], nil }

func (f *fakeLab) Unsent(context.Context, string, time.Time) (*unsent, error) { return f.unsent, nil }

func (f *fakeLab) Info(_ context.Context, id string) (runInfo, error) {
	if r, ok := f.infos[id]; ok {
		return r, nil
	}
	return runInfo{}, fmt.Errorf("run %s: %w", id, errNoRun)
}

type fakeLedger struct{ *fakeLab }

func (f fakeLedger) State(context.Context, string) (ledger.State, error) { return f.state, nil }
func (f fakeLedger) Change(_ context.Context, _ string, c ledger.Change) (ledger.State, error) {
	if err := f.state.Check(c); err != nil {
		return f.state, err
	}
	f.changes = append(f.changes, c)
	f.state.Apply(c, midnight())
	return f.state, nil
}

type fakeSchedules struct{ *fakeLab }

func (f fakeSchedules) Add(_ context.Context, s runapi.Schedule) error {
	f.scheds = append(f.scheds, s)
	return nil
}
func (f fakeSchedules) List(context.Context, string) ([]runapi.Schedule, error) {
	return f.scheds, nil
}
func (f fakeSchedules) Pause(_ context.Context, _, name string, pause bool, note string) error {
	for i := range f.scheds {
		if f.scheds[i].Name == name {
			f.scheds[i].Paused, f.scheds[i].Note = pause, note
			return nil
		}
	}
	return errors.New("no such schedule")
}
func (f fakeSchedules) Remove(_ context.Context, _, name string) error {
	f.scheds = slices.DeleteFunc(f.scheds, func(s runapi.Schedule) bool { return s.Name == name })
	return nil
}
func (f fakeSchedules) Change(_ context.Context, _, s runapi.Schedule) error {
	i := slices.IndexFunc(f.scheds, func(o runapi.Schedule) bool { return o.ID() == s.ID() })
	f.scheds[i] = s
	return nil
}
func (f fakeSchedules) Trigger(context.Context, string, string) (string, error) { return runA, nil }
func (f fakeSchedules) Times(context.Context, string, string, time.Time, time.Time) ([]time.Time, error) {
	return f.times, nil
}
func (f fakeSchedules) Backfill(_ context.Context, _, _ string, from, to time.Time) error {
	f.backfilled = append(f.backfilled, [2]time.Time{from, to})
	return nil
}

// A console is an app whose output is kept.
type console struct {
	*app
	stdout, stderr *bytes.Buffer
	lab            *fakeLab
	ctx            context.Context
}

// newConsole is an app in a pipe, on a lab "home" that a fake Temporal at localhost:1 serves. Time stands still.
func newConsole(t *testing.T, lab *fakeLab) *console {
	t.Helper()
	t.Chdir(t.TempDir())
	c := &console{stdout: &bytes.Buffer{}, stderr: &bytes.Buffer{}, lab: lab, ctx: t.Context()}
	tick := make(chan time.Time)
	close(tick)
	c.app = &app{
		in: strings.NewReader(""), out: c.stdout, screen: c.stdout, err: c.stderr,
		env: fakeEnv{"TEMPORAL_ADDRESS": "localhost:1", "NIGHTSHIFT_UI": "http://ui", "XDG_CONFIG_HOME": t.TempDir(), "NIGHTSHIFT_STATE_DIR": t.TempDir()},
		now: midnight, after: func(time.Duration) <-chan time.Time { return tick },
		who: "ann@desk", size: func() (int, int) { return 100, 30 },
		dial: func(_ context.Context, w where) (*session, error) {
			return &session{runs: lab, ledger: fakeLedger{lab}, schedules: fakeSchedules{lab}, lab: w.Lab, ui: w.UI, namespace: "default"}, nil
		},
	}
	writeLab(t, "lab.yaml", "home")
	return c
}

// run executes a command line; each call starts with empty outputs.
func (c *console) run(args ...string) int {
	c.stdout.Reset()
	c.stderr.Reset()
	c.global = globalOptions{}
	return execute(c.ctx, c.app, args)
}

func writeLab(t *testing.T, path, name string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	text := `lab: ` + name + `
self: {outside: true}
vcenters:
  - name: vc1
    url: https://vc1.lab
    user: nightshift@vsphere.local
    password: env:VC1_PASSWORD
    tls: {fingerprint: "` + strings.Repeat("AB:", 31) + `AB"}
hosts:
  - name: esx21
    bmc:
      url: https://esx21-oob.lab
      user: root
      password: env:BMC_PASSWORD
      tls: {fingerprint: "` + strings.Repeat("CD:", 31) + `CD"}
`
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
}

// littlePlan is a plan of three steps: two guests, then their host.
func littlePlan() *plan.Plan {
	guest := func(name string) plan.Step {
		return plan.Step{ID: "shutdown-guest:" + name, Title: "Shut down guest " + name + " (Tools, 5 min, then ask)", Group: "Guests",
			Action: plan.ShutdownGuest, Target: plan.Target{Kind: plan.Guest, Name: name, Endpoint: "vc1", Ref: "vm-1"},
			Params:   plan.Encode(plan.ShutdownGuestParams{Method: "shutdown", Timeout: plan.Duration(5 * time.Minute), OnTimeout: plan.LeaveGuest, NoTools: plan.LeaveGuest}),
			Estimate: plan.Duration(time.Minute), Timeout: plan.Duration(10 * time.Minute)}
	}
	host := plan.Step{ID: "shutdown-host:esx21", Title: "Shut down host esx21", Group: "Host esx21", Action: plan.ShutdownHost,
		Target:   plan.Target{Kind: plan.Host, Name: "esx21", Endpoint: "vc1", Ref: "host-1"},
		Params:   plan.Encode(plan.ShutdownHostParams{Host: "esx21", Via: plan.ViaVCenter, NoRights: plan.LeaveHost, Timeout: plan.Duration(15 * time.Minute), OnTimeout: plan.LeaveHost}),
		Needs:    []string{"shutdown-guest:web01", "shutdown-guest:db01"},
		Estimate: plan.Duration(2 * time.Minute), Timeout: plan.Duration(20 * time.Minute)}
	return &plan.Plan{Schema: plan.SchemaVersion, Runbook: "power-down", Title: "Power down lab home: 1 host, 2 guests", Lab: "home",
		LabHash: "abc", Created: midnight(), Limits: map[string]int{"vcenter": 4}, Steps: []plan.Step{guest("web01"), guest("db01"), host}}
}

// sheet is the state of a run of littlePlan. Steps began ten seconds apart and took five.
func sheet(steps string) runapi.Sheet {
	s := runapi.Sheet{Lab: "home", Runbook: "power-down", Title: littlePlan().Title, Hash: littlePlan().Hash(), By: "ann@desk",
		Phase: runapi.PhaseExecute, Started: midnight().Add(-time.Minute), Total: len(steps), Steps: steps, Notes: map[string]string{}, Runs: 1}
	for i, l := range []byte(steps) {
		begun, finished := int64(i*100), int64(-1)
		switch l {
		case runapi.StepDone:
			s.Done++
			finished = begun + 50
		case runapi.StepSkip:
			s.Skipped++
			finished = begun + 50
		case runapi.Running:
			s.Running++
		case runapi.Blocked:
			s.Blocked++
			finished = begun + 30
			s.Notes[littlePlan().Steps[i].ID] = "the guest is still up after 5m"
		case runapi.Untouched, runapi.HalfDone:
			s.Untouched++
		}
		if l == runapi.Todo || l == runapi.Untouched {
			begun = -1
		}
		s.Begun, s.Finished = append(s.Begun, begun), append(s.Finished, finished)
	}
	return s
}

func ended(s runapi.Sheet, outcome, why string) runapi.Sheet {
	s.Phase, s.Outcome, s.Why, s.Ended = runapi.PhaseEnd, outcome, why, midnight()
	return s
}

func inPhase(phase string) runapi.Sheet {
	s := sheet("...")
	s.Phase = phase
	return s
}

// simLab is a simulated lab, and its lab file as it is read.
func simLab(t *testing.T, spec simlab.Spec) (*simlab.Lab, *inventory.Lab) {
	t.Helper()
	sim, err := simlab.Start(t.Context(), simlab.Config{Spec: spec, Speed: 600})
	require.NoError(t, err)
	t.Cleanup(sim.Close)
	path, err := sim.WriteLabFile(t.TempDir())
	require.NoError(t, err)
	lab, err := inventory.Load(path)
	require.NoError(t, err)
	return sim, lab
}
