package inventory

import (
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// AsksByName tells whether the file gives by a name what a run has to reach while the lab goes down or comes up, before its own
// name server can be counted on: then nightshift needs one that stays up.
//
// These count: vCenters, BMCs, the hosts' own APIs, everything over SSH (hosts, storage hosts, machines, application clusters,
// hooks; behind a jump host only that one, which looks up the other by itself), monitoring, the servers of UPSes, and of
// Wake-on-LAN the witnesses and the broadcast address: a witness whose name nobody knows is as silent as one that is off.
// Health checks count of guests that provide something: they come up before, or with, the name server of the lab. Those of other
// guests do not, as it is up by then, nor do notifications: they go out of the lab, and no run waits for them.
func (l *Lab) AsksByName() bool { return slices.ContainsFunc(l.reached(), IsName) }

// reached are the hosts, names or addresses, of which AsksByName tells.
func (l *Lab) reached() (hosts []string) {
	urls := func(list ...string) {
		for _, s := range list {
			hosts = append(hosts, hostOfURL(s))
		}
	}
	addresses := func(list ...string) {
		for _, s := range list {
			hosts = append(hosts, hostOfAddress(s))
		}
	}
	for _, v := range l.VCenters {
		urls(v.URL)
	}
	for _, h := range l.Hosts {
		if h.BMC != nil {
			urls(h.BMC.URL)
		}
		if h.ESXi != nil {
			urls(h.ESXi.URL)
		}
		if h.SSH != nil {
			addresses(h.SSH.reached())
		}
		if w := h.WakeOnLAN; w != nil {
			addresses(append([]string{w.Broadcast}, w.Witness...)...)
		}
	}
	for _, g := range l.Guests {
		if g.Health != nil && len(g.Provides) > 0 {
			addresses(g.Health.TCP...)
			urls(g.Health.HTTP...)
		}
	}
	for _, s := range l.StorageHosts {
		addresses(s.SSH.reached())
	}
	for _, m := range l.Machines {
		addresses(m.SSH.reached())
	}
	for _, c := range l.ApplicationClusters {
		for _, s := range c.At {
			addresses(s.reached())
		}
	}
	for _, m := range l.Monitoring {
		for _, h := range []Hook{m.Silence, m.Resume} {
			if h.URL != "" {
				urls(SecretName.ReplaceAllString(h.URL, "x"))
			} else if h.At != nil {
				addresses(h.At.reached())
			}
		}
	}
	for _, u := range l.UPS {
		addresses(u.Server)
	}
	return hosts
}

func hostOfURL(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return s // whatever it is, it is no address
	}
	return u.Hostname()
}

// hostOfAddress is the host of address[:port].
func hostOfAddress(s string) string {
	if host, _, err := net.SplitHostPort(s); err == nil {
		return host
	}
	return strings.Trim(s, "[]")
}

// IsName tells whether a name server is asked for the host part of an address.
func IsName(host string) bool {
	if host == "" || host == "localhost" {
		return false
	}
	_, err := netip.ParseAddr(host)
	return err != nil
}
