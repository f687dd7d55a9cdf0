package labimport

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"nightshift/internal/identity"
	"nightshift/internal/inventory"
)

func (in Records) writeProtection(w *writer) {
	w.heading("What was replicated, and how.")
	w.line(0, "protectionGroups:", "")
	seen := map[string]bool{}
	for _, f := range in.Found {
		if seen[f.Group] {
			w.comment(2, "? Lab %s has a group %s, too: a lab file has only one of a name.", f.Lab, f.Group)
			continue
		}
		seen[f.Group] = true
		for _, d := range f.Datasets {
			w.comment(2, "- %s is the replica of %s%s", d.Replica, d.Name, shownAs(d))
		}
		g := f.Protection
		g.Hooks = inventory.SnapshotHooks{}
		w.entry(g, false)
		if hook := machineOfHooks(f.Protection.Hooks); hook != "" {
			w.comment(4, "? Its hooks ran at %s, which is not in this file. They were:", hook)
			w.proposal(4, "hooks:")
			for line := range strings.Lines(asYAML(f.Protection.Hooks)) {
				w.proposal(4, "  "+strings.TrimRight(line, "\r\n"))
			}
		}
	}
}

// A superseded record is of a group that has something of what a newer one has: one that was renamed, split or merged leaves its record
// where it was.
type superseded struct {
	identity.Found
	by    string             // the newer group
	alone []identity.Dataset // that no newer group has
}

// newest parts records, the newest of which is first, from those that are superseded.
func newest(all []identity.Found) (used []identity.Found, older []superseded) {
	written := map[string]*inventory.ProtectionGroup{}
	for _, f := range all {
		s := superseded{Found: f}
		for _, u := range used {
			if g := written[u.Group]; s.by == "" && u.Group != f.Group && g.Overlaps(&f.Protection) {
				s.by = u.Group
			}
		}
		if s.by == "" {
			used = append(used, f)
			if written[f.Group] == nil {
				written[f.Group] = &f.Protection
			}
			continue
		}
		for _, d := range f.Datasets {
			one := f.Protection
			one.Source.Datasets = []string{d.Name}
			if !slices.ContainsFunc(used, func(u identity.Found) bool { return written[u.Group].Overlaps(&one) }) {
				s.alone = append(s.alone, d)
			}
		}
		older = append(older, s)
	}
	return used, older
}

func writeOlder(w *writer, older []superseded) {
	for _, s := range older {
		w.comment(2, "? Group %s of lab %s, as of %s, has replicas that group %s has, too, which is newer: not used.", s.Group, s.Lab, s.Made.UTC().Format(time.RFC3339), s.by)
		if len(s.alone) == 0 {
			continue
		}
		w.comment(2, "? These it had alone; are they to be protected still? `nightshift lab record` tells which VMs lie on them.")
		for _, d := range s.alone {
			w.comment(2, "- %s is the replica of %s%s", d.Replica, d.Name, shownAs(d))
		}
	}
}

// machineOfHooks names the machine at which hooks run.
func machineOfHooks(h inventory.SnapshotHooks) string {
	for _, x := range []*inventory.SnapshotHook{h.Before, h.After} {
		if x != nil {
			return x.At
		}
	}
	return ""
}

func shownAs(d identity.Dataset) string {
	var said []string
	for _, l := range d.LUNs {
		naa := "no NAA"
		if l.Identity.NAA != "" {
			naa = "naa." + l.Identity.NAA
		}
		text := fmt.Sprintf("LUN %s, %s, vendor %q, product %q", identity.LUNNumber(l.Identity.LUN, l.Identity.NoLUN), naa, l.Identity.Vendor, l.Identity.Product)
		if l.VMFS != nil && l.VMFS.Label != "" {
			text += fmt.Sprintf(", datastore %q", l.VMFS.Label)
		}
		said = append(said, text)
	}
	if len(said) == 0 {
		return ""
	}
	return ", which was shown as " + strings.Join(said, " and ")
}
