package simlab

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"path"
	"runtime"
	"slices"
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"

	"nightshift/internal/iscsi"
	"nightshift/internal/simlab/storage"
	"nightshift/internal/sshexec"
	"nightshift/internal/vmfs"
	"nightshift/internal/vmfs/vmfsimage"
)

// A LUN is a volume as initiators see it.
type LUN struct {
	Name    string // of its backstore
	Number  uint16
	Serial  string
	NAA     string
	Vendor  string
	Product string
	Volume  vmfs.UUID // of the VMFS datastore on it
}

// NewLUN is the LUN of the dataset with the number. Its names follow from the dataset's, so that a replica can be shown as the same.
func NewLUN(dataset string, number uint16) LUN {
	sum := sha256.Sum256([]byte(dataset))
	l := LUN{Name: path.Base(dataset), Number: number, Serial: hex.EncodeToString(sum[:])[:25], Vendor: "LIO-ORG", Volume: vmfs.UUID(sum[16:])}
	l.NAA, l.Product = iscsi.LIONAA(iscsi.LIOCompany, l.Serial), l.Name
	return l
}

// luns are those that a host of the spec shows, by dataset.
func (h StorageHostSpec) luns() map[string]LUN {
	all := map[string]LUN{}
	for _, d := range h.Datasets {
		if d.VMFS != "" && !h.NoTarget {
			all[d.Name] = NewLUN(d.Name, uint16(len(all)+1))
		}
	}
	return all
}

// iqn is the name of the initiator of an ESXi host.
func (s HostSpec) iqn() string { return "iqn.1998-01.com.vmware:" + s.Name }

// showLUNs shows the host's LUNs to the ESXi hosts, with a VMFS volume on each. The hosts of a datastore of the same name are logged in.
func (h *storageHost) showLUNs(ctx context.Context) error {
	if runtime.GOOS != "linux" { // the target runs the scripts of a real one
		return nil
	}
	target := iscsi.NewLIO(asRoot{h.Host}, func(argv []string) []string { return argv })
	luns := h.spec.luns()
	for _, d := range h.spec.Datasets {
		l, shown := luns[d.Name]
		if !shown {
			continue
		}
		size := d.SizeGB * gigabyte
		id := vmfs.LU{LUN: l.Number, NAA: l.NAA, Vendor: l.Vendor, Product: l.Product}
		if err := vmfsimage.Write(h.Volume(d.Name), vmfsimage.Volume{Label: d.VMFS, UUID: l.Volume, LUN: id, Size: size}); err != nil {
			return err
		}
		p := h.publication(l, d.Name)
		if _, err := target.Publish(ctx, p); err != nil {
			return fmt.Errorf("show %s: %w", d.Name, err)
		}
		for _, esx := range h.lab.spec.usersOf(d.VMFS) {
			if status := storage.NewInitiator(esx.iqn()).Login(h.Host, p.Target, "", ""); status != 0 {
				return fmt.Errorf("show %s: the login of %s ended with %d", d.Name, esx.Name, status)
			}
		}
	}
	return nil
}

// publication shows a volume as the LUN to all hosts of the lab.
func (h *storageHost) publication(l LUN, dataset string) iscsi.Publication {
	p := iscsi.Publication{Name: l.Name, Device: "/dev/zvol/" + dataset, Target: "iqn.2003-01.org.linux-iscsi." + h.spec.Name + ":" + l.Name, Group: 1, Portals: []string{h.spec.Portal},
		Identity: iscsi.Identity{LUN: l.Number, NAA: l.NAA, Serial: l.Serial, Vendor: l.Vendor, Product: l.Product, LogicalBlock: 512}}
	for _, esx := range h.lab.spec.Hosts {
		p.Grants = append(p.Grants, iscsi.Grant{Initiator: esx.iqn()})
	}
	return p
}

// ShowCopy is what an administrator does by hand: a clone of a volume's newest snapshot is shown as the LUN, and as no other any more. The
// clone has the volume's name with -copy.
func (l *Lab) ShowCopy(ctx context.Context, host, dataset string, as LUN) error {
	h := l.storageHost(host)
	if h == nil {
		return fmt.Errorf("simulated lab %s: there is no storage host %s", l.spec.Name, host)
	}
	run, clone := asRoot{h.Host}, dataset+"-copy"
	res, err := run.Query(ctx, []string{"zfs", "list", "-H", "-d", "1", "-t", "snapshot", "-o", "name", "-s", "createtxg", dataset})
	snapshots := strings.Fields(string(res.Stdout))
	if err != nil || len(snapshots) == 0 {
		return fmt.Errorf("simulated lab %s: %s has no snapshot of %s: %s", l.spec.Name, host, dataset, res.Summary())
	}
	if res, err = run.Query(ctx, []string{"zfs", "list", clone}); err == nil && res.Status != 0 {
		err = h.asRoot("zfs", "clone", "-o", "volmode=dev", snapshots[len(snapshots)-1], clone)
	}
	if err != nil {
		return err
	}
	target := iscsi.NewLIO(run, func(argv []string) []string { return argv })
	list, err := target.List(ctx)
	if err != nil {
		return err
	}
	for _, lu := range list.OpenLUNs(clone) {
		if _, err := target.Unpublish(ctx, lu.Name, true); err != nil {
			return err
		}
	}
	_, err = target.Publish(ctx, h.publication(as, clone))
	return err
}

