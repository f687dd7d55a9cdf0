package vsphere

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"nightshift/internal/live"
)

// hostPaths is by which ways hosts reach their disks.
const hostPaths = "config.storageDevice.multipathInfo"

// hostsAtOnce is of how many hosts the disks are read at once: a host with a thousand paths tells a megabyte of them.
const hostsAtOnce = 20

// LUNs reads which disks the hosts see, by which paths, and which VMFS datastores and guests lie on them; nothing is changed. Lists
// are sorted by name.
func (c *Client) LUNs(ctx context.Context) (live.Fabric, error) {
	var out live.Fabric
	err := c.read(ctx, "read the LUNs of the hosts", func(ctx context.Context) error {
		out = live.Fabric{}
		got, err := c.inView(ctx, wants{"HostSystem": {"name", "config.network.pnic"}, "Datastore": {"name", "host", "info", "vm"}, "VirtualMachine": {"name"}})
		if err != nil {
			return err
		}
		names := map[string]string{}
		for _, vm := range allOf[mo.VirtualMachine](got) {
			names[vm.Self.Value] = shownName(vm.Name)
		}
		for _, d := range allOf[mo.Datastore](got) {
			if s, ok := newStore(d, names); ok {
				out.Stores = append(out.Stores, s)
			}
		}
		out.Hosts, err = c.disksOf(ctx, allOf[mo.HostSystem](got))
		return err
	})
	slices.SortFunc(out.Hosts, func(a, b live.FabricHost) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Ref, b.Ref)) })
	slices.SortFunc(out.Stores, func(a, b live.VMFSStore) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Ref, b.Ref)) })
	return out, err
}

// newStore makes plain data of a datastore; false: it is not on VMFS.
func newStore(d *mo.Datastore, guests map[string]string) (live.VMFSStore, bool) {
	info, ok := d.Info.(*types.VmfsDatastoreInfo)
	if !ok || info.Vmfs == nil {
		return live.VMFSStore{}, false
	}
	s := live.VMFSStore{Ref: d.Self.Value, Name: shownName(d.Name), UUID: info.Vmfs.Uuid, Version: info.Vmfs.Version, Local: isTrue(info.Vmfs.Local)}
	for _, e := range info.Vmfs.Extent {
		s.Disks = append(s.Disks, fmt.Sprintf("%s:%d", e.DiskName, e.Partition))
	}
	for _, h := range d.Host {
		s.Hosts = append(s.Hosts, h.Key.Value)
	}
	for _, vm := range d.Vm {
		if name := guests[vm.Value]; name != "" {
			s.Guests = append(s.Guests, name)
		}
	}
	slices.Sort(s.Guests)
	return s, true
}

func (c *Client) disksOf(ctx context.Context, hosts []*mo.HostSystem) (list []live.FabricHost, _ error) {
	byRef := map[string]live.FabricHost{}
	for _, h := range hosts {
		one := live.FabricHost{Ref: h.Self.Value, Name: shownName(h.Name)}
		if h.Config != nil && h.Config.Network != nil {
			for _, card := range h.Config.Network.Pnic {
				one.MACs = append(one.MACs, live.MAC(card.Mac))
			}
		}
		byRef[one.Ref] = one
	}
	for part := range slices.Chunk(hosts, hostsAtOnce) {
		var specs []types.ObjectSpec
		for _, h := range part {
			specs = append(specs, object(h.Self))
		}
		got, err := c.retrieve(ctx, wants{"HostSystem": {hostDevices, hostPaths}}, specs...)
		if err != nil {
			return nil, err
		}
		for _, h := range allOf[mo.HostSystem](got) {
			one := byRef[h.Self.Value]
			one.Disks = disks(h)
			list = append(list, one)
		}
	}
	return list, nil
}

// disks are those of a host, without CD drives and enclosures.
func disks(h *mo.HostSystem) (list []live.HostDisk) {
	if h.Config == nil || h.Config.StorageDevice == nil {
		return nil
	}
	paths := map[string][]string{} // by key of the device
	if m := h.Config.StorageDevice.MultipathInfo; m != nil {
		for _, unit := range m.Lun {
			for _, p := range unit.Path {
				name := p.Name
				if state := cmp.Or(p.State, p.PathState); state != "" && state != "active" && state != "standby" {
					name += " " + state
				}
				paths[unit.Lun] = append(paths[unit.Lun], name)
			}
		}
	}
	for _, l := range h.Config.StorageDevice.ScsiLun {
		u := l.GetScsiLun()
		if u.LunType != "disk" {
			continue
		}
		d := live.HostDisk{Name: u.CanonicalName, State: strings.Join(u.OperationalState, ","), Paths: paths[u.Key]}
		for _, n := range append([]types.ScsiLunDescriptor{{Id: "vml." + u.Uuid}}, u.Descriptor...) {
			if strings.HasPrefix(n.Id, "vml.") && len(n.Id) > len("vml.") {
				d.VML = n.Id
			}
		}
		slices.Sort(d.Paths)
		list = append(list, d)
	}
	slices.SortFunc(list, func(a, b live.HostDisk) int { return cmp.Compare(a.Name, b.Name) })
	return list
}
