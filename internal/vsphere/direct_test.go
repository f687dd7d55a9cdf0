package vsphere

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"

	"nightshift/internal/fault"
	"nightshift/internal/live"
)

// A host alone shows itself and its guests, with Refs of its own.
func TestInspectOfAHost(t *testing.T) {
	s := startSim(t, simulator.ESX())
	c := s.connect(t)
	v, err := c.Inspect(t.Context())
	require.NoError(t, err)
	require.Empty(t, v.Warnings)
	require.Equal(t, "HostAgent", v.APIType)
	require.Equal(t, "HostAgent", c.About().APIType)
	require.Empty(t, v.Clusters)
	require.Empty(t, v.Mark)
	require.Len(t, v.Hosts, 1)
	require.NotEmpty(t, v.Hosts[0].UUID)
	require.Empty(t, v.Hosts[0].Cluster)
	require.Len(t, v.Datastores, 1)
	require.NotEmpty(t, v.Datastores[0].Name)
	require.Len(t, v.Guests, 2)
	for _, g := range v.Guests {
		require.Equal(t, v.Hosts[0].Ref, g.Host)
		require.Regexp(t, `^\[.+\] .+\.vmx$`, g.Path)
		require.Equal(t, []string{v.Datastores[0].Ref}, g.Datastores)
		require.Empty(t, g.Tags)
	}

	h, err := c.OwnHost(t.Context())
	require.NoError(t, err)
	require.Equal(t, v.Hosts[0], h)
	on, err := c.GuestsOn(t.Context(), h.Ref)
	require.NoError(t, err)
	require.Len(t, on, 2)
	tags, err := c.GuestTags(t.Context(), v.Guests[0].Ref)
	require.NoError(t, err)
	require.Empty(t, tags)
	require.ErrorIs(t, c.SetClusterNote(t.Context(), "domain-c1", "x"), fault.Unsupported)
}

func TestAVCenterIsNotAHost(t *testing.T) {
	c := startSim(t, oneVM()).connect(t)
	_, err := c.OwnHost(t.Context())
	require.ErrorIs(t, err, fault.Unsupported)
}

func TestFindGuest(t *testing.T) {
	s := startSim(t, simulator.ESX())
	c := s.connect(t)
	vms := s.model.Map().AllReference("VirtualMachine")
	one, other := vms[0].Reference(), vms[1].Reference()
	const id = "aaaa0000-0000-4000-8000-000000000001"
	s.change(one, "config.instanceUuid", strings.ToUpper(id))
	ref, err := c.FindGuest(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, one.Value, ref)

	_, err = c.FindGuest(t.Context(), "bbbb0000-0000-4000-8000-000000000001")
	require.ErrorIs(t, err, fault.NotFound)
	require.NotErrorIs(t, err, fault.Unreachable)

	// A VM whose storage is not there yet shows no UUID: it may be the one.
	s.change(other, "config.instanceUuid", "")
	_, err = c.FindGuest(t.Context(), "bbbb0000-0000-4000-8000-000000000001")
	require.ErrorIs(t, err, fault.Unreachable)

	s.change(other, "config.instanceUuid", id)
	_, err = c.FindGuest(t.Context(), id)
	require.ErrorIs(t, err, fault.Identity)
}

// A host knows what it does not run, also where it cannot read the files any more. What runs, or may, stays unknown.
func TestAHostKnowsWhatItDoesNotRun(t *testing.T) {
	s := startSim(t, simulator.ESX())
	c := s.connect(t)
	vm, host := s.any("VirtualMachine"), s.any("HostSystem")
	for _, x := range []struct {
		power types.VirtualMachinePowerState
		state types.VirtualMachineConnectionState
		want  string
	}{
		{types.VirtualMachinePowerStatePoweredOff, types.VirtualMachineConnectionStateInaccessible, live.PoweredOff},
		{types.VirtualMachinePowerStatePoweredOff, types.VirtualMachineConnectionStateInvalid, live.PoweredOff},
		{types.VirtualMachinePowerStatePoweredOn, types.VirtualMachineConnectionStateInaccessible, unknown},
		{types.VirtualMachinePowerStatePoweredOff, types.VirtualMachineConnectionStateDisconnected, unknown},
		{types.VirtualMachinePowerStatePoweredOff, types.VirtualMachineConnectionStateOrphaned, unknown},
	} {
		s.change(vm, "runtime.powerState", x.power, "runtime.connectionState", x.state)
		list, err := c.GuestsOn(t.Context(), host.Value)
		require.NoError(t, err)
		require.Equal(t, x.want, find(t, list, func(g live.Guest) bool { return g.Ref == vm.Value }).Power, x)
		v, err := c.Inspect(t.Context())
		require.NoError(t, err)
		require.Equal(t, x.want, find(t, v.Guests, func(g live.Guest) bool { return g.Ref == vm.Value }).Power, x)
	}
}

func TestRescan(t *testing.T) {
	for name, m := range map[string]*simulator.Model{"host": simulator.ESX(), "vCenter": oneVM()} {
		t.Run(name, func(t *testing.T) {
			s := startSim(t, m)
			c := s.connect(t)
			ref := s.any("HostSystem").Value
			require.NoError(t, c.Rescan(t.Context(), ref))
			require.Equal(t, 1, s.count("RescanAllHba"))
			require.Equal(t, 1, s.count("RescanVmfs"))
			s.refuse("RescanVmfs", &types.NoPermission{PrivilegeId: "Host.Config.Storage"})
			require.ErrorIs(t, c.Rescan(t.Context(), ref), fault.Permission)
			_, gone := c.Rescan(t.Context(), "host-gone"), s.count("RescanAllHba")
			require.Equal(t, 2, gone, "nothing is sent to a host that is not there")
		})
	}
}

