package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"

	"nightshift/internal/heldport"
)

// ports are those an engine listens on. All are taken at once and held until they are used, so that a taken one is noticed
// before anything else is touched, and the free ones are different. They stay bound while Temporal comes up.
type ports struct {
	frontend, history, matching, worker net.Listener
	ui                                  net.Listener // nil: no UI
}

func takePorts(ctx context.Context, ip string, frontend, ui int) (*ports, error) {
	p := new(ports)
	var err error
	p.frontend, err = take(ctx, ip, frontend, "--port")
	if ui >= 0 {
		var other error
		p.ui, other = take(ctx, ip, ui, "--ui-port")
		if err != nil && other != nil && err.Error() != other.Error() { // both at once: who is told of one meets the other at the next start
			other = fmt.Errorf("%w; %w", err, other)
		}
		err = cmp.Or(other, err)
	}
	if err != nil {
		return nil, errors.Join(err, p.release())
	}
	for _, l := range []*net.Listener{&p.history, &p.matching, &p.worker} {
		if *l, err = take(ctx, ip, 0, "--port"); err != nil {
			return nil, errors.Join(err, p.release())
		}
	}
	return p, nil
}

func take(ctx context.Context, ip string, port int, flag string) (net.Listener, error) {
	l, err := heldport.Listen(ctx, ip, port)
	switch {
	case err == nil:
		return l, nil
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("port %d on %s is taken by another program: stop that one, or choose another port with %s (0 takes a free one)", port, ip, flag)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return nil, fmt.Errorf("listen on %s: this machine does not have that address: %w", ip, err)
	default:
		return nil, fmt.Errorf("listen on port %d of %s: %w; choose another port with %s (0 takes a free one)", port, ip, err, flag)
	}
}

// handOver has Temporal listen on its ports; it cannot be given listeners. Where a port cannot be kept for it, another
// program may be given one before Temporal is.
func (p *ports) handOver() error {
	give := heldport.Leave
	if !heldport.Held {
		give = net.Listener.Close
	}
	return errors.Join(give(p.frontend), give(p.history), give(p.matching), give(p.worker))
}

// releaseTemporal frees the ports that are kept for Temporal, which listens on them by now or never will.
func (p *ports) releaseTemporal() error {
	return closeAll(p.frontend, p.history, p.matching, p.worker)
}

func (p *ports) release() error { return errors.Join(p.releaseTemporal(), closeAll(p.ui)) }

func closeAll(listeners ...net.Listener) error {
	var errs []error
	for _, l := range listeners {
		if l == nil {
			continue
		}
		if err := l.Close(); !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
