package runbooks

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"

	"nightshift/internal/inventory"
	"nightshift/internal/plan"
	"nightshift/internal/words"
)

// Groups under which steps are listed.
const (
	groupBegin  = "Preparation"
	groupGuests = "Guests"
	groupReturn = "Point of no return"
	groupEnd    = "End"
)

// A builder collects a plan.
type builder struct {
	*view
	plan      plan.Plan
	onFailure plan.OnFailure
	needed    map[string]bool // ids that another step needs
	said      map[plan.Finding]bool
	upses     []*inventory.UPS // on whose account the plan is made
}

func newBuilder(in Input, runbook string) *builder {
	l := in.Lab
	b := &builder{view: newView(in), onFailure: l.Settings(runbook).OnFailure, needed: map[string]bool{}, said: map[plan.Finding]bool{}}
	b.plan = plan.Plan{Schema: plan.SchemaVersion, Runbook: runbook, Lab: l.Lab, LabHash: l.Hash, Created: in.State.At.UTC(),
		Parameters: in.Parameters, Steps: []plan.Step{},
		Limits: map[string]int{"vcenter": max(1, l.Limits.VCenter), "host": max(1, l.Limits.Host), "bmc": max(1, l.Limits.BMC)}}
	b.findUPSes(in.Parameters[paramUPS])
	if runbook == PowerDown && len(b.upses) > 0 {
		b.onFailure = b.upses[0].Policy.OnFailure
	}
	return b
}

// add puts a step into the plan and returns its id. Empty and repeated needs are dropped.
func (b *builder) add(s plan.Step) string {
	slices.Sort(s.Needs)
	s.Needs = slices.DeleteFunc(slices.Compact(s.Needs), func(id string) bool { return id == "" })
	for _, id := range s.Needs {
		b.needed[id] = b.needed[id] || s.Target.Kind != plan.Watcher // nothing waits for those, so that what they wait for is waited for
	}
	switch s.OnFailure {
	case "":
		s.OnFailure = b.onFailure
	case plan.Skip, plan.Abort:
		s.Own = !s.Always // those keep theirs anyway
	}
	b.plan.Steps = append(b.plan.Steps, s)
	return s.ID
}

// own gives the step that was added last a policy of its own.
func (b *builder) own(o plan.OnFailure) {
	s := &b.plan.Steps[len(b.plan.Steps)-1]
	s.OnFailure, s.Own = o, true
}

// ends lists the steps that no other needs, but for those at monitoring, which may not answer.
func (b *builder) ends() []string {
	var ids []string
	for _, s := range b.plan.Steps {
		if !b.needed[s.ID] && s.Target.Kind != plan.Watcher {
			ids = append(ids, s.ID)
		}
	}
	return ids
}

func (b *builder) block(subject, text, remedy string) {
	b.say(&b.plan.Blockers, plan.Finding{Subject: subject, Text: text, Remedy: remedy})
}

// blockForNow is block where it may pass by itself.
func (b *builder) blockForNow(subject, text, remedy string) {
	b.say(&b.plan.Blockers, plan.Finding{Subject: subject, Text: text, Remedy: remedy, Passes: true})
}

func (b *builder) warn(subject, text, remedy string) {
	b.say(&b.plan.Warnings, plan.Finding{Subject: subject, Text: text, Remedy: remedy})
}

func (b *builder) leave(subject, reason string) {
	b.say(&b.plan.Untouched, plan.Finding{Subject: subject, Text: reason})
}

func (b *builder) say(list *[]plan.Finding, f plan.Finding) {
	if !b.said[f] {
		b.said[f] = true
		*list = append(*list, f)
	}
}

// mark announces this nightshift at each of the vCenters and returns the steps' ids by vCenter.
func (b *builder) mark(vcs []*vcenter) map[string]string {
	ids := map[string]string{}
	for _, vc := range vcs {
		ids[vc.Name] = b.add(b.markStep(vc))
	}
	return ids
}

