package activities

import (
	"bufio"
	"context"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	"nightshift/internal/live"
)

// Where this machine's name servers are listed. A resolver of its own on the loopback address says in the second file
// whom it asks.
var resolverFiles = []string{"/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"}

// resolveTimeout is for one name.
const resolveTimeout = 5 * time.Second

// needs are the addresses that nightshift itself cannot do without. What is on this very machine is not among them.
func (a *Activities) needs(ctx context.Context) []live.Need {
	var out []live.Need
	add := func(what string, addresses ...netip.Addr) {
		for _, at := range addresses {
			if at = at.Unmap().WithZone(""); at.IsValid() && !at.IsLoopback() && !at.IsUnspecified() {
				out = append(out, live.Need{What: what, Address: at.String()})
			}
		}
	}
	if a.asksByName() {
		for _, file := range resolverFiles {
			if add("its name server", nameServers(file)...); len(out) > 0 {
				break
			}
		}
	}
	if host, _, err := net.SplitHostPort(a.address); err == nil && host != "" {
		add("its Temporal server", addressesOf(ctx, host)...)
	}
	return out
}

// asksByName tells whether an endpoint of the lab file, or the Temporal server, is given by a name.
func (a *Activities) asksByName() bool {
	var urls []string
	for _, v := range a.lab.VCenters {
		urls = append(urls, v.URL)
	}
	for _, h := range a.lab.Hosts {
		if h.BMC != nil {
			urls = append(urls, h.BMC.URL)
		}
		if h.ESXi != nil {
			urls = append(urls, h.ESXi.URL)
		}
		if h.SSH != nil {
			urls = append(urls, "ssh://"+h.SSH.Address)
		}
	}
	for _, s := range a.lab.StorageHosts {
		urls = append(urls, "ssh://"+s.SSH.Address)
	}
	for _, c := range a.lab.ApplicationClusters {
		for _, s := range c.At {
			urls = append(urls, "ssh://"+s.Address)
		}
	}
	urls = append(urls, "temporal://"+a.address)
	for _, s := range urls {
		u, err := url.Parse(s)
		if err != nil || u.Hostname() == "" || u.Hostname() == "localhost" {
			continue
		}
		if _, err := netip.ParseAddr(u.Hostname()); err != nil {
			return true
		}
	}
	return false
}

// nameServers reads the servers of a resolv.conf. A file that is not there has none.
func nameServers(file string) (out []netip.Addr) {
	f, err := os.Open(file)
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if words := strings.Fields(lines.Text()); len(words) > 1 && words[0] == "nameserver" {
			if at, err := netip.ParseAddr(words[1]); err == nil {
				out = append(out, at)
			}
		}
	}
	return out
}

// addressesOf are those of a host name; none where it is not known just now.
func addressesOf(ctx context.Context, host string) []netip.Addr {
	if at, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{at}
	}
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	list, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil
	}
	return list
}
