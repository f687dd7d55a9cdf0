package simlab

import (
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// The extension answers what the simulator answers wrongly or not at all. HostSystem, VirtualMachine and
// ClusterComputeResource cannot be replaced (the simulator asserts their types), so calls are re-pointed to this object.
type extension struct {
	mo.ExtensionManager // any mo type: SearchIndex panics on registry objects without one
	view                *view
}

// Reference returns the object's reference.
func (e *extension) Reference() types.ManagedObjectReference { return e.ExtensionManager.Self }

// Lock does nothing: with it, the simulator does not hold a lock of this object during a call.
func (*extension) Lock() {}

// Unlock does nothing.
func (*extension) Unlock() {}

// extended are the methods that the extension answers, by the type of object.
var extended = map[string]map[string]bool{ //nolint:gochecknoglobals // a constant table
	"VirtualMachine": {
		"ShutdownGuest": true, "PowerOnVM_Task": true, "PowerOffVM_Task": true, "SuspendVM_Task": true, "ResetVM_Task": true,
		"RebootGuest": true, "StandbyGuest": true, "AnswerVM": true, "MigrateVM_Task": true, "RelocateVM_Task": true,
	},
	"HostSystem": {
		"EnterMaintenanceMode_Task": true, "ExitMaintenanceMode_Task": true, "ShutdownHost_Task": true, "RebootHost_Task": true,
		"DisconnectHost_Task": true, "ReconnectHost_Task": true,
	},
	"HostStorageSystem":      {"RescanAllHba": true, "RescanHba": true, "RescanVmfs": true},
	"GuestProcessManager":    {"StartProgramInGuest": true, "ListProcessesInGuest": true},
	"SearchIndex":            {"FindByUuid": true, "FindAllByUuid": true},
	"ClusterComputeResource": {"ReconfigureComputeResource_Task": true},
	"Datacenter":             {"PowerOnMultiVM_Task": true},
	"OptionManager":          {"UpdateOptions": true},
	"AlarmManager":           {"EnableAlarmActions": true},
	"AuthorizationManager":   {"HasPrivilegeOnEntities": true},
	"TaskManager":            {"CreateCollectorForTasks": true},
	"TaskHistoryCollector":   {"ReadNextTasks": true, "ReadPreviousTasks": true},
}

func (v *view) installExtension() {
	reg := v.model.Map()
	v.ext = &extension{
		ExtensionManager: mo.ExtensionManager{Self: types.ManagedObjectReference{Type: "NightshiftLab", Value: "lab-1"}},
		view:             v,
	}
	reg.Put(v.ext)
	reg.Handler = v.route
}

// route decides who answers a call.
func (v *view) route(ctx *simulator.Context, m *simulator.Method) (mo.Reference, types.BaseMethodFault) {
	if ctx.Session == nil {
		return nil, v.stranger(m)
	}
	if fault := v.beyondESXi(m); fault != nil {
		return nil, fault
	}
	if privilege, ok := v.lab.spec.Denied[m.Name]; ok && v.host == nil {
		this := m.This
		return nil, &types.NoPermission{Object: &this, PrivilegeId: privilege}
	}
	if !extended[m.This.Type][m.Name] {
		return nil, nil
	}
	known := m.This.Type != "OptionManager" || m.This == ctx.Map.OptionManager().Self
	v.lab.read(func() {
		switch m.This.Type {
		case "VirtualMachine":
			known = v.byGuest[m.This] != nil
		case "HostSystem", "HostStorageSystem":
			known = v.byHost[m.This] != nil
		case "ClusterComputeResource":
			known = v.byCluster[m.This] != nil
		}
	})
	if known {
		m.This = v.ext.Self // returning the extension is not enough: the session's registry is asked again
	}
	return nil, nil
}

// stranger is who calls without a session. The simulator lets it read properties; a vCenter does not.
func (v *view) stranger(m *simulator.Method) types.BaseMethodFault {
	switch m.Name {
	case "Login":
		if v.host != nil && v.host.spec.Lockdown != string(types.HostLockdownModeLockdownDisabled) {
			v.lab.rec.login(v.system, false)
			return &types.NoPermission{Object: &haRoot, PrivilegeId: "System.View"}
		}
	case "LoginByToken", "LoginExtensionByCertificate": // there is no SSO that could have signed anything
		v.lab.rec.login(v.system, false)
		return &types.InvalidLogin{}
	case "RetrieveProperties", "RetrievePropertiesEx", "Fetch":
		if !onlyServiceInstance(m) {
			this := m.This
			return &types.NotAuthenticated{NoPermission: types.NoPermission{Object: &this, PrivilegeId: "System.View"}}
		}
	}
	return nil
}

// beyondESXi is why a host of its own refuses what a vCenter takes: there is no cluster and no datacenter to ask, and the
// free licence allows reading only.
func (v *view) beyondESXi(m *simulator.Method) types.BaseMethodFault {
	switch {
	case v.host == nil:
		return nil
	case m.This.Type == "ClusterComputeResource", m.Name == "PowerOnMultiVM_Task", m.Name == "MigrateVM_Task", m.Name == "RelocateVM_Task":
		return &types.NotSupported{}
	case v.host.spec.FreeLicense && !reads(m.Name):
		return &types.RestrictedVersion{}
	}
	return nil
}

func onlyServiceInstance(m *simulator.Method) bool {
	var sets []types.PropertyFilterSpec
	switch b := m.Body.(type) {
	case *types.RetrieveProperties:
		sets = b.SpecSet
	case *types.RetrievePropertiesEx:
		sets = b.SpecSet
	default:
		return false
	}
	for _, s := range sets {
		for _, o := range s.ObjectSet {
			if o.Obj != vim25.ServiceInstance {
				return false
			}
		}
	}
	return true
}

func (v *view) guestAt(ref types.ManagedObjectReference) *guest {
	v.lab.mu.Lock()
	defer v.lab.mu.Unlock()
	return v.byGuest[ref]
}