// A host forgets its tasks when it starts anew: its list tells of the start, so that nobody takes what is missing for proof.
func TestTheTasksOfAHostTellOfItsStart(t *testing.T) {
	s := startSim(t, simulator.ESX())
	c := s.connect(t)
	host, vm := s.any("HostSystem"), s.any("VirtualMachine")
	list := func() (refs []string) {
		t.Helper()
		got, err := c.TasksSince(t.Context(), vm.Value, time.Now().Add(-time.Minute))
		require.NoError(t, err)
		for _, i := range got {
			refs = append(refs, i.Ref)
		}
		return refs
	}
	boot := time.Now().Add(-24 * time.Hour).Truncate(time.Hour)
	s.change(host, "runtime.bootTime", &boot)
	before := list()
	require.Contains(t, before[0], "boot-")
	require.Equal(t, before, list(), "the same start")

	task, err := c.PowerOffGuest(t.Context(), vm.Value)
	require.NoError(t, err)
	require.NoError(t, wait(t, c, task).Err)
	require.Equal(t, append(slices.Clone(before), task), list())
	g, err := c.Guest(t.Context(), vm.Value)
	require.NoError(t, err)
	require.Equal(t, live.PoweredOff, g.Power)

	again := boot.Add(time.Hour)
	s.change(host, "runtime.bootTime", &again)
	require.NotContains(t, list(), before[0])

	s.change(host, "runtime.bootTime", nil)
	first, second := list(), list()
	require.NotEqual(t, first, second, "one that is not told is never the same")
}

// A vCenter that starts may refuse a right password: none is sent before its sign-on service is there.
func TestNoLoginBeforeTheSignOnServiceIsReady(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		body   string
		ready  bool
	}{
		"green":         {200, "GREEN\n", true},
		"no such page":  {404, "", true},
		"another page":  {200, "<html>", true},
		"red":           {200, "RED", false},
		"not there yet": {503, "Service Unavailable", false},
	} {
		t.Run(name, func(t *testing.T) {
			m := oneVM()
			s := startSim(t, m)
			var asked atomic.Int32
			m.Service.ServeMux.HandleFunc(signOnHealth, func(w http.ResponseWriter, _ *http.Request) {
				asked.Add(1)
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			})
			client, err := Connect(t.Context(), s.endpoint)
			require.Positive(t, asked.Load())
			if !c.ready {
				require.ErrorIs(t, err, fault.Unreachable)
				require.ErrorContains(t, err, "no login is sent yet")
				require.Zero(t, s.count("Login"))
				return
			}
			require.NoError(t, err)
			require.NoError(t, client.Close(t.Context()))
		})
	}
	s := startSim(t, simulator.ESX())
	s.model.Service.ServeMux.HandleFunc(signOnHealth, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	s.connect(t) // a host has no such service
}

func TestClusterNote(t *testing.T) {
	m := oneVM()
	m.Cluster = 2
	s := startSim(t, m)
	c := s.connect(t)
	clusters := m.Map().AllReference("ClusterComputeResource")
	one, other := clusters[0].Reference().Value, clusters[1].Reference().Value
	note := func(ref string) string {
		t.Helper()
		got, err := c.ClusterNote(t.Context(), ref)
		require.NoError(t, err)
		return got
	}
	require.Empty(t, note(one))
	require.NoError(t, c.SetClusterNote(t.Context(), one, ""), "nothing to clear")
	require.Zero(t, s.count("AddCustomFieldDef"))
	require.NoError(t, c.SetClusterNote(t.Context(), one, "HA=true"))
	require.NoError(t, c.SetClusterNote(t.Context(), one, "HA=true; DRS=manual"))
	require.Equal(t, 1, s.count("AddCustomFieldDef"))
	require.Equal(t, "HA=true; DRS=manual", note(one))
	require.Empty(t, note(other))
	mark, err := c.Mark(t.Context())
	require.NoError(t, err)
	require.Empty(t, mark, "another attribute")
	require.NoError(t, c.SetClusterNote(t.Context(), one, ""))
	require.Empty(t, note(one))
	s.refuse("SetField", &types.NoPermission{PrivilegeId: "Global.SetCustomField"})
	require.ErrorIs(t, c.SetClusterNote(t.Context(), one, "x"), fault.Permission)
}

func TestTagsOfOneGuest(t *testing.T) {
	s := startSim(t, oneVM())
	c := s.connect(t)
	vm := s.any("VirtualMachine")
	tags, err := c.GuestTags(t.Context(), vm.Value)
	require.NoError(t, err)
	require.Empty(t, tags)
	s.tag(t, vm, "StartUp", "KeepOn")
	tags, err = c.GuestTags(t.Context(), vm.Value)
	require.NoError(t, err)
	require.Equal(t, []string{"KeepOn", "StartUp"}, tags)
	// The session is lost, and had anew.
	require.NoError(t, c.tagAPI.Logout(t.Context()))
	c.tagAPI.SessionID("lost")
	tags, err = c.GuestTags(t.Context(), vm.Value)
	require.NoError(t, err)
	require.Len(t, tags, 2)
	require.NoError(t, c.Close(t.Context()))
	require.Nil(t, c.tagAPI)
}
