package simlab

import (
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// unreachable is the fault for a guest whose host does not answer.
func (v *view) unreachable(g *guest) types.BaseMethodFault {
	if !v.hears(g.host) {
		return &types.HostNotConnected{}
	}
	return nil
}

func invalidPower(want, is string) types.BaseMethodFault {
	return &types.InvalidPowerState{
		RequestedState: types.VirtualMachinePowerState(want), ExistingState: types.VirtualMachinePowerState(is),
	}
}

// needsTools is what refuses a call that the Tools in the guest are to carry out.
func (v *view) needsTools(g *guest) types.BaseMethodFault {
	switch {
	case !v.hears(g.host):
		return &types.HostNotConnected{}
	case g.power != guestOn:
		return invalidPower(guestOn, g.power)
	case !g.tools:
		return &types.ToolsUnavailable{}
	}
	return nil
}

// ShutdownGuest asks the guest OS to shut down, and returns at once.
func (e *extension) ShutdownGuest(ctx *simulator.Context, req *types.ShutdownGuest) soap.HasFault {
	body := new(methods.ShutdownGuestBody)
	g := e.view.guestAt(req.This)
	var fault types.BaseMethodFault
	e.view.lab.change(func(t *touched) {
		if fault = e.view.needsTools(g); fault == nil {
			e.view.lab.stop(t, g)
		}
	})
	if fault != nil {
		body.Fault_ = simulator.Fault("", fault)
		return body
	}
	e.view.startTask(ctx, req.This, "ShutdownGuest", "VirtualMachine.shutdownGuest", func(*job) (types.AnyType, types.BaseMethodFault) { return nil, nil })
	body.Res = new(types.ShutdownGuestResponse)
	return body
}

// RebootGuest asks the guest OS to reboot, and returns at once.
func (e *extension) RebootGuest(_ *simulator.Context, req *types.RebootGuest) soap.HasFault {
	body := new(methods.RebootGuestBody)
	g := e.view.guestAt(req.This)
	var fault types.BaseMethodFault
	e.view.lab.change(func(t *touched) {
		if fault = e.view.needsTools(g); fault == nil && !g.spec.IgnoresShutdown {
			e.view.lab.powerOn(t, g)
		}
	})
	if fault != nil {
		body.Fault_ = simulator.Fault("", fault)
		return body
	}
	body.Res = new(types.RebootGuestResponse)
	return body
}

// StandbyGuest is not supported by any guest here.
func (e *extension) StandbyGuest(*simulator.Context, *types.StandbyGuest) soap.HasFault {
	return &methods.StandbyGuestBody{Fault_: simulator.Fault("", &types.NotSupported{})}
}

// AnswerVM answers the question that a guest waits for.
func (e *extension) AnswerVM(_ *simulator.Context, req *types.AnswerVM) soap.HasFault {
	body := new(methods.AnswerVMBody)
	g := e.view.guestAt(req.This)
	e.view.lab.change(func(t *touched) {
		if g.question == nil || g.question.Id != req.QuestionId {
			body.Fault_ = simulator.Fault("", new(types.ConcurrentAccess))
			return
		}
		e.view.lab.answer(t, g)
		body.Res = new(types.AnswerVMResponse)
	})
	return body
}

// PowerOnVMTask starts a guest on the host where it is registered.
func (e *extension) PowerOnVMTask(ctx *simulator.Context, req *types.PowerOnVM_Task) soap.HasFault {
	task := e.view.startPower(ctx, e.view.guestAt(req.This), "PowerOnVM_Task", "powerOn")
	return &methods.PowerOnVM_TaskBody{Res: &types.PowerOnVM_TaskResponse{Returnval: task}}
}

// PowerOffVMTask takes the power from a guest.
func (e *extension) PowerOffVMTask(ctx *simulator.Context, req *types.PowerOffVM_Task) soap.HasFault {
	task := e.view.startPower(ctx, e.view.guestAt(req.This), "PowerOffVM_Task", "powerOff")
	return &methods.PowerOffVM_TaskBody{Res: &types.PowerOffVM_TaskResponse{Returnval: task}}
}

// SuspendVMTask suspends a guest.
func (e *extension) SuspendVMTask(ctx *simulator.Context, req *types.SuspendVM_Task) soap.HasFault {
	task := e.view.startPower(ctx, e.view.guestAt(req.This), "SuspendVM_Task", "suspend")
	return &methods.SuspendVM_TaskBody{Res: &types.SuspendVM_TaskResponse{Returnval: task}}
}

// ResetVMTask is power off and on again.
func (e *extension) ResetVMTask(ctx *simulator.Context, req *types.ResetVM_Task) soap.HasFault {
	task := e.view.startPower(ctx, e.view.guestAt(req.This), "ResetVM_Task", "reset")
	return &methods.ResetVM_TaskBody{Res: &types.ResetVM_TaskResponse{Returnval: task}}
}

// startPower runs a task that changes a guest's power. Only one does so at a time.
func (v *view) startPower(ctx *simulator.Context, g *guest, method, verb string) types.ManagedObjectReference {
	var fault types.BaseMethodFault
	v.lab.change(func(*touched) {
		if g.busy {
			fault = &types.TaskInProgress{}
			return
		}
		if fault = v.refuses(g, verb); fault == nil {
			g.busy = true
		}
	})
	return v.startTask(ctx, v.guestRef(g), method, "VirtualMachine."+verb, func(j *job) (types.AnyType, types.BaseMethodFault) {
		if fault != nil {
			return nil, fault
		}
		return nil, v.runPower(j, g, verb)
	})
}

func (v *view) runPower(j *job, g *guest, verb string) (fault types.BaseMethodFault) {
	d := takePowerOnTask
	switch verb {
	case "powerOff":
		d = takePowerOffTask
	case "suspend":
		d = takeSuspendTask
	}
	ok := j.sleep(d / 2)
	if ok {
		j.progress(50)
		ok = j.sleep(d / 2)
	}
	v.lab.change(func(t *touched) {
		g.busy = false
		if !ok {
			return
		}
		// The world may have changed while the task ran.
		if fault = v.refuses(g, verb); fault == nil {
			v.lab.applyPower(t, g, verb)
		}
	})
	return fault
}

func (l *Lab) applyPower(t *touched, g *guest, verb string) {
	switch verb {
	case "powerOn", "reset":
		l.powerOn(t, g)
	case "powerOff":
		l.powerOff(t, g)
	case "suspend":
		g.begin(guestSuspended)
		t.guest(g)
	}
}

// refuses is why a guest cannot do it now; nil: it can.
func (v *view) refuses(g *guest, verb string) types.BaseMethodFault {
	if f := v.unreachable(g); f != nil {
		return f
	}
	switch verb {
	case "powerOn":
		if g.power == guestOn {
			return invalidPower(guestOn, g.power)
		}
		if !g.host.takes() {
			return &types.InvalidState{}
		}
		return v.unreadable(g)
	case "powerOff":
		if g.power == guestOff {
			return invalidPower(guestOff, g.power)
		}
	default: // suspend, reset
		if g.power != guestOn {
			return invalidPower(guestOn, g.power)
		}
		if verb == "suspend" && g.spec.MultiWriter {
			return &types.GenericVmConfigFault{Reason: "A virtual machine with a multi-writer disk cannot be suspended."}
		}
	}
	return nil
}
