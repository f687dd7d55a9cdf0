package runbooks

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"nightshift/internal/inventory"
	"nightshift/internal/plan"
	"nightshift/internal/words"
)

// Groups of the steps of a replication.
const (
	groupSnapshot = "Snapshot"
	groupTransfer = "Transfer"
)

const (
	takesPoint   = 2 * time.Second
	takesCompare = 2 * time.Second
	// streamRate is what a stream usually makes in a second over a gigabit line with SSH, in bytes.
	streamRate = 50 << 20
	// streamTimeout is of one attempt: the next goes on where it was.
	streamTimeout = 24 * time.Hour
)

func (r *replication) steps() {
	mark := r.markGroup(r.params())
	before := r.hook("before", "Before the snapshot", r.group.Hooks.Before, "", mark)
	snapshot := r.onGroup("snapshot", "Take one atomic snapshot of "+r.names()+", and hold it", groupSnapshot, plan.SnapshotGroup, r.params(), cmp.Or(before, mark))
	r.own(plan.Abort) // nothing is done that could be gone on with: the next run begins anew
	r.hook("after", "After the snapshot", r.group.Hooks.After, before, snapshot)
	var sends []string
	ids := map[string]string{} // by replica
	for _, v := range r.volumes {
		ids[v.replica] = "send:" + v.name
	}
	for _, v := range r.volumes {
		needs := []string{snapshot}
		if v.there == nil { // what lies in a replica is received after it
			needs = append(needs, ids[parent(v.replica)])
		}
		sends = append(sends, r.send(v, needs))
	}
	verify := r.onGroup("verify", "Compare both sides: "+words.Count(len(r.volumes), "dataset"), groupTransfer, plan.VerifyReplicas, r.params(), sends...)
	keep := r.onGroup("keep", "Hold the new recovery point on both sides, and let go of the one before", groupEnd, plan.KeepPoint, r.params(), verify)
	r.onGroup("record", "Write down how its LUNs are shown and which VMs lie on them", groupEnd, plan.SaveRecord, r.params(), verify)
	r.own(plan.Skip)
	r.plan.Steps[len(r.plan.Steps)-1].Timeout = r.settled(marginTask + marginRead) // it reads a target, the headers on it, and vCenters
	p := r.params()
	p.Every, p.Noise = r.group.Every, r.group.Noise.Bytes()
	r.onGroup("measure", "Measure change rate, lag and space", groupEnd, plan.MeasureGroup, p, keep)
	r.own(plan.Skip)
	r.unmarkGroup(r.params())
}

func (r *replication) names() string {
	var names []string
	for _, v := range r.volumes {
		names = append(names, v.name)
	}
	return words.Some(names, fewNames)
}

func (r *replication) params() plan.GroupParams {
	p := plan.GroupParams{Group: r.group.Name, From: r.group.Source.Host, To: r.group.Target.Host, Under: r.group.Target.Under}
	for _, v := range r.volumes {
		p.Datasets = append(p.Datasets, plan.GroupDataset{Dataset: v.name, GUID: v.live.GUID, Replica: v.replica})
	}
	return p
}

func (b *builder) onGroup(verb, title, group string, a plan.Action, p plan.GroupParams, needs ...string) string {
	return b.add(plan.Step{ID: verb + ":" + p.Group, Title: title, Group: group, Action: a, Params: plan.Encode(p), Needs: needs,
		Target: plan.Target{Kind: plan.ProtectionGroup, Name: p.Group}, Estimate: plan.Duration(takesPoint), Timeout: b.settled(marginTask)})
}

// hook is a command around the snapshot. What comes after it runs wherever that before was sent, whatever became of the run.
func (r *replication) hook(which, title string, h *inventory.SnapshotHook, undoes string, needs ...string) string {
	if h == nil {
		return ""
	}
	s := plan.Step{ID: "hook-" + which + ":" + r.group.Name, Title: fmt.Sprintf("%s: `%s` on %s", title, strings.Join(h.Command, " "), h.At), Group: groupSnapshot,
		Action: plan.RunCommand, Target: plan.Target{Kind: plan.Machine, Name: h.At}, Needs: needs,
		Params:   plan.Encode(plan.CommandParams{Machine: h.At, Run: h.Command, Timeout: h.Timeout}),
		Estimate: plan.Duration(takesCompare), Timeout: r.settled(time.Duration(h.Timeout) + marginRead)}
	if which == "before" {
		s.OnFailure = plan.Abort
	} else {
		s.Always, s.OnlyAfter = true, undoes
	}
	return r.add(s)
}

func (r *replication) send(v *protected, needs []string) string {
	g := r.group
	p := plan.SendParams{Group: g.Name, From: g.Source.Host, To: g.Target.Host, Dataset: v.name, GUID: v.live.GUID, Replica: v.replica, Under: g.Target.Under,
		Raw: g.Send.Raw, Compressed: g.Send.Compressed == nil || *g.Send.Compressed, LargeBlocks: largeBlocks(g),
		Limit: g.Send.Limit.Bytes(), Via: g.Send.Via}
	holds := []string{"storage:" + g.Source.Host}
	if g.Target.Host == g.Source.Host {
		p.Via = plan.ViaWorker // no host has a login to itself
	} else {
		holds = append(holds, "storage:"+g.Target.Host)
	}
	bytes := rounded(v.bytes)
	rate := int64(streamRate)
	if p.Limit > 0 {
		rate = min(rate, p.Limit)
	}
	return r.add(plan.Step{ID: "send:" + v.name, Title: fmt.Sprintf("Send %s to %s on %s, %s (about %s)", v.name, v.replica, g.Target.Host, v.base, words.Bytes(bytes)),
		Group: groupTransfer, Action: plan.SendDataset, Target: plan.Target{Kind: plan.Dataset, Name: v.name, Endpoint: g.Source.Host}, Params: plan.Encode(p), Needs: needs, Holds: holds,
		Estimate: plan.Duration(time.Duration(bytes/rate)*time.Second + takesCompare), Timeout: plan.Duration(streamTimeout)})
}
