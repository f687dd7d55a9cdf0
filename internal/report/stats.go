package report

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"nightshift/internal/runapi"
	"nightshift/internal/words"
)

// Stats are what the last runs of a lab tell together. Its JSON form is what `stats -o json` prints.
type Stats struct {
	Lab      string         `json:"lab"`
	Read     int            `json:"read"` // runs, those without a result included
	Runbooks []RunbookStats `json:"runbooks"`
	// KWh is what the lab saved in Nights, from a power-down's end until the next power-up; never more than was metered.
	KWh    float64            `json:"kWh"`
	Nights int                `json:"nights"`
	Money  map[string]float64 `json:"money,omitempty"` // by currency
}

// RunbookStats are those of one runbook. Durations are of runs that were done, in seconds.
type RunbookStats struct {
	Runbook  string         `json:"runbook"`
	Runs     int            `json:"runs"`
	Outcomes map[string]int `json:"outcomes"`
	// Success is the part of the runs that were done, of those that began to do something: refused and skipped ones did not.
	Success float64 `json:"success"`
	Median  float64 `json:"median,omitempty"`
	P95     float64 `json:"p95,omitempty"`
	// Recent and Before are the medians of the last ten that were done and of the ten before them; 0: there are too few.
	Recent float64 `json:"recent,omitempty"`
	Before float64 `json:"before,omitempty"`
	// Blockers are the steps that people had to decide about, or that were skipped, and what blocked plans, the most frequent first.
	Blockers []Count `json:"blockers"`
	// Slowest are the steps that took longest, by their median in the newest runs.
	Slowest []Slow `json:"slowest"`
	// Asked are the steps that waited longest for people, who are no part of Slowest.
	Asked []Slow `json:"asked"`
}

// A Count is how often there was something.
type Count struct {
	What  string `json:"what"`
	Times int    `json:"times"`
}

// A Slow step and how long it took, in seconds.
type Slow struct {
	Step   string  `json:"step"`
	Median float64 `json:"median"`
	Runs   int     `json:"runs"`
}

// A Past is a run that has ended. Steps are only known where its plan was read.
type Past struct {
	Run     string
	Outcome string // as lists have it: "done", "terminated"
	Sheet   runapi.Sheet
	Steps   []Step
}

const (
	mostTold = 5
	trendOf  = 10
	leastOf  = 3 // runs of which a trend is told
)

// Summarize makes statistics of runs, the newest first.
func Summarize(lab string, runs []Past) Stats {
	s := Stats{Lab: lab, Read: len(runs), Runbooks: []RunbookStats{}}
	by := map[string][]Past{}
	for _, r := range runs {
		by[r.Sheet.Runbook] = append(by[r.Sheet.Runbook], r)
	}
	for _, name := range sortedKeys(by) {
		s.Runbooks = append(s.Runbooks, summarize(name, by[name]))
	}
	s.nights(runs)
	return s
}

func summarize(name string, runs []Past) RunbookStats {
	s := RunbookStats{Runbook: name, Runs: len(runs), Outcomes: map[string]int{}}
	var times []float64
	began, blockers, steps, asked := 0, map[string]int{}, map[string][]float64{}, map[string][]float64{}
	for _, r := range runs {
		s.Outcomes[r.Outcome]++
		if r.Outcome != runapi.Refused && r.Outcome != runapi.Skipped {
			began++
		}
		if r.Outcome == runapi.Done && r.Sheet.Total > 0 { // with nothing to do it takes no time
			times = append(times, r.Sheet.Ended.Sub(r.Sheet.Started).Seconds())
		}
		for _, what := range r.troubles() {
			blockers[what]++
		}
		for _, st := range r.Steps {
			if st.State == StateDone && st.Seconds > 0 {
				steps[st.ID] = append(steps[st.ID], st.Seconds)
			}
			if st.Asked > late.Seconds() {
				asked[st.ID] = append(asked[st.ID], st.Asked)
			}
		}
	}
	if began > 0 {
		s.Success = float64(s.Outcomes[runapi.Done]) / float64(began)
	}
	s.Median, s.P95 = quantile(times, 0.5), quantile(times, 0.95)
	if recent, before := times[:min(trendOf, len(times))], times[min(trendOf, len(times)):min(2*trendOf, len(times))]; len(before) >= leastOf {
		s.Recent, s.Before = quantile(recent, 0.5), quantile(before, 0.5)
	}
	s.Blockers, s.Slowest, s.Asked = mostFrequent(blockers), slowest(steps), slowest(asked)
	return s
}

