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

// A job is a vCenter task that is under way.
type job struct {
	lab  *Lab
	task *simulator.Task
	ctx  *simulator.Context // of the goroutine that runs it
}

// startTask makes a task for an object and runs it in the background. It is not made by simulator.CreateTask.Run, which
// holds the lock of its object for as long as it runs, so that nobody could read the object.
func (l *Lab) startTask(ctx *simulator.Context, entity types.ManagedObjectReference, method, description string, run func(*job) (types.AnyType, types.BaseMethodFault)) types.ManagedObjectReference {
	task := &simulator.Task{}
	l.mu.Lock()
	l.vc.taskCounter++
	// Far above the ids that the simulator gives to its own.
	task.Self = types.ManagedObjectReference{Type: "Task", Value: fmt.Sprintf("task-%d", 1_000_000+l.vc.taskCounter)}
	l.mu.Unlock()
	now := time.Now()
	task.Info = types.TaskInfo{
		Key: task.Self.Value, Task: task.Self, Name: method, DescriptionId: description,
		Entity: &entity, EntityName: l.nameOf(entity), State: types.TaskInfoStateRunning, Cancelable: strings.Contains(method, "MaintenanceMode"),
		Reason: &types.TaskReasonUser{UserName: l.spec.User}, QueueTime: now, StartTime: &now,
	}
	if obj := ctx.Map.Get(entity); obj != nil {
		ctx.WithLock(obj, func() { // it goes into the recent tasks of the object, too
			l.vc.tasks.Lock()
			defer l.vc.tasks.Unlock()
			ctx.Map.Put(task)
		})
	}
	j := &job{l, task, l.vc.fork()}
	l.goRun(func() { j.finish(run(j)) })
	return task.Self
}

// sleep waits for d of lab time; false: the lab was closed or the task was cancelled.
func (j *job) sleep(d time.Duration) bool {
	ok := sleep(j.lab.ctx, j.lab.scaled(j.lab.about(d)))
	return ok && !j.done()
}

func (j *job) done() (done bool) {
	j.ctx.WithLock(j.task, func() {
		done = j.task.Info.State == types.TaskInfoStateError || j.task.Info.State == types.TaskInfoStateSuccess
	})
	return done
}

func (j *job) progress(percent int32) {
	j.lab.vc.tasks.Lock()
	defer j.lab.vc.tasks.Unlock()
	j.ctx.WithLock(j.task, func() { set(j.ctx, j.task, "info.progress", percent) })
}

func (j *job) finish(res types.AnyType, fault types.BaseMethodFault) {
	if j.lab.ctx.Err() != nil || j.done() {
		return
	}
	now := time.Now()
	j.lab.vc.tasks.Lock()
	defer j.lab.vc.tasks.Unlock()
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
	l.startTask(l.vc.fork(), ref, description[strings.IndexByte(description, '.')+1:], description, func(j *job) (types.AnyType, types.BaseMethodFault) {
		j.sleep(d)
		return nil, nil
	})
	return nil
}

// CreateCollectorForTasks is the simulator's own, while no task changes.
func (e *extension) CreateCollectorForTasks(ctx *simulator.Context, req *types.CreateCollectorForTasks) (body soap.HasFault) {
	e.lab.vc.tasks.Lock()
	defer e.lab.vc.tasks.Unlock()
	m, ok := ctx.Map.Get(req.This).(*simulator.TaskManager)
	if !ok {
		return &methods.CreateCollectorForTasksBody{Fault_: simulator.Fault("", &types.ManagedObjectNotFound{Obj: req.This})}
	}
	ctx.WithLock(m, func() { body = m.CreateCollectorForTasks(ctx, req) })
	return body
}

// ReadNextTasks is the simulator's own, while no task changes.
func (e *extension) ReadNextTasks(ctx *simulator.Context, req *types.ReadNextTasks) soap.HasFault {
	e.lab.vc.tasks.Lock()
	defer e.lab.vc.tasks.Unlock()
	c, ok := ctx.Session.Get(req.This).(*simulator.TaskHistoryCollector)
	if !ok {
		return &methods.ReadNextTasksBody{Fault_: simulator.Fault("", &types.ManagedObjectNotFound{Obj: req.This})}
	}
	return c.ReadNextTasks(ctx, req)
}

// ReadPreviousTasks is the simulator's own, while no task changes.
func (e *extension) ReadPreviousTasks(ctx *simulator.Context, req *types.ReadPreviousTasks) soap.HasFault {
	e.lab.vc.tasks.Lock()
	defer e.lab.vc.tasks.Unlock()
	c, ok := ctx.Session.Get(req.This).(*simulator.TaskHistoryCollector)
	if !ok {
		return &methods.ReadPreviousTasksBody{Fault_: simulator.Fault("", &types.ManagedObjectNotFound{Obj: req.This})}
	}
	return c.ReadPreviousTasks(ctx, req)
}
