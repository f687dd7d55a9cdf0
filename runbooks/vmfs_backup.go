package runbooks

import (
	"fmt"
	"slices"
	"strconv"

	"nightshift/internal/inventory"
	"nightshift/internal/live"
	"nightshift/internal/plan"
)

// VMFSBackup is the name of the runbook that saves partition tables, headers and metadata.
const VMFSBackup = "vmfs-backup"

const (
	paramKeep  = "keep"
	paramSite  = "site"
	keptSaves  = 30
	mostSaves  = 10_000
	savesLimit = "vmfs-backup" // of how many at a time in all: each is held in memory, some 25 MiB
)

func vmfsBackup() Runbook {
	return Runbook{
		Name:    VMFSBackup,
		Summary: "Save partition tables, LVM headers and metadata of all VMFS volumes",
		Description: "Reads of every VMFS volume on the LUNs of the storage hosts what it takes to get it back when its partition table or header is lost: the partition table (of a GPT both copies), the LVM header " +
			"and its metadata, and the first 8 MiB of the file system's metadata. Each goes into a file of its own in the state directory, vmfs/HOST/LUN/TIME.tar.gz, with a checksum for each piece and a README " +
			"that says how to use it without nightshift. Of a LUN the newest files stay, as many as keep says. Where the lab file says vmfsCopies, each file is copied to another storage host, too, " +
			"and read back there. No volume is changed.",
		Workflow: plan.VMFSBackupWorkflow, Actions: []plan.Action{plan.SaveVolume, plan.CopyBackup}, ReadOnly: true,
		Parameters: []Parameter{
			{Name: paramSite, Type: TypeString, Help: "only the storage hosts of this site"},
			{Name: paramOn, Type: TypeString, Help: "only this storage host"},
			{Name: paramLUN, Type: TypeString, Help: "only the LUN of this name, NAA or zvol"},
			{Name: paramKeep, Type: TypeInt, Help: "how many files of each LUN stay", Default: strconv.Itoa(keptSaves)},
		},
		Reads: Reads{OnlyStorage: true, LUNs: func(lab *inventory.Lab, given map[string]string) []string {
			return ofSite(lab, withTargets(lab, given[paramOn]), given[paramSite])
		}},
		Plan:  planVMFSBackup,
		names: map[string]knows{paramOn: knownStorageHost, paramSite: knownSite},
	}
}

// ofSite are those of the storage hosts that are at a site; all where it is empty.
func ofSite(lab *inventory.Lab, hosts []string, site string) []string {
	return slices.DeleteFunc(hosts, func(name string) bool {
		h, _ := lab.StorageHost(name)
		return site != "" && h.Site != site
	})
}

func knownSite(lab *inventory.Lab, runbook, site string) error {
	if site == "" || slices.ContainsFunc(lab.StorageHosts, func(h inventory.StorageHost) bool { return h.Site == site }) {
		return nil
	}
	return &ParameterError{runbook, paramSite, fmt.Sprintf("no storage host of the lab file is at a site %q", site)}
}

func planVMFSBackup(in Input) (plan.Plan, error) {
	b := newBuilder(in, VMFSBackup)
	b.plan.Limits["storage"], b.plan.Limits[savesLimit] = lunsAtOnce, lunsAtOnce
	given := in.Parameters
	if err := knownStorageHost(in.Lab, VMFSBackup, given[paramOn]); err != nil {
		return plan.Plan{}, err
	}
	if err := knownSite(in.Lab, VMFSBackup, given[paramSite]); err != nil {
		return plan.Plan{}, err
	}
	keep := keptSaves
	if word := given[paramKeep]; word != "" {
		keep, _ = strconv.Atoi(word) // it is one: TypeInt
	}
	if keep < 1 || keep > mostSaves {
		return plan.Plan{}, &ParameterError{VMFSBackup, paramKeep, fmt.Sprintf("%d is not allowed; 1 to %d files of each LUN stay", keep, mostSaves)}
	}
	n := 0
	for _, l := range b.luns(in, given[paramLUN]) {
		if l.VMFS == nil {
			b.notSaved(l)
			continue
		}
		s := l.step("save", "Save the header and metadata of", plan.SaveVolume, plan.Encode(plan.SaveVolumeParams{Host: l.host, Device: l.Device, Dataset: l.Dataset, LUN: l.Name, Keep: keep}))
		s.Holds = append(s.Holds, savesLimit)
		s.Estimate, s.Timeout = plan.Duration(takesSave), plan.Duration(2*marginHarder)
		b.add(s)
		b.copyBackup(in.Lab, l, s.ID)
		n++
	}
	b.lunTitle("Save the headers and metadata of the volumes on", n)
	if n == 0 && len(b.plan.Blockers) == 0 {
		b.plan.Title = "Nothing to do: no LUN of lab " + in.Lab.Lab + " has a VMFS volume"
	}
	return b.plan, nil
}

// copyBackup has the file that a step saves lie elsewhere, too, where the lab file says so. It comes also after a save that failed: the
// file before it may not be there yet.
func (b *builder) copyBackup(lab *inventory.Lab, l lun, saved string) {
	h, _ := lab.StorageHost(l.host)
	c := h.VMFSCopies
	if c == nil {
		return
	}
	s := l.step("copy", "Copy the newest backup of", plan.CopyBackup, plan.Encode(plan.CopyBackupParams{Host: l.host, LUN: l.Name, To: c.To, Keep: c.Keep}))
	s.Title += " to " + c.To
	s.Needs, s.Holds = []string{saved}, []string{"storage:" + c.To, savesLimit}
	s.Estimate, s.Timeout = plan.Duration(takesCopy), plan.Duration(marginHarder)
	b.add(s)
}

// notSaved says of a LUN without a volume that can be read what that means.
func (b *builder) notSaved(l lun) {
	subject := "LUN " + l.where()
	if len(l.Saved) > 0 {
		b.warn(subject, fmt.Sprintf("it had a VMFS volume, of which the newest backup is of %s, and now: %s", saidAt(l.Saved[0]), l.NoVMFS),
			"compare: nightshift run vmfs-inspect -p lun="+l.Name)
		return
	}
	b.leave(subject, l.NoVMFS)
}

func saidAt(s live.SavedVolume) string { return s.Taken.UTC().Format("2006-01-02 15:04:05 UTC") }
