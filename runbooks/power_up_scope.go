package runbooks

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"nightshift/internal/inventory"
	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/internal/words"
)

// checkVCentersUp looks at the vCenters: one that is off is started where the lab file says in which guest it runs.
func (a *ascent) checkVCentersUp() {
	a.checkVCenters(func(vc *vcenter) bool {
		return !a.comesBack(vc) && slices.ContainsFunc(a.lab.Hosts, func(h hostEntry) bool { return h.VCenter == vc.Name && !h.Keep })
	})
	for _, vc := range a.vcenters {
		if !a.comesBack(vc) {
			continue
		}
		if !a.scope.whole {
			a.block(vc.subject(), "does not answer, and a part of the lab comes up only through it", "run power-up for the whole lab first")
		}
		if vc.unrecorded {
			a.warn(vc.subject(), "does not answer, and the ledger has no record of what it knows: only its hosts with an esxi: are switched on now, and of the guests that the lab stands on those started that these hosts tell of",
				"run power-up again until the vCenter answers: that does the rest")
			continue
		}
		a.warn(vc.subject(), "does not answer: what is known of its hosts and guests is from "+vc.live.Remembered.UTC().Format("2006-01-02 15:04 MST"), "")
		switch g := a.vcenterGuest(vc); {
		case g == nil:
			a.block(vc.subject(), "does not answer, and its record knows no guest that provides it", "correct provides: in the lab file, or start the vCenter by hand")
		case g.host == nil && a.allRead(vc):
			a.block(g.subject(), "vCenter "+vc.Name+" runs in it and does not answer, and none of its hosts knows the guest any more", "find it, start it by hand, and run power-up again")
		case g.kept != "" && g.Power != live.PoweredOn:
			a.block(g.subject(), "vCenter "+vc.Name+" runs in it and does not answer, but the guest is left alone: "+g.kept, "start it by hand, and run power-up again")
		}
	}
}

// allRead tells whether all hosts of a vCenter that does not answer told themselves what they carry, as far as they can be asked.
func (a *ascent) allRead(vc *vcenter) bool {
	return !slices.ContainsFunc(a.hosts, func(h *host) bool { return h.vc == vc && h.lab != nil && h.lab.ESXi != nil && !h.readable() })
}

// comesBack tells whether the vCenter does not answer, and can be started.
func (a *ascent) comesBack(vc *vcenter) bool {
	_, inside := a.lab.VCenterGuest(vc.Name)
	return inside && vc.absent()
}

// chooseHosts decides which hosts are brought back. A host that is up already needs nothing, whatever its BMC says.
func (a *ascent) chooseHosts() {
	for _, h := range a.hosts {
		switch {
		case !a.scope.host(h):
		case h.kept != "":
			a.leave(h.subject(), h.kept)
			if h.live != nil && !h.connected() && h.lab != nil && h.vc.answers() {
				a.warn(h.subject(), "is kept, but vCenter says "+h.live.Connection, "power-up leaves it alone; see to it by hand")
			}
		case h.vc.live == nil: // said already
		case h.live == nil && h.vc.unrecorded: // nobody knows how to reach it
		case h.live == nil:
			a.block(h.subject(), "vCenter "+h.vc.Name+" does not know a host "+inVCenter(*h.lab), "set its address: to its name in vCenter, or remove it from the lab file")
		case h.connected() && !h.bmcSays(live.Off) && !h.bmcSays(live.PoweringOff):
			a.chooseConnected(h)
		case a.checkBMC(h):
			a.chooseAway(h)
		}
		if a.alone(h) && h.kept == "" && (a.returns[h] || h.connected()) {
			a.checkFirst(h)
		}
	}
	for _, h := range a.hosts { // outside of what was asked for: what runs there can be started on
		if h.kept == "" && h.connected() && !h.live.Maintenance {
			a.up[h] = true
		}
	}
}

// checkFirst looks at a host that carries what the lab stands on: its vCenter is not there to speak for it.
func (a *ascent) checkFirst(h *host) {
	why := "comes up before vCenter " + h.vc.Name
	if len(h.lab.Provides) > 0 {
		why += ", as it provides " + provisionWords(h.lab.Provides)
	}
	for _, g := range h.guests {
		if g.foundation() {
			why += ", as guest " + g.id + " on it " + g.stands()
			break
		}
	}
	a.checkOwnAPI(h, why, h.connected())
}

// chooseConnected: a host is taken out of maintenance mode where a run has put it there.
func (a *ascent) chooseConnected(h *host) {
	switch {
	case a.inOurMaintenance(h):
		a.up[h], a.returns[h] = true, true
	case h.live.Maintenance:
		a.warnAside(h)
	}
}

func (a *ascent) warnAside(h *host) {
	a.warn(h.subject(), "is in maintenance mode, and no run of nightshift has put it there: it stays in it, and no guest is started on it",
		"take it out in vCenter if guests are to run on it")
}

