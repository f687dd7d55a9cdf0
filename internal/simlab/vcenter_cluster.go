package simlab

import (
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// ReconfigureComputeResourceTask changes a cluster's settings.
func (e *extension) ReconfigureComputeResourceTask(ctx *simulator.Context, req *types.ReconfigureComputeResource_Task) soap.HasFault {
	l := e.view.lab
	c := l.vc.byCluster[req.This]
	obj, _ := ctx.Map.Get(req.This).(*simulator.ClusterComputeResource)
	spec, ok := req.Spec.(*types.ClusterConfigSpecEx)
	if obj == nil || !ok {
		return &methods.ReconfigureComputeResource_TaskBody{Fault_: simulator.Fault("", &types.InvalidArgument{InvalidProperty: "spec"})}
	}
	if len(spec.RulesSpec)+len(spec.GroupSpec)+len(spec.DasVmConfigSpec)+len(spec.DrsVmConfigSpec)+len(spec.VmOrchestrationSpec) > 0 {
		var body soap.HasFault
		ctx.WithLock(obj, func() { body = obj.ReconfigureComputeResourceTask(ctx, req) }) // rules and overrides are stored as they are
		return body
	}
	task := e.view.startTask(ctx, req.This, "ReconfigureComputeResource_Task", "ClusterComputeResource.reconfigureEx", func(j *job) (types.AnyType, types.BaseMethodFault) {
		if j.sleep(takeReconfigure) {
			l.reconfigure(j.ctx, c, obj, spec)
		}
		return nil, nil
	})
	return &methods.ReconfigureComputeResource_TaskBody{Res: &types.ReconfigureComputeResource_TaskResponse{Returnval: task}}
}

func (l *Lab) reconfigure(ctx *simulator.Context, c *cluster, obj *simulator.ClusterComputeResource, spec *types.ClusterConfigSpecEx) {
	ctx.WithLock(obj, func() {
		old, ok := obj.ConfigurationEx.(*types.ClusterConfigInfoEx)
		if !ok {
			return
		}
		cfg := *old // replaced, not changed: an answer that holds it may be on its way out
		if d := spec.DasConfig; d != nil {
			cfg.DasConfig.Enabled = orPointer(d.Enabled, cfg.DasConfig.Enabled)
			cfg.DasConfig.AdmissionControlEnabled = orPointer(d.AdmissionControlEnabled, cfg.DasConfig.AdmissionControlEnabled)
		}
		if d := spec.DrsConfig; d != nil {
			cfg.DrsConfig.Enabled = orPointer(d.Enabled, cfg.DrsConfig.Enabled)
			cfg.DrsConfig.DefaultVmBehavior = orDefault(d.DefaultVmBehavior, cfg.DrsConfig.DefaultVmBehavior)
			cfg.DrsConfig.VmotionRate = orDefault(d.VmotionRate, cfg.DrsConfig.VmotionRate)
		}
		if d := spec.DpmConfig; d != nil && cfg.DpmConfigInfo != nil {
			dpm := *cfg.DpmConfigInfo
			dpm.Enabled = orPointer(d.Enabled, dpm.Enabled)
			dpm.DefaultDpmBehavior = orDefault(d.DefaultDpmBehavior, dpm.DefaultDpmBehavior)
			cfg.DpmConfigInfo = &dpm
		}
		set(ctx, obj, "configurationEx", &cfg)
		l.read(func() {
			c.ha = isTrue(cfg.DasConfig.Enabled)
			c.poolsGone = c.poolsGone || c.drs && !isTrue(cfg.DrsConfig.Enabled)
			c.drs, c.drsLevel = isTrue(cfg.DrsConfig.Enabled), string(cfg.DrsConfig.DefaultVmBehavior)
			c.dpm = cfg.DpmConfigInfo != nil && isTrue(cfg.DpmConfigInfo.Enabled)
		})
	})
	l.change(func(*touched) {})
}

func isTrue(b *bool) bool { return b != nil && *b }

func orPointer[T any](v, otherwise *T) *T {
	if v != nil {
		return v
	}
	return otherwise
}

// PowerOnMultiVMTask starts guests through DRS: it places them on any host of the cluster that can run them. Where DRS
// is manual it only recommends; where no host can run a guest, that one is not attempted.
func (e *extension) PowerOnMultiVMTask(ctx *simulator.Context, req *types.PowerOnMultiVM_Task) soap.HasFault {
	l := e.view.lab
	task := e.view.startTask(ctx, l.vc.datacenter, "PowerOnMultiVM_Task", "Datacenter.powerOnVm", func(j *job) (types.AnyType, types.BaseMethodFault) {
		res := types.ClusterPowerOnVmResult{}
		for _, ref := range req.Vm {
			l.powerOnByDRS(j.ctx, ref, &res)
		}
		return res, nil
	})
	return &methods.PowerOnMultiVM_TaskBody{Res: &types.PowerOnMultiVM_TaskResponse{Returnval: task}}
}

func (l *Lab) powerOnByDRS(ctx *simulator.Context, ref types.ManagedObjectReference, res *types.ClusterPowerOnVmResult) {
	g := l.vc.guestAt(ref)
	var fault types.BaseMethodFault
	recommend := false
	if g == nil {
		fault = &types.ManagedObjectNotFound{Obj: ref}
	} else {
		l.change(func(t *touched) {
			c := g.host.cluster
			switch {
			case g.power == guestOn:
				fault = invalidPower(guestOn, g.power)
			case g.host.usable():
			case !g.host.connected:
				fault = &types.HostNotConnected{}
			case c == nil || !c.drs || l.other(g) == nil:
				fault = &types.NoCompatibleHost{}
			case c.drsLevel == string(types.DrsBehaviorManual):
				recommend = true
			default:
				t.host(g.host)
				g.host = l.other(g)
				t.host(g.host)
			}
		})
	}
	switch {
	case fault != nil:
		res.NotAttempted = append(res.NotAttempted, types.ClusterNotAttemptedVmInfo{
			Vm: ref, Fault: types.LocalizedMethodFault{Fault: fault, LocalizedMessage: "The host cannot run the virtual machine."},
		})
	case recommend:
		res.Recommendations = append(res.Recommendations, types.ClusterRecommendation{Key: "1", Type: "V1", Rating: 1, Reason: "powerOnVm", ReasonText: "Power on", Target: &ref})
	default:
		task := l.vc.startPower(ctx, g, "PowerOnVM_Task", "powerOn")
		res.Attempted = append(res.Attempted, types.ClusterAttemptedVmInfo{Vm: ref, Task: &task})
	}
}
