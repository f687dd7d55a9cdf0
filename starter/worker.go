package main

import (
	"cmp"
	"context"
	"errors"

	"github.com/spf13/cobra"

	"go.temporal.io/sdk/client"
)

type workerOptions struct {
	log       logOptions
	telemetry telemetryOptions
}

func newWorkerCommand(a *app) *cobra.Command {
	o := &workerOptions{}
	c := &cobra.Command{
		Use:   "worker",
		Short: "Run a worker for the lab against an external Temporal",
		Long: `Run a worker for the lab of the lab file against an external Temporal service, named by --temporal-address or
TEMPORAL_ADDRESS and its like. "nightshift serve" has a worker of its own.`,
		Args: atMost(0),
		RunE: func(c *cobra.Command, _ []string) error { return runWorker(c.Context(), a, *o) },
	}
	o.log.addFlags(c.Flags())
	o.telemetry.addFlags(c.Flags())
	return c
}

func runWorker(ctx context.Context, a *app, o workerOptions) error {
	w, external, err := a.external()
	if err != nil {
		return err
	}
	if !external {
		return usage("worker needs a Temporal service: give --temporal-address or TEMPORAL_ADDRESS (`nightshift serve` has both in one process)")
	}
	lab, err := a.loadLab()
	if err != nil {
		return err
	}
	w.Lab = lab.Lab
	papers, err := a.stateDir()
	if err != nil {
		return err
	}
	st := &station{lab: lab, where: w, papers: papers}
	home := w.Options.HostPort + "/" + cmp.Or(w.Options.Namespace, client.DefaultNamespace)
	if err := st.work(ctx, home, a.logger(o.log), o.telemetry); err != nil {
		st.abandon()
		return err
	}
	a.printf("nightshift works for lab %s (from %s) on the Temporal service at %s. Ctrl-C stops it.\n", lab.Lab, lab.Path, w.Options.HostPort)
	a.warnOfSecrets(ctx, lab)
	err = st.wait(ctx)
	a.notef("Stopping: what is on the wire is finished first, runs go on with the next worker.")
	return errors.Join(err, st.Stop())
}

// abandon stops what was started, after something else failed.
func (st *station) abandon() { _ = st.Stop() }
