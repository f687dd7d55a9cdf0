package plan

import (
	"fmt"
	"slices"
	"strings"
)

// Diff says in people's words what differs between a plan and a later one of the same runbook: why a run with the plan
// in hand is refused. Steps come in the order of the plans, what is new last; nil: they do the same.
func Diff(was, is Plan) []string {
	if was.Hash() == is.Hash() {
		return nil
	}
	d := &differ{}
	d.value("the runbook", was.Runbook, is.Runbook)
	d.value("the lab", was.Lab, is.Lab)
	if was.LabHash != is.LabHash {
		d.say("the lab file was changed")
	}
	if was.Definition != is.Definition {
		d.say("the file of the runbook was changed, or one that it uses")
	}
	d.mapped("parameter", was.Parameters, is.Parameters)
	d.mapped("limit", was.Limits, is.Limits)
	d.steps(was.Steps, is.Steps)
	d.findings("left alone", was.Untouched, is.Untouched)
	d.findings("warning", was.Warnings, is.Warnings)
	d.findings("blocker", was.Blockers, is.Blockers)
	d.rollups(was.Rollups, is.Rollups)
	for _, s := range less(is.Left, was.Left) {
		d.say("leaves %s as it is", s)
	}
	for _, s := range less(was.Left, is.Left) {
		d.say("does not leave %s as it is", s)
	}
	if len(d.lines) == 0 {
		d.say("only the order or the wording is another")
	}
	return d.lines
}

type differ struct{ lines []string }

func (d *differ) say(format string, a ...any) { d.lines = append(d.lines, fmt.Sprintf(format, a...)) }

func (d *differ) value(what, was, is string) {
	if was != is {
		d.say("%s is %q, was %q", what, is, was)
	}
}

func (d *differ) mapped(what string, was, is any) {
	a, b := stringMap(was), stringMap(is)
	names := append(sortedKeys(a), sortedKeys(b)...)
	slices.Sort(names)
	for _, k := range slices.Compact(names) {
		x, before := a[k]
		y, now := b[k]
		switch {
		case !before:
			d.say("new %s %s=%s", what, k, y)
		case !now:
			d.say("no longer %s %s=%s", what, k, x)
		case x != y:
			d.say("%s %s is %s, was %s", what, k, y, x)
		}
	}
}

//workflowcheck:ignore
func stringMap(m any) map[string]string {
	out := map[string]string{}
	switch m := m.(type) {
	case map[string]string:
		return m
	case map[string]int:
		for k, v := range m {
			out[k] = fmt.Sprint(v)
		}
	}
	return out
}

func (d *differ) steps(was, is []Step) {
	now := map[string]Step{}
	for _, s := range is {
		now[s.ID] = s
	}
	before := map[string]bool{}
	for _, s := range was {
		before[s.ID] = true
		t, ok := now[s.ID]
		if !ok {
			d.say("no longer: %s", s.Title)
			continue
		}
		if changes := stepChanges(s, t); len(changes) > 0 {
			d.say("changed: %s: %s", t.Title, strings.Join(changes, "; "))
		}
	}
	for _, s := range is {
		if !before[s.ID] {
			d.say("new: %s", s.Title)
		}
	}
}

func stepChanges(was, is Step) []string {
	d := &differ{}
	if was.Title != is.Title {
		d.say("was %q", was.Title)
	}
	if was.Target != is.Target {
		d.say("it is another object (%s, was %s)", identity(is.Target), identity(was.Target))
	}
	if was.Action != is.Action || string(was.Params) != string(is.Params) && was.Title == is.Title {
		d.say("it is done in another way (%s %s, was %s %s)", is.Action, short(string(is.Params)), was.Action, short(string(was.Params)))
	}
	if more, less := less(is.Needs, was.Needs), less(was.Needs, is.Needs); len(more)+len(less) > 0 {
		d.say("it waits for other steps (%s)", strings.Join(append(prefixed("+ ", more), prefixed("- ", less)...), ", "))
	}
	if !slices.Equal(was.Holds, is.Holds) {
		d.say("it runs at another place (%s, was %s)", strings.Join(is.Holds, ", "), strings.Join(was.Holds, ", "))
	}
	if was.Timeout != is.Timeout {
		d.say("its time-out is %s, was %s", is.Timeout, was.Timeout)
	}
	if was.OnFailure != is.OnFailure {
		d.say("on failure it is to %s, was %s", is.OnFailure, was.OnFailure)
	}
	return d.lines
}

func identity(t Target) string {
	return strings.Join(slices.DeleteFunc([]string{t.String(), t.Endpoint, t.Ref, t.UUID}, func(s string) bool { return s == "" }), " ")
}

// less lists what is in a and not in b.
func less(a, b []string) []string {
	in := map[string]bool{}
	for _, s := range b {
		in[s] = true
	}
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool { return in[s] })
}

func prefixed(prefix string, list []string) []string {
	const most = 3
	out := []string{}
	for i, s := range list {
		if i == most {
			return append(out, fmt.Sprintf("%s%d more", prefix, len(list)-most))
		}
		out = append(out, prefix+s)
	}
	return out
}

func short(s string) string { return cut(s, 160) }

func (d *differ) findings(what string, was, is []Finding) {
	lines := func(list []Finding) []string {
		out := make([]string, len(list))
		for i, f := range list {
			out[i] = f.Subject + ": " + f.Text
		}
		return out
	}
	for _, s := range less(lines(was), lines(is)) {
		d.say("no longer %s: %s", what, s)
	}
	for _, s := range less(lines(is), lines(was)) {
		d.say("new %s: %s", what, s)
	}
}
