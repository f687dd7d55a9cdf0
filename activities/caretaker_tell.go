package activities

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"nightshift/internal/ledger"
	"nightshift/internal/plan"
	"nightshift/internal/runapi"
	"nightshift/internal/words"
)

// A vista is a lab as the caretaker sees it at a moment; what there is to tell of it is pure.
type vista struct {
	lab        string
	now        time.Time
	book       ledger.State
	tables     []timetable
	runs       map[string]runapi.Sheet // that wait for a person
	orphans    []ledger.Lock
	debtsAfter time.Duration
}

// A timetable is a schedule, as far as the caretaker cares.
type timetable struct {
	ID, Name, Runbook string
	Missed            int       // times at which it did not start its run, as nightshift was not up
	Paused            bool      //
	Last, Next        time.Time // when it started its last run, and will start the next; zero: never
}

const (
	// holdSoon is how long before its end a hold is told; one that is shorter than twice that is not.
	holdSoon = time.Hour
	// holdOver is how long after its end a hold is still told to have ended.
	holdOver = 24 * time.Hour
	// deadlineSoon is how long before its end a run is told that waits for a person.
	deadlineSoon = time.Hour
	// debtAgain is how often debts are told.
	debtAgain = 24 * time.Hour
)

// sighting is all that there is to tell, whether it was told before or not. missed is what was known of the schedules: those
// that are not in it are new, and what they missed was before anybody looked.
func (v vista) sighting(missed map[string]int) runapi.Sighting {
	s := runapi.Sighting{Missed: map[string]int{}}
	for _, t := range v.tables {
		s.Missed[t.ID] = t.Missed
		if was, known := missed[t.ID]; known && t.Missed > was {
			s.Notices = append(s.Notices, v.missed(t, t.Missed-was))
		}
	}
	for _, id := range sortedRuns(v.runs) {
		if n, ok := v.deadline(id, v.runs[id]); ok {
			s.Notices = append(s.Notices, n)
		}
	}
	var told []string
	for _, l := range v.orphans {
		if !slices.Contains(told, l.Holder.Workflow) {
			told = append(told, l.Holder.Workflow)
			s.Notices = append(s.Notices, v.orphan(l))
		}
	}
	s.Notices = append(s.Notices, v.hold()...)
	s.Notices = append(s.Notices, v.debts()...)
	return s
}

