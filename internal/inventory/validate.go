package inventory

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"nightshift/internal/yamlfile"
)

// A checker finds what is wrong with a file beyond the types of its values. It runs after decoding errors too: a part
// that could not be decoded is empty, and what is empty is not complained about twice.
type checker struct {
	*yamlfile.Decoder
	unread    map[string]bool // the decoder's
	f         *File
	untrusted bool // missing fingerprints are no error
}

// add complains about a field, at its place, or that of the nearest thing around it that is written down.
func (c *checker) add(field, problem, remedy string) { c.Complain(field, problem, remedy) }

func (c *checker) has(field string) bool { return c.At[field] != nil }

func (c *checker) check() {
	f := c.f
	if c.has("lab") {
		c.labName(f.Lab)
	}
	c.virtualSide()
	c.self()
	c.sites()
	c.vcenters()
	c.clusters()
	c.hosts()
	c.bmcs()
	c.guests()
	c.groups()
	c.provisions()
	c.applications()
	c.storageHosts()
	c.protectionGroups()
	c.upses()
	c.machinesOfSteps()
	c.people()
	c.runbooks()
	c.approvers()
	c.energy()
	c.schedules()
	c.notifications()
	c.monitoring()
	c.order()
}

var labName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)

func (c *checker) labName(s string) {
	if s != "" && (len(s) > 40 || !labName.MatchString(s)) {
		c.add("lab", fmt.Sprintf("%q is no name for a lab", s), "lower-case letters, digits and dashes, at most 40, with a letter or digit at either end")
	} else if s == "" {
		c.add("lab", "the name is empty", "give one")
	}
}

var plainName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)

// name checks a name that nightshift itself uses: in ids of steps, in limits, in commands.
func (c *checker) name(field, s string) {
	if !c.has(field) {
		return // its absence was noticed already
	}
	if !plainName.MatchString(s) {
		c.add(field, fmt.Sprintf("%q is no name", s), "letters, digits, dots, dashes and underscores, at most 100, with a letter or digit first")
	}
}

// vsphereName checks a name in vCenter, which may be nearly anything of up to 80 characters.
func (c *checker) vsphereName(field, s string) {
	if c.has(field) && (strings.TrimSpace(s) != s || s == "" || len(s) > 400) {
		c.add(field, fmt.Sprintf("%q is no name in vCenter", s), "write it as vCenter shows it, without blanks around it")
	}
}

// unique complains about the second of two equal keys; the empty key is none.
func (c *checker) unique(seen map[string]string, key, field, what string) {
	if key == "" {
		return
	}
	if first, ok := seen[key]; ok {
		c.add(field, what+" is here twice", "first as "+first)
		return
	}
	seen[key] = field
}

// reference checks a name of something else in this file.
func (c *checker) reference(field, name, what string, names []string) {
	if name != "" && !slices.Contains(names, name) {
		c.add(field, fmt.Sprintf("there is no %s %q", what, name), among(name, what, names))
	}
}

func among(name, what string, names []string) string {
	if len(names) == 0 {
		return "this file has no " + what
	}
	return allowed(name, names)
}

// oneOf checks a reference that may be left out where there is only one thing to name.
func (c *checker) oneOf(field, name, what string, names []string) {
	if name == "" && len(names) > 1 {
		c.add(field, "it is not said which "+what, "one of "+strings.Join(names, ", "))
	}
	c.reference(field, name, what, names)
}

func names[T any](list []T, name func(T) string) []string {
	var out []string
	for _, x := range list {
		if n := name(x); n != "" && !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out
}

func (c *checker) vcenterNames() []string {
	return names(c.f.VCenters, func(v VCenter) string { return v.Name })
}

func (c *checker) siteNames() []string {
	if len(c.f.Sites) == 0 {
		return []string{c.f.Lab}
	}
	return names(c.f.Sites, func(s Site) string { return s.Name })
}

func (c *checker) runbooks() {
	known := c.runbookNames()
	for name := range c.f.Runbooks {
		if !slices.Contains(known, name) {
			c.add("runbooks."+name, fmt.Sprintf("there is no runbook %q", name), allowed(name, known))
		}
	}
}
