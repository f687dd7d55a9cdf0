package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nightshift/internal/engine"
	"nightshift/internal/inventory"
	"nightshift/internal/statedir"
	"nightshift/internal/words"
)

type serveOptions struct {
	engine   engineOptions
	simulate string // the name of the simulated lab
	speed    float64
	trouble  troubleOptions
	log      logOptions
	ports    bool // they were asked for
}

func newServeCommand(a *app) *cobra.Command {
	o := &serveOptions{}
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run the engine, its UI and a worker for the lab",
		Long: `Run a Temporal server on a file in the state directory, the Temporal UI and a worker for the lab of the lab file. Other
nightshift commands find it by the state directory. It goes on where it was after a stop, a crash or a power cut.

With --temporal-address (or TEMPORAL_ADDRESS) no engine is run: the same as "nightshift worker".
With --simulate a simulated lab is served, in a state directory of its own that starts empty each time;
where the usual ports are taken it takes free ones.

Neither Temporal nor its UI asks who is there: keep them on the loopback address, or behind something that does.`,
	}
	f := c.Flags()
	c.Args = func(c *cobra.Command, args []string) error {
		if len(args) > 0 && f.Changed("simulate") && o.simulate == simulated[0].name { // --simulate LAB, which pflag takes for --simulate and an argument
			o.simulate, args = args[0], args[1:]
		}
		return noMore(c, args, 0)
	}
	c.RunE = func(c *cobra.Command, _ []string) error {
		o.ports = f.Changed("port") || f.Changed("ui-port") || f.Changed("listen")
		return runServe(c.Context(), a, *o)
	}
	f.StringVar(&o.engine.listen, "listen", engine.DefaultIP, "`IP` address to listen on")
	f.IntVar(&o.engine.port, "port", engine.DefaultPort, "port of Temporal; 0 takes a free one")
	f.IntVar(&o.engine.uiPort, "ui-port", engine.DefaultUIPort, "port of the Temporal UI; 0 takes a free one, -1 leaves the UI out")
	f.DurationVar(&o.engine.retention, "retention", engine.DefaultRetention, "how long ended runs are kept")
	f.StringVar(&o.simulate, "simulate", "", "serve a simulated `LAB`: "+strings.Join(simulatedNames(), ", "))
	f.Lookup("simulate").NoOptDefVal = simulated[0].name
	f.Float64Var(&o.speed, "speed", defaultSpeed, "how much faster than a real lab the simulated one is")
	o.trouble.addFlags(f)
	o.log.addFlags(f)
	o.engine.telemetry.addFlags(f)
	return c
}

func runServe(ctx context.Context, a *app, o serveOptions) error {
	if o.trouble.help() {
		a.printf("%s", troublesHelp())
		return nil
	}
	_, external, err := a.external()
	if err != nil {
		return err
	}
	switch {
	case len(o.trouble.faults) > 0 && o.simulate == "":
		return usage("--fault is for a simulated lab: give --simulate, too")
	case external && o.simulate != "":
		return usage("serve --simulate runs its own engine: leave out --temporal-address and TEMPORAL_ADDRESS")
	case external:
		return runWorker(ctx, a, workerOptions{log: o.log, telemetry: o.engine.telemetry})
	case o.simulate != "":
		return a.serveSimulated(ctx, o)
	}
	lab, err := a.loadLab()
	if err != nil {
		return err
	}
	path, err := a.stateDir()
	if err != nil {
		return err
	}
	if err := statedir.Whole(path); err != nil {
		return err
	}
	dir, err := openState(ctx, path)
	if err != nil {
		return err
	}
	return a.serveLab(ctx, dir, lab, o)
}

// serveSimulated serves a simulated lab. What an earlier one left would be about machines that never were.
func (a *app) serveSimulated(ctx context.Context, o serveOptions) error {
	spec, err := simulatedSpec(o.simulate)
	if err != nil {
		return err
	}
	if _, err := o.trouble.of(spec); err != nil { // before anything of an earlier one is wiped
		return err
	}
	path, err := a.stateDir()
	if err != nil {
		return err
	}
	dir, err := openState(ctx, simulatedDir(path))
	if err != nil {
		return err
	}
	if !o.ports { // what it serves is a toy: it gives way to a real nightshift
		o.engine.port, o.engine.uiPort = freeOr(engine.DefaultPort), freeOr(engine.DefaultUIPort)
	}
	sim, err := startSimulation(ctx, dir, o.simulate, o.speed, o.trouble)
	if err != nil {
		return errors.Join(err, dir.Close())
	}
	defer sim.Close()
	o.engine.speed = sim.speed
	return a.serveLab(ctx, dir, sim.lab, o)
}