func sortedRuns(m map[string]runapi.Sheet) []string {
	var ids []string
	for id := range m {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

func (v vista) notice(e runapi.Event, key, subject string) runapi.Notice {
	return runapi.Notice{Event: e, Lab: v.lab, At: v.now.UTC(), Key: key, Subject: subject}
}

func (v vista) missed(t timetable, n int) runapi.Notice {
	times := "its time"
	if n > 1 {
		times = fmt.Sprintf("%d of its times", n)
	}
	out := v.notice(runapi.EventMissed, fmt.Sprintf("missed:%s:%d", t.ID, t.Missed), fmt.Sprintf("schedule %s missed %s: %s was not started", t.Name, times, t.Runbook))
	out.Runbook = t.Runbook
	out.Lines = []string{"nightshift was not up within 10 minutes of it. What is that late is not started by itself."}
	if !t.Next.IsZero() && !t.Paused {
		out.Lines = append(out.Lines, "The next time is "+words.Minute(t.Next)+".")
	}
	out.Commands = []runapi.Command{{Type: "nightshift run " + t.Runbook, Why: "does it now"}, {Type: "nightshift schedule list", Why: "shows what else is to come"}}
	return out
}

// deadline tells of a run that waits for a person and ends by itself soon. One that began to wait just now has told so itself.
func (v vista) deadline(id string, s runapi.Sheet) (runapi.Notice, bool) {
	left := s.Deadline.Sub(v.now)
	if !s.Stuck() || s.Deadline.IsZero() || left <= 0 || left > min(deadlineSoon, v.now.Sub(s.Started)) {
		return runapi.Notice{}, false
	}
	n := v.notice(runapi.EventDeadline, "deadline:"+id+":"+s.Deadline.UTC().Format(time.RFC3339), "")
	n.Run, n.Runbook, n.Sheet = id, s.Runbook, s.Brief()
	if s.Blocked > 0 {
		n.Commands = []runapi.Command{{Type: "nightshift status " + id + " --state blocked", Why: "shows what is blocked, and what to type"}}
	}
	return n, true
}

func (v vista) orphan(l ledger.Lock) runapi.Notice {
	h := l.Holder
	n := v.notice(runapi.EventTerminated, "terminated:"+h.Workflow+":"+h.FirstRun, h.Runbook+" was ended from outside; its lock stands")
	n.Run, n.Runbook = h.Workflow, h.Runbook
	n.Lines = []string{
		fmt.Sprintf("Run %s (%s, by %s) did not end in order: it was terminated in the Temporal UI, or failed.", h.Workflow, h.Runbook, h.By),
		"What it had begun may be half done, and no other run can start.",
	}
	n.Commands = []runapi.Command{{Type: "nightshift report " + h.Workflow, Why: "tells what it had done"},
		{Type: "nightshift unlock " + words.Shell(h.Workflow) + " --reason WHY", Why: "frees its lock, once you have looked"},
		{Type: "nightshift run " + h.Runbook, Why: "then: plans and does what is left"}}
	return n
}

func (v vista) hold() []runapi.Notice {
	h := v.book.Hold
	if h == nil {
		return nil
	}
	until := h.Until.UTC().Format(time.RFC3339)
	var n runapi.Notice
	switch left := h.Until.Sub(v.now); {
	case left > 0 && left <= holdSoon && h.Until.Sub(h.Since) >= 2*holdSoon:
		n = v.notice(runapi.EventHold, "hold-ends:"+until, "the hold ends at "+words.Minute(h.Until))
	case left <= 0 && left > -holdOver:
		n = v.notice(runapi.EventHold, "hold-ended:"+until, "the hold has ended")
	default:
		return nil
	}
	n.Lines = []string{fmt.Sprintf("Until %s, by %s: %s", words.Minute(h.Until), h.By, h.Reason)}
	for _, t := range v.tables {
		if !t.Paused && !t.Next.IsZero() {
			n.Lines = append(n.Lines, fmt.Sprintf("Schedule %s starts %s at %s.", t.Name, t.Runbook, words.Minute(t.Next)))
		}
	}
	n.Lines = n.Lines[:min(len(n.Lines), runapi.MostNoticeLines)]
	n.Commands = []runapi.Command{{Type: "nightshift hold --for 12h --reason WHY", Why: "keeps scheduled runs away for longer"}}
	return []runapi.Notice{n}
}

// debts tells of what is switched off for too long. That is as it should be while a run works, while a hold says so, and until
// the first power-up that a schedule starts after it.
func (v vista) debts() []runapi.Notice {
	if len(v.book.Locks) > 0 || v.book.Held(v.now) {
		return nil
	}
	var late []plan.Debt
	for _, d := range v.book.Debts {
		if v.now.Sub(d.Since) >= v.debtsAfter && !v.comesBack(d.Since) {
			late = append(late, d)
		}
	}
	if len(late) == 0 {
		return nil
	}
	slices.SortFunc(late, func(a, b plan.Debt) int { return a.Since.Compare(b.Since) })
	first := late[0].Since
	// The key changes once a day, counted from when the first of them came to be told.
	day := int(v.now.Sub(first.Add(v.debtsAfter)) / debtAgain)
	subject := words.CountOf(len(late), "setting is", "settings are") + " switched off since " + words.Minute(first)
	n := v.notice(runapi.EventDebt, fmt.Sprintf("debt:%s:%d", first.UTC().Format(time.RFC3339), day), subject)
	for _, d := range late[:min(len(late), runapi.MostNoticeLines)] {
		n.Lines = append(n.Lines, debtLine(d))
	}
	if more := len(late) - len(n.Lines); more > 0 {
		n.Lines = append(n.Lines, fmt.Sprintf("… and %d more", more))
	}
	n.Lines = append(n.Lines, "No power-up that would give it back is scheduled. This is told once a day.")
	n.Commands = []runapi.Command{{Type: "nightshift run power-up", Why: "brings the lab up and gives it back"},
		{Type: "nightshift settle", Why: "gives it back and starts nothing"},
		{Type: "nightshift hold --for 168h --reason WHY", Why: "the lab is down on purpose: says nothing more of it for a week"}}
	return []runapi.Notice{n}
}

// comesBack tells whether a schedule will give back what is owed since then: one that has run after it had its chance.
func (v vista) comesBack(since time.Time) bool {
	return slices.ContainsFunc(v.tables, func(t timetable) bool {
		gives := t.Runbook == "power-up" || t.Runbook == "settle"
		return gives && !t.Paused && !t.Next.IsZero() && !t.Last.After(since)
	})
}

func debtLine(d plan.Debt) string {
	return strings.TrimSpace(fmt.Sprintf("- %s of %s (was %s), since %s by run %s", d.Setting.Title(), d.Target, d.Was, words.Minute(d.Since), d.Run))
}
