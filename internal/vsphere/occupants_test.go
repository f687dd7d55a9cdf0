package vsphere

import (
	"testing"

	"github.com/stretchr/testify/require"
	vim "github.com/vmware/govmomi/object"
	_ "github.com/vmware/govmomi/pbm/simulator" // the policy service
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"nightshift/internal/live"
)

const mailNAA = "600144f07ed404000000496ff8cd0003"

// onVMFS puts the datastore of a simulator on a LUN.
func onVMFS(s *sim, store types.ManagedObjectReference, disks ...string) {
	v := &types.HostVmfsVolume{Uuid: "49716cd8-ebcbbf9a-6792-000d60d46e2e", Version: "6.82"}
	for _, d := range disks {
		v.Extent = append(v.Extent, types.HostScsiDiskPartition{DiskName: d, Partition: 1})
	}
	s.change(store, "info", &types.VmfsDatastoreInfo{Vmfs: v})
}

func TestOccupantsHaveAllThatItTakesToHaveThemAgain(t *testing.T) {
	m := oneVM()
	m.Portgroup = 1
	s := startSim(t, m)
	c := s.connect(t)
	store, vm, cluster := s.any("Datastore"), s.any("VirtualMachine"), s.any("ClusterComputeResource")
	onVMFS(s, store, "naa."+mailNAA, "naa.6001405000000000000000000000beef")
	host := s.model.Map().Get(vm).(*simulator.VirtualMachine).Runtime.Host
	s.change(*host, "config.network.portgroup", []types.HostPortGroup{{Spec: types.HostPortGroupSpec{Name: "VM Network", VlanId: 12}}})
	s.change(*s.model.ServiceContent.CustomFieldsManager, "field", []types.CustomFieldDef{{Key: 9, Name: "Owner"}, {Key: 10, Name: "Empty"}})
	device := s.model.Map().Get(vm).(*simulator.VirtualMachine).Config.Hardware.Device
	device = append(device,
		&types.VirtualVmxnet3{VirtualVmxnet: types.VirtualVmxnet{VirtualEthernetCard: types.VirtualEthernetCard{MacAddress: "00:50:56:AA:BB:CC",
			VirtualDevice: types.VirtualDevice{Backing: &types.VirtualEthernetCardNetworkBackingInfo{VirtualDeviceDeviceBackingInfo: types.VirtualDeviceDeviceBackingInfo{DeviceName: "VM Network"}}}}}},
		&types.VirtualDisk{CapacityInKB: 1 << 20, VirtualDevice: types.VirtualDevice{Key: 2001, DeviceInfo: &types.Description{Label: "Hard disk 2"}, Backing: &types.VirtualDiskRawDiskMappingVer1BackingInfo{
			VirtualDeviceFileBackingInfo: types.VirtualDeviceFileBackingInfo{FileName: "[LocalDS_0] x/raw.vmdk"}, LunUuid: "02000A0000" + mailNAA + "434f4d535441", DiskMode: "independent_persistent", Sharing: "sharingMultiWriter"}}})
	s.change(vm, "config.hardware.device", device, "config.annotation", "mail\nserver", "config.version", "vmx-19", "config.guestId", "debian12_64Guest", "config.firmware", "efi",
		"config.uuid", "422C0B1A-0000-4000-8000-00000000000B", "config.instanceUuid", "502C0B1A-0000-4000-8000-00000000000A", "config.keyId", &types.CryptoKeyId{KeyId: "k1", ProviderId: &types.KeyProviderId{Id: "kms1"}},
		"customValue", []types.BaseCustomFieldValue{&types.CustomFieldStringValue{CustomFieldValue: types.CustomFieldValue{Key: 9}, Value: "ops"}, &types.CustomFieldStringValue{CustomFieldValue: types.CustomFieldValue{Key: 10}}},
		"permission", []types.Permission{{Principal: `LAB\mail`, Group: true, RoleId: -1, Propagate: true}},
		"layoutEx", &types.VirtualMachineFileLayoutEx{File: []types.VirtualMachineFileLayoutExFileInfo{
			{Key: 1, Name: "[LocalDS_0] x/x.vmdk", Type: "diskDescriptor"}, {Key: 2, Name: "[LocalDS_0] x/x-000001.vmdk", Type: "diskDescriptor"}, {Key: 3, Name: "[swap] x/x.vswp", Type: "swap", Size: 7}, {Key: 4, Name: "[LocalDS_0] x/vmware.log", Type: "log"}},
			Disk: []types.VirtualMachineFileLayoutExDiskLayout{{Chain: []types.VirtualMachineFileLayoutExDiskUnit{{FileKey: []int32{1}}, {FileKey: []int32{2}}}}}})
	set := *s.model.Map().Get(cluster).(*simulator.ClusterComputeResource).ConfigurationEx.(*types.ClusterConfigInfoEx)
	set.DasVmConfig = []types.ClusterDasVmConfigInfo{{Key: vmRef("vm-99"), DasSettings: &types.ClusterDasVmSettings{IsolationResponse: "none"}},
		{Key: vm, RestartPriority: "high", DasSettings: allOfHA()}}
	set.VmOrchestration = []types.ClusterVmOrchestrationInfo{{Vm: vm, VmReadiness: types.ClusterVmReadiness{ReadyCondition: "guestHbStatusGreen", PostReadyDelay: 30}}}
	set.DrsVmConfig = []types.ClusterDrsVmConfigInfo{{Key: vm, Enabled: types.NewBool(false), Behavior: "manual"}}
	set.Rule = []types.BaseClusterRuleInfo{&types.ClusterAntiAffinityRuleSpec{ClusterRuleInfo: types.ClusterRuleInfo{Name: "mail", Enabled: types.NewBool(true)}, Vm: []types.ManagedObjectReference{vm, vmRef("vm-99")}}}
	s.change(cluster, "configurationEx", &set)
	s.tag(t, vm, "StartUp")

	got, err := c.Occupants(t.Context(), []string{mailNAA})
	require.NoError(t, err)
	require.NotEmpty(t, got.InstanceUUID)
	require.Empty(t, got.NotRead)
	require.Len(t, got.Stores, 1)
	require.Equal(t, []string{"naa." + mailNAA + ":1", "naa.6001405000000000000000000000beef:1"}, got.Stores[0].Disks)
	require.Len(t, got.Guests, 1)
	g := got.Guests[0]
	require.Equal(t, "DC0_C0_RP0_VM0", g.Name)
	require.Equal(t, "502c0b1a-0000-4000-8000-00000000000a", g.UUID)
	require.Equal(t, "422c0b1a-0000-4000-8000-00000000000b", g.BIOSUUID)
	require.Equal(t, "/DC0/vm", g.Folder)
	require.Equal(t, s.model.Map().Get(*host).(*simulator.HostSystem).Name, g.Host)
	require.Equal(t, []string{"vmx-19", "debian12_64Guest", "efi"}, []string{g.Hardware, g.System, g.Firmware})
	require.False(t, g.Template)
	require.Equal(t, "DC0_C0", g.Cluster)
	require.Equal(t, live.PoweredOn, g.Power)
	require.Contains(t, g.Path, ".vmx")
	require.Equal(t, "mail\nserver", g.Notes)
	require.Equal(t, "high", g.Restart)
	require.Equal(t, "disabled", g.DRS)
	require.Equal(t, "manual", g.DRSLevel)
	require.Equal(t, &live.OccupantHA{RestartTimeout: 300, Ready: "guestHbStatusGreen", ReadyDelay: 30, Isolation: "shutdown",
		Monitoring: &live.OccupantMonitoring{Kind: "vmAndAppMonitoring", Enabled: types.NewBool(true), ClusterSettings: types.NewBool(false), FailureInterval: 31, MinUpTime: 121,
			MaxFailures: 4, MaxWindow: -1},
		StorageLoss: &live.OccupantStorageLoss{APD: "restartConservative", APDDelay: 181, APDCleared: "reset", PDL: "restartAggressive"}}, g.HA)
	require.Equal(t, []string{"apart: DC0_C0_RP0_VM0, vm-99 (rule mail)"}, g.Rules)
	require.True(t, g.Encrypted)
	require.Equal(t, "kms1", g.KeyProvider)
	require.Equal(t, "k1", g.KeyID)
	require.Equal(t, []string{"StartUp"}, g.Tags)
	require.Equal(t, map[string]string{"Owner": "ops"}, g.Attributes)
	require.Equal(t, []live.OccupantRight{{Principal: `LAB\mail`, Group: true, Role: "Admin", Propagate: true}}, g.Rights)
	require.Contains(t, g.NICs, live.OccupantNIC{MAC: "00:50:56:aa:bb:cc", Network: "VM Network", VLAN: "12", Type: "Vmxnet3"})
	require.Equal(t, "DC0_DVPG0", g.NICs[0].Network)
	raw := g.Disks[len(g.Disks)-1]
	require.Equal(t, live.OccupantDisk{Key: 2001, Label: "Hard disk 2", Path: "[LocalDS_0] x/raw.vmdk", LUN: "02000a0000" + mailNAA + "434f4d535441", Size: 1 << 30, Independent: true,
		MultiWriter: true}, raw)
	require.Equal(t, []live.OccupantFile{{Path: "[LocalDS_0] x/x-000001.vmdk", Kind: live.FileDelta}, {Path: "[LocalDS_0] x/x.vmdk", Kind: live.FileDisk}, {Path: "[swap] x/x.vswp", Kind: live.FileSwap, Size: 7}}, g.Files)
}

