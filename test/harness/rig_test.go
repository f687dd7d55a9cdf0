//go:build e2e

// Package harness breaks every kind of step of every runbook in every way that we know, one at a time, in process, and
// looks whether the run comes to the right end, or says truthfully what is in the way.
package harness

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vmware/govmomi"
	"github.com/vmware/govmomi/find"
	"github.com/vmware/govmomi/vim25/soap"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/log"

	"nightshift/internal/engine"
	"nightshift/internal/inventory"
	"nightshift/internal/ledger"
	"nightshift/internal/nut/nuttest"
	"nightshift/internal/plan"
	"nightshift/internal/runapi"
	"nightshift/internal/simlab"
	"nightshift/internal/statedir"
	"nightshift/test/kinds"
	"nightshift/worker"
	"nightshift/workflows"
)

// patience is how long a test waits for anything: these machines are slow and shared.
const patience = 10 * time.Minute

// A server is one Temporal server for all labs.
type server struct {
	client client.Client
	ns     string
}

func newServer(t *testing.T) *server {
	t.Helper()
	dir, err := statedir.Open(filepath.Join(t.TempDir(), "temporal"))
	require.NoError(t, err)
	require.NoError(t, dir.Lock(t.Context()))
	e, err := engine.Start(context.WithoutCancel(t.Context()), engine.Options{Dir: dir, UIPort: -1, SearchAttributes: workflows.SearchAttributes(), Unsafe: true})
	require.NoError(t, err)
	t.Cleanup(func() { _ = e.Stop(); _ = dir.Close() })
	c, err := client.Dial(client.Options{HostPort: e.Address(), Namespace: e.Namespace(), Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler))})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return &server{c, e.Namespace()}
}

// A rig is one lab with a worker, in this process.
type rig struct {
	*testing.T
	server *server
	lab    *simlab.Lab
	file   *inventory.Lab
	worker *worker.Worker
	traps  *traps
	papers string // where pages and backups are written
	nut    *nuttest.Server
	hook   *httptest.Server // takes messages
	runs   int
	over   chan struct{} // closed when nothing hangs any more
	since  int           // calls that the lab had received when the last run began
	asked  int           // orders that the NUT server had
	// handOverAt is the length of history at which the run that begins hands over; 0: the usual one.
	handOverAt int
}

// beside is what the lab file has beside the lab: every run keeps those quiet who watch it, its alarms, and a monitoring that is
// asked by a command; and a UPS feeds both hosts, which starts nothing by itself.
const beside = `
runbooks: {power-down: {silence: always}, power-up: {silence: always}}
monitoring:
  - name: pager
    silence: {run: ["true"]}
    resume: {run: ["true"]}
ups:
  - {name: rack, server: %q, user: %s, password: "file:%s", feeds: [esx21, esx22], self: true, switches: [core],
     onBattery: {charge: 1, after: 1000h, steady: 2s}, policy: {hosts: {timeout: 1m}}, loadOff: {delay: 10s}, powerUp: {auto: false}}
notifications:
  channels: [{name: hook, url: "file:%s", on: [message], runbooks: [words]}]
`

// newRig starts a lab of its own for a test, with a trap for its activities.
func newRig(t *testing.T, s *server, name string) *rig {
	t.Helper()
	r := &rig{T: t, server: s, traps: &traps{}, papers: t.TempDir(), over: make(chan struct{})}
	spec := kinds.Lab()
	spec.Name = name
	var err error
	r.lab, err = simlab.Start(context.WithoutCancel(t.Context()), simlab.Config{Spec: spec, Speed: 240})
	require.NoError(t, err)
	t.Cleanup(r.lab.Close)
	r.nut = nuttest.Start(t, map[string]*nuttest.UPS{"rack": {Vars: map[string]string{"battery.charge": "90", "ups.delay.shutdown": "20"},
		Writable: []string{"ups.delay.shutdown", "ups.delay.start"}, Commands: []string{"shutdown.return"}, Counts: true}})
	r.mains(true)
	r.hook = httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(r.hook.Close)
	r.file, err = inventory.Load(r.writeFiles())
	require.NoError(t, err)
	r.work()
	t.Cleanup(func() { close(r.over); r.worker.Stop() })
	return r
}

