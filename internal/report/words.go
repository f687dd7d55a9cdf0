package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"nightshift/internal/runapi"
	"nightshift/internal/words"
)

// Words are the run in paragraphs: how it ended, what determined how long it took, what was decided, what was saved, and
// what is left.
func (r Report) Words() (out []string) {
	for _, sentences := range [][]string{
		{r.opening(), r.stepsInWords()}, {r.pathInWords(), r.estimateInWords()}, {r.decidedInWords()}, r.powerInWords(), {r.leftInWords()},
	} {
		if p := strings.Join(slices.DeleteFunc(sentences, func(s string) bool { return s == "" }), " "); p != "" {
			out = append(out, p)
		}
	}
	return out
}

func (r Report) estimateInWords() string {
	v := r.Reality
	if r.Ended.IsZero() || v == nil || v.Took == 0 || v.Planned == 0 {
		return ""
	}
	switch took := v.Took - v.Asked; {
	case Noisy(v.Planned, took):
		return fmt.Sprintf("That is what the plan had estimated (%s)%s.", span(v.Planned), v.waits())
	case took > v.Planned:
		return fmt.Sprintf("The plan had estimated %s: the steps took %s longer%s.", span(v.Planned), span(took-v.Planned), v.waits())
	default:
		return fmt.Sprintf("The plan had estimated %s: the steps took %s less%s.", span(v.Planned), span(v.Planned-took), v.waits())
	}
}

func (r Report) opening() string {
	began := fmt.Sprintf("Asked for by %s, it began on %s", cmp.Or(r.By, "nobody known"), r.Started.Local().Format("Monday, 2 January 2006, at 15:04"))
	switch {
	case r.Outcome == "":
		return fmt.Sprintf("%s and is under way for %s: %s.", began, span(r.Seconds), r.verdict())
	case r.Outcome == runapi.Done:
		return fmt.Sprintf("%s and was done after %s.", began, span(r.Seconds))
	}
	return fmt.Sprintf("%s and ended after %s: %s.", began, span(r.Seconds), strings.TrimRight(r.verdict(), "."))
}

func (r Report) stepsInWords() string {
	c := r.Counts
	switch {
	case c.Total == 0 || r.idle():
		return "Nothing was touched."
	case c.Done == c.Total && c.Total == 1:
		return "Its one step was done."
	case c.Done == c.Total:
		return fmt.Sprintf("All %d steps were done.", c.Total)
	}
	numbers := strings.TrimSuffix(r.numbers(), ", "+span(r.Seconds))
	return "Of the steps, " + numbers + "."
}

// pathInWords names the few steps that took most of the time.
func (r Report) pathInWords() string {
	var steps []Link
	for _, l := range r.Chain() {
		if (l.Step != "" || l.Folded > 0) && l.Seconds > 0 {
			steps = append(steps, l)
		}
	}
	if len(steps) == 0 || len(r.Steps) < 2 {
		return ""
	}
	slices.SortStableFunc(steps, func(a, b Link) int { return cmp.Compare(b.Seconds, a.Seconds) })
	const few = 3
	steps = steps[:min(few, len(steps))]
	slices.SortStableFunc(steps, func(a, b Link) int { return a.Begun.Compare(b.Begun) })
	var names []string
	for _, l := range steps {
		if l.Folded > 0 {
			names = append(names, fmt.Sprintf("%d steps in a row (%s), %s", l.Folded, span(l.Seconds), l.Why))
			continue
		}
		names = append(names, fmt.Sprintf("“%s” (%s)", brief(l.Title), span(l.Seconds)))
	}
	return "What determined the end, above all: " + strings.Join(names, ", then ") + "."
}

// brief is a title without what it says in brackets at its end.
func brief(title string) string {
	if i := strings.LastIndex(title, " ("); i > 0 && strings.HasSuffix(title, ")") {
		return title[:i]
	}
	return title
}

func (r Report) decidedInWords() string {
	var parts []string
	if n := len(byRule(r)); n > 0 {
		parts = append(parts, fmt.Sprintf("nightshift decided %s by rule to act again", words.Times(n)))
	}
	if n := len(r.Orders); n > 0 {
		parts = append(parts, fmt.Sprintf("people gave %s", words.Count(n, "order")))
	}
	if n := len(r.Amendments); n > 0 {
		parts = append(parts, fmt.Sprintf("what was left was planned anew %s", words.Times(n)))
	}
	if len(parts) == 0 {
		return ""
	}
	s := strings.Join(parts, "; ") + "."
	return strings.ToUpper(s[:1]) + s[1:]
}

func (r Report) powerInWords() (out []string) {
	if p := r.Power; p != nil && p.Before != nil {
		s := fmt.Sprintf("The %s took %s before", metered(len(p.Before.Hosts), p.Before.Unmetered), Watts(p.Before.Watts))
		switch a := p.After; {
		case a == nil:
			s += "; at the end nobody could read it."
		case len(a.Hosts) != len(p.Before.Hosts):
			s += fmt.Sprintf(", and %s at the end, when %d told it.", Watts(a.Watts), len(a.Hosts))
		default:
			s += fmt.Sprintf(", and %s at the end.", Watts(a.Watts))
		}
		out = append(out, s)
	}
	if s := r.Saved; s != nil {
		out = append(out, s.String())
	}
	return out
}

// String says what was saved in a sentence.
func (s Saved) String() string {
	line := fmt.Sprintf("While it was down, for %s, the lab saved %s", span(s.To.Sub(s.From).Seconds()), KWh(s.KWh))
	if s.Money > 0 {
		line += fmt.Sprintf(", %.2f %s", s.Money, s.Currency)
	}
	return line + fmt.Sprintf(": %s less than before, metered at %s.", Watts(s.Watts), words.Count(s.Hosts, "server"))
}

func (r Report) leftInWords() string {
	var parts []string
	if n := r.Counts.Blocked; n > 0 {
		parts = append(parts, words.Count(n, "step")+" blocked")
	}
	if n := len(r.Left); n > 0 {
		parts = append(parts, words.Count(n, "finding")+" of the end-state check")
	}
	if n := len(r.Owed); n > 0 {
		parts = append(parts, words.Count(n, "setting")+" to be given back")
	}
	since := ""
	if r.GivenBack > 0 {
		since = words.Count(r.GivenBack, "setting") + " given back since."
	}
	if len(parts) == 0 {
		if r.Outcome == runapi.Done {
			return strings.TrimSpace("Nothing is left to do. " + since)
		}
		return since
	}
	s := "Left: " + strings.Join(parts, ", ")
	if len(r.Owed) > 0 && r.Runbook == "power-down" && r.Outcome == runapi.Done {
		s += ", which the power-up does"
	}
	return strings.TrimSpace(s + ". " + since)
}

func metered(hosts, unmetered int) string {
	if unmetered == 0 {
		return words.Count(hosts, "server")
	}
	return words.Of(hosts, hosts+unmetered, "server") + " that are metered"
}

// span is words.Span of seconds.
func span(seconds float64) string { return words.Span(time.Duration(seconds * float64(time.Second))) }

// Watts is a power for people.
func Watts(w float64) string {
	if w >= 10_000 {
		return fmt.Sprintf("%.1f kW", w/1000)
	}
	return fmt.Sprintf("%.0f W", w)
}

// KWh is an amount of energy for people.
func KWh(kwh float64) string {
	switch {
	case kwh < 0.1:
		return fmt.Sprintf("%.0f Wh", 1000*kwh)
	case kwh < 100:
		return fmt.Sprintf("%.1f kWh", kwh)
	}
	return fmt.Sprintf("%.0f kWh", kwh)
}
