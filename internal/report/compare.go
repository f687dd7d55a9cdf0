package report

import (
	"fmt"
	"io"
	"slices"

	"nightshift/internal/plan"
	"nightshift/internal/words"
)

// A Comparison is what two runs of a runbook did differently. Its JSON form is what `diff -o json` prints.
type Comparison struct {
	Runbook string `json:"runbook"`
	A       Side   `json:"a"`
	B       Side   `json:"b"`
	// Plans says in words what the plans differ in: parameters, the lab file, limits, steps.
	Plans []string `json:"plans"`
	// Outcomes are steps of both that ended in different ways, Durations those whose times differ beyond noise (see Noisy).
	Outcomes  []Change `json:"outcomes"`
	Durations []Change `json:"durations"`
	// Decisions and Orders are those of one run that the other one did not have, each with the run's letter: "A: …".
	Decisions []string `json:"decisions"`
	Threshold string   `json:"threshold"` // what noise is, in words
}

// A Side is one of the two runs.
type Side struct {
	Run     string  `json:"run"`
	Outcome string  `json:"outcome"`
	Seconds float64 `json:"seconds"`
	Done    int     `json:"done"`
	Total   int     `json:"total"`
	LabHash string  `json:"labHash,omitempty"`
	Watts   float64 `json:"watts,omitempty"` // before
}

// A Change is how a step was in the one run and in the other.
type Change struct {
	Step  string `json:"step"`
	Title string `json:"title"`
	A     string `json:"a"`
	B     string `json:"b"`
	kind  string // its action
	about string // the name of its target
}

// Compare tells what B did otherwise than A. The plans are theirs; nil where there is none.
func Compare(a, b Report, pa, pb *plan.Plan) Comparison {
	c := Comparison{Runbook: a.Runbook, A: side(a), B: side(b), Plans: []string{}, Outcomes: []Change{}, Durations: []Change{}, Decisions: []string{},
		Threshold: fmt.Sprintf("more than %s and more than a quarter of the longer time", span(noise))}
	if pa != nil && pb != nil {
		c.Plans = list(plan.Diff(*pa, *pb))
	}
	was := map[string]Step{}
	for _, s := range a.Steps {
		was[s.ID] = s
	}
	for _, s := range b.Steps {
		o, both := was[s.ID]
		if !both {
			continue
		}
		if o.State != s.State || o.Attempts != s.Attempts || (o.Forced == "") != (s.Forced == "") {
			c.Outcomes = append(c.Outcomes, s.change(o.ending(), s.ending()))
		}
		if o.State == StateDone && s.State == StateDone && !Noisy(o.Seconds, s.Seconds) {
			c.Durations = append(c.Durations, s.change(span(o.Seconds), span(s.Seconds)))
		}
	}
	mine, others := a.deeds(), b.deeds()
	c.Decisions = append(c.Decisions, only("A", mine, others)...)
	c.Decisions = append(c.Decisions, only("B", others, mine)...)
	return c
}

func side(r Report) Side {
	s := Side{Run: r.Run, Outcome: r.Outcome, Seconds: r.Seconds, Done: r.Counts.Done, Total: r.Counts.Total, LabHash: r.LabHash}
	if s.Outcome == "" {
		s.Outcome = "under way"
	}
	if r.Power != nil && r.Power.Before != nil {
		s.Watts = r.Power.Before.Watts
	}
	return s
}

func (s Step) change(a, b string) Change {
	return Change{Step: s.ID, Title: s.Title, A: a, B: b, kind: string(s.plan.Action), about: s.About()}
}

// ending is how a step ended, in words.
func (s Step) ending() string {
	text := s.State
	if s.Attempts > 1 {
		text += fmt.Sprintf(" (%d attempts)", s.Attempts)
	}
	if s.Forced != "" {
		text += " by force"
	}
	if s.State != StateDone {
		text += words.After(Reason(s.plan, s.Note))
	}
	return text
}

// deeds are what was decided and ordered, without the times.
func (r Report) deeds() (list []string) {
	for _, o := range r.Orders {
		line := o.Verb
		if len(o.Steps) > 0 {
			line += " " + words.Some(o.Steps, manyOrdered)
		}
		if o.Force {
			line += " by force"
		}
		for _, p := range pairs(o.Params) {
			line += " " + p
		}
		list = append(list, line+", by "+o.By+words.After(o.Reason))
	}
	for _, d := range byRule(r) {
		list = append(list, fmt.Sprintf("%s: %s, by %s%s", d.Step, d.Verdict, d.By, words.After(Reason(r.step(d.Step), d.Evidence))))
	}
	for _, a := range r.Amendments {
		list = append(list, a.String())
	}
	return list
}

// only is what the first list has more of than the second.
func only(letter string, first, second []string) (list []string) {
	second = slices.Clone(second)
	for _, line := range first {
		if i := slices.Index(second, line); i >= 0 {
			second = slices.Delete(second, i, i+1)
			continue
		}
		list = append(list, letter+": "+line)
	}
	return list
}

// Same tells whether there is nothing to say.
func (c Comparison) Same() bool {
	return c.A.Outcome == c.B.Outcome && len(c.Plans)+len(c.Outcomes)+len(c.Durations)+len(c.Decisions) == 0
}

// Text writes the comparison for people.
func (c Comparison) Text(w io.Writer) {
	for _, s := range []struct {
		letter string
		Side
	}{{"A", c.A}, {"B", c.B}} {
		line := fmt.Sprintf("%s  %s: %s, %s done, %s", s.letter, s.Run, s.Outcome, words.Of(s.Done, s.Total, "step"), span(s.Seconds))
		if s.Watts > 0 {
			line += ", " + Watts(s.Watts) + " before"
		}
		fmt.Fprintln(w, line)
	}
	if c.Same() {
		fmt.Fprintf(w, "\nBoth did the same; times differ by no more than noise (%s).\n", c.Threshold)
		return
	}
	section(w, "The plans differ (B against A)", indented(c.Plans))
	section(w, "Ended otherwise", changes(c.Outcomes))
	section(w, "Took another time: "+c.Threshold, changes(c.Durations))
	section(w, "Decisions and orders that only one had", indented(c.Decisions))
}

func indented(list []string) (lines []string) {
	for _, l := range list {
		lines = append(lines, "  "+l)
	}
	return lines
}

func changes(list []Change) (lines []string) {
	for _, some := range Fold(list, func(c Change) string { return c.kind + "\n" + c.A + "\n" + c.B }) {
		var others []string
		for _, c := range some[1:] {
			others = append(others, c.about)
		}
		lines = append(lines, fmt.Sprintf("  %s: A %s; B %s", Alike(some[0].Title, others), some[0].A, some[0].B))
	}
	return lines
}
