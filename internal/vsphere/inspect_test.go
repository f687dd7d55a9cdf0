package vsphere

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vapi/rest"
	"github.com/vmware/govmomi/vapi/tags"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"nightshift/internal/fault"
	"nightshift/internal/live"
)

func TestInspectReadsEverything(t *testing.T) {
	s := startSim(t, oneVM())
	c := s.connect(t)
	vm, host, cluster := s.any("VirtualMachine"), s.any("HostSystem"), s.any("ClusterComputeResource")
	s.change(vm,
		"config.instanceUuid", "AAAA0000-0000-4000-8000-000000000001",
		"config.keyId", &types.CryptoKeyId{KeyId: "k", ProviderId: &types.KeyProviderId{Id: "kms1"}},
		"runtime.faultToleranceState", types.VirtualMachineFaultToleranceStateRunning,
		"runtime.consolidationNeeded", true,
		"runtime.question", &types.VirtualMachineQuestionInfo{Id: "7", Text: "moved or copied?", Choice: types.ChoiceOption{
			ChoiceInfo: []types.BaseElementDescription{&types.ElementDescription{Key: "1", Description: types.Description{Label: "I moved it"}}}}},
		"guest.toolsRunningStatus", "guestToolsRunning", "guest.ipAddress", "10.0.0.7", "guestHeartbeatStatus", types.ManagedEntityStatusGreen)
	s.change(host, "config.lockdownMode", types.HostLockdownModeLockdownNormal, "runtime.inMaintenanceMode", true)
	require.NoError(t, c.SetVCLS(t.Context(), cluster.Value, "false"))
	require.NoError(t, c.SetMark(t.Context(), "nightshift-1"))
	s.tag(t, vm, "StartUp", "KeepOn")

	v, err := c.Inspect(t.Context())
	require.NoError(t, err)
	require.Empty(t, v.Warnings)
	require.Equal(t, "nightshift-1", v.Mark)
	require.Empty(t, v.Tasks)

	require.Len(t, v.Clusters, 1)
	off := "false"
	require.Equal(t, live.Cluster{Ref: cluster.Value, Name: "DC0_C0", DRS: true, DRSLevel: "fullyAutomated", VCLS: &off}, v.Clusters[0])

	require.Len(t, v.Hosts, 2)
	h := find(t, v.Hosts, func(h live.Host) bool { return h.Ref == host.Value })
	require.Equal(t, cluster.Value, h.Cluster)
	require.Equal(t, live.Connected, h.Connection)
	require.True(t, h.Maintenance)
	require.Equal(t, "lockdownNormal", h.Lockdown)
	require.Regexp(t, `^[0-9a-f-]{36}$`, h.UUID)
	require.NotEmpty(t, h.Version)
	require.NotEmpty(t, h.Datastores)
	require.False(t, h.ReadOnly)

	require.Len(t, v.Guests, 1)
	g := v.Guests[0]
	require.Equal(t, "aaaa0000-0000-4000-8000-000000000001", g.UUID)
	require.Equal(t, "/DC0/vm", g.Folder)
	require.Equal(t, cluster.Value, g.Cluster)
	require.Equal(t, live.PoweredOn, g.Power)
	require.True(t, g.Tools && g.ToolsInstalled && g.FT && g.Encrypted && g.Consolidation)
	require.Equal(t, "kms1", g.KeyProvider)
	require.Equal(t, "green", g.Heartbeat)
	require.Equal(t, "10.0.0.7", g.IP)
	require.Equal(t, &live.Question{ID: "7", Text: "moved or copied?", Choices: []string{"1 I moved it"}}, g.Question)
	require.Equal(t, []string{"KeepOn", "StartUp"}, g.Tags)
	require.Len(t, v.Datastores, 1)
	require.True(t, v.Datastores[0].Accessible)
	require.Len(t, v.Datastores[0].Hosts, 2)
}

