package main

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"nightshift/internal/endpoint"
	"nightshift/internal/fault"
	"nightshift/internal/inventory"
	"nightshift/internal/nut"
)

// checkTimeout is for all questions to one NUT server.
const checkTimeout = 30 * time.Second

// checkUPS asks the NUT server of a UPS all that a power cut will need, and orders nothing.
func checkUPS(ctx context.Context, lab *inventory.Lab, u inventory.UPS) []checkRow {
	c := &checks{subject: "UPS " + u.Name}
	if u.TLS != nil {
		c.tls = *u.TLS
	}
	checkOwnPower(c, u)
	r, err := endpoint.ResolveUPS(ctx, c.subject, u, lab.Dir)
	if err != nil {
		c.fail("lab file", err)
		return c.rows
	}
	for _, w := range r.Warnings {
		c.add(checkWarn, "lab file", "", "%s", w)
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	client, err := nut.Dial(ctx, r)
	if err != nil {
		c.fail("server", err)
		return c.rows
	}
	defer client.Close()
	version, err := client.Version()
	if err != nil {
		c.fail("server", err)
		return c.rows
	}
	secure := ", without TLS"
	if r.TLS != nil {
		secure = ", with TLS"
	}
	c.ok("server", "%s%s", strings.TrimSuffix(strings.TrimSpace(strings.Split(version, " - ")[0]), "."), secure)
	vars, ok := checkUPSState(c, client, u)
	if ok {
		checkUPSOrders(c, client, r, u, vars)
	}
	return c.rows
}

// checkOwnPower says what nightshift itself would be left without.
func checkOwnPower(c *checks, u inventory.UPS) {
	if u.Self {
		c.ok("own machine", "nightshift's machine runs on it, says the lab file")
	} else {
		c.add(checkWarn, "own machine", "say self: true if it is; else see that it has a UPS of its own", "nightshift's machine is not declared to run on it: a power cut may take it first")
	}
	if len(u.Switches) > 0 {
		c.ok("switches", "on it, says the lab file: %s", strings.Join(u.Switches, ", "))
	} else {
		c.add(checkWarn, "switches", "list those between nightshift, vCenter, BMCs and the NUT server: switches: [NAME]", "no switch is declared to run on it: without the network nothing can be shut down")
	}
}

// checkUPSState looks whether the server knows the UPS, and what it tells.
func checkUPSState(c *checks, client *nut.Client, u inventory.UPS) (nut.Vars, bool) {
	names, err := client.UPSes()
	if err == nil {
		if _, known := names[u.Name]; !known {
			err = fault.As(fault.NotFound, errors.New("the server has no such UPS; it has "+strings.Join(slices.Sorted(maps.Keys(names)), ", ")))
		}
	}
	var vars nut.Vars
	if err == nil {
		vars, err = client.Vars(u.Name)
	}
	if err != nil {
		c.fail("UPS", err)
		return nil, false
	}
	s := vars.Status()
	switch {
	case !s.Known():
		c.add(checkFail, "status", "see to its driver", "%s", s)
	case !s.Online() || s.Forced():
		c.add(checkWarn, "status", "", "%s", s)
	default:
		c.ok("status", "%s", s)
	}
	if s.Charge == nil {
		c.add(checkWarn, "charge", "", "it does not tell its charge: that starts no power-down, and no power-up")
	}
	if s.Runtime == nil {
		c.add(checkWarn, "runtime", "", "it does not tell how long its battery lasts: that starts no power-down")
	}
	return vars, true
}

// checkUPSOrders looks whether the load can be switched off, where that is wanted.
func checkUPSOrders(c *checks, client *nut.Client, r endpoint.Resolved, u inventory.UPS, vars nut.Vars) {
	if u.User != "" {
		err := client.Login(r.User, r.Password)
		if err == nil {
			err = client.MaySet(u.Name)
		}
		if err != nil {
			c.fail("login", err)
		} else {
			c.ok("login", "%s may set variables", r.User)
		}
	}
	if u.LoadOff == nil {
		c.ok("load off", "not wanted: the load stays on until the battery is empty")
		return
	}
	offers, err := client.Commands(u.Name)
	if err != nil {
		c.fail("load off", err)
		return
	}
	switch {
	case slices.Contains(offers, "shutdown.return"):
		c.ok("load off", "it knows shutdown.return")
	case slices.Contains(offers, "load.off.delay"):
		c.add(checkWarn, "load off", "", "it knows load.off.delay only, and stays off when the mains are back")
		return
	default:
		c.add(checkFail, "load off", "remove loadOff: from the UPS, or use another driver", "it knows neither shutdown.return nor load.off.delay, but %s", strings.Join(offers, ", "))
		return
	}
	writable, err := client.Writable(u.Name)
	if err != nil {
		c.fail("delays", err)
		return
	}
	_, off := writable["ups.delay.shutdown"]
	_, on := writable["ups.delay.start"]
	fixed, told := vars.Seconds("ups.delay.shutdown")
	switch want := time.Duration(u.LoadOff.Delay); {
	case off && on:
		c.ok("delays", "both can be set")
	case off:
		c.add(checkWarn, "delays", "", "ups.delay.start cannot be set: its own restart delay holds")
	case told && fixed >= want:
		c.add(checkWarn, "delays", "", "ups.delay.shutdown cannot be set; its own %s is long enough", fixed)
	default:
		c.add(checkFail, "delays", "shorten loadOff.delay, if everything halts by then", "ups.delay.shutdown cannot be set, and is %q: less than %s", vars["ups.delay.shutdown"], want)
	}
}
