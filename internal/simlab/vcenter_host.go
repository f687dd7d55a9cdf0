package simlab

import (
	"context"
	"errors"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// EnterMaintenanceModeTask waits until nothing runs on the host any more: for ever, or for the time-out of the request,
// which is wall-clock time as every time that a caller gives. vCLS VMs are moved where there is another host.
func (e *extension) EnterMaintenanceModeTask(ctx *simulator.Context, req *types.EnterMaintenanceMode_Task) soap.HasFault {
	v, h := e.view, e.view.byHost[req.This]
	task := v.startTask(ctx, req.This, "EnterMaintenanceMode_Task", "HostSystem.enterMaintenanceMode", func(j *job) (types.AnyType, types.BaseMethodFault) {
		return nil, v.enterMaintenance(j, h, time.Duration(req.Timeout)*time.Second)
	})
	return &methods.EnterMaintenanceMode_TaskBody{Res: &types.EnterMaintenanceMode_TaskResponse{Returnval: task}}
}

func (v *view) enterMaintenance(j *job, h *host, timeout time.Duration) types.BaseMethodFault {
	l := v.lab
	wait, cancel := context.WithCancel(l.ctx)
	if timeout > 0 {
		wait, cancel = context.WithTimeout(l.ctx, timeout)
	}
	defer cancel()
	l.change(func(*touched) { h.entering++ })
	defer l.change(func(*touched) { h.entering-- })
	var fault types.BaseMethodFault
	for fault == nil {
		var empty bool
		l.read(func() {
			fault = v.refusesHost(h, false)
			if v.host == nil { // it is vCenter that moves them
				l.evacuate(h)
			}
			empty = l.nothingRuns(h)
		})
		switch {
		case fault != nil:
		case empty:
			return v.becomeMaintenance(j, h)
		case j.done(): // cancelled
			return nil
		default:
			fault = l.untilChange(wait, j)
		}
	}
	return fault
}

// untilChange waits for the world to change, and looks at the task now and then, which may be cancelled.
func (l *Lab) untilChange(ctx context.Context, j *job) types.BaseMethodFault {
	short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	first := true
	err := l.wait(short, func() bool {
		changed := !first
		first = false
		return changed
	})
	if err != nil && ctx.Err() != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) && !j.done() {
		return &types.Timedout{}
	}
	return nil
}

func (v *view) becomeMaintenance(j *job, h *host) (fault types.BaseMethodFault) {
	l := v.lab
	if !j.sleep(takeEnterMaint) {
		return nil
	}
	l.change(func(t *touched) {
		if fault = v.refusesHost(h, false); fault != nil {
			return
		}
		if !l.nothingRuns(h) {
			fault = &types.InvalidState{} // somebody started a guest in the meantime
			return
		}
		h.maintenance = true
		t.host(h)
	})
	return fault
}

// nothingRuns: suspended guests do not count.
func (l *Lab) nothingRuns(h *host) bool {
	for _, g := range l.guestsOn(h) {
		if g.power == guestOn || g.busy {
			return false
		}
	}
	return true
}

// evacuate moves the vCLS VMs of a host to another one of the cluster, if there is one, and all other guests, too, where DRS
// does so.
func (l *Lab) evacuate(h *host) {
	automated := h.cluster != nil && h.cluster.spec.Evacuates && h.cluster.drs && h.cluster.drsLevel == string(types.DrsBehaviorFullyAutomated)
	for _, g := range l.guestsOn(h) {
		if g.vcls == nil && !automated || g.busy || g.power != guestOn || l.other(g) == nil {
			continue
		}
		g.busy = true
		l.after(takeEvacuate, func() {
			l.change(func(t *touched) {
				g.busy = false
				if to := l.other(g); to != nil && g.host == h && h.usable() {
					g.host = to
					t.host(h)
					t.host(to)
				}
			})
		})
	}
}

// refuses is why a host cannot do it now.
func (v *view) refusesHost(h *host, needsMaintenance bool) types.BaseMethodFault {
	switch {
	case !v.hears(h) || !h.running || h.cut:
		return &types.HostNotConnected{}
	case h.stopping, needsMaintenance && !h.maintenance:
		return &types.InvalidState{}
	}
	return nil
}

// ExitMaintenanceModeTask lets guests run on the host again.
func (e *extension) ExitMaintenanceModeTask(ctx *simulator.Context, req *types.ExitMaintenanceMode_Task) soap.HasFault {
	v, h := e.view, e.view.byHost[req.This]
	task := v.startTask(ctx, req.This, "ExitMaintenanceMode_Task", "HostSystem.exitMaintenanceMode", func(j *job) (_ types.AnyType, fault types.BaseMethodFault) {
		if !j.sleep(takeExitMaint) {
			return nil, nil
		}
		v.lab.change(func(t *touched) {
			if fault = v.refusesHost(h, true); fault == nil {
				h.maintenance = false
				t.host(h)
			}
		})
		return nil, fault
	})
	return &methods.ExitMaintenanceMode_TaskBody{Res: &types.ExitMaintenanceMode_TaskResponse{Returnval: task}}
}

// ShutdownHostTask shuts ESXi down, and with it the server. Outside of maintenance mode only by force: then guests die.
func (e *extension) ShutdownHostTask(ctx *simulator.Context, req *types.ShutdownHost_Task) soap.HasFault {
	task := e.view.hostGoes(ctx, req.This, req.Force, "ShutdownHost_Task", "HostSystem.shutdown", e.view.lab.stopHost)
	return &methods.ShutdownHost_TaskBody{Res: &types.ShutdownHost_TaskResponse{Returnval: task}}
}

// RebootHostTask reboots ESXi.
func (e *extension) RebootHostTask(ctx *simulator.Context, req *types.RebootHost_Task) soap.HasFault {
	task := e.view.hostGoes(ctx, req.This, req.Force, "RebootHost_Task", "HostSystem.reboot", func(t *touched, h *host) {
		l := e.view.lab
		l.killGuests(t, h)
		l.bootHost(t, h)
	})
	return &methods.RebootHost_TaskBody{Res: &types.RebootHost_TaskResponse{Returnval: task}}
}

func (v *view) hostGoes(ctx *simulator.Context, ref types.ManagedObjectReference, force bool, method, description string, act func(*touched, *host)) types.ManagedObjectReference {
	l, h := v.lab, v.byHost[ref]
	return v.startTask(ctx, ref, method, description, func(j *job) (_ types.AnyType, fault types.BaseMethodFault) {
		l.read(func() { fault = v.refusesHost(h, !force) })
		if fault != nil || !j.sleep(takeShutdownTask) {
			return nil, fault
		}
		l.change(func(t *touched) {
			if fault = v.refusesHost(h, !force); fault == nil {
				act(t, h)
			}
		})
		if fault == nil && method == "ShutdownHost_Task" {
			v.shutdownEvent(j.ctx, h)
		}
		return nil, fault
	})
}

// DisconnectHostTask is refused: nobody here works by hand.
func (e *extension) DisconnectHostTask(*simulator.Context, *types.DisconnectHost_Task) soap.HasFault {
	return &methods.DisconnectHost_TaskBody{Fault_: simulator.Fault("", &types.NotSupported{})}
}

// ReconnectHostTask is refused.
func (e *extension) ReconnectHostTask(*simulator.Context, *types.ReconnectHost_Task) soap.HasFault {
	return &methods.ReconnectHost_TaskBody{Fault_: simulator.Fault("", &types.NotSupported{})}
}
