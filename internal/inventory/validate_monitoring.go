package inventory

import (
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

var headerName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]*$`)

func (c *checker) monitoring() {
	seen := map[string]string{}
	for i, m := range c.f.Monitoring {
		at := fmt.Sprintf("monitoring[%d]", i)
		c.name(at+".name", m.Name)
		c.unique(seen, m.Name, at+".name", "the monitoring "+m.Name)
		for _, name := range slices.Sorted(maps.Keys(m.Secrets)) {
			field := at + ".secrets." + name
			if !envName.MatchString(name) {
				c.add(field, fmt.Sprintf("%q is no name of a secret", name), "letters, digits and underscores, no digit first")
			}
			c.secret(field, m.Secrets[name])
		}
		c.hook(at+".silence", m.Silence, m.Secrets)
		c.hook(at+".resume", m.Resume, m.Secrets)
	}
}

func (c *checker) hook(at string, h Hook, secrets map[string]SecretRef) {
	switch {
	case !c.has(at) || c.unread[at]:
	case c.has(at+".url") && c.has(at+".run"):
		c.add(at+".run", "there is a url and a command", "keep one of them")
	case c.has(at + ".run"):
		c.command(at, h)
	case c.has(at + ".url"):
		c.request(at, h, secrets)
	default:
		c.add(at, "it is not said what to do", "add url: https://…, or run: [COMMAND, WORD, …]")
	}
}

func (c *checker) command(at string, h Hook) {
	switch {
	case c.unread[at+".run"] || c.unread[at+".run[0]"]:
	case len(h.Run) == 0 || strings.TrimSpace(h.Run[0]) == "":
		c.add(at+".run", "there is no command", "a list of its words: [/usr/local/bin/quiet, --for, 12h]")
	case len(h.Run) == 1 && strings.ContainsAny(h.Run[0], " \t"):
		c.add(at+".run", "the command is one word with blanks in it", "a list of its words; no shell splits it")
	}
	for _, key := range []string{"method", "headers", "body", "tls", "insecure"} {
		if c.has(at + "." + key) {
			c.add(at+"."+key, "this is for a url, and there is a command", "remove it")
		}
	}
	if h.At == nil {
		return
	}
	c.ssh(at+".at", *h.At)
	c.sshLogin(at+".at", *h.At)
}

// request never quotes the URL: it may hold a token.
func (c *checker) request(at string, h Hook, secrets map[string]SecretRef) {
	const remedy = "https://host/path; a token in it as ${NAME}, listed under secrets:"
	u, err := url.Parse(SecretName.ReplaceAllString(h.URL, "x"))
	host, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(h.URL, "https://"), "http://"), "/")
	switch {
	case err != nil, u.Hostname() == "", strings.ContainsAny(h.URL, " \t"), strings.HasSuffix(u.Host, ":"), u.Port() != "" && !validPort(u.Port()):
		c.add(at+".url", "this is no URL", remedy)
	case u.User != nil || strings.Contains(host, "@"):
		c.add(at+".url", "the URL holds a login", "send it in a header: Authorization: Bearer ${TOKEN}")
	case strings.Contains(host, "${"):
		c.add(at+".url", "the host of the URL is a secret", remedy)
	case u.Scheme != "https" && u.Scheme != "http":
		c.add(at+".url", "the URL does not begin with https://", remedy)
	case u.Scheme == "http" && !h.Insecure:
		c.add(at+".url", "http:// sends what it is told in clear text", "use https://, or say insecure: true if it must be")
	case u.Scheme == "https" && h.Insecure:
		c.add(at+".insecure", "insecure: true is for http:// only; it does not switch off the check of a certificate", "remove it, and give tls: {fingerprint: …} or {ca: …}")
	}
	if c.has(at + ".at") {
		c.add(at+".at", "a machine is for a command, and there is a url", "remove it")
	}
	c.tls(at, Endpoint{TLS: h.TLS})
	c.placeholders(at+".url", h.URL, secrets)
	c.placeholders(at+".body", h.Body, secrets)
	for _, name := range slices.Sorted(maps.Keys(h.Headers)) {
		if !headerName.MatchString(name) {
			c.add(at+".headers."+name, fmt.Sprintf("%q is no name of a header", name), "letters, digits and dashes")
		}
		c.placeholders(at+".headers."+name, h.Headers[name], secrets)
	}
}

func (c *checker) placeholders(field, text string, secrets map[string]SecretRef) {
	for _, m := range SecretName.FindAllStringSubmatch(text, -1) {
		if _, ok := secrets[m[1]]; !ok {
			c.add(field, fmt.Sprintf("there is no secret %q", m[1]), among(m[1], "secret for this monitoring", slices.Sorted(maps.Keys(secrets))))
		}
	}
}
