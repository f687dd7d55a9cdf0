package inventory

import (
	"net/url"
	"strings"
)

// The longest user name of IPMI, in bytes. That of a password (20) is looked at when it is known.
const ipmiUser = 16

// IPMI tells whether the BMC is reached through IPMI 2.0 over LAN instead of Redfish.
func (b *BMC) IPMI() bool { return len(b.URL) >= 7 && strings.EqualFold(b.URL[:7], "ipmi://") }

// ipmi looks at a BMC without Redfish: it has no path, no certificate, and no login without a password.
func (c *checker) ipmi(at string, b BMC) {
	const remedy = "ipmi://host or ipmi://host:port"
	u, err := url.Parse(b.URL)
	switch field := at + ".url"; {
	case err != nil:
		c.add(field, "this is no URL", remedy)
	case u.User != nil || strings.Contains(b.URL, "@"):
		c.add(field, "the URL holds a login", "use the keys user and password; the password by reference")
	case u.Hostname() == "" || strings.ContainsAny(b.URL, " \t"):
		c.add(field, "the URL names no host", remedy)
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		c.add(field, "an ipmi:// URL ends after host and port", remedy)
	case strings.HasSuffix(u.Host, ":") || u.Port() != "" && !validPort(u.Port()):
		c.add(field, "the port is not one of 1 to 65535", remedy)
	}
	switch {
	case c.unread[at+".user"] || c.unread[at+".password"]:
	case b.User == "" && b.Password == "":
		c.add(at, "IPMI wants a user and a password: without one everybody could switch the server", "add user and password")
	case len(b.User) > ipmiUser:
		c.add(at+".user", "IPMI knows user names of at most 16 bytes", "shorten it at the BMC")
	}
	c.login(at, b.User, b.Password)
	if b.TLS != (TLS{}) {
		c.add(at+".tls", "IPMI has no certificate: both sides prove that they know the password", "remove it, or use Redfish: https://")
	}
	if b.Insecure {
		c.add(at+".insecure", "insecure: true is for http:// only", "remove it")
	}
	if b.BasicAuth {
		c.add(at+".basicAuth", "basicAuth is for Redfish only", "remove it")
	}
	if b.System != "" {
		c.add(at+".system", "system is for Redfish only: an IPMI controller has one server", "remove it")
	}
}
