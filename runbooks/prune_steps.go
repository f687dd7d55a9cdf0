package runbooks

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/internal/replica"
	"nightshift/internal/words"
)

const (
	takesRelease = 2 * time.Second
	takesDestroy = 5 * time.Second // a hundred snapshots
)

// side plans one side, with the other one to protect what both have.
func (r *pruning) side(s, other *pruned) error {
	if s.live == nil {
		return nil
	}
	if s.keep == nil {
		r.leave(fmt.Sprintf("group %s on %s", r.group.Name, s.host), fmt.Sprintf("the lab file has no keep.%s, so all of it stays", s.which))
		return nil
	}
	p := replica.Policy{All: time.Duration(s.keep.All), Daily: s.keep.Daily, Weekly: s.keep.Weekly, Monthly: s.keep.Monthly, Yearly: s.keep.Yearly,
		Weekday: s.keep.Day(), Zone: r.zone}
	for i, name := range s.datasets {
		d := s.live.Dataset(name)
		if d == nil {
			continue
		}
		if err := r.dataset(s, d, r.facts(s, d, other, other.datasets[i]), other.host, other.datasets[i], p); err != nil {
			return err
		}
	}
	return nil
}

// facts are what the other side protects here.
func (r *pruning) facts(s *pruned, d *live.ZDataset, other *pruned, name string) replica.Facts {
	var there *live.ZDataset
	if other.live != nil {
		there = other.live.Dataset(name)
	}
	f := replica.FactsOf(d, there, r.group.Name)
	switch {
	case other.live == nil:
		f.Unknown = other.host + " cannot be read"
	case there == nil:
		f.Unknown = name + " is not there on " + other.host
	case len(f.Common) == 0 && s.which == "source":
		r.warn("dataset "+d.Name, fmt.Sprintf("has no snapshot in common with %s on %s", name, other.host), "`nightshift plan replicate` says what the choices are")
	}
	f.Tags, f.Whole = s.tags[d.Name], s.whole
	return f
}

// dataset plans one: what is released, what is destroyed, and the table of all.
func (r *pruning) dataset(s *pruned, d *live.ZDataset, f replica.Facts, otherHost, other string, p replica.Policy) error {
	of := plan.PointsParams{Group: r.group.Name, Host: s.host, Dataset: d.Name, GUID: d.GUID, OtherHost: otherHost, Other: other, To: r.group.Target.Host, Under: r.group.Target.Under}
	if len(f.Common) > 0 {
		of.Common = f.Common[0]
	}
	needs := r.holds(s, d, &f, of)
	verdicts, err := replica.Rollup(d, r.group.Name, p, f, r.now)
	if err != nil {
		return err
	}
	var gone []plan.Point
	for i := range verdicts {
		v := &verdicts[i]
		if !v.Foreign {
			s.points++
		}
		switch {
		case v.What != replica.Destroyed:
		case r.room <= 0:
			v.What, v.Why = replica.Kept, []string{"for the next run to destroy"}
		default:
			r.room--
			gone = append(gone, plan.Point{Name: v.Snapshot, GUID: v.GUID})
		}
	}
	s.gone += len(gone)
	r.points(plan.DestroyPoints, "Destroy", of, gone, needs)
	if len(verdicts) > 0 {
		r.plan.Rollups = append(r.plan.Rollups, r.table(s.host, d.Name, verdicts))
	}
	return nil
}

// holds tells of the holds of ours that nothing needs any more, or plans to take them away. It answers the steps that do.
func (r *pruning) holds(s *pruned, d *live.ZDataset, f *replica.Facts, of plan.PointsParams) []string {
	dangling := replica.DanglingHolds(d, r.group.Name, *f)
	if len(dangling) == 0 {
		return nil
	}
	if !r.release {
		r.warn("dataset "+d.Name, fmt.Sprintf("nightshift holds %s on %s that nothing needs any more: %s", words.Many(len(dangling), "snapshot"), s.host, words.Some(dangling, fewNames)),
			"take the holds away: nightshift run prune -p group="+r.group.Name+" -p release=true")
		return nil
	}
	f.Released = make(map[string]bool, len(dangling))
	for _, name := range dangling {
		f.Released[name] = true
	}
	var held []plan.Point
	for _, x := range d.Snapshots {
		if f.Released[x.Name] {
			held = append(held, plan.Point{Name: x.Name, GUID: x.GUID})
		}
	}
	s.released += len(held)
	return r.points(plan.ReleaseHolds, "Take nightshift's hold from", of, held, nil)
}

