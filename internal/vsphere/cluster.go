package vsphere

import (
	"context"
	"fmt"

	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"nightshift/internal/fault"
	"nightshift/internal/live"
)

var clusterProperties = []string{"name", "configurationEx", "alarmActionsEnabled"}

// newCluster makes plain data from what was read. VCLS is an option of the vCenter and stays nil.
func newCluster(c *mo.ClusterComputeResource) live.Cluster {
	out := live.Cluster{Ref: c.Self.Value, Name: shownName(c.Name), Alarms: alarmsText(c.AlarmActionsEnabled)}
	set, ok := c.ConfigurationEx.(*types.ClusterConfigInfoEx)
	if !ok || set == nil {
		return out
	}
	out.HA = isTrue(set.DasConfig.Enabled)
	out.DRS, out.DRSLevel = isTrue(set.DrsConfig.Enabled), string(set.DrsConfig.DefaultVmBehavior)
	if out.DRS && out.DRSLevel == "" { // not set: what a vCenter takes then
		out.DRSLevel = string(types.DrsBehaviorFullyAutomated)
	}
	if p := set.DpmConfigInfo; p != nil {
		out.DPM = isTrue(p.Enabled)
	}
	if v := set.VsanConfigInfo; v != nil {
		out.VSAN = isTrue(v.Enabled)
	}
	return out
}

// Cluster reads one cluster.
func (c *Client) Cluster(ctx context.Context, ref string) (live.Cluster, error) {
	var out live.Cluster
	err := c.read(ctx, "read cluster "+ref, func(ctx context.Context) error {
		got, err := c.retrieve(ctx, wants{"ClusterComputeResource": clusterProperties}, object(clusterRef(ref)))
		if err != nil {
			return err
		}
		list := allOf[mo.ClusterComputeResource](got)
		if len(list) == 0 {
			return fault.As(fault.NotFound, fmt.Errorf("cluster %s is not there (any more)", ref))
		}
		out = newCluster(list[0])
		options, err := c.options(ctx, vclsOption(ref))
		if err != nil {
			return err
		}
		out.VCLS = vclsValue(options, ref)
		return nil
	})
	return out, err
}

// SetHA switches vSphere HA on or off and returns the task. Nothing else of it changes.
func (c *Client) SetHA(ctx context.Context, ref string, on bool) (string, error) {
	return c.reconfigure(ctx, fmt.Sprintf("set HA of cluster %s to %t", ref, on), ref,
		types.ClusterConfigSpecEx{DasConfig: &types.ClusterDasConfigInfo{Enabled: &on}})
}

// SetDRSLevel sets the automation level of DRS (fullyAutomated, partiallyAutomated, manual) and returns the task.
// DRS itself is never switched off: that deletes all resource pools.
func (c *Client) SetDRSLevel(ctx context.Context, ref, level string) (string, error) {
	op := fmt.Sprintf("set the DRS level of cluster %s to %s", ref, level)
	switch b := types.DrsBehavior(level); b {
	case types.DrsBehaviorFullyAutomated, types.DrsBehaviorPartiallyAutomated, types.DrsBehaviorManual:
		return c.reconfigure(ctx, op, ref, types.ClusterConfigSpecEx{DrsConfig: &types.ClusterDrsConfigInfo{DefaultVmBehavior: b}})
	}
	return "", fault.As(fault.Invalid, fmt.Errorf("%s at %s: the level is one of fullyAutomated, partiallyAutomated, manual", op, c.name))
}

// SetDPM switches DPM on or off and returns the task. Nothing else of it changes.
func (c *Client) SetDPM(ctx context.Context, ref string, on bool) (string, error) {
	return c.reconfigure(ctx, fmt.Sprintf("set DPM of cluster %s to %t", ref, on), ref,
		types.ClusterConfigSpecEx{DpmConfig: &types.ClusterDpmConfigInfo{Enabled: &on}})
}

// reconfigure changes what spec names and leaves the rest.
func (c *Client) reconfigure(ctx context.Context, op, ref string, spec types.ClusterConfigSpecEx) (string, error) {
	res, err := methods.ReconfigureComputeResource_Task(ctx, c.vim, &types.ReconfigureComputeResource_Task{
		This: clusterRef(ref), Spec: &spec, Modify: true})
	if err != nil {
		return "", c.explain(op, err)
	}
	return res.Returnval.Value, nil
}