// usersOf are the hosts of a datastore; none where the lab has no such one.
func (s Spec) usersOf(datastore string) (hosts []HostSpec) {
	for _, d := range s.Datastores {
		if d.Name == datastore {
			return slices.DeleteFunc(slices.Clone(s.Hosts), func(h HostSpec) bool { return !d.on(h.Name) })
		}
	}
	return nil
}

// asRoot runs commands on a storage host; it implements iscsi.Runner.
type asRoot struct{ *storage.Host }

func (r asRoot) Query(ctx context.Context, argv []string) (sshexec.Result, error) {
	return r.Act(ctx, argv, nil)
}

func (r asRoot) Act(ctx context.Context, argv []string, stdin io.Reader) (sshexec.Result, error) {
	var out, errs strings.Builder
	exit := r.Run(ctx, "root", argv, storage.Streams{In: stdin, Out: &out, Err: &errs})
	return sshexec.Result{Status: exit.Shell(), Stdout: []byte(out.String()), Stderr: []byte(errs.String())}, ctx.Err()
}

// onLUN has the vCenter tell of a datastore that it is on a LUN of a storage host, and of its hosts that they see the LUN.
func (b *builder) onLUN(ds *simulator.Datastore) {
	for _, s := range b.lab.spec.StorageHosts {
		luns := s.luns()
		for _, d := range s.Datasets {
			l, shown := luns[d.Name]
			if !shown || d.VMFS != ds.Name {
				continue
			}
			name, no := "naa."+l.NAA, false
			info := types.VmfsDatastoreInfo{Vmfs: &types.HostVmfsVolume{Uuid: l.Volume.String(), Version: "3.31", Local: &no, Ssd: &no,
				HostFileSystemVolume: types.HostFileSystemVolume{Type: "VMFS", Name: ds.Name, Capacity: d.SizeGB * gigabyte},
				BlockSizeMb:          1, MajorVersion: 3, Extent: []types.HostScsiDiskPartition{{DiskName: name, Partition: 1}}}}
			info.Name, info.Url = ds.Name, ds.Info.GetDatastoreInfo().Url
			ds.Info = &info
			for _, h := range b.lab.hosts {
				if slices.ContainsFunc(b.lab.spec.usersOf(ds.Name), func(u HostSpec) bool { return u.Name == h.spec.Name }) {
					b.seesLUN(h, s, l)
				}
			}
		}
	}
}

// seesLUN adds a disk to those of a host.
func (b *builder) seesLUN(h *host, s StorageHostSpec, l LUN) {
	obj := b.get(h.ref).(*simulator.HostSystem)
	id := vmfs.LU{LUN: l.Number, NAA: l.NAA, Vendor: l.Vendor, Product: l.Product}.DiskID()
	vml := strings.TrimPrefix(id.VML(), "vml.")
	unit := types.ScsiLun{HostDevice: types.HostDevice{DeviceName: "/vmfs/devices/disks/naa." + l.NAA, DeviceType: "disk"}, Key: "key-vim.host.ScsiDisk-" + vml, Uuid: vml,
		CanonicalName: "naa." + l.NAA, DisplayName: l.Vendor + " iSCSI Disk (naa." + l.NAA + ")", LunType: "disk", Vendor: l.Vendor, Model: l.Product, SerialNumber: l.Serial,
		OperationalState: []string{"ok"}}
	config := *obj.Config
	devices := types.HostStorageDeviceInfo{}
	if config.StorageDevice != nil {
		devices = *config.StorageDevice
	}
	devices.ScsiLun = append(slices.Clone(devices.ScsiLun), &types.HostScsiDisk{ScsiLun: unit})
	paths := types.HostMultipathInfo{}
	if devices.MultipathInfo != nil {
		paths = *devices.MultipathInfo
	}
	way := fmt.Sprintf("vmhba64:C0:T%d:L%d", slices.IndexFunc(b.lab.spec.StorageHosts, func(o StorageHostSpec) bool { return o.Name == s.Name }), l.Number)
	paths.Lun = append(slices.Clone(paths.Lun), types.HostMultipathInfoLogicalUnit{Key: "key-vim.host.MultipathInfo.LogicalUnit-" + vml, Id: vml, Lun: unit.Key,
		Path: []types.HostMultipathInfoPath{{Key: "key-vim.host.MultipathInfo.Path-" + way, Name: way, PathState: "active", State: "active", Lun: vml, Adapter: "key-vim.host.InternetScsiHba-vmhba64"}}})
	devices.MultipathInfo = &paths
	config.StorageDevice = &devices
	obj.Config = &config
}