// troubles are the steps of a run about which somebody had to decide, or that were skipped by policy, and its blockers; each once.
func (r Past) troubles() []string {
	var list []string
	for _, o := range r.Sheet.Orders {
		if o.Verb == runapi.Retry || o.Verb == runapi.Skip {
			list = append(list, o.Steps...)
		}
	}
	for _, d := range r.Sheet.Decisions {
		list = append(list, d.Step)
	}
	for _, b := range r.Sheet.Blockers {
		list = append(list, b.Subject+": "+b.Text)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

func mostFrequent(counts map[string]int) []Count {
	out := []Count{}
	for _, what := range sortedKeys(counts) {
		out = append(out, Count{what, counts[what]})
	}
	slices.SortStableFunc(out, func(a, b Count) int { return cmp.Compare(b.Times, a.Times) })
	return out[:min(mostTold, len(out))]
}

func slowest(steps map[string][]float64) []Slow {
	out := []Slow{}
	for _, id := range sortedKeys(steps) {
		out = append(out, Slow{id, quantile(steps[id], 0.5), len(steps[id])})
	}
	slices.SortStableFunc(out, func(a, b Slow) int { return cmp.Compare(b.Median, a.Median) })
	return out[:min(mostTold, len(out))]
}

// nights adds up what was saved between each power-down and the power-up that was the next run after it that did something.
func (s *Stats) nights(runs []Past) {
	runs = slices.Clone(runs)
	slices.SortStableFunc(runs, func(a, b Past) int { return a.Sheet.Started.Compare(b.Sheet.Started) })
	var down *Past
	for i := range runs {
		r := &runs[i]
		if r.Outcome == runapi.Refused || r.Outcome == runapi.Skipped || r.Outcome == runapi.Failed {
			continue
		}
		if r.Sheet.Runbook == "power-up" && down != nil {
			if saved := Between(down.Run, down.Sheet, r.Sheet); saved != nil {
				s.Nights++
				s.KWh += saved.KWh
				if saved.Money > 0 {
					if s.Money == nil {
						s.Money = map[string]float64{}
					}
					s.Money[saved.Currency] += saved.Money
				}
			}
		}
		if down = nil; r.Sheet.Runbook == "power-down" {
			down = r
		}
	}
}

// Text writes the statistics for people.
func (s Stats) Text(w io.Writer) {
	if len(s.Runbooks) == 0 {
		fmt.Fprintf(w, "Lab %s: no run has ended yet.\n", s.Lab)
		return
	}
	fmt.Fprintf(w, "Lab %s, the last %s\n", s.Lab, words.Count(s.Read, "run"))
	for _, b := range s.Runbooks {
		b.text(w)
	}
	if s.Nights > 0 {
		line := fmt.Sprintf("\nSaved while the lab was down: %s, metered over %s", KWh(s.KWh), words.Count(s.Nights, "time"))
		for _, c := range sortedKeys(s.Money) {
			line += fmt.Sprintf(", %.2f %s", s.Money[c], c)
		}
		fmt.Fprintln(w, line)
	}
}

func (b RunbookStats) text(w io.Writer) {
	var parts []string
	for _, o := range sortedKeys(b.Outcomes) {
		parts = append(parts, fmt.Sprintf("%d %s", b.Outcomes[o], o))
	}
	fmt.Fprintf(w, "\n%s\n  Runs       %d: %s\n", b.Runbook, b.Runs, strings.Join(parts, ", "))
	fmt.Fprintf(w, "  Success    %.0f%% of those that began\n", 100*b.Success)
	if b.Median > 0 {
		fmt.Fprintf(w, "  Took       %s in the middle, %s at the 95th percentile (those that were done)\n", span(b.Median), span(b.P95))
	}
	if b.Before > 0 {
		fmt.Fprintf(w, "  Trend      %s in the last %d, %s in those before: %s\n", span(b.Recent), trendOf, span(b.Before), trend(b.Recent, b.Before))
	}
	for i, c := range b.Blockers {
		fmt.Fprintf(w, "  %-10s %s, %s\n", first(i, "Trouble"), c.What, words.Times(c.Times))
	}
	for i, c := range b.Slowest {
		fmt.Fprintf(w, "  %-10s %s, %s (of %s)\n", first(i, "Slowest"), c.Step, span(c.Median), words.Count(c.Runs, "run"))
	}
	for i, c := range b.Asked {
		fmt.Fprintf(w, "  %-10s %s for a person, %s (of %s)\n", first(i, "Waited"), c.Step, span(c.Median), words.Count(c.Runs, "run"))
	}
}

func first(i int, title string) string {
	if i == 0 {
		return title
	}
	return ""
}

func trend(recent, before float64) string {
	switch {
	case Noisy(recent, before):
		return "as before"
	case recent > before:
		return "slower"
	}
	return "faster"
}
