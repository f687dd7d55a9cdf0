package vsphere

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"

	"nightshift/internal/fault"
	"nightshift/internal/live"
)

func TestGuestPower(t *testing.T) {
	s := startSim(t, oneVM())
	c := s.connect(t)
	vm := s.any("VirtualMachine").Value
	power := func() string {
		g, err := c.Guest(t.Context(), vm)
		require.NoError(t, err)
		return g.Power
	}

	task, err := c.SuspendGuest(t.Context(), vm)
	require.NoError(t, err)
	require.Equal(t, TaskSuccess, wait(t, c, task).State)
	require.Equal(t, live.Suspended, power())

	task, err = c.PowerOnGuest(t.Context(), vm)
	require.NoError(t, err)
	require.Equal(t, TaskSuccess, wait(t, c, task).State)
	require.Equal(t, live.PoweredOn, power())

	require.NoError(t, c.ShutdownGuest(t.Context(), vm))
	require.Eventually(t, func() bool { return power() == live.PoweredOff }, 30*time.Second, 5*time.Millisecond)
	err = c.ShutdownGuest(t.Context(), vm)
	require.ErrorIs(t, err, fault.State)
	require.ErrorContains(t, err, "shut down guest "+vm+" at vc1: not possible while it is poweredOff")

	task, err = c.PowerOffGuest(t.Context(), vm)
	require.NoError(t, err)
	info := wait(t, c, task)
	require.Equal(t, TaskError, info.State)
	require.ErrorIs(t, info.Err, fault.State)
	require.ErrorContains(t, info.Err, "poweredOff")
	require.Equal(t, vm, info.Entity)
	require.Equal(t, "VirtualMachine.powerOff", info.Name)
	require.False(t, info.Queued.IsZero() || info.Started.IsZero() || info.Ended.IsZero())
}

func TestPowerOnAsksDRSWhereItPlaces(t *testing.T) {
	for _, x := range []struct {
		drs    bool
		level  types.DrsBehavior
		placed bool
	}{
		{true, types.DrsBehaviorFullyAutomated, true},
		{true, types.DrsBehaviorPartiallyAutomated, true},
		{true, types.DrsBehaviorManual, false}, // would only recommend
		{false, types.DrsBehaviorFullyAutomated, false},
	} {
		s := startSim(t, oneVM())
		c := s.connect(t)
		set := s.model.Map().Get(s.any("ClusterComputeResource")).(*simulator.ClusterComputeResource).ConfigurationEx.(*types.ClusterConfigInfoEx)
		set.DrsConfig.Enabled, set.DrsConfig.DefaultVmBehavior = &x.drs, x.level
		vm := s.any("VirtualMachine").Value
		s.change(vmRef(vm), "runtime.powerState", types.VirtualMachinePowerStatePoweredOff)

		task, err := c.PowerOnGuest(t.Context(), vm)
		require.NoError(t, err)
		require.Equal(t, TaskSuccess, wait(t, c, task).State)
		require.Equal(t, x.placed, s.count("PowerOnMultiVM_Task") == 1, x)
		require.Equal(t, x.placed, s.count("PowerOnVM_Task") == 0, x)
		tasks, err := c.TasksSince(t.Context(), vm, time.Now().Add(-time.Minute))
		require.NoError(t, err)
		require.Equal(t, "VirtualMachine.powerOn", tasks[len(tasks)-1].Name)
	}
}

func TestPowerOnThroughDRSFollowsTheVMsTask(t *testing.T) {
	s := startSim(t, oneVM())
	c := s.connect(t)
	task, err := c.PowerOnGuest(t.Context(), s.any("VirtualMachine").Value) // it is on
	require.NoError(t, err)
	info := wait(t, c, task)
	require.Equal(t, task, info.Ref)
	require.Equal(t, TaskError, info.State)
	require.ErrorIs(t, info.Err, fault.State)
	require.ErrorContains(t, info.Err, "poweredOn")
}

func TestPowerOnThatDRSDidNotAttempt(t *testing.T) {
	c := &Client{name: "vc1"}
	vm := vmRef("vm-7")
	refused := types.LocalizedMethodFault{Fault: new(types.InsufficientResourcesFault), LocalizedMessage: "out of memory"}
	for name, x := range map[string]struct {
		result types.ClusterPowerOnVmResult
		kind   error
		text   string
	}{
		"no host":        {types.ClusterPowerOnVmResult{NotAttempted: []types.ClusterNotAttemptedVmInfo{{Vm: vm, Fault: refused}}}, fault.State, "out of memory"},
		"recommendation": {types.ClusterPowerOnVmResult{Recommendations: []types.ClusterRecommendation{{Key: "1"}}}, fault.State, "only recommends"},
		"nothing":        {types.ClusterPowerOnVmResult{}, fault.State, "did nothing"},
		"lost host": {types.ClusterPowerOnVmResult{NotAttempted: []types.ClusterNotAttemptedVmInfo{{Vm: vm,
			Fault: types.LocalizedMethodFault{Fault: new(types.HostNotConnected)}}}}, fault.Unreachable, "not connected"},
	} {
		info, err := c.follow(t.Context(), types.TaskInfo{State: types.TaskInfoStateSuccess, Result: x.result})
		require.NoError(t, err, name)
		require.Equal(t, TaskError, info.State, name)
		require.ErrorIs(t, info.Err, x.kind, name)
		require.ErrorContains(t, info.Err, x.text, name)
	}
	info, err := c.follow(t.Context(), types.TaskInfo{State: types.TaskInfoStateSuccess,
		Result: types.ClusterPowerOnVmResult{Attempted: []types.ClusterAttemptedVmInfo{{Vm: vm}}}})
	require.NoError(t, err)
	require.Equal(t, TaskSuccess, info.State)
}
