package inventory

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"nightshift/internal/plan"
)

const (
	leastEvery = plan.Duration(time.Minute)
	mostEvery  = plan.Duration(31 * 24 * time.Hour)
	leastLimit = 64 << 10 // bytes a second: with less no stream would ever end
)

func (c *checker) protectionGroups() {
	seen := map[string]string{}
	hosts := names(c.f.StorageHosts, func(h StorageHost) string { return h.Name })
	for i, g := range c.f.ProtectionGroups {
		at := fmt.Sprintf("protectionGroups[%d]", i)
		if c.has(at+".name") && !scheduleName.MatchString(g.Name) {
			c.add(at+".name", fmt.Sprintf("%q is no name for a protection group", g.Name), "lower-case letters, digits and dashes, at most 40: it is part of the names of snapshots")
		}
		c.unique(seen, g.Name, at+".name", "the protection group "+g.Name)
		c.reference(at+".source.host", g.Source.Host, "storage host", hosts)
		c.reference(at+".target.host", g.Target.Host, "storage host", hosts)
		c.datasets(at, g)
		c.under(at, g)
		if g.Every != 0 && (g.Every < leastEvery || g.Every > mostEvery) {
			c.add(at+".every", fmt.Sprintf("%s is no interval to replicate in", g.Every), "1m to 744h")
		}
		c.send(at, g)
		c.snapshotHook(at+".hooks.before", g.Hooks.Before)
		c.snapshotHook(at+".hooks.after", g.Hooks.After)
		c.size(at+".noise", g.Noise)
		c.keep(at+".keep", g.Keep)
	}
	c.overlaps()
}

func (c *checker) datasets(at string, g ProtectionGroup) {
	field := at + ".source.datasets"
	if c.has(field) && len(g.Source.Datasets) == 0 && !c.unread[field] {
		c.add(field, "the group protects nothing", "list its zvols and file systems: [tank/mail, tank/mail-log]")
	}
	if n := len(g.Source.Datasets); n > MostDatasets {
		c.add(field, fmt.Sprintf("%d datasets are more than one atomic snapshot is taken of", n), fmt.Sprintf("at most %d: make two groups", MostDatasets))
	}
	first := ""
	for i, d := range g.Source.Datasets {
		at := fmt.Sprintf("%s[%d]", field, i)
		if c.unread[at] {
			continue
		}
		pool, rest, _ := strings.Cut(d, "/")
		switch problem := datasetProblem(d); {
		case problem != "":
			c.add(at, problem, datasetRemedy)
		case rest == "":
			c.add(at, fmt.Sprintf("%q is a whole pool", d), "list the zvols and file systems in it: "+d+"/NAME")
		case len(d)+longestSnapshot(g.Name) > mostZFSName:
			c.add(at, "with the name of a snapshot it would be longer than ZFS's 255 characters", "a shorter name, of the dataset or the group")
		case first == "":
			first = pool
		case pool != first:
			c.add(at, fmt.Sprintf("it lies in pool %s, and the first one in %s: a snapshot is atomic within one pool only", pool, first), "make a group for each pool")
		}
	}
}

func (c *checker) under(at string, g ProtectionGroup) {
	field := at + ".target.under"
	if !c.has(field) || c.unread[field] {
		return
	}
	if problem := datasetProblem(g.Target.Under); problem != "" {
		c.add(field, problem, datasetRemedy)
		return
	}
	for _, d := range g.Source.Datasets {
		if r := g.Replica(d); datasetProblem(d) == "" && len(d)+longestSnapshot(g.Name) <= mostZFSName && len(r)+longestSnapshot(g.Name) > mostZFSName {
			c.add(field, fmt.Sprintf("with the name of a snapshot, the replica of %s would have a longer name than ZFS's 255 characters", d), "shorter names")
			return
		}
	}
}

func (c *checker) send(at string, g ProtectionGroup) {
	field := at + ".send.limit"
	if c.size(field, g.Send.Limit); g.Send.Limit != "" && g.Send.Limit.Bytes() > 0 && g.Send.Limit.Bytes() < leastLimit {
		c.add(field, fmt.Sprintf("with %s a second no stream would ever end", g.Send.Limit), "64KiB or more")
	}
	if g.Send.Raw && g.Send.Compressed != nil && !*g.Send.Compressed {
		c.add(at+".send.compressed", "raw streams are compressed as they lie on disk", "remove it, or raw:")
	}
}

