package runbooks

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"nightshift/internal/inventory"
	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/internal/replica"
	"nightshift/internal/words"
)

const paramRelease = "release"

func prune() Runbook {
	return Runbook{
		Name:    Prune,
		Summary: "Destroy the recovery points of a protection group that its policy does not keep",
		Description: "Of each side of the group the recovery points stay that its keep: in the lab file wants: all of the last hours, the last one of each day, week, month and year. The others are destroyed, " +
			"a hundred with one command, each of them read again just before. What is held, cloned, in flight or the last that both sides have is never destroyed, nor a snapshot that nightshift did not make; " +
			"where one side cannot be read, nothing is. Holds of nightshift that nothing needs any more are told; release=true takes them away first.",
		Workflow: plan.PruneWorkflow,
		Parameters: []Parameter{
			{Name: plan.ParamGroup, Type: TypeString, Help: "the protection group, by its name in the lab file", Required: true},
			{Name: paramRelease, Type: TypeBool, Help: "take away the holds of nightshift that nothing needs any more; a schedule never does", Default: "false"},
		},
		names:   map[string]knows{plan.ParamGroup: knownGroup},
		Actions: []plan.Action{plan.MarkGroup, plan.UnmarkGroup, plan.ReleaseHolds, plan.DestroyPoints},
		Reads:   Reads{OnlyStorage: true, Storage: func(l *inventory.Lab, given map[string]string) []StorageRead { return groupReads(l, given, true) }},
		Plan:    planPrune,
	}
}

// mostDestroyed is how many points one run destroys: what is left is the next one's.
const mostDestroyed = 10_000

// A pruning is the plan of one in the making.
type pruning struct {
	*builder
	group   *inventory.ProtectionGroup
	zone    *time.Location
	now     time.Time
	release bool
	sides   [2]*pruned // source and target
	room    int        // how many points may still be destroyed
	mark    string     // the step that marks the group; empty: there is nothing to do yet
}

// A pruned side.
type pruned struct {
	which    string // source | target
	host     string
	keep     *inventory.Retention // nil: everything stays
	live     *live.StorageHost    // nil: it could not be read
	datasets []string             // in the order of the group
	whole    map[string]bool      // names of the points that all of them have
	tags     map[string]map[string][]string
	points   int // of the group
	gone     int // of them are destroyed
	released int
}

func planPrune(in Input) (plan.Plan, error) {
	g, err := theGroup(in, Prune)
	if err != nil {
		return plan.Plan{}, err
	}
	zone, err := time.LoadLocation(g.Keep.Zone)
	if err != nil {
		return plan.Plan{}, fmt.Errorf("keep.zone of protection group %s: %w", g.Name, err)
	}
	r := &pruning{builder: newBuilder(in, Prune), group: g, zone: zone, now: in.State.At, release: in.Parameters[paramRelease] == "true", room: mostDestroyed}
	r.plan.Limits = map[string]int{"storage": max(1, in.Lab.Limits.Storage)}
	r.sides = [2]*pruned{{which: "source", host: g.Source.Host, keep: g.Keep.Source}, {which: "target", host: g.Target.Host, keep: g.Keep.Target}}
	for _, d := range g.Source.Datasets {
		r.sides[0].datasets, r.sides[1].datasets = append(r.sides[0].datasets, d), append(r.sides[1].datasets, g.Replica(d))
	}
	if r.release && in.Scheduled {
		r.release = false
		r.warn("group "+g.Name, "a schedule takes no holds away: that is a person's decision", "nightshift run prune -p group="+g.Name+" -p release=true")
	}
	for _, s := range r.sides {
		r.read(s, in.State)
	}
	if target := r.sides[1]; target.live != nil {
		r.checkMark(g, target.live)
	}
	for i, s := range r.sides {
		if err := r.side(s, r.sides[1-i]); err != nil {
			return plan.Plan{}, err
		}
	}
	if r.mark != "" {
		r.unmarkGroup(r.params())
	}
	if r.room <= 0 {
		r.warn("group "+g.Name, fmt.Sprintf("a run destroys %s recovery points at most: the next one goes on", words.Thousands(mostDestroyed)), "")
	}
	r.title()
	return r.plan, nil
}