// points adds the steps that do something with points of a dataset, the oldest first. A step that fails holds nothing up, neither the
// others nor the next replication, which waits for the group's lock.
func (r *pruning) points(a plan.Action, verb string, of plan.PointsParams, points []plan.Point, needs []string) (ids []string) {
	takes, id, what := takesRelease, "release", "snapshot"
	if a == plan.DestroyPoints {
		takes, id, what = takesDestroy, "destroy", "recovery point"
	}
	if r.mark == "" && len(points) > 0 {
		r.mark = r.markGroup(r.params())
	}
	if len(needs) == 0 {
		needs = []string{r.mark}
	}
	for some := range slices.Chunk(points, plan.MostPoints) {
		of.Points = some
		ids = append(ids, r.add(plan.Step{ID: fmt.Sprintf("%s:%s:%s:%d", id, of.Host, of.Dataset, len(ids)+1),
			Title: fmt.Sprintf("%s %s of %s: %s", verb, words.Many(len(some), what), of.Dataset, r.span(some)), Group: "On " + of.Host,
			Action: a, Target: plan.Target{Kind: plan.Dataset, Name: of.Dataset, Endpoint: of.Host}, Params: plan.Encode(of), Needs: needs,
			Holds: []string{"storage:" + of.Host}, OnFailure: plan.Skip, Estimate: plan.Duration(takes), Timeout: r.settled(marginTask)}))
	}
	return ids
}

// params are those of the steps on the group as a whole.
func (r *pruning) params() plan.GroupParams {
	p := plan.GroupParams{Group: r.group.Name, From: r.group.Source.Host, To: r.group.Target.Host, Under: r.group.Target.Under}
	for _, d := range r.group.Source.Datasets {
		p.Datasets = append(p.Datasets, plan.GroupDataset{Dataset: d, Replica: r.group.Replica(d)})
	}
	return p
}

// span names points by the first and the last.
func (r *pruning) span(points []plan.Point) string {
	first, last := r.short(points[0].Name), r.short(points[len(points)-1].Name)
	if first == last {
		return first
	}
	return first + " to " + last
}

// short is the name of a point without what all of the group have.
func (r *pruning) short(name string) string { return strings.TrimPrefix(name, r.prefix()) }

func (r *pruning) prefix() string { return replica.PointPrefix(r.group.Name) }

// table says what becomes of each snapshot, the newest first: what is alike stands in one row, and what others made comes last.
func (r *pruning) table(host, dataset string, verdicts []replica.Verdict) plan.Rollup {
	t := plan.Rollup{Host: host, Dataset: dataset, Prefix: r.prefix(), Rows: []plan.RollupRow{}}
	var foreign []plan.RollupRow
	for _, v := range slices.Backward(verdicts) {
		why := strings.Join(v.Why, "; ")
		rows, at := &t.Rows, len(t.Rows)-1
		if v.Foreign {
			rows = &foreign
			at = slices.IndexFunc(foreign, func(x plan.RollupRow) bool { return x.Why == why })
		}
		if at >= 0 && (*rows)[at].What == v.What && (*rows)[at].Why == why {
			(*rows)[at].First = v.Snapshot
			(*rows)[at].Count++
			continue
		}
		*rows = append(*rows, plan.RollupRow{What: v.What, Why: why, First: v.Snapshot, Last: v.Snapshot, Count: 1})
	}
	t.Rows = append(t.Rows, foreign...)
	return t
}
