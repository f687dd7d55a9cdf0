// Package worker wires workflows and activities to a Temporal worker. `nightshift serve` and `nightshift worker` use it;
// it is a package of its own, and not a command, so that both do the same.
package worker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"nightshift/activities"
	"nightshift/internal/inventory"
	"nightshift/internal/plan"
	"nightshift/internal/runapi"
	"nightshift/workflows"
)

// stopTimeout is how long Stop waits for steps to yield. A step that waits yields at once; a call on the wire is
// finished first, and takes no longer than an HTTP time-out.
const stopTimeout = time.Minute

// maxActivities is how many steps a worker carries out at a time; most of them wait.
const maxActivities = 1000

// Config says for which lab to work, and where.
type Config struct {
	Client    client.Client
	Namespace string // of Client
	Lab       *inventory.Lab
	Instance  string // names this nightshift where others can see it: the mark on the lab
	Logger    *slog.Logger
	Address   string // of the Temporal service, host:port; empty: not known
	// UI is where the Temporal UI is, without a slash at its end; empty: not known.
	UI string
	// Speed is how much faster than a real one a simulated lab is; 0: the lab is no simulated one.
	Speed float64
	// Papers is the directory for pages that people read when nightshift is not there; empty: none are written.
	Papers string
	// Site limits the worker to the steps of one site; empty: everything.
	Site string
	// Interceptors stand around every activity and workflow task: for tests, and for tracing.
	Interceptors []interceptor.WorkerInterceptor
}

// A Worker polls the lab's task queues until it is stopped.
type Worker struct {
	workers []worker.Worker
	acts    *activities.Activities
	unwatch context.CancelFunc // ends the watch over UPSes; nil: there is none
	watched sync.WaitGroup
	dead    chan error
}

// Dead tells why a worker has ended by itself, and will do nothing any more: the server does not know its namespace, say, or
// does not let it in. What is not answered is no such thing: it is tried again for ever.
func (w *Worker) Dead() <-chan error { return w.dead }

// died takes in the first of the reasons; the others come of it.
func (w *Worker) died(err error) {
	select {
	case w.dead <- err:
	default:
	}
}

// Start begins to work. An error says that the server does not answer, or that the search attributes cannot be had.
func Start(ctx context.Context, c Config) (*Worker, error) {
	if err := ensureSearchAttributes(ctx, c.Client, c.Namespace); err != nil {
		return nil, err
	}
	w := &Worker{dead: make(chan error, 1), acts: activities.New(activities.Config{Lab: c.Lab, Temporal: c.Client, Instance: c.Instance, Logger: c.Logger,
		Address: c.Address, Papers: c.Papers, UI: runPages(c), Speed: c.Speed})}
	for _, queue := range queues(c) {
		one := worker.New(c.Client, queue, w.options(c))
		if queue == plan.TaskQueue(c.Lab.Lab) {
			RegisterWorkflows(one)
		}
		w.acts.Register(one)
		if err := one.Start(); err != nil {
			w.Stop()
			return nil, fmt.Errorf("start the worker on task queue %s: %w", queue, err)
		}
		w.workers = append(w.workers, one)
	}
	if c.Site == "" && w.acts.Watches() {
		if err := startCaretaker(ctx, c); err != nil {
			w.Stop()
			return nil, err
		}
	}
	w.watchUPS(ctx, c)
	return w, nil
}

// startCaretaker starts the workflow that tells people what no run sees. One that is there goes on.
func startCaretaker(ctx context.Context, c Config) error {
	lab := c.Lab.Lab
	_, err := c.Client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: runapi.CaretakerID(lab), TaskQueue: plan.TaskQueue(lab),
		WorkflowIDConflictPolicy: enums.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING, StaticSummary: "Caretaker of lab " + lab,
	}, runapi.CaretakerType, runapi.Watch{Lab: lab})
	if err != nil {
		return fmt.Errorf("start the caretaker of lab %s: %w", lab, err)
	}
	return nil
}

// runPages is where the pages of runs are in the Temporal UI; empty where none is known.
func runPages(c Config) string {
	if c.UI == "" {
		return ""
	}
	return fmt.Sprintf("%s/namespaces/%s/workflows", c.UI, cmp.Or(c.Namespace, client.DefaultNamespace))
}

// Options are those with which every worker works; the benchmarks use them too.
func Options() worker.Options {
	// All steps that a run begins come with the answer to its workflow task, and not one by one through a queue: half the work
	// for the server, and after a hand-over hundreds begin at once.
	eager := maxActivities
	// The time for sticky tasks is the SDK's, 5 s: a query that takes longer has the run replayed from its beginning, which helps no
	// busy machine. After a kill -9 the first task waits as long for the dead worker.
	return worker.Options{
		MaxEagerActivityReservationsPerWorkflowTask: &eager,
		WorkerStopTimeout:                  stopTimeout,
		MaxConcurrentActivityExecutionSize: maxActivities,
		DisableRegistrationAliasing:        true,
		DeadlockDetectionTimeout:           20 * time.Second, // two plans of 10,000 guests take a second or two to be put together
	}
}

func (w *Worker) options(c Config) worker.Options {
	o := Options()
	o.Interceptors, o.OnFatalError = c.Interceptors, w.died
	return o
}

// Stop takes no new work, lets the steps yield and ends their sessions.
func (w *Worker) Stop() {
	if w.unwatch != nil {
		w.unwatch()
		w.watched.Wait()
	}
	for _, one := range w.workers {
		one.Stop()
	}
	w.acts.Close()
}

// queues are the lab's own, and one for each of several sites.
func queues(c Config) []string {
	if c.Site != "" {
		return []string{plan.SiteQueue(c.Lab.Lab, c.Site)}
	}
	all := []string{plan.TaskQueue(c.Lab.Lab)}
	if len(c.Lab.Sites) > 1 {
		for _, s := range c.Lab.Sites {
			all = append(all, plan.SiteQueue(c.Lab.Lab, s.Name))
		}
	}
	return all
}

// RegisterWorkflows registers every workflow type.
func RegisterWorkflows(r worker.WorkflowRegistry) {
	for name, w := range workflows.Types() {
		r.RegisterWorkflowWithOptions(w, workflow.RegisterOptions{Name: name})
	}
}

// ensureSearchAttributes makes the namespace know nightshift's search attributes. The embedded engine has them from the
// start; on another server they are added once.
func ensureSearchAttributes(ctx context.Context, c client.Client, ns string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	have, err := c.OperatorService().ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: ns})
	if denied := new(serviceerror.PermissionDenied); errors.As(err, &denied) {
		return nil // Temporal Cloud: they are made in its console, and a run says so if they are not
	}
	if err != nil {
		return fmt.Errorf("read the search attributes of namespace %s: %w", ns, err)
	}
	missing := map[string]enums.IndexedValueType{}
	for name, t := range workflows.SearchAttributes() {
		if got, ok := have.GetCustomAttributes()[name]; !ok {
			missing[name] = t
		} else if got != t {
			return fmt.Errorf("search attribute %s of namespace %s is of type %s, nightshift needs %s: use a namespace of its own", name, ns, got, t)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	_, err = c.OperatorService().AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{Namespace: ns, SearchAttributes: missing})
	if err != nil {
		return fmt.Errorf("add search attributes to namespace %s: %w", ns, err)
	}
	return nil
}
