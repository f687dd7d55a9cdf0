package report

import (
	"encoding/json"
	"slices"
	"strings"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
)

// Reason is the note of a blocked step for somebody who reads its title beside it: without the step's name once more, and
// without the commands, which Sheet.GoOn lists.
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

// asked says how long the step waited for a person, where that is worth a word.
func asked(seconds float64) string {
	if seconds <= late.Seconds() {
		return ""
	}
	return "waited " + span(seconds) + " for a person"
}

// Why is what there is to say of the step, beside its title.
func (s Step) Why() string { return Reason(s.plan, s.Note) }

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
