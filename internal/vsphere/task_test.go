package vsphere

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"

	"nightshift/internal/fault"
)

func TestTasksSince(t *testing.T) {
	s := startSim(t, oneVM())
	c := s.connect(t)
	vm := s.any("VirtualMachine").Value
	off, err := c.PowerOffGuest(t.Context(), vm)
	require.NoError(t, err)
	wait(t, c, off)
	refs := func(since time.Time) []string {
		t.Helper()
		list, err := c.TasksSince(t.Context(), vm, since)
		require.NoError(t, err)
		var out []string
		for _, i := range list {
			out = append(out, i.Ref)
		}
		return out
	}
	require.Contains(t, refs(time.Now().Add(-time.Minute)), off)
	require.Empty(t, refs(time.Now().Add(time.Minute)))

	// Another object's tasks are not evidence.
	other, err := c.TasksSince(t.Context(), s.any("HostSystem").Value, time.Now().Add(-time.Hour))
	require.NoError(t, err)
	for _, i := range other {
		require.NotEqual(t, off, i.Ref)
	}
	_, err = c.Task(t.Context(), "task-999")
	require.ErrorIs(t, err, fault.NotFound)
}

func TestTasksSinceByAClockThatIsWrong(t *testing.T) {
	s := startSim(t, oneVM())
	reg := s.model.Map()
	const ahead = time.Hour
	si := &slowClock{ServiceInstance: reg.Get(types.ManagedObjectReference{Type: "ServiceInstance", Value: "ServiceInstance"}).(*simulator.ServiceInstance), ahead: ahead}
	reg.Put(si)
	c := s.connect(t)
	require.InDelta(t, ahead.Seconds(), c.About().ClockOffset.Seconds(), 5)

	vm := s.any("VirtualMachine")
	off, err := c.PowerOffGuest(t.Context(), vm.Value)
	require.NoError(t, err)
	wait(t, c, off)
	task := reg.Get(taskRef(off)).(*simulator.Task)
	ctx := *s.model.Service.Context
	ctx.WithLock(task, func() { task.Info.QueueTime = task.Info.QueueTime.Add(ahead) }) // as such a server writes it

	list, err := c.TasksSince(t.Context(), vm.Value, time.Now().Add(-time.Minute))
	require.NoError(t, err)
	require.Equal(t, off, list[len(list)-1].Ref)
	require.WithinDuration(t, time.Now(), list[len(list)-1].Queued, time.Minute, "by our clock")
	list, err = c.TasksSince(t.Context(), vm.Value, time.Now().Add(time.Minute))
	require.NoError(t, err)
	require.Empty(t, list)
}

type slowClock struct {
	*simulator.ServiceInstance
	ahead time.Duration
}

// CurrentTime is wrong by a constant.
func (s *slowClock) CurrentTime(*types.CurrentTime) soap.HasFault {
	return &methods.CurrentTimeBody{Res: &types.CurrentTimeResponse{Returnval: time.Now().Add(s.ahead)}}
}