// chooseAway decides about a host that vCenter does not see, and whose BMC is its own.
func (a *ascent) chooseAway(h *host) {
	switch {
	case h.isOff():
		a.checkReset(h, true, "On", "switch it on")
		if h.unnoticed() {
			a.warn(h.subject(), unnoticed, "")
		}
	case h.bmc.Power == live.Off:
		a.contradicts(h)
		return
	case h.bmc.Power == live.On && h.live.Connection == live.Disconnected:
		a.warn(h.subject(), "is on, but disconnected in vCenter, which does not connect to it again by itself where a person disconnected it", "connect it in vCenter if the run waits for it in vain")
	case (h.bmc.Power == live.On || h.bmc.Power == live.PoweringOn) && h.vc.absent():
		a.warn(h.subject(), "is on, but does not answer yet: the run waits for it", "see to its management network if it waits in vain")
	case h.bmc.Power == live.On || h.bmc.Power == live.PoweringOn:
		a.warn(h.subject(), "is on, but vCenter does not see it yet: the run waits for it", "see to its management network if it waits in vain")
	default:
		a.blockForNow(h.subject(), fmt.Sprintf("its BMC says %q, which is neither On nor Off", h.bmc.Power), "plan again when it has come to rest")
		return
	}
	a.coming[h], a.up[h], a.returns[h] = true, !a.setAside(h), true
	if a.setAside(h) {
		a.warnAside(h)
	}
	if h.live.ReadOnly {
		a.block(h.subject(), "its licence (free ESXi) lets programs only read", "assign a licence, or mark the host keep: true")
	}
}

// chooseGuests decides what is started: by tag, or by memory, or by the lab's start tag where hosts were off and
// nothing is remembered.
func (a *ascent) chooseGuests() {
	start := a.lab.Tags.Start
	a.wantVCenters()
	switch {
	case a.tag != "":
		a.byTag(a.tag)
	case len(a.view.memory) > 0:
	case len(a.coming) > 0:
		a.byTag(start)
	default:
		a.tellTagged(start)
	}
	a.byMemory()
	for _, g := range a.guests {
		if a.scope.guests[g] {
			a.named(g)
		}
	}
	a.checkNeeded()
}

// wantVCenters starts the guests of vCenters that do not answer, with all that these stand on. Where it is remembered what
// ran, a guest that was off before is not needed: the vCenter ran without it.
func (a *ascent) wantVCenters() {
	ran := map[[2]string]bool{}
	for _, m := range a.view.memory {
		ran[[2]string{m.Endpoint, m.UUID}] = true
	}
	for _, vc := range a.vcenters {
		if !a.comesBack(vc) {
			continue
		}
		for _, g := range a.guests {
			if vc.unrecorded && g.vc == vc && g.foundation() || g == a.vcenterGuest(vc) {
				a.start(g)
				needed, known := a.order.all(g), ran[[2]string{g.vc.Name, g.UUID}]
				for _, dep := range a.guests {
					if needed[dep] && (!known || ran[[2]string{dep.vc.Name, dep.UUID}]) {
						a.start(dep)
					}
				}
			}
		}
	}
}

// named starts a guest that was asked for by its name.
func (a *ascent) named(g *guest) {
	if !a.start(g) && !a.want[g] && !g.runs() && g.kept == "" {
		a.block(g.subject(), "was asked for, and can't be started: its host is not up, and was not asked for", "name its host, too: -p "+paramHost+"=NAME")
	}
}

func (a *ascent) byTag(tag string) {
	a.checkTags("nobody knows which guests bear the tag " + tag)
	found := false
	for _, g := range a.guests {
		if !g.ordinary() || !slices.Contains(g.Tags, tag) || g.host == nil || !a.scope.guest(g) {
			continue
		}
		found = true
		if a.start(g) {
			a.pullIn(g)
		}
	}
	if !found && a.tag != "" {
		a.block("tag "+tag, "no guest bears it", a.likeTag(tag))
	}
}

// start takes the guest into the plan, if that is called for and possible.
func (a *ascent) start(g *guest) bool {
	switch {
	case g.runs() || a.want[g]:
		return false
	case g.kept != "":
		a.leave(g.subject(), g.kept)
		return false
	case g.host == nil || g.Connection == "orphaned" || g.Connection == "invalid":
		a.warn(g.subject(), "is not started: vCenter calls it "+cmp.Or(g.Connection, "unknown")+" and may not know its host", "repair it in vCenter")
		return false
	case !a.up[g.host] || g.host.lab == nil:
		a.warn(g.subject(), "is not started: its host "+g.host.id+" is not up, and will not be", "")
		return false
	}
	a.want[g] = true
	if q := g.Question; q != nil {
		a.warn(g.subject(), fmt.Sprintf("waits for an answer: %q (%s)", q.Text, strings.Join(q.Choices, " | ")), "answer it in vCenter")
	}
	return true
}

