package ipmi

import (
	"context"
	"slices"
	"strings"

	"nightshift/internal/fault"
)

// controls are the reset types of Redfish that Chassis Control can do (§28.3).
var controls = []struct {
	name string
	code byte
}{{"On", 1}, {"ForceOff", 0}, {"GracefulShutdown", 5}} // 5: soft shutdown by ACPI, as the power button does

func resetTypes() []string {
	var names []string
	for _, c := range controls {
		names = append(names, c.name)
	}
	return names
}

// Reset sends one Chassis Control: one datagram, never again. resetType is one of On, ForceOff and GracefulShutdown.
//
// An error that is a fault.NotDone proves that nothing was done. Any other leaves it open, and only reading the power
// state tells: a datagram, or its answer, may be lost on the way.
func (c *Client) Reset(ctx context.Context, resetType string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.IndexFunc(controls, func(x struct {
		name string
		code byte
	}) bool {
		return x.name == resetType
	})
	if i < 0 {
		return fault.As(fault.NotDone, c.failf(fault.Unsupported, "IPMI has no %s here; it can %s", resetType, strings.Join(resetTypes(), ", ")))
	}
	if err := c.ready(ctx); err != nil {
		return fault.As(fault.NotDone, err)
	}
	ctx, cancel := context.WithTimeout(ctx, c.patience.answer)
	defer cancel()
	what := "sending " + resetType
	got, sent, err := c.session.command(ctx, chassisControl, []byte{controls[i].code}, 0)
	switch {
	case err != nil && !sent:
		c.drop()
		return fault.As(fault.NotDone, c.fail(what+" (it was not sent)", err))
	case err != nil:
		c.drop()
		return c.fail(what+" (it may have arrived all the same)", err)
	case got.code == codeOK:
		return nil
	}
	err = c.judge(what, got.code)
	switch {
	case got.code.busy():
		return fault.As(fault.NotDone, fault.As(fault.TurnedAway, err))
	case got.code.unknown():
		return c.failf(fault.Unreachable, "%s (it may have been carried out all the same): %s", what, got.code)
	}
	return fault.As(fault.NotDone, err)
}
