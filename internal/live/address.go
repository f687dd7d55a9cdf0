package live

import (
	"net/netip"
	"net/url"
)

// AnswersAt tells whether the guest has the address in a URL, such as that of a vCenter that runs in its own lab though the lab
// file does not say so. Names tell nothing, and loopback addresses are everybody's.
func (g Guest) AnswersAt(rawURL string) bool {
	u, err := url.Parse(rawURL)
	return err == nil && g.HasAddress(u.Hostname())
}

// HasAddress tells whether the guest has the IP address.
func (g Guest) HasAddress(ip string) bool {
	a, err := netip.ParseAddr(g.IP)
	b, err2 := netip.ParseAddr(ip)
	return err == nil && err2 == nil && a.Unmap() == b.Unmap() && !a.IsLoopback()
}
