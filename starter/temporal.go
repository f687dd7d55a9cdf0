package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"nightshift/internal/ledger"
	"nightshift/internal/plan"
	"nightshift/internal/runapi"
)

// A session is a connection to the Temporal service that carries out the runs of one lab.
type session struct {
	runs      runs
	ledger    ledgers
	schedules schedules
	lab       string
	ui        string // base URL of the Temporal UI; empty: not known
	namespace string
	speed     float64 // as in where
	close     func()
}

func (s *session) Close() {
	if s.close != nil {
		s.close()
	}
}

// link is the page of a run in the Temporal UI; empty where no UI is known.
func (s *session) link(run string) string {
	if s.ui == "" {
		return ""
	}
	return fmt.Sprintf("%s/namespaces/%s/workflows/%s", s.ui, s.namespace, run)
}

// sheet is the state of a run under way or closed; broken is how Temporal closed it where that left no result, else nil.
func (s *session) sheet(ctx context.Context, run string) (sheet runapi.Sheet, broken *brokenError, err error) {
	sheet, err = s.runs.Sheet(ctx, run)
	if errors.As(err, &broken) {
		err = nil
	}
	return sheet, broken, err
}

// runs starts, reads and orders runs.
type runs interface {
	starter
	reader
	// Order sends one of workflows.Verbs to a run and answers its state afterwards; a validator's no is an error.
	Order(ctx context.Context, id, verb string, o runapi.Order) (runapi.Sheet, error)
}

// starter starts workflows of a lab.
type starter interface {
	// Start begins a run. An id that was given already is an errStarted.
	Start(ctx context.Context, workflow, id string, p runapi.Params) error
	// Preview makes a plan and does nothing.
	Preview(ctx context.Context, id string, r plan.Request) (plan.Reply, error)
}

// reader reads runs, under way or closed.
type reader interface {
	// Sheet is the run's state. For a run that Temporal closed without a result it comes with a *brokenError.
	Sheet(ctx context.Context, id string) (runapi.Sheet, error)
	// Pulse is another one whenever the state of the run may be; empty: it is closed, or does not tell.
	Pulse(ctx context.Context, id string) string
	// Plan is what the run carries out; nil before there is one.
	Plan(ctx context.Context, id string) (*plan.Plan, error)
	// Proposal is the new plan that waits for an approval while the run goes on; nil: none.
	Proposal(ctx context.Context, id string) (*plan.Plan, error)
	// List is the newest runs of the lab that the filter lets through, newest first.
	List(ctx context.Context, lab string, f runFilter) ([]runInfo, error)
	// By says who asked for a run, as claimed.
	By(ctx context.Context, id string) (string, error)
	// Unsent are the messages of the lab that were given up since then; nil: none.
	Unsent(ctx context.Context, lab string, since time.Time) (*unsent, error)
	// Info is what Temporal knows about a run.
	Info(ctx context.Context, id string) (runInfo, error)
}

// ledgers reads and changes the ledger of a lab. One that was never written is empty.
type ledgers interface {
	State(ctx context.Context, lab string) (ledger.State, error)
	Change(ctx context.Context, lab string, c ledger.Change) (ledger.State, error)
}

// runInfo is what Temporal's list of workflows tells about a run.
type runInfo struct {
	Run     string    `json:"run"`
	Runbook string    `json:"runbook"`
	State   string    `json:"state"` // outcome, phase, or how Temporal closed it
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended,omitzero"`
	Open    bool      `json:"open"`
	Target  string    `json:"target,omitempty"` // the lab, or the cluster that it was about
	By      string    `json:"by,omitempty"`     // who asked for it, as claimed; only where it was read
	// FirstRun is the Temporal run id of the first run of the chain.
	FirstRun string `json:"firstRun"`
	Link     string `json:"link,omitempty"`
}

// What can be wrong with a run.
var (
	errStarted  = errors.New("a run of this id was started already")
	errNoRun    = errors.New("there is no such run (see `nightshift runs`)")
	errNoWorker = errors.New("no worker answers: start `nightshift serve`, or `nightshift worker` for an external Temporal")
)

// A brokenError is a run that Temporal closed without a result: terminated, timed out, failed.
type brokenError struct {
	Status string
	Cause  error
}

func (e *brokenError) Error() string {
	s := "the run was " + e.Status + " in Temporal before it could end in order"
	if e.Cause != nil {
		s += ": " + e.Cause.Error()
	}
	return s + ". Its locks stand until `nightshift unlock RUN --reason WHY`; then start the runbook again: it plans what is left"
}

func (e *brokenError) Unwrap() error { return e.Cause }

// connect finds the Temporal service and the lab, and connects.
func (a *app) connect(ctx context.Context) (*session, error) {
	w, err := a.resolve()
	if err != nil {
		return nil, err
	}
	lab, err := a.labName(w)
	if err != nil {
		return nil, err
	}
	w.Lab = lab
	s, err := a.dial(ctx, w)
	if err != nil {
		return nil, fmt.Errorf("no answer from the Temporal service at %s (from %s): is `nightshift serve` still running? %w", w.Options.HostPort, w.Source, err)
	}
	return s, nil
}