// read finds what was read of a side, sorted, with the tags of its holds.
func (r *pruning) read(s *pruned, st *live.State) {
	i := slices.IndexFunc(st.Storage, func(h live.StorageHost) bool { return h.Host == s.host })
	switch {
	case i < 0:
		r.unread(s, "it was not read")
		return
	case st.Storage[i].Err != "":
		r.unread(s, st.Storage[i].Err)
		return
	}
	if text := WrongClock(&st.Storage[i]); text != "" {
		r.block("storage host "+s.host, text+". Nobody knows how old recovery points are, so nothing is destroyed", rightClock)
	}
	s.live = &live.StorageHost{Host: s.host, Mark: st.Storage[i].Mark}
	count, gone, there := map[string]int{}, map[string]int{}, 0
	for _, name := range s.datasets {
		d := st.Storage[i].Dataset(name)
		if d == nil {
			r.warn("dataset "+name, "is not there on "+s.host, "until it is, no recovery point of it is destroyed on the other side")
			continue
		}
		sorted := *d
		sorted.Snapshots, sorted.Bookmarks = slices.Clone(d.Snapshots), slices.Clone(d.Bookmarks)
		sorted.Sort()
		s.live.Datasets = append(s.live.Datasets, sorted)
		there++
		for _, x := range sorted.Snapshots {
			group, _, ours := replica.ParsePoint(x.Name)
			if ours && group == r.group.Name {
				count[x.Name]++
			} else if _, known := r.lab.ProtectionGroup(group); ours && !known {
				gone[group]++
			}
		}
	}
	for _, group := range slices.Sorted(maps.Keys(gone)) {
		r.warn("group "+group, fmt.Sprintf("%s on %s: the lab file does not have that group, so no run destroys any", words.Many(gone[group], "snapshot"), s.host),
			"was it renamed? Once group "+r.group.Name+" has recovery points of its own on both sides, take their holds away and destroy them by hand")
	}
	s.whole = make(map[string]bool, len(count))
	for name, n := range count {
		s.whole[name] = n == there
	}
	s.tags = map[string]map[string][]string{}
	for _, h := range st.Storage[i].Holds {
		dataset, snapshot, _ := strings.Cut(h.Snapshot, "@")
		if s.tags[dataset] == nil {
			s.tags[dataset] = map[string][]string{}
		}
		s.tags[dataset][snapshot] = append(s.tags[dataset][snapshot], h.Tag)
	}
	for _, of := range s.tags {
		for _, tags := range of {
			slices.Sort(tags)
		}
	}
}

func (r *pruning) unread(s *pruned, why string) {
	r.blockForNow("storage host "+s.host, "cannot be read: "+why+". Nobody knows what both sides have, so nothing is destroyed", "see `nightshift lab check`")
}

func (r *pruning) title() {
	var released, gone, parts []string
	for _, s := range r.sides {
		if s.released > 0 {
			released = append(released, fmt.Sprintf("%s on %s", words.Many(s.released, "hold"), s.host))
		}
		if s.gone > 0 {
			gone = append(gone, fmt.Sprintf("%s of %s on %s", words.Thousands(s.gone), words.Many(s.points, "recovery point"), s.host))
		}
	}
	if len(released) > 0 {
		parts = append(parts, "take away "+strings.Join(released, " and "))
	}
	if len(gone) > 0 {
		parts = append(parts, "destroy "+strings.Join(gone, " and "))
	}
	switch {
	case len(r.plan.Blockers) > 0:
		r.plan.Title = fmt.Sprintf("Prune group %s: blocked", r.group.Name)
	case len(parts) == 0:
		r.plan.Title = fmt.Sprintf("Nothing to do: no recovery point of group %s is to be destroyed", r.group.Name)
	default:
		r.plan.Title = fmt.Sprintf("Prune group %s: %s", r.group.Name, strings.Join(parts, ", "))
	}
}
