package runbooks

import (
	"slices"
	"strings"
	"time"

	"nightshift/internal/plan"
	"nightshift/internal/words"
)

const paramStopApplications = "stop-applications"

// applications makes a node of each application cluster: whoever comes after one of its members comes after all of it.
func (o *order) applications() {
	for i := range o.b.lab.ApplicationClusters {
		a := &o.b.lab.ApplicationClusters[i]
		n := o.node(&node{set: "application cluster " + a.Name, app: a})
		for _, m := range a.Members {
			for _, g := range o.memberOf(m, n.set) {
				if of := o.of[g].partOf; of != nil && of != n {
					o.b.block(g.subject(), "is a member of two application clusters, "+of.app.Name+" and "+a.Name, "take it out of one of them in the lab file")
					continue
				}
				o.of[g].partOf = n
				n.members = append(n.members, g)
			}
		}
		slices.SortFunc(n.members, func(a, b *guest) int { return o.of[a].place - o.of[b].place })
		n.members = slices.Compact(n.members)
		for _, g := range n.members {
			n.needs = append(n.needs, edge{to: o.of[g], kind: edgeMember})
		}
		o.apps = append(o.apps, n)
	}
}

func (o *order) memberOf(word, where string) []*guest {
	if name, isGroup := strings.CutPrefix(word, groupPrefix); isGroup {
		if group, ok := o.b.lab.Group(name); ok {
			return o.members(*group)
		}
		return nil // validation of the lab file forbids it
	}
	if g := o.guest(word, "", where); g != nil {
		return []*guest{g}
	}
	return nil
}

// chooseApplications decides which application clusters are stopped: those of which a member goes down. One whose other
// members stay up is stopped only if a person said so, as it would be stopped for these, too.
func (d *descent) chooseApplications(allowed bool) {
	for _, n := range d.order.apps {
		going, staying := d.members(n)
		switch {
		case len(going) == 0:
		case len(staying) == 0:
			d.stopping[n] = true
		case allowed:
			d.stopping[n] = true
			d.warn(n.set, "is stopped as a whole, though "+words.Some(staying, fewNames)+" of it stay up", "")
		case len(d.upses) > 0:
			d.warn(n.set, words.Some(going, fewNames)+" of it go down while "+words.Some(staying, fewNames)+" stay up: it fails over to these, as it would with an empty battery", "")
		default:
			d.block(n.set, words.Some(going, fewNames)+" of it go down while "+words.Some(staying, fewNames)+" stay up: it would fail over, or fence them",
				"take all of its members down, or say with the parameter "+paramStopApplications+"=true that it may be stopped as a whole")
		}
	}
}

func (d *descent) members(n *node) (going, staying []string) {
	for _, g := range n.members {
		switch {
		case d.going[g]:
			going = append(going, g.id)
		case !g.atRest():
			staying = append(staying, g.id)
		}
	}
	return going, staying
}

// stopApplication comes before the first of its members goes down, and after all that need it have.
func (d *descent) stopApplication(n *node, needs []string) string {
	for _, g := range n.members {
		if d.going[g] {
			needs = append(needs, d.begun(g.vc))
		}
	}
	return d.application(n, plan.StopApplication, "stop-application", "Stop ", needs)
}

func (b *builder) application(n *node, action plan.Action, id, verb string, needs []string) string {
	timeout := n.app.Timeout
	return b.add(plan.Step{ID: id + ":" + n.app.Name, Title: verb + n.set, Group: groupGuests, Action: action,
		Target: plan.Target{Kind: plan.Application, Name: n.app.Name},
		Params: plan.Encode(plan.ApplicationParams{Application: n.app.Name, Timeout: timeout, Commands: n.app.Commands()}), Needs: needs,
		Estimate: plan.Duration(takesApplication), Timeout: b.settled(time.Duration(timeout) + marginTask)})
}

// startsApplication: a member is started, or ran before the power-down that this run undoes: the run that took it down may
// have stopped the application and ended before any of its members went.
func (a *ascent) startsApplication(n *node) bool {
	return slices.ContainsFunc(n.members, func(g *guest) bool { return a.want[g] || slices.Contains(a.forget, g) })
}

// startApplication comes when all of its members that are started are up.
func (a *ascent) startApplication(n *node, needs []string) string {
	var off []string
	for _, g := range n.members {
		if needs = append(needs, a.last[g]); !a.want[g] && !g.runs() {
			off = append(off, g.id)
		}
	}
	if len(off) > 0 {
		a.warn(n.set, "is started without "+words.Some(off, fewNames)+", which do not run and are not started", "")
	}
	if strings.Join(needs, "") == "" && len(n.members) > 0 {
		needs = append(needs, a.marks[n.members[0].vc.Name])
	}
	return a.application(n, plan.StartApplication, "start-application", "Start ", needs)
}
