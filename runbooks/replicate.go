package runbooks

import (
	"fmt"
	"slices"
	"strings"

	"nightshift/internal/inventory"
	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/internal/words"
)

func replicate() Runbook {
	return Runbook{
		Name:    Replicate,
		Summary: "Take a recovery point of a protection group, and bring it to the other side",
		Description: "One atomic snapshot of all datasets of the group, held, goes as increments (the first time in full) over SSH straight from the source to the target, and both sides are compared. " +
			"What was broken off goes on where it stopped. Then the new point is held on both sides and bookmarked, and the holds of older ones are released. " +
			"Where there is nothing to send from, the plan says why and what the choices are: no replica is ever taken back, and no snapshot of a target destroyed.",
		Workflow:   plan.ReplicateWorkflow,
		Parameters: []Parameter{{Name: plan.ParamGroup, Type: TypeString, Help: "the protection group, by its name in the lab file", Required: true}},
		Actions:    []plan.Action{plan.MarkGroup, plan.UnmarkGroup, plan.RunCommand, plan.SnapshotGroup, plan.SendDataset, plan.VerifyReplicas, plan.KeepPoint, plan.SaveRecord, plan.MeasureGroup},
		Reads: Reads{OnlyStorage: true,
			Storage: func(l *inventory.Lab, given map[string]string) []StorageRead { return groupReads(l, given, false) },
			Protected: func(l *inventory.Lab, given map[string]string) (*inventory.ProtectionGroup, bool) {
				return l.ProtectionGroup(strings.TrimSpace(given[plan.ParamGroup]))
			}},
		Plan:  planReplicate,
		names: map[string]knows{plan.ParamGroup: knownGroup},
	}
}

// groupReads is both sides of the group that the parameters name; nothing where there is no such group.
func groupReads(l *inventory.Lab, given map[string]string, holds bool) []StorageRead {
	g, ok := l.ProtectionGroup(strings.TrimSpace(given[plan.ParamGroup]))
	if !ok {
		return nil
	}
	replicas := []string{g.Target.Under}
	for _, d := range g.Source.Datasets {
		for _, name := range []string{parent(g.Replica(d)), g.Replica(d)} {
			if !slices.Contains(replicas, name) {
				replicas = append(replicas, name)
			}
		}
	}
	target := StorageRead{Host: g.Target.Host, Datasets: replicas, Holds: holds, Group: g.Name, Under: g.Target.Under}
	if g.Source.Host == g.Target.Host {
		target.Datasets = slices.Concat(g.Source.Datasets, replicas)
		return []StorageRead{target}
	}
	return []StorageRead{{Host: g.Source.Host, Datasets: g.Source.Datasets, Holds: holds}, target}
}

// parent is the dataset in which another one lies.
func parent(dataset string) string { return dataset[:max(0, strings.LastIndexByte(dataset, '/'))] }

// theGroup is the protection group that a run is about.
func theGroup(in Input, runbook string) (*inventory.ProtectionGroup, error) {
	name := in.Parameters[plan.ParamGroup]
	if err := knownGroup(in.Lab, runbook, name); err != nil {
		return nil, err
	}
	g, _ := in.Lab.ProtectionGroup(name)
	return g, nil
}

func knownGroup(lab *inventory.Lab, runbook, name string) error {
	if _, ok := lab.ProtectionGroup(name); ok {
		return nil
	}
	var known []string
	for _, g := range lab.ProtectionGroups {
		known = append(known, g.Name)
	}
	wrong := &ParameterError{Runbook: runbook, Parameter: plan.ParamGroup}
	switch near := inventory.Nearest(name, known); {
	case len(known) == 0:
		wrong.Text = "the lab file has no protectionGroups"
	case near != "":
		wrong.Text = fmt.Sprintf("there is no protection group %q; did you mean %q?", name, near)
	default:
		wrong.Text = fmt.Sprintf("there is no protection group %q; there are %s", name, strings.Join(known, ", "))
	}
	return wrong
}

// A replication is the plan of one in the making.
type replication struct {
	*builder
	group          *inventory.ProtectionGroup
	source, target *live.StorageHost // nil: it could not be read
	volumes        []*protected
}

// A protected dataset, and its replica.
type protected struct {
	name, replica string
	live, there   *live.ZDataset // nil: it is not there
	base          string         // what is sent from, in words
	bytes         int64          // about what is to be sent
}

func planReplicate(in Input) (plan.Plan, error) {
	g, err := theGroup(in, Replicate)
	if err != nil {
		return plan.Plan{}, err
	}
	r := &replication{builder: newBuilder(in, Replicate), group: g}
	r.plan.Limits = map[string]int{"storage": max(1, in.Lab.Limits.Storage)}
	r.plan.Title = fmt.Sprintf("Replicate group %s: blocked", g.Name)
	r.source, r.target = r.host(in.State, g.Source.Host), r.host(in.State, g.Target.Host)
	if r.source == nil || r.target == nil {
		return r.plan, nil
	}
	for _, d := range g.Source.Datasets {
		r.volumes = append(r.volumes, &protected{name: d, replica: g.Replica(d), live: r.source.Dataset(d), there: r.target.Dataset(g.Replica(d))})
	}
	r.check()
	r.lint(in.State.Protected, in.Ledger)
	if len(r.plan.Blockers) == 0 {
		r.steps()
		var bytes int64
		for _, v := range r.volumes {
			bytes += v.bytes
		}
		r.plan.Title = fmt.Sprintf("Replicate group %s from %s to %s: %s, about %s", g.Name, g.Source.Host, g.Target.Host,
			words.Count(len(r.volumes), "dataset"), words.Bytes(rounded(bytes)))
	}
	return r.plan, nil
}

// host is what was read of a storage host; nil: nothing, which blocks.
func (r *replication) host(st *live.State, name string) *live.StorageHost {
	i := slices.IndexFunc(st.Storage, func(h live.StorageHost) bool { return h.Host == name })
	if i >= 0 && st.Storage[i].Err == "" {
		return &st.Storage[i]
	}
	why := "it was not read"
	if i >= 0 {
		why = st.Storage[i].Err
	}
	r.blockForNow("storage host "+name, "cannot be read: "+why, "see `nightshift lab check`")
	return nil
}

// rounded is the next of 1, 2, 5, 10, … 500 MiB, 1 GiB, …: what is to be sent changes with every write, and the plan with its
// hash must not.
func rounded(bytes int64) int64 {
	for unit := int64(1 << 20); ; unit <<= 10 {
		for _, n := range []int64{1, 2, 5, 10, 20, 50, 100, 200, 500} {
			if n*unit >= bytes || unit >= 1<<50 {
				return n * unit
			}
		}
	}
}
