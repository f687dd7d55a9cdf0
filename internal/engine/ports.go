package engine

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"
)

// ports are those an engine listens on. All are taken at once and held until they are used, so that a taken one is noticed
// before anything else is touched, and the free ones are different.
type ports struct {
	frontend, history, matching, worker net.Listener
	ui                                  net.Listener // nil: no UI
}

func takePorts(ip string, frontend, ui int) (*ports, error) {
	p := new(ports)
	var err error
	p.frontend, err = take(ip, frontend, "--port")
	if ui >= 0 {
		var other error
		p.ui, other = take(ip, ui, "--ui-port")
		if err != nil && other != nil && err.Error() != other.Error() { // both at once: who is told of one meets the other at the next start
			other = fmt.Errorf("%w; %w", err, other)
		}
		err = cmp.Or(other, err)
	}
	if err != nil {
		return nil, errors.Join(err, p.release())
	}
	for _, l := range []*net.Listener{&p.history, &p.matching, &p.worker} {
		if *l, err = take(ip, 0, "--port"); err != nil {
			return nil, errors.Join(err, p.release())
		}
	}
	return p, nil
}

func take(ip string, port int, flag string) (net.Listener, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(ip, strconv.Itoa(port)))
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

// releaseTemporal frees Temporal's ports right before it takes them itself; it cannot be given listeners.
func (p *ports) releaseTemporal() error {
	return errors.Join(p.frontend.Close(), p.history.Close(), p.matching.Close(), p.worker.Close())
}

func (p *ports) release() error {
	var errs []error
	for _, l := range []net.Listener{p.frontend, p.history, p.matching, p.worker, p.ui} {
		if l != nil {
			if err := l.Close(); !errors.Is(err, net.ErrClosed) {
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}

func number(l net.Listener) int {
	if tcp, ok := l.Addr().(*net.TCPAddr); ok {
		return tcp.Port
	}
	return 0
}
