package simlab

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/vapi/rest"
	"github.com/vmware/govmomi/vapi/tags"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"

	"net/url"
)

func typeName(v any) string { return fmt.Sprintf("%T", v) }

func guestsSpec() Spec {
	s := SmallSpec()
	s.Guests = append(s.Guests,
		GuestSpec{Name: "stubborn", Host: "esx21", IgnoresShutdown: true},
		GuestSpec{Name: "win-old", Host: "esx21", NoTools: true},
		GuestSpec{Name: "asker", Host: "esx22", Question: "The disk is full. Retry?"},
		GuestSpec{Name: "shared", Host: "esx22", MultiWriter: true},
		GuestSpec{Name: "secret", Host: "esx22", KeyProvider: "kms1"},
		GuestSpec{Name: "twin", Host: "esx22", FT: true})
	return s
}

func soapFault(t *testing.T, err error) string {
	t.Helper()
	require.Error(t, err)
	require.True(t, soap.IsSoapFault(err), "%v", err)
	return typeName(soap.ToSoapFault(err).VimFault())
}

func TestAGuestTakesItsTimeToShutDownAndToStart(t *testing.T) {
	r := newRig(t, guestsSpec())
	vm := r.guest("web01")
	require.NoError(t, vm.ShutdownGuest(r.ctx))
	require.Equal(t, guestOn, r.Guests()["web01"].Power, "the call returns at once")
	r.shows(vm.Reference(), "runtime.powerState", types.VirtualMachinePowerStatePoweredOff)
	require.Equal(t, "types.InvalidPowerState", soapFault(t, vm.ShutdownGuest(r.ctx)))
	require.Equal(t, "", r.ends(vm.PowerOn(r.ctx)))
	r.shows(vm.Reference(), "guestHeartbeatStatus", types.ManagedEntityStatusGreen)
	require.Equal(t, "InvalidPowerState", r.ends(vm.PowerOn(r.ctx)))
	require.Equal(t, 2, r.Count("ShutdownGuest", "web01"))
	require.Equal(t, "ok", r.Calls()[0].Result)
	require.Equal(t, "InvalidPowerState", r.Calls()[1].Result)
}

func TestGuestsThatDoNotShutDown(t *testing.T) {
	r := newRig(t, guestsSpec())
	require.Equal(t, "types.ToolsUnavailable", soapFault(t, r.guest("win-old").ShutdownGuest(r.ctx)))
	require.NoError(t, r.guest("stubborn").ShutdownGuest(r.ctx))
	asker := r.guest("asker")
	require.NoError(t, asker.ShutdownGuest(r.ctx))
	require.NoError(t, r.guest("dc01").ShutdownGuest(r.ctx))
	r.until("dc01 off", func(l *Lab) bool { return l.Guests()["dc01"].Power == guestOff })
	require.NoError(t, r.guest("db01").ShutdownGuest(r.ctx))
	r.until("db01 off", func(l *Lab) bool { return l.Guests()["db01"].Power == guestOff })
	require.Equal(t, guestOn, r.Guests()["stubborn"].Power)
	require.Equal(t, guestOn, r.Guests()["asker"].Power, "it waits for an answer")

	var m mo.VirtualMachine
	r.props(asker.Reference(), &m, "runtime.question")
	require.Equal(t, "The disk is full. Retry?", m.Runtime.Question.Text)
	require.Error(t, asker.Answer(r.ctx, "99", "1"))
	require.NoError(t, asker.Answer(r.ctx, m.Runtime.Question.Id, "1"))
	r.shows(asker.Reference(), "runtime.powerState", types.VirtualMachinePowerStatePoweredOff)

	require.Equal(t, "", r.ends(r.guest("stubborn").PowerOff(r.ctx)))
	require.Equal(t, "InvalidPowerState", r.ends(r.guest("stubborn").PowerOff(r.ctx)))
}

func TestSuspend(t *testing.T) {
	r := newRig(t, guestsSpec())
	require.Equal(t, "GenericVmConfigFault", r.ends(r.guest("shared").Suspend(r.ctx)))
	require.Equal(t, "", r.ends(r.guest("web01").Suspend(r.ctx)))
	require.Equal(t, guestSuspended, r.Guests()["web01"].Power)
	require.Equal(t, "", r.ends(r.guest("web01").PowerOn(r.ctx)))
}

