package inventory

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"nightshift/internal/plan"
)

// upses checks the UPSes. Runs and orders know them by name, so that each name is there once, whatever its server.
func (c *checker) upses() {
	seen := map[string]string{}
	for i, u := range c.f.UPS {
		at := fmt.Sprintf("ups[%d]", i)
		c.name(at+".name", u.Name)
		c.unique(seen, u.Name, at+".name", "the UPS "+u.Name)
		c.upsServer(at, u)
		c.feeds(at+".feeds", u)
		c.list(at+".switches", u.Switches)
		c.percent(at+".onBattery.charge", u.OnBattery.Charge)
		c.percent(at+".powerUp.charge", u.PowerUp.Charge)
		c.loadOff(at, u)
	}
	c.unasked()
}

func (c *checker) upsServer(at string, u UPS) {
	server := u.Server
	if c.has(at+".server") && !c.unread[at+".server"] && !validAddress(server, false) {
		c.add(at+".server", fmt.Sprintf("%q is no address", server), "host or host:port of upsd; IPv6 with a port as [::1]:3493")
	}
	c.login(at, u.User, u.Password)
	if strings.ContainsAny(u.User, " \t\"\\") {
		c.add(at+".user", "no user of upsd is called so", "as the heading in upsd.users: [nightshift]")
	}
	if u.TLS != nil {
		c.tls(at, Endpoint{TLS: *u.TLS})
		if u.TLS.Legacy {
			c.add(at+".tls.legacyTLS", "legacyTLS is for BMCs", "remove it")
		}
	}
	switch {
	case u.Insecure && u.TLS != nil:
		c.add(at+".insecure", "insecure: true is for a server without TLS", "remove it, or tls:")
	case u.User != "" && u.TLS == nil && !u.Insecure && !here(u.Address()) && !c.unread[at+".tls"]:
		c.add(at+".user", "the password would go to another machine in clear text", "add tls: (CERTFILE in its upsd.conf), or say insecure: true if it must be")
	}
}

// here tells whether the address is this very machine.
func here(address string) bool {
	if strings.HasPrefix(address, "localhost:") {
		return true
	}
	a, err := netip.ParseAddrPort(address)
	return err == nil && a.Addr().IsLoopback()
}

func (c *checker) feeds(field string, u UPS) {
	if c.has(field) && len(u.Feeds) == 0 && !c.unread[field] {
		c.add(field, "it feeds no host", "list those that run on it, by their names in this file")
	}
	hosts := names(c.f.Hosts, func(h Host) string { return h.Name })
	seen := map[string]string{}
	for i, name := range u.Feeds {
		at := fmt.Sprintf("%s[%d]", field, i)
		c.reference(at, name, "host", hosts)
		c.unique(seen, name, at, "the host "+name)
	}
}

func (c *checker) percent(field string, n int) {
	if n > 100 || n == 0 && c.has(field) && !c.unread[field] {
		c.add(field, fmt.Sprintf("%d is no charge at which something could happen", n), "percent: 1 to 100")
	}
}

// leastDelay is what a machine needs at least to halt, and a UPS to take the order.
const leastDelay = plan.Duration(10 * time.Second)

func (c *checker) loadOff(at string, u UPS) {
	switch o := u.LoadOff; {
	case o == nil:
	case u.User == "" && !c.unread[at+".user"]:
		c.add(at+".loadOff", "it is not said who gives the order", "add user: and password: of a user in upsd.users with instcmds = ALL (or shutdown.return) and actions = SET")
	case o.Delay != 0 && o.Delay < leastDelay:
		c.add(at+".loadOff.delay", fmt.Sprintf("%s is too short for anything to halt", o.Delay), "10s or more; default 2m")
	case o.Delay%plan.Duration(time.Second) != 0:
		c.add(at+".loadOff.delay", "it has parts of a second", "whole seconds")
	case o.RestartDelay%plan.Duration(time.Second) != 0:
		c.add(at+".loadOff.restartDelay", "it has parts of a second", "whole seconds")
	}
}

// unasked refuses approvals where a UPS starts the runbook: the battery would be empty before anybody gave one.
func (c *checker) unasked() {
	if len(c.f.UPS) == 0 {
		return
	}
	for _, name := range []string{"power-down", "power-up"} {
		r := c.f.Runbooks[name]
		starts := name == "power-down" || slices.ContainsFunc(c.f.UPS, func(u UPS) bool { return u.PowerUp.Auto == nil || *u.PowerUp.Auto })
		field := "runbooks." + name + ".approval"
		if !starts || !r.Approval && r.Approvers == nil {
			continue
		}
		remedy := "remove it, or ups:"
		if name == "power-up" {
			remedy = "remove it, or say powerUp: {auto: false} at each UPS"
		}
		if r.Approvers != nil {
			field = "runbooks." + name + ".approvers"
		}
		c.add(field, "a "+name+" that a UPS starts has nobody to ask for an approval", remedy)
	}
}
