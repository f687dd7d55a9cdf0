package report

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
)

// Reason is the note of a blocked step for somebody who reads its title beside it: without the step's name once more, and
// without the commands, which GoOn lists.
func Reason(s plan.Step, note string) string {
	note = strings.TrimPrefix(note, "unclear: ")
	if s.Target.Name != "" {
		note = strings.Replace(note, string(s.Action)+" of "+s.Target.String()+": ", "", 1)
	}
	for _, again := range []string{"`nightshift retry` (or `nightshift skip`)", "`nightshift retry`"} {
		note = strings.TrimSuffix(note, ", then "+again)
	}
	return note
}

// GoOn are the commands that go on from a blocked step. Where the run's plan is signed by approvers, those that the run
// would refuse are left out: the harsher way, and to go on without a step that acts.
func GoOn(run string, s plan.Step, signed bool) []Command {
	id := Quote(s.ID)
	if s.Action == plan.Confirm {
		return []Command{{Type: fmt.Sprintf("nightshift confirm %s %s", run, id), Why: "says yes"},
			{Type: fmt.Sprintf("nightshift abort %s --reason WHY", run), Why: "says no, and ends the run in order"}}
	}
	list := []Command{{Type: fmt.Sprintf("nightshift retry %s %s", run, id), Why: "tries again"}}
	if signed && !s.Waits() && !s.Always {
		list[0].Why = "tries again, once you did by hand what it is to do"
		return append(list, Command{Type: fmt.Sprintf("nightshift abort %s --reason WHY", run), Why: "ends the run in order; plan and approve anew"})
	}
	if harsher := Harsher(s); harsher != "" && !signed {
		list = append(list, Command{Type: fmt.Sprintf("nightshift retry %s %s --force", run, id), Why: harsher})
	}
	return append(list, Command{Type: fmt.Sprintf("nightshift skip %s %s --reason WHY", run, id), Why: "goes on as if it were done"})
}

// Harsher says what --force lets the step do; empty where it knows no other way.
func Harsher(s plan.Step) string {
	switch s.Action {
	case plan.ShutdownGuest:
		var p plan.ShutdownGuestParams
		if json.Unmarshal(s.Params, &p) == nil && p.Method != plan.PowerOffGuest {
			return "pulls the guest's plug"
		}
	case plan.ShutdownHost:
		return "cuts the host's power, once its guests are seen off"
	}
	return ""
}

// Amendments are the parameters of the step that operators have changed, as KEY=VALUE, sorted.
func Amendments(step string, orders []runapi.Record) []string {
	now := map[string]any{}
	for _, o := range orders {
		if o.Verb != runapi.Retry || !slices.Contains(o.Steps, step) {
			continue
		}
		for k, v := range o.Params {
			now[k] = v
		}
	}
	return pairs(now)
}

func pairs(m map[string]any) []string {
	var list []string
	for _, k := range sortedKeys(m) {
		text, ok := m[k].(string)
		if !ok {
			b, err := json.Marshal(m[k])
			if err != nil {
				continue
			}
			text = string(b)
		}
		list = append(list, k+"="+text)
	}
	return list
}

// forced says on whose word a step took its harsher way; empty where nobody gave it.
func forced(step string, r Report) string {
	by := ""
	for _, o := range r.Orders {
		if o.Verb == runapi.Retry && slices.Contains(o.Steps, step) {
			if by = ""; o.Force {
				by = o.By
			}
		}
	}
	for _, d := range r.Decisions {
		if d.Step == step && strings.HasPrefix(d.By, "policy onFailure: force") {
			by = d.By
		}
	}
	return by
}

// decidedBy is what the decision that an order led to knew: why the step was blocked.
func decidedBy(o runapi.Record, step string, all []runapi.Decision) string {
	for _, d := range all {
		if d.Step == step && d.By == o.By && d.At.Equal(o.At) {
			return strings.TrimSuffix(d.Evidence, "; "+o.Reason)
		}
	}
	return ""
}

// byRule are the decisions that no order led to.
func byRule(r Report) (list []runapi.Decision) {
	for _, d := range r.Decisions {
		ordered := slices.ContainsFunc(r.Orders, func(o runapi.Record) bool { return o.By == d.By && o.At.Equal(d.At) })
		if !ordered {
			list = append(list, d)
		}
	}
	return list
}
