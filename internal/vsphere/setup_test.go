package vsphere

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"nightshift/internal/fault"
	"nightshift/internal/live"
)

// A bare simulator tells little: what is not there is unknown, and no error.
func TestSetupOfABareSimulator(t *testing.T) {
	m := simulator.VPX()
	m.App = 1
	s := startSim(t, m)
	c := s.connect(t)
	got, err := c.Setup(t.Context())
	require.NoError(t, err)
	require.Empty(t, got.Warnings)
	require.Equal(t, []string{"DC0"}, got.Datacenters)
	require.Len(t, got.Hosts, 4)
	for _, h := range got.Hosts {
		require.Empty(t, h.BMC)
		require.Empty(t, h.AutoStart)
	}
	require.NotEmpty(t, got.Guests)
	for _, g := range got.Guests {
		require.NotEmpty(t, g.Disks, g.Ref)
	}
	require.Len(t, got.Clusters, 1)
	require.Empty(t, got.Clusters[0].Rules)
	require.Len(t, got.VApps, 1)
	require.Equal(t, "DC0_C0_APP0", got.VApps[0].Name)
	for _, d := range got.Datastores {
		require.Empty(t, d.Via)
	}
}

func TestSetupReadsWhatAFileIsGuessedFrom(t *testing.T) {
	s := startSim(t, oneVM())
	c := s.connect(t)
	vm, host, cluster, store := s.any("VirtualMachine"), s.any("HostSystem"), s.any("ClusterComputeResource"), s.any("Datastore")
	yes := types.NewBool(true)
	s.change(host,
		"config.ipmi", &types.HostIpmiInfo{BmcIpAddress: "192.0.2.121", Login: "root", Password: "never-told"},
		"config.network.dnsConfig", &types.HostDnsConfig{Address: []string{"192.0.2.53", " "}},
		"config.dateTimeInfo", &types.HostDateTimeInfo{NtpConfig: &types.HostNtpConfig{Server: []string{"ntp.example"}}},
		"config.autoStart", &types.HostAutoStartManagerConfig{Defaults: &types.AutoStartDefaults{Enabled: yes}, PowerInfo: []types.AutoStartPowerInfo{
			{Key: vmRef("vm-9"), StartOrder: 2, StartAction: "PowerOn"}, {Key: vm, StartOrder: 1, StartAction: "powerOn"},
			{Key: vmRef("vm-8"), StartOrder: -1, StartAction: "powerOn"}, {Key: vmRef("vm-7"), StartOrder: 3, StartAction: "none"}}})
	s.change(vm, "guest.hostName", "web01", "guest.net", []types.GuestNicInfo{{IpAddress: []string{"192.0.2.9", "fe80::1"}}},
		"summary.config.product", &types.VAppProductInfo{Name: "VMware vCenter Server Appliance"})
	config := s.model.Map().Get(cluster).(*simulator.ClusterComputeResource).ConfigurationEx.(*types.ClusterConfigInfoEx)
	set := *config
	set.DasConfig.DefaultVmSettings = &types.ClusterDasVmSettings{RestartPriority: "low"}
	set.DasVmConfig = []types.ClusterDasVmConfigInfo{
		{Key: vm, RestartPriority: "medium", DasSettings: &types.ClusterDasVmSettings{RestartPriority: "highest"}},
		{Key: vmRef("vm-9"), RestartPriority: "clusterRestartPriority"}}
	set.Group = []types.BaseClusterGroupInfo{
		&types.ClusterVmGroup{ClusterGroupInfo: types.ClusterGroupInfo{Name: "web"}, Vm: []types.ManagedObjectReference{vm}},
		&types.ClusterVmGroup{ClusterGroupInfo: types.ClusterGroupInfo{Name: "db"}, Vm: []types.ManagedObjectReference{vmRef("vm-9")}}}
	rule := types.ClusterRuleInfo{Name: "r", Enabled: yes}
	set.Rule = []types.BaseClusterRuleInfo{
		&types.ClusterDependencyRuleInfo{ClusterRuleInfo: rule, VmGroup: "web", DependsOnVmGroup: "db"},
		&types.ClusterAntiAffinityRuleSpec{ClusterRuleInfo: rule, Vm: []types.ManagedObjectReference{vm}},
		&types.ClusterAffinityRuleSpec{ClusterRuleInfo: types.ClusterRuleInfo{Name: "off", Enabled: types.NewBool(false)}}}
	s.change(cluster, "configurationEx", &set)
	s.change(store, "info", &types.NasDatastoreInfo{Nas: &types.HostNasVolume{RemoteHost: "192.0.2.5", RemoteHostNames: []string{"192.0.2.5", "192.0.2.6"}}})

	got, err := c.Setup(t.Context())
	require.NoError(t, err)
	h := find(t, got.Hosts, func(h live.HostSetup) bool { return h.Ref == host.Value })
	require.Equal(t, "192.0.2.121", h.BMC)
	require.Equal(t, "root", h.BMCUser)
	require.Equal(t, []string{"192.0.2.53"}, h.DNS)
	require.Equal(t, []string{"ntp.example"}, h.NTP)
	require.Equal(t, []live.StartOrder{{Place: 1, Guests: []string{vm.Value}}, {Place: 2, Guests: []string{"vm-9"}}}, h.AutoStart)
	require.NotContains(t, text(got), "never-told")

	g := got.Guests[0]
	require.Equal(t, "web01", g.HostName)
	require.Equal(t, []string{"192.0.2.9", "fe80::1"}, g.Addresses)
	require.Equal(t, "VMware vCenter Server Appliance", g.Product)
	require.NotEmpty(t, g.MACs)

	cl := got.Clusters[0]
	require.Equal(t, map[string]string{vm.Value: "highest"}, cl.RestartPriority)
	require.Equal(t, "low", cl.DefaultPriority)
	require.Equal(t, []live.Rule{{Name: "r", Kind: live.RuleAfter, Guests: []string{vm.Value}, Before: []string{"vm-9"}, Group: "web", BeforeGroup: "db"},
		{Name: "r", Kind: live.RuleApart, Guests: []string{vm.Value}}}, cl.Rules)
	require.Equal(t, live.DatastoreSetup{Ref: store.Value, Via: "NFS", From: []string{"192.0.2.5", "192.0.2.6"}, Sure: true}, got.Datastores[0])
}

