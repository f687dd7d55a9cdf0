package simlab

import (
	"context"
	"errors"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vmware/govmomi/event"
	"github.com/vmware/govmomi/find"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"nightshift/internal/endpoint"
	"nightshift/internal/fault"
	"nightshift/internal/inventory"
	"nightshift/internal/live"
	"nightshift/internal/vsphere"
)

// vcenter is nightshift's own client at the vCenter.
func (r *rig) vcenter() (*vsphere.Client, error) {
	r.t.Helper()
	r.t.Setenv("SIMLAB_VCENTER_PASSWORD", r.VCenterPassword())
	e, err := endpoint.Resolve(r.ctx, "vCenter", inventory.Endpoint{
		URL: r.VCenterURL(), User: r.Spec().User, Password: "env:SIMLAB_VCENTER_PASSWORD", TLS: inventory.TLS{Fingerprint: r.VCenterFingerprint()},
	}, r.t.TempDir())
	require.NoError(r.t, err)
	c, err := vsphere.Connect(r.ctx, e)
	if err == nil {
		r.t.Cleanup(func() { _ = c.Close(context.WithoutCancel(r.ctx)) }) // it may be gone by then
	}
	return c, err
}

func (r *rig) login() error {
	c, err := login(r.ctx, r.Lab, r.Spec().User, r.VCenterPassword())
	if err == nil {
		r.c, r.find = c, find.NewFinder(c.Client)
	}
	return err
}

func TestTheVCenterGoesAndComesWithItsGuest(t *testing.T) {
	r := newRigAt(t, OneHostSpec(), 120) // slow enough to see what comes between
	before, err := r.vcenter()
	require.NoError(t, err)
	require.NoError(t, before.SetMark(r.ctx, "run 1"))
	own := r.esxi("esx01")
	require.NoError(t, own.ShutdownGuest(r.ctx, r.refAt(own, "vcenter")))
	r.until("off", func(l *Lab) bool { return l.Guests()["vcenter"].Power == guestOff })
	require.False(t, r.VCenterUp())
	require.False(t, r.Hosts()["esx01"].Connected, "nobody is there to be connected to")
	require.ErrorIs(t, r.login(), syscall.ECONNREFUSED)
	_, err = before.Mark(r.ctx)
	require.ErrorIs(t, err, fault.Unreachable)

	// What happens meanwhile it does not see.
	ref, err := own.PowerOffGuest(r.ctx, r.refAt(own, "app01"))
	require.Empty(t, r.task(own, ref, err))
	ref, err = own.PowerOnGuest(r.ctx, r.refAt(own, "vcenter"))
	require.Empty(t, r.task(own, ref, err))
	restore := r.CutOff("host:esx01", 0) // so that it does not find its host at once
	refused, unavailable := false, false
	for {
		err := r.login()
		if err == nil {
			break
		}
		refused = refused || errors.Is(err, syscall.ECONNREFUSED) && !unavailable
		unavailable = unavailable || err.Error() != "" && !errors.Is(err, syscall.ECONNREFUSED)
		select {
		case <-r.ctx.Done():
			require.Fail(t, "it never came back")
		case <-time.After(2 * time.Millisecond):
		}
	}
	require.True(t, refused, "first nobody answers")
	require.True(t, unavailable, "then its proxy does")
	var vm mo.VirtualMachine
	r.props(r.guest("app01").Reference(), &vm, "runtime")
	require.Equal(t, types.VirtualMachinePowerStatePoweredOn, vm.Runtime.PowerState, "it tells what it saw last")
	require.Equal(t, types.VirtualMachineConnectionStateDisconnected, vm.Runtime.ConnectionState)
	restore()
	r.shows(r.host("esx01").Reference(), "runtime.connectionState", types.HostSystemConnectionStateConnected)
	r.shows(r.guest("app01").Reference(), "runtime.powerState", types.VirtualMachinePowerStatePoweredOff)
	logins := r.Logins()["vcenter"].OK
	mark, err := before.Mark(r.ctx)
	require.NoError(t, err)
	require.Equal(t, "run 1", mark, "its database is what it was")
	require.Equal(t, logins+1, r.Logins()["vcenter"].OK, "the session was lost")
	require.Equal(t, 1, r.Count("PowerOffVM_Task", "app01"), "over all endpoints")
}

