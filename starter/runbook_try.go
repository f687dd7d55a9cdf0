package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"nightshift/internal/inventory"
	"nightshift/internal/plan"
	"nightshift/internal/report"
	"nightshift/internal/runapi"
	"nightshift/internal/simlab"
	"nightshift/runbooks"
)

// testSpeed is how much faster than a real lab the one is on which a runbook is tested: nobody watches it.
const testSpeed = 120

type runbookTestOptions struct {
	lab        string
	speed      float64
	parameters parameterOptions
}

func newRunbookTestCommand(a *app) *cobra.Command {
	o := &runbookTestOptions{}
	c := &cobra.Command{
		Use:   "test FILE",
		Short: "Run a step runbook on a simulated lab",
		Long: `Plan a step runbook and carry it out on a simulated lab, in this process: nothing outside is touched, your own lab neither.
The plan and the result are printed; what asks for a yes gets one. The machines that the runbook names are there,
and take every command; in all guests programs can be started; waits are as much shorter as the lab is faster. The exit code is that of the run.

--on is one of:
` + simulatedHelp(),
		Args: wants("FILE"),
		RunE: func(c *cobra.Command, args []string) error { return runRunbookTest(c.Context(), a, *o, args[0]) },
	}
	f := c.Flags()
	f.StringVar(&o.lab, "on", simulated[0].name, "the simulated `LAB`")
	f.Float64Var(&o.speed, "speed", testSpeed, "how much faster than a real lab")
	o.parameters.addFlags(f)
	return c
}

func runRunbookTest(ctx context.Context, a *app, o runbookTestOptions, path string) (err error) {
	files, err := a.filesWith(path)
	if err != nil {
		return err
	}
	rb, err := runbooks.Read(files[0], files[1:])
	if err != nil {
		return err
	}
	given, err := o.parameters.given()
	if err != nil {
		return err
	}
	params, err := rb.Check(given)
	if err != nil {
		return usage("%w", err)
	}
	spec, err := simulatedSpec(o.lab)
	if err != nil {
		return err
	}
	home, err := os.MkdirTemp("", "nightshift-test-")
	if err != nil {
		return fmt.Errorf("make a state directory for the test: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(home)) }()
	dir, err := openState(ctx, home)
	if err != nil {
		return err
	}
	sim, err := simulate(ctx, dir, takesSteps(spec, rb.Machines(params)), o.speed)
	if err != nil {
		return errors.Join(err, dir.Close())
	}
	defer sim.Close()
	if err := copyRunbooks(sim.lab.LibraryDir(), files); err != nil {
		return errors.Join(err, dir.Close())
	}
	silence, err := a.overhear(ctx, sim.lab, rb.Channels(params))
	if err != nil {
		return errors.Join(err, dir.Close())
	}
	defer silence()
	st, err := a.demoStation(ctx, dir, sim)
	if err != nil {
		return err
	}
	s := st.session()
	s.ui = "" // its pages go with the test
	err = a.tryRunbook(ctx, s, rb, params)
	if stopErr := st.Stop(); stopErr != nil && err == nil {
		err = stopErr
	}
	return err
}

// takesSteps is the lab with what step runbooks need beside: machines that take commands, logins in guests, DRS that moves them.
func takesSteps(s simlab.Spec, machines []string) simlab.Spec {
	for i := range s.Clusters {
		s.Clusters[i].Evacuates = true
	}
	for i := range s.Guests {
		s.Guests[i].Login = true
	}
	for _, name := range machines {
		s.Machines = append(s.Machines, simlab.MachineSpec{Name: name, Appliance: true, TakesAll: true})
	}
	return s
}

func copyRunbooks(dir string, files []inventory.RunbookFile) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("copy the runbook: %w", err)
	}
	for _, f := range files {
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(f.Path)), f.Data, 0o600); err != nil {
			return fmt.Errorf("copy the runbook: %w", err)
		}
	}
	return nil
}

// tryRunbook carries the runbook out, says yes to what asks, and tells how it ended.
func (a *app) tryRunbook(ctx context.Context, s *session, rb runbooks.Runbook, params map[string]string) error {
	run, err := a.start(ctx, s, rb, runapi.Params{Lab: s.lab, Runbook: rb.Name, Parameters: params, By: a.who, Approved: true}, nil)
	if err != nil {
		return err
	}
	if _, err := a.untilPlanned(ctx, s, run, false); err != nil {
		return demoInterrupted(err)
	}
	p, err := s.runs.Plan(ctx, run)
	if err != nil {
		return demoInterrupted(err)
	}
	if p != nil && !a.json() {
		a.printf("%s\n", a.tree(*p, true))
	}
	sheet, err := a.followSaying(ctx, s, run, p)
	if err != nil {
		return demoInterrupted(err)
	}
	r := report.Assemble(run, sheet, p, a.now())
	if a.json() {
		if err := a.writeJSON(r); err != nil {
			return err
		}
	} else {
		r.Summary(a.out)
	}
	return silent(codeOf(r))
}

// followSaying watches a run until it ends, or is blocked by something else than a question.
func (a *app) followSaying(ctx context.Context, s *session, run string, p *plan.Plan) (runapi.Sheet, error) {
	stuck := func(sheet runapi.Sheet) bool { return sheet.Blocked > 0 && sheet.Running == 0 }
	for {
		progress := a.newProgress()
		f := &follower{app: a, session: s, run: run, progress: progress, until: stuck}
		sheet, err := f.follow(ctx)
		progress.Close()
		if err != nil || sheet.Outcome != "" || p == nil {
			return sheet, err
		}
		asks := false
		for i, c := range sheet.Steps {
			if step := p.Steps[i]; c == runapi.Blocked && step.Action == plan.Confirm {
				asks = true
				a.notef("%s: yes", step.Message())
				if _, err := s.runs.Order(ctx, run, runapi.Confirm, runapi.Order{By: a.who, Steps: []string{step.ID}, Reason: "test"}); err != nil {
					return sheet, err
				}
			}
		}
		if !asks {
			return sheet, nil
		}
	}
}
