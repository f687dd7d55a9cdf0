package activities

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"nightshift/internal/fault"
	"nightshift/internal/inventory"
	"nightshift/internal/iscsi"
	"nightshift/internal/live"
	"nightshift/internal/sshexec"
	"nightshift/internal/storagesetup"
	"nightshift/internal/vmfs"
)

const (
	// targetRead is for one storage host: its target, and the headers on its LUNs.
	targetRead = 2 * time.Minute
	// headersAtOnce is how many LUNs of one storage host are read side by side: its SSH server allows ten commands at a time.
	headersAtOnce = 4
)

// A lunHost is a storage host as far as its LUNs are concerned.
type lunHost struct {
	*inventory.StorageHost
	run iscsi.Runner
}

func (a *Activities) lunHost(name string) (lunHost, error) {
	h, ok := a.lab.StorageHost(name)
	if !ok {
		return lunHost{}, refuse(fault.Invalid, "storage host %q is not in the lab file", name)
	}
	if a.storage.target != nil {
		return lunHost{h, a.storage.target(name)}, nil
	}
	return lunHost{h, iscsi.OverSSH(a.storage.of(a, h))}, nil
}

// list reads the target.
func (h lunHost) list(ctx context.Context) (iscsi.Listing, error) {
	t, err := iscsi.OpenWith(*h.StorageHost, h.run)
	if err != nil {
		return iscsi.Listing{}, err
	}
	return t.List(ctx)
}

// open is a device of the host, for reading no more than most bytes. size 0: not known.
func (h lunHost) open(ctx context.Context, device, dataset string, size, most int64) *vmfs.Remote {
	return vmfs.NewRemote(ctx, h.run, size, most, h.reading(device, dataset))
}

// reading is the command that reads a device. On Linux the account may read zvols as root by a program of ours, and nothing else;
// files it reads by itself.
func (h lunHost) reading(device, dataset string) func(skip, count int64) []string {
	dd := vmfs.Dd(device)
	return func(skip, count int64) []string {
		switch {
		case h.Elevate != inventory.ElevateSudo:
			return sshexec.Elevate(h.Elevate, dd(skip, count))
		case dataset != "":
			return sshexec.Elevate(h.Elevate, []string{storagesetup.ReadPath, dataset, strconv.FormatInt(skip, 10), strconv.FormatInt(count, 10)})
		}
		return dd(skip, count)
	}
}

// size is that of a device; 0: the system does not tell.
func (h lunHost) size(ctx context.Context, device string) (int64, error) {
	res, err := h.run.Query(ctx, []string{"sh", "-c", vmfs.SizeScript, "sh", device})
	if err != nil {
		return 0, err
	}
	if res.Status != 0 {
		return 0, refuse(fault.NotFound, "%s of storage host %s: %s", device, h.Name, res.Summary())
	}
	var n int64
	if _, err := fmt.Sscan(string(res.Stdout), &n); err != nil || n < 0 {
		return 0, refuse(fault.Unsupported, "the size of %s of storage host %s is told as %q", device, h.Name, res.Stdout)
	}
	return n, nil
}

// hint says what to do where the account may not read a device.
func hint(err error) error {
	if errors.Is(err, fault.Permission) {
		return fmt.Errorf("%w; `nightshift lab prepare-storage` gives the account what it needs", err)
	}
	return err
}

// A look is what is read of LUNs beside what they show and hold.
type look struct {
	tables bool   // saved partition tables, held against those of now
	from   string // the backup; "": the newest of each
}

// inspectTargets reads targets side by side. One that cannot be read says so in its Err.
func (a *Activities) inspectTargets(ctx context.Context, hosts []string, how look) []live.Target {
	out := make([]live.Target, len(hosts))
	var all errgroup.Group
	all.SetLimit(besides)
	for i, name := range hosts {
		all.Go(func() error {
			got, err := a.inspectTarget(ctx, name, how)
			if err != nil {
				got = live.Target{Err: err.Error()}
			}
			out[i], out[i].Host = got, name
			return nil
		})
	}
	_ = all.Wait() // a host says in its Err why it cannot be read
	return out
}

