package inventory

import (
	"cmp"
	"slices"
	"strings"

	"nightshift/internal/plan"
)

// VCenter finds a vCenter by its name in the file.
func (l *Lab) VCenter(name string) (*VCenter, bool) {
	return find(l.VCenters, func(v *VCenter) bool { return v.Name == name })
}

// Host finds a host by its name in the file.
func (l *Lab) Host(name string) (*Host, bool) {
	return find(l.Hosts, func(h *Host) bool { return h.Name == name })
}

// HostByAddress finds a host by the name under which its vCenter knows it.
func (l *Lab) HostByAddress(vcenter, nameInVCenter string) (*Host, bool) {
	return find(l.Hosts, func(h *Host) bool { return h.VCenter == vcenter && strings.EqualFold(h.Address, nameInVCenter) })
}

// Cluster finds a cluster by its name in vCenter.
func (l *Lab) Cluster(vcenter, name string) (*Cluster, bool) {
	return find(l.Clusters, func(c *Cluster) bool { return c.VCenter == vcenter && c.Name == name })
}

// Guest finds the entry for a VM: the one with its UUID, else the one with its name that gives no UUID.
func (l *Lab) Guest(vcenter, name, uuid string) (*Guest, bool) {
	g, ok := find(l.Guests, func(g *Guest) bool {
		return uuid != "" && g.VCenter == vcenter && g.Name == name && strings.EqualFold(g.UUID, uuid)
	})
	if ok {
		return g, true
	}
	return find(l.Guests, func(g *Guest) bool { return g.VCenter == vcenter && g.Name == name && (g.UUID == "" || uuid == "") })
}

// A Keep is how the file says that a guest is left alone.
type Keep string

// The ways to say it.
const (
	KeepNot   Keep = ""     // it is not
	KeepSelf  Keep = "self" // self: nightshift runs in it
	KeepNeed  Keep = "need" // self.needs: nightshift cannot do without it
	KeepEntry Keep = "keep" // keep: true in its entry
	KeepTag   Keep = "tag"  // it bears the tag tags.keep
)

// Keeps tells whether the file wants a guest left alone. entry is what Guest finds, or nil; tags are those that it bears.
func (l *Lab) Keeps(name string, entry *Guest, tags []string) Keep {
	switch {
	case l.Self.Guest != "" && l.Self.Guest == name:
		return KeepSelf
	case slices.Contains(l.Self.NeededGuests(), name):
		return KeepNeed
	case entry != nil && entry.Keep:
		return KeepEntry
	case l.Tags.Keep != "" && slices.Contains(tags, l.Tags.Keep):
		return KeepTag
	}
	return KeepNot
}

// A Provider is a machine that provides something to the lab: a guest or a host of the file, never both.
type Provider struct {
	Kind, Name string // of the provision; the name may be empty
	VCenter    string // the machine's
	Guest      *Guest
	Host       *Host
}

// Providers lists who provides a kind, the guests first, in the order of the file; of all kinds for "".
func (l *Lab) Providers(kind string) []Provider {
	var list []Provider
	add := func(provides []Provision, p Provider) {
		for _, x := range provides {
			if p.Kind, p.Name = x.Split(); kind == "" || p.Kind == kind {
				list = append(list, p)
			}
		}
	}
	for i := range l.Guests {
		add(l.Guests[i].Provides, Provider{VCenter: l.Guests[i].VCenter, Guest: &l.Guests[i]})
	}
	for i := range l.Hosts {
		add(l.Hosts[i].Provides, Provider{VCenter: l.Hosts[i].VCenter, Host: &l.Hosts[i]})
	}
	return list
}

// VCenterGuest is the guest that a vCenter runs in; false: it runs outside of this lab, as far as the file knows.
func (l *Lab) VCenterGuest(vcenter string) (*Guest, bool) {
	for _, p := range l.Providers(ProvidesVCenter) {
		if p.Name == vcenter && p.Guest != nil {
			return p.Guest, true
		}
	}
	return nil, false
}

// ApplicationCluster finds an application cluster by its name.
func (l *Lab) ApplicationCluster(name string) (*ApplicationCluster, bool) {
	return find(l.ApplicationClusters, func(a *ApplicationCluster) bool { return a.Name == name })
}

// Group finds a group by its name, without "group:".
func (l *Lab) Group(name string) (*Group, bool) {
	return find(l.Groups, func(g *Group) bool { return g.Name == name })
}

func find[T any](list []T, match func(*T) bool) (*T, bool) {
	for i := range list {
		if match(&list[i]) {
			return &list[i], true
		}
	}
	return nil, false
}

// GuestPolicy is how a guest goes down: its own settings over the lab's. Of nil, a guest that is not listed: the lab's.
func (l *Lab) GuestPolicy(g *Guest) GuestPolicy {
	if g == nil || g.Shutdown == nil {
		return l.Policies.Guest
	}
	return g.Shutdown.over(l.Policies.Guest)
}

// HostPolicy is how a host goes down and comes up: its own settings over the lab's.
func (l *Lab) HostPolicy(h *Host) HostPolicy {
	if h == nil || h.Shutdown == nil {
		return l.Policies.Host
	}
	return h.Shutdown.over(l.Policies.Host)
}

// Settings are those of a runbook, with the defaults where the file says nothing.
func (l *Lab) Settings(runbook string) plan.Settings {
	r := l.Runbooks[runbook]
	return plan.Settings{
		OnFailure:        cmp.Or(r.OnFailure, plan.Ask),
		Deadline:         r.Deadline,
		BlockedDeadline:  cmp.Or(r.BlockedDeadline, defaultBlockedDeadline),
		ApprovalDeadline: cmp.Or(r.ApprovalDeadline, defaultApprovalDeadline),
		Approval:         r.Approval || r.Approvers != nil,
		Approvers:        l.approvers(runbook),
		OnStale:          r.OnStale,
	}
}

// RunbookNames lists the runbooks that nightshift brings along: the catalog's names.
func RunbookNames() []string {
	return []string{"power-down", "power-up", "settle", "replicate", "prune", "lun-map", "vmfs-inspect", "vmfs-backup", "vmfs-restore-partition", "cbt-reset", "guest-repair-sysprep", "l1tf-options", "vcsa-restart-services"}
}