func TestTheVCenterDiesWithItsHost(t *testing.T) {
	r := newRig(t, InsideSpec())
	require.NoError(t, r.Crash("esx21", false))
	require.False(t, r.VCenterUp())
	require.Equal(t, "Off", r.idrac("esx21").power())
	require.ErrorIs(t, r.login(), syscall.ECONNREFUSED)
	require.Equal(t, guestOff, r.Guests()["db01"].Power, "its storage went, too")
	require.Positive(t, r.Crashes())
	// Its disks are local: HA has nowhere to go with it.
	require.Equal(t, 204, r.idrac("esx21").reset("On"))
	r.until("ESXi up", func(l *Lab) bool { return l.Hosts()["esx21"].Storage })
	require.Equal(t, guestOff, r.Guests()["vcenter"].Power)
	require.NoError(t, r.Start("vcenter"))
	r.until("it is back", (*Lab).VCenterUp)
	r.until("all hosts", func(l *Lab) bool {
		for _, h := range l.Hosts() {
			if !h.Connected {
				return false
			}
		}
		return true
	})
	require.NoError(t, r.login())
}

func TestTasksOfAVCenterThatDiesEnd(t *testing.T) {
	r := newRig(t, OneHostSpec())
	task, err := r.host("esx01").EnterMaintenanceMode(r.ctx, 0, false, nil)
	require.NoError(t, err)
	require.NoError(t, r.Kill("vcenter"))
	require.NoError(t, r.Start("vcenter"))
	r.until("it is back", (*Lab).VCenterUp)
	require.NoError(t, r.login())
	require.Equal(t, "SystemError", r.ends(object.NewTask(r.c.Client, task.Reference()), nil))
	require.False(t, r.Hosts()["esx01"].Maintenance)
}

func TestADatastoreComesAndGoesWithItsGuest(t *testing.T) {
	r := newRig(t, DRBoxSpec())
	own := r.esxi("drhost")
	accessible := func(name string) bool {
		list, err := own.Datastores(r.ctx, "ha-host")
		require.NoError(t, err)
		return byName(list, func(d live.Datastore) string { return d.Name })[name].Accessible
	}
	require.True(t, accessible("iscsi01"))
	web, zfs := r.refAt(own, "web01"), r.refAt(own, "zfs01")
	for _, name := range []string{"web01", "db01", "vcenter", "dns01"} {
		ref, err := own.PowerOffGuest(r.ctx, r.refAt(own, name))
		require.Empty(t, r.task(own, ref, err))
	}
	require.NoError(t, own.ShutdownGuest(r.ctx, zfs))
	r.until("off", func(l *Lab) bool { return l.Guests()["zfs01"].Power == guestOff })
	require.Zero(t, r.Crashes(), "nothing ran on it")
	require.Eventually(t, func() bool { return !accessible("iscsi01") }, time.Minute, time.Millisecond, "shown a moment later")
	require.True(t, accessible("boot"))
	require.False(t, r.Datastores()["iscsi01"].Served)
	g, err := own.Guest(r.ctx, web)
	for ; err == nil && g.Connection == live.Connected && r.ctx.Err() == nil; g, err = own.Guest(r.ctx, web) { // as above
	}
	require.NoError(t, err)
	require.Equal(t, "inaccessible", g.Connection)
	require.Empty(t, g.UUID, "who it is lies on the datastore")
	_, err = own.FindGuest(r.ctx, r.Spec().Guests[4].UUID)
	require.ErrorIs(t, err, fault.Unreachable)
	ref, err := own.PowerOnGuest(r.ctx, web)
	require.NotEmpty(t, r.task(own, ref, err))
	require.Equal(t, guestOff, r.Guests()["web01"].Power)

	ref, err = own.PowerOnGuest(r.ctx, zfs)
	require.Empty(t, r.task(own, ref, err))
	r.until("it serves", func(l *Lab) bool { return l.Datastores()["iscsi01"].Served })
	require.False(t, accessible("iscsi01"), "a host has to look for it")
	require.NoError(t, own.Rescan(r.ctx, "ha-host"))
	require.True(t, accessible("iscsi01"))
	require.Equal(t, 1, r.Count("RescanAllHba", "drhost"))
	require.Equal(t, 1, r.Count("RescanVmfs", "drhost"))
	require.Equal(t, web, r.refAt(own, "web01"))
	ref, err = own.PowerOnGuest(r.ctx, web)
	require.Empty(t, r.task(own, ref, err))
}

