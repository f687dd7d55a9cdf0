package vsphere

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"

	"nightshift/internal/fault"
)

func TestFaults(t *testing.T) {
	host := hostRef("host-21")
	for _, x := range []struct {
		fault types.BaseMethodFault
		kind  error
		text  string
	}{
		{new(types.InvalidLogin), fault.Auth, "login refused"},
		{new(types.PasswordExpired), fault.Auth, "expired"},
		{new(types.NotAuthenticated), fault.Unreachable, "session was lost"},
		{&types.NoPermission{Object: &host, PrivilegeId: "Host.Config.Maintenance"}, fault.Permission, "Host.Config.Maintenance on HostSystem host-21"},
		{&types.NoPermission{MissingPrivileges: []types.NoPermissionEntityPrivileges{{Entity: host, PrivilegeIds: []string{"A.B", "C.D"}}}},
			fault.Permission, "A.B, C.D on HostSystem host-21"},
		{new(types.NoPermission), fault.Permission, "no permission (NoPermission)"},
		{new(types.RestrictedVersion), fault.Permission, "free ESXi"},
		{new(types.LicenseRestricted), fault.Permission, "licence"},
		{new(types.NotEnoughLicenses), fault.Permission, "licence"},
		{new(types.HostNotConnected), fault.Unreachable, "not connected"},
		{new(types.HostNotReachable), fault.Unreachable, "cannot reach"},
		{new(types.HostCommunication), fault.Unreachable, "cannot reach"},
		{&types.InvalidPowerState{ExistingState: types.VirtualMachinePowerStateSuspended}, fault.State, "while it is suspended"},
		{&types.QuestionPending{Text: "moved?"}, fault.State, "moved?"},
		{new(types.NoActiveHostInCluster), fault.State, "no host of the cluster"},
		{new(types.InvalidState), fault.State, "present state"},
		{new(types.InvalidHostState), fault.State, "present state"},
		{new(types.ToolsUnavailable), ErrNoTools, "no VMware Tools"},
		{new(types.ToolsUnavailable), fault.State, "no VMware Tools"},
		{&types.TaskInProgress{Task: taskRef("task-5")}, fault.State, "task-5"},
		{new(types.VAppTaskInProgress), fault.State, "another task"},
		{new(types.MethodDisabled), fault.State, "switched off"},
		{new(types.ConcurrentAccess), fault.State, "someone else"},
		{new(types.Timedout), fault.State, "time allowed"},
		{new(types.RequestCanceled), fault.State, "cancelled"},
		{new(types.InsufficientResourcesFault), fault.State, "not enough resources"},
		{new(types.InsufficientStandbyResource), fault.State, "not enough resources"},
		{new(types.NoCompatibleHost), fault.State, "no host"},
		{new(types.ResourceInUse), fault.State, "in use"},
		{new(types.InaccessibleDatastore), fault.State, "datastore cannot be used just now"},
		{new(types.InvalidDatastoreState), fault.State, "present state"},
		{new(types.CannotAccessVmDisk), fault.State, "files cannot be read just now"},
		{new(types.FileLocked), fault.State, "files cannot be read just now"},
		{&types.DuplicateName{Name: "x"}, fault.State, `"x"`},
		{&types.ManagedObjectNotFound{Obj: host}, fault.NotFound, "HostSystem host-21"},
		{new(types.NotFound), fault.NotFound, "not found"},
		{&types.MethodNotFound{Method: "ShutdownHost_Task"}, fault.Unsupported, "ShutdownHost_Task"},
		{new(types.NotImplemented), fault.Unsupported, "cannot"},
		{new(types.NotSupported), fault.Unsupported, "cannot"},
		{&types.InvalidArgument{InvalidProperty: "host"}, fault.Invalid, "argument host"},
		{&types.InvalidName{Name: "n"}, fault.Invalid, `"n"`},
		{&types.InvalidProperty{Name: "p"}, fault.Invalid, "property p"},
		{new(types.InvalidRequest), fault.Invalid, "invalid request"},
		{new(types.InvalidType), fault.Invalid, "invalid request"},
		{new(types.SystemError), nil, "refused (SystemError)"},
	} {
		// As SOAP faults, as the server sends them, and through every wire encoding of one.
		f := &soap.Fault{String: "the server's words"}
		f.Detail.Fault = x.fault
		c := &Client{name: "vc1"}
		err := c.explain("try", soap.WrapSoapFault(f))
		require.ErrorContains(t, err, "try at vc1: ")
		require.ErrorContains(t, err, x.text)
		require.ErrorContains(t, err, "the server's words")
		require.ErrorContains(t, err, faultName(x.fault))
		onlyKind(t, err, x.kind)

		task := c.newTask(types.TaskInfo{State: types.TaskInfoStateError, Error: &types.LocalizedMethodFault{Fault: x.fault}})
		require.ErrorContains(t, task.Err, x.text)
		onlyKind(t, task.Err, x.kind)
	}
}

