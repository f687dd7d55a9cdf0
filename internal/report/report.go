// Package report makes the report of a run: what was done, when, by whom, what was decided on the way, and what is left
// with the command that goes on from there. It reads the run's sheet and its plan and knows neither Temporal's client
// nor any device; where the two come from is the caller's business.
package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
	"nightshift/internal/words"
)

// States of a step in a report.
const (
	StateDone      = "done"
	StateSkipped   = "skipped"
	StateRunning   = "running"
	StateBlocked   = "blocked"
	StateHalfDone  = "half done" // begun, and not seen to its end
	StateUntouched = "untouched" // not begun when the run ended, or had sent nothing
	StateToDo      = "to do"     // not begun, and the run goes on
)

// A Report is one run, told afterwards or under way. Its JSON form is what `report -o json` prints; fields are only added.
type Report struct {
	Run     string `json:"run"`
	Link    string `json:"link,omitempty"` // the run's page in the Temporal UI, where one is known
	Lab     string `json:"lab"`
	Runbook string `json:"runbook"`
	Title   string `json:"title"`
	By      string `json:"by"` // who asked for it, as claimed
	Hash    string `json:"hash,omitempty"`

	Phase   string    `json:"phase"`
	Outcome string    `json:"outcome,omitempty"` // empty while it is under way
	Why     string    `json:"why,omitempty"`
	Waiting string    `json:"waiting,omitempty"` // what an open run waits for
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended,omitzero"`
	Seconds float64   `json:"seconds"` // from start to end, or to now
	Counts  Counts    `json:"counts"`

	Parameters map[string]string `json:"parameters,omitempty"`
	// Steps are those of the plan, in its order. Empty where there is no plan, or it cannot be read.
	Steps     []Step            `json:"steps"`
	Decisions []runapi.Decision `json:"decisions"`
	Orders    []runapi.Record   `json:"orders"`
	// Approvers, Requester and Approvals are as in the sheet: who had to sign, who asked, and the signatures that counted.
	Orphan    string           `json:"orphan,omitempty"`   // the run that is no more, and whose lock refused this one
	Approval  bool             `json:"approval,omitempty"` // no step of the plan can be changed: it had to be approved
	Approvers *plan.Approvers  `json:"approvers,omitempty"`
	Requester *runapi.Consent  `json:"requester,omitempty"`
	Approvals []runapi.Consent `json:"approvals,omitempty"`
	// Amendments are the new plans of what was left; Proposal is one that waits for an approval.
	Amendments []runapi.Amendment `json:"amendments"`
	Proposal   *runapi.Amendment  `json:"proposal,omitempty"`
	// Stale says when an open run slept that waits for `resume`.
	Stale string `json:"stale,omitempty"`
	// Left is what the end-state check found.
	Left     []plan.Finding `json:"left"`
	Blockers []plan.Finding `json:"blockers"`
	Warnings []plan.Finding `json:"warnings"`
	// OnPurpose is what the plan left alone.
	OnPurpose []plan.Finding `json:"onPurpose"`
	// Owed are the lab's open debts when the run ended: what is switched off, and to be given back. What was given back since is
	// not among them: GivenBack is how many those were (Since).
	Owed      []plan.Debt `json:"owed"`
	GivenBack int         `json:"givenBack,omitempty"`
	// Path is the chain that determined when the run ended; empty while it is under way.
	Path []Link `json:"path"`
	// Reality holds the plan against what came of it; nil before there is a plan, and where nothing was done.
	Reality *Reality `json:"reality,omitempty"`
	// Power is what the servers took before and after, as far as they are metered.
	Power *plan.Power `json:"power,omitempty"`
	// Saved is told by a power-up: what the lab saved since it went down. The caller fills it in.
	Saved *Saved `json:"saved,omitempty"`
	// Manual is what a person would do by hand to bring up again what a power-down takes down. The caller fills it in.
	Manual *Manual `json:"manual,omitempty"`
	// LabHash is that of the lab file of which the plan was made, Versions are those of what took part.
	LabHash  string            `json:"labHash,omitempty"`
	Versions map[string]string `json:"versions,omitempty"`
	// Runs are the Temporal runs that it took.
	Runs int `json:"runs,omitempty"`
	// Made is when the report was, and MadeBy by which nightshift: the caller fills that in.
	Made   time.Time `json:"made"`
	MadeBy string    `json:"madeBy,omitempty"`
	// Next are the commands that go on from here, each with what it is good for.
	Next []runapi.Command `json:"next"`
}

