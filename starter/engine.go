package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"nightshift/internal/engine"
	"nightshift/internal/inventory"
	"nightshift/internal/statedir"
	"nightshift/worker"
	"nightshift/worker/telemetry"
	"nightshift/workflows"
)

// engineOptions say how the embedded engine listens.
type engineOptions struct {
	listen       string
	port, uiPort int
	retention    time.Duration
	speed        float64 // of a simulated lab; 0: the lab is a real one
	telemetry    telemetryOptions
}

// A station is everything that runs in one process of serve or demo: the engine, a client of it and a worker for a lab.
type station struct {
	dir    *statedir.Dir
	engine *engine.Server // nil for an external Temporal
	client client.Client
	worker *worker.Worker
	lab    *inventory.Lab
	where  where
	papers string  // where pages for people are written
	speed  float64 // as in engineOptions

	telemetry *telemetry.Telemetry
}

// openState locks the state directory for this process.
func openState(ctx context.Context, path string) (*statedir.Dir, error) {
	dir, err := statedir.Open(path)
	if err != nil {
		return nil, err
	}
	if err := dir.Lock(ctx); err != nil {
		return nil, err
	}
	return dir, nil
}

// startStation brings up engine, client and worker on a locked state directory, and publishes the address. On an error
// everything that was started is stopped again, the directory included.
func startStation(ctx context.Context, dir *statedir.Dir, lab *inventory.Lab, o engineOptions, logger *slog.Logger, onDisk func(error)) (*station, error) {
	st := &station{dir: dir, lab: lab, speed: o.speed}
	err := st.start(ctx, o, logger, onDisk)
	if err != nil {
		return nil, errors.Join(err, st.Stop())
	}
	return st, nil
}

func (st *station) start(ctx context.Context, o engineOptions, logger *slog.Logger, onDisk func(error)) error {
	var err error
	st.engine, err = engine.Start(ctx, engine.Options{Dir: st.dir, IP: o.listen, Port: o.port, UIPort: o.uiPort, Retention: o.retention,
		SearchAttributes: workflows.SearchAttributes(), Logger: logger, OnDisk: onDisk})
	if err != nil {
		return err
	}
	st.where = where{Options: client.Options{HostPort: st.engine.Address(), Namespace: st.engine.Namespace()}, UI: st.engine.UIURL(), Lab: st.lab.Lab, Source: st.dir.Path(), Speed: st.speed}
	st.papers = st.dir.Path()
	if err := st.work(ctx, localHome(st.dir.Path()), logger, o.telemetry); err != nil {
		return err
	}
	labFile, err := filepath.Abs(st.lab.Path)
	if err != nil {
		return err
	}
	return st.dir.Publish(statedir.Address{Temporal: st.engine.Address(), Namespace: st.engine.Namespace(), UI: st.engine.UIURL(),
		Lab: st.lab.Lab, LabFile: labFile, PID: os.Getpid(), Started: time.Now().UTC(), Version: thisVersion().Version, Speed: st.speed})
}

// work connects and starts the worker. The home, a state directory or a Temporal service, tells this nightshift from
// others that may work on the same lab.
func (st *station) work(ctx context.Context, home string, logger *slog.Logger, o telemetryOptions) error {
	var err error
	if st.telemetry, err = o.start(ctx, st.lab.Lab, logger); err != nil {
		return err
	}
	interceptors, err := st.telemetry.Interceptors()
	if err != nil {
		return err
	}
	options := st.where.Options
	options.Logger = log.NewStructuredLogger(logger)
	if st.engine != nil { // within one process there is nothing to be won by packing what is sent
		options.ConnectionOptions.GrpcCompression = &client.GrpcCompressionNone{}
	}
	st.telemetry.Client(&options)
	if st.client, err = client.DialContext(ctx, options); err != nil {
		return fmt.Errorf("no answer from the Temporal service at %s (from %s): %w", options.HostPort, st.where.Source, err)
	}
	st.worker, err = worker.Start(ctx, worker.Config{Client: st.client, Namespace: options.Namespace, Lab: st.lab, Instance: home, Logger: logger,
		Address: options.HostPort, Papers: st.papers, UI: st.where.UI, Speed: st.speed, Interceptors: interceptors})
	if err == nil {
		st.telemetry.Watch(st.client, options.Namespace, st.lab)
	}
	return err
}

// localHome names a state directory on this machine.
func localHome(dir string) string {
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	return host + ":" + dir
}

// wait returns when the context ends, or with an error when the worker has died: what looks alive and does nothing is worse
// than what is down, as nothing starts it again.
func (st *station) wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-st.worker.Dead():
		return fmt.Errorf("the worker for lab %s has died, no run of it goes on here: %w", st.lab.Lab, err)
	}
}

// session talks to the station from within its own process.
func (st *station) session() *session {
	s := newSession(st.client, st.where)
	s.close = nil // the station closes its client
	return s
}

// Stop ends everything, in the order in which nothing loses what it needs: worker, client, UI and server, directory.
func (st *station) Stop() error {
	var errs []error
	if st.worker != nil {
		st.worker.Stop()
	}
	errs = append(errs, st.telemetry.Close())
	if st.client != nil {
		st.client.Close()
	}
	if st.engine != nil {
		errs = append(errs, st.engine.Stop())
	}
	if st.dir != nil {
		errs = append(errs, st.dir.Close())
	}
	return errors.Join(errs...)
}