func (c *checker) size(field string, s Size) {
	if !c.has(field) || c.unread[field] {
		return
	}
	if _, err := s.parse(); err != nil {
		c.add(field, fmt.Sprintf("%q: %v", string(s), err), "a number with its unit: 512KiB, 50MiB, 1.5GiB, 2TiB")
	}
}

func (c *checker) snapshotHook(at string, h *SnapshotHook) {
	if h == nil {
		return
	}
	c.argv(at+".command", h.Command)
	lab := Lab{File: *c.f}
	c.reference(at+".at", h.At, "machine that is reached over SSH", lab.SSHMachines())
}

func (c *checker) keep(at string, k Retentions) {
	for _, side := range []struct {
		key string
		*Retention
	}{{"source", k.Source}, {"target", k.Target}} {
		field, r := at+"."+side.key, side.Retention
		unread := slices.ContainsFunc([]string{"", ".all", ".daily", ".weekly", ".monthly", ".yearly"}, func(key string) bool { return c.unread[field+key] })
		if r != nil && r.All == 0 && r.Daily+r.Weekly+r.Monthly+r.Yearly == 0 && !unread {
			c.add(field, "nothing would be kept", "at least one of all, daily, weekly, monthly, yearly")
		}
		if r != nil && r.Weekday != "" && r.Weekly == 0 && !unread && !c.unread[field+".weekday"] {
			c.add(field+".weekday", "a weekday is for weekly ones, and none is kept", "add weekly: 8, or remove it")
		}
	}
	if c.has(at+".zone") && !knownZone(k.Zone) {
		c.add(at+".zone", fmt.Sprintf("the time zone %q is not known", k.Zone), "an IANA name: Europe/Berlin, America/New_York, UTC")
	}
}

// A place is where a dataset is protected, or a replica received.
type place struct {
	group   int
	replica bool
	field   string
}

func (p place) words() string {
	if p.replica {
		return "a replica"
	}
	return "protected"
}

// overlaps finds datasets that two groups would have, and replicas that would be received into each other or over a source.
// Within one group datasets may lie in each other.
func (c *checker) overlaps() {
	type at struct {
		host, dataset string
		place
	}
	var all []at
	first := map[string]at{}
	add := func(host, dataset string, p place) {
		if host == "" || datasetProblem(dataset) != "" {
			return
		}
		x := at{host, dataset, p}
		all = append(all, x)
		if _, ok := first[in(host, dataset)]; !ok {
			first[in(host, dataset)] = x
		}
	}
	for i, g := range c.f.ProtectionGroups {
		field := fmt.Sprintf("protectionGroups[%d]", i)
		for k, d := range g.Source.Datasets {
			add(g.Source.Host, d, place{i, false, fmt.Sprintf("%s.source.datasets[%d]", field, k)})
			if datasetProblem(d) == "" && strings.Contains(d, "/") {
				add(g.Target.Host, g.Replica(d), place{i, true, field + ".target.under"})
			}
		}
	}
	for _, x := range all {
		for _, name := range around(x.dataset) {
			y, ok := first[in(x.host, name)]
			same := y.group == x.group && y.replica == x.replica
			switch {
			case !ok, y == x, same && name != x.dataset:
				continue
			case same && x.replica:
				// The same dataset twice, of which the other field complains.
			case same:
				c.add(x.field, x.dataset+" is here twice", "first as "+y.field)
			case name == x.dataset:
				c.add(x.field, fmt.Sprintf("%s on %s is %s already, in group %s", x.dataset, x.host, y.words(), c.f.ProtectionGroups[y.group].Name), "the other is "+y.field)
			default:
				c.add(x.field, fmt.Sprintf("%s on %s lies in %s, which is %s in group %s", x.dataset, x.host, name, y.words(), c.f.ProtectionGroups[y.group].Name), "the other is "+y.field)
			}
			break
		}
	}
}
