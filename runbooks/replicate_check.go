package runbooks

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"nightshift/internal/inventory"
	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/internal/replica"
	"nightshift/internal/words"
)

// maxSnapshotName is ZFS_MAX_DATASET_NAME_LEN less its NUL; pointLength what the name of a point has behind that of the group.
const (
	maxSnapshotName = 255
	pointLength     = len("@nightshift__2006-01-02T15:04:05Z")
)

// check finds what stands in the way, and what a person should know.
func (r *replication) check() {
	g := r.group
	r.checkPool(r.source, g.Pool(), true)
	under := r.target.Dataset(g.Target.Under)
	pool, _, _ := strings.Cut(g.Target.Under, "/")
	r.checkPool(r.target, pool, false)
	r.checkMark(g, r.target)
	for _, h := range []*live.StorageHost{r.source, r.target} {
		if text := WrongClock(h); text != "" {
			r.warn("storage host "+h.Host, text+": recovery points have the time of nightshift's, by which `prune` tells how old they are", rightClock)
		}
	}
	if under == nil {
		r.block("dataset "+g.Target.Under, "is not there on "+g.Target.Host+", and the replicas are to lie below it", "run nightshift lab prepare-storage, which makes it, or correct target.under")
	}
	for _, v := range r.volumes {
		r.checkDataset(v)
	}
	var need int64
	for _, v := range r.volumes {
		need += v.bytes
	}
	if under != nil && need > under.Available {
		r.warn("dataset "+g.Target.Under, fmt.Sprintf("has %s left, and about %s are to come", words.Bytes(under.Available), words.Bytes(rounded(need))),
			"make room on "+g.Target.Host+": a stream that finds none breaks off, and goes on when there is some")
	}
	r.checkReserved()
}

func (r *replication) checkPool(h *live.StorageHost, name string, source bool) {
	blockers, warnings := PoolFindings(h, name, source)
	for _, f := range blockers {
		r.block(f.Subject, f.Text, f.Remedy)
	}
	for _, f := range warnings {
		r.warn(f.Subject, f.Text, f.Remedy)
	}
}

const rightClock = "have both clocks set by NTP"

// WrongClock says how a storage host's clock differs from nightshift's; empty: not by so much that one of them must be wrong.
func WrongClock(h *live.StorageHost) string {
	switch {
	case h.Ahead > replica.ClocksDiffer:
		return "its clock is " + words.Roughly(h.Ahead) + " ahead of nightshift's"
	case h.Ahead < -replica.ClocksDiffer:
		return "its clock is " + words.Roughly(-h.Ahead) + " behind nightshift's"
	}
	return ""
}

// PoolFindings are what stands in the way of a replication in a pool of its source or target, and what a person should know of it.
func PoolFindings(h *live.StorageHost, name string, source bool) (blockers, warnings []plan.Finding) {
	i := slices.IndexFunc(h.Pools, func(p live.ZPool) bool { return p.Name == name })
	subject := "pool " + name
	if i < 0 {
		return []plan.Finding{{Subject: subject, Text: "is not imported on " + h.Host, Remedy: "import it, or correct the lab file"}}, nil
	}
	switch p := h.Pools[i]; {
	case p.Health == "ONLINE":
	case p.Health == "DEGRADED":
		warnings = append(warnings, plan.Finding{Subject: subject, Text: "is DEGRADED on " + h.Host, Remedy: "see `zpool status` there"})
	default:
		blockers = append(blockers, plan.Finding{Subject: subject, Text: "is " + p.Health + " on " + h.Host, Remedy: "see `zpool status` there"})
	}
	if h.Pools[i].ReadOnly {
		what := "no replica can be received"
		if source {
			what = "no snapshot can be taken"
		}
		blockers = append(blockers, plan.Finding{Subject: subject, Text: "is imported read-only on " + h.Host + ": " + what, Remedy: "import it again, without readonly=on"})
	}
	return blockers, warnings
}