// pullIn starts what the guest needs, too: the person who gave it the tag may not have thought of it.
func (a *ascent) pullIn(g *guest) {
	for next := []*guest{g}; len(next) > 0; next = next[1:] {
		a.order.of[next[0]].direct(func(dep *guest, _ edge) {
			if a.start(dep) {
				if !a.bears(dep) {
					a.warn(dep.subject(), "is started too, as guest "+next[0].id+" needs it", "")
				}
				next = append(next, dep)
			}
		})
	}
}

// likeTag says how the tag may be spelt.
func (a *ascent) likeTag(tag string) string {
	var known []string
	for _, g := range a.guests {
		known = append(known, g.Tags...)
	}
	slices.Sort(known)
	if near := inventory.Nearest(tag, slices.Compact(known)); near != "" {
		return fmt.Sprintf("did you mean %q? Upper and lower case differ", near)
	}
	return "see its spelling in vCenter; upper and lower case differ"
}

func (a *ascent) bears(g *guest) bool {
	tag := a.tag
	if tag == "" {
		tag = a.lab.Tags.Start
	}
	return slices.Contains(g.Tags, tag)
}

// byMemory goes through what ran before: started (without a tag), or forgotten where it runs.
func (a *ascent) byMemory() {
	byKey := map[[2]string]*guest{}
	for _, g := range a.guests {
		byKey[[2]string{g.vc.Name, g.UUID}] = g
	}
	left := 0
	for _, m := range a.view.memory {
		g := byKey[[2]string{m.Endpoint, m.UUID}]
		switch {
		case g == nil && slices.ContainsFunc(a.vcenters, func(vc *vcenter) bool { return vc.Name == m.Endpoint && (vc.live == nil || vc.unrecorded) }):
			continue
		case g == nil:
			a.warn("guest "+m.Name, "ran before, but vCenter "+m.Endpoint+" does not know it any more: it stays remembered",
				"if it was removed on purpose: `nightshift settle --forget "+m.Endpoint+"/"+m.UUID+" --reason …`")
			continue
		case !a.scope.guest(g):
			continue
		}
		if m.Tools {
			g.ToolsInstalled = true
		}
		if a.tag == "" {
			a.start(g)
		}
		if g.runs() || a.want[g] {
			a.forget = append(a.forget, g)
		} else {
			left++
		}
	}
	if a.tag != "" && left > 0 {
		a.warn(words.Count(left, "guest")+" that ran before", "without the tag "+a.tag+": not started now, and remembered for the next power-up", "")
	}
}

// checkNeeded warns of needs that nobody meets. A guest that runs meets them.
func (a *ascent) checkNeeded() {
	unmet := map[*node][]string{} // of sets, which thousands may need
	var of func(n *node) []string
	of = func(n *node) (names []string) {
		if g := n.guest; g != nil {
			if !a.want[g] && !g.runs() {
				names = append(names, g.id)
			}
			return names
		}
		if known, ok := unmet[n]; ok {
			return known
		}
		for _, e := range n.needs {
			names = append(names, of(e.to)...)
		}
		unmet[n] = names
		return names
	}
	for _, g := range a.guests {
		if !a.want[g] {
			continue
		}
		var names []string
		for _, e := range a.order.of[g].needs {
			names = append(names, of(e.to)...)
		}
		names = slices.DeleteFunc(names, func(name string) bool { return name == g.id })
		slices.Sort(names)
		switch names = slices.Compact(names); len(names) {
		case 0:
		case 1:
			a.warn(g.subject(), "needs guest "+names[0]+", which does not run and is not started", "")
		default:
			a.warn(g.subject(), "needs guests "+words.Some(names, fewNames)+", which do not run and are not started", "")
		}
	}
}

// tellTagged says what a power-up of a lab that is up leaves off.
func (a *ascent) tellTagged(tag string) {
	n := 0
	for _, g := range a.guests {
		if g.ordinary() && g.kept == "" && !g.runs() && slices.Contains(g.Tags, tag) {
			n++
		}
	}
	if n > 0 {
		a.leave(words.Count(n, "guest")+" with the tag "+tag, "off while the lab is up: start them with the parameter "+paramTag+"="+tag)
	}
}

// health is what has to pass before the guest counts as up, and how long that may take (0: not said).
func health(g *guest) (plan.CheckGuestParams, time.Duration) {
	checks := plan.CheckGuestParams{Tools: g.Tools || g.ToolsInstalled}
	if g.lab == nil || g.lab.Health == nil {
		return checks, 0
	}
	h := g.lab.Health
	if h.Tools != nil {
		checks.Tools = *h.Tools
	}
	checks.TCP, checks.HTTP = h.TCP, h.HTTP
	return checks, time.Duration(h.Timeout)
}

func healthText(c plan.CheckGuestParams) string {
	var parts []string
	if c.Tools {
		parts = append(parts, "Tools")
	}
	return strings.Join(append(append(parts, c.TCP...), c.HTTP...), ", ")
}
