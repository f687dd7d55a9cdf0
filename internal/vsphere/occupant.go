package vsphere

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"nightshift/internal/live"
)

// occupant makes plain data of a VM.
func (s *structure) occupant(vm *mo.VirtualMachine) live.Occupant {
	g := live.Occupant{Ref: vm.Self.Value, Name: shownName(vm.Name), Folder: s.folders.of(vm), Power: string(vm.Runtime.PowerState)}
	if vm.Runtime.ConnectionState != types.VirtualMachineConnectionStateConnected || g.Power == "" {
		g.Power = unknown
	}
	host := s.hosts[refValue(vm.Runtime.Host)]
	if host != nil {
		g.Host = shownName(host.Name)
		if cl := s.clusters[clusterOf(host.Parent)]; cl != nil {
			g.Cluster = shownName(cl.Name)
			overrides(&g, cl, s.guests)
		}
	}
	g.Pool = s.poolPath(vm.ResourcePool)
	s.inVApp(&g, vm)
	if c := vm.Config; c != nil {
		g.UUID, g.BIOSUUID = strings.ToLower(c.InstanceUuid), strings.ToLower(c.Uuid)
		g.Template, g.Path = c.Template, oneLine(c.Files.VmPathName)
		g.Hardware, g.System, g.Firmware, g.Notes = c.Version, c.GuestId, c.Firmware, strings.ToValidUTF8(c.Annotation, "\ufffd")
		if k := c.KeyId; k != nil {
			g.Encrypted, g.KeyID = true, k.KeyId
			if k.ProviderId != nil {
				g.KeyProvider = k.ProviderId.Id
			}
		}
		for _, d := range c.Hardware.Device {
			s.device(&g, d, host)
		}
	}
	for _, v := range vm.CustomValue {
		if text, ok := v.(*types.CustomFieldStringValue); ok && text.Value != "" && s.fields[text.Key] != "" {
			if g.Attributes == nil {
				g.Attributes = map[string]string{}
			}
			g.Attributes[s.fields[text.Key]] = oneLine(text.Value)
		}
	}
	for _, p := range vm.Permission {
		g.Rights = append(g.Rights, live.OccupantRight{Principal: oneLine(p.Principal), Group: p.Group, Role: cmp.Or(s.roles[p.RoleId], fmt.Sprint(p.RoleId)), Propagate: p.Propagate})
	}
	slices.SortFunc(g.Rights, func(a, b live.OccupantRight) int {
		return cmp.Or(cmp.Compare(a.Principal, b.Principal), cmp.Compare(a.Role, b.Role))
	})
	g.Files = files(vm.LayoutEx)
	return g
}

// device adds a network card or a disk.
func (s *structure) device(g *live.Occupant, d types.BaseVirtualDevice, host *mo.HostSystem) {
	switch d := d.(type) {
	case *types.VirtualDisk:
		g.Disks = append(g.Disks, newOccupantDisk(d))
	case types.BaseVirtualEthernetCard:
		card := d.GetVirtualEthernetCard()
		if card.MacAddress == "" {
			return
		}
		nic := live.OccupantNIC{MAC: live.MAC(card.MacAddress), Type: strings.TrimPrefix(fmt.Sprintf("%T", d), "*types.Virtual")}
		nic.Network, nic.VLAN = s.network(card.Backing, host)
		g.NICs = append(g.NICs, nic)
	}
}

func newOccupantDisk(d *types.VirtualDisk) live.OccupantDisk {
	out := live.OccupantDisk{Key: int(d.Key), Path: oneLine(backingFile(d.Backing)), Size: d.CapacityInBytes, MultiWriter: multiWriter(d.Backing)}
	if out.Size == 0 {
		out.Size = d.CapacityInKB << 10
	}
	if l := d.DeviceInfo; l != nil {
		out.Label = oneLine(l.GetDescription().Label)
	}
	mode := ""
	switch b := d.Backing.(type) {
	case *types.VirtualDiskFlatVer2BackingInfo:
		mode = b.DiskMode
	case *types.VirtualDiskSeSparseBackingInfo:
		mode = b.DiskMode
	case *types.VirtualDiskRawDiskMappingVer1BackingInfo:
		mode, out.LUN = b.DiskMode, strings.ToLower(told(b.LunUuid))
	}
	out.Independent = strings.HasPrefix(mode, "independent")
	return out
}

func backingFile(b types.BaseVirtualDeviceBackingInfo) string {
	if f, ok := b.(types.BaseVirtualDeviceFileBackingInfo); ok {
		return f.GetVirtualDeviceFileBackingInfo().FileName
	}
	return ""
}

// network names what a card is connected to, and its VLAN where the port group has one.
func (s *structure) network(backing types.BaseVirtualDeviceBackingInfo, host *mo.HostSystem) (name, vlan string) {
	switch b := backing.(type) {
	case *types.VirtualEthernetCardNetworkBackingInfo:
		name = shownName(b.DeviceName)
		if host == nil || host.Config == nil || host.Config.Network == nil {
			return name, ""
		}
		for _, p := range host.Config.Network.Portgroup {
			if p.Spec.Name == b.DeviceName {
				vlan = fmt.Sprint(p.Spec.VlanId)
			}
		}
	case *types.VirtualEthernetCardDistributedVirtualPortBackingInfo:
		g := s.groups[b.Port.PortgroupKey]
		if g == nil {
			return "port group " + oneLine(b.Port.PortgroupKey), ""
		}
		name = shownName(g.Name)
		if set, ok := g.Config.DefaultPortConfig.(*types.VMwareDVSPortSetting); ok {
			vlan = vlanOf(set.Vlan)
		}
	case *types.VirtualEthernetCardOpaqueNetworkBackingInfo:
		name = "opaque network " + oneLine(b.OpaqueNetworkId)
	}
	return name, vlan
}