func (b *builder) markStep(vc *vcenter, needs ...string) plan.Step {
	return plan.Step{ID: "mark-lab:" + vc.Name, Title: "Mark vCenter " + vc.Name + " as worked on by this nightshift",
		Group: groupBegin, Action: plan.MarkLab, Target: b.labTarget(vc), Needs: needs, Holds: []string{vc.holds()},
		Estimate: plan.Duration(takesMark), Timeout: plan.Duration(marginTask)}
}

// unmark ends the plan, whatever became of it. That it failed is no reason to wait for a person.
func (b *builder) unmark(vcs []*vcenter) {
	ends := b.ends()
	for _, vc := range vcs {
		b.unmarkAfter(vc, ends)
	}
}

func (b *builder) unmarkAfter(vc *vcenter, needs []string) string {
	return b.add(plan.Step{ID: "unmark-lab:" + vc.Name, Title: "Take the mark off vCenter " + vc.Name, Group: groupEnd,
		Action: plan.UnmarkLab, Target: b.labTarget(vc), Needs: slices.Clone(needs), Holds: []string{vc.holds()},
		OnFailure: plan.Skip, Always: true, OnlyAfter: "mark-lab:" + vc.Name, Estimate: plan.Duration(takesMark), Timeout: plan.Duration(marginTask)})
}

func (b *builder) labTarget(vc *vcenter) plan.Target {
	t := plan.Target{Kind: plan.Lab, Name: b.lab.Lab}
	if vc != nil {
		t.Endpoint = vc.Name
	}
	return t
}

func (vc *vcenter) holds() string { return "vcenter:" + vc.Name }

// title names the plan. What may stand in the way comes first: a plan with blockers never claims that nothing is to do.
func (b *builder) title(verb, done string, hosts, guests int) {
	switch {
	case len(b.plan.Steps) > 0:
		b.plan.Title = fmt.Sprintf("%s lab %s: %s, %s", verb, b.lab.Lab, words.Count(hosts, "host"), words.Count(guests, "guest"))
	case len(b.plan.Blockers) > 0:
		b.plan.Title = fmt.Sprintf("%s lab %s: blocked", verb, b.lab.Lab)
	default:
		b.plan.Title = "Nothing to do: " + done
	}
}

// ledgerChunk is about how many guests one step remembers or forgets, as they travel as its parameters: about 70 KB.
const ledgerChunk = 500

// chunks makes the ids and titles of steps over parts of a list: "remember-running", or "remember-running:2" in a large lab. Which
// part a guest is in depends on the guest and the size of the lab alone, so that a new plan, whose list is another one, means
// the same guests by the same step.
func (b *builder) chunks(guests []plan.RememberedGuest, verb string, each func(id, part string, g []plan.RememberedGuest)) {
	n := 1
	for n*ledgerChunk < len(b.guests) {
		n *= 2
	}
	parts := make([][]plan.RememberedGuest, n)
	for _, g := range guests {
		h := fnv.New32a()
		_, _ = h.Write([]byte(g.Endpoint + "/" + strings.ToLower(g.UUID))) // never fails
		i := int(h.Sum32() % uint32(n))
		parts[i] = append(parts[i], g)
	}
	for i, part := range parts {
		switch {
		case len(part) == 0:
		case n == 1:
			each(verb, "", part)
		default:
			each(fmt.Sprintf("%s:%d", verb, i+1), fmt.Sprintf(" (part %d of %d)", i+1, n), part)
		}
	}
}

func (b *builder) hostPolicy(h *host) inventory.HostPolicy {
	p := b.lab.HostPolicy(h.lab)
	if u := b.fedBy(h); u != nil && b.plan.Runbook == PowerDown {
		p = u.Policy.Host(p)
	}
	return p
}

// settled adds the time for which a step watches before it says that a call did not arrive.
func (b *builder) settled(d time.Duration) plan.Duration {
	return plan.Duration(d + time.Duration(b.lab.Policies.SettleTime))
}