// Counts are numbers of steps. Untouched includes the half-done ones.
type Counts struct {
	Total     int `json:"total"`
	Done      int `json:"done"`
	Running   int `json:"running"`
	Blocked   int `json:"blocked"`
	Skipped   int `json:"skipped"`
	HalfDone  int `json:"halfDone"`
	Untouched int `json:"untouched"`
}

// A Step is what became of a step of the plan.
type Step struct {
	ID      string    `json:"id"`
	Title   string    `json:"title"`
	Group   string    `json:"group"`
	Target  string    `json:"target"`
	State   string    `json:"state"`
	Begun   time.Time `json:"begun,omitzero"`
	Ended   time.Time `json:"ended,omitzero"`
	Seconds float64   `json:"seconds,omitempty"` // its own: without Asked
	// Asked is how many seconds it waited for a person: it was blocked, or had asked for a plan that needed an approval.
	Asked    float64 `json:"asked,omitempty"`
	Attempts int     `json:"attempts,omitempty"` // where there was more than one
	Note     string  `json:"note,omitempty"`
	Found    string  `json:"found,omitempty"` // what a step that only looks has found: lines for people
	// Forced is who, or what policy, let it take its harsher way: a guest's plug was pulled, a host's power cut.
	Forced string `json:"forced,omitempty"`
	// Amended are the parameters that operators changed, as KEY=VALUE.
	Amended []string `json:"amended,omitempty"`
	// Estimate is the plan's, in seconds.
	Estimate float64 `json:"estimate,omitempty"`
	// After is the id of the step for which it waited last, AfterWhy why (AfterNeed, AfterSlot), and Waited how many seconds it
	// did though all that it needs was behind it.
	After    string  `json:"after,omitempty"`
	AfterWhy string  `json:"afterWhy,omitempty"`
	Waited   float64 `json:"waited,omitempty"`
	// Slot is the key of the plan's limits that was taken then.
	Slot string `json:"slot,omitempty"`
	// Critical steps are on the path that determined the end.
	Critical bool `json:"critical,omitempty"`
	plan     plan.Step
	unsent   bool // blocked, and has sent nothing
}

// Assemble makes the report of a run from its sheet and its plan. The plan is nil before there is one.
func Assemble(run string, s runapi.Sheet, p *plan.Plan, now time.Time) Report {
	r := Report{
		Run: run, Lab: s.Lab, Runbook: s.Runbook, Title: s.Title, By: s.By, Hash: s.Hash, Parameters: s.Parameters,
		Phase: s.Phase, Outcome: s.Outcome, Why: s.Why, Waiting: s.Waiting, Started: s.Started, Ended: s.Ended,
		Counts: Counts{Total: s.Total, Done: s.Done, Running: s.Running, Blocked: s.Blocked, Skipped: s.Skipped, Untouched: s.Untouched,
			HalfDone: strings.Count(s.Steps, string(runapi.HalfDone))},
		Steps: []Step{}, Decisions: list(s.Decisions), Orders: list(s.Orders),
		Approval: s.Approval, Orphan: s.Orphan, Approvers: s.Approvers, Requester: s.Requester, Approvals: s.Approvals,
		Amendments: list(s.Amendments), Proposal: s.Proposal, Stale: s.Stale,
		Left: list(s.Left), Blockers: list(s.Blockers), Warnings: list(s.Warnings), OnPurpose: []plan.Finding{},
		Owed: list(s.Owed), Path: []Link{}, Power: s.Power, Versions: s.Versions, Runs: s.Runs, Made: now,
	}
	if r.Title == "" {
		r.Title = r.Runbook + " of lab " + r.Lab
	}
	end := now
	if !s.Ended.IsZero() {
		end = s.Ended
	}
	r.Seconds = max(0, end.Sub(s.Started).Round(100*time.Millisecond).Seconds())
	if p != nil {
		r.Parameters, r.OnPurpose, r.LabHash = p.Parameters, list(p.Untouched), p.LabHash
		r.Steps = steps(s, *p, now)
		for i := range r.Steps {
			r.Steps[i].Forced = forced(r.Steps[i].ID, r)
			r.Steps[i].Amended = Amendments(r.Steps[i].ID, r.Orders)
		}
		r.trace(p)
		if r.Counts.Done > 0 {
			r.Reality = reality(r, *p)
		}
	}
	r.Next = next(r)
	return r
}