// A LUN on which no datastore lies may be a raw device of a VM elsewhere.
func TestOccupantsOfARawDevice(t *testing.T) {
	s := startSim(t, oneVM())
	c := s.connect(t)
	vm := s.any("VirtualMachine")
	got, err := c.Occupants(t.Context(), []string{mailNAA})
	require.NoError(t, err)
	require.Empty(t, got.Guests)
	require.Empty(t, got.Stores)
	device := s.model.Map().Get(vm).(*simulator.VirtualMachine).Config.Hardware.Device
	s.change(vm, "config.hardware.device", append(device, &types.VirtualDisk{VirtualDevice: types.VirtualDevice{Backing: &types.VirtualDiskRawDiskMappingVer1BackingInfo{LunUuid: "0200030000" + mailNAA + "4c494f2d4f52"}}}))
	got, err = c.Occupants(t.Context(), []string{mailNAA})
	require.NoError(t, err)
	require.Len(t, got.Guests, 1)
	require.Equal(t, []string{"LocalDS_0"}, []string{got.Others[0].Name})
}

// A vApp is a pool, too: the way to a pool leads through it, and a vApp in a vApp is told with the one that it is in.
func TestOccupantsInPoolsAndVApps(t *testing.T) {
	m := oneVM()
	m.Pool, m.App, m.Machine = 1, 1, 2
	s := startSim(t, m)
	c := s.connect(t)
	onVMFS(s, s.any("Datastore"), "naa."+mailNAA)
	named := func(kind, name string) types.ManagedObjectReference {
		t.Helper()
		for _, e := range s.model.Map().All(kind) {
			if e.Entity().Name == name {
				return e.Reference()
			}
		}
		require.Fail(t, "there is no "+kind+" "+name)
		return types.ManagedObjectReference{}
	}
	pool, app := named("ResourcePool", "DC0_C0_RP1"), named("VirtualApp", "DC0_C0_APP0")
	inPool, spec := vim.NewResourcePool(c.vim, pool), types.DefaultResourceConfigSpec()
	nested, err := inPool.Create(t.Context(), "Mail", spec)
	require.NoError(t, err)
	pooled, err := inPool.CreateVApp(t.Context(), "Back", spec, simulator.NewVAppConfigSpec(), nil)
	require.NoError(t, err)
	inner, err := vim.NewResourcePool(c.vim, app).CreateVApp(t.Context(), "Inner", spec, simulator.NewVAppConfigSpec(), nil)
	require.NoError(t, err)
	s.change(app, "resourcePool", []types.ManagedObjectReference{inner.Reference()}) // the simulator forgets it
	s.change(inner.Reference(), "parentFolder", nil, "parentVApp", app)              // as vCenter has a vApp in a vApp

	started := func(app, vm types.ManagedObjectReference, place int32) { // vm is in the app, as its entry of that place
		s.change(vm, "parentVApp", app, "resourcePool", app, "parent", nil)
		s.change(app, "vAppConfig", types.VAppConfigInfo{EntityConfig: []types.VAppEntityConfigInfo{{Key: &vm, StartOrder: place}}})
	}
	s.change(named("VirtualMachine", "DC0_C0_RP1_VM0"), "resourcePool", nested.Reference())
	started(pooled.Reference(), named("VirtualMachine", "DC0_C0_RP1_VM1"), 1)
	started(app, named("VirtualMachine", "DC0_C0_APP0_VM0"), 3)
	started(inner.Reference(), named("VirtualMachine", "DC0_C0_APP0_VM1"), 2)

	got, err := c.Occupants(t.Context(), []string{mailNAA})
	require.NoError(t, err)
	require.Empty(t, got.NotRead)
	var places []live.Occupant
	for _, g := range got.Guests {
		places = append(places, live.Occupant{Name: g.Name, Folder: g.Folder, Pool: g.Pool, VApp: g.VApp, VAppStart: g.VAppStart, Cluster: g.Cluster})
	}
	require.Equal(t, []live.Occupant{
		{Name: "DC0_C0_APP0_VM0", Folder: "/DC0/vm/DC0_C0_APP0", Pool: "DC0_C0_APP0", VApp: "DC0_C0_APP0", VAppStart: 3, Cluster: "DC0_C0"},
		{Name: "DC0_C0_APP0_VM1", Folder: "/DC0/vm/DC0_C0_APP0/Inner", Pool: "DC0_C0_APP0/Inner", VApp: "DC0_C0_APP0/Inner", VAppStart: 2, Cluster: "DC0_C0"},
		{Name: "DC0_C0_RP1_VM0", Folder: "/DC0/vm", Pool: "DC0_C0_RP1/Mail", Cluster: "DC0_C0"},
		{Name: "DC0_C0_RP1_VM1", Folder: "/DC0/vm/Back", Pool: "DC0_C0_RP1/Back", VApp: "Back", VAppStart: 1, Cluster: "DC0_C0"},
	}, places)
}