func vlanOf(spec types.BaseVmwareDistributedVirtualSwitchVlanSpec) string {
	switch v := spec.(type) {
	case *types.VmwareDistributedVirtualSwitchVlanIdSpec:
		return fmt.Sprint(v.VlanId)
	case *types.VmwareDistributedVirtualSwitchTrunkVlanSpec:
		var list []string
		for _, r := range v.VlanId {
			list = append(list, fmt.Sprintf("%d-%d", r.Start, r.End))
		}
		return strings.Join(list, ",")
	case *types.VmwareDistributedVirtualSwitchPvlanSpec:
		return fmt.Sprintf("private %d", v.PvlanId)
	}
	return ""
}

// poolPath is the way from the root pool of a host or cluster, which has no name in it.
func (s *structure) poolPath(ref *types.ManagedObjectReference) string {
	way := ""
	for range len(s.pools) + 1 { // never longer, whatever the server says
		p := s.pools[refValue(ref)]
		if p == nil || p.Parent == nil || p.Parent.Type != "ResourcePool" && p.Parent.Type != "VirtualApp" {
			break
		}
		way, ref = path.Join(shownName(p.Name), way), p.Parent
	}
	return way
}

// vAppPath is the way to a vApp from the outermost that it is in.
func (s *structure) vAppPath(a *mo.VirtualApp) string {
	way, ref := "", &a.Self
	for range len(s.pools) + 1 { // never longer, whatever the server says
		p := s.pools[refValue(ref)]
		if p == nil {
			break
		}
		if p.Self.Type == a.Self.Type {
			way = path.Join(shownName(p.Name), way)
		}
		ref = p.Parent
	}
	return way
}

// inVApp finds the vApp that a VM is in, and its place in the order.
func (s *structure) inVApp(g *live.Occupant, vm *mo.VirtualMachine) {
	for _, a := range s.vapps {
		if a.Self.Value == refValue(vm.ParentVApp) || a.Self.Value == refValue(vm.ResourcePool) {
			g.VApp = s.vAppPath(a)
		}
		if a.VAppConfig == nil {
			continue
		}
		for _, e := range a.VAppConfig.EntityConfig {
			if e.Key != nil && e.Key.Value == vm.Self.Value {
				g.VApp, g.VAppStart = s.vAppPath(a), int(e.StartOrder)
			}
		}
	}
}

// overrides are what HA, DRS and rules of the cluster say of the VM.
func overrides(g *live.Occupant, cl *mo.ClusterComputeResource, names map[string]string) {
	set, ok := cl.ConfigurationEx.(*types.ClusterConfigInfoEx)
	if !ok || set == nil {
		return
	}
	c := newClusterSetup(cl)
	g.Restart, g.HA = c.RestartPriority[g.Ref], occupantHA(set, g.Ref)
	for _, v := range set.DrsVmConfig {
		if v.Key.Value != g.Ref {
			continue
		}
		g.DRS = string(v.Behavior)
		if v.Enabled != nil && !*v.Enabled {
			g.DRS, g.DRSLevel = "disabled", string(v.Behavior)
		}
	}
	for _, r := range c.Rules {
		if !slices.Contains(r.Guests, g.Ref) {
			continue
		}
		var others []string
		for _, ref := range append(slices.Clone(r.Guests), r.Before...) {
			others = append(others, cmp.Or(names[ref], ref))
		}
		g.Rules = append(g.Rules, fmt.Sprintf("%s: %s (rule %s)", r.Kind, strings.Join(others, ", "), r.Name))
	}
}

// files are those of a VM that a recovery point should have, or better not have.
func files(l *types.VirtualMachineFileLayoutEx) (out []live.OccupantFile) {
	if l == nil {
		return nil
	}
	deltas := map[int32]bool{}
	for _, d := range l.Disk {
		for i, unit := range d.Chain {
			for _, key := range unit.FileKey {
				deltas[key] = deltas[key] || i > 0
			}
		}
	}
	for _, f := range l.File {
		kind := ""
		switch types.VirtualMachineFileLayoutExFileType(f.Type) {
		case types.VirtualMachineFileLayoutExFileTypeDiskDescriptor, types.VirtualMachineFileLayoutExFileTypeDiskExtent:
			if kind = live.FileDisk; deltas[f.Key] {
				kind = live.FileDelta
			}
		case types.VirtualMachineFileLayoutExFileTypeSnapshotData, types.VirtualMachineFileLayoutExFileTypeSnapshotMemory:
			kind = live.FileDelta
		case types.VirtualMachineFileLayoutExFileTypeSwap, types.VirtualMachineFileLayoutExFileTypeUwswap:
			kind = live.FileSwap
		}
		if kind != "" {
			out = append(out, live.OccupantFile{Path: oneLine(f.Name), Kind: kind, Size: f.Size})
		}
	}
	slices.SortFunc(out, func(a, b live.OccupantFile) int { return cmp.Compare(a.Path, b.Path) })
	return out
}
