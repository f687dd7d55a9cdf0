package main

import (
	"fmt"
	"strings"
	"time"

	"nightshift/internal/plan"
	"nightshift/internal/report"
	"nightshift/internal/runapi"
)

// A view is a run at a moment, as it is shown to a person.
type view struct {
	Run   string
	Link  string
	Plan  *plan.Plan // nil before there is one
	Sheet runapi.Sheet
	Now   time.Time
	Speed float64 // how much faster than a real one the simulated lab is; 0: it is a real one

	outlook *outlook // of the sheet, for all views of it; nil: none is kept
}

// An outlook is what view.left has told of a sheet: simulating a plan of thousands of steps takes a while.
type outlook struct {
	at   time.Time // when; zero: not yet
	left time.Duration
	ok   bool
}

// letter is the state of step i.
func (v view) letter(i int) byte {
	if i < len(v.Sheet.Steps) {
		return v.Sheet.Steps[i]
	}
	return runapi.Todo
}

// begun and finished are when step i did so; zero: not yet.
func (v view) begun(i int) time.Time    { return v.at(v.Sheet.Begun, i) }
func (v view) finished(i int) time.Time { return v.at(v.Sheet.Finished, i) }

// ended is when step i came to its end or blocked; now where that is not known.
func (v view) ended(i int) time.Time {
	if t := v.finished(i); !t.IsZero() {
		return t
	}
	return v.Now
}

// changed is when the run came to stand as it does: of one that is blocked, when the last of its steps blocked or ended.
func (v view) changed() time.Time {
	if v.Sheet.Phase != runapi.PhaseExecute || v.Sheet.Blocked == 0 || !v.Sheet.Stuck() {
		return v.Now
	}
	var last time.Time
	for i := range v.Sheet.Steps {
		t := v.finished(i)
		if v.letter(i) == runapi.Blocked && t.IsZero() { // it blocked before nightshift wrote down when
			return v.Now
		}
		if t.After(last) {
			last = t
		}
	}
	return last
}

func (v view) at(tenths []int64, i int) time.Time {
	if i >= len(tenths) || tenths[i] < 0 {
		return time.Time{}
	}
	return v.Sheet.Started.Add(time.Duration(tenths[i]) * 100 * time.Millisecond)
}

// elapsed is how long step i took, or has been running.
func (v view) elapsed(i int) time.Duration {
	from, to := v.begun(i), v.finished(i)
	switch {
	case from.IsZero():
		return 0
	case to.IsZero() || v.letter(i) == runapi.Blocked:
		return max(0, v.Now.Sub(v.since(i)))
	}
	return max(0, to.Sub(from)-v.asked(i))
}

// asked is how long step i has waited for a person: no time of its own.
func (v view) asked(i int) time.Duration {
	if v.Plan == nil {
		return 0
	}
	return time.Duration(v.Sheet.Asked[v.Plan.Steps[i].ID]) * 100 * time.Millisecond
}

// stepBudget is the number of finished steps from which on their estimates are compared with what they took.
const stepBudget = 4

// left is how long the rest of the run is likely to take: the plan without what is behind, under its limits, scaled by
// how the estimates held so far; of a stream, what its speed says. Steps that wait for a blocked one are not counted. False: nothing can be said.
func (v view) left() (time.Duration, bool) {
	if v.outlook == nil {
		return v.simulated()
	}
	if v.outlook.at.IsZero() {
		v.outlook.at = v.Now
		v.outlook.left, v.outlook.ok = v.simulated()
	}
	return max(0, v.outlook.left-v.Now.Sub(v.outlook.at)), v.outlook.ok
}

func (v view) simulated() (time.Duration, bool) {
	if v.Plan == nil || v.Sheet.Phase != runapi.PhaseExecute || len(v.Sheet.Steps) != len(v.Plan.Steps) {
		return 0, false
	}
	scale := v.scale()
	behind, stopped := map[string]bool{}, map[string]bool{}
	for i, s := range v.Plan.Steps {
		switch v.letter(i) {
		case runapi.StepDone, runapi.StepSkip:
			behind[s.ID] = true
		case runapi.Blocked, runapi.Untouched, runapi.HalfDone:
			stopped[s.ID] = true
		}
	}
	rest := plan.Plan{Limits: v.Plan.Limits}
	for i, s := range v.Plan.Steps {
		if behind[s.ID] || stopped[s.ID] || anyOf(s.Needs, stopped) {
			stopped[s.ID] = !behind[s.ID] // plans list steps after what they need, mostly: this is an estimate
			continue
		}
		s.Needs = without(s.Needs, behind)
		s.Estimate = plan.Duration(float64(s.Estimate) * scale)
		if told := v.Sheet.Progress[s.ID].Left; told > 0 {
			s.Estimate = told
		} else if v.letter(i) == runapi.Running {
			s.Estimate = max(0, s.Estimate-plan.Duration(v.elapsed(i)))
		}
		rest.Steps = append(rest.Steps, s)
	}
	span := rest.Makespan()
	return span, span > 0
}