func TestVLANs(t *testing.T) {
	require.Equal(t, "7", vlanOf(&types.VmwareDistributedVirtualSwitchVlanIdSpec{VlanId: 7}))
	require.Equal(t, "1-9,20-4094", vlanOf(&types.VmwareDistributedVirtualSwitchTrunkVlanSpec{VlanId: []types.NumericRange{{Start: 1, End: 9}, {Start: 20, End: 4094}}}))
	require.Equal(t, "private 5", vlanOf(&types.VmwareDistributedVirtualSwitchPvlanSpec{PvlanId: 5}))
	require.Empty(t, vlanOf(nil))
}

func TestPoolPaths(t *testing.T) {
	pool := func(ref, name, kind, parent string) *mo.ResourcePool {
		p := &mo.ResourcePool{}
		p.Self, p.Name = types.ManagedObjectReference{Type: "ResourcePool", Value: ref}, name
		p.Parent = &types.ManagedObjectReference{Type: kind, Value: parent}
		return p
	}
	s := &structure{pools: map[string]*mo.ResourcePool{"root": pool("root", "Resources", "ClusterComputeResource", "c"), "a": pool("a", "Prod", "ResourcePool", "root"),
		"b": pool("b", "Mail", "ResourcePool", "a"), "x": pool("x", "Round", "ResourcePool", "x")}}
	ref := func(v string) *types.ManagedObjectReference {
		return &types.ManagedObjectReference{Type: "ResourcePool", Value: v}
	}
	require.Equal(t, "Prod/Mail", s.poolPath(ref("b")))
	require.Empty(t, s.poolPath(ref("root")))
	require.NotEmpty(t, s.poolPath(ref("x")), "it ends")
	require.Empty(t, s.poolPath(nil))
}