// checkDataset chooses what a dataset would be sent from now.
func (r *replication) checkDataset(v *protected) {
	g := r.group
	if v.live == nil {
		r.block("dataset "+v.name, "is not there on "+g.Source.Host, "correct source.datasets of the group")
		return
	}
	if n := max(len(v.name), len(v.replica)) + pointLength + len(g.Name); n > maxSnapshotName {
		r.block("dataset "+v.name, fmt.Sprintf("the names of its recovery points would have %d bytes, ZFS allows %d", n, maxSnapshotName), "take a shorter name for the group or the dataset")
		return
	}
	r.checkKeys(v)
	if up := parent(v.replica); v.there == nil && up != g.Target.Under && r.target.Dataset(up) == nil &&
		!slices.ContainsFunc(r.volumes, func(o *protected) bool { return o.replica == up }) {
		r.block("dataset "+v.replica, "cannot be received: "+up+" is not there on "+g.Target.Host, "make it: zfs create -p -o canmount=off "+up)
		return
	}
	next := hypothetical(v.live)
	there := v.there
	partial := there != nil && there.ResumeToken != ""
	if partial {
		if part := there.Part; part != (live.ZPart{}) && !replica.GoesOn(v.live, part) && !replica.MayGo(v.live, g.Name, part) {
			no := replica.NotOurs(v.live, there, g.Name, part)
			r.block("dataset "+v.name, no.Text, choices(no))
			return
		}
		whole := *there
		whole.ResumeToken = ""
		if there = &whole; len(there.Snapshots) == 0 { // the part of a first one
			there = nil
		}
	}
	base, err := replica.ChooseBase(next, nextPoint, there, replica.Stream{Raw: g.Send.Raw, LargeBlocks: largeBlocks(g)})
	if no := new(replica.NoBase); errors.As(err, &no) {
		r.block("dataset "+v.name, no.Text, choices(no))
		return
	}
	v.bytes = toSend(v.live, base)
	switch {
	case partial:
		v.base = "going on with what was broken off"
	case base.From == "":
		v.base = "in full"
	default:
		v.base = "from " + strings.TrimPrefix(base.From, v.name)
	}
}

func choices(no *replica.NoBase) string {
	if len(no.Choices) == 0 {
		return ""
	}
	return "the choices: " + strings.Join(no.Choices, "; or ")
}

// largeBlocks says whether blocks of more than 128 KiB are sent as they are: unless the group says otherwise.
func largeBlocks(g *inventory.ProtectionGroup) bool {
	return g.Send.LargeBlocks == nil || *g.Send.LargeBlocks
}

// nextPoint stands for the snapshot that is not there yet.
const nextPoint = "next"

// hypothetical is the dataset as it will be with its next snapshot.
func hypothetical(d *live.ZDataset) *live.ZDataset {
	next := *d
	next.Snapshots = append(slices.Clone(d.Snapshots), live.ZSnapshot{Name: nextPoint, GUID: math.MaxUint64, CreateTXG: math.MaxUint64})
	return &next
}

// toSend is about how much a stream from the base will be, in bytes.
func toSend(d *live.ZDataset, base replica.Base) int64 {
	if base.From == "" {
		return d.Referenced
	}
	var since uint64
	for _, s := range d.Snapshots {
		if s.GUID == base.GUID {
			since = s.CreateTXG
		}
	}
	for _, b := range d.Bookmarks {
		if b.GUID == base.GUID {
			since = b.CreateTXG
		}
	}
	n := d.Written
	for _, s := range d.Snapshots {
		if s.CreateTXG > since {
			n += s.Written
		}
	}
	return n
}

func (r *replication) checkKeys(v *protected) {
	under := r.group.Target.Under
	raw := r.group.Send.Raw && v.live.Encryption != ""
	if up := r.target.Dataset(under); !raw && v.there == nil && up != nil && up.KeyStatus == "unavailable" {
		r.block("dataset "+v.name, "cannot be received: the key of "+under+" is not loaded on "+r.group.Target.Host, "load it")
	}
	if v.live.Encryption == "" || raw {
		return
	}
	if v.live.KeyStatus == "unavailable" {
		r.block("dataset "+v.name, "is encrypted, and its key is not loaded on "+r.group.Source.Host, "load it, or send raw (send.raw: true), which needs no key")
		return
	}
	r.warn("dataset "+v.name, "is encrypted, and its replica will not be, unless "+under+" is", "send raw (send.raw: true), if the other side is not to read it")
}

// checkReserved warns of volumes whose reservation a snapshot does not fit beside. What the volume has for itself alone is reserved
// anew, up to the reservation; and its own available has in it what is reserved for it and not used yet, which a snapshot does not get.
func (r *replication) checkReserved() {
	for _, v := range r.volumes {
		if v.live == nil || v.live.RefReservation == 0 {
			continue
		}
		need, left := v.live.RefReservation-v.live.UsedByReservation, max(0, v.live.Available-v.live.UsedByReservation)
		if need > left {
			r.warn("dataset "+v.name, fmt.Sprintf("has a refreservation: its snapshot needs %s beside it, and %s are left", words.Bytes(need), words.Bytes(left)),
				"make room, or take the reservation away: zfs set refreservation=none "+v.name)
		}
	}
}
