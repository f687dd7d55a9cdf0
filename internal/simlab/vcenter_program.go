package simlab

import (
	"strings"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// guestUser is who may log in inside the guests whose spec has a Login.
const guestUser = "operator"

// A process was started in a guest. The world is locked.
type process struct {
	info types.GuestProcessInfo
}

// programs end after this, and the Tools remember them for so long.
const (
	programTakes     = 5 * time.Second
	programForgotten = 5 * time.Minute
)

// unhurried is how long the Tools remember them in any case, in the time of who looks: a fast lab must not outrun it.
const unhurried = 30 * time.Second

// guestLogin is why a guest does not take an order with this login.
func (v *view) guestLogin(g *guest, auth types.BaseGuestAuthentication) types.BaseMethodFault {
	if f := v.needsTools(g); f != nil {
		if _, off := f.(*types.ToolsUnavailable); off {
			return &types.GuestOperationsUnavailable{}
		}
		return f
	}
	a, ok := auth.(*types.NamePasswordAuthentication)
	if !ok || g.password == "" || a.Username != guestUser || a.Password != g.password {
		return &types.InvalidGuestLogin{}
	}
	return nil
}

// StartProgramInGuest starts a program. Those that do not begin with a path are not found; one whose name or arguments hold
// "fail" ends with exit status 1.
func (e *extension) StartProgramInGuest(_ *simulator.Context, req *types.StartProgramInGuest) soap.HasFault {
	body := new(methods.StartProgramInGuestBody)
	l, g := e.view.lab, e.view.guestAt(req.Vm)
	if g == nil {
		body.Fault_ = simulator.Fault("", &types.ManagedObjectNotFound{Obj: req.Vm})
		return body
	}
	spec, _ := req.Spec.(*types.GuestProgramSpec)
	var fault types.BaseMethodFault
	l.change(func(*touched) {
		fault = e.view.guestLogin(g, req.Auth)
		switch {
		case fault != nil:
			return
		case spec == nil || !strings.HasPrefix(spec.ProgramPath, "/") && !strings.Contains(spec.ProgramPath, `:\`):
			fault = &types.FileNotFound{}
			return
		}
		status := int32(0)
		if strings.Contains(spec.ProgramPath+" "+spec.Arguments, "fail") {
			status = 1
		}
		p := &process{types.GuestProcessInfo{Name: spec.ProgramPath, Pid: int64(1000 + len(g.programs)), Owner: guestUser,
			CmdLine: strings.TrimSpace(spec.ProgramPath + " " + spec.Arguments), StartTime: time.Now()}}
		g.programs = append(g.programs, p)
		body.Res = &types.StartProgramInGuestResponse{Returnval: p.info.Pid}
		epoch := g.epoch
		l.after(programTakes, func() {
			l.change(func(*touched) {
				if g.epoch == epoch {
					now := time.Now()
					p.info.EndTime, p.info.ExitCode = &now, status
				}
			})
		})
		l.after(max(programForgotten, time.Duration(l.speed*float64(unhurried))), func() { l.change(func(*touched) { p.info.Pid = 0 }) })
	})
	if fault != nil {
		body.Fault_ = simulator.Fault("", fault)
	}
	return body
}

// ListProcessesInGuest lists those that were started, and not forgotten.
func (e *extension) ListProcessesInGuest(_ *simulator.Context, req *types.ListProcessesInGuest) soap.HasFault {
	body := new(methods.ListProcessesInGuestBody)
	g := e.view.guestAt(req.Vm)
	if g == nil {
		body.Fault_ = simulator.Fault("", &types.ManagedObjectNotFound{Obj: req.Vm})
		return body
	}
	var fault types.BaseMethodFault
	res := &types.ListProcessesInGuestResponse{}
	e.view.lab.read(func() {
		if fault = e.view.guestLogin(g, req.Auth); fault != nil {
			return
		}
		for _, p := range g.programs {
			for _, pid := range req.Pids {
				if p.info.Pid == pid {
					res.Returnval = append(res.Returnval, p.info)
				}
			}
		}
	})
	if fault != nil {
		body.Fault_ = simulator.Fault("", fault)
		return body
	}
	body.Res = res
	return body
}

// Programs are the command lines that were started in a guest, in their order.
func (l *Lab) Programs(guestName string) (lines []string) {
	l.read(func() {
		if g := l.guestNamed(guestName); g != nil {
			for _, p := range g.programs {
				lines = append(lines, p.info.CmdLine)
			}
		}
	})
	return lines
}
