package runbooks

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"nightshift/internal/ledger"
	"nightshift/internal/live"
	"nightshift/internal/words"
)

// lint warns of what makes a replica of the group worth less than it looks: parts of datastores and VMs that are not in it, and what
// would be better elsewhere. Nothing of it blocks.
func (r *replication) lint(p *live.Protected, book ledger.State) {
	r.lintSpace()
	if p == nil {
		return
	}
	subject := "protection group " + r.group.Name
	if p.Target != nil && p.Target.Err != "" {
		r.warn(subject, "what lies on its volumes is not known, as the target of "+p.Target.Host+" cannot be read: "+p.Target.Err, "")
		return
	}
	var naas []string
	if p.Target != nil {
		for _, l := range p.Target.LUNs {
			naas = append(naas, l.NAA)
		}
	}
	for _, o := range p.VCenters {
		if o.Err != "" {
			r.warn(subject, "whether all of its VMs is in it is not known, as vCenter "+o.VCenter+" cannot be read: "+o.Err, "")
			continue
		}
		for _, f := range outside(o, naas) {
			r.warn(f.subject, f.text, f.remedy)
		}
		r.lintNoise(o, naas, book)
	}
}

// A flaw is something that is not as it should be.
type flaw struct{ subject, text, remedy string }

// outside finds what of the datastores and VMs on LUNs is not on them.
func outside(o live.Occupants, naas []string) (list []flaw) {
	inside := map[string]bool{}
	for _, s := range o.Stores {
		inside[s.Name] = true
		var missing []string
		for _, disk := range s.Disks {
			if !onOneOf(disk, naas) {
				missing = append(missing, disk)
			}
		}
		if len(missing) > 0 {
			list = append(list, flaw{"datastore " + s.Name, fmt.Sprintf("spans %s, of which %s not in the group: its replica cannot be mounted whole", words.Count(len(s.Disks), "extent"), isAre(missing)),
				"put the volumes of all its extents into source.datasets"})
		}
	}
	for _, g := range o.Guests {
		if parts := strays(g, inside, naas); len(parts) > 0 {
			list = append(list, flaw{"guest " + g.Name, "has parts that are not in the group: " + words.Some(parts, fewParts), "move them onto a datastore of the group, or add what they lie on to source.datasets"})
		}
	}
	return list
}

// fewParts is how many parts of a VM are named.
const fewParts = 6

func isAre(names []string) string {
	if len(names) == 1 {
		return names[0] + " is"
	}
	return words.Some(names, fewNames) + " are"
}

// onOneOf tells whether a disk, by its canonical name and with or without a partition, is one of the LUNs.
func onOneOf(disk string, naas []string) bool {
	name, _, _ := strings.Cut(strings.ToLower(disk), ":")
	return slices.Contains(naas, strings.TrimPrefix(name, "naa."))
}

// strays are the files and raw devices of a VM that lie elsewhere.
func strays(g live.Occupant, inside map[string]bool, naas []string) (parts []string) {
	seen := map[string]bool{}
	add := func(kind, path string) {
		if path == "" || inside[live.StoreOf(path)] || seen[path] {
			return
		}
		seen[path] = true
		parts = append(parts, kind+" "+path)
	}
	add("configuration", g.Path)
	for _, d := range g.Disks {
		if d.LUN == "" {
			add("disk", d.Path)
			continue
		}
		add("mapping file", d.Path)
		if !slices.ContainsFunc(naas, func(naa string) bool { return naa != "" && strings.Contains(d.LUN, naa) }) {
			parts = append(parts, "raw device vml."+d.LUN)
		}
	}
	for _, f := range g.Files {
		if f.Kind == live.FileDisk && isExtent(f.Path) { // its descriptor is named
			continue
		}
		add(f.Kind, f.Path)
	}
	return parts
}

func isExtent(path string) bool {
	return strings.HasSuffix(path, "-flat.vmdk") || strings.HasSuffix(path, "-delta.vmdk") || strings.HasSuffix(path, "-sesparse.vmdk")
}

// noisyName is what disks for swap and temporary files are called.
var noisyName = regexp.MustCompile(`(?i)(^|[^a-z])(swap|pagefile|temp|tmp|tempdb|scratch)([^a-z]|$)`)

// lintNoise names what is sent with every change and is of no use on the other side. Swap files that lie beside every VM are told
// only where the datasets change more than they should: they do no harm as long as no host swaps.
func (r *replication) lintNoise(o live.Occupants, naas []string, book ledger.State) {
	inside := map[string]bool{}
	for _, s := range o.Stores {
		inside[s.Name] = true
	}
	noisy := false
	if g, ok := book.Group(r.group.Name); ok {
		noisy = slices.ContainsFunc(g.Volumes, func(v ledger.Volume) bool { return v.Noisy })
	}
	var swaps []string
	var size int64
	for _, g := range o.Guests {
		for _, d := range g.Disks {
			_, file, _ := strings.Cut(d.Path, "/")
			if (inside[live.StoreOf(d.Path)] || d.LUN != "" && onRaw(d, naas)) && noisyName.MatchString(cmp.Or(file, d.Path)+" "+d.Label) {
				r.warn("guest "+g.Name, "its disk "+cmp.Or(d.Path, d.Label)+" looks like one for swap or temporary files: all that is written to it is sent, and kept", "a volume outside of the group is better for it")
			}
		}
		for _, f := range g.Files {
			if noisy && f.Kind == live.FileSwap && inside[live.StoreOf(f.Path)] {
				swaps, size = append(swaps, g.Name), size+f.Size
			}
		}
	}
	if len(swaps) > 0 {
		slices.Sort(swaps)
		r.warn("protection group "+r.group.Name, fmt.Sprintf("changes more than it should, and has the swap files of %s in it (%s)", words.Some(slices.Compact(swaps), fewNames), words.Bytes(size)),
			"have hosts keep swap files on a datastore outside of the group, or give the guests more memory")
	}
}

func onRaw(d live.OccupantDisk, naas []string) bool {
	return slices.ContainsFunc(naas, func(naa string) bool { return naa != "" && strings.Contains(d.LUN, naa) })
}

// cloneShare is which part of the volumes' size should be left for what is written to clones of the replicas: one in so many.
const cloneShare = 10

// lintSpace warns of replicas that reserve their whole size, and of a target on which clones of them would have no room.
func (r *replication) lintSpace() {
	var size, need int64
	for _, v := range r.volumes {
		need += v.bytes
		if v.live != nil && v.live.Volume {
			size += v.live.VolSize
		}
		if v.there != nil && v.there.RefReservation > 0 {
			r.warn("dataset "+v.replica, "has a refreservation: it takes "+words.Bytes(v.there.RefReservation)+" on "+r.group.Target.Host+" whatever is in it",
				"take it away: zfs set refreservation=none "+v.replica)
		}
	}
	under := r.target.Dataset(r.group.Target.Under)
	if under == nil || size == 0 || need > under.Available {
		return // said elsewhere, or nothing to say
	}
	if left := under.Available - need; left < size/cloneShare {
		r.warn("dataset "+r.group.Target.Under, fmt.Sprintf("will have about %s left: little room for what is written to clones of the replicas, in a test or a failover", words.Bytes(rounded(left))),
			"make room on "+r.group.Target.Host)
	}
}
