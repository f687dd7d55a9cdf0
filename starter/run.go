package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
	"nightshift/runbooks"
)

type runOptions struct {
	parameters parameterOptions
	plan       string
	yes        bool
	detach     bool
	wait       bool
	onFailure  string
	deadline   time.Duration
	staleAfter time.Duration // for tests
	sign       bool
	key        keyOptions
}

func newRunCommand(a *app) *cobra.Command {
	o := &runOptions{}
	c := &cobra.Command{
		Use:   "run RUNBOOK",
		Short: "Show the plan, ask, and carry it out",
		Long: `Inspect the lab, show the plan, ask, carry it out and show how it goes on. The run is durable: Ctrl-C only stops
the watching, and a crash only interrupts it.

  nightshift run power-down
  nightshift run power-up --tag StartUp --cluster Lab
  nightshift run power-down --plan tonight.json --yes`,
		Args: wants("RUNBOOK"), ValidArgsFunction: a.completeRunbook,
		RunE: func(c *cobra.Command, args []string) error { return runRun(c.Context(), a, *o, args[0]) },
	}
	f := c.Flags()
	o.parameters.addFlags(f)
	f.StringVar(&o.plan, "plan", "", "carry out the plan in `FILE` (of `nightshift plan --out`) and no other")
	f.BoolVarP(&o.yes, "yes", "y", false, "carry it out without asking")
	f.BoolVar(&o.detach, "detach", false, "do not watch: end as soon as the run is under way")
	f.BoolVar(&o.wait, "wait", false, "wait for the locks of other runs instead of being refused")
	f.StringVar(&o.onFailure, "on-failure", "", "what to do with a step that fails: ask, skip, force or abort (default: the lab file's); a step whose plan skips or aborts by itself does so still")
	f.DurationVar(&o.staleAfter, "stale-after", 0, "how late the run may wake (for tests)")
	_ = f.MarkHidden("stale-after") // it is there
	f.DurationVar(&o.deadline, "deadline", 0, "end the run in order when it takes longer (default: the lab file's)")
	f.BoolVar(&o.sign, "sign", false, "sign the request, as runbooks with approvers want it: who asks for a run is told from who approves it")
	o.key.addFlags(f)
	return c
}

func runRun(ctx context.Context, a *app, o runOptions, name string) error {
	rb, p, err := o.params(a, name)
	if err != nil {
		return err
	}
	s, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	if p.Lab != "" && p.Lab != s.lab {
		return usage("the plan in %s is for lab %s, this is lab %s", o.plan, p.Lab, s.lab)
	}
	p.Lab = s.lab
	sign, err := a.requestSigner(ctx, o)
	if err != nil {
		return err
	}
	defer sign.Close()
	run, err := a.start(ctx, s, rb, p, sign)
	if err != nil {
		return err
	}
	return a.carryOut(ctx, s, run, o)
}

// start begins a run. Ids have seconds: who starts two in one second gets the next one. With a key the request is signed.
func (a *app) start(ctx context.Context, s *session, rb runbooks.Runbook, p runapi.Params, k *signingKey) (run string, err error) {
	for i := range 10 {
		run = runapi.RunID(s.lab, rb.Name, a.now().Add(time.Duration(i)*time.Second))
		if p.Signature, err = k.request(p, run, a.now()); err != nil {
			return "", err
		}
		if err = s.runs.Start(ctx, rb.Workflow, run, p); !errors.Is(err, errStarted) {
			break
		}
	}
	return run, err
}