// list makes an empty list of none, so that the JSON has [] and not null.
func list[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return l
}

func steps(s runapi.Sheet, p plan.Plan, now time.Time) []Step {
	out := make([]Step, len(p.Steps))
	at := func(tenths []int64, i int) time.Time {
		if i >= len(tenths) || tenths[i] < 0 {
			return time.Time{}
		}
		return s.Started.Add(time.Duration(tenths[i]) * 100 * time.Millisecond)
	}
	for i, st := range p.Steps {
		o := Step{ID: st.ID, Title: st.Title, Group: st.Group, Target: st.Target.String(), State: state(s, i),
			Begun: at(s.Begun, i), Ended: at(s.Finished, i), Attempts: s.Attempts[st.ID], Note: s.Notes[st.ID], Found: s.Found[st.ID],
			Estimate: time.Duration(st.Estimate).Seconds(), Asked: float64(s.Asked[st.ID]) / 10, plan: st, unsent: slices.Contains(s.Unsent, st.ID)}
		switch {
		case !o.Begun.IsZero() && !o.Ended.IsZero():
			o.Seconds = max(0, o.Ended.Sub(o.Begun).Seconds()-o.Asked)
		case o.State == StateRunning && !o.Begun.IsZero():
			o.Seconds = max(0, now.Sub(o.Begun).Round(100*time.Millisecond).Seconds()-o.Asked)
		}
		if o.State == StateBlocked { // it has not come to its end
			if !o.Ended.IsZero() {
				o.Asked += max(0, now.Sub(o.Ended).Round(100*time.Millisecond).Seconds())
			}
			o.Ended = time.Time{}
		}
		out[i] = o
	}
	return out
}

func state(s runapi.Sheet, i int) string {
	letter := byte(runapi.Todo)
	if i < len(s.Steps) {
		letter = s.Steps[i]
	}
	switch letter {
	case runapi.StepDone:
		return StateDone
	case runapi.StepSkip:
		return StateSkipped
	case runapi.Running:
		return StateRunning
	case runapi.Blocked:
		return StateBlocked
	case runapi.HalfDone:
		return StateHalfDone
	case runapi.Untouched:
		return StateUntouched
	}
	if s.Outcome != "" {
		return StateUntouched
	}
	return StateToDo
}

// Since takes from the report of a run that has ended what was given back after it: open are the lab's debts of now.
func (r *Report) Since(open []plan.Debt) {
	if r.Outcome == "" {
		return
	}
	given := func(d plan.Debt) bool {
		return !slices.ContainsFunc(open, func(o plan.Debt) bool { return o.ID == d.ID && o.Since.Equal(d.Since) })
	}
	owed := slices.DeleteFunc(slices.Clone(r.Owed), given)
	r.Owed, r.GivenBack = list(owed), len(r.Owed)-len(owed)
	r.Next = next(*r)
}

// next says which command goes on from here.
func next(r Report) []runapi.Command {
	var out []runapi.Command
	add := func(why, format string, args ...any) {
		out = append(out, runapi.Command{Type: fmt.Sprintf(format, args...), Why: why})
	}
	again := "nightshift run " + r.Runbook + parameters(r.Parameters)
	switch r.Outcome {
	case "":
		nextOpen(r, add)
	case runapi.Done:
		if r.Runbook == "power-down" && !strings.Contains(r.Why, plan.AllLeft) && (len(r.Owed) > 0 || r.GivenBack == 0) {
			add("brings the lab back up", "nightshift run power-up")
		}
	case runapi.Refused:
		if r.Orphan != "" {
			add("tells what the run had done that left its lock", "nightshift report %s", words.Shell(r.Orphan))
			add("frees that lock, once you have looked", "nightshift unlock %s --reason WHY", words.Shell(r.Orphan))
		}
		add("when the reason is gone", "%s", again)
	case runapi.Skipped:
		if strings.HasPrefix(r.Why, runapi.OnHold) {
			add("ends the hold", "nightshift hold --end")
		}
		add("does it now all the same", "%s", again)
	case runapi.Failed:
		add("shows what of the lab answers", "nightshift lab check")
		add("when the cause is gone", "%s", again)
	default: // partial, aborted
		add("plans and does what is left", "%s", again)
		if r.Runbook == "power-down" {
			add("turns round: brings back up what is down", "nightshift run power-up")
		}
		if quiet := stillQuiet(r.Owed); r.Outcome == runapi.Aborted && quiet != "" {
			add("lets "+quiet+" act again, where hosts are up: nobody is alarmed until then", "nightshift settle")
		}
		add("shows what is switched off and not settled", "nightshift status")
	}
	if out == nil {
		out = []runapi.Command{}
	}
	return out
}