func TestInspectSeesTasksUnderWay(t *testing.T) {
	s := startSim(t, oneVM())
	c := s.connect(t)
	vm := s.any("VirtualMachine")
	release := make(chan struct{})
	ctx := *s.model.Service.Context
	// Named after an entity of its own: a task holds the lock of its entity.
	entity := types.ManagedObjectReference{Type: "VirtualMachine", Value: vm.Value + "-copy"}
	task := simulator.CreateTask(entity, "migrate", func(*simulator.Task) (types.AnyType, types.BaseMethodFault) { <-release; return nil, nil })
	ref := task.Run(&ctx)
	v, err := c.Inspect(t.Context())
	close(release)
	require.NoError(t, err)
	require.Empty(t, v.Warnings)
	require.Len(t, v.Tasks, 1)
	require.Equal(t, ref.Value, v.Tasks[0].Ref)
	require.Equal(t, "VirtualMachine.migrate", v.Tasks[0].Name)
	require.Equal(t, entity.Value, v.Tasks[0].Entity)
	require.WithinDuration(t, time.Now(), v.Tasks[0].Since, time.Minute)
}

func TestGuestThatCannotBeSeenIsNotOff(t *testing.T) {
	s := startSim(t, oneVM())
	c := s.connect(t)
	vm := s.any("VirtualMachine")
	for _, state := range []types.VirtualMachineConnectionState{"disconnected", "inaccessible", "invalid", "orphaned"} {
		s.change(vm, "runtime.powerState", types.VirtualMachinePowerStatePoweredOff, "runtime.connectionState", state)
		g, err := c.Guest(t.Context(), vm.Value)
		require.NoError(t, err)
		require.Equal(t, unknown, g.Power, state)
		require.Equal(t, string(state), g.Connection)
	}
}

func TestPowerThatIsNotToldIsUnknown(t *testing.T) {
	require.Equal(t, unknown, newGuest(&mo.VirtualMachine{Runtime: types.VirtualMachineRuntimeInfo{ConnectionState: types.VirtualMachineConnectionStateConnected}}).Power)
}

func TestToolsAreKnownWhileAGuestIsOff(t *testing.T) {
	s := startSim(t, oneVM())
	c := s.connect(t)
	vm := s.any("VirtualMachine")
	for _, x := range []struct {
		running, status string
		version         int32
		run, installed  bool
	}{
		{"guestToolsRunning", "", 0, true, true},
		{"guestToolsNotRunning", "guestToolsCurrent", 0, false, true},
		{"guestToolsNotRunning", "guestToolsUnmanaged", 0, false, true},
		{"guestToolsNotRunning", "guestToolsNotInstalled", 0, false, false},
		{"guestToolsNotRunning", "", 12389, false, true},
		{"guestToolsNotRunning", "", 0, false, false},
	} {
		s.change(vm, "guest.toolsRunningStatus", x.running, "guest.toolsVersionStatus2", x.status,
			"config.tools", &types.ToolsConfigInfo{ToolsVersion: x.version})
		g, err := c.Guest(t.Context(), vm.Value)
		require.NoError(t, err)
		require.Equal(t, x.run, g.Tools, x)
		require.Equal(t, x.installed, g.ToolsInstalled, x)
	}
}

