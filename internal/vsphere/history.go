package vsphere

import (
	"context"
	"slices"
	"time"

	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"nightshift/internal/live"
)

// tolerance is how much earlier than asked for a task may have begun: clocks are compared only to half a round trip.
const tolerance = 2 * time.Second

// TasksSince reads the tasks on an object that began at or after a time by our clock, the oldest first: evidence
// whether a call whose answer was lost has arrived. The clocks are compared anew. An ESXi host keeps them in memory alone:
// its list has an entry for its own start as well, however long ago that was.
func (c *Client) TasksSince(ctx context.Context, entity string, since time.Time) ([]TaskInfo, error) {
	var out []TaskInfo
	err := c.read(ctx, "read the tasks of "+entity, func(ctx context.Context) error {
		offset, err := c.clock(ctx)
		if err != nil {
			return err
		}
		begin := since.Add(offset - tolerance)
		ref := c.anyRef(entity)
		infos, err := c.recentTasks(ctx, object(ref, along("ManagedEntity", "recentTask")))
		if err != nil {
			return err
		}
		history, err := c.taskHistory(ctx, types.TaskFilterSpec{
			Entity: &types.TaskFilterSpecByEntity{Entity: ref, Recursion: types.TaskFilterSpecRecursionOptionSelf},
			Time:   &types.TaskFilterSpecByTime{TimeType: types.TaskFilterSpecTimeOptionQueuedTime, BeginTime: &begin},
		})
		if err != nil {
			return err
		}
		boot, err := c.bootEntry(ctx)
		if err != nil {
			return err
		}
		out = nil
		if boot != nil {
			out = append(out, *boot)
		}
		seen := map[string]bool{}
		for _, i := range append(infos, history...) {
			if i.QueueTime.Before(begin) || seen[i.Key] {
				continue
			}
			seen[i.Key] = true
			out = append(out, c.newTask(i))
		}
		slices.SortStableFunc(out, func(a, b TaskInfo) int { return a.Queued.Compare(b.Queued) })
		return nil
	})
	return out, err
}

// recentTasks reads the tasks on the way that start describes.
func (c *Client) recentTasks(ctx context.Context, start types.ObjectSpec) ([]types.TaskInfo, error) {
	got, err := c.retrieve(ctx, wants{"Task": {"info"}}, start)
	if err != nil {
		return nil, err
	}
	var out []types.TaskInfo
	for _, t := range allOf[mo.Task](got) {
		out = append(out, t.Info)
	}
	return out, nil
}

// taskHistory reads all tasks that the filter lets through. An ESXi host keeps none.
func (c *Client) taskHistory(ctx context.Context, filter types.TaskFilterSpec) ([]types.TaskInfo, error) {
	manager := c.vim.ServiceContent.TaskManager
	if manager == nil || !c.vim.IsVC() {
		return nil, nil
	}
	res, err := methods.CreateCollectorForTasks(ctx, c.vim, &types.CreateCollectorForTasks{This: *manager, Filter: filter})
	if err != nil {
		return nil, err
	}
	collector := res.Returnval
	defer func() {
		// Also when ctx is over: a session may have only 32 of them.
		_, _ = methods.DestroyCollector(context.WithoutCancel(ctx), direct{c.session}, &types.DestroyCollector{This: collector})
	}()
	const page = 100
	var out []types.TaskInfo
	for {
		next, err := methods.ReadNextTasks(ctx, c.vim, &types.ReadNextTasks{This: collector, MaxCount: page})
		if err != nil {
			return nil, err
		}
		out = append(out, next.Returnval...)
		if len(next.Returnval) == 0 {
			return out, nil
		}
	}
}

// activeTasks reads what is queued or running, whoever began it.
func (c *Client) activeTasks(ctx context.Context) ([]live.Task, error) {
	var infos []types.TaskInfo
	if m := c.vim.ServiceContent.TaskManager; m != nil {
		var err error
		if infos, err = c.recentTasks(ctx, object(*m, along("TaskManager", "recentTask"))); err != nil {
			return nil, err
		}
	}
	history, err := c.taskHistory(ctx, types.TaskFilterSpec{State: []types.TaskInfoState{types.TaskInfoStateQueued, types.TaskInfoStateRunning}})
	if err != nil {
		return nil, err
	}
	var out []live.Task
	seen := map[string]bool{}
	for _, i := range append(infos, history...) {
		active := i.State == types.TaskInfoStateQueued || i.State == types.TaskInfoStateRunning
		if !active || seen[i.Key] {
			continue
		}
		seen[i.Key] = true
		since := i.QueueTime
		if i.StartTime != nil {
			since = *i.StartTime
		}
		out = append(out, live.Task{Ref: i.Task.Value, Name: i.DescriptionId, Entity: refValue(i.Entity), EntityName: shownName(i.EntityName),
			State: string(i.State), Since: c.ours(&since)})
	}
	return out, nil
}