// stillQuiet names those who watch the lab and were told not to; empty: nobody.
func stillQuiet(owed []plan.Debt) string {
	var names []string
	alarms := 0
	for _, d := range owed {
		switch d.Setting {
		case plan.Watch:
			names = append(names, "monitoring "+d.Target.Name)
		case plan.Alarms:
			alarms++
		}
	}
	if alarms > 0 {
		names = append([]string{"the alarms of " + words.Count(alarms, "object")}, names...)
	}
	return strings.Join(names, ", ")
}

func nextOpen(r Report, add func(why, format string, args ...any)) {
	if r.Phase == runapi.PhaseApprove {
		add("carries the plan out", "nightshift approve %s%s", r.Run, sign(r.Approvers))
		add("drops it, nothing was touched", "nightshift reject %s --reason WHY", r.Run)
		return
	}
	if r.Stale != "" {
		add("lets it go on after it has slept", "nightshift resume %s", r.Run)
	}
	if r.Proposal != nil {
		add("goes on with the new plan", "nightshift approve %s%s", r.Run, sign(r.Approvers))
		add("goes on with the plan as it was", "nightshift reject %s --reason WHY", r.Run)
	}
	sheet := runapi.Sheet{Approvers: r.Approvers, Approval: r.Approval, Orders: r.Orders}
	blocked := slices.DeleteFunc(slices.Clone(r.Steps), func(s Step) bool { return s.State != StateBlocked })
	for _, some := range Fold(blocked, Step.Same) {
		commands := sheet.GoOn(r.Run, some[0].plan)
		if len(some) == max(2, r.Counts.Blocked) {
			commands = sheet.GoOnAll(r.Run, some[0].plan)
		}
		for _, c := range commands {
			add(c.Why, "%s", c.Type)
		}
		if len(some) > 1 && len(some) < r.Counts.Blocked {
			add(fmt.Sprintf("lists the %d others of which the same holds", len(some)-1), "nightshift status %s --state blocked", r.Run)
		}
	}
	add("shows how it goes on", "nightshift watch %s", r.Run)
}

func parameters(p map[string]string) string {
	var b strings.Builder
	for _, k := range sortedKeys(p) {
		b.WriteString(" -p " + words.Shell(k+"="+p[k]))
	}
	return b.String()
}

// Broken marks a run that Temporal closed before it could end in order: terminated in the UI, say. What its sheet says
// is the last that is known.
func (r *Report) Broken(why, status string) {
	r.Outcome, r.Why = status, why
	for i := range r.Steps {
		s := &r.Steps[i]
		switch {
		case s.State == StateToDo, s.State == StateBlocked && s.unsent, (s.State == StateBlocked || s.State == StateRunning) && s.plan.NeverSends():
			s.State = StateUntouched
		case s.State == StateRunning, s.State == StateBlocked:
			s.State = StateHalfDone
			r.Counts.HalfDone++
		}
	}
	r.Counts.Untouched = r.Counts.Total - r.Counts.Done - r.Counts.Skipped
	r.Counts.Running, r.Counts.Blocked = 0, 0
	r.Next = []runapi.Command{
		{Type: fmt.Sprintf("nightshift unlock %s --reason WHY", r.Run), Why: "frees its locks, once you have looked at what is half done"},
		{Type: "nightshift run " + r.Runbook + parameters(r.Parameters), Why: "plans and does what is left"},
		{Type: "nightshift status", Why: "shows what is switched off and not settled"},
	}
}
