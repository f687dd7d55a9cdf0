package vsphere

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"nightshift/internal/live"
)

// naaPrefix is what ESXi puts before the NAA of a disk.
const naaPrefix = "naa."

// occupantsAtOnce is of how many VMs all is read at once: a VM with snapshots tells some 50 KB.
const occupantsAtOnce = 50

// Occupants reads the datastores and VMs on LUNs, which are given by their NAAs (32 digits, lower case), with all that it takes
// to have these VMs again elsewhere; nothing is changed. VMs that only use one of the LUNs as a raw device are among them. What
// may not be read is in NotRead. Lists are sorted by name.
func (c *Client) Occupants(ctx context.Context, naas []string) (live.Occupants, error) {
	var out live.Occupants
	err := c.read(ctx, "read what lies on LUNs", func(ctx context.Context) error {
		about := c.About()
		out = live.Occupants{VCenter: c.name, InstanceUUID: about.InstanceUUID, Version: about.Version, Read: time.Now().UTC().Truncate(time.Second)}
		got, err := c.inView(ctx, wants{"VirtualMachine": {"name", "datastore", "config.template"}, "Datastore": {"name", "info", "summary.type"}})
		if err != nil {
			return err
		}
		if got.hidden {
			out.NotRead = append(out.NotRead, live.Gap{What: "some datastores or VMs", Why: "no permission"})
		}
		chosen, err := c.chooseOccupants(ctx, got, naas, &out)
		if err != nil || len(chosen) == 0 {
			return err
		}
		if err := c.occupants(ctx, chosen, &out); err != nil {
			return err
		}
		nameOthers(&out, got)
		return nil
	})
	return out, err
}

// chooseOccupants finds the datastores on the LUNs, and the VMs that use one of these or one of the LUNs as a raw device.
func (c *Client) chooseOccupants(ctx context.Context, got found, naas []string, out *live.Occupants) ([]types.ManagedObjectReference, error) {
	ours, used := map[string]bool{}, map[string]bool{}
	for _, d := range allOf[mo.Datastore](got) {
		s := newOccupiedStore(d)
		for _, disk := range s.Disks {
			name, _, _ := strings.Cut(disk, ":")
			if naa := strings.TrimPrefix(strings.ToLower(name), naaPrefix); slices.Contains(naas, naa) {
				ours[s.Ref], used[naa] = true, true
			}
		}
		if ours[s.Ref] {
			out.Stores = append(out.Stores, s)
		}
	}
	slices.SortFunc(out.Stores, func(a, b live.OccupiedStore) int { return byName(a.Name, a.Ref, b.Name, b.Ref) })
	var chosen, rest []types.ManagedObjectReference
	for _, vm := range allOf[mo.VirtualMachine](got) {
		switch {
		case slices.ContainsFunc(vm.Datastore, func(r types.ManagedObjectReference) bool { return ours[r.Value] }):
			chosen = append(chosen, vm.Self)
		case vm.Config == nil || !vm.Config.Template:
			rest = append(rest, vm.Self)
		}
	}
	bare := slices.DeleteFunc(slices.Clone(naas), func(naa string) bool { return used[naa] })
	if len(bare) == 0 { // no LUN that could be a raw device
		return chosen, nil
	}
	for part := range slices.Chunk(rest, 100) {
		list, err := c.devicesOf(ctx, part)
		if err != nil {
			return nil, err
		}
		for _, vm := range list {
			if vm.Config != nil && slices.ContainsFunc(vm.Config.Hardware.Device, func(d types.BaseVirtualDevice) bool { return rawOn(d, bare) }) {
				chosen = append(chosen, vm.Self)
			}
		}
	}
	return chosen, nil
}

// rawOn tells whether a device is one of the LUNs as a raw device.
func rawOn(d types.BaseVirtualDevice, naas []string) bool {
	disk, ok := d.(*types.VirtualDisk)
	if !ok {
		return false
	}
	raw, ok := disk.Backing.(*types.VirtualDiskRawDiskMappingVer1BackingInfo)
	return ok && slices.ContainsFunc(naas, func(naa string) bool { return strings.Contains(strings.ToLower(raw.LunUuid), naa) })
}

func newOccupiedStore(d *mo.Datastore) live.OccupiedStore {
	s := live.OccupiedStore{Ref: d.Self.Value, Name: shownName(d.Name), Type: d.Summary.Type}
	if info, ok := d.Info.(*types.VmfsDatastoreInfo); ok && info.Vmfs != nil {
		s.Type, s.UUID, s.Version = "VMFS", info.Vmfs.Uuid, info.Vmfs.Version
		for _, e := range info.Vmfs.Extent {
			s.Disks = append(s.Disks, fmt.Sprintf("%s:%d", e.DiskName, e.Partition))
		}
	}
	return s
}

// nameOthers tells of the datastores beside on which the VMs have files, too.
func nameOthers(out *live.Occupants, got found) {
	named := map[string]bool{}
	for _, g := range out.Guests {
		for _, f := range g.Files {
			named[live.StoreOf(f.Path)] = true
		}
		for _, d := range g.Disks {
			named[live.StoreOf(d.Path)] = true
		}
	}
	for _, s := range out.Stores {
		delete(named, s.Name)
	}
	for _, d := range allOf[mo.Datastore](got) {
		if s := newOccupiedStore(d); named[s.Name] {
			out.Others = append(out.Others, s)
		}
	}
	slices.SortFunc(out.Others, func(a, b live.OccupiedStore) int { return byName(a.Name, a.Ref, b.Name, b.Ref) })
}