// serveLab serves until the context ends. It closes the directory.
func (a *app) serveLab(ctx context.Context, dir *statedir.Dir, lab *inventory.Lab, o serveOptions) error {
	logger := a.logger(o.log)
	for _, n := range dir.Notices() {
		a.notef("%s", n)
	}
	st, err := startStation(ctx, dir, lab, o.engine, logger, a.tellDisk)
	if err != nil {
		return err
	}
	a.tellServed(st, o)
	if r, ok, err := statedir.ReadRestored(dir.Path()); ok {
		a.tellRestore(dir.Path(), r)
	} else if err != nil {
		a.notef("The note about a restore cannot be read: %v", err)
	}
	a.warnOfSecrets(ctx, lab)
	dead := st.wait(ctx)
	a.notef("Stopping: what is on the wire is finished first, runs go on at the next start (Ctrl-C again stops at once).")
	if err := st.Stop(); err != nil {
		return errors.Join(dead, fmt.Errorf("stop: %w", err))
	}
	a.notef("Stopped.")
	return dead
}

func (a *app) tellServed(st *station, o serveOptions) {
	if a.json() {
		_ = a.writeJSON(map[string]string{"lab": st.lab.Lab, "temporal": st.engine.Address(), "namespace": st.engine.Namespace(), "ui": st.engine.UIURL(), "stateDir": st.dir.Path()})
		return
	}
	p := a.paint()
	what := fmt.Sprintf("%s (%s), from %s", st.lab.Lab, labHolds(st.lab), st.lab.Path)
	if o.simulate != "" {
		what = fmt.Sprintf("%s, simulated, %g times as fast as a real one", st.lab.Lab, o.speed)
	}
	a.printf("%s\n", p.on(bold, "nightshift serves lab "+what))
	if st.where.UI != "" {
		a.printf("  Temporal UI     %s\n", st.where.UI)
	}
	a.printf("  Temporal        %s, namespace %s\n", st.engine.Address(), st.engine.Namespace())
	if at := st.telemetry.Address(); at != "" {
		a.printf("  metrics         http://%s/metrics\n", at)
	}
	a.printf("  state           %s\n", st.dir.Path())
	if o.simulate != "" {
		a.tellSimulated(st.lab)
	}
	a.printf("\n")
	self, more := cmp.Or(a.self, "nightshift"), ""
	if a.global.stateDir != "" {
		more = " --state-dir " + a.global.stateDir
	}
	a.printf("In another terminal:\n")
	if o.simulate == "" {
		a.printf("  %s%s lab check              does everything answer?\n", self, more)
	}
	for _, verb := range firstVerbs(st.lab) {
		a.printf("  %s%s %s\n", self, more, verb)
	}
	a.printf("\nCtrl-C stops it.\n")
}

// firstVerbs are what to try in a lab.
func firstVerbs(lab *inventory.Lab) (list []string) {
	if len(lab.Hosts) > 0 {
		list = append(list, "plan power-down        what would it do?", "run power-down         do it")
	}
	if len(lab.ProtectionGroups) > 0 {
		group := "replicate -p group=" + words.Shell(lab.ProtectionGroups[0].Name)
		list = append(list, "plan "+group+"   what would it do?", "run "+group+"    do it")
	}
	if list == nil {
		list = []string{"runbook list           what can it do?"}
	}
	return append(list, "status")
}

// tellSimulated says where the simulated lab is, for who wants to import it, or to serve a changed copy of its lab file.
func (a *app) tellSimulated(lab *inventory.Lab) {
	a.printf("  lab file        %s\n", lab.Path)
	for _, v := range lab.VCenters {
		a.printf("  vCenter         %s, user %s, password %s\n", v.URL, v.User, v.Password)
	}
}

// tellDisk says that the disk runs full, and that it does no more.
func (a *app) tellDisk(err error) {
	if err == nil {
		a.notef("%s There is space on the disk again.", a.now().Format(time.TimeOnly))
		return
	}
	a.notef("%s %v", a.now().Format(time.TimeOnly), err)
}