// writeFiles writes the lab file, and step runbooks beside it.
func (r *rig) writeFiles() (path string) {
	r.Helper()
	dir := r.TempDir()
	path, err := r.lab.WriteLabFile(dir)
	require.NoError(r, err)
	secret := filepath.Join(dir, "nut-password")
	require.NoError(r, os.WriteFile(secret, []byte(r.nut.Password), 0o600))
	hook := filepath.Join(dir, "hook-url")
	require.NoError(r, os.WriteFile(hook, []byte("generic+"+r.hook.URL+"?template=json"), 0o600))
	require.NoError(r, os.Mkdir(filepath.Join(dir, "runbooks"), 0o700))
	require.NoError(r, os.WriteFile(filepath.Join(dir, "runbooks", "words.yaml"), fmt.Appendf(nil, words, r.lab.HealthURL("pg01")), 0o600))
	require.NoError(r, os.WriteFile(filepath.Join(dir, "runbooks", "start.yaml"), []byte(start), 0o600))
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(r, err)
	_, err = fmt.Fprintf(file, beside, r.nut.Address(), r.nut.User, secret, hook)
	require.NoError(r, err)
	require.NoError(r, file.Close())
	return path
}

// mains are there, or are cut. The UPS counts nothing down.
func (r *rig) mains(on bool) {
	status := "OB DISCHRG"
	if on {
		status = "OL CHRG"
	}
	r.nut.Set("rack", "ups.status", status)
	r.nut.Set("rack", "ups.timer.shutdown", "-1")
}

func (r *rig) work() {
	r.Helper()
	var err error
	r.worker, err = worker.Start(context.WithoutCancel(r.Context()), worker.Config{Client: r.server.client, Namespace: r.server.ns, Lab: r.file, Instance: "harness", Papers: r.papers,
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)), Interceptors: []interceptor.WorkerInterceptor{r.traps}})
	require.NoError(r, err)
}

// begin starts a run.
func (r *rig) begin(s subject) string {
	r.Helper()
	r.runs++
	r.since, r.asked = len(r.lab.Calls()), len(r.nut.Orders())
	id := fmt.Sprintf("%s-%s-%d", s.runbook, r.file.Lab, r.runs)
	var parameters map[string]string
	for _, pair := range strings.Fields(s.told) {
		if parameters == nil {
			parameters = map[string]string{}
		}
		name, value, _ := strings.Cut(pair, "=")
		parameters[name] = value
	}
	r.mains(s.told != onUPS || s.from == lowered)
	once := client.StartWorkflowOptions{ID: id, TaskQueue: plan.TaskQueue(r.file.Lab), WorkflowIDReusePolicy: enums.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE}
	var err error
	r.wait(func() bool { // a busy server is asked again: what it has started it does not start once more
		_, err = r.server.client.ExecuteWorkflow(r.Context(), once, s.workflow,
			runapi.Params{Lab: r.file.Lab, Runbook: s.runbook, Parameters: parameters, By: "harness", Approved: true, HandOverAt: r.handOverAt})
		return err == nil
	}, func() string { return fmt.Sprintf("start %s: %v", id, err) })
	return id
}

// sheet is the run's state.
func (r *rig) sheet(id string) (s runapi.Sheet) {
	r.Helper()
	require.True(r, r.ask(id, runapi.SheetQuery, &s), "there is no run %s", id)
	return s
}

// ask queries a workflow until it answers, which it does not while the server is busy or no worker is there. It tells whether there
// is such a workflow.
func (r *rig) ask(id, query string, into any) (known bool) {
	r.Helper()
	var err error
	r.wait(func() bool {
		ctx, cancel := context.WithTimeout(r.Context(), 10*time.Second)
		defer cancel()
		v, asked := r.server.client.QueryWorkflow(ctx, id, "", query)
		if err = asked; err == nil {
			err = v.Get(into)
		}
		none := new(serviceerror.NotFound)
		known = !errors.As(err, &none)
		return err == nil || !known
	}, func() string { return fmt.Sprintf("%s of %s: %v", query, id, err) })
	return known
}

// order gives an order to the run, again and again while no worker answers. It answers whether the run has obeyed: one that
// has no step left to begin does not any more.
func (r *rig) order(id, verb string, o runapi.Order) (obeyed bool) {
	r.Helper()
	o.By = "harness"
	r.eventually(verb+" of "+id, func() bool {
		ctx, cancel := context.WithTimeout(r.Context(), 30*time.Second)
		defer cancel()
		h, err := r.server.client.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{WorkflowID: id, UpdateName: verb, Args: []any{o}, WaitForStage: client.WorkflowUpdateStageCompleted})
		if err == nil {
			err = h.Get(ctx, nil)
		}
		obeyed = err == nil
		return obeyed || r.sheet(id).Phase != runapi.PhaseExecute
	})
	return obeyed
}

