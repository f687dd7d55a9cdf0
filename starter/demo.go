package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"nightshift/internal/engine"
	"nightshift/internal/plan"
	"nightshift/internal/report"
	"nightshift/internal/runapi"
	"nightshift/internal/statedir"
	"nightshift/internal/words"
	"nightshift/runbooks"
)

// defaultSpeed is how much faster than a real lab the simulated one is: a power-down takes seconds, and one sees it go.
const defaultSpeed = 30

type demoOptions struct {
	lab   string
	exit  bool
	speed float64
	// storage is the same as the lab of that name.
	storage bool
	troubleOptions
}

func newDemoCommand(a *app) *cobra.Command {
	o := &demoOptions{}
	c := &cobra.Command{
		Use:   "demo [LAB]",
		Short: "See a simulated lab go down and come up again",
		Long: `Power a simulated lab down and up again before your eyes: a vCenter, five servers with their BMCs and a dozen guests,
of which one ignores its shutdown and one has no Tools. Nothing outside this process is touched.
It listens on this machine alone: on the usual ports, or on free ones where these are taken, by a nightshift that serves beside it, say.

Afterwards the Temporal UI and the lab stay up until Ctrl-C, to look around and to play with; --exit ends at once.
With --fault something goes wrong, so that you see a run that asks: --fault guest-ignores-shutdown=gitlab.

LAB is one of:
` + simulatedHelp(),
		Args: atMost(1), ValidArgs: simulatedNames(),
		RunE: func(c *cobra.Command, args []string) error {
			switch o.lab = simulated[0].name; {
			case o.storage && len(args) > 0 && args[0] != storageLab:
				return usage("--storage is the lab %s, not %s", storageLab, args[0])
			case o.storage:
				o.lab = storageLab
			case len(args) > 0:
				o.lab = args[0]
			}
			return runDemo(c.Context(), a, *o)
		},
	}
	c.Flags().BoolVar(&o.storage, "storage", false, "see replication, pruning and the identity guard instead: the lab storage")
	c.Flags().BoolVar(&o.exit, "exit", false, "end afterwards, with the exit code of the runs")
	o.addFlags(c.Flags())
	c.Flags().Float64Var(&o.speed, "speed", defaultSpeed, "how much faster than a real lab")
	return c
}

