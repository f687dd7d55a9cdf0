// Package lunmap holds what storage hosts and vCenters tell of the same LUNs against each other: which path of a host leads to
// which zvol, which VMFS volume and datastore lie on it, and whose files. It is pure: what was read comes as package live.
package lunmap

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"nightshift/internal/live"
)

// A Map is one row for each LUN, in the order of their names.
type Map struct {
	Rows []Row
	// Problems are what is wrong beside the rows: what could not be read, and remarks of targets.
	Problems []string
	// storageHosts, hosts and stores are how many were read.
	storageHosts, hosts, stores int
}

// A Row is a LUN.
type Row struct {
	Name   string // "naa.600144f0…", or the logical unit's where it shows no NAA
	Size   int64
	Shown  []Shown
	Seen   []Seen
	Stores []Store
	// Problems are what a person should look at.
	Problems []string
}

// A Shown is a logical unit on a storage host, behind the LUN.
type Shown struct {
	Host string // the storage host
	live.LUN
	// MadeBy is the name of the host that made the volume, where one of the vCenters has it.
	MadeBy string
}

// A Seen is the LUN as a host sees it.
type Seen struct {
	VCenter, Host string
	live.HostDisk
}

// A Store is a datastore that lies on the LUN, wholly or with an extent.
type Store struct {
	VCenter string
	live.VMFSStore
	MountedBy []string // names of hosts
}

const naaPrefix = "naa."

// New makes the map. LUNs that no storage host of the lab shows are on it where a datastore lies on them.
func New(targets []live.Target, fabrics []live.Fabric) Map {
	var m Map
	rows := map[string]*Row{}
	row := func(name string) *Row {
		if rows[name] == nil {
			rows[name] = &Row{Name: name}
		}
		return rows[name]
	}
	makers := macs(fabrics)
	for _, t := range targets {
		if t.Err != "" {
			m.Problems = append(m.Problems, fmt.Sprintf("storage host %s could not be read: %s", t.Host, t.Err))
			continue
		}
		m.storageHosts++
		if !t.Running {
			m.Problems = append(m.Problems, fmt.Sprintf("storage host %s: its iSCSI target does not run", t.Host))
		}
		for _, remark := range t.Remarks {
			m.Problems = append(m.Problems, fmt.Sprintf("storage host %s: %s", t.Host, remark))
		}
		for _, l := range t.LUNs {
			s := Shown{Host: t.Host, LUN: l}
			if l.VMFS != nil {
				s.MadeBy = makers[l.VMFS.MadeBy]
			}
			r := row(nameOf(t.Host, l))
			r.Shown, r.Size = append(r.Shown, s), max(r.Size, l.Size)
		}
	}
	for _, f := range fabrics {
		m.fabric(f, row)
	}
	for _, f := range fabrics { // disks without a datastore are of interest where a storage host of the lab shows them
		for _, h := range f.Hosts {
			for _, d := range h.Disks {
				if r := rows[d.Name]; r != nil {
					r.Seen = append(r.Seen, Seen{f.VCenter, h.Name, d})
				}
			}
		}
	}
	all := len(fabrics) > 0 && !slices.ContainsFunc(fabrics, func(f live.Fabric) bool { return f.Err != "" }) // else who sees a LUN is not known
	for _, r := range rows {
		r.judge(all)
		m.Rows = append(m.Rows, *r)
	}
	slices.SortFunc(m.Rows, func(a, b Row) int { return cmp.Compare(a.Name, b.Name) })
	slices.Sort(m.Problems)
	return m
}

// nameOf is how ESXi calls the LUN.
func nameOf(host string, l live.LUN) string {
	if l.NAA == "" {
		return fmt.Sprintf("logical unit %s of %s", l.Name, host)
	}
	return naaPrefix + l.NAA
}

func macs(fabrics []live.Fabric) map[string]string {
	out := map[string]string{}
	for _, f := range fabrics {
		for _, h := range f.Hosts {
			for _, mac := range h.MACs {
				out[mac] = h.Name
			}
		}
	}
	return out
}

func (m *Map) fabric(f live.Fabric, row func(string) *Row) {
	if f.Err != "" {
		m.Problems = append(m.Problems, fmt.Sprintf("vCenter %s could not be read: %s", f.VCenter, f.Err))
		return
	}
	names := map[string]string{}
	for _, h := range f.Hosts {
		names[h.Ref] = h.Name
	}
	m.hosts += len(f.Hosts)
	m.stores += len(f.Stores)
	for _, s := range f.Stores {
		one := Store{VCenter: f.VCenter, VMFSStore: s}
		for _, ref := range s.Hosts {
			one.MountedBy = append(one.MountedBy, cmp.Or(names[ref], ref))
		}
		slices.Sort(one.MountedBy)
		for _, disk := range s.Disks {
			name, _, _ := strings.Cut(disk, ":")
			r := row(name)
			r.Stores = append(r.Stores, one)
		}
	}
}

// judge finds what is wrong with a LUN. vcenters: what hosts see of it is known.
func (r *Row) judge(vcenters bool) {
	slices.SortFunc(r.Shown, func(a, b Shown) int { return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(a.Name, b.Name)) })
	slices.SortFunc(r.Seen, func(a, b Seen) int { return cmp.Or(cmp.Compare(a.VCenter, b.VCenter), cmp.Compare(a.Host, b.Host)) })
	slices.SortFunc(r.Stores, func(a, b Store) int { return cmp.Or(cmp.Compare(a.VCenter, b.VCenter), cmp.Compare(a.Name, b.Name)) })
	say := func(format string, args ...any) { r.Problems = append(r.Problems, fmt.Sprintf(format, args...)) }
	if len(r.Shown) > 1 {
		var where []string
		for _, s := range r.Shown {
			where = append(where, s.Host+" ("+s.Name+")")
		}
		say("it is shown more than once, by %s: whoever reaches both takes them for one, and mixes up what they hold", strings.Join(where, " and "))
	}
	for _, s := range r.Shown {
		r.judgeVMFS(s, say)
	}
	if vcenters && len(r.Seen) == 0 && slices.ContainsFunc(r.Shown, func(s Shown) bool { return s.NAA != "" }) {
		say("no host sees it")
	}
	for _, d := range r.Seen {
		for _, p := range d.Paths {
			if _, state, bad := strings.Cut(p, " "); bad {
				say("host %s: its path %s", d.Host, strings.Replace(p, " "+state, " is "+state, 1))
			}
		}
	}
}

func (r *Row) judgeVMFS(s Shown, say func(format string, args ...any)) {
	if s.VMFS == nil {
		return
	}
	for _, p := range s.VMFS.Problems {
		say("%s: partition table: %s", s.Host, p)
	}
	for _, d := range s.VMFS.Differs {
		say("%s: ESXi takes the volume for a snapshot: %s", s.Host, d)
	}
	for _, d := range r.Seen {
		if d.VML != "" && !strings.EqualFold(d.VML, s.VMFS.Expects) && len(s.VMFS.Differs) == 0 {
			say("host %s sees it as %s, the volume expects %s", d.Host, d.VML, s.VMFS.Expects)
		}
	}
	for _, st := range r.Stores {
		if s.VMFS.UUID != "" && st.UUID != "" && st.UUID != s.VMFS.UUID {
			say("vCenter %s has the datastore %s with the UUID %s on it, the volume on %s says %s", st.VCenter, st.Name, st.UUID, s.Host, s.VMFS.UUID)
		}
	}
	if s.VMFS.UUID != "" && len(r.Seen) > 0 && len(r.Stores) == 0 {
		say("hosts see it, and no vCenter has a datastore of it: it is not mounted")
	}
}