func TestStorageThatIsTakenFromRunningGuestsIsCounted(t *testing.T) {
	r := newRig(t, InsideSpec())
	require.Equal(t, "", r.ends(r.guest("san01").PowerOff(r.ctx)))
	guests := r.Guests()
	for _, name := range []string{"db01", "app01", "web01", "test01"} {
		require.Equal(t, 1, guests[name].Crashes, name)
		require.Equal(t, guestOff, guests[name].Power, name)
	}
	require.Equal(t, 4, r.Crashes(), "vCLS VMs do not count, nor does what was off or lies elsewhere")
	require.Equal(t, guestOn, guests["vcenter"].Power)
	r.shows(r.guest("db01").Reference(), "runtime.connectionState", types.VirtualMachineConnectionStateInaccessible)
	require.Equal(t, "InaccessibleDatastore", r.ends(r.guest("db01").PowerOn(r.ctx)))

	require.Equal(t, "", r.ends(r.guest("san01").PowerOn(r.ctx)))
	r.until("it serves", func(l *Lab) bool { return l.Datastores()["shared01"].Served })
	c, err := r.vcenter()
	require.NoError(t, err)
	require.NoError(t, c.Rescan(r.ctx, r.host("esx22").Reference().Value))
	require.Equal(t, map[string]bool{"esx21": false, "esx22": true, "esx23": false}, r.Datastores()["shared01"].Hosts)
	require.Equal(t, "", r.ends(r.guest("db01").PowerOn(r.ctx)))
}

func TestAHostThatBootsSeesWhatIsServed(t *testing.T) {
	r := newRig(t, InsideSpec())
	require.NoError(t, r.Kill("san01"))
	require.NoError(t, r.Start("san01"))
	r.until("it serves", func(l *Lab) bool { return l.Datastores()["shared01"].Served })
	require.False(t, r.Datastores()["shared01"].Hosts["esx22"])
	require.Equal(t, 204, r.idrac("esx22").reset("ForceRestart"))
	r.until("esx22 is back", func(l *Lab) bool { return l.Hosts()["esx22"].Boots == 1 && l.Datastores()["shared01"].Hosts["esx22"] })
}

func TestWithoutANameServerServicesFail(t *testing.T) {
	r := newRig(t, InsideSpec())
	status := func(name string) int {
		req, err := http.NewRequestWithContext(r.ctx, http.MethodGet, r.HealthURL(name), nil)
		require.NoError(t, err)
		res, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		return res.StatusCode
	}
	require.Equal(t, 200, status("web01"))
	require.NoError(t, r.Kill("ntp01"))
	require.Equal(t, 200, status("web01"), "it can do without a clock")
	require.NoError(t, r.Kill("dc01"))
	require.Equal(t, 503, status("web01"))
	require.Equal(t, 200, status("san01"), "storage does without")
	require.True(t, r.Guests()["web01"].Tools)
	require.NoError(t, r.Start("dc01"))
	r.until("it is up", func(l *Lab) bool { return l.Guests()["dc01"].Ready })
	require.Equal(t, 200, status("web01"))
}

func TestLabFilesOfLabsThatStandOnThemselves(t *testing.T) {
	for _, s := range []Spec{DRBoxSpec(), OneHostSpec(), InsideSpec()} {
		r := newRig(t, s)
		path, err := r.WriteLabFile(t.TempDir())
		require.NoError(t, err)
		lab, err := inventory.Load(path)
		require.NoError(t, err, s.Name)
		provides := map[string][]inventory.Provision{}
		for _, g := range lab.Guests {
			provides[g.Name] = g.Provides
		}
		require.Equal(t, []inventory.Provision{"vcenter:vcenter"}, provides["vcenter"], s.Name)
		require.NotNil(t, lab.Hosts[0].ESXi, s.Name)
		if s.Name == "drbox" {
			require.Equal(t, []inventory.Provision{"datastore:iscsi01"}, provides["zfs01"])
			require.Equal(t, []inventory.Provision{"dns", "ntp"}, provides["dns01"])
		}
	}
}

