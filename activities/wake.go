package activities

import (
	"context"
	"errors"
	"time"

	"nightshift/internal/bmc"
	"nightshift/internal/fault"
	"nightshift/internal/inventory"
	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/internal/wol"
)

func wakeOnLAN(host string, w inventory.WakeOnLAN) (bmc.Session, error) {
	m, err := wol.New(host, w)
	if err != nil {
		return nil, err
	}
	return m, nil
}

// silent tells whether the host has no BMC: its Off is no more than the silence of its witnesses.
func (s *server) silent() bool { return s.host.BMC == nil }

// state words the power state.
func (s *server) state(b live.BMC) string {
	switch {
	case !s.silent():
		return bmcState(b)
	case b.Power == live.On:
		return "on (a witness of it answers)"
	}
	return "silent (no witness of it answers)"
}

// words names a call for people.
func (s *server) words(resetType string, t plan.Target) string {
	if s.silent() {
		return "a magic packet to " + t.String()
	}
	return resetType + " to the BMC of " + t.String()
}

// onLimit is how long the host may take to be seen on after it was switched on. A BMC says so within minutes; a witness
// answers when it has booted.
func (s *server) onLimit(boot time.Duration) time.Duration {
	if s.silent() {
		return max(bmcOnLimit, boot)
	}
	return bmcOnLimit
}

// lost holds the silence of a host without a BMC against its vCenter, or, in a step that goes to the host itself, against
// its own API: off is only what they have lost, too. A broken switch looks the same; that is why somebody has to have
// asked for it, in this run or an earlier one, or to have approved a plan that says so.
func (d *hostDown) lost(ctx context.Context) (seen, error) {
	h, err := d.read(ctx)
	switch {
	case d.call.Target.Direct != "" && errors.Is(err, fault.Unreachable):
		return seen{done: true, state: "off (no witness of it answers, nor its own API)"}, nil
	case err != nil:
		return seen{}, err
	case h.Connection == live.Connected && h.Power != "standBy" && h.Power != live.PoweredOff:
		return seen{state: "silent, though the vCenter says connected"}, nil
	}
	return seen{done: true, state: "off (no witness of it answers, and the vCenter has lost it)"}, nil
}