// A VMFS datastore is followed from its device to the iSCSI target that shows it.
func TestSetupFollowsDatastoresToTargets(t *testing.T) {
	s := startSim(t, oneVM())
	c := s.connect(t)
	store := s.any("Datastore")
	s.change(store, "info", &types.VmfsDatastoreInfo{Vmfs: &types.HostVmfsVolume{Extent: []types.HostScsiDiskPartition{{DiskName: "naa.600"}}}})
	hba := &types.HostInternetScsiHba{HostHostBusAdapter: types.HostHostBusAdapter{Device: "vmhba64"},
		ConfiguredSendTarget: []types.HostInternetScsiHbaSendTarget{{Address: "192.0.2.7"}}}
	topology := &types.HostScsiTopology{Adapter: []types.HostScsiTopologyInterface{{Target: []types.HostScsiTopologyTarget{{
		Transport: &types.HostInternetScsiTargetTransport{Address: []string{"192.0.2.5:3260", "192.0.2.5"}}, Lun: []types.HostScsiTopologyLun{{ScsiLun: "key-1"}}}}}}}
	devices := []types.BaseScsiLun{&types.HostScsiDisk{ScsiLun: types.ScsiLun{Key: "key-1", CanonicalName: "naa.600"}}}
	for _, ref := range s.model.Map().AllReference("HostSystem") {
		s.change(ref.Reference(), "config.storageDevice", &types.HostStorageDeviceInfo{HostBusAdapter: []types.BaseHostHostBusAdapter{hba}, ScsiTopology: topology, ScsiLun: devices})
	}
	got, err := c.Setup(t.Context())
	require.NoError(t, err)
	require.Equal(t, live.DatastoreSetup{Ref: store.Value, Via: "iSCSI", From: []string{"192.0.2.5"}, Sure: true, Disks: []string{"naa.600"}}, got.Datastores[0])

	for _, ref := range s.model.Map().AllReference("HostSystem") { // its paths are down
		s.change(ref.Reference(), "config.storageDevice", &types.HostStorageDeviceInfo{HostBusAdapter: []types.BaseHostHostBusAdapter{hba}, ScsiLun: devices})
	}
	got, err = c.Setup(t.Context())
	require.NoError(t, err)
	require.Equal(t, live.DatastoreSetup{Ref: store.Value, Via: "iSCSI", From: []string{"192.0.2.7"}, Disks: []string{"naa.600"}}, got.Datastores[0])
}

