package runapi

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"nightshift/internal/plan"
	"nightshift/internal/words"
)

// GoOn are the commands that go on from a blocked step of the run: those that the run takes. Where its plan was approved by
// signature a step that acts is done as approved, or the run ends; where it had to be approved at all no step is changed.
func (s Sheet) GoOn(run string, st plan.Step) []Command { return s.goOn(run, words.Shell(st.ID), st) }

// GoOnAll is GoOn for all blocked steps of the run, which are like the given one: no step is skipped unnamed.
func (s Sheet) GoOnAll(run string, st plan.Step) []Command {
	if st.Action == plan.Confirm { // nor is a yes said to what nobody has read
		return s.GoOn(run, st)
	}
	list := s.goOn(run, "--all", st)
	for i, c := range list {
		list[i].Type = strings.Replace(c.Type, "nightshift skip "+run+" --all ", "nightshift skip "+run+" STEP… ", 1)
	}
	return list
}

func (s Sheet) goOn(run, id string, st plan.Step) []Command {
	st = s.amended(st)
	command := func(why, format string, args ...any) Command {
		return Command{Type: fmt.Sprintf("nightshift "+format, args...), Why: why}
	}
	abort := func(why string) Command { return command(why, "abort %s --reason WHY", run) }
	skip := command("goes on as if it were done", "skip %s %s --reason WHY", run, id)
	acts := !st.Waits() && !st.Always
	switch {
	case st.Action == plan.Confirm:
		return []Command{command("says yes", "confirm %s %s", run, id), abort("says no, and ends the run in order")}
	case s.Approvers != nil && acts:
		return []Command{command("tries again, once you did by hand what it is to do", "retry %s %s", run, id), abort("ends the run in order; plan and approve anew")}
	}
	list := []Command{command("tries again", "retry %s %s", run, id)}
	harsher, offers := Harsher(st), st.Offers()
	switch {
	case s.Approval && harsher != "":
		return append(list, abort("ends the run in order; for a harsher way change its policy in the lab file, and plan anew"), skip)
	case s.Approval:
		return append(list, skip)
	}
	for _, o := range offers {
		list = append(list, command(o.Why, "retry %s %s %s", run, id, o.Arg()))
	}
	if harsher != "" {
		list = append(list, command(harsher, "retry %s %s --force", run, id))
	}
	return append(list, skip)
}

// amended is the step with the parameters that operators have changed: plans are kept as they were made.
func (s Sheet) amended(st plan.Step) plan.Step {
	for _, o := range s.Orders {
		if o.Verb != Retry || len(o.Params) == 0 || !slices.Contains(o.Steps, st.ID) {
			continue
		}
		if amended, err := plan.Amend(st.Action, st.Params, o.Params); err == nil {
			st.Params = amended
		}
	}
	return st
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