func TestOnePowerTaskAtATime(t *testing.T) {
	r := newRigAt(t, guestsSpec(), 2) // slow enough for the first not to be done
	first, err := r.guest("web01").PowerOff(r.ctx)
	require.NoError(t, err)
	require.Equal(t, "TaskInProgress", r.ends(r.guest("web01").PowerOff(r.ctx)))
	require.NoError(t, first.Wait(r.ctx))
}

func TestWhatPlannersMustNotice(t *testing.T) {
	r := newRig(t, guestsSpec())
	var m mo.VirtualMachine
	r.props(r.guest("secret").Reference(), &m, "config.keyId")
	require.Equal(t, "kms1", m.Config.KeyId.ProviderId.Id)
	r.props(r.guest("twin").Reference(), &m, "runtime.faultToleranceState", "config.ftInfo")
	require.Equal(t, types.VirtualMachineFaultToleranceStateRunning, m.Runtime.FaultToleranceState)
	var shared mo.VirtualMachine
	r.props(r.guest("shared").Reference(), &shared, "config.hardware.device")
	disks := object.VirtualDeviceList(shared.Config.Hardware.Device).SelectByType(&types.VirtualDisk{})
	backing, ok := disks[0].GetVirtualDevice().Backing.(*types.VirtualDiskFlatVer2BackingInfo)
	require.True(t, ok)
	require.Equal(t, "sharingMultiWriter", backing.Sharing)
	require.NoError(t, r.RunTask("web01", "VirtualMachine.createSnapshot", 0))
}

func TestTagsAndCustomAttributes(t *testing.T) {
	r := newRig(t, guestsSpec())
	rc := rest.NewClient(r.c.Client)
	require.NoError(t, rc.Login(r.ctx, url.UserPassword(r.Spec().User, r.VCenterPassword())))
	attached, err := tags.NewManager(rc).GetAttachedTags(r.ctx, r.guest("dc01").Reference())
	require.NoError(t, err)
	require.Equal(t, "StartUp", attached[0].Name)
	require.Error(t, rest.NewClient(r.c.Client).Login(r.ctx, url.UserPassword("x", "y")))
	require.Equal(t, Logins{OK: 2, Failed: 1}, r.Logins()["vcenter"])

	m, err := object.GetCustomFieldsManager(r.c.Client)
	require.NoError(t, err)
	def, err := m.Add(r.ctx, "nightshift", "", nil, nil)
	require.NoError(t, err)
	root := r.c.ServiceContent.RootFolder
	require.NoError(t, m.Set(r.ctx, root, def.Key, "run 1"))
	var f mo.Folder
	r.props(root, &f, "customValue")
	require.Len(t, f.CustomValue, 1)
	require.Equal(t, 1, r.Count("SetField", ""))
}

func TestPowerOnThroughDRS(t *testing.T) {
	r := newRig(t, guestsSpec())
	dc, err := r.find.Datacenter(r.ctx, "Home")
	require.NoError(t, err)
	powerOn := func(vm *object.VirtualMachine) types.ClusterPowerOnVmResult {
		task, err := dc.PowerOnVM(r.ctx, []types.ManagedObjectReference{vm.Reference()})
		require.NoError(t, err)
		info, err := task.WaitForResult(r.ctx)
		require.NoError(t, err)
		return info.Result.(types.ClusterPowerOnVmResult)
	}
	res := powerOn(r.guest("spare"))
	require.Len(t, res.Attempted, 1)
	r.until("spare on", func(l *Lab) bool { return l.Guests()["spare"].Ready })
	res = powerOn(r.guest("spare"))
	require.Len(t, res.NotAttempted, 1)
	require.Equal(t, 2, r.Count("PowerOnMultiVM_Task", "spare"))
}

func TestRefusedByPrivilege(t *testing.T) {
	s := SmallSpec()
	s.Denied = map[string]string{"ShutdownHost_Task": "Host.Config.Maintenance"}
	r := newRig(t, s)
	_, err := methods.ShutdownHost_Task(r.ctx, r.c.Client, &types.ShutdownHost_Task{This: r.host("esx21").Reference()})
	require.Equal(t, "types.NoPermission", soapFault(t, err))
	require.Equal(t, "NoPermission", r.Calls()[0].Result)
}

func TestTheHealthPage(t *testing.T) {
	r := newRig(t, SmallSpec())
	status := func() int {
		req, err := http.NewRequestWithContext(r.ctx, http.MethodGet, r.HealthURL("web01"), nil)
		require.NoError(t, err)
		res, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		return res.StatusCode
	}
	require.Equal(t, 200, status())
	require.Equal(t, "", r.ends(r.guest("web01").PowerOff(r.ctx)))
	require.Equal(t, 503, status())
}
