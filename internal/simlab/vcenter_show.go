package simlab

import (
	"fmt"
	"slices"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// show lets vCenter see what changed in the world. Object locks are taken before the world's, one at a time, and what is
// shown is read under them: so the last to show something shows the latest.
func (l *Lab) show(t *touched) {
	if l.vc != nil {
		l.vc.show(t)
	}
	for _, a := range l.esxis.agents() {
		if t.hosts[a.host] {
			a.register()
		}
		a.view.show(t)
	}
}

func (v *view) show(t *touched) {
	ctx := v.fork()
	for h := range t.hosts {
		if v.host == nil || v.host == h {
			v.showHost(ctx, h)
		}
	}
	for g := range t.guests {
		v.showGuest(ctx, g)
	}
	if len(t.hosts) > 0 {
		v.showDatastores(ctx)
	}
}

// set changes properties and wakes who waits for them, which plain writes do not. Paths are leaf paths.
func set(ctx *simulator.Context, o mo.Reference, kv ...any) {
	var ch []types.PropertyChange
	for i := 0; i < len(kv); i += 2 {
		name, _ := kv[i].(string)
		ch = append(ch, types.PropertyChange{Name: name, Val: kv[i+1]})
	}
	ctx.Update(o, ch)
}

func (v *view) showHost(ctx *simulator.Context, h *host) {
	obj, ok := ctx.Map.Get(v.hostRef(h)).(*simulator.HostSystem)
	if !ok {
		return
	}
	ctx.WithLock(obj, func() {
		conn, power := types.HostSystemConnectionStateConnected, types.HostSystemPowerStatePoweredOn
		status := types.ManagedEntityStatusGreen
		var maintenance bool
		var booted time.Time
		var vms []types.ManagedObjectReference
		v.lab.read(func() {
			maintenance, booted = h.maintenance, h.booted
			if v.host == nil && !h.connected {
				conn, power, status = types.HostSystemConnectionStateNotResponding, types.HostSystemPowerStateUnknown, types.ManagedEntityStatusRed
			}
			vms = v.guestsOf(h)
		})
		if conn != types.HostSystemConnectionStateConnected {
			maintenance = obj.Runtime.InMaintenanceMode // vCenter remembers what it saw last
		}
		if obj.Runtime.ConnectionState == conn && obj.Runtime.InMaintenanceMode == maintenance && slices.Equal(obj.Vm, vms) {
			return
		}
		v.hostEvents(ctx, obj, conn, maintenance)
		set(ctx, obj,
			"runtime.connectionState", conn, "summary.runtime.connectionState", conn,
			"runtime.powerState", power, "summary.runtime.powerState", power,
			"runtime.inMaintenanceMode", maintenance, "summary.runtime.inMaintenanceMode", maintenance,
			"summary.overallStatus", status, "overallStatus", status, "vm", vms)
		if v.host != nil || conn == types.HostSystemConnectionStateConnected {
			set(ctx, obj, "runtime.bootTime", &booted, "summary.runtime.bootTime", &booted)
		}
	})
}

// guestsOf are the guests that this view shows on a host. The world is locked.
func (v *view) guestsOf(h *host) []types.ManagedObjectReference {
	var out []types.ManagedObjectReference
	for _, g := range v.lab.guests {
		switch {
		case g.deleted:
		case v.host == nil && g.knownHost == h:
			out = append(out, g.ref)
		case v.host != nil && g.host == h:
			if ref, ok := v.own[g]; ok {
				out = append(out, ref)
			}
		}
	}
	return out
}

// A guestView is what vCenter or ESXi shows of a guest.
type guestView struct {
	power    types.VirtualMachinePowerState
	conn     types.VirtualMachineConnectionState
	host     types.ManagedObjectReference
	tools    bool
	question *types.VirtualMachineQuestionInfo
}

func (v *view) viewOf(g *guest) (s guestView) {
	v.lab.read(func() {
		s = guestView{types.VirtualMachinePowerState(g.power), types.VirtualMachineConnectionStateConnected, v.hostRef(g.host), g.tools, g.question}
		switch {
		case v.host == nil && !g.knownHost.connected:
			// Of a host that does not answer, vCenter tells what it saw last.
			s.power, s.conn, s.tools = types.VirtualMachinePowerState(g.known), types.VirtualMachineConnectionStateDisconnected, false
			s.host = g.knownHost.ref
		case v.host == nil && !g.knownHost.running: // it has died, and vCenter has not noticed yet
			s.power, s.tools, s.host = types.VirtualMachinePowerState(g.known), g.known == guestOn && !g.spec.NoTools, g.knownHost.ref
		case g.host.lost(g.datastore):
			s.conn = types.VirtualMachineConnectionStateInaccessible
		}
	})
	return s
}

func (v *view) showGuest(ctx *simulator.Context, g *guest) {
	vm, ok := ctx.Map.Get(v.guestRef(g)).(*simulator.VirtualMachine)
	if !ok {
		return
	}
	ctx.WithLock(vm, func() {
		s := v.viewOf(g)
		changed := vm.Runtime.PowerState != s.power
		set(ctx, vm, "runtime.powerState", s.power, "summary.runtime.powerState", s.power,
			"runtime.connectionState", s.conn, "summary.runtime.connectionState", s.conn)
		if vm.Runtime.Host == nil || *vm.Runtime.Host != s.host {
			if vm.Runtime.Host != nil {
				v.moveEvent(ctx, g, vm, *vm.Runtime.Host, s.host)
			}
			set(ctx, vm, "runtime.host", &s.host, "summary.runtime.host", &s.host)
		}
		set(ctx, vm, toolsProperties(g, s)...)
		v.showIdentity(ctx, g, vm, s)
		if s.question == nil {
			set(ctx, vm, "runtime.question", nil, "summary.runtime.question", nil)
		} else {
			set(ctx, vm, "runtime.question", s.question, "summary.runtime.question", s.question)
		}
		if changed {
			v.powerEvent(ctx, g, vm, s)
		}
	})
}

// showIdentity: a host of its own does not know who a guest is whose files it cannot read; a vCenter remembers.
func (v *view) showIdentity(ctx *simulator.Context, g *guest, vm *simulator.VirtualMachine, s guestView) {
	if v.host == nil {
		return
	}
	name, instance, bios := g.spec.Name, g.spec.UUID, g.spec.BIOSUUID
	if s.conn == types.VirtualMachineConnectionStateInaccessible {
		name, instance, bios = "/vmfs/volumes/"+g.spec.Datastore+"/"+g.spec.Name+"/"+g.spec.Name+".vmx", "", ""
	}
	if vm.Name != name {
		set(ctx, vm, "name", name, "config.name", name, "config.instanceUuid", instance, "config.uuid", bios)
	}
}

func toolsProperties(g *guest, v guestView) []any {
	heartbeat, status := types.ManagedEntityStatusGray, types.VirtualMachineToolsStatusToolsNotRunning
	running, state, ip := string(types.VirtualMachineToolsRunningStatusGuestToolsNotRunning), "notRunning", ""
	version := string(types.VirtualMachineToolsVersionStatusGuestToolsCurrent)
	if v.tools {
		heartbeat, status = types.ManagedEntityStatusGreen, types.VirtualMachineToolsStatusToolsOk
		running, state, ip = string(types.VirtualMachineToolsRunningStatusGuestToolsRunning), "running", g.ip()
	}
	if g.spec.NoTools {
		status = types.VirtualMachineToolsStatusToolsNotInstalled
		version = string(types.VirtualMachineToolsVersionStatusGuestToolsNotInstalled)
	}
	return []any{
		"guest.toolsStatus", status, "guest.toolsRunningStatus", running, "guest.toolsVersionStatus2", version,
		"guest.guestState", state, "guest.ipAddress", ip, "guest.hostName", g.spec.Name,
		"summary.guest.toolsStatus", status, "summary.guest.toolsRunningStatus", running, "summary.guest.ipAddress", ip,
		"guestHeartbeatStatus", heartbeat, "summary.quickStats.guestHeartbeatStatus", heartbeat,
	}
}

// ip is an address that looks like one and stays the same.
func (g *guest) ip() string {
	u := derived(0, "", "ip", g.spec.Name)
	return fmt.Sprintf("192.168.%d.%d", 4+u[0]%4, 10+int(u[1])%200)
}

// showDatastores: a datastore is accessible while a host that mounts it reads it.
func (v *view) showDatastores(ctx *simulator.Context) {
	v.storage.Lock()
	defer v.storage.Unlock()
	for name, ref := range v.datastores {
		ds, ok := ctx.Map.Get(ref).(*simulator.Datastore)
		if !ok {
			continue
		}
		ctx.WithLock(ds, func() {
			mounts := slices.Clone(ds.Host)
			accessible, changed := false, false
			v.lab.read(func() {
				for i := range mounts {
					h := v.byHost[mounts[i].Key]
					up := h != nil && v.hears(h) && h.reads(v.lab.datastores[name])
					changed = changed || up != isTrue(mounts[i].MountInfo.Accessible)
					mounts[i].MountInfo.Accessible = &up
					accessible = accessible || up
				}
			})
			if changed {
				set(ctx, ds, "host", mounts, "summary.accessible", accessible)
			}
		})
	}
}
