package vsphere

import (
	"context"
	"fmt"
	"time"

	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"nightshift/internal/fault"
)

// TaskInfo is a task as it stands. Its times are by our clock.
type TaskInfo struct {
	Ref      string
	Name     string // descriptionId: "VirtualMachine.powerOn"
	Entity   string // Ref of what it works on
	State    string // queued | running | success | error
	Err      error  // why it failed, with a kind of package fault; nil unless State is error
	Progress int    // percent
	Queued   time.Time
	Started  time.Time
	Ended    time.Time
}

// States of tasks, as vSphere names them.
const (
	TaskQueued  = string(types.TaskInfoStateQueued)
	TaskRunning = string(types.TaskInfoStateRunning)
	TaskSuccess = string(types.TaskInfoStateSuccess)
	TaskError   = string(types.TaskInfoStateError)
)

// Done says that nothing more comes of it.
func (t TaskInfo) Done() bool { return t.State == TaskSuccess || t.State == TaskError }

// Task reads a task once. A vCenter forgets tasks some minutes after their end, and when it restarts: fault.NotFound
// then says nothing about how it ended. A power-on through DRS counts as the power-on that it led to.
func (c *Client) Task(ctx context.Context, ref string) (TaskInfo, error) {
	var out TaskInfo
	err := c.read(ctx, "read task "+ref, func(ctx context.Context) error {
		info, err := c.taskInfo(ctx, taskRef(ref))
		if err != nil {
			return err
		}
		out, err = c.follow(ctx, info)
		return err
	})
	return out, err
}

func (c *Client) taskInfo(ctx context.Context, ref types.ManagedObjectReference) (types.TaskInfo, error) {
	got, err := c.retrieve(ctx, wants{"Task": {"info"}}, object(ref))
	if err != nil {
		return types.TaskInfo{}, err
	}
	list := allOf[mo.Task](got)
	if len(list) == 0 {
		return types.TaskInfo{}, fault.As(fault.NotFound, fmt.Errorf("task %s is not known (any more)", ref.Value))
	}
	return list[0].Info, nil
}

// follow goes from a power-on through DRS to the task of the VM itself.
func (c *Client) follow(ctx context.Context, info types.TaskInfo) (TaskInfo, error) {
	out := c.newTask(info)
	result, ok := powerOnResult(info.Result)
	if !ok || out.State != TaskSuccess {
		return out, nil
	}
	if err := c.notPoweredOn(result); err != nil {
		out.State, out.Err = TaskError, err
		return out, nil //nolint:nilerr // the task was read; why it failed is in it
	}
	for _, a := range result.Attempted {
		if a.Task == nil {
			continue
		}
		sub, err := c.taskInfo(ctx, *a.Task)
		if err != nil {
			return out, err
		}
		one := c.newTask(sub)
		out.State, out.Err, out.Progress, out.Ended = one.State, one.Err, one.Progress, one.Ended
		if out.Err != nil || !one.Done() {
			break
		}
	}
	return out, nil //nolint:nilerr // as above
}

func powerOnResult(v any) (types.ClusterPowerOnVmResult, bool) {
	switch r := v.(type) {
	case types.ClusterPowerOnVmResult:
		return r, true
	case *types.ClusterPowerOnVmResult:
		return *r, r != nil
	}
	return types.ClusterPowerOnVmResult{}, false
}

// notPoweredOn says why DRS did not even try. nil: it did.
func (c *Client) notPoweredOn(r types.ClusterPowerOnVmResult) error {
	if len(r.NotAttempted) > 0 { // one guest was asked for
		n := r.NotAttempted[0]
		kind, why := fault.State, "no reason given"
		if n.Fault.Fault != nil {
			if k, text := describeFault(n.Fault.Fault, n.Fault.LocalizedMessage); k != nil {
				kind, why = k, text
			} else {
				why = text
			}
		}
		return marked(n.Fault.Fault, fault.As(kind, fmt.Errorf("power on guest %s at %s: DRS found no host for it: %s", n.Vm.Value, c.name, why)))
	}
	if len(r.Attempted) > 0 {
		return nil
	}
	if len(r.Recommendations) > 0 {
		return fault.As(fault.State, fmt.Errorf("power on guest at %s: DRS only recommends a host and waits for someone to apply it: "+
			"apply it in the vSphere client, or set the automation level of this guest", c.name))
	}
	return fault.As(fault.State, fmt.Errorf("power on guest at %s: DRS did nothing and gave no reason", c.name))
}

func (c *Client) newTask(i types.TaskInfo) TaskInfo {
	out := TaskInfo{Ref: i.Task.Value, Name: i.DescriptionId, Entity: refValue(i.Entity), State: string(i.State), Progress: int(i.Progress),
		Queued: c.ours(&i.QueueTime), Started: c.ours(i.StartTime), Ended: c.ours(i.CompleteTime)}
	if i.State != types.TaskInfoStateError {
		return out
	}
	out.Err = fmt.Errorf("task %s (%s) at %s failed without a reason", out.Ref, out.Name, c.name)
	if i.Error != nil && i.Error.Fault != nil {
		kind, text := describeFault(i.Error.Fault, i.Error.LocalizedMessage)
		out.Err = fmt.Errorf("task %s (%s on %s) at %s failed: %s", out.Ref, out.Name, i.EntityName, c.name, text)
		if kind != nil {
			out.Err = fault.As(kind, out.Err)
		}
		out.Err = marked(i.Error.Fault, out.Err)
	}
	return out
}
