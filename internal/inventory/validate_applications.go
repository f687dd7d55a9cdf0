package inventory

import (
	"fmt"
	"slices"
	"strings"
)

// applications checks the application clusters. A guest is a member of one of them at most.
func (c *checker) applications() {
	seen, members := map[string]string{}, map[string]string{}
	for i, a := range c.f.ApplicationClusters {
		at := fmt.Sprintf("applicationClusters[%d]", i)
		c.name(at+".name", a.Name)
		c.unique(seen, a.Name, at+".name", "the application cluster "+a.Name)
		c.members(at+".members", a, members)
		c.machines(at+".at", a.At)
		c.stopped(at+".stopped", a.Stopped)
		c.commands(at, a)
	}
}

// members checks that they are there, and in no other application cluster: all holds the field of each guest.
func (c *checker) members(field string, a ApplicationCluster, all map[string]string) {
	if c.has(field) && len(a.Members) == 0 && !c.unread[field] {
		c.add(field, "the application cluster has no members", "list its guests: [NAME, …] or [group:NAME]")
	}
	c.list(field, a.Members)
	mine := map[string]string{}
	for i, m := range a.Members {
		at := fmt.Sprintf("%s[%d]", field, i)
		guests := []string{m}
		if name, ok := strings.CutPrefix(m, groupPrefix); ok {
			groups := names(c.f.Groups, func(g Group) string { return g.Name })
			c.reference(at, name, "group", groups)
			g, _ := find(c.f.Groups, func(g *Group) bool { return g.Name == name })
			if g == nil {
				continue
			}
			guests = g.Guests
		} else {
			c.guestExists(at, m)
		}
		for _, g := range guests {
			if first, ok := all[g]; ok && g != "" {
				c.add(at, fmt.Sprintf("guest %s is in two application clusters", g), "the other is "+first)
			}
			mine[g] = at
		}
	}
	for g, at := range mine { // only now: twice in one cluster, by name and by group, does no harm
		all[g] = at
	}
}

// guestExists demands that a guest is listed: a slip of the pen would let a member go down while its cluster runs.
func (c *checker) guestExists(field, name string) {
	guests := names(c.f.Guests, func(g Guest) string { return g.Name })
	for _, g := range c.f.Groups {
		guests = append(guests, g.Guests...)
	}
	if name == "" || slices.Contains(guests, name) {
		return
	}
	remedy := fmt.Sprintf("list it under guests: - name: %s", name)
	if near := nearest(name, guests); near != "" {
		remedy = fmt.Sprintf("did you mean %q? Else %s", near, remedy)
	}
	c.add(field, fmt.Sprintf("there is no guest %q in this file", name), remedy)
}

// machines are those where the commands run: a run has to know them, and to log in.
func (c *checker) machines(field string, list []SSH) {
	if c.has(field) && len(list) == 0 && !c.unread[field] {
		c.add(field, "there is no machine where the commands could run", "list at least one: - address: HOST")
	}
	seen := map[string]string{}
	for i, s := range list {
		at := fmt.Sprintf("%s[%d]", field, i)
		c.ssh(at, s)
		c.unique(seen, strings.ToLower(s.Address), at+".address", "the machine "+s.Address)
		c.sshLogin(at, s)
	}
}

func (c *checker) stopped(field string, list []int) {
	seen := map[string]string{}
	for i, n := range list {
		at := fmt.Sprintf("%s[%d]", field, i)
		switch {
		case c.unread[at]:
		case n == 0:
			c.add(at, "exit status 0 means that the cluster is up", "one of 1 to 255")
		case n > 255:
			c.add(at, fmt.Sprintf("%d is no exit status", n), "one of 1 to 255")
		}
		c.unique(seen, fmt.Sprint(n), at, fmt.Sprintf("exit status %d", n))
	}
}

// argv is a command as the list of its words.
func (c *checker) argv(field string, argv []string) {
	switch {
	case !c.has(field) || c.unread[field] || c.unread[field+"[0]"]:
	case len(argv) == 0 || strings.TrimSpace(argv[0]) == "":
		c.add(field, "there is no command", "a list of its words: [systemctl, is-active, pacemaker]")
	case len(argv) == 1 && strings.ContainsAny(argv[0], " \t"):
		c.add(field, "the command is one word with blanks in it", "a list of its words: [systemctl, is-active, pacemaker]; no shell splits it")
	}
}

// commands are argument lists. A status command that stops the cluster would be run again and again.
func (c *checker) commands(at string, a ApplicationCluster) {
	for _, x := range []struct {
		key  string
		argv []string
	}{{"status", a.Status}, {"stop", a.Stop}, {"start", a.Start}} {
		c.argv(at+"."+x.key, x.argv)
	}
	for _, x := range []struct {
		a, b       string
		one, other []string
	}{{"status", "stop", a.Status, a.Stop}, {"status", "start", a.Status, a.Start}, {"stop", "start", a.Stop, a.Start}} {
		if len(x.one) > 0 && slices.Equal(x.one, x.other) {
			c.add(at+"."+x.b, fmt.Sprintf("%s and %s are the same command", x.a, x.b), "each has a command of its own")
		}
	}
}
