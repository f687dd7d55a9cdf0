package report

import (
	"fmt"
	"strings"
	"time"

	"nightshift/internal/words"
)

// A viewer makes rows of steps.
type viewer struct {
	r     Report
	s     scale
	index map[string]int
}

func newViewer(r Report) viewer {
	v := viewer{r: r, s: scaleOf(r), index: map[string]int{}}
	for i, st := range r.Steps {
		v.index[st.ID] = i
	}
	return v
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

func anchor(i int) string { return fmt.Sprintf("s%d", i+1) }

// row is what there is to see of step i.
func (v viewer) row(i int) row {
	st := v.r.Steps[i]
	w := row{Step: st, Anchor: anchor(i), Note: Reason(st.plan, st.Note), Mark: mark(st.State),
		Slow: st.State == StateDone && st.Estimate > 0 && st.Seconds > st.Estimate && !Noisy(st.Seconds, st.Estimate)}
	if j, ok := v.index[st.After]; ok && st.After != "" {
		w.After, w.AfterRef = v.r.Steps[j].Title, anchor(j)
	}
	if st.Begun.IsZero() {
		return w
	}
	class := strings.ReplaceAll(st.State, " ", "-")
	if st.Critical {
		class += " crit"
	}
	b := v.s.bar(st.Begun, st.until(v.s), class)
	w.Bar = &b
	if st.Waited > late.Seconds() {
		wait := v.s.bar(st.Begun.Add(-seconds(st.Waited)), st.Begun, "wait")
		w.Wait = &wait
	}
	return w
}

func mark(state string) string {
	switch state {
	case StateDone:
		return "✓"
	case StateSkipped:
		return "↷"
	case StateRunning:
		return "▶"
	case StateBlocked, StateHalfDone:
		return "!"
	}
	return "–"
}

// groups are all steps, folded where they are many. A group in which there is something to say is open in any case where it
// is not long itself.
func (v viewer) groups(folded bool) (list []groupView) {
	for _, g := range v.r.byGroup(func(s Step) string { return s.Group }) {
		o := groupView{Name: g.name, Open: !folded}
		var rows []row
		done, from, to := 0, g.steps[0].Begun, g.steps[0].Ended
		for _, st := range g.steps {
			rows = append(rows, v.row(v.index[st.ID]))
			if st.State == StateDone {
				done++
			}
			if !st.Begun.IsZero() && (from.IsZero() || st.Begun.Before(from)) {
				from = st.Begun
			}
			if e := st.until(v.s); !st.Begun.IsZero() && e.After(to) {
				to = e
			}
			if len(g.steps) <= perFold && (st.State == StateBlocked || st.State == StateHalfDone || st.State == StateSkipped) {
				o.Open = true
			}
		}
		o.Numbers = fmt.Sprintf("%d of %d done", done, len(g.steps))
		if !from.IsZero() {
			o.Numbers += fmt.Sprintf(", %s to %s", words.Clock(from), words.Clock(to))
			b := v.s.bar(from, to, "span")
			o.Bar = &b
		}
		o.Folds = folds(rows)
		list = append(list, o)
	}
	return list
}

// folds parts a long list.
func folds(rows []row) (list []fold) {
	if len(rows) <= perFold {
		return []fold{{Rows: rows}}
	}
	for i := 0; i < len(rows); i += perFold {
		part := rows[i:min(len(rows), i+perFold)]
		list = append(list, fold{fmt.Sprintf("%d to %d: %s … %s", i+1, i+len(part), part[0].Target, part[len(part)-1].Target), part})
	}
	return list
}

// undone are the steps that somebody has to do something about.
func (v viewer) undone() (list []undone) {
	for _, kind := range []struct{ state, title string }{
		{StateBlocked, "Blocked: waits for you"}, {StateHalfDone, "Half done: begun, and not seen to its end"},
		{StateSkipped, "Skipped"}, {StateUntouched, "Untouched: not begun, or nothing was sent"},
	} {
		if kind.state == StateUntouched && v.r.idle() {
			continue
		}
		u := undone{Title: kind.title}
		for i, st := range v.r.Steps {
			if st.State != kind.state {
				continue
			}
			if len(u.Rows) == maxListed {
				u.More++
				continue
			}
			u.Rows = append(u.Rows, v.row(i))
		}
		if len(u.Rows) > 0 {
			list = append(list, u)
		}
	}
	return list
}

// chain is what determined the end.
func (v viewer) chain() (list []chainRow) {
	total := v.s.to.Sub(v.s.from).Seconds()
	for _, l := range v.r.Chain() {
		c := chainRow{Link: l, Bar: v.s.bar(l.Begun, l.Ended, "crit"), Share: fmt.Sprintf("%.0f%%", 100*(l.Seconds+l.Idle)/total)}
		if i, ok := v.index[l.Step]; ok && l.Step != "" {
			c.Anchor = anchor(i)
		}
		if l.Idle > late.Seconds() {
			b := v.s.bar(l.Begun.Add(-seconds(l.Idle)), l.Begun, "wait")
			c.Wait = &b
		}
		list = append(list, c)
	}
	return list
}