func TestWhyAGuestCannotBeSuspended(t *testing.T) {
	flat := func(sharing types.VirtualDiskSharing) types.BaseVirtualDevice {
		return &types.VirtualDisk{VirtualDevice: types.VirtualDevice{Backing: &types.VirtualDiskFlatVer2BackingInfo{Sharing: string(sharing)}}}
	}
	for want, list := range map[string][]types.BaseVirtualDevice{
		"":                   {flat(types.VirtualDiskSharingSharingNone), flat(""), &types.VirtualE1000{}, &types.ParaVirtualSCSIController{}},
		"multi-writer disk":  {flat(""), flat(types.VirtualDiskSharingSharingMultiWriter)},
		"passthrough device": {&types.VirtualPCIPassthrough{}},
		"vGPU":               {&types.VirtualPCIPassthrough{VirtualDevice: types.VirtualDevice{Backing: &types.VirtualPCIPassthroughVmiopBackingInfo{}}}},
		"shared SCSI bus": {&types.ParaVirtualSCSIController{VirtualSCSIController: types.VirtualSCSIController{
			SharedBus: types.VirtualSCSISharingPhysicalSharing}}},
	} {
		require.Equal(t, want, noSuspend(list))
	}
	require.Equal(t, "multi-writer disk", noSuspend([]types.BaseVirtualDevice{&types.VirtualDisk{VirtualDevice: types.VirtualDevice{
		Backing: &types.VirtualDiskRawDiskMappingVer1BackingInfo{Sharing: string(types.VirtualDiskSharingSharingMultiWriter)}}}}))
}

func TestInspectReadsDevicesOfRunningGuests(t *testing.T) {
	m := oneVM()
	m.Machine = 3
	s := startSim(t, m)
	c := s.connect(t)
	all := m.Map().AllReference("VirtualMachine")
	gpu := []types.BaseVirtualDevice{&types.VirtualPCIPassthrough{VirtualDevice: types.VirtualDevice{Key: 1}}}
	s.change(all[0].Reference(), "config.hardware.device", gpu)
	v, err := c.Inspect(t.Context())
	require.NoError(t, err)
	for _, g := range v.Guests {
		want := ""
		if g.Ref == all[0].Reference().Value {
			want = "passthrough device"
		}
		require.Equal(t, want, g.NoSuspend)
	}
}

func TestGuestDeletedDuringTheRead(t *testing.T) {
	s := startSim(t, oneVM())
	c := s.connect(t)
	got, err := c.devicesOf(t.Context(), []types.ManagedObjectReference{vmRef("vm-gone"), s.any("VirtualMachine"), vmRef("vm-gone-too")})
	require.NoError(t, err)
	require.Len(t, got, 1)
}

func TestVCLSIsRecognisedByOwnerOrSetting(t *testing.T) {
	m := oneVM()
	m.Machine = 5
	s := startSim(t, m)
	c := s.connect(t)
	vms := m.Map().AllReference("VirtualMachine")
	cluster := s.any("ClusterComputeResource").Value
	eam := &types.ManagedByInfo{ExtensionKey: "com.vmware.vim.eam", Type: "cluster-agent"}
	s.change(vms[0].Reference(), "name", "vCLS-1", "config.managedBy", eam)
	s.change(vms[1].Reference(), "name", "vCLS-2", "config.extraConfig", []types.BaseOptionValue{&types.OptionValue{Key: "HDCS.agent", Value: "TRUE"}})
	s.change(vms[2].Reference(), "name", "vCLS-mine")
	s.change(vms[3].Reference(), "name", "other agent", "config.managedBy", eam)

	v, err := c.Inspect(t.Context())
	require.NoError(t, err)
	var names []string
	for _, g := range v.Guests {
		if g.VCLS {
			names = append(names, g.Name)
		}
	}
	require.Equal(t, []string{"vCLS-1", "vCLS-2"}, names)

	running, err := c.VCLSRunning(t.Context(), cluster)
	require.NoError(t, err)
	require.ElementsMatch(t, names, running)
	s.change(vms[0].Reference(), "runtime.powerState", types.VirtualMachinePowerStatePoweredOff)
	running, err = c.VCLSRunning(t.Context(), cluster)
	require.NoError(t, err)
	require.Equal(t, []string{"vCLS-2"}, running)

	// On a host that is gone nobody can remove it.
	g, err := c.Guest(t.Context(), vms[1].Reference().Value)
	require.NoError(t, err)
	require.True(t, g.VCLS)
	s.change(hostRef(g.Host), "runtime.connectionState", types.HostSystemConnectionStateNotResponding)
	running, err = c.VCLSRunning(t.Context(), cluster)
	require.NoError(t, err)
	require.Empty(t, running)
}

