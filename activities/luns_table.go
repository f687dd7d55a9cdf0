package activities

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"nightshift/internal/fault"
	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/internal/sshexec"
	"nightshift/internal/storagesetup"
	"nightshift/internal/vmfs"
)

// beforeRestore is the end of the names of the files with what lay there before. They are not among those that are let go.
const beforeRestore = "-before-restore" + savedSuffix

// table holds the partition table of a backup of the LUN against what lies there now. file is the backup's name; "": the newest. nil:
// there is none.
func (a *Activities) table(h lunHost, l live.LUN, device *vmfs.Remote, file string) *live.SavedTable {
	if file == "" {
		if len(l.Saved) == 0 {
			return nil
		}
		file = l.Saved[0].File
	}
	t := &live.SavedTable{File: file}
	b, places, err := a.savedPlaces(h.Name, l, file)
	if err == nil {
		t.Taken, t.After = b.Taken, vmfs.Words(b.Scheme, b.Parts)
		t.Ranges, t.Is = vmfs.Ranges(places), vmfs.Sum(places)
		var now []vmfs.Extent
		if now, err = vmfs.ReadPlaces(device, places); err == nil {
			t.Was = vmfs.Sum(now)
		}
	}
	if err != nil {
		t.Err = hint(err).Error()
		return t
	}
	if table, err := vmfs.ReadTable(device, l.Size); err != nil {
		t.Before = "not readable: " + err.Error()
	} else {
		t.Before = vmfs.Words(table.Scheme, table.Partitions)
		if len(table.Problems) > 0 {
			t.Before += " (" + strings.Join(table.Problems, "; ") + ")"
		}
	}
	v, err := vmfs.Inspect(vmfs.With(device, places), l.Size)
	switch {
	case err != nil:
		t.NoVolume = hint(err).Error()
	case b.Volume != "" && v.LVM.Volume.String() != b.Volume:
		t.NoVolume = fmt.Sprintf("it is another volume (%s) than that of the backup (%s)", v.LVM.Volume, b.Volume)
	default:
		t.Volume = verdict(v, nil)
	}
	return t
}

// savedPlaces reads a backup of the LUN, and answers the places of its partition table with what was in them.
func (a *Activities) savedPlaces(host string, l live.LUN, file string) (vmfs.Backup, []vmfs.Extent, error) {
	if a.papers == "" || file != filepath.Base(file) || !strings.HasSuffix(file, savedSuffix) {
		return vmfs.Backup{}, nil, refuse(fault.Invalid, "%q is no name of a backup, such as 2026-11-21T130000Z%s", file, savedSuffix)
	}
	path := filepath.Join(a.savedDir(host, l.Name), file)
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return vmfs.Backup{}, nil, refuse(fault.NotFound, "there is no backup %s", path)
	}
	if err != nil {
		return vmfs.Backup{}, nil, err
	}
	defer f.Close()
	b, table, err := vmfs.ReadBackup(f)
	switch {
	case err != nil:
		return b, nil, refuse(fault.State, "%s: %w", path, err)
	case b.NAA != l.NAA || b.Host != host:
		return b, nil, refuse(fault.Identity, "%s is of naa.%s on %s, the LUN is naa.%s", path, b.NAA, b.Host, l.NAA)
	case b.Size != l.Size:
		return b, nil, refuse(fault.Identity, "the device had %d bytes when %s was made, now it has %d", b.Size, path, l.Size)
	}
	places, err := vmfs.Places(table, l.Size)
	if err != nil {
		return b, nil, refuse(fault.Unsupported, "%s: %w", path, err)
	}
	return b, places, nil
}

// A tableStep puts the partition table of a LUN back.
type tableStep struct {
	a      *Activities
	call   plan.Call
	p      plan.RestoreTableParams
	host   lunHost
	lun    live.LUN
	backup vmfs.Backup
	places []vmfs.Extent
	before string // the file with what lay there
}

// RestoreTable writes the partition table of a backup back.
func (a *Activities) RestoreTable(ctx context.Context, c plan.Call) (plan.Outcome, error) {
	return a.act(ctx, verb{op: plan.RestoreTable, call: c, prepare: from(c, func(ctx context.Context, p plan.RestoreTableParams) (verb, error) {
		t := &tableStep{a: a, call: c, p: p}
		if err := t.prepare(ctx); err != nil {
			return verb{}, err
		}
		const write = "write"
		return verb{read: t.read, owe: t.keepBefore, remark: t.remark,
			first: func(_ context.Context, s *seen) (string, error) { return write, t.first(s) },
			calls: map[string]call{write: {words: "the partition table of " + t.p.Dataset, limit: time.Minute, send: t.write, harmless: true}},
		}, nil
	})})
}

