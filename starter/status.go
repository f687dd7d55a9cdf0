package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"nightshift/activities"
	"nightshift/internal/ledger"
	"nightshift/internal/plan"
	"nightshift/internal/report"
	"nightshift/internal/runapi"
	"nightshift/internal/words"
)

func newStatusCommand(a *app) *cobra.Command {
	o := &stepsOptions{}
	c := &cobra.Command{
		Use:   "status [RUN]",
		Short: "What is under way, blocked, locked, owed, on hold and scheduled; with a run: its steps",
		Long: `Tell what is under way in the lab, blocked, locked, owed, on hold and scheduled.

With a run, or one of the flags that choose steps: the steps of the run, by group. Groups of long plans are folded, but for what
is blocked or running; what is chosen is not. ` + runHelp + `

  nightshift status latest
  nightshift status --state blocked --state running
  nightshift status latest --group Guests --grep web`,
		Args: atMost(1), ValidArgsFunction: a.completeRun,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 && !o.chosen() {
				return runStatus(c.Context(), a)
			}
			return runSteps(c.Context(), a, *o, cmp.Or(args...))
		},
	}
	o.addFlags(c.Flags())
	return c
}

// A labStatus is what `status -o json` prints.
type labStatus struct {
	Lab       string            `json:"lab"`
	UI        string            `json:"ui,omitempty"`
	Runs      []openRun         `json:"runs"` // under way
	Ledger    ledger.State      `json:"ledger"`
	Held      bool              `json:"held"` // a hold stands now
	Orphans   []orphan          `json:"orphans"`
	Schedules []runapi.Schedule `json:"schedules"`
	Unsent    *unsent           `json:"unsent,omitempty"` // messages that were given up in the last days
	// UPS are those of the lab file, where this command has it.
	UPS []upsState `json:"ups,omitempty"`
}

// unsentFor is how long a message that was given up is told of.
const unsentFor = 7 * 24 * time.Hour

// An openRun is a run under way.
type openRun struct {
	runInfo
	Sheet   *runapi.Sheet `json:"sheet,omitempty"`
	Blocked []blockedStep `json:"blocked"`
	Error   string        `json:"error,omitempty"` // why there is no sheet
}

// A blockedStep waits for an operator.
type blockedStep struct {
	ID    string   `json:"id"`
	Title string   `json:"title"`
	Why   string   `json:"why"`
	GoOn  []string `json:"goOn"` // commands to type
	step  plan.Step
}

// An orphan is a holder of locks that closed without releasing them.
type orphan struct {
	Run   string `json:"run"`
	State string `json:"state"`
}

// readStatus asks everything that there is to know.
func readStatus(ctx context.Context, a *app, s *session) (labStatus, error) {
	st := labStatus{Lab: s.lab, UI: s.ui, Runs: []openRun{}, Orphans: []orphan{}, Schedules: []runapi.Schedule{}}
	var err error
	if st.Ledger, err = s.ledger.State(ctx, s.lab); err != nil {
		return st, err
	}
	if l, err := a.loadLab(); err == nil && l.Lab == s.lab { // status needs no lab file
		st.Ledger.Groups = activities.GroupsOf(l, st.Ledger)
	}
	st.Held = st.Ledger.Held(a.now())
	open, err := s.runs.List(ctx, s.lab, runFilter{open: true, limit: 50})
	if err != nil {
		return st, err
	}
	for _, info := range open {
		st.Runs = append(st.Runs, statusOf(ctx, a, s, info))
	}
	if st.Orphans, err = orphans(ctx, s, st.Ledger); err != nil {
		return st, err
	}
	list, err := s.schedules.List(ctx, s.lab)
	if err != nil {
		return st, err
	}
	st.Schedules = append(st.Schedules, list...)
	if st.Unsent, err = s.runs.Unsent(ctx, s.lab, a.now().Add(-unsentFor)); err != nil {
		return st, err
	}
	st.UPS = a.upsStates(ctx, s.lab)
	return st, nil
}

func statusOf(ctx context.Context, a *app, s *session, info runInfo) openRun {
	info.Link = s.link(info.Run)
	r := openRun{runInfo: info, Blocked: []blockedStep{}}
	sheet, err := s.runs.Sheet(ctx, info.Run)
	if err != nil {
		r.Error = err.Error()
		return r
	}
	r.Sheet = &sheet
	if sheet.Blocked == 0 {
		return r
	}
	p, err := s.runs.Plan(ctx, info.Run)
	if err != nil || p == nil {
		r.Error = "the plan cannot be read now"
		return r
	}
	v := view{Run: info.Run, Plan: p, Sheet: sheet, Now: a.now()}
	for _, i := range v.blocked() {
		step := p.Steps[i]
		r.Blocked = append(r.Blocked, blockedStep{step.ID, step.Title, v.why(step), v.goOn(step), step})
	}
	return r
}

// orphans are the holders of locks that are closed.
func orphans(ctx context.Context, s *session, l ledger.State) ([]orphan, error) {
	list := []orphan{}
	seen := map[string]bool{}
	for _, lock := range l.Locks {
		run := lock.Holder.Workflow
		if seen[run] {
			continue
		}
		seen[run] = true
		info, err := s.runs.Info(ctx, run)
		switch {
		case errors.Is(err, errNoRun):
			list = append(list, orphan{run, "gone"})
		case err != nil:
			return nil, err
		case !info.Open:
			list = append(list, orphan{run, info.State})
		}
	}
	return list, nil
}

func runStatus(ctx context.Context, a *app) error {
	s, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	st, err := readStatus(ctx, a, s)
	if err != nil {
		return err
	}
	if a.json() {
		return a.writeJSON(st)
	}
	st.text(a, a.out, a.paint())
	return nil
}

