package simlab

import "strings"

// provides are the provisions of a guest as the lab file names them: what the spec says, the datastores that it serves,
// and the vCenter in it.
func (s *Spec) provides(g GuestSpec) []string {
	out := append([]string(nil), g.Provides...)
	for _, d := range s.Datastores {
		if d.ProvidedBy == g.Name {
			out = append(out, "datastore:"+d.Name)
		}
	}
	if g.Name == s.VCenterGuest {
		out = append(out, "vcenter")
	}
	return out
}

func writeProvides(w *yamlWriter, provides []string) {
	if len(provides) > 0 {
		w.line("    provides: [%s]", strings.Join(provides, ", "))
	}
}

// cannotResolve says whether a guest's service fails because a name server or a directory of the lab is not up. Those
// themselves, and the storage, do without. The world is locked.
func (l *Lab) cannotResolve(g *guest) bool {
	if len(l.spec.provides(g.spec)) > 0 || g.vcls != nil {
		return false
	}
	for _, p := range l.spec.Guests {
		if needed(p.Provides) && !l.guestNamed(p.Name).ready {
			return true
		}
	}
	for _, p := range l.hosts {
		if needed(p.spec.Provides) && !p.running {
			return true
		}
	}
	return false
}

func needed(provides []string) bool {
	for _, p := range provides {
		if kind, _, _ := strings.Cut(p, ":"); kind == "dns" || kind == "identity" {
			return true
		}
	}
	return false
}