// prepare looks whether all is as it was planned: the LUN, its serial number, the backup.
func (t *tableStep) prepare(ctx context.Context) (err error) {
	if t.host, err = t.a.lunHost(t.p.Host); err != nil {
		return err
	}
	if !t.host.RestorePartitions {
		return refuse(errUnsafe, "the lab file does not let nightshift put partition tables back on storage host %s", t.p.Host)
	}
	if t.lun, err = t.host.same(ctx, t.call, t.p.LUN, t.p.Device); err != nil {
		return err
	}
	if t.lun.Serial != t.p.Serial || t.p.Serial == "" {
		return refuse(fault.Identity, "the serial number of logical unit %s is %q, confirmed was %q", t.p.LUN, t.lun.Serial, t.p.Serial)
	}
	if t.backup, t.places, err = t.a.savedPlaces(t.p.Host, t.lun, t.p.File); err != nil {
		return err
	}
	if vmfs.Sum(t.places) != t.p.Is || !slices.Equal(vmfs.Ranges(t.places), t.p.Ranges) {
		return refuse(fault.Identity, "the backup %s is another one than when the plan was made", t.p.File)
	}
	return nil
}

const tableAsPlanned = "as it was when the plan was made"

func (t *tableStep) read(ctx context.Context) (seen, error) {
	now, err := vmfs.ReadPlaces(t.device(ctx), t.places)
	if err != nil {
		return seen{}, hint(err)
	}
	switch vmfs.Sum(now) {
	case t.p.Is:
		return seen{done: true, state: "that of the backup"}, nil
	case t.p.Was:
		return seen{state: tableAsPlanned}, nil
	}
	return seen{state: "neither that of the backup nor what it was when the plan was made"}, nil
}

func (t *tableStep) device(ctx context.Context) *vmfs.Remote {
	return t.host.open(ctx, t.p.Device, t.p.Dataset, t.lun.Size, vmfs.InspectMost)
}

// first refuses the step where somebody has written there, or may be using it.
func (t *tableStep) first(s *seen) error {
	if s.state != tableAsPlanned {
		return changed("the partition table of %s is %s", t.p.Dataset, s.state)
	}
	return inUse(t.lun)
}

// inUse is nil where no initiator is logged in that may use the LUN. One of which it is not known counts.
func inUse(l live.LUN) error {
	switch {
	case len(l.Sessions) > 0:
		return refuse(fault.State, "initiators are logged in that may use logical unit %s: %s", l.Name, strings.Join(l.Sessions, ", "))
	case l.Unknown > 0:
		return refuse(fault.State, "it is not known whether initiators use logical unit %s", l.Name)
	}
	return nil
}

// keepBefore saves what lies there, as an archive like those of vmfs-backup.
func (t *tableStep) keepBefore(ctx context.Context, _ seen) error {
	b := t.backup
	b.Taken, b.Run, b.Problem = time.Now().UTC().Truncate(time.Second), t.call.Run, "what lay there before the partition table was put back"
	b.Scheme, b.Parts, b.Pieces = "", nil, nil
	for _, p := range t.places {
		b.Pieces = append(b.Pieces, vmfs.Piece{What: vmfs.PartTable, File: fmt.Sprintf("at-%d.bin", p.Offset), Offset: p.Offset, Length: int64(len(p.Bytes))})
	}
	device := t.device(ctx)
	if table, err := vmfs.ReadTable(device, t.lun.Size); err == nil {
		b.Scheme, b.Parts = table.Scheme, table.Partitions
	}
	var file strings.Builder
	if _, err := vmfs.WriteBackup(&file, device, b); err != nil {
		return hint(err)
	}
	name := filepath.Join(t.a.savedDir(t.p.Host, t.p.LUN), b.Taken.Format(savedLayout))
	t.before = name + beforeRestore
	for n := 2; ; n++ { // an earlier attempt may have kept what lay there at first
		if _, err := os.Lstat(t.before); errors.Is(err, fs.ErrNotExist) {
			return writeFile(t.before, file.String())
		} else if err != nil {
			return err
		}
		t.before = fmt.Sprintf("%s-%d%s", name, n, beforeRestore)
	}
}

func (t *tableStep) remark() string {
	note := "hosts see it after a rescan"
	if t.before != "" {
		note += "; what lay there before is in " + t.before
	}
	return note
}

// Exit statuses of storagesetup.WriteTablePath, as its source documents them.
const (
	tableNotUnderstood = 2
	tableOther         = 3
	tableInUse         = 4
)

func (t *tableStep) write(ctx context.Context, _ seen) (string, error) {
	argv := append([]string{storagesetup.WriteTablePath, t.p.Dataset, t.p.Was, t.p.Is}, t.p.Ranges...)
	var sectors strings.Builder
	for _, p := range t.places {
		sectors.Write(p.Bytes)
	}
	res, err := t.host.run.Act(ctx, sshexec.Elevate(t.host.Elevate, argv), strings.NewReader(sectors.String()))
	switch {
	case err != nil && errors.Is(err, fault.NotDone):
		return "", notSent{err}
	case err != nil:
		return "", err
	case res.Status == 0:
		return "", nil
	}
	err = fmt.Errorf("%s: %s", storagesetup.WriteTablePath, res.Summary())
	switch {
	case res.Status == tableNotUnderstood:
		return "", fault.As(fault.NotDone, fault.As(fault.Invalid, err))
	case res.Status == tableOther, res.Status == tableInUse:
		return "", fault.As(fault.NotDone, fault.As(fault.State, err))
	case res.Status == 127, sshexec.NotElevated(res):
		return "", fault.As(fault.NotDone, hint(fault.As(fault.Permission, err)))
	}
	return "", err // it may have written a part: what lies there is read
}
