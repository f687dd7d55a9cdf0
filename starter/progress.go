package main

import (
	"fmt"
	"io"
	"time"

	"nightshift/internal/runapi"
	"nightshift/internal/words"
)

// progress shows how a run goes on.
type progress interface {
	// Show is called with every state that was read.
	Show(v view)
	// Say tells something beside the run: that contact was lost, say.
	Say(line string)
	// Close leaves the display in order.
	Close()
}

// newProgress is a live display on a terminal, and plain lines in a pipe. With -o json the lines go to stderr.
func (a *app) newProgress() progress {
	if a.json() {
		return newPlainProgress(a.err)
	}
	if a.outTerminal {
		return &liveProgress{out: a.screen, size: a.size, style: style{paint: a.paint(), ascii: !a.utf8()}}
	}
	return newPlainProgress(a.out)
}

// plainProgress prints one line per change.
type plainProgress struct {
	out      io.Writer
	begun    bool
	steps    map[string]byte // letters as they were printed last, by step: a new plan has other numbers
	amended  time.Time       // the last amendment that was told
	headline string
	attempts map[string]int
}

func newPlainProgress(out io.Writer) *plainProgress {
	return &plainProgress{out: out, attempts: map[string]int{}, steps: map[string]byte{}}
}

func (p *plainProgress) Say(line string) { fmt.Fprintln(p.out, line) }
func (p *plainProgress) Close()          {}

func (p *plainProgress) Show(v view) {
	if !p.begun {
		p.begun = true
		p.line(v.Sheet.Started, "run", v.Run)
		p.more(v.Link)
	}
	if !v.Sheet.Stuck() {
		p.now(v)
	}
	for _, a := range v.Sheet.Amendments {
		if a.At.After(p.amended) {
			p.amended = a.At
			p.line(a.At, "replanned", a.String())
		}
	}
	if v.Plan == nil || len(v.Sheet.Steps) != len(v.Plan.Steps) {
		return
	}
	for _, i := range v.changes(p.steps) {
		p.step(v, i)
		p.steps[v.Plan.Steps[i].ID] = v.letter(i)
	}
	p.now(v) // that it is blocked comes after what is
}

// now says how the run stands, where that has changed.
func (p *plainProgress) now(v view) {
	if h := v.headline(); h != p.headline && v.Sheet.Outcome == "" {
		p.headline = h
		p.line(v.changed(), "now", h)
		for _, l := range v.planned() {
			p.more(l)
		}
	}
}

// step prints what became of step i.
func (p *plainProgress) step(v view, i int) {
	s := v.Plan.Steps[i]
	switch v.letter(i) {
	case runapi.Running:
		p.line(v.since(i), "begun", v.title(s))
	case runapi.StepDone:
		p.line(v.finished(i), "done", fmt.Sprintf("%s (%s)%s", v.title(s), words.Tight(v.elapsed(i)), words.After(v.Sheet.Notes[s.ID])))
	case runapi.StepSkip:
		p.line(v.finished(i), "skipped", s.Title+words.After(v.why(s)))
	case runapi.Blocked:
		p.line(v.ended(i), "blocked", v.title(s)+words.After(v.why(s)))
		for _, c := range v.goOn(s) {
			p.more(c)
		}
	case runapi.HalfDone:
		p.line(v.ended(i), "half done", s.Title+words.After(v.why(s)))
	}
}

func (p *plainProgress) line(at time.Time, what, text string) {
	fmt.Fprintf(p.out, "%s %-9s %s\n", at.Local().Format("15:04:05"), what, text)
}

// more belongs to the line before.
func (p *plainProgress) more(text string) {
	if text != "" {
		fmt.Fprintf(p.out, "                   %s\n", text)
	}
}

// changes are the steps whose letters differ from those printed, in the order in which it happened.
func (v view) changes(printed map[string]byte) []int {
	var list []int
	for i := range v.Sheet.Steps {
		if v.letter(i) != printed[v.Plan.Steps[i].ID] && v.letter(i) != runapi.Todo {
			list = append(list, i)
		}
	}
	sortByTime(list, func(i int) time.Time {
		if t := v.finished(i); !t.IsZero() {
			return t
		}
		if t := v.begun(i); !t.IsZero() {
			return t
		}
		return v.Now
	})
	return list
}

func linkSuffix(link string) string {
	if link == "" {
		return ""
	}
	return "  " + link
}
