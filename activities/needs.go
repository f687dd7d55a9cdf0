package activities

import (
	"bufio"
	"context"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"nightshift/internal/inventory"
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
	server, _, err := net.SplitHostPort(a.address)
	if err != nil { // it is not known
		server = ""
	}
	if a.lab.AsksByName() || inventory.IsName(server) {
		for _, file := range resolverFiles {
			if add(live.NameServer, nameServers(file)...); len(out) > 0 {
				break
			}
		}
	}
	if server != "" {
		add("its Temporal server", addressesOf(ctx, server)...)
	}
	for _, n := range a.lab.Self.NeededAddresses() {
		add("an address of self.needs", addressesOf(ctx, n)...)
	}
	return out
}

// needsFor is how long what nightshift needs counts as known. A Temporal server that is given by its name is looked up no more
// often, as the name server may be slow by then.
const needsFor = 5 * time.Minute

// An ownNeeds is what was last found.
type ownNeeds struct {
	mu   sync.Mutex
	at   time.Time
	list []live.Need
}

// needed says why nightshift itself cannot do without the guest, as it is now; empty: it can. Planners look for the same.
func (a *Activities) needed(ctx context.Context, vcenter string, g live.Guest) string {
	if live.GenuineUUID(a.machine) && live.SameUUID(g.BIOSUUID, a.machine) {
		return "is the one that nightshift runs in, by its SMBIOS UUID"
	}
	entry, ok := a.lab.Guest(vcenter, g.Name, g.UUID)
	for _, vc := range a.lab.VCenters {
		if g.AnswersAt(vc.URL) && !(ok && provides(entry.Provides, inventory.ProvidesVCenter, vc.Name)) {
			return "is where vCenter " + vc.Name + " runs, by its address"
		}
	}
	if g.IP == "" {
		return ""
	}
	a.own.mu.Lock()
	defer a.own.mu.Unlock()
	if time.Since(a.own.at) > needsFor {
		a.own.list, a.own.at = a.needs(ctx), time.Now()
	}
	for _, n := range a.own.list {
		if g.HasAddress(n.Address) && (n.What != live.NameServer || a.lab.AsksByName()) {
			return "is what nightshift itself needs (" + n.What + " is " + n.Address + ")"
		}
	}
	return ""
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
