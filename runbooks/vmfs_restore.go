package runbooks

import (
	"fmt"
	"strings"

	"nightshift/internal/inventory"
	"nightshift/internal/plan"
	"nightshift/internal/words"
)

// VMFSRestorePartition is the name of the runbook that puts the partition table of a LUN back.
const VMFSRestorePartition = "vmfs-restore-partition"

const (
	paramFrom   = "from"
	paramSerial = "serial"
)

func vmfsRestorePartition() Runbook {
	return Runbook{
		Name:    VMFSRestorePartition,
		Summary: "Put the partition table of a LUN back, from a backup",
		Description: "Writes the partition table of a LUN as vmfs-backup has saved it: the master boot record, or both copies of a GPT. The plan shows the table of now and that of the backup, and which volume is found with it. " +
			"Nothing is written while an initiator is logged in that may use the LUN, where something else lies there than when the plan was made, or without the serial number of the LUN, typed to confirm it. " +
			"What lies there before is saved first. The storage host needs restorePartitions: true in the lab file, and `nightshift lab prepare-storage` after that.",
		Workflow: plan.VMFSRestorePartitionWorkflow, Actions: []plan.Action{plan.RestoreTable},
		Parameters: []Parameter{
			{Name: paramLUN, Type: TypeString, Help: "the name, NAA or zvol of the LUN (tank/mail), as `nightshift run lun-map` lists it", Required: true},
			{Name: paramOn, Type: TypeString, Help: "the storage host, where several show such a LUN"},
			{Name: paramFrom, Type: TypeString, Help: "the file of the backup, such as 2026-11-21T130000Z.tar.gz; default: the newest"},
			{Name: paramSerial, Type: TypeString, Help: "the serial number of the LUN, to confirm that it is the one that is meant"},
		},
		Reads: Reads{OnlyStorage: true, Tables: true, LUNs: func(lab *inventory.Lab, given map[string]string) []string { return withTargets(lab, given[paramOn]) }},
		Plan:  planVMFSRestorePartition,
		names: map[string]knows{paramOn: knownStorageHost},
	}
}

func planVMFSRestorePartition(in Input) (plan.Plan, error) {
	b := newBuilder(in, VMFSRestorePartition)
	given := in.Parameters
	if err := knownStorageHost(in.Lab, VMFSRestorePartition, given[paramOn]); err != nil {
		return plan.Plan{}, err
	}
	found := b.luns(in, given[paramLUN])
	if len(found) > 1 {
		var names []string
		for _, l := range found {
			names = append(names, l.Name+" on "+l.host)
		}
		b.block("LUN "+given[paramLUN], "several are meant: "+strings.Join(names, ", "), "name one of them, with -p on=HOST where it takes that")
	}
	if len(found) != 1 {
		b.plan.Title = "Put the partition table of LUN " + given[paramLUN] + " back: blocked"
		return b.plan, nil
	}
	b.restoreTable(in.Lab, found[0], given[paramSerial])
	return b.plan, nil
}

func (b *builder) restoreTable(lab *inventory.Lab, l lun, serial string) {
	subject, t := "LUN "+l.where(), l.Table
	b.plan.Title = "Put the partition table of " + l.where() + " back"
	switch {
	case t == nil:
		b.block(subject, "there is no backup of it", "backups are made by `nightshift run vmfs-backup`; without one, `nightshift run vmfs-inspect -p dump=true` shows what is there")
		return
	case t.Err != "":
		b.block(subject, t.Err, "choose another backup: -p from=FILE")
		return
	case t.Is == t.Was:
		b.plan.Title = fmt.Sprintf("Nothing to do: the partition table of %s is that of the backup %s", l.where(), t.File)
		return
	}
	b.checkRestore(lab, l, serial)
	s := l.step("restore-table", "Put back the partition table of", plan.RestoreTable, plan.Encode(plan.RestoreTableParams{Host: l.host, Device: l.Device, Dataset: l.Dataset, LUN: l.Name,
		Serial: serial, File: t.File, Ranges: t.Ranges, Was: t.Was, Is: t.Is}))
	s.Title += fmt.Sprintf(", from the backup of %s. Now: %s. Then: %s", t.Taken.UTC().Format("2006-01-02 15:04:05 UTC"), t.Before, t.After)
	b.add(s)
	if t.NoVolume != "" {
		b.warn(subject, "with this partition table, no volume is found: "+t.NoVolume, "look at it first: nightshift run vmfs-inspect -p dump=true -p lun="+l.Name)
	}
}

// checkRestore blocks what must not be written.
func (b *builder) checkRestore(lab *inventory.Lab, l lun, serial string) {
	subject := "LUN " + l.where()
	h, ok := lab.StorageHost(l.host)
	switch {
	case !ok || !h.RestorePartitions:
		b.block("storage host "+l.host, "the lab file does not let nightshift put partition tables back there", "set restorePartitions: true, then `nightshift lab prepare-storage`; or do it by hand, as the README in the backup says")
	case l.Dataset == "":
		b.block(subject, "it is no zvol: nightshift writes no other device", "do it by hand, as the README in the backup says")
	}
	switch {
	case len(l.Sessions) > 0:
		b.block(subject, "initiators are logged in that may use it: "+words.Some(l.Sessions, fewNames), "unmount the datastore and detach the device on every host, then take the LUN from them")
	case l.Unknown > 0:
		b.block(subject, "it is not known whether initiators use it", "take the LUN from them")
	}
	switch {
	case l.Serial == "":
		b.block(subject, "it tells no serial number by which it could be confirmed", "")
	case serial == "":
		b.block(subject, "its serial number has to be typed, to confirm that it is the one that is meant", "compare "+l.Serial+" with what the storage host says, then add -p serial=…")
	case serial != l.Serial:
		b.block(subject, fmt.Sprintf("its serial number is not %q", serial), "it is "+l.Serial)
	}
}
