package runapi

import (
	"encoding/json"
	"fmt"

	"nightshift/internal/plan"
	"nightshift/internal/words"
)

// GoOn are the commands that go on from a blocked step of the run: those that the run takes. Where its plan was approved by
// signature a step that acts is done as approved, or the run ends; where it had to be approved at all no step is changed.
func (s Sheet) GoOn(run string, st plan.Step) []Command {
	id := words.Shell(st.ID)
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
	switch harsher := Harsher(st); {
	case harsher == "":
	case s.Approval:
		list = append(list, abort("ends the run in order; for a harsher way change its policy in the lab file, and plan anew"))
	default:
		list = append(list, command(harsher, "retry %s %s --force", run, id))
	}
	return append(list, skip)
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
