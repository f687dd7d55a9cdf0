package runbooks

import (
	"slices"
	"strings"
	"time"

	"nightshift/internal/inventory"
	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/internal/words"
)

// paramUPS names the UPSes on whose account a run is made.
const paramUPS = "ups"

// onBattery tells whether a run is made on account of UPSes.
func onBattery(parameters map[string]string) bool { return len(namesIn(parameters[paramUPS])) > 0 }

// RunSettings are those of a run: the lab file's, or, of a power-down on account of UPSes, those of the first of these.
func RunSettings(l *inventory.Lab, runbook string, parameters map[string]string) plan.Settings {
	s := l.Settings(runbook)
	if runbook != PowerDown {
		return s
	}
	names := namesIn(parameters[paramUPS])
	slices.Sort(names)
	for _, name := range names {
		if u, ok := l.UPSOf(name); ok {
			return u.Settings(s)
		}
	}
	return s
}

// namesIn are those of a list with commas between.
func namesIn(list string) (names []string) {
	for name := range strings.SplitSeq(list, ",") {
		if name = strings.TrimSpace(name); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// findUPSes are those on whose account the plan is made, each once, by name.
func (b *builder) findUPSes(list string) {
	names := namesIn(list)
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		u, ok := b.lab.UPSOf(name)
		if !ok {
			var known []string
			for _, u := range b.lab.UPS {
				known = append(known, u.Name)
			}
			b.unknown("UPS", name, "the lab file has no such UPS", known)
			continue
		}
		b.upses = append(b.upses, u)
	}
}

// fedBy is the first of the plan's UPSes that feeds the host; nil: none does.
func (b *builder) fedBy(h *host) *inventory.UPS {
	if h == nil || h.lab == nil {
		return nil
	}
	for _, u := range b.upses {
		if slices.Contains(u.Feeds, h.lab.Name) {
			return u
		}
	}
	return nil
}

// scopeFed takes what the UPSes feed into the scope: all of the lab, where that is all that goes down at all.
func (b *builder) scopeFed(s *scope) {
	whole := true
	for _, h := range b.hosts {
		switch {
		case b.fedBy(h) != nil:
			s.hosts[h] = true
		case h.kept == "":
			whole = false
		}
	}
	s.whole = whole
	for _, u := range b.upses {
		s.said = append(s.said, "UPS "+u.Name)
	}
}

// hurry has guests and hosts go down as the policies of their UPSes want it.
func (d *descent) hurry() {
	for _, g := range d.guests {
		if u := d.fedBy(g.host); u != nil {
			g.policy = u.Policy.Guest(g.policy)
		}
	}
	for _, h := range d.hosts {
		if u := d.fedBy(h); u != nil && h.kept != "" && d.scope.host(h) {
			d.warn(h.subject(), "runs on UPS "+u.Name+" until its battery is empty: "+h.kept, "")
		}
	}
}

// pointOfNoReturn is the step between the last guest and the first host.
func (d *descent) pointOfNoReturn() {
	if len(d.upses) == 0 || len(d.down) == 0 {
		return
	}
	p := plan.MainsParams{}
	for _, u := range d.upses {
		p.UPS, p.Steady = append(p.UPS, u.Name), max(p.Steady, u.OnBattery.Steady)
	}
	name := strings.Join(p.UPS, ", ")
	// The battery does not wait until those who watch are quiet.
	needs := slices.DeleteFunc(d.ends(), func(id string) bool {
		return slices.ContainsFunc(d.plan.Steps, func(s plan.Step) bool { return s.ID == id && s.Minor() })
	})
	d.noReturn = d.add(plan.Step{ID: "check-mains", Title: "Point of no return: end here if the mains are back at UPS " + name, Group: groupReturn,
		Action: plan.CheckMains, Target: plan.Target{Kind: plan.UPS, Name: name}, Params: plan.Encode(p), Needs: needs, OnFailure: plan.Skip,
		Estimate: plan.Duration(takesMark), Timeout: 4*p.Steady + plan.Duration(marginTask)})
}

// checkSupply: what a UPS feeds that goes off does not come up, to crash a minute later.
func (a *ascent) checkSupply(upses []live.UPS) {
	for _, u := range upses {
		configured, ok := a.lab.UPSOf(u.Name)
		if !ok || !slices.ContainsFunc(a.hosts, func(h *host) bool {
			return a.coming[h] && h.lab != nil && slices.Contains(configured.Feeds, h.lab.Name)
		}) {
			continue
		}
		switch {
		case u.Err != "":
			a.warn("UPS "+u.Name, "could not be asked whether the mains are there: "+u.Err, "")
		case u.GoesOff:
			a.blockForNow("UPS "+u.Name, "is about to switch its load off, as it was told to", "wait until it has, and is on mains again; a forced shutdown (FSD) that was called off stands until upsd is started anew")
		case u.OnBattery:
			a.warn("UPS "+u.Name, "is on battery: what comes up will not last", "wait until the mains are back")
		}
	}
}

// orderLoadOff has the UPSes switch their loads off, when all that they feed is off. What stays on would crash.
func (d *descent) orderLoadOff() {
	needs := d.ends()
	for _, u := range d.upses {
		if u.LoadOff != nil && len(d.plan.Left) > 0 {
			d.warn("UPS "+u.Name, "is not told to switch its load off, as "+words.Some(d.plan.Left, fewNames)+" is left as it is", "")
			continue
		}
		if u.LoadOff == nil || !d.loadMayGo(u) {
			continue
		}
		o := *u.LoadOff
		d.add(plan.Step{ID: "order-load-off:" + u.Name, Group: groupEnd, Action: plan.OrderLoadOff, Target: plan.Target{Kind: plan.UPS, Name: u.Name},
			Title:  "Order UPS " + u.Name + " to switch its load off in " + words.Limit(time.Duration(o.Delay)) + ", and on again with the mains",
			Params: plan.Encode(plan.LoadOffParams{UPS: u.Name, Hosts: u.Feeds, Delay: o.Delay, RestartDelay: o.RestartDelay, Servers: d.serversOn(u)}),
			Needs:  slices.Clone(needs), Estimate: plan.Duration(takesMark), Timeout: d.settled(time.Duration(o.Delay) + marginTask)})
	}
}

// loadMayGo tells whether all hosts that the UPS feeds will be seen off by their BMCs.
func (d *descent) loadMayGo(u *inventory.UPS) bool {
	for _, h := range d.hosts {
		switch {
		case h.lab == nil || !slices.Contains(u.Feeds, h.lab.Name):
		case h.lab.BMC == nil:
			d.warn("UPS "+u.Name, "is not told to switch its load off: host "+h.name+" has no BMC that could say that it is off", "remove loadOff: from the UPS")
			return false
		case !d.down[h] && !d.off[h]:
			d.warn("UPS "+u.Name, "is not told to switch its load off: host "+h.name+" stays up", "")
			return false
		}
	}
	return true
}

// serversOn are what the BMCs of the UPS's hosts tell of themselves, where the lab file has nothing recorded: an Off of another
// machine, which answers at the address by then, is none.
func (d *descent) serversOn(u *inventory.UPS) map[string]plan.Server {
	found := map[string]plan.Server{}
	for _, h := range d.hosts {
		if h.lab == nil || !slices.Contains(u.Feeds, h.lab.Name) || h.bmc == nil || pinOf(h.lab.BMC).Recorded() {
			continue
		}
		var s plan.Server
		if live.Genuine(h.bmc.Serial) {
			s.Serial = h.bmc.Serial
		}
		if live.GenuineUUID(h.bmc.UUID) {
			s.UUID = h.bmc.UUID
		}
		if s != (plan.Server{}) {
			found[h.lab.Name] = s
		}
	}
	return found
}
