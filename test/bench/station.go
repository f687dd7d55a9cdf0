package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	sdkworker "go.temporal.io/sdk/worker"

	"nightshift/internal/engine"
	"nightshift/internal/plan"
	"nightshift/internal/runapi"
	"nightshift/internal/statedir"
	"nightshift/test/bench/ideal"
	"nightshift/worker"
	"nightshift/workflows"
)

// A station is an embedded engine that waits for the disk, as in earnest, with a worker whose steps are fake.
type station struct {
	dir    *statedir.Dir
	path   string
	engine *engine.Server
	client client.Client
	worker sdkworker.Worker
	fake   *fake
	log    *logged
}

const labName = "bench"

func newStation(ctx context.Context) (*station, error) {
	path, err := os.MkdirTemp("", "nightshift-bench-")
	if err != nil {
		return nil, err
	}
	st := &station{path: path, log: &logged{}}
	if err := st.start(ctx); err != nil {
		return nil, errors.Join(err, st.stop())
	}
	return st, nil
}

func (st *station) start(ctx context.Context) (err error) {
	if st.dir, err = statedir.Open(filepath.Join(st.path, "state")); err != nil {
		return err
	}
	if err = st.dir.Lock(ctx); err != nil {
		return err
	}
	logger := slog.New(st.log)
	if st.engine, err = engine.Start(ctx, engine.Options{Dir: st.dir, UIPort: -1, SearchAttributes: workflows.SearchAttributes(), Logger: logger}); err != nil {
		return err
	}
	if st.client, err = client.DialContext(ctx, client.Options{HostPort: st.engine.Address(), Namespace: st.engine.Namespace(), Logger: log.NewStructuredLogger(logger), ConnectionOptions: client.ConnectionOptions{GrpcCompression: &client.GrpcCompressionNone{}}}); err != nil {
		return err
	}
	st.fake = newFake(st.client)
	w := sdkworker.New(st.client, plan.TaskQueue(labName), worker.Options())
	worker.RegisterWorkflows(w)
	st.fake.register(w)
	if err = w.Start(); err == nil {
		st.worker = w
	}
	return err
}

func (st *station) stop() error {
	var errs []error
	if st.worker != nil {
		st.worker.Stop()
	}
	if st.client != nil {
		st.client.Close()
	}
	if st.engine != nil {
		errs = append(errs, st.engine.Stop())
	}
	if st.dir != nil {
		errs = append(errs, st.dir.Close())
	}
	return errors.Join(append(errs, os.RemoveAll(st.path))...)
}

// A result is what there is to tell of one run.
type result struct {
	steps, packed int
	took, ideal   time.Duration
	verdict       ideal.Verdict
	twice         int
	runs          int
	events        int64 // of all runs of the chain
	mostEvents    int64 // of one
	bytes         int64 // of the longest history
	warnings      []string
	sheet         runapi.Sheet
	machine       still
}

func (r result) ratio() float64 { return float64(r.took) / float64(r.ideal) }

// run carries a plan out.
func (st *station) run(ctx context.Context, id string, p plan.Plan, delay ideal.Delayer) (result, error) {
	r := result{steps: len(p.Steps)}
	if err := st.fake.carry(p, delay); err != nil {
		return r, err
	}
	r.packed = len(st.fake.packed)
	var err error
	if r.ideal, err = ideal.Makespan(p, delay); err != nil {
		return r, err
	}
	st.log.reset()
	params := runapi.Params{Lab: labName, Runbook: p.Runbook, By: "bench", Approved: true}
	watched := watchMachine(ctx, st.path)
	w, err := st.client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: id, TaskQueue: plan.TaskQueue(labName)}, workflowOf(p.Runbook), params)
	if err != nil {
		return r, err
	}
	if err := w.Get(ctx, &r.sheet); err != nil {
		return r, err
	}
	if r.machine, err = watched(); err != nil {
		return r, err
	}
	if r.sheet.Outcome != runapi.Done {
		return r, fmt.Errorf("run %s ended %s: %s", id, r.sheet.Outcome, r.sheet.Why)
	}
	spans, twice, err := st.fake.trace()
	if err != nil {
		return r, err
	}
	r.twice = twice
	first, last := spans[0].Begun, time.Duration(0)
	for _, s := range spans {
		first, last = min(first, s.Begun), max(last, s.Ended)
	}
	r.took = last - first
	if r.verdict, err = ideal.Judge(p, spans, 0); err != nil {
		return r, err
	}
	r.warnings = st.log.lines()
	return r, st.chain(ctx, id, &r)
}

func workflowOf(runbook string) string {
	if runbook == "power-up" {
		return plan.PowerUpWorkflow
	}
	return plan.PowerDownWorkflow
}

// chain reads what the runs of a chain weigh.
func (st *station) chain(ctx context.Context, id string, r *result) error {
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(200 * time.Millisecond) { //nolint:forbidigo // what was done is found a little later
		list, err := st.client.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Namespace: st.engine.Namespace(), PageSize: 1000,
			Query: "WorkflowId = '" + id + "' AND ExecutionStatus != 'Running'"})
		if err != nil {
			return err
		}
		r.runs, r.events, r.mostEvents, r.bytes = len(list.GetExecutions()), 0, 0, 0
		for _, e := range list.GetExecutions() {
			r.events += e.GetHistoryLength()
			r.mostEvents, r.bytes = max(r.mostEvents, e.GetHistoryLength()), max(r.bytes, e.GetHistorySizeBytes())
		}
		if r.runs == r.sheet.Runs || time.Now().After(end) {
			return nil
		}
	}
}

// logged keeps what Temporal's server and SDK warn of.
type logged struct {
	mu   sync.Mutex
	said map[string]int
}

func (l *logged) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelWarn }
func (l *logged) WithAttrs([]slog.Attr) slog.Handler               { return l }
func (l *logged) WithGroup(string) slog.Handler                    { return l }
func (l *logged) Handle(_ context.Context, r slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.said == nil {
		l.said = map[string]int{}
	}
	text := r.Message
	r.Attrs(func(a slog.Attr) bool {
		if strings.Contains(strings.ToLower(a.Key), "error") {
			text += ": " + a.Value.String()
		}
		return true
	})
	l.said[text]++
	return nil
}

func (l *logged) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.said = nil
}

func (l *logged) lines() (list []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for text, n := range l.said {
		list = append(list, fmt.Sprintf("%s (%d times)", text, n))
	}
	return list
}