func TestWhatMayNotBeReadIsAWarning(t *testing.T) {
	s := startSim(t, oneVM())
	c := s.connect(t)
	for method, want := range map[string]string{
		"CreateCollectorForTasks": "tasks: no permission",
		"QueryOptions":            "vCLS settings: no permission",
	} {
		s.refuse(method, &types.NoPermission{PrivilegeId: "System.Read"})
		v, err := c.Inspect(t.Context())
		require.NoError(t, err)
		require.Len(t, v.Warnings, 1)
		require.Contains(t, v.Warnings[0], want)
		require.Len(t, v.Guests, 1)
	}
	s.refuse("CreateContainerView", &types.NoPermission{PrivilegeId: "System.View"})
	_, err := c.Inspect(t.Context())
	require.ErrorContains(t, err, "System.View")
}

func TestAVCenterThatStopsAnsweringIsNoWarning(t *testing.T) {
	s := startSim(t, oneVM())
	c := s.connect(t)
	s.refuse("CreateCollectorForTasks", new(types.HostCommunication))
	_, err := c.Inspect(t.Context())
	require.ErrorIs(t, err, fault.Unreachable)
}

func TestNoTagServiceIsAWarning(t *testing.T) {
	m := oneVM()
	s := startSim(t, m)
	m.Service.ServeMux.Handle("/rest/com/vmware/cis/session", http.NotFoundHandler())
	v, err := s.connect(t).Inspect(t.Context())
	require.NoError(t, err)
	require.Len(t, v.Warnings, 1)
	require.Contains(t, v.Warnings[0], "tags: ")
}

func TestInspectTwoHundredGuests(t *testing.T) {
	m := simulator.VPX()
	m.Machine, m.ClusterHost, m.Host = 100, 4, 1 // in one cluster and one stand-alone host
	s := startSim(t, m)
	c := s.connect(t)
	before := s.count("RetrievePropertiesEx")
	v, err := c.Inspect(t.Context())
	require.NoError(t, err)
	require.Len(t, v.Guests, 200)
	for _, g := range v.Guests {
		require.Equal(t, live.PoweredOn, g.Power)
		require.NotEmpty(t, g.UUID)
		require.NotEmpty(t, g.Host)
	}
	require.LessOrEqual(t, s.count("RetrievePropertiesEx")-before, 8, "reads in bulk")
	onHosts := 0
	for _, h := range v.Hosts {
		list, err := c.GuestsOn(t.Context(), h.Ref)
		require.NoError(t, err)
		onHosts += len(list)
	}
	require.Equal(t, 200, onHosts)
}

func TestPlainName(t *testing.T) {
	require.Equal(t, `a/b\c%d%2f`, plainName(`a%2fb%5cc%25d%252f`))
	require.Equal(t, "web\ufffd   [ ] pull the plug\ufffd[31m\ufffd", shownName("web\n   [ ] pull the plug\x1b[31m\u202e"))
}

func find[T any](t *testing.T, list []T, is func(T) bool) T {
	t.Helper()
	for _, x := range list {
		if is(x) {
			return x
		}
	}
	require.Fail(t, "not found")
	panic("unreachable")
}

// tag makes tags and attaches them, as a person does.
func (s *sim) tag(t *testing.T, ref types.ManagedObjectReference, names ...string) {
	t.Helper()
	c := s.connect(t)
	api := rest.NewClient(c.vim)
	require.NoError(t, api.Login(t.Context(), url.UserPassword(testUser, testPassword)))
	m := tags.NewManager(api)
	category, err := m.CreateCategory(t.Context(), &tags.Category{Name: "power", Cardinality: "MULTIPLE"})
	require.NoError(t, err)
	for _, n := range names {
		id, err := m.CreateTag(t.Context(), &tags.Tag{Name: n, CategoryID: category})
		require.NoError(t, err)
		require.NoError(t, m.AttachTag(t.Context(), id, ref))
	}
}
