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
	lab                 *Lab
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
		"RebootGuest": true, "StandbyGuest": true, "AnswerVM": true,
	},
	"HostSystem": {
		"EnterMaintenanceMode_Task": true, "ExitMaintenanceMode_Task": true, "ShutdownHost_Task": true, "RebootHost_Task": true,
		"DisconnectHost_Task": true, "ReconnectHost_Task": true,
	},
	"ClusterComputeResource": {"ReconfigureComputeResource_Task": true},
	"Datacenter":             {"PowerOnMultiVM_Task": true},
	"OptionManager":          {"UpdateOptions": true},
	"TaskManager":            {"CreateCollectorForTasks": true},
	"TaskHistoryCollector":   {"ReadNextTasks": true, "ReadPreviousTasks": true},
}

func (l *Lab) installExtension() {
	reg := l.vc.model.Map()
	l.vc.ext = &extension{
		ExtensionManager: mo.ExtensionManager{Self: types.ManagedObjectReference{Type: "NightshiftLab", Value: "lab-1"}},
		lab:              l,
	}
	reg.Put(l.vc.ext)
	reg.Handler = l.route
}

// route decides who answers a call.
func (l *Lab) route(ctx *simulator.Context, m *simulator.Method) (mo.Reference, types.BaseMethodFault) {
	if ctx.Session == nil {
		return nil, l.stranger(ctx, m)
	}
	if privilege, ok := l.spec.Denied[m.Name]; ok {
		this := m.This
		return nil, &types.NoPermission{Object: &this, PrivilegeId: privilege}
	}
	if !extended[m.This.Type][m.Name] {
		return nil, nil
	}
	known := m.This.Type != "OptionManager" || m.This == ctx.Map.OptionManager().Self
	l.read(func() {
		switch m.This.Type {
		case "VirtualMachine":
			known = l.vc.byGuest[m.This] != nil
		case "HostSystem":
			known = l.vc.byHost[m.This] != nil
		case "ClusterComputeResource":
			known = l.vc.byCluster[m.This] != nil
		}
	})
	if known {
		m.This = l.vc.ext.Self // returning the extension is not enough: the session's registry is asked again
	}
	return nil, nil
}

// stranger is who calls without a session. The simulator lets it read properties; a vCenter does not.
func (l *Lab) stranger(_ *simulator.Context, m *simulator.Method) types.BaseMethodFault {
	switch m.Name {
	case "LoginByToken", "LoginExtensionByCertificate": // there is no SSO that could have signed anything
		l.rec.login("vcenter", false)
		return &types.InvalidLogin{}
	case "RetrieveProperties", "RetrievePropertiesEx", "Fetch":
		if !onlyServiceInstance(m) {
			this := m.This
			return &types.NotAuthenticated{NoPermission: types.NoPermission{Object: &this, PrivilegeId: "System.View"}}
		}
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

func (l *Lab) guestAt(ref types.ManagedObjectReference) *guest {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.vc.byGuest[ref]
}