func runDemo(ctx context.Context, a *app, o demoOptions) (err error) {
	if o.speed <= 0 {
		return usage("--speed %g: more than 0", o.speed)
	}
	spec, err := simulatedSpec(o.lab)
	if err != nil {
		return err
	}
	if o.help() {
		a.printf("%s", troublesHelp())
		return nil
	}
	if _, err := o.of(spec); err != nil {
		return err
	}
	home, err := os.MkdirTemp("", "nightshift-demo-")
	if err != nil {
		return fmt.Errorf("make a state directory for the demo: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(home)) }()
	dir, err := openState(ctx, home)
	if err != nil {
		return err
	}
	sim, err := startSimulation(ctx, dir, o.lab, o.speed, o.troubleOptions)
	if err != nil {
		return errors.Join(err, dir.Close())
	}
	defer sim.Close()
	st, err := a.demoStation(ctx, dir, sim)
	if err != nil {
		return err
	}
	show := a.demonstrate
	if o.lab == storageLab {
		show = a.demonstrateStorage
	}
	err = show(ctx, st, sim, o)
	if stopErr := st.Stop(); stopErr != nil && err == nil {
		err = stopErr
	}
	if ctx.Err() != nil {
		a.notef("The demo is over.")
		return silent(exitCode(err))
	}
	return err
}

// demoStation takes free ports where the usual ones are taken: by a real nightshift, say. Its log goes to a file, as
// the terminal shows the runs.
func (a *app) demoStation(ctx context.Context, dir *statedir.Dir, sim *simulation) (*station, error) {
	logFile, err := os.OpenFile(filepath.Join(dir.Path(), "nightshift.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, errors.Join(err, dir.Close())
	}
	context.AfterFunc(ctx, func() { _ = logFile.Sync() })
	logger := slog.New(slog.NewTextHandler(logFile, &slog.HandlerOptions{Level: slog.LevelInfo}))
	o := engineOptions{listen: engine.DefaultIP, port: freeOr(engine.DefaultPort), uiPort: freeOr(engine.DefaultUIPort), speed: sim.speed}
	return startStation(ctx, dir, sim.lab, o, logger, a.tellDisk)
}

// freeOr is the port, or 0 (any) where it is taken.
func freeOr(port int) int {
	l, err := net.Listen("tcp", net.JoinHostPort(engine.DefaultIP, strconv.Itoa(port)))
	if err != nil || l.Close() != nil {
		return 0
	}
	return port
}

// demonstrate powers the lab down and up, tells what happened, and waits.
func (a *app) demonstrate(ctx context.Context, st *station, sim *simulation, o demoOptions) error {
	s := st.session()
	began := a.now()
	a.demoIntro(st, o)
	code := exitDone
	reports := []report.Report{}
	for _, name := range []string{runbooks.PowerDown, runbooks.PowerUp} {
		r, err := a.demoRun(ctx, s, name, nil)
		if err != nil {
			return err
		}
		reports = append(reports, r)
		if code = max(code, codeOf(r)); code != exitDone {
			break // a lab that isn't down as planned is not what power-up is to show
		}
		a.tell("\n%s", sim.sight())
	}
	a.demoSummary(reports, sim, a.now().Sub(began))
	if o.exit || ctx.Err() != nil {
		return silent(code)
	}
	a.demoStay(st, "runs", "report latest", "run power-down", "status")
	if err := st.wait(ctx); err != nil {
		return err
	}
	return silent(code)
}

func (a *app) demoIntro(st *station, o demoOptions) {
	p := a.paint()
	a.tell("%s", p.on(bold, fmt.Sprintf("A simulated lab (%s, %s), %g times as fast as a real one, goes down and comes up again.",
		words.Count(len(st.lab.Hosts), "host"), words.Count(len(st.lab.VCenters), "vCenter"), o.speed)))
	a.tell("First nightshift inspects it and makes a plan; then a durable run carries the plan out, each step as soon as what it needs is done.")
	a.demoWatch(st, o)
}

// demoWatch says what goes wrong, and where to watch and to answer.
func (a *app) demoWatch(st *station, o demoOptions) {
	p := a.paint()
	for _, f := range o.faults {
		a.tell("Something goes wrong: %s", p.on(yellow, f))
	}
	if len(o.faults) > 0 {
		a.tell("Where a run asks, answer in another terminal, with: export NIGHTSHIFT_STATE_DIR=%s", st.dir.Path())
	}
	a.tell("Watch the same in the Temporal UI: %s", p.on(cyan, cmp.Or(st.where.UI, "(none)")))
}

// demoRun carries out one runbook with its progress. The plan is shown in short.
func (a *app) demoRun(ctx context.Context, s *session, name string, given map[string]string) (report.Report, error) {
	rb, _ := runbooks.Lookup(name)
	command := "nightshift run " + name
	for _, p := range sortedKeys(given) {
		command += " -p " + p + "=" + given[p]
	}
	a.tell("\n%s", a.paint().on(bold, command))
	run, err := a.start(ctx, s, rb, runapi.Params{Lab: s.lab, Runbook: rb.Name, Parameters: given, By: a.who, Approved: true}, nil)
	if err != nil {
		return report.Report{}, err
	}
	if _, err := a.untilPlanned(ctx, s, run, false); err != nil {
		return report.Report{}, demoInterrupted(err)
	}
	p, err := s.runs.Plan(ctx, run)
	if err != nil {
		return report.Report{}, demoInterrupted(err)
	}
	switch {
	case p == nil:
	case len(p.Rollups) > 0: // which go, which stay, and why
		a.tell("%s", a.tree(*p, false))
	default:
		a.tell("%s\n", inShort(*p))
	}
	progress := a.newProgress()
	f := &follower{app: a, session: s, run: run, progress: progress, until: a.untilStuck()}
	sheet, err := f.follow(ctx)
	progress.Close()
	if err != nil {
		return report.Report{}, demoInterrupted(err)
	}
	r := report.Assemble(run, sheet, p, a.now())
	r.Link = s.link(run)
	if !a.json() {
		r.Summary(a.out)
		a.printf("\nReport: nightshift report %s\n", run)
	}
	return r, nil
}

// demoInterrupted: the engine of a demo ends with it, so there is nothing that goes on.
func demoInterrupted(err error) error {
	if errors.Is(err, context.Canceled) {
		return silent(exitAborted)
	}
	return err
}

// inShort is a plan in a few lines: what it does to how many things.
func inShort(p plan.Plan) string {
	number := map[plan.Action]int{}
	for _, s := range p.Steps {
		number[s.Action]++
	}
	text := fmt.Sprintf("Plan %s, %s:", plan.ShortHash(p.Hash()), words.Count(len(p.Steps), "step"))
	for _, w := range []struct {
		action     plan.Action
		verb, what string
	}{
		{plan.RememberRunning, "remember what runs", ""},
		{plan.SuspendSetting, "take out of the way", "cluster setting"},
		{plan.StopApplication, "stop", "application cluster"},
		{plan.ShutdownGuest, "shut down", "guest"},
		{plan.EnterMaintenance, "put into maintenance mode", "host"},
		{plan.ShutdownHost, "shut down", "host"},
		{plan.PowerOnHost, "switch on", "host"},
		{plan.AwaitVCenter, "wait for", "vCenter"},
		{plan.ExitMaintenance, "take out of maintenance mode", "host"},
		{plan.SettleDebt, "put back", "cluster setting"},
		{plan.PowerOnGuest, "start", "guest"},
		{plan.CheckGuest, "see healthy", "guest"},
		{plan.StartApplication, "start", "application cluster"},
		{plan.SnapshotGroup, "take one atomic snapshot of the group", ""},
		{plan.SendDataset, "send", "dataset"},
		{plan.VerifyReplicas, "compare both sides", ""},
		{plan.KeepPoint, "keep the new recovery point on both sides", ""},
		{plan.SaveRecord, "write down how it is shown, and which VMs lie on it", ""},
		{plan.InspectVolume, "inspect", "LUN"},
	} {
		switch n := number[w.action]; {
		case n > 0 && w.what == "":
			text += "\n  " + w.verb
		case n > 0:
			text += "\n  " + w.verb + " " + words.Count(n, w.what)
		}
	}
	return text
}

func codeOf(r report.Report) int {
	return outcomeCode(runapi.Sheet{Outcome: r.Outcome, Phase: r.Phase, Blocked: r.Counts.Blocked, Running: r.Counts.Running})
}

func (a *app) demoSummary(reports []report.Report, sim *simulation, took time.Duration) {
	twice, total := sim.twice(reports)
	if a.json() {
		_ = a.writeJSON(map[string]any{"runs": reports, "calls": total, "sentTwice": twice, "seconds": took.Round(time.Second).Seconds()})
		return
	}
	p := a.paint()
	a.printf("\n%s\n", p.on(bold, "What happened, in "+words.Tight(took)))
	wide := 0
	for _, r := range reports {
		wide = max(wide, len(r.Runbook))
	}
	for _, r := range reports {
		a.printf("  %-*s  %-8s  %s in %s\n", wide, r.Runbook, cmp.Or(r.Outcome, report.StateBlocked), words.Of(r.Counts.Done, r.Counts.Total, "step"), words.Tight(time.Duration(r.Seconds*float64(time.Second))))
	}
	a.printf("  The lab received %s that change something", words.Count(total, "call"))
	if len(twice) == 0 {
		a.printf("; none of them was sent twice.\n")
		return
	}
	a.printf("; sent more than once:\n")
	for _, t := range twice {
		a.printf("    %s\n", t)
	}
}

// demoStay says what can be done while the demo stays up.
func (a *app) demoStay(st *station, verbs ...string) {
	dir := st.dir.Path()
	a.tell("\nThe lab and the Temporal UI (%s) stay up until Ctrl-C. In another terminal:", st.where.UI)
	for _, verb := range verbs {
		a.tell("  %s --state-dir %s %s", cmp.Or(a.self, "nightshift"), dir, verb)
	}
}
