package report

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"unicode"

	"nightshift/internal/plan"
)

// Reality holds the plan against what came of it.
type Reality struct {
	// Planned is how long the plan takes by its estimates and under its limits, in seconds; Took how long its steps took,
	// from the begin of the first to the end of the last. Asked is how much of that the steps that determined the end waited
	// for people.
	Planned float64 `json:"planned"`
	Took    float64 `json:"took"`
	Asked   float64 `json:"asked,omitempty"`
	Kinds   []Kind  `json:"kinds"`
	// Off are the steps that took longer than estimated by most, the worst first.
	Off []Deviation `json:"off"`
}

// A Kind is all the steps of one action that were done.
type Kind struct {
	Action   string  `json:"action"`
	Steps    int     `json:"steps"`
	Estimate float64 `json:"estimate"` // median, in seconds, as what follows
	Median   float64 `json:"median"`
	Longest  float64 `json:"longest"`
}

// A Deviation is a step that took longer than estimated.
type Deviation struct {
	Step     string  `json:"step"`
	Title    string  `json:"title"`
	Estimate float64 `json:"estimate"`
	Took     float64 `json:"took"`
}

const (
	mostDeviations = 8
	// noise is by how many seconds, and by which part, times may differ without a word.
	noise     = 10.0
	noisePart = 0.25
)

// Noisy tells whether the two times, in seconds, are the same but for noise: less than 10 s, or than a quarter of the longer one.
func Noisy(a, b float64) bool {
	return math.Abs(a-b) <= max(noise, noisePart*max(a, b))
}

func reality(r Report, p plan.Plan) *Reality {
	v := &Reality{Planned: p.Makespan().Seconds(), Kinds: []Kind{}, Off: []Deviation{}}
	estimates, times := map[string][]float64{}, map[string][]float64{}
	var first, last = r.Ended, r.Started
	for _, s := range r.Steps {
		if s.Critical {
			v.Asked += s.Asked
		}
		if s.State != StateDone || s.Begun.IsZero() || s.Ended.IsZero() {
			continue
		}
		if first.IsZero() || s.Begun.Before(first) {
			first = s.Begun
		}
		if s.Ended.After(last) {
			last = s.Ended
		}
		a := string(s.plan.Action)
		if s.plan.Action == plan.Join || s.plan.Action == "" {
			continue
		}
		estimates[a], times[a] = append(estimates[a], s.Estimate), append(times[a], s.Seconds)
		if s.Seconds > s.Estimate && !Noisy(s.Seconds, s.Estimate) {
			v.Off = append(v.Off, Deviation{s.ID, s.Title, s.Estimate, s.Seconds})
		}
	}
	if !first.IsZero() && last.After(first) {
		v.Took = last.Sub(first).Seconds()
	}
	for _, a := range plan.Actions() {
		if list := times[string(a)]; len(list) > 0 {
			v.Kinds = append(v.Kinds, Kind{string(a), len(list), quantile(estimates[string(a)], 0.5), quantile(list, 0.5), slices.Max(list)})
		}
	}
	slices.SortStableFunc(v.Off, func(a, b Deviation) int { return cmp.Compare(b.Took-b.Estimate, a.Took-a.Estimate) })
	v.Off = v.Off[:min(mostDeviations, len(v.Off))]
	return v
}

// waits says how long the steps waited for people, beside what they took; empty: they did not.
func (v Reality) waits() string {
	if v.Asked <= late.Seconds() {
		return ""
	}
	return " beside " + span(v.Asked) + " in which they waited for people"
}

// quantile is the nearest rank; 0 of nothing. The list is not changed.
func quantile(list []float64, q float64) float64 {
	if len(list) == 0 {
		return 0
	}
	list = slices.Sorted(slices.Values(list))
	return list[min(len(list)-1, max(0, int(math.Ceil(q*float64(len(list))))-1))]
}

// actionWords is the name of an action as people read it: "shutdown guest".
func actionWords(action string) string {
	var b strings.Builder
	for i, c := range action {
		if unicode.IsUpper(c) && i > 0 {
			b.WriteByte(' ')
		}
		b.WriteRune(unicode.ToLower(c))
	}
	return b.String()
}