func TestSharedDisksHaveOneName(t *testing.T) {
	disk := func(b types.BaseVirtualDeviceBackingInfo) types.BaseVirtualDevice {
		return &types.VirtualDisk{VirtualDevice: types.VirtualDevice{Backing: b}}
	}
	raw := func(file, lun string) types.BaseVirtualDevice {
		return disk(&types.VirtualDiskRawDiskMappingVer1BackingInfo{VirtualDeviceFileBackingInfo: types.VirtualDeviceFileBackingInfo{FileName: file}, LunUuid: lun})
	}
	var a, b live.GuestSetup
	addDevices(&a, []types.BaseVirtualDevice{raw("[ds] a/rdm.vmdk", "0200"), &types.ParaVirtualSCSIController{VirtualSCSIController: types.VirtualSCSIController{SharedBus: types.VirtualSCSISharingPhysicalSharing}}})
	addDevices(&b, []types.BaseVirtualDevice{raw("[ds] b/rdm.vmdk", "0200"), &types.VirtualVmxnet3{VirtualVmxnet: types.VirtualVmxnet{VirtualEthernetCard: types.VirtualEthernetCard{MacAddress: "00:50:56:AA:BB:CC"}}}})
	require.Equal(t, a.Disks, b.Disks, "the mapping files differ, the LUN does not")
	require.True(t, a.SharedBus)
	require.Equal(t, []string{"00:50:56:aa:bb:cc"}, b.MACs)
}

func TestVAppsInsideVApps(t *testing.T) {
	app := func(ref string, vms, apps []string, order ...types.VAppEntityConfigInfo) *mo.VirtualApp {
		v := &mo.VirtualApp{}
		v.Self = types.ManagedObjectReference{Type: "VirtualApp", Value: ref}
		v.Name = ref
		for _, x := range vms {
			v.Vm = append(v.Vm, vmRef(x))
		}
		for _, x := range apps {
			v.ResourcePool.ResourcePool = append(v.ResourcePool.ResourcePool, types.ManagedObjectReference{Type: "VirtualApp", Value: x})
		}
		v.VAppConfig = &types.VAppConfigInfo{EntityConfig: order}
		return v
	}
	key := func(kind, ref string, place int32) types.VAppEntityConfigInfo {
		return types.VAppEntityConfigInfo{Key: &types.ManagedObjectReference{Type: kind, Value: ref}, StartOrder: place, StartAction: "powerOn"}
	}
	none := key("VirtualMachine", "vm-5", 1)
	none.StartAction = "none"
	got := newVApps([]*mo.VirtualApp{
		app("outer", nil, []string{"inner"}, key("VirtualApp", "inner", 2), key("VirtualMachine", "vm-1", 1), key("VirtualMachine", "vm-4", 1), none),
		app("inner", []string{"vm-2", "vm-3"}, []string{"outer"})}) // and round it goes
	require.Equal(t, []live.StartOrder{{Place: 1, Guests: []string{"vm-1", "vm-4"}}, got[0].Order[1]}, got[0].Order)
	require.Subset(t, got[0].Order[1].Guests, []string{"vm-2", "vm-3"})
}

func text(v any) string { return fmt.Sprintf("%+v", v) }

// An import reads twice: the session may end in between, and what the account may not see ends it with the privilege that is missing.
func TestSetupWithoutASessionAndWithoutRights(t *testing.T) {
	s := startSim(t, oneVM())
	c := s.connect(t)
	_, err := c.Inspect(t.Context())
	require.NoError(t, err)
	s.endSession(t, c)
	got, err := c.Setup(t.Context())
	require.NoError(t, err)
	require.Len(t, got.Guests, 1)
	require.Equal(t, 2, s.count("Login"))
	s.refuse("CreateContainerView", &types.NoPermission{PrivilegeId: "System.View"})
	_, err = c.Setup(t.Context())
	require.ErrorIs(t, err, fault.Permission)
	require.ErrorContains(t, err, "System.View")
}
