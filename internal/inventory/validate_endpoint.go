package inventory

import (
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

func (c *checker) endpoint(at string, e Endpoint) {
	if c.has(at + ".url") {
		c.url(at, e)
	}
	c.login(at, e.User, e.Password)
	c.tls(at, e)
}

// url never quotes the URL: it may hold a password.
func (c *checker) url(at string, e Endpoint) {
	field := at + ".url"
	const remedy = "https://host, https://host:port or https://host:port/path"
	u, err := url.Parse(e.URL)
	switch {
	case err != nil:
		c.add(field, "this is no URL", remedy)
	case u.User != nil || strings.Contains(e.URL, "@"):
		c.add(field, "the URL holds a login", "use the keys user and password; the password by reference")
	case u.Scheme != "https" && u.Scheme != "http":
		c.add(field, "the URL does not begin with https://", remedy)
	case u.Hostname() == "" || strings.ContainsAny(e.URL, " \t"):
		c.add(field, "the URL names no host", remedy)
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.HasSuffix(e.URL, "#"):
		c.add(field, "the URL has a ? or # part", remedy)
	case strings.HasSuffix(u.Host, ":") || u.Port() != "" && !validPort(u.Port()):
		c.add(field, "the port is not one of 1 to 65535", remedy)
	case u.Scheme == "http" && !e.Insecure:
		c.add(field, "http:// sends the password in clear text", "use https://, or say insecure: true if it must be")
	case u.Scheme == "https" && e.Insecure:
		c.add(at+".insecure", "insecure: true is for http:// only; it does not switch off the check of a certificate",
			"remove it; for a self-signed certificate run `nightshift lab trust`, which records its fingerprint")
	case u.Scheme == "http" && e.TLS != (TLS{}):
		c.add(at+".tls", "tls has no meaning with http://", "use https:// or remove it")
	}
}

func validPort(s string) bool {
	n, err := strconv.Atoi(s)
	return err == nil && n >= 1 && n <= 65535
}

func (c *checker) login(at, user string, password SecretRef) {
	switch {
	case c.unread[at+".password"] || c.unread[at+".user"]:
	case user != "" && password == "":
		c.add(at+".user", "there is a user but no password", "add password: env:NAME, file:/path or exec:command")
	case user == "" && password != "":
		c.add(at+".password", "there is a password but no user", "add user")
	}
	c.secret(at+".password", password)
}

// secret complains without a word of the value.
func (c *checker) secret(field string, r SecretRef) {
	if r == "" {
		return
	}
	if _, _, err := r.split(); err != nil {
		c.add(field, err.Error(), "a secret itself never stands in the lab file")
	}
}

func (c *checker) tls(at string, e Endpoint) {
	t := e.TLS
	if t.Fingerprint != "" {
		if _, err := ParseFingerprint(t.Fingerprint); err != nil {
			c.add(at+".tls.fingerprint", "this is no SHA-256 fingerprint",
				"64 hex digits, colons allowed; `nightshift lab trust` writes it for you")
		}
	}
	if t.Fingerprint != "" && t.CA != "" {
		c.add(at+".tls", "there is a fingerprint and a CA", "keep one: with a fingerprint the CA is not asked")
	}
	if t.Legacy && t.Fingerprint == "" && !c.untrusted && !c.unread[at+".tls.fingerprint"] {
		c.add(at+".tls.legacyTLS", "legacyTLS goes with a fingerprint only", "run `nightshift lab trust`, which records it")
	}
}

// bmcs looks at all of them together: no two hosts may have one.
func (c *checker) bmcs() {
	type place struct{ field, host, system string }
	seen := map[string][]place{}
	for i, h := range c.f.Hosts {
		if h.BMC == nil {
			continue
		}
		at := fmt.Sprintf("hosts[%d].bmc", i)
		if h.BMC.IPMI() {
			c.ipmi(at, *h.BMC)
		} else {
			c.endpoint(at, h.BMC.Endpoint)
		}
		if h.BMC.BasicAuth && h.BMC.User == "" && !h.BMC.IPMI() {
			c.add(at+".basicAuth", "there is no user to log in with", "add user and password")
		}
		system := strings.TrimRight(h.BMC.System, "/")
		if system != "" && !strings.HasPrefix(system, "/redfish/") && !h.BMC.IPMI() {
			c.add(at+".system", fmt.Sprintf("%q is no path of a system", h.BMC.System), "as the BMC lists it: /redfish/v1/Systems/1")
		}
		key := sameURL(h.BMC.URL)
		if key == "" {
			continue
		}
		for _, p := range seen[key] {
			switch {
			case p.system == system:
				remedy := "the other is " + p.field
				if !h.BMC.IPMI() {
					remedy += "; where it has several systems, give each host its own system: /redfish/v1/Systems/…"
				}
				c.add(at+".url", fmt.Sprintf("hosts %s and %s have one BMC", p.host, h.Name), remedy)
			case p.system == "" || system == "":
				c.add(at+".url", fmt.Sprintf("hosts %s and %s have one BMC, and only one of them names a system", p.host, h.Name),
					"give both their system: /redfish/v1/Systems/…")
			}
		}
		seen[key] = append(seen[key], place{at, h.Name, system})
	}
}

// sameURL is equal for URLs that reach the same service; empty for what is no URL.
func sameURL(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" {
		return ""
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443", "ipmi": "623"}[u.Scheme]
	}
	host := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	return net.JoinHostPort(host, port) + strings.TrimRight(u.Path, "/")
}

// validAddress reports whether s is host:port, or also a host alone where the port may be left out.
func validAddress(s string, wantPort bool) bool {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		if wantPort {
			return false
		}
		host, port = s, "22"
		if strings.Contains(s, ":") && net.ParseIP(strings.Trim(s, "[]")) == nil {
			return false
		}
	}
	// A dash at its beginning would be an option of whatever program gets it as an argument.
	return host != "" && host[0] != '-' && validPort(port) && !strings.ContainsAny(host, " \t/@,")
}

func (c *checker) health(at string, h Health) {
	for i, a := range h.TCP {
		if !validAddress(a, true) {
			c.add(fmt.Sprintf("%s.tcp[%d]", at, i), fmt.Sprintf("%q is no address", a), "host:port")
		}
	}
	for i, s := range h.HTTP {
		u, err := url.Parse(s)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil {
			c.add(fmt.Sprintf("%s.http[%d]", at, i), "this is no URL to look at", "http://host/path or https://host/path, without a login")
		}
	}
}
