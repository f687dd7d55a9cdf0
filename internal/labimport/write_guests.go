package labimport

import (
	"cmp"
	"slices"
	"strings"

	"nightshift/internal/live"
	"nightshift/internal/words"
)

// writeFoundation sums up what the lab stands on, whoever provides it.
func (d *draft) writeFoundation(w *writer) {
	w.heading("What the lab stands on. A guest that provides it goes down after all that need it, and comes up before them.")
	for _, s := range d.sources {
		text := s.what + ": " + s.where
		if s.guest != nil {
			text = s.what + ": guest " + s.guest.Name + " (" + s.where + ")"
		} else if s.ask == "" {
			text += ", no guest of this vCenter"
		}
		if s.ask != "" {
			text += ". ? " + strings.ToUpper(s.ask[:1]) + s.ask[1:]
		}
		w.comment(0, "- %s", text)
	}
}

func (d *draft) writeGuests(w *writer) {
	w.heading("Guests of which there is something to say. All others follow the policies below.")
	var entries []*guest
	for _, g := range d.guests {
		if g.entry && (g.keep != "" || len(g.provides)+len(g.after) > 0) {
			entries = append(entries, g)
		}
	}
	if len(entries) == 0 {
		w.remark(0, "? Nothing is known of the order in which guests start. Which need others to be up before them?")
		w.proposal(0, "guests:")
		w.proposal(0, "  - name: GUEST")
		w.proposal(0, "    after: [ANOTHER]")
		w.proposal(0, "    health: {tcp: [\"ADDRESS:PORT\"]}")
	} else {
		w.line(0, "guests:", "")
	}
	for _, g := range entries {
		w.line(2, "- name: "+quoted(g.Name), "")
		if g.keep != "" {
			w.line(4, "keep: true", "? "+g.keep+"; may it go down, too?")
		}
		w.said(4, "provides", g.provides)
		w.said(4, "after", g.after)
	}
	for _, s := range d.leftOut {
		w.comment(0, "? Left out, as the order would go in a circle: %s", s)
	}
	if double := d.notListed(); len(double) > 0 {
		w.comment(0, "Names of guests that cannot stand here, as there are several of one name, or for their characters: %s", words.Some(double, fewNames))
	}
}

func (d *draft) notListed() []string {
	var out []string
	for _, g := range d.guests {
		if !g.entry {
			out = append(out, g.Name)
		}
	}
	return slices.Compact(out)
}

// said writes a list, each word with its reason.
func (w *writer) said(indent int, key string, list []said) {
	if len(list) == 0 {
		return
	}
	w.line(indent, key+":", "")
	for _, s := range slices.SortedFunc(slices.Values(list), func(a, b said) int { return cmp.Compare(a.value, b.value) }) {
		w.line(indent+2, "- "+quoted(s.value), s.from)
	}
}

// mostGuests is how many names of a group stand in one line.
const mostGuests = 8

func (d *draft) writeGroups(w *writer) {
	tags, folders, together := d.byTag(), d.byFolder(), d.together()
	if len(d.groups)+len(tags)+len(together) == 0 && len(folders) < 2 {
		return
	}
	w.heading("Groups of guests, to name them together in after: as \"group:NAME\".")
	indent := 0
	if len(d.groups) > 0 {
		indent = 2
		w.line(0, "groups:", "")
		for _, x := range d.groups {
			w.line(2, "- name: "+quoted(x.name), x.from)
			w.members(4, "guests", names(x.guests))
			w.said(4, "after", x.after)
		}
	}
	for _, a := range d.asks {
		w.remark(indent, a.text)
		w.proposal(indent, "    "+a.proposal)
	}
	d.proposeGroups(w, indent, tags)
	if len(folders) > 1 {
		w.folders(indent, folders)
	}
	for _, line := range together {
		w.proposal(indent, line)
	}
}

// together tells which guests rules keep on one host: they often work together, too.
func (d *draft) together() (lines []string) {
	for _, c := range d.sortedClusters() {
		for _, r := range rules(c) {
			if guests := d.of(r.Guests); r.Kind == live.RuleTogether && len(guests) > 1 {
				lines = append(lines, "Kept on one host by rule "+r.Name+": "+words.Some(names(guests), fewNames))
			}
		}
	}
	return lines
}

func (w *writer) members(indent int, key string, list []string) {
	if len(list) <= mostGuests {
		w.line(indent, key+": "+listOf(list), "")
		return
	}
	w.line(indent, key+":", "")
	for _, n := range list {
		w.line(indent+2, "- "+quoted(n), "")
	}
}

// byTag are the names of guests by tag, but for those tags that have a meaning of their own.
func (d *draft) byTag() map[string][]string {
	tags := map[string][]string{}
	for _, g := range d.guests {
		for _, t := range g.Tags {
			tags[t] = append(tags[t], g.Name)
		}
	}
	delete(tags, "KeepOn")
	delete(tags, "StartUp")
	return tags
}

func (d *draft) byFolder() map[string][]string {
	folders := map[string][]string{}
	for _, g := range d.guests {
		folders[g.Folder] = append(folders[g.Folder], g.Name)
	}
	return folders
}

// proposeGroups proposes one for each tag.
func (d *draft) proposeGroups(w *writer, indent int, tags map[string][]string) {
	if len(tags) == 0 {
		return
	}
	w.remark(indent, "? The tags in use. Does one of these groups start after another (after: [\"group:NAME\"])?")
	taken := map[string]bool{}
	for _, x := range d.groups {
		taken[x.name] = true
	}
	if indent == 0 {
		w.proposal(0, "groups:")
	}
	pad := strings.Repeat(" ", 2-indent)
	for _, t := range sortedKeys(tags) {
		if nameable(t) {
			name := unused(taken, plain(t, "tag"))
			w.proposal(indent, pad+"- {name: "+quoted(name)+", tag: "+quoted(t)+"} # "+words.Count(len(tags[t]), "guest")+": "+words.Some(tags[t], fewNames))
		}
	}
}

// mostFolders is how many are told.
const mostFolders = 40

func (w *writer) folders(indent int, folders map[string][]string) {
	w.remark(indent, "By folder:")
	for i, f := range sortedKeys(folders) {
		if i == mostFolders {
			w.proposal(indent, "  and "+words.Count(len(folders)-mostFolders, "folder")+" more")
			break
		}
		w.proposal(indent, "  "+cmp.Or(f, "(none)")+": "+words.Count(len(folders[f]), "guest")+": "+words.Some(folders[f], fewNames))
	}
}