// occupantProperties are all that it takes to have a VM again.
var occupantProperties = []string{
	"name", "parent", "parentVApp", "resourcePool", "customValue", "permission", "runtime.host", "runtime.powerState", "runtime.connectionState",
	"config.uuid", "config.instanceUuid", "config.template", "config.keyId", "config.files.vmPathName", "config.version", "config.guestId",
	"config.firmware", "config.annotation", devices, "layoutEx",
}

// A structure is what VMs are in.
type structure struct {
	folders  folders
	pools    map[string]*mo.ResourcePool
	hosts    map[string]*mo.HostSystem
	groups   map[string]*mo.DistributedVirtualPortgroup // by key
	clusters map[string]*mo.ClusterComputeResource
	vapps    []*mo.VirtualApp
	fields   map[int32]string // custom attributes
	roles    map[int32]string
	guests   map[string]string // names by Ref
}

// occupants reads the VMs chosen.
func (c *Client) occupants(ctx context.Context, chosen []types.ManagedObjectReference, out *live.Occupants) error {
	s, err := c.structure(ctx, out)
	if err != nil {
		return err
	}
	hidden := false
	for part := range slices.Chunk(chosen, occupantsAtOnce) {
		var specs []types.ObjectSpec
		for _, ref := range part {
			specs = append(specs, object(ref))
		}
		got, err := c.retrieve(ctx, wants{"VirtualMachine": occupantProperties}, specs...)
		if err != nil {
			return err
		}
		hidden = hidden || got.hidden
		for _, vm := range allOf[mo.VirtualMachine](got) {
			out.Guests = append(out.Guests, s.occupant(vm))
		}
	}
	if hidden {
		out.NotRead = append(out.NotRead, live.Gap{What: "some properties of VMs", Why: "no permission"})
	}
	slices.SortFunc(out.Guests, func(a, b live.Occupant) int { return byName(a.Name, a.Ref, b.Name, b.Ref) })
	return c.occupantExtras(ctx, out)
}

// structure reads what VMs are in, and what their numbers mean.
func (c *Client) structure(ctx context.Context, out *live.Occupants) (*structure, error) {
	w := wants{"VirtualMachine": {"name"}, "Folder": {"name", "parent"}, "Datacenter": {"name", "parent"}, "ResourcePool": {"name", "parent"},
		"HostSystem": {"name", "parent", "config.network.portgroup"}}
	if c.vim.IsVC() {
		w["ClusterComputeResource"] = []string{"name", "configurationEx"}
		w["VirtualApp"] = []string{"name", "parent", "parentFolder", "parentVApp", "vAppConfig.entityConfig"}
		w["DistributedVirtualPortgroup"] = []string{"name", "key", "config.defaultPortConfig"}
	}
	got, err := c.inView(ctx, w)
	if err != nil {
		return nil, err
	}
	s := &structure{folders: newFolders(got), pools: map[string]*mo.ResourcePool{}, hosts: map[string]*mo.HostSystem{}, guests: map[string]string{},
		groups: map[string]*mo.DistributedVirtualPortgroup{}, clusters: map[string]*mo.ClusterComputeResource{}, vapps: allOf[mo.VirtualApp](got)}
	for _, p := range allOf[mo.ResourcePool](got) {
		s.pools[p.Self.Value] = p
	}
	for _, a := range s.vapps { // each is a pool, too
		s.pools[a.Self.Value] = &a.ResourcePool
	}
	for _, h := range allOf[mo.HostSystem](got) {
		s.hosts[h.Self.Value] = h
	}
	for _, cl := range allOf[mo.ClusterComputeResource](got) {
		s.clusters[cl.Self.Value] = cl
	}
	for _, g := range allOf[mo.DistributedVirtualPortgroup](got) {
		s.groups[g.Key] = g
	}
	for _, vm := range allOf[mo.VirtualMachine](got) {
		s.guests[vm.Self.Value] = shownName(vm.Name)
	}
	return s, c.numbers(ctx, s, out)
}

// numbers reads the names of custom attributes and roles.
func (c *Client) numbers(ctx context.Context, s *structure, out *live.Occupants) error {
	s.fields, s.roles = map[int32]string{}, map[int32]string{}
	w, specs := wants{}, []types.ObjectSpec(nil)
	if m := c.vim.ServiceContent.CustomFieldsManager; m != nil && c.vim.IsVC() {
		w["CustomFieldsManager"], specs = []string{"field"}, append(specs, object(*m))
	}
	if m := c.vim.ServiceContent.AuthorizationManager; m != nil {
		w["AuthorizationManager"], specs = []string{"roleList"}, append(specs, object(*m))
	}
	if len(specs) == 0 {
		return nil
	}
	got, err := c.retrieve(ctx, w, specs...)
	if err != nil {
		return err
	}
	if got.hidden {
		out.NotRead = append(out.NotRead, live.Gap{What: "names of custom attributes or roles", Why: "no permission"})
	}
	for _, m := range allOf[mo.CustomFieldsManager](got) {
		for _, f := range m.Field {
			s.fields[f.Key] = oneLine(f.Name)
		}
	}
	for _, m := range allOf[mo.AuthorizationManager](got) {
		for _, r := range m.RoleList {
			s.roles[r.RoleId] = oneLine(cmp.Or(r.Name, fmt.Sprint(r.RoleId)))
		}
	}
	return nil
}
