package inventory

import (
	"fmt"
	"net/netip"
)

// NeededGuests are the guests among Needs: what is no IP address.
func (s Self) NeededGuests() []string { return s.needs(false) }

// NeededAddresses are the IP addresses among Needs.
func (s Self) NeededAddresses() []string { return s.needs(true) }

func (s Self) needs(addresses bool) (list []string) {
	for _, n := range s.Needs {
		if _, err := netip.ParseAddr(n); (err == nil) == addresses {
			list = append(list, n)
		}
	}
	return list
}

func (c *checker) selfNeeds() {
	c.list("self.needs", c.f.Self.Needs)
	for i, n := range c.f.Self.Needs {
		at := fmt.Sprintf("self.needs[%d]", i)
		address, err := netip.ParseAddr(n)
		switch {
		case err == nil && (address.IsLoopback() || address.IsUnspecified() || address.Zone() != ""):
			c.add(at, n+" is an address that means something on this machine only", "the IP address that the guest has in the lab, or the guest's name")
		case n != "" && n == c.f.Self.Guest:
			c.add(at, "nightshift runs in guest "+n+", which is kept already", "leave it out")
		}
	}
}
