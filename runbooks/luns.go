package runbooks

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"nightshift/internal/inventory"
	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/internal/words"
)

// Names of the runbooks about LUNs and the volumes on them.
const (
	LUNMap      = "lun-map"
	VMFSInspect = "vmfs-inspect"
)

const (
	paramLUN    = "lun"
	paramOn     = "on"
	paramDevice = "device"
	paramDump   = "dump"
	paramGuard  = "guard"
)

const groupLUNs = "LUNs"

// lunsAtOnce is how many LUNs of one storage host are worked on at a time.
const lunsAtOnce = 2

func lunMap() Runbook {
	return Runbook{
		Name:    LUNMap,
		Summary: "Map LUNs: paths of hosts, NAA, VMFS volume, datastore, zvol and VMs",
		Description: "Reads the iSCSI targets of all storage hosts, the headers of the volumes on their LUNs, and what the hosts of all vCenters see, and holds them against each other. " +
			"The map says of each LUN on which zvol it lies, which VMFS volume is on it and who made it, which datastore that is, by which paths hosts see it and whose files are there, " +
			"and what is wrong: an identity that ESXi would take for a snapshot's, one NAA that is shown twice, dead paths. What cannot be read is told; nothing is changed.",
		Workflow: plan.LUNMapWorkflow, Actions: []plan.Action{plan.MapLUNs}, ReadOnly: true,
		Reads: Reads{OnlyStorage: true},
		Plan:  planLUNMap,
	}
}

func planLUNMap(in Input) (plan.Plan, error) {
	b := newBuilder(in, LUNMap)
	hosts := withTargets(in.Lab, "")
	switch {
	case len(hosts)+len(in.Lab.VCenters) == 0:
		b.block("lab "+in.Lab.Lab, "has no vCenter, and no storage host of the lab file has a target: nobody tells of LUNs", "add storageHosts with target: {kind: lio}, or vcenters")
		b.lunTitle("Map the", 0)
		return b.plan, nil
	case len(hosts) == 0:
		b.warn("lab "+in.Lab.Lab, "no storage host of the lab file has a target: the map shows only what vCenters tell", "add storageHosts with target: {kind: lio}")
	}
	asked := words.Count(len(hosts), "storage host")
	if n := len(in.Lab.VCenters); n > 0 {
		asked += ", " + words.Count(n, "vCenter")
	}
	b.plan.Title = fmt.Sprintf("Map the LUNs of lab %s: %s", in.Lab.Lab, asked)
	b.add(plan.Step{ID: "map-luns", Title: "Map the LUNs of lab " + in.Lab.Lab, Group: groupLUNs, Action: plan.MapLUNs, Target: b.labTarget(nil), OnFailure: plan.Skip,
		Estimate: plan.Duration(takesLUNMap), Timeout: plan.Duration(marginTask)})
	return b.plan, nil
}

func vmfsInspect() Runbook {
	return Runbook{
		Name:    VMFSInspect,
		Summary: "Show what VMFS volumes say of themselves: partition, LVM header, file system",
		Description: "Reads the partition table, the LVM header and the descriptor of the file system of the volume on a LUN, or on all LUNs of the storage hosts, and shows them as a table, with what ESXi compares " +
			"before it mounts the volume. With dump=true every structure is shown byte by byte, with the names of its fields. device=PATH reads any block device or file of a storage host. " +
			"With guard=true the run fails where ESXi would not mount a volume. It reads a few hundred KiB of a device and changes nothing.",
		Workflow: plan.VMFSInspectWorkflow, Actions: []plan.Action{plan.InspectVolume}, ReadOnly: true,
		Parameters: []Parameter{
			{Name: paramLUN, Type: TypeString, Help: "the name, NAA or zvol of a LUN (tank/mail); default: all of them"},
			{Name: paramOn, Type: TypeString, Help: "only LUNs of this storage host; with device, the storage host that has it"},
			{Name: paramDevice, Type: TypeString, Help: "the path of a block device or file to read, whether it is a LUN or not"},
			{Name: paramDump, Type: TypeBool, Help: "show every structure byte by byte, too", Default: "false"},
			{Name: paramGuard, Type: TypeBool, Help: "fail where ESXi would take the volume for a snapshot's under the identity that the LUN shows", Default: "false"},
		},
		Reads: Reads{OnlyStorage: true, LUNs: func(lab *inventory.Lab, given map[string]string) []string {
			if given[paramDevice] != "" {
				return nil
			}
			return withTargets(lab, given[paramOn])
		}},
		Plan:  planVMFSInspect,
		names: map[string]knows{paramOn: knownStorageHost},
	}
}

func planVMFSInspect(in Input) (plan.Plan, error) {
	b := newBuilder(in, VMFSInspect)
	b.plan.Limits["storage"] = lunsAtOnce
	given := in.Parameters
	if err := knownStorageHost(in.Lab, VMFSInspect, given[paramOn]); err != nil {
		return plan.Plan{}, err
	}
	if path := given[paramDevice]; path != "" {
		if err := b.inspectDevice(in.Lab, path, given); err != nil {
			return plan.Plan{}, err
		}
		return b.plan, nil
	}
	found := b.luns(in, given[paramLUN])
	for _, l := range found {
		b.add(l.step("inspect", "Inspect", plan.InspectVolume, plan.Encode(plan.VolumeParams{Host: l.host, Device: l.Device, Dataset: l.Dataset, LUN: l.Name, Dump: given[paramDump] == "true",
			Guard: given[paramGuard] == "true"})))
	}
	b.lunTitle("Inspect the volumes on", len(found))
	return b.plan, nil
}

