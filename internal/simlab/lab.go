// Package simlab is a lab that refuses what a real one refuses: a vCenter (govmomi's simulator, extended where it falls
// short), hosts with an API of their own, one BMC per server wired to its host, machines that take commands over SSH, storage hosts (package
// storage), guests
// that take their time or ignore a shutdown, vCLS, HA, real logins over TLS, and faults at every boundary. The demo, the
// tests and the benchmarks run on it.
//
// It is seen from the outside only: it knows neither Temporal nor the product's device clients, but for the scripts that they send. What it receives is
// recorded, so that a test can count destructive calls.
package simlab

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand"
	"net"
	"net/http"
	"sync"
	"time"

	"nightshift/internal/heldport"
	"nightshift/internal/simlab/storage"
)

// Config says how a lab runs.
type Config struct {
	Spec Spec
	// Speed divides all durations: 1 (default) is as slow as a real lab, 60 sixty times faster.
	Speed float64
	// Ports to listen on, on 127.0.0.1. A lab that starts again on the same ports is found by clients of the first.
	Ports Ports
	// Seed makes identities and jitter repeatable. Passwords and certificates are new every time.
	Seed int64
	// OnCall is called for every call that changes something, when it is received and before it acts.
	OnCall func(Record)
}

// Ports of a lab; 0 is any free one. BMCs, and hosts that have an API of their own,
// take consecutive ports in the order of the spec's hosts.
type Ports struct{ VCenter, BMC, ESXi, Health int }

// A Lab is a simulated lab that runs.
type Lab struct {
	spec  Spec
	speed float64

	mu         sync.Mutex // the world
	changed    chan struct{}
	clusters   []*cluster
	hosts      []*host
	guests     []*guest
	datastores map[string]*datastore
	vcGuest    *guest // the vCenter runs in it; nil: outside
	vcState    string
	vcEpoch    int // of vcGuest, as followed

	vc       *vcenter
	esxis    esxis
	bmcs     map[string]*bmc // by host
	ipmis    map[string]*ipmiBMC
	sleepers []*sleeper
	health   string // base URL of the guests' health pages
	gatesMu  sync.Mutex
	gates    map[string]*gate // by system
	apps     []*application
	machines []*sshNode
	storages []*storageHost
	wires    *storage.Network // between them
	rec      recorder
	faults   faults

	rngMu sync.Mutex
	rng   *rand.Rand

	ctx    context.Context //nolint:containedctx // the lab's own life
	cancel context.CancelFunc
	life   sync.Mutex // goroutines begin under it, so that none begins after Close
	wg     sync.WaitGroup
	closes []func()
}

// Start builds the lab and serves it until ctx ends or Close is called.
func Start(ctx context.Context, cfg Config) (*Lab, error) {
	spec, err := cfg.Spec.complete(cfg.Seed)
	if err != nil {
		return nil, err
	}
	l := &Lab{
		spec: spec, speed: cfg.Speed, changed: make(chan struct{}),
		bmcs: map[string]*bmc{}, ipmis: map[string]*ipmiBMC{}, gates: map[string]*gate{}, esxis: esxis{all: map[*host]*esxi{}},
		datastores: map[string]*datastore{}, vcState: vcUp,
		rec: recorder{logins: map[string]Logins{}, on: cfg.OnCall},
		rng: rand.New(rand.NewSource(cfg.Seed)), //nolint:gosec // jitter
	}
	if l.speed <= 0 {
		l.speed = 1
	}
	l.ctx, l.cancel = context.WithCancel(ctx)
	if err := l.start(cfg); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

func (l *Lab) start(cfg Config) error {
	if err := l.startHealth(cfg.Ports.Health); err != nil {
		return err
	}
	if err := l.buildVCenter(cfg.Seed); err != nil {
		return err
	}
	port := cfg.Ports.BMC
	for _, h := range l.hosts {
		if h.spec.WakeOnLAN {
			if err := l.startSleeper(h); err != nil {
				return err
			}
		}
		if h.spec.NoBMC || h.spec.WakeOnLAN {
			continue
		}
		start := l.startBMC
		if h.spec.IPMI {
			start = l.startIPMI
		}
		if err := start(h, port); err != nil {
			return err
		}
		if port != 0 {
			port++
		}
	}
	if err := l.serveVCenter(cfg.Ports.VCenter); err != nil {
		return err
	}
	if err := l.startESXis(cfg.Ports.ESXi); err != nil {
		return err
	}
	if err := l.startApplications(); err != nil {
		return err
	}
	if err := l.startMachines(); err != nil {
		return err
	}
	if err := l.startStorage(cfg.Seed); err != nil {
		return err
	}
	l.goRun(l.tendVCLS)
	return nil
}

// Close ends the lab and everything in it.
func (l *Lab) Close() {
	l.life.Lock()
	l.cancel()
	l.life.Unlock()
	l.life.Lock()
	closes := l.closes
	l.closes = nil
	l.life.Unlock()
	for i := len(closes) - 1; i >= 0; i-- {
		closes[i]()
	}
	l.wg.Wait()
	for _, e := range l.esxis.list() {
		e.remove()
	}
	if l.vc != nil {
		l.vc.model.Remove()
		l.vc = nil
	}
}

// Spec returns what the lab consists of, defaults filled in.
func (l *Lab) Spec() Spec { return l.spec }

// listen serves handler on 127.0.0.1 behind a gate, over TLS if a certificate is given. It returns host:port.
func (l *Lab) listen(system string, port int, cert *tls.Certificate, handler http.Handler) (string, error) {
	ln, err := heldport.Listen(l.ctx, "127.0.0.1", port)
	if err != nil {
		return "", fmt.Errorf("simulated lab %s: listen for %s on port %d: %w", l.spec.Name, system, port, err)
	}
	g := newGate(ln)
	l.gatesMu.Lock()
	l.gates[system] = g
	l.gatesMu.Unlock()
	var serve net.Listener = g
	if cert != nil {
		serve = tls.NewListener(g, serverTLS(*cert))
	}
	srv := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute, ErrorLog: log.New(io.Discard, "", 0)}
	srv.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if l.begin() {
			defer l.wg.Done()
			handler.ServeHTTP(w, r)
		}
	})
	l.life.Lock()
	defer l.life.Unlock()
	if err := l.ctx.Err(); err != nil {
		_ = ln.Close() // the lab was closed meanwhile
		return "", err
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := srv.Serve(serve); err != nil && !errors.Is(err, http.ErrServerClosed) {
			l.cancel()
		}
	}()
	l.closes = append(l.closes, func() {
		_ = srv.Close() // connections that are gone already are no matter
		<-done
	})
	return ln.Addr().String(), nil
}
