// Package engine runs a real Temporal server, kept in one SQLite file, and the Temporal Web UI inside this process. It is the
// only package that imports the server, which takes minutes to compile; it knows nothing of labs and runbooks.
package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"go.temporal.io/server/common/authorization"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/temporal"

	"nightshift/internal/statedir"
)

const (
	// startTime is how long Temporal's services may take to come up. Its own limit is 15 seconds, which a small machine under
	// load passes now and then; and it cannot be begun anew in this process, as what has come up by then keeps its ports.
	startTime = 5 * time.Minute
	// slowTime is when it is said that they take long: after Temporal's own limit.
	slowTime = 20 * time.Second
	// readyTime is how long a server may take then to become usable: an old file on a slow disk takes a while.
	readyTime = 90 * time.Second
)

// Server is a running engine.
type Server struct {
	options Options
	address string
	uiURL   string

	temporal temporal.Server
	ui       *webUI // nil: none
	log      *serverLog
	endWatch context.CancelFunc
	watching sync.WaitGroup

	stop    sync.Once
	stopErr error
}

// Start brings the engine up and returns when runs can be started on it. The state directory's database is created, or
// migrated after a copy of it; one that cannot be used is left as it is. The server lives until Stop; ctx only bounds the start.
//
// A process may stop and start an engine on one directory again, but not on a new directory in the place of a removed one:
// Temporal keeps a database open until the process ends.
func Start(ctx context.Context, o Options) (*Server, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := statedir.CheckFree(o.Dir.Path(), statedir.MinFree, o.free); err != nil {
		return nil, err
	}
	p, err := takePorts(ctx, o.IP, o.Port, o.UIPort)
	if err != nil {
		return nil, err
	}
	s, err := start(ctx, o, p)
	if err != nil {
		return nil, errors.Join(err, p.release())
	}
	return s, nil
}

func start(ctx context.Context, o Options, p *ports) (*Server, error) {
	db := database{file: o.Dir.Database(), free: o.free, warn: o.Logger.Warn}
	if err := db.prepare(ctx); err != nil {
		return nil, err
	}
	if err := createNamespace(o); err != nil {
		return nil, err
	}
	watch := &diskWatch{path: o.Dir.Path(), free: o.free, log: o.Logger, notify: o.OnDisk}
	s := &Server{options: o, address: p.frontend.Addr().String(), log: newServerLog(o.Logger, watch.full)}
	if err := s.startTemporal(ctx, p); err != nil {
		return nil, err
	}
	s.startWatch(context.WithoutCancel(ctx), watch)
	waiting, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	err := p.releaseTemporal()
	if err == nil {
		err = ready(waiting, o, s.address)
	}
	if err == nil && p.ui != nil {
		s.uiURL = "http://" + p.ui.Addr().String()
		s.ui, err = startUI(p.ui, s.address, o.Namespace, o.Logger)
	}
	if err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	s.log.quiet.Store(false)
	return s, nil
}

// startTemporal runs in a goroutine of its own, which a fatal error of the server ends. One that is not waited for any longer,
// as the context has ended, goes on until the process ends.
func (s *Server) startTemporal(ctx context.Context, p *ports) error {
	s.log.quiet.Store(true) // until it is ready: services look for others that are not up yet
	done := make(chan error, 1)
	go func() {
		err := errors.New("it ended without saying why")
		defer func() {
			if r := recover(); r != nil {
				err = fmt.Errorf("panic: %v", r)
			}
			done <- err
		}()
		err = s.launch(p)
	}()
	err := s.awaitTemporal(ctx, done)
	if fatal := s.log.died(); fatal != "" {
		err = errors.New(fatal)
	}
	switch {
	case err == nil:
		return nil
	case strings.Contains(err.Error(), context.DeadlineExceeded.Error()): // a fatal error is but a text
		return fmt.Errorf("start Temporal server: it did not come up in time: %w; this machine is overloaded, or its disk very slow: look after that, and start nightshift again", err)
	}
	return fmt.Errorf("start Temporal server: %w", err)
}

func (s *Server) awaitTemporal(ctx context.Context, done <-chan error) error {
	slow := time.NewTimer(slowTime)
	defer slow.Stop()
	for {
		select {
		case err := <-done:
			return err
		case <-ctx.Done():
			return ctx.Err()
		case <-slow.C:
			s.options.Logger.Warn("the Temporal server takes long to start: this machine is busy, or its disk slow", "sofar", slowTime, "limit", startTime)
		}
	}
}

func (s *Server) launch(p *ports) error {
	c := serverConfig(s.options, p)
	claims, err := authorization.GetClaimMapperFromConfig(&c.Global.Authorization, s.log)
	if err != nil {
		return err
	}
	if err := p.handOver(); err != nil {
		return err
	}
	srv, err := temporal.NewServer(
		temporal.WithConfig(c),
		temporal.ForServices(temporal.DefaultServices),
		temporal.WithStaticHosts(p.staticHosts()),
		temporal.WithLogger(s.log),
		temporal.WithAuthorizer(s.options.authorizer),
		temporal.WithClaimMapper(func(*config.Config) authorization.ClaimMapper { return claims }),
		temporal.WithDynamicConfigClient(dynamicConfig()),
	)
	if err != nil {
		return err
	}
	s.temporal = srv
	return srv.Start() // returns when the services are up
}

// startWatch gets a context that outlives the start: the watch lives as long as the server.
func (s *Server) startWatch(ctx context.Context, w *diskWatch) {
	ctx, cancel := context.WithCancel(ctx)
	s.endWatch = cancel
	s.watching.Go(func() { w.run(ctx, s.options.interval) })
}

// Address is host:port of Temporal's frontend.
func (s *Server) Address() string { return s.address }

// Namespace is the one that runs live in.
func (s *Server) Namespace() string { return s.options.Namespace }

// UIURL is the address of the Temporal Web UI, without a slash at the end; empty when there is none.
func (s *Server) UIURL() string { return s.uiURL }

// Stop ends the UI, then the server, and brings everything from the log into the database file. Stop workers and close
// clients before. Calls after the first return the same error.
func (s *Server) Stop() error {
	s.stop.Do(func() { s.stopErr = s.shutdown() })
	return s.stopErr
}

func (s *Server) shutdown() error {
	s.log.quiet.Store(true)     // the services are noisy while they go down
	ctx := context.Background() //nolint:forbidigo // a stop is not given up half-way: no caller's context, bounds of its own
	var errs []error
	if s.ui != nil {
		if err := s.ui.stop(ctx); err != nil {
			errs = append(errs, fmt.Errorf("stop Temporal Web UI: %w", err))
		}
	}
	if err := s.temporal.Stop(); err != nil {
		errs = append(errs, fmt.Errorf("stop Temporal server: %w", err))
	}
	s.endWatch()
	s.watching.Wait()
	if err := checkpoint(ctx, s.options.Dir.Database()); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// checkpoint empties the write-ahead log. The server's pool never closes a file, so nobody else does; without it nothing is
// lost, but a copy of the file alone would be old.
func checkpoint(ctx context.Context, file string) error {
	db, err := openSQLite(file, "rw")
	if err != nil {
		return explain(file, "close", err)
	}
	_, err = db.ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)")
	if err := errors.Join(err, db.Close()); err != nil {
		return explain(file, "close", err)
	}
	return nil
}
