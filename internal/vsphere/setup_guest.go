package vsphere

import (
	"context"
	"slices"

	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"nightshift/internal/live"
)

// guestSetups reads the devices of all VMs, a hundred at a time: they are by far the longest property.
func (c *Client) guestSetups(ctx context.Context, vms []*mo.VirtualMachine, out *live.Setup) error {
	var refs []types.ManagedObjectReference
	at := map[string]*live.GuestSetup{}
	out.Guests = make([]live.GuestSetup, 0, len(vms))
	for _, vm := range vms {
		out.Guests = append(out.Guests, newGuestSetup(vm))
		at[vm.Self.Value] = &out.Guests[len(out.Guests)-1]
		if vm.Config == nil || !vm.Config.Template {
			refs = append(refs, vm.Self)
		}
	}
	for part := range slices.Chunk(refs, 100) {
		read, err := c.devicesOf(ctx, part)
		if err != nil {
			return err
		}
		for _, vm := range read {
			if vm.Config != nil {
				addDevices(at[vm.Self.Value], vm.Config.Hardware.Device)
			}
		}
	}
	return nil
}

func newGuestSetup(vm *mo.VirtualMachine) live.GuestSetup {
	out := live.GuestSetup{Ref: vm.Self.Value}
	if p := vm.Summary.Config.Product; p != nil {
		out.Product = oneLine(p.Name)
	}
	if vm.Guest == nil {
		return out
	}
	out.HostName = told(vm.Guest.HostName)
	list := []string{vm.Guest.IpAddress}
	for _, n := range vm.Guest.Net {
		list = append(list, n.IpAddress...)
	}
	out.Addresses = allTold(list)
	return out
}

func addDevices(g *live.GuestSetup, list []types.BaseVirtualDevice) {
	for _, d := range list {
		switch d := d.(type) {
		case *types.VirtualDisk:
			if path := diskPath(d.Backing); path != "" {
				g.Disks = append(g.Disks, live.Disk{Path: path, MultiWriter: multiWriter(d.Backing)})
			}
		case types.BaseVirtualEthernetCard:
			if mac := d.GetVirtualEthernetCard().MacAddress; mac != "" {
				g.MACs = append(g.MACs, live.MAC(mac))
			}
		case types.BaseVirtualSCSIController:
			bus := d.GetVirtualSCSIController().SharedBus
			g.SharedBus = g.SharedBus || bus != "" && bus != types.VirtualSCSISharingNoSharing
		}
	}
}

// diskPath names what a disk lies on. The mapping file of a raw device is each VM's own: its LUN is not.
func diskPath(backing types.BaseVirtualDeviceBackingInfo) string {
	switch b := backing.(type) {
	case *types.VirtualDiskRawDiskMappingVer1BackingInfo:
		if b.LunUuid != "" {
			return "LUN " + told(b.LunUuid)
		}
		return oneLine(b.FileName)
	case types.BaseVirtualDeviceFileBackingInfo:
		return oneLine(b.GetVirtualDeviceFileBackingInfo().FileName)
	}
	return ""
}
