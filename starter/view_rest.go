package main

import (
	"fmt"
	"strings"
	"time"

	"nightshift/internal/report"
	"nightshift/internal/runapi"
	"nightshift/internal/words"
)

// rest says what is to come of a run: about how long it takes, or, where a step has run on beyond its estimate and nobody can
// tell, for what it waits and since when. Empty: there is nothing to say.
func (v view) rest() string {
	if i := v.overdue(); i >= 0 {
		title, _, _ := strings.Cut(v.Plan.Steps[i].Title, " (")
		return fmt.Sprintf("waits since %s for: %s", words.Clock(v.since(i)), title)
	}
	if left, ok := v.left(); ok && left > 0 {
		return "about " + words.Tight(left) + " left"
	}
	return ""
}

// overdue is the running step that has outlasted its estimate by most, beyond noise, and does not tell how long it still takes; -1:
// none has.
func (v view) overdue() int {
	if v.Plan == nil || v.Sheet.Phase != runapi.PhaseExecute || len(v.Sheet.Steps) != len(v.Plan.Steps) {
		return -1
	}
	worst, by, scale := -1, time.Duration(0), v.scale()
	for i, s := range v.Plan.Steps {
		if v.letter(i) != runapi.Running || v.Sheet.Progress[s.ID].Left > 0 {
			continue
		}
		estimate, took := time.Duration(float64(s.Estimate)*scale), v.elapsed(i)
		if over := took - estimate; over > by && !report.Noisy(took.Seconds(), estimate.Seconds()) {
			worst, by = i, over
		}
	}
	return worst
}