// scale is how much longer steps took than estimated; a simulated lab at speed 60 has one far below 1, from the beginning.
func (v view) scale() float64 {
	var took, estimated time.Duration
	n := 0
	for i, s := range v.Plan.Steps {
		if v.letter(i) == runapi.StepDone && s.Estimate > 0 {
			took += v.elapsed(i)
			estimated += time.Duration(s.Estimate)
			n++
		}
	}
	switch {
	case n >= stepBudget && estimated > 0:
	case v.Speed > 0:
		return 1 / v.Speed
	default:
		return 1
	}
	return min(5, max(0.01, float64(took)/float64(estimated)))
}

func anyOf(ids []string, set map[string]bool) bool {
	for _, id := range ids {
		if set[id] {
			return true
		}
	}
	return false
}

func without(ids []string, set map[string]bool) []string {
	var rest []string
	for _, id := range ids {
		if !set[id] {
			rest = append(rest, id)
		}
	}
	return rest
}

// headline is the run's state in a few words.
func (v view) headline() string {
	s := v.Sheet
	switch {
	case s.Outcome != "" && s.Why != "":
		return s.Outcome + ": " + strings.TrimPrefix(s.Why, s.Outcome+" ") // "aborted: aborted by" says it twice
	case s.Outcome != "":
		return s.Outcome
	case s.Aborted != "":
		return "aborting: " + strings.TrimPrefix(s.Aborted, "aborted ")
	case s.Paused != "":
		return "paused by " + s.Paused
	case s.Replanning != "":
		return "planning anew what is left: " + s.Replanning
	case s.Proposal != nil && s.Blocked == 0:
		return "its new plan waits for your approval"
	case s.Phase == runapi.PhaseExecute && s.Stuck():
		return "blocked, waits for you"
	case s.Waiting != "" && s.Phase != runapi.PhaseExecute:
		return s.Phase + ": " + s.Waiting
	}
	return s.Phase
}

// counts are the numbers of the steps, in words.
func (v view) counts() string {
	s := v.Sheet
	text := fmt.Sprintf("%d of %d done", s.Done, s.Total)
	for _, n := range []struct {
		n    int
		what string
	}{{s.Running, "running"}, {s.Blocked, "blocked"}, {s.Skipped, "skipped"}, {s.Untouched, "not done"}} {
		if n.n > 0 {
			text += fmt.Sprintf(", %d %s", n.n, n.what)
		}
	}
	return text
}

// blocked are the steps that wait for an operator, by index.
func (v view) blocked() []int {
	var list []int
	for i := range v.Sheet.Steps {
		if v.letter(i) == runapi.Blocked {
			list = append(list, i)
		}
	}
	return list
}

// goOn are the commands to type next for a blocked step.
func (v view) goOn(step plan.Step) (commands []string) {
	for _, c := range v.Sheet.GoOn(v.Run, step) {
		commands = append(commands, c.Type)
	}
	return commands
}

// why says what there is to say of a step, beside its title.
func (v view) why(step plan.Step) string { return report.Reason(step, v.Sheet.Notes[step.ID]) }

// title is the step's, with the parameters that an operator changed: it was written before.
func (v view) title(step plan.Step) string {
	if now := report.Amendments(step.ID, v.Sheet.Orders); len(now) > 0 {
		return step.Title + " (now " + join(now) + ")"
	}
	return step.Title
}

// since is when the attempt of step i that runs now began: after the last decision to act again.
func (v view) since(i int) time.Time {
	at := v.begun(i)
	if v.Plan == nil {
		return at
	}
	for _, d := range v.Sheet.Decisions {
		if d.Step == v.Plan.Steps[i].ID && d.At.After(at) {
			at = d.At
		}
	}
	return at
}