// params are what the run is started with. Lab is only set where a plan file names it.
func (o runOptions) params(a *app, name string) (runbooks.Runbook, runapi.Params, error) {
	rb, params, err := o.parameters.of(a, name)
	if err != nil {
		return rb, runapi.Params{}, err
	}
	p := runapi.Params{Runbook: rb.Name, Parameters: params, By: a.who, Approved: o.yes || rb.ReadOnly, Wait: o.wait,
		OnFailure: plan.OnFailure(o.onFailure), Deadline: plan.Duration(o.deadline), StaleAfter: plan.Duration(o.staleAfter)}
	if !p.OnFailure.Valid() {
		return rb, p, usage("--on-failure %s: allowed are ask, skip, force, abort", o.onFailure)
	}
	if o.deadline < 0 {
		return rb, p, usage("--deadline %s: a deadline lies ahead", o.deadline)
	}
	if o.plan == "" {
		return rb, p, nil
	}
	file, err := readPlanFile(o.plan)
	if err != nil {
		return rb, p, err
	}
	if file.Runbook != rb.Name {
		return rb, p, usage("the plan in %s is for runbook %s, not %s", o.plan, file.Runbook, rb.Name)
	}
	if len(params) > 0 && !sameParameters(params, file.Parameters) {
		return rb, p, usage("the plan in %s has parameters of its own: leave out -p, --tag and --cluster", o.plan)
	}
	p.Lab, p.Parameters, p.PlanHash = file.Lab, file.Parameters, file.Hash()
	return rb, p, nil
}

func sameParameters(a, b map[string]string) bool {
	if len(a) != len(b) {
		return false
	}
	for k, v := range a {
		if b[k] != v {
			return false
		}
	}
	return true
}

// carryOut goes with a run from its start: the plan, the question, the progress, the end.
func (a *app) carryOut(ctx context.Context, s *session, run string, o runOptions) error {
	sheet, err := a.untilPlanned(ctx, s, run, o.detach && o.wait)
	switch {
	case errors.Is(err, context.Canceled) && !o.yes:
		return a.drop(ctx, s, run, runapi.Abort, runapi.Order{Reason: "Ctrl-C before its plan was there"})
	case err != nil:
		return a.leave(err, run)
	}
	a.tellDrift(ctx, s, run, sheet, o.plan)
	if o.detach && o.yes { // nobody reads the plan
		if !a.json() && sheet.Outcome == "" {
			a.printf("%s\n", sheet.Title)
		}
	} else if err := a.tellPlan(ctx, s, run, sheet); err != nil {
		return a.leave(err, run)
	}
	if sheet.Phase == runapi.PhaseApprove {
		if err := a.approval(ctx, s, run, sheet, o.yes); err != nil {
			return err
		}
	}
	if o.detach && sheet.Outcome == "" {
		return a.detached(s, run)
	}
	return a.watchOut(ctx, s, run)
}

// untilPlanned waits until the run has a plan, or ends before it has one; or, where asked for, until it waits for a lock.
func (a *app) untilPlanned(ctx context.Context, s *session, run string, orLocked bool) (runapi.Sheet, error) {
	w := &waiting{app: a}
	f := &follower{app: a, session: s, run: run, progress: w, until: func(sheet runapi.Sheet) bool {
		locked := sheet.Phase == runapi.PhaseLock && a.now().Sub(sheet.Started) > lockShown
		return locked && orLocked || sheet.Phase != "" && sheet.Phase != runapi.PhaseLock && sheet.Phase != runapi.PhasePlan
	}}
	return f.follow(ctx)
}

// lockShown is from when on a run that takes a lock is said to wait for it.
const lockShown = 2 * time.Second

// waiting tells on stderr what a run does before it has a plan.
type waiting struct {
	app  *app
	last string
}

func (w *waiting) Say(line string) { w.app.notef("%s", line) }
func (w *waiting) Close()          {}

func (w *waiting) Show(v view) {
	text := ""
	switch {
	case v.Sheet.Phase == runapi.PhaseLock && w.app.now().Sub(v.Sheet.Started) > lockShown:
		text = "Waiting for " + cmp.Or(v.Sheet.Waiting, "the lock on lab "+v.Sheet.Lab) + " …"
	case v.Sheet.Phase == runapi.PhasePlan:
		text = "Inspecting lab " + v.Sheet.Lab + " …"
	}
	if text != "" && text != w.last {
		w.last = text
		w.app.notef("%s", text)
	}
}