// What a host, or its storage, is not ready for is told from what will not be otherwise.
func TestWhatPasses(t *testing.T) {
	within := func(f types.BaseMethodFault) *types.NoCompatibleHost {
		return &types.NoCompatibleHost{Error: []types.LocalizedMethodFault{{Fault: new(types.NotSupported)}, {Fault: f}}}
	}
	for f, passes := range map[types.BaseMethodFault]bool{
		new(types.HostNotConnected): true, new(types.InvalidHostState): true, new(types.InvalidHostConnectionState): true,
		new(types.InaccessibleDatastore): true, new(types.InvalidDatastoreState): true, new(types.CannotAccessVmConfig): true, new(types.FileNotFound): true,
		within(new(types.HostNotConnected)): true, within(new(types.NotSupported)): false, new(types.NoCompatibleHost): false,
		new(types.InvalidPowerState): false, new(types.InsufficientResourcesFault): false, new(types.HostCommunication): false, new(types.NoPermission): false,
	} {
		c := &Client{name: "vc1"}
		s := &soap.Fault{}
		s.Detail.Fault = f
		said := c.explain("try", soap.WrapSoapFault(s))
		task := c.newTask(types.TaskInfo{State: types.TaskInfoStateError, Error: &types.LocalizedMethodFault{Fault: f}})
		drs := c.notPoweredOn(types.ClusterPowerOnVmResult{NotAttempted: []types.ClusterNotAttemptedVmInfo{{Fault: types.LocalizedMethodFault{Fault: f}}}})
		for _, err := range []error{said, task.Err, drs} {
			require.Equal(t, passes, errors.Is(err, fault.TurnedAway), "%v", err)
			require.Equal(t, passes, errors.Is(err, fault.NotDone), "%v", err)
		}
	}
}

func onlyKind(t *testing.T, err, kind error) {
	t.Helper()
	for _, k := range []error{fault.Auth, fault.Identity, fault.Permission, fault.NotFound, fault.State, fault.Unsupported, fault.Invalid, fault.Unreachable} {
		want := kind != nil && errors.Is(kind, k)
		require.Equal(t, want, errors.Is(err, k), "%v: is it %v?", err, k)
	}
	if kind != nil {
		require.ErrorIs(t, err, kind)
	}
}

func TestFaultsOverTheWire(t *testing.T) {
	s := startSim(t, oneVM())
	c := s.connect(t)
	vm := s.any("VirtualMachine").Value
	for _, x := range []struct {
		fault types.BaseMethodFault
		kind  error
	}{
		{new(types.ToolsUnavailable), ErrNoTools},
		{new(types.RestrictedVersion), fault.Permission},
		{new(types.HostNotConnected), fault.Unreachable},
		{&types.TaskInProgress{Task: taskRef("task-1")}, fault.State},
		{new(types.NotSupported), fault.Unsupported},
	} {
		s.refuse("ShutdownGuest", x.fault)
		require.ErrorIs(t, c.ShutdownGuest(t.Context(), vm), x.kind)
	}
	before := s.count("ShutdownGuest")
	s.refuse("ShutdownGuest", new(types.HostCommunication))
	require.Error(t, c.ShutdownGuest(t.Context(), vm))
	require.Equal(t, before+1, s.count("ShutdownGuest"), "never sent twice")
	require.ErrorIs(t, c.ShutdownGuest(t.Context(), "vm-gone"), fault.Unreachable)
}

func TestEveryVerbSaysWhatItTried(t *testing.T) {
	s := startSim(t, oneVM())
	c := s.connect(t)
	vm, host, cluster := s.any("VirtualMachine").Value, s.any("HostSystem").Value, s.any("ClusterComputeResource").Value
	task := func(_ string, err error) error { return err }
	for method, act := range map[string]func() error{
		"ShutdownGuest":                   func() error { return c.ShutdownGuest(t.Context(), vm) },
		"PowerOffVM_Task":                 func() error { return task(c.PowerOffGuest(t.Context(), vm)) },
		"SuspendVM_Task":                  func() error { return task(c.SuspendGuest(t.Context(), vm)) },
		"PowerOnMultiVM_Task":             func() error { return task(c.PowerOnGuest(t.Context(), vm)) },
		"EnterMaintenanceMode_Task":       func() error { return task(c.EnterMaintenance(t.Context(), host, 0)) },
		"ExitMaintenanceMode_Task":        func() error { return task(c.ExitMaintenance(t.Context(), host, 0)) },
		"ShutdownHost_Task":               func() error { return task(c.ShutdownHost(t.Context(), host, false)) },
		"ReconfigureComputeResource_Task": func() error { return task(c.SetHA(t.Context(), cluster, false)) },
		"UpdateOptions":                   func() error { return c.SetVCLS(t.Context(), cluster, "false") },
		"EnableAlarmActions":              func() error { return c.SetAlarmActions(t.Context(), host, false) },
		"SetField":                        func() error { return c.SetMark(t.Context(), "me") },
	} {
		s.refuse(method, &types.NoPermission{PrivilegeId: "Some.Privilege"})
		err := act()
		require.ErrorIs(t, err, fault.Permission, method)
		require.ErrorContains(t, err, " at vc1: no permission: the account lacks the privilege Some.Privilege", method)
		require.Equal(t, 1, s.count(method), method)
	}
}
