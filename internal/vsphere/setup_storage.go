package vsphere

import (
	"context"
	"net"
	"slices"

	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"nightshift/internal/live"
)

// Where hosts tell of their storage.
const (
	hostAdapters = "config.storageDevice.hostBusAdapter"
	hostTopology = "config.storageDevice.scsiTopology"
	hostDevices  = "config.storageDevice.scsiLun"
)

// targets says from which addresses hosts have their devices.
type targets struct {
	devices map[string][]string // by canonical name of the device: addresses of the iSCSI targets that show it
	asked   map[string][]string // by Ref of the host: addresses that its iSCSI adapters ask
}

// iscsiTargets reads which device comes from which target, of the hosts that have iSCSI adapters.
func (c *Client) iscsiTargets(ctx context.Context, hosts []*mo.HostSystem) (targets, error) {
	t := targets{map[string][]string{}, map[string][]string{}}
	var specs []types.ObjectSpec
	for _, h := range hosts {
		if asked := askedTargets(h); len(asked) > 0 {
			t.asked[h.Self.Value] = asked
			specs = append(specs, object(h.Self))
		}
	}
	if len(specs) == 0 {
		return t, nil
	}
	got, err := c.retrieve(ctx, wants{"HostSystem": {hostTopology, hostDevices}}, specs...)
	if err != nil {
		return t, err
	}
	for _, h := range allOf[mo.HostSystem](got) {
		t.add(h)
	}
	return t, nil
}

func askedTargets(h *mo.HostSystem) []string {
	if h.Config == nil || h.Config.StorageDevice == nil {
		return nil
	}
	var list []string
	for _, a := range h.Config.StorageDevice.HostBusAdapter {
		if hba, ok := a.(*types.HostInternetScsiHba); ok {
			for _, s := range hba.ConfiguredSendTarget {
				list = append(list, s.Address)
			}
			for _, s := range hba.ConfiguredStaticTarget {
				list = append(list, s.Address)
			}
		}
	}
	return allTold(list)
}

// add joins the host's topology (target to key of a LUN) with its LUNs (key to canonical name).
func (t targets) add(h *mo.HostSystem) {
	if h.Config == nil || h.Config.StorageDevice == nil || h.Config.StorageDevice.ScsiTopology == nil {
		return
	}
	names := map[string]string{}
	for _, l := range h.Config.StorageDevice.ScsiLun {
		if lun := l.GetScsiLun(); lun != nil {
			names[lun.Key] = lun.CanonicalName
		}
	}
	for _, a := range h.Config.StorageDevice.ScsiTopology.Adapter {
		for _, target := range a.Target {
			iscsi, ok := target.Transport.(*types.HostInternetScsiTargetTransport)
			if !ok {
				continue
			}
			for _, l := range target.Lun {
				if name := names[l.ScsiLun]; name != "" {
					t.devices[name] = allTold(append(t.devices[name], withoutPorts(iscsi.Address)...))
				}
			}
		}
	}
}

// withoutPorts: "192.0.2.5:3260" is 192.0.2.5.
func withoutPorts(list []string) []string {
	out := make([]string, len(list))
	for i, a := range list {
		out[i] = a
		if host, _, err := net.SplitHostPort(a); err == nil {
			out[i] = host
		}
	}
	return out
}

// datastore says where one comes from.
func (t targets) datastore(d *mo.Datastore) live.DatastoreSetup {
	out := live.DatastoreSetup{Ref: d.Self.Value}
	switch info := d.Info.(type) {
	case *types.NasDatastoreInfo:
		if info.Nas != nil {
			out.Via, out.Sure = "NFS", true
			out.From = allTold(append([]string{info.Nas.RemoteHost}, info.Nas.RemoteHostNames...))
		}
	case *types.VmfsDatastoreInfo:
		if info.Vmfs == nil {
			break
		}
		for _, e := range info.Vmfs.Extent {
			out.Disks = append(out.Disks, e.DiskName)
			out.From = append(out.From, t.devices[e.DiskName]...)
		}
		if out.From = allTold(out.From); len(out.From) > 0 {
			out.Via, out.Sure = "iSCSI", true
			break
		}
		// A disk of the host itself has no target; a shared one whose paths are down has none just now.
		if len(d.Host) > 1 {
			out.From = t.allAsk(d)
		}
		if len(out.From) > 0 {
			out.Via = "iSCSI"
		}
	}
	return out
}

// allAsk are the targets that each of the datastore's hosts asks.
func (t targets) allAsk(d *mo.Datastore) []string {
	common := slices.Clone(t.asked[d.Host[0].Key.Value])
	for _, h := range d.Host[1:] {
		common = slices.DeleteFunc(common, func(a string) bool { return !slices.Contains(t.asked[h.Key.Value], a) })
	}
	return common
}
