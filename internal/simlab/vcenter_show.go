package simlab

import (
	"fmt"
	"slices"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// show lets vCenter see what changed in the world. Object locks are taken before the world's, one at a time, and what is
// shown is read under them: so the last to show something shows the latest.
func (l *Lab) show(t *touched) {
	if l.vc == nil {
		return
	}
	ctx := l.vc.fork()
	for h := range t.hosts {
		l.showHost(ctx, h)
	}
	for g := range t.guests {
		l.showGuest(ctx, g)
	}
	if len(t.hosts) > 0 {
		l.showDatastores(ctx)
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

func (l *Lab) showHost(ctx *simulator.Context, h *host) {
	obj, ok := ctx.Map.Get(h.ref).(*simulator.HostSystem)
	if !ok {
		return
	}
	ctx.WithLock(obj, func() {
		conn, power := types.HostSystemConnectionStateConnected, types.HostSystemPowerStatePoweredOn
		status := types.ManagedEntityStatusGreen
		var maintenance bool
		var vms []types.ManagedObjectReference
		l.read(func() {
			maintenance = h.maintenance
			if !h.connected {
				conn, power, status = types.HostSystemConnectionStateNotResponding, types.HostSystemPowerStateUnknown, types.ManagedEntityStatusRed
			}
			for _, g := range l.guestsOn(h) {
				vms = append(vms, g.ref)
			}
		})
		if conn != types.HostSystemConnectionStateConnected {
			maintenance = obj.Runtime.InMaintenanceMode // vCenter remembers what it saw last
		}
		if obj.Runtime.ConnectionState == conn && obj.Runtime.InMaintenanceMode == maintenance && slices.Equal(obj.Vm, vms) {
			return
		}
		set(ctx, obj,
			"runtime.connectionState", conn, "summary.runtime.connectionState", conn,
			"runtime.powerState", power, "summary.runtime.powerState", power,
			"runtime.inMaintenanceMode", maintenance, "summary.runtime.inMaintenanceMode", maintenance,
			"summary.overallStatus", status, "overallStatus", status, "vm", vms)
	})
}

// A guestView is what vCenter shows of a guest.
type guestView struct {
	power    types.VirtualMachinePowerState
	conn     types.VirtualMachineConnectionState
	host     types.ManagedObjectReference
	tools    bool
	question *types.VirtualMachineQuestionInfo
}

func (l *Lab) viewOf(g *guest) (v guestView) {
	l.read(func() {
		if g.host.connected {
			g.known = g.power
		}
		// Of a host that does not answer, vCenter tells what it saw last.
		v = guestView{types.VirtualMachinePowerState(g.known), types.VirtualMachineConnectionStateConnected, g.host.ref, g.tools, g.question}
		if !g.host.connected {
			v.conn, v.tools = types.VirtualMachineConnectionStateDisconnected, false
		}
	})
	return v
}

func (l *Lab) showGuest(ctx *simulator.Context, g *guest) {
	vm, ok := ctx.Map.Get(g.ref).(*simulator.VirtualMachine)
	if !ok {
		return
	}
	ctx.WithLock(vm, func() {
		v := l.viewOf(g)
		changed := vm.Runtime.PowerState != v.power
		set(ctx, vm, "runtime.powerState", v.power, "summary.runtime.powerState", v.power,
			"runtime.connectionState", v.conn, "summary.runtime.connectionState", v.conn)
		if vm.Runtime.Host == nil || *vm.Runtime.Host != v.host {
			set(ctx, vm, "runtime.host", &v.host, "summary.runtime.host", &v.host)
		}
		set(ctx, vm, toolsProperties(g, v)...)
		if v.question == nil {
			set(ctx, vm, "runtime.question", nil, "summary.runtime.question", nil)
		} else {
			set(ctx, vm, "runtime.question", v.question, "summary.runtime.question", v.question)
		}
		if changed {
			l.powerEvent(ctx, g, vm, v)
		}
	})
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

// showDatastores: a datastore is accessible while a host that mounts it is.
func (l *Lab) showDatastores(ctx *simulator.Context) {
	l.vc.storage.Lock()
	defer l.vc.storage.Unlock()
	for _, ref := range l.vc.datastores {
		ds, ok := ctx.Map.Get(ref).(*simulator.Datastore)
		if !ok {
			continue
		}
		ctx.WithLock(ds, func() {
			mounts := slices.Clone(ds.Host)
			accessible, changed := false, false
			l.read(func() {
				for i := range mounts {
					h := l.vc.byHost[mounts[i].Key]
					up := h != nil && h.connected && h.storage
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