// tellPlan prints the plan of a run that has one and isn't at its end.
func (a *app) tellPlan(ctx context.Context, s *session, run string, sheet runapi.Sheet) error {
	if sheet.Outcome != "" || a.json() {
		return nil
	}
	p, err := s.runs.Plan(ctx, run)
	if err != nil || p == nil {
		return err
	}
	a.printf("%s\n", a.tree(*p, false))
	return nil
}

// tellDrift says what is different where a run was refused because its plan is not the one of the file.
func (a *app) tellDrift(ctx context.Context, s *session, run string, sheet runapi.Sheet, file string) {
	if file == "" || sheet.Outcome != runapi.Refused {
		return
	}
	was, err := readPlanFile(file)
	if err != nil || was.Hash() == sheet.Hash {
		return
	}
	is, err := s.runs.Plan(ctx, run)
	if err != nil || is == nil {
		return
	}
	a.notef("Since %s was made:", file)
	const few = 20
	diff := plan.Diff(was, *is)
	for _, line := range diff[:min(few, len(diff))] {
		a.notef("  %s", line)
	}
	if n := len(diff) - few; n > 0 {
		a.notef("  … and %d more", n)
	}
}

// approval asks for the approval that the run waits for. Only a clear yes is yes: anything else, Ctrl-C too, ends the run.
func (a *app) approval(ctx context.Context, s *session, run string, sheet runapi.Sheet, yes bool) error {
	if sheet.Approvers != nil {
		a.notef("The plan waits for %s. Run %s: nightshift approve %s --sign", sheet.Waiting, run, run)
		return silent(exitBlocked)
	}
	if yes {
		a.notef("The lab file demands an approval of this plan, --yes is none. Run %s waits for it: nightshift approve %s", run, run)
		return silent(exitBlocked)
	}
	ok, err := a.ask(ctx, "Carry out this plan?")
	switch {
	case errors.Is(err, context.Canceled):
		return a.drop(ctx, s, run, runapi.Reject, runapi.Order{Reason: "Ctrl-C at the question", Hash: sheet.Hash})
	case err != nil:
		_ = a.drop(ctx, s, run, runapi.Reject, runapi.Order{Reason: err.Error(), Hash: sheet.Hash})
		return &exitError{exitRefused, fmt.Errorf("not carried out: %w; give --yes where nobody can be asked", err)}
	case !ok:
		return a.drop(ctx, s, run, runapi.Reject, runapi.Order{Reason: "answered no", Hash: sheet.Hash})
	}
	_, err = s.runs.Order(ctx, run, runapi.Approve, runapi.Order{By: a.who, Hash: sheet.Hash})
	return err
}

// drop ends a run that nobody has said yes to: left alone it would keep the lab locked. It gets its time though the
// command was interrupted; a second Ctrl-C ends the process.
func (a *app) drop(ctx context.Context, s *session, run, verb string, o runapi.Order) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), orderTimeout)
	defer cancel()
	o.By = a.who
	if _, err := s.runs.Order(ctx, run, verb, o); err != nil {
		a.notef("Run %s could not be told no, and keeps the lab locked until it is: nightshift %s %s --reason WHY", run, verb, run)
		return err
	}
	a.notef("Not carried out (%s); nothing was touched.", o.Reason)
	return silent(exitRefused)
}

// detached says where a run that nobody watches is to be seen.
func (a *app) detached(s *session, run string) error {
	if a.json() {
		return a.writeJSON(map[string]string{"run": run, "link": s.link(run)})
	}
	a.printf("Run %s is under way.\n", run)
	if link := s.link(run); link != "" {
		a.printf("  %s\n", link)
	}
	a.printf("  nightshift watch %s\n", run)
	return nil
}

// leave puts an interrupted wait into words.
func (a *app) leave(err error, run string) error {
	if errors.Is(err, context.Canceled) {
		a.notef("%s", strings.TrimSpace("Detached: run "+run+" goes on. See it again with `nightshift watch "+run+"`."))
		return silent(exitDetached)
	}
	return err
}

// previewID names the workflow of a preview.
func previewID(lab, runbook string, at time.Time) string {
	return fmt.Sprintf("plan-%s-%d", runapi.RunID(lab, runbook, at), at.UnixMilli()%1000)
}
