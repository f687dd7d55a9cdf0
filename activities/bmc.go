package activities

import (
	"context"
	"errors"
	"fmt"
	"time"

	"nightshift/internal/bmc"
	"nightshift/internal/endpoint"
	"nightshift/internal/fault"
	"nightshift/internal/inventory"
	"nightshift/internal/live"
)

// A server is the BMC of one host for the time of one step. It opens a session with its first request and keeps it for
// the next ones, as a login takes an old controller seconds. The caller closes it: sessions are few.
type server struct {
	c       *clients
	host    *inventory.Host
	session bmc.Session
	account string
}

// logoutTimeout is for ending a session at a BMC. An old one takes 40 s for an answer, and it has few sessions.
const logoutTimeout = 45 * time.Second

func (c *clients) server(h *inventory.Host) (*server, error) {
	if h.BMC == nil && h.WakeOnLAN == nil {
		return nil, refuse(fault.Invalid, "host %s has no bmc in the lab file: nobody could say whether it is off", h.Name)
	}
	return &server{c: c, host: h}, nil
}

// do runs a request in the session. After an error the next request begins a new one.
func (s *server) do(ctx context.Context, request func(bmc.Session) error) error {
	done, err := s.c.bmcs.enter(ctx, s.host.Name)
	if err != nil {
		return notSent{fault.As(fault.Unreachable, fmt.Errorf("the BMC of host %s is busy: %w", s.host.Name, err))}
	}
	defer done()
	if s.session == nil && s.silent() {
		if s.session, err = s.c.wake(s.host.Name, *s.host.WakeOnLAN); err != nil {
			s.session = nil
			return notSent{err}
		}
	}
	if s.session == nil {
		s.account, err = s.c.open(ctx, s.host.Name, s.host.BMC.Endpoint, func(r endpoint.Resolved) (err error) {
			s.session, err = s.c.dialBMC(ctx, r, s.host.BMC)
			return err
		})
		if err != nil {
			s.session = nil
			return notSent{err}
		}
	}
	if err = request(s.session); err != nil {
		s.c.remember(s.account, err)
		s.close(ctx)
	}
	return err
}

// read reads the power state and makes sure that the BMC belongs to the host.
func (s *server) read(ctx context.Context, same func(live.BMC) error) (got live.BMC, err error) {
	err = s.do(ctx, func(b bmc.Session) (err error) {
		got, err = b.System(ctx)
		return err
	})
	if err != nil {
		return got, err
	}
	if got.Host = s.host.Name; got.Power == "" {
		return got, refuse(fault.Unreachable, "the BMC of host %s does not say just now whether it is on", got.Host)
	}
	return got, same(got)
}

// reset sends one Reset. fault.NotDone marks a no of the BMC, too: that is an answer.
func (s *server) reset(ctx context.Context, kind string) error {
	err := s.do(ctx, func(b bmc.Session) error { return b.Reset(ctx, kind) })
	if errors.Is(err, fault.TurnedAway) {
		return turnedAway{err}
	}
	if errors.Is(err, fault.NotDone) && !saidNo(err) {
		return notSent{err}
	}
	return err
}

func (s *server) close(ctx context.Context) {
	if s == nil || s.session == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), logoutTimeout)
	defer cancel()
	if err := s.session.Close(ctx); err != nil {
		s.c.log.Warn("the session at the BMC could not be ended", "target", s.host.Name, "error", err)
	}
	s.session = nil
}

func isAuth(err error) bool { return errors.Is(err, fault.Auth) }
