package vsphere

import (
	"context"
	"fmt"

	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"nightshift/internal/fault"
)

// A Snapshot of a VM.
type Snapshot struct{ Ref, Name, Description string }

// A Tracked VM is what matters for Changed Block Tracking.
type Tracked struct {
	Enabled   bool
	Snapshots []Snapshot // all of them, in whatever depth
}

// Tracking reads whether CBT is on, and the snapshots.
func (c *Client) Tracking(ctx context.Context, ref string) (out Tracked, err error) {
	err = c.read(ctx, "read the snapshots of guest "+ref, func(ctx context.Context) error {
		got, err := c.retrieve(ctx, wants{"VirtualMachine": {"config.changeTrackingEnabled", "snapshot"}}, object(vmRef(ref)))
		if err != nil {
			return err
		}
		list := allOf[mo.VirtualMachine](got)
		if len(list) == 0 {
			return fault.As(fault.NotFound, fmt.Errorf("guest %s is not there (any more)", ref))
		}
		out = Tracked{}
		if vm := list[0]; vm.Config != nil {
			out.Enabled = isTrue(vm.Config.ChangeTrackingEnabled)
		}
		if s := list[0].Snapshot; s != nil {
			out.Snapshots = snapshots(s.RootSnapshotList)
		}
		return nil
	})
	return out, err
}

func snapshots(tree []types.VirtualMachineSnapshotTree) (all []Snapshot) {
	for _, s := range tree {
		all = append(all, Snapshot{s.Snapshot.Value, plainName(s.Name), s.Description})
		all = append(all, snapshots(s.ChildSnapshotList)...)
	}
	return all
}

// SetTracking begins to switch CBT on or off and returns the task.
func (c *Client) SetTracking(ctx context.Context, ref string, on bool) (string, error) {
	res, err := methods.ReconfigVM_Task(ctx, c.vim, &types.ReconfigVM_Task{This: vmRef(ref), Spec: types.VirtualMachineConfigSpec{ChangeTrackingEnabled: &on}})
	if err != nil {
		return "", c.explain("switch change tracking of guest "+ref, err)
	}
	return res.Returnval.Value, nil
}

// CreateSnapshot begins to make a snapshot, without memory and without asking the guest, and returns the task.
func (c *Client) CreateSnapshot(ctx context.Context, ref, name, description string) (string, error) {
	res, err := methods.CreateSnapshot_Task(ctx, c.vim, &types.CreateSnapshot_Task{This: vmRef(ref), Name: name, Description: description})
	if err != nil {
		return "", c.explain("make a snapshot of guest "+ref, err)
	}
	return res.Returnval.Value, nil
}

// RemoveSnapshot begins to remove a snapshot, and not those that came after it, and returns the task.
func (c *Client) RemoveSnapshot(ctx context.Context, snapshot string) (string, error) {
	res, err := methods.RemoveSnapshot_Task(ctx, c.vim, &types.RemoveSnapshot_Task{This: types.ManagedObjectReference{Type: "VirtualMachineSnapshot", Value: snapshot}})
	if err != nil {
		return "", c.explain("remove snapshot "+snapshot, err)
	}
	return res.Returnval.Value, nil
}