func (a *Activities) inspectTarget(ctx context.Context, name string, how look) (live.Target, error) {
	h, err := a.lunHost(name)
	if err != nil {
		return live.Target{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, targetRead)
	defer cancel()
	list, err := h.list(ctx)
	if err != nil {
		return live.Target{}, err
	}
	t := live.Target{Kind: string(list.Kind), Running: list.Running, Remarks: list.Remarks, LUNs: make([]live.LUN, len(list.LUs))}
	var all errgroup.Group
	all.SetLimit(headersAtOnce)
	for i, lu := range list.LUs {
		all.Go(func() error {
			l := newLUN(lu)
			device := h.open(ctx, l.Device, l.Dataset, l.Size, vmfs.InspectMost)
			header(device, &l, len(lu.Paths) > 0)
			var err error
			l.Saved, err = a.saved(name, lu.Name)
			if how.tables && err == nil && l.Device != "" {
				l.Table = a.table(h, l, device, how.from)
			}
			t.LUNs[i] = l
			return err
		})
	}
	return t, all.Wait()
}

// newLUN makes plain data of a logical unit.
func newLUN(lu iscsi.LU) live.LUN {
	id := lu.Seen()
	l := live.LUN{Name: lu.Name, Device: lu.Device, Dataset: iscsi.Volume(lu.Device), State: string(lu.State), Number: id.LUN, NoNumber: id.NoLUN, Type: id.DeviceType, NAA: id.NAA,
		Serial: id.Serial, Vendor: id.Vendor, Product: id.Product, Size: int64(min(id.Size, 1<<62))}
	l.Also = slices.DeleteFunc(lu.Numbers(), func(n uint16) bool { return n == l.Number })
	l.Sessions, l.Unknown = lu.Sessions()
	slices.Sort(l.Sessions)
	l.Sessions = slices.Compact(l.Sessions)
	return l
}

// header reads what the volume on a LUN says of itself. shown: initiators see the LUN, so that its number means something. False: what
// lies there is not known.
func header(device *vmfs.Remote, l *live.LUN, shown bool) (read bool) {
	if l.Device == "" {
		l.NoVMFS = "its device is not known"
		return false
	}
	v, err := vmfs.Inspect(device, l.Size)
	if err != nil {
		l.NoVMFS = hint(err).Error()
		if read = ofTheDevice(err); !read {
			l.NoVMFS = "not known: " + l.NoVMFS
		}
		return read
	}
	l.VMFS = newExtent(v, *l, shown)
	return true
}

// newExtent makes plain data of a volume, and holds its header against the LUN.
func newExtent(v vmfs.Volume, l live.LUN, shown bool) *live.VMFSExtent {
	x := &live.VMFSExtent{Scheme: v.Table.Scheme, First: v.Partition.First, Last: v.Partition.Last, Problems: v.Table.Problems, NAA: v.LVM.Disk.NAA(),
		Expects: v.LVM.Disk.VML(), Volume: v.LVM.Volume.String(), Extents: v.LVM.Devices, Nth: v.LVM.FirstExtent}
	for _, d := range vmfs.Guard(v.LVM.Disk, vmfs.LU{LUN: l.Number, DeviceType: l.Type, NAA: l.NAA, Vendor: l.Vendor, Product: l.Product}) {
		if shown && !l.NoNumber || d.Field != vmfs.FieldLUN {
			x.Differs = append(x.Differs, d.String())
		}
	}
	for _, n := range l.Also {
		if shown && n != v.LVM.Disk.LUN {
			x.Differs = append(x.Differs, vmfs.Difference{Field: vmfs.FieldLUN + " for some initiators", Header: fmt.Sprint(v.LVM.Disk.LUN), LU: fmt.Sprint(n)}.String())
		}
	}
	if fs := v.FileSystem; fs != nil {
		x.UUID, x.Label, x.Version, x.MadeBy, x.Made = fs.UUID.String(), fs.Label, fs.Version(), fs.UUID.Host(), fs.Made
	}
	return x
}
