package simlab

import (
	"fmt"
	"strings"
	"time"
)

// A StorageHostSpec is a machine with ZFS pools and an iSCSI target (LIO). Sizes are in GB of 2^30 bytes.
type StorageHostSpec struct {
	Name  string
	Pools []PoolSpec
	// Datasets are made in the order given; what is below another comes after it.
	Datasets []DatasetSpec
	// NoTarget: it has no iSCSI target. Portal is where initiators would reach it; default 10.99.0.1:3260, .2 and so on, in the order of
	// the spec's hosts. Nothing listens there: initiators are simulated, too.
	NoTarget bool
	Portal   string
	// CopiesTo is the storage host to which the backups of its VMFS volumes are copied; empty: to none.
	CopiesTo string
}

// A PoolSpec is a ZFS pool.
type PoolSpec struct {
	Name   string
	SizeGB int64 // default 4096
}

// A DatasetSpec is a volume, or a file system where it has no size.
type DatasetSpec struct {
	Name   string // tank/mail
	SizeGB int64
	UsedGB int64 // written at the start
	// VMFS: the target shows it to all hosts of the lab, as a LUN with a VMFS volume of this name; the hosts of the lab's datastore of that
	// name, where there is one, use it. (On Linux: the simulated target runs the scripts of a real one.)
	VMFS string
}

// A GroupSpec is a protection group. Its datasets are replicated to the same names in Under, without their pool.
type GroupSpec struct {
	Name, Source, Target string
	Datasets             []string
	Under                string
	Every                time.Duration // default 1 h
	// History is how many hours the group was replicated for, every hour, before the lab begins: both sides have these recovery points, but
	// for the newest two, which the target has not got yet. Of the source's, one is held by others and one is cloned, and there is a
	// snapshot that somebody made by hand.
	History int
	// Extra lines of the lab file, indented as the others of a group: send, hooks, keep.
	Extra string
}

// replica is where a dataset of the group is replicated to.
func (g GroupSpec) replica(dataset string) string {
	_, rest, _ := strings.Cut(dataset, "/")
	return g.Under + "/" + rest
}

// How much a large simulated pool is scaled down: one MiB is what is written at least, and it is one KiB in a stream.
const (
	storageUnit  = 1 << 20
	storageScale = 1 << 10
	storageRate  = 120 << 20 // bytes a second that a sender reads
	gigabyte     = 1 << 30
)

// completeStorage fills in defaults and refuses what cannot be.
func (s *Spec) completeStorage() error {
	hosts := map[string]map[string]bool{} // what there is, by host
	s.StorageHosts = append([]StorageHostSpec(nil), s.StorageHosts...)
	for i := range s.StorageHosts {
		h := &s.StorageHosts[i]
		h.Portal = orDefault(h.Portal, fmt.Sprintf("10.99.0.%d:3260", i+1))
		fail := func(format string, args ...any) error {
			return fmt.Errorf("simulated lab %s: storage host %q: %s", s.Name, h.Name, fmt.Sprintf(format, args...))
		}
		if h.Name == "" || hosts[h.Name] != nil || len(h.Pools) == 0 {
			return fail("it has no name or no pool, or is given twice")
		}
		there := map[string]bool{}
		for _, p := range h.Pools {
			if p.Name == "" || strings.Contains(p.Name, "/") || there[p.Name] {
				return fail("pool %q has no good name, or is given twice", p.Name)
			}
			there[p.Name] = true
		}
		for _, d := range h.Datasets {
			up := d.Name[:max(0, strings.LastIndexByte(d.Name, '/'))]
			if !there[up] || there[d.Name] || d.SizeGB > 0 && d.UsedGB > d.SizeGB || d.SizeGB == 0 && d.VMFS != "" {
				return fail("dataset %q: what it lies in is not there, it is given twice, or what it holds does not fit", d.Name)
			}
			there[d.Name] = true
		}
		hosts[h.Name] = there
	}
	for _, g := range s.Groups {
		if !hosts[g.Target][g.Under] || len(g.Datasets) == 0 {
			return fmt.Errorf("simulated lab %s: protection group %q: %s has no %q, or it has no datasets", s.Name, g.Name, g.Target, g.Under)
		}
		for _, d := range g.Datasets {
			if !hosts[g.Source][d] {
				return fmt.Errorf("simulated lab %s: protection group %q: %s has no %q", s.Name, g.Name, g.Source, d)
			}
		}
	}
	return nil
}
