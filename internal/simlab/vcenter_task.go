package simlab

import (
	"fmt"
	"strings"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// A job is a task of a vCenter or ESXi that is under way.
type job struct {
	view *view
	born int // of the view, when it began
	task *simulator.Task
	ctx  *simulator.Context // of the goroutine that runs it
}

// startTask makes a task for an object and runs it in the background. It is not made by simulator.CreateTask.Run, which
// holds the lock of its object for as long as it runs, so that nobody could read the object.
func (v *view) startTask(ctx *simulator.Context, entity types.ManagedObjectReference, method, description string, run func(*job) (types.AnyType, types.BaseMethodFault)) types.ManagedObjectReference {
	task := &simulator.Task{}
	l := v.lab
	l.mu.Lock()
	v.taskCounter++
	// Far above the ids that the simulator gives to its own.
	task.Self = types.ManagedObjectReference{Type: "Task", Value: v.taskID(entity, description, 1_000_000+v.taskCounter)}
	born := v.born
	l.mu.Unlock()
	now := time.Now()
	task.Info = types.TaskInfo{
		Key: task.Self.Value, Task: task.Self, Name: method, DescriptionId: description,
		Entity: &entity, EntityName: v.nameOf(entity), State: types.TaskInfoStateRunning, Cancelable: strings.Contains(method, "MaintenanceMode"),
		Reason: &types.TaskReasonUser{UserName: v.user}, QueueTime: now, StartTime: &now,
	}
	if obj := ctx.Map.Get(entity); obj != nil {
		ctx.WithLock(obj, func() { // it goes into the recent tasks of the object, too
			v.tasks.Lock()
			defer v.tasks.Unlock()
			ctx.Map.Put(task)
		})
	}
	j := &job{v, born, task, v.fork()}
	l.goRun(func() { j.finish(run(j)) })
	return task.Self
}

// sleep waits for d of lab time; false: the lab was closed or the task was cancelled.
func (j *job) sleep(d time.Duration) bool {
	ok := sleep(j.view.lab.ctx, j.view.lab.scaled(j.view.lab.about(d)))
	return ok && !j.done()
}

// done says whether nobody waits for it any more: it has ended, was cancelled, or its vCenter went.
func (j *job) done() bool { return j.ended() || j.orphaned() }

func (j *job) orphaned() (gone bool) {
	j.view.lab.read(func() { gone = j.view.born != j.born })
	return gone
}

func (j *job) ended() (done bool) {
	j.ctx.WithLock(j.task, func() {
		done = j.task.Info.State == types.TaskInfoStateError || j.task.Info.State == types.TaskInfoStateSuccess
	})
	return done
}

func (j *job) progress(percent int32) {
	j.view.tasks.Lock()
	defer j.view.tasks.Unlock()
	j.ctx.WithLock(j.task, func() { set(j.ctx, j.task, "info.progress", percent) })
}

func (j *job) finish(res types.AnyType, fault types.BaseMethodFault) {
	if j.view.lab.ctx.Err() != nil || j.ended() {
		return
	}
	if j.orphaned() {
		res, fault = nil, &types.SystemError{Reason: "vpxd was restarted"}
	}
	now := time.Now()
	j.view.tasks.Lock()
	defer j.view.tasks.Unlock()
	j.ctx.WithLock(j.task, func() {
		if fault != nil {
			lf := types.LocalizedMethodFault{Fault: fault, LocalizedMessage: fmt.Sprintf("%T", fault)}
			set(j.ctx, j.task, "info.completeTime", &now, "info.error", &lf, "info.state", types.TaskInfoStateError)
			return
		}
		if res != nil {
			set(j.ctx, j.task, "info.result", res)
		}
		set(j.ctx, j.task, "info.progress", nil, "info.completeTime", &now, "info.state", types.TaskInfoStateSuccess)
	})
}

// RunTask has vCenter run a task on a guest, host or cluster for d of lab time, as a backup or a migration would:
// RunTask("web01", "VirtualMachine.createSnapshot", time.Minute).
func (l *Lab) RunTask(target, description string, d time.Duration) error {
	var ref types.ManagedObjectReference
	l.read(func() {
		for r, name := range l.vc.refs {
			if name == target {
				ref = r
			}
		}
	})
	if ref.Value == "" {
		return fmt.Errorf("simulated lab %s: run task %s: there is no %q", l.spec.Name, description, target)
	}
	l.vc.startTask(l.vc.fork(), ref, description[strings.IndexByte(description, '.')+1:], description, func(j *job) (types.AnyType, types.BaseMethodFault) {
		j.sleep(d)
		return nil, nil
	})
	return nil
}

// CreateCollectorForTasks is the simulator's own, while no task changes.
func (e *extension) CreateCollectorForTasks(ctx *simulator.Context, req *types.CreateCollectorForTasks) (body soap.HasFault) {
	e.view.tasks.Lock()
	defer e.view.tasks.Unlock()
	m, ok := ctx.Map.Get(req.This).(*simulator.TaskManager)
	if !ok {
		return &methods.CreateCollectorForTasksBody{Fault_: simulator.Fault("", &types.ManagedObjectNotFound{Obj: req.This})}
	}
	ctx.WithLock(m, func() { body = m.CreateCollectorForTasks(ctx, req) })
	return body
}

// ReadNextTasks is the simulator's own, while no task changes.
func (e *extension) ReadNextTasks(ctx *simulator.Context, req *types.ReadNextTasks) soap.HasFault {
	e.view.tasks.Lock()
	defer e.view.tasks.Unlock()
	c, ok := ctx.Session.Get(req.This).(*simulator.TaskHistoryCollector)
	if !ok {
		return &methods.ReadNextTasksBody{Fault_: simulator.Fault("", &types.ManagedObjectNotFound{Obj: req.This})}
	}
	return c.ReadNextTasks(ctx, req)
}

// ReadPreviousTasks is the simulator's own, while no task changes.
func (e *extension) ReadPreviousTasks(ctx *simulator.Context, req *types.ReadPreviousTasks) soap.HasFault {
	e.view.tasks.Lock()
	defer e.view.tasks.Unlock()
	c, ok := ctx.Session.Get(req.This).(*simulator.TaskHistoryCollector)
	if !ok {
		return &methods.ReadPreviousTasksBody{Fault_: simulator.Fault("", &types.ManagedObjectNotFound{Obj: req.This})}
	}
	return c.ReadPreviousTasks(ctx, req)
}
