package inventory

import (
	"encoding/json"
	"slices"
	"strings"
)

// An ApplicationState is what the status command of an application cluster told.
type ApplicationState string

// States of application clusters. Unknown is neither of the others, and never taken for one.
const (
	ApplicationUp      ApplicationState = "up"
	ApplicationStopped ApplicationState = "stopped"
	ApplicationUnknown ApplicationState = "unknown"
)

// State is what an exit status of the Status command means.
func (a *ApplicationCluster) State(exitStatus int) ApplicationState {
	switch {
	case exitStatus == 0:
		return ApplicationUp
	case slices.Contains(a.Stopped, exitStatus):
		return ApplicationStopped
	}
	return ApplicationUnknown
}

// Commands identifies what is carried out for the cluster, and where: two that differ in it do different things. Logins are not
// part of it, as passwords and keys are renewed.
func (a *ApplicationCluster) Commands() string {
	type machine struct {
		Address, User, HostKey string
		KnownHosts             string `json:",omitempty"`
		Jump                   string `json:",omitempty"` // its address
	}
	what := struct {
		At                  []machine
		Status, Stop, Start []string
		Stopped             []int
	}{Status: a.Status, Stop: a.Stop, Start: a.Start, Stopped: a.Stopped}
	for _, m := range a.At {
		at := machine{Address: m.Address, User: m.User, HostKey: m.HostKey, KnownHosts: m.KnownHosts}
		if m.Jump != nil {
			at.Jump = m.Jump.Address
		}
		what.At = append(what.At, at)
	}
	b, err := json.Marshal(what)
	if err != nil {
		panic(err) // lists of strings and numbers always marshal
	}
	return hashOf(b)[:commandsLength]
}

// commandsLength is 128 bits: nobody finds two lab files of the same, and plans of hundreds of clusters stay small.
const commandsLength = 32

// ApplicationClusterOf finds the cluster of which a guest is a member: by its name, or by a group that lists it, or whose
// tag it bears.
func (l *Lab) ApplicationClusterOf(guest string, tags []string) (*ApplicationCluster, bool) {
	return find(l.ApplicationClusters, func(a *ApplicationCluster) bool { return l.IsMember(a, guest, tags) })
}

// IsMember says whether a guest is a member of the cluster.
func (l *Lab) IsMember(a *ApplicationCluster, guest string, tags []string) bool {
	return slices.ContainsFunc(a.Members, func(m string) bool {
		name, ok := strings.CutPrefix(m, groupPrefix)
		if !ok {
			return m == guest
		}
		g, ok := l.Group(name)
		return ok && (slices.Contains(g.Guests, guest) || g.Tag != "" && slices.Contains(tags, g.Tag))
	})
}

// NamedMembers are the members that the file names, itself or in groups. Those that bear a group's tag are not known here.
func (l *Lab) NamedMembers(a *ApplicationCluster) []string {
	var out []string
	for _, m := range a.Members {
		name, ok := strings.CutPrefix(m, groupPrefix)
		if !ok {
			out = append(out, m)
		} else if g, ok := l.Group(name); ok {
			out = append(out, g.Guests...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