// lengthen makes the history of a run n events long, by signals that nobody reads.
func (r *rig) lengthen(id string, n int) {
	r.Helper()
	for {
		d, err := r.server.client.DescribeWorkflowExecution(r.Context(), id, "")
		require.NoError(r, err)
		info := d.GetWorkflowExecutionInfo()
		if info.GetHistoryLength() > int64(n) || info.GetStatus() != enums.WORKFLOW_EXECUTION_STATUS_RUNNING {
			return
		}
		for range max(1, n-int(info.GetHistoryLength())) {
			if r.server.client.SignalWorkflow(r.Context(), id, "", "longer", nil) != nil {
				return // it is over
			}
		}
	}
}

// handedOver tells whether the run goes on, or ended, in another one of its chain than the first.
func (r *rig) handedOver(id string) bool {
	d, err := r.server.client.DescribeWorkflowExecution(r.Context(), id, "")
	require.NoError(r, err)
	info := d.GetWorkflowExecutionInfo()
	return info.GetFirstRunId() != info.GetExecution().GetRunId()
}

// wait asks again and again, and fails with what is missing.
func (r *rig) wait(ok func() bool, missing func() string) {
	r.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(200 * time.Millisecond) { //nolint:forbidigo // a server that answers when it does
		if ok() {
			return
		}
	}
	require.FailNow(r, "not within "+patience.String()+": "+missing())
}

func (r *rig) eventually(what string, ok func() bool) {
	r.Helper()
	r.wait(ok, func() string { return what })
}

// settle waits until the run has ended, or nothing of it goes on without a person.
func (r *rig) settle(id string) (s runapi.Sheet) {
	r.Helper()
	r.wait(func() bool {
		s = r.sheet(id)
		return s.Outcome != "" && s.Phase == runapi.PhaseEnd || s.Stuck()
	}, func() string {
		return fmt.Sprintf("the end of %s: %s, %s, %s %v\n%s", id, s.Phase, s.Aborted, s.Steps, s.Notes, r.planOf(id))
	})
	return s
}

// rest waits until nothing moves in the lab any more: what an aborted run has sent still has its effect.
func (r *rig) rest() {
	r.Helper()
	var hosts map[string]simlab.HostState
	var guests map[string]simlab.GuestState
	since := time.Now()
	r.eventually("the lab is at rest", func() bool {
		h, g := r.lab.Hosts(), r.lab.Guests()
		if !maps.Equal(h, hosts) || !maps.Equal(g, guests) {
			hosts, guests, since = h, g, time.Now()
		}
		return time.Since(since) > 2*time.Second // eight minutes of the lab's
	})
}

// ledger is that of the lab: empty where no run has needed one yet.
func (r *rig) ledger() (st ledger.State) {
	r.Helper()
	r.ask(ledger.WorkflowID(r.file.Lab), ledger.StateQuery, (*ledger.Wire)(&st))
	return st
}

// plan is that of a run; an empty one where it has none yet.
func (r *rig) plan(id string) plan.Plan {
	r.Helper()
	var packed []byte
	require.True(r, r.ask(id, runapi.PlanQuery, &packed), "there is no run %s", id)
	p, err := plan.Unpack(packed)
	if err != nil {
		return plan.Plan{Title: fmt.Sprint("no plan: ", err)}
	}
	return p
}

// planOf is the plan of a run, for a person who wants to know what went wrong.
func (r *rig) planOf(id string) string {
	p := r.plan(id)
	text := p.Title
	for _, w := range p.Warnings {
		text += "\n" + w.String()
	}
	for _, s := range p.Steps {
		text += fmt.Sprintf("\n%s after %v", s.ID, s.Needs)
	}
	return text
}

// unsnapshot removes all snapshots, as a person does before a guest's settings can be given back.
func (r *rig) unsnapshot() {
	r.Helper()
	u, err := soap.ParseURL(r.lab.VCenterURL())
	require.NoError(r, err)
	u.User = url.UserPassword(r.lab.Spec().User, r.lab.VCenterPassword())
	c, err := govmomi.NewClient(r.Context(), u, true)
	require.NoError(r, err)
	defer func() { _ = c.Logout(context.WithoutCancel(r.Context())) }()
	vm, err := find.NewFinder(c.Client).VirtualMachine(r.Context(), "web01")
	require.NoError(r, err)
	task, err := vm.RemoveAllSnapshot(r.Context(), nil)
	require.NoError(r, err)
	require.NoError(r, task.Wait(r.Context()))
}

// once fails when a destructive call of this run came more often than there were decisions to send it.
func (r *rig) once(id string, s runapi.Sheet) {
	r.Helper()
	calls := r.lab.Calls()[r.since:]
	for _, order := range r.nut.Orders()[r.asked:] {
		w := strings.Fields(order)
		calls = append(calls, simlab.Record{System: "nut", Verb: w[0], Target: w[1]})
	}
	require.Empty(r, kinds.Twice(calls, r.plan(id).Steps, s.Decisions))
}
