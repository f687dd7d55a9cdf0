package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"nightshift/internal/report"
	"nightshift/internal/words"
)

// stepsOptions choose steps of a run.
type stepsOptions struct {
	groups, states []string
	grep           string
	all            bool
}

func (o *stepsOptions) addFlags(f *pflag.FlagSet) {
	f.StringArrayVar(&o.groups, "group", nil, "only the steps of this `group`, or of those whose names begin so; may be given again")
	f.StringArrayVar(&o.states, "state", nil, "only the steps in this `state`: "+strings.Join(stepStates(), ", ")+"; may be given again")
	f.StringVar(&o.grep, "grep", "", "only the steps with this `text` in their title, id or note")
	f.BoolVar(&o.all, "all", false, "every step, where a long list is folded")
}

func (o *stepsOptions) chosen() bool {
	return len(o.groups) > 0 || len(o.states) > 0 || o.grep != "" || o.all
}

func stepStates() []string {
	return []string{report.StateToDo, report.StateRunning, report.StateBlocked, report.StateDone, report.StateSkipped, report.StateHalfDone, report.StateUntouched}
}

// foldAbove is how many steps of a run are listed one by one.
const foldAbove = 60

func runSteps(ctx context.Context, a *app, o stepsOptions, arg string) error {
	for _, state := range o.states {
		if !contains(stepStates(), state) {
			return usage("--state %s: allowed are %s", state, strings.Join(stepStates(), ", "))
		}
	}
	s, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	run, err := s.runID(ctx, arg)
	if err != nil {
		return err
	}
	sheet, broken, err := s.sheet(ctx, run)
	if err != nil {
		return err
	}
	p, err := s.runs.Plan(ctx, run)
	if err != nil {
		return err
	}
	r := report.Assemble(run, sheet, p, a.now())
	if broken != nil {
		r.Broken(broken.Error(), broken.Status)
	}
	steps := slices.DeleteFunc(slices.Clone(r.Steps), func(st report.Step) bool { return !o.wants(st) })
	if a.json() {
		return a.writeJSON(map[string]any{"run": run, "counts": r.Counts, "steps": steps})
	}
	v := view{Run: run, Plan: p, Sheet: sheet, Now: a.now(), Speed: s.speed}
	a.printf("%s\n%s", a.paint().on(bold, "Run "+run), v.headline())
	if sheet.Total > 0 {
		a.printf(" (%s)", v.counts())
	}
	if rest := v.rest(); rest != "" {
		a.printf(", %s", rest)
	}
	a.printf("\n")
	if len(steps) < len(r.Steps) {
		a.printf("%d of %s chosen\n", len(steps), words.Count(len(r.Steps), "step"))
	}
	writeSteps(a.out, a.paint(), steps, !o.chosen() && len(steps) > foldAbove)
	return nil
}

func (o *stepsOptions) wants(st report.Step) bool {
	text := strings.ToLower(o.grep)
	return (len(o.states) == 0 || contains(o.states, st.State)) &&
		(len(o.groups) == 0 || slices.ContainsFunc(o.groups, func(g string) bool { return strings.HasPrefix(strings.ToLower(st.Group), strings.ToLower(g)) })) &&
		(text == "" || strings.Contains(strings.ToLower(st.Title+"\n"+st.ID+"\n"+st.Note), text))
}

// writeSteps lists steps under their groups. Folded, a group is a line, and only what is blocked, running or half done
// is listed.
func writeSteps(w io.Writer, p paint, steps []report.Step, folded bool) {
	var groups []string
	of := map[string][]report.Step{}
	for _, st := range steps {
		if of[st.Group] == nil {
			groups = append(groups, st.Group)
		}
		of[st.Group] = append(of[st.Group], st)
	}
	for _, g := range groups {
		numbers := map[string]int{}
		for _, st := range of[g] {
			numbers[st.State]++
		}
		var said []string
		for _, state := range stepStates() {
			if n := numbers[state]; n > 0 {
				said = append(said, fmt.Sprintf("%d %s", n, state))
			}
		}
		fmt.Fprintf(w, "%s: %s\n", p.on(bold, cmp.Or(g, "Steps")), strings.Join(said, ", "))
		listed := slices.DeleteFunc(slices.Clone(of[g]), func(st report.Step) bool {
			return folded && st.State != report.StateBlocked && st.State != report.StateRunning && st.State != report.StateHalfDone
		})
		for _, some := range report.Fold(listed, report.Step.Same) {
			writeAlike(w, p, some)
		}
	}
}

// writeAlike lists steps of which the same is to be said: what that is once, before their titles.
func writeAlike(w io.Writer, p paint, steps []report.Step) {
	on := func(line string) string {
		if state := steps[0].State; state == report.StateBlocked || state == report.StateHalfDone {
			return p.on(red, line)
		}
		return line
	}
	if len(steps) == 1 {
		fmt.Fprintln(w, on(fmt.Sprintf("  %-9s %s", steps[0].State, steps[0].Title+words.After(steps[0].Why()))))
		return
	}
	fmt.Fprintln(w, on(fmt.Sprintf("  %-9s %s: %s", steps[0].State, words.Count(len(steps), "step"), steps[0].Why())))
	for _, st := range steps {
		fmt.Fprintln(w, on("            "+st.Title))
	}
}