func (st labStatus) text(a *app, w io.Writer, p paint) {
	fmt.Fprintf(w, "%s%s\n", p.on(bold, "Lab "+st.Lab), linkSuffix(st.UI))
	st.runsText(a, w, p)
	st.lockText(w, p)
	if st.Held {
		h := st.Ledger.Hold
		section(w, p, "On hold: scheduled runs are skipped", fmt.Sprintf("until %s, by %s: %s\nend it with: nightshift hold --end", words.Second(h.Until), h.By, h.Reason))
	}
	var debts []string
	for _, d := range st.Ledger.Debts {
		debts = append(debts, debtText(d))
	}
	if len(debts) > 0 {
		debts = append(debts, "given back by: nightshift run power-up, or without starting anything: nightshift settle")
	}
	section(w, p, "Owed: switched off, to be switched on again", debts...)
	if n := len(st.Ledger.Memory); n > 0 {
		section(w, p, "Remembered", words.CountOf(n, "guest that ran before the lab went down: power-up starts it again",
			"guests that ran before the lab went down: power-up starts them again"))
	}
	var groups []string
	for _, g := range st.Ledger.Groups {
		groups = append(groups, groupText(p, g, a.now())...)
	}
	section(w, p, "Replicated", groups...)
	if u := st.Unsent; u != nil {
		section(w, p, p.on(red, "Not told"), u.lines()...)
	}
	var schedules []string
	for _, s := range st.Schedules {
		schedules = append(schedules, scheduleText(s))
	}
	section(w, p, "Scheduled", schedules...)
	var upses []string
	for _, u := range st.UPS {
		upses = append(upses, u.text(p))
	}
	section(w, p, "UPS", upses...)
	if len(st.Runs) == 0 && len(st.Orphans) == 0 && len(debts) == 0 && !st.Held {
		fmt.Fprintln(w, "\nNothing is under way, nothing is owed, no hold.")
	}
}

func (st labStatus) runsText(a *app, w io.Writer, p paint) {
	for _, r := range st.Runs {
		lines := []string{}
		if r.Link != "" {
			lines = append(lines, r.Link)
		}
		if r.Sheet != nil {
			v := view{Run: r.Run, Sheet: *r.Sheet, Now: a.now()}
			lines = append(lines, v.headline()+", since "+words.Second(r.Sheet.Started)+", by "+r.Sheet.By)
			if r.Sheet.Total > 0 {
				lines = append(lines, v.counts())
			}
			lines = append(lines, v.planned()...)
			for _, step := range sortedKeys(r.Sheet.Progress) {
				lines = append(lines, step+": "+r.Sheet.Progress[step].String())
			}
			if r.Sheet.Phase == runapi.PhaseApprove {
				approve := "nightshift approve " + r.Run
				if r.Sheet.Approvers != nil {
					approve += " --sign"
				}
				lines = append(lines, approve, "nightshift reject "+r.Run+" --reason WHY")
			}
		}
		lines = append(lines, r.blockedText(p)...)
		if r.Error != "" {
			lines = append(lines, r.Error)
		}
		section(w, p, "Run "+r.Run, lines...)
	}
}

// blockedText says which steps are blocked, and what to type: once for all that are so for one reason.
func (r openRun) blockedText(p paint) (lines []string) {
	for _, some := range report.Fold(r.Blocked, func(b blockedStep) string { return string(b.step.Action) + "\n" + b.Why }) {
		var others []string
		for _, b := range some[1:] {
			others = append(others, cmp.Or(b.step.Target.Name, b.ID))
		}
		lines = append(lines, p.on(red, "blocked: "+report.Alike(some[0].Title, others)+words.After(some[0].Why)))
		commands := some[0].GoOn
		if len(some) > 1 && len(some) == len(r.Blocked) {
			commands = nil
			for _, c := range r.Sheet.GoOnAll(r.Run, some[0].step) {
				commands = append(commands, c.Type)
			}
		}
		for _, c := range commands {
			lines = append(lines, "    "+c)
		}
		if len(some) > 1 {
			lines = append(lines, "    nightshift status "+r.Run+" --state blocked")
		}
	}
	return lines
}

func (st labStatus) lockText(w io.Writer, p paint) {
	var locks []string
	for _, l := range st.Ledger.Locks {
		locks = append(locks, fmt.Sprintf("%s: by run %s (%s, by %s) since %s", l.Scope, l.Holder.Workflow, l.Holder.Runbook, l.Holder.By, words.Second(l.Since)))
	}
	for _, o := range st.Orphans {
		locks = append(locks, p.on(red, fmt.Sprintf("run %s is %s and never released its locks; once you have looked at what it left:", o.Run, o.State)),
			"    nightshift unlock "+words.Shell(o.Run)+" --reason WHY")
	}
	section(w, p, "Locks", locks...)
}

func debtText(d plan.Debt) string {
	return fmt.Sprintf("%s of %s (%s), since %s (run %s; debt %s)", d.Setting.Title(), d.Target, wasText(d), words.Second(d.Since), d.Run, d.ID)
}

// wasText says in words what a setting was.
func wasText(d plan.Debt) string {
	switch d.Was {
	case "true":
		return "was on"
	case "false":
		return "was off"
	case "":
		return "was left at its default"
	}
	var b strings.Builder
	for _, r := range d.Was { // fullyAutomated
		if unicode.IsUpper(r) {
			b.WriteByte(' ')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return "was " + b.String()
}

// section prints indented lines under a title; none, and there is nothing.
func section(w io.Writer, p paint, title string, lines ...string) {
	if len(lines) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s\n  %s\n", p.on(bold, title), strings.ReplaceAll(strings.Join(lines, "\n"), "\n", "\n  "))
}