func TestGuestsMove(t *testing.T) {
	r := newRig(t, InsideSpec())
	to := r.host("esx23").Reference()
	res, err := methods.MigrateVM_Task(r.ctx, r.c.Client, &types.MigrateVM_Task{
		This: r.guest("db01").Reference(), Host: &to, Priority: types.VirtualMachineMovePriorityDefaultPriority,
	})
	require.NoError(t, err)
	require.Equal(t, "", r.ends(object.NewTask(r.c.Client, res.Returnval), nil))
	require.Equal(t, "esx23", r.Guests()["db01"].Host)
	require.Equal(t, guestOn, r.Guests()["db01"].Power)
	require.True(t, r.Guests()["db01"].Ready, "it runs on")
	r.shows(r.guest("db01").Reference(), "runtime.host", to)
	task, err := r.guest("app01").Relocate(r.ctx, types.VirtualMachineRelocateSpec{Host: &to}, types.VirtualMachineMovePriorityDefaultPriority)
	require.Equal(t, "", r.ends(task, err))
	require.Equal(t, "esx23", r.Guests()["app01"].Host)
	task, err = r.guest("vcenter").Relocate(r.ctx, types.VirtualMachineRelocateSpec{Host: &to}, types.VirtualMachineMovePriorityDefaultPriority)
	require.Equal(t, "NoCompatibleHost", r.ends(task, err), "its disks are local to another host")
	require.NoError(t, r.Move("web01", "esx22"))
	r.shows(r.guest("web01").Reference(), "runtime.host", r.host("esx22").Reference())
	require.Error(t, r.Move("san01", "esx22"))
	require.Error(t, r.Start("web01"), "it runs")

	seen, err := event.NewManager(r.c.Client).QueryEvents(r.ctx, types.EventFilterSpec{})
	require.NoError(t, err)
	moved := map[string]int{}
	for _, e := range seen {
		if m, ok := e.(*types.VmMigratedEvent); ok {
			moved[m.Vm.Name+" to "+m.Host.Name]++
		}
	}
	require.Equal(t, map[string]int{"db01 to esx23": 1, "app01 to esx23": 1, "web01 to esx22": 1}, moved)
}

func TestAHangingHostLosesItsGuestsToOthers(t *testing.T) {
	r := newRig(t, InsideSpec())
	require.NoError(t, r.Crash("esx22", true))
	require.Equal(t, "On", r.idrac("esx22").power())
	r.until("HA", func(l *Lab) bool { g := l.Guests()["db01"]; return g.Ready && g.Restarts == 1 && g.Host != "esx22" })
	require.Equal(t, 2, r.Crashes())
	r.shows(r.host("esx22").Reference(), "runtime.connectionState", types.HostSystemConnectionStateNotResponding)
	_, err := r.direct("esx22", r.ESXi("esx22").Password)
	require.ErrorIs(t, err, fault.Unreachable)
}

// TestHAWorksWithoutAVCenter as its agents are on the hosts.
func TestHAWorksWithoutAVCenter(t *testing.T) {
	r := newRig(t, InsideSpec())
	require.NoError(t, r.Kill("vcenter"))
	require.NoError(t, r.Crash("esx22", false))
	r.until("HA", func(l *Lab) bool { g := l.Guests()["db01"]; return g.Ready && g.Restarts == 1 })
	require.NoError(t, r.Start("vcenter"))
	r.until("it is back", (*Lab).VCenterUp)
	require.NoError(t, r.login())
	r.shows(r.guest("db01").Reference(), "runtime.host", r.host(r.Guests()["db01"].Host).Reference())
}

func TestHostEvents(t *testing.T) {
	s := SmallSpec()
	s.Clusters[0].VCLS = 0
	r := newRig(t, s)
	r.guestsOff("dc01", "db01")
	task, err := r.host("esx21").EnterMaintenanceMode(r.ctx, 0, false, nil)
	require.Equal(t, "", r.ends(task, err))
	require.Equal(t, "", r.shutdownHost(r.host("esx21"), false))
	r.until("off", func(l *Lab) bool { return l.Hosts()["esx21"].Power == off })
	require.Equal(t, 204, r.idrac("esx21").reset("On"))
	r.shows(r.host("esx21").Reference(), "runtime.connectionState", types.HostSystemConnectionStateConnected)
	task, err = r.host("esx21").ExitMaintenanceMode(r.ctx, 0)
	require.Equal(t, "", r.ends(task, err))
	seen, err := event.NewManager(r.c.Client).QueryEvents(r.ctx, types.EventFilterSpec{})
	require.NoError(t, err)
	var got []string
	for _, e := range seen {
		switch e := e.(type) {
		case *types.EnteredMaintenanceModeEvent, *types.ExitMaintenanceModeEvent, *types.HostShutdownEvent, *types.HostConnectionLostEvent, *types.HostConnectedEvent:
			if e.GetEvent().Host.Name == "esx21" {
				got = append(got, typeName(e))
			}
		}
	}
	require.ElementsMatch(t, []string{
		"*types.EnteredMaintenanceModeEvent", "*types.HostShutdownEvent", "*types.HostConnectionLostEvent",
		"*types.HostConnectedEvent", "*types.ExitMaintenanceModeEvent",
	}, got)
}

func TestStorageThatCannotBe(t *testing.T) {
	s := DRBoxSpec()
	s.Guests[0].Datastore = "iscsi01"
	_, err := Start(context.Background(), Config{Spec: s})
	require.ErrorContains(t, err, "zfs01")
	s = OneHostSpec()
	s.VCenterGuest = "nobody"
	_, err = Start(context.Background(), Config{Spec: s})
	require.ErrorContains(t, err, "nobody")
}