func (b *builder) inspectDevice(lab *inventory.Lab, path string, given map[string]string) error {
	wrong := func(name, text string) error { return &ParameterError{VMFSInspect, name, text} }
	host := given[paramOn]
	if host == "" && len(lab.StorageHosts) == 1 {
		host = lab.StorageHosts[0].Name
	}
	switch {
	case host == "":
		return wrong(paramOn, "say on which storage host the device is: "+strings.Join(storageHosts(lab), ", "))
	case given[paramLUN] != "":
		return wrong(paramLUN, "it is either lun or device")
	case given[paramGuard] == "true":
		return wrong(paramGuard, "a device by its path has no identity that its volume could be held against: name a LUN")
	case !strings.HasPrefix(path, "/") || strings.Contains(path, "/../"):
		return wrong(paramDevice, fmt.Sprintf("%q is not the whole path of a device or file, such as /dev/zvol/tank/mail", path))
	}
	p := plan.VolumeParams{Host: host, Device: path, Dump: given[paramDump] == "true"}
	if name, found := strings.CutPrefix(path, "/dev/zvol/"); found {
		p.Dataset = name
	}
	l := lun{host: host, LUN: live.LUN{Name: path, Device: path, Dataset: p.Dataset}}
	b.add(l.step("inspect", "Inspect", plan.InspectVolume, plan.Encode(p)))
	b.plan.Title = fmt.Sprintf("Inspect %s on storage host %s", path, host)
	return nil
}

// A lun is a logical unit of a storage host.
type lun struct {
	host string
	live.LUN
}

// where names it for people: its zvol, where it has one.
func (l lun) where() string { return cmp.Or(l.Dataset, l.Device, l.Name) + " on " + l.host }

// step is one about the LUN. One that only looks holds nothing up when it fails: who asked reads why, and the lab is free again.
func (l lun) step(id, verb string, action plan.Action, params []byte) plan.Step {
	s := plan.Step{ID: fmt.Sprintf("%s:%s/%s", id, l.host, l.Name), Title: verb + " " + l.where(), Group: groupLUNs, Action: action,
		Target: plan.Target{Kind: plan.LUN, Name: l.Name, Endpoint: l.host, UUID: l.NAA}, Params: params, Holds: []string{"storage:" + l.host},
		Estimate: plan.Duration(takesHeader), Timeout: plan.Duration(marginTask)}
	if !s.Changes() {
		s.OnFailure = plan.Skip
	}
	return s
}

// luns are the LUNs that a word means: a name, an NAA or a zvol; all, where it is empty. What cannot be read, or is not there, is
// said in the plan.
func (b *builder) luns(in Input, word string) (list []lun) {
	targets := slices.SortedFunc(slices.Values(in.State.Targets), func(a, c live.Target) int { return cmp.Compare(a.Host, c.Host) })
	naa := strings.TrimPrefix(strings.ToLower(word), "naa.")
	unread := false
	for _, t := range targets {
		if t.Err != "" {
			unread = true
			b.warn("storage host "+t.Host, "its target cannot be read: "+t.Err, "")
		}
		for _, l := range t.LUNs {
			if word == "" || word == l.Name || word == l.Dataset || word == l.Device || naa == l.NAA {
				list = append(list, lun{t.Host, l})
			}
		}
	}
	slices.SortStableFunc(list, func(a, c lun) int { return cmp.Or(cmp.Compare(a.host, c.host), cmp.Compare(a.Name, c.Name)) })
	switch {
	case len(list) > 0:
	case len(targets) == 0:
		b.block("lab "+b.lab.Lab, "no storage host of the lab file has a target, so nothing is known of LUNs", "add storageHosts with target: {kind: lio}")
	case word != "" && !unread:
		b.block("LUN "+word, "no storage host shows it", "`nightshift run lun-map` lists those that there are; a device that is none is read by -p device=PATH")
	case unread:
		b.block("LUNs", "none is known, as not every storage host could be read", "look at the warnings")
	}
	return list
}

func (b *builder) lunTitle(verb string, n int) {
	switch {
	case n > 0:
		b.plan.Title = fmt.Sprintf("%s %s of lab %s", verb, words.Count(n, "LUN"), b.lab.Lab)
	case len(b.plan.Blockers) > 0:
		b.plan.Title = fmt.Sprintf("%s LUNs of lab %s: blocked", verb, b.lab.Lab)
	default:
		b.plan.Title = "Nothing to do: the storage hosts of lab " + b.lab.Lab + " show no LUN"
	}
}

// withTargets are the storage hosts whose target is known to the lab file; only, where it is not empty, is the one that is meant.
func withTargets(lab *inventory.Lab, only string) (list []string) {
	for _, h := range lab.StorageHosts {
		if h.Target != nil && (only == "" || only == h.Name) {
			list = append(list, h.Name)
		}
	}
	slices.Sort(list)
	return list
}

func storageHosts(lab *inventory.Lab) (list []string) {
	for _, h := range lab.StorageHosts {
		list = append(list, h.Name)
	}
	return list
}

func knownStorageHost(lab *inventory.Lab, runbook, name string) error {
	if _, ok := lab.StorageHost(name); ok || name == "" {
		return nil
	}
	return &ParameterError{runbook, paramOn, fmt.Sprintf("the lab file has no storage host %q; it has: %s", name, cmp.Or(strings.Join(storageHosts(lab), ", "), "none"))}
}
