// Package labimport writes a first lab file from what a vCenter tells: what is certain as plain entries, what is guessed
// with the reason of the guess beside it, and what only a person knows as a question ("# ?") in the place of its answer.
//
// It is a pure function: who asks the vCenter, and the person, is the command. It must not know Temporal or any device.
package labimport

import (
	"errors"
	"net/url"
	"slices"

	"nightshift/internal/inventory"
	"nightshift/internal/live"
)

// Input is all that the file is made of.
type Input struct {
	Lab     string            // its name; empty: it is guessed
	VCenter inventory.VCenter // its entry
	Typed   bool              // the password was typed, so that the reference in VCenter is only a proposal
	Live    live.VCenter
	Setup   live.Setup
	Machine Machine
	// Addresses of the names that Names lists, as a name server tells them.
	Addresses map[string][]string
}

// A Machine is the one that the import runs on.
type Machine struct {
	UUID      string   // SMBIOS, lower case; empty: not known
	MACs      []string // lower case
	Addresses []string
}

// errNoHost: a lab file needs one.
var errNoHost = errors.New("the vCenter shows no host to this account: give it at least read access to the hosts of the lab")

// Names are the names whose addresses help to tell who is who: of the vCenter, of servers of storage, time and keys.
func Names(vcenterURL string, s live.Setup) []string {
	var list []string
	if u, err := url.Parse(vcenterURL); err == nil {
		list = append(list, u.Hostname())
	}
	for _, h := range s.Hosts {
		list = append(append(list, h.DNS...), h.NTP...)
	}
	for _, d := range s.Datastores {
		list = append(list, d.From...)
	}
	for _, k := range s.KeyProviders {
		list = append(list, k.Servers...)
	}
	list = slices.DeleteFunc(list, func(s string) bool { return !inventory.IsName(s) })
	slices.Sort(list)
	return slices.Compact(list)
}

// Write makes the text of the lab file. The same input makes the same text, in whatever order it lists its things. The only
// error is that there is no host.
func Write(in Input) ([]byte, error) {
	d := newDraft(in)
	if len(d.hosts) == 0 {
		return nil, errNoHost
	}
	d.findSelf()
	d.findProviders()
	d.guessOrder()
	d.decideKeeps()
	w := &writer{}
	d.writeHead(w)
	d.writeHosts(w)
	d.writeFoundation(w)
	d.writeGuests(w)
	d.writeGroups(w)
	d.writeApplications(w)
	d.writeRest(w)
	return []byte(w.String()), nil
}

// WithProblems ends the text of a lab file with what is wrong with it, as questions: below everything, so that their lines are right.
func WithProblems(text []byte, wrong inventory.Errors) []byte {
	w := &writer{}
	w.Write(text)
	w.heading("? This file is not valid yet:")
	for _, e := range wrong {
		w.remark(0, "- "+e.Error())
	}
	return []byte(w.String())
}
