package vsphere

import (
	"context"

	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// PowerOnGuest powers a VM on and returns the task. Where DRS places VMs by itself it is asked through the datacenter,
// as then it may choose the host; a manual DRS would only recommend one, so that there, without DRS and on a direct
// ESXi host the VM starts where it is. A VM that DRS finds no host for is an error of the task, see Task.
func (c *Client) PowerOnGuest(ctx context.Context, ref string) (string, error) {
	op := "power on guest " + ref
	var datacenter *types.ManagedObjectReference
	err := c.read(ctx, op, func(ctx context.Context) error {
		var err error
		datacenter, err = c.placing(ctx, ref)
		return err
	})
	if err != nil {
		return "", err
	}
	if datacenter == nil {
		res, err := methods.PowerOnVM_Task(ctx, c.vim, &types.PowerOnVM_Task{This: vmRef(ref)})
		if err != nil {
			return "", c.explain(op, err)
		}
		return res.Returnval.Value, nil
	}
	res, err := methods.PowerOnMultiVM_Task(ctx, c.vim, &types.PowerOnMultiVM_Task{
		This: *datacenter, Vm: []types.ManagedObjectReference{vmRef(ref)}})
	if err != nil {
		return "", c.explain(op, err)
	}
	return res.Returnval.Value, nil
}

// placing is the datacenter to ask where DRS places the VM; nil: it does not.
func (c *Client) placing(ctx context.Context, ref string) (*types.ManagedObjectReference, error) {
	if !c.vim.IsVC() {
		return nil, nil
	}
	up := &types.TraversalSpec{SelectionSpec: types.SelectionSpec{Name: "up"}, Type: "ManagedEntity", Path: "parent",
		SelectSet: []types.BaseSelectionSpec{&types.SelectionSpec{Name: "up"}}}
	got, err := c.retrieve(ctx, wants{"ClusterComputeResource": {"configurationEx"}, "Datacenter": {"name"}},
		object(vmRef(ref), along("VirtualMachine", "runtime.host", up)))
	if err != nil {
		return nil, err
	}
	clusters, datacenters := allOf[mo.ClusterComputeResource](got), allOf[mo.Datacenter](got)
	if len(clusters) != 1 || len(datacenters) != 1 {
		return nil, nil
	}
	set := newCluster(clusters[0])
	if !set.DRS || set.DRSLevel == string(types.DrsBehaviorManual) {
		return nil, nil
	}
	return &datacenters[0].Self, nil
}
