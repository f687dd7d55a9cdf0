package simlab

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

func (r *rig) cluster() *object.ClusterComputeResource {
	r.t.Helper()
	c, err := r.find.ClusterComputeResource(r.ctx, "Lab")
	require.NoError(r.t, err)
	return c
}

func (r *rig) reconfigure(spec types.ClusterConfigSpecEx) {
	r.t.Helper()
	task, err := r.cluster().Reconfigure(r.ctx, &spec, true)
	require.Equal(r.t, "", r.ends(task, err))
}

func TestClusterSettings(t *testing.T) {
	r := newRig(t, SmallSpec())
	no, yes := false, true
	r.reconfigure(types.ClusterConfigSpecEx{DasConfig: &types.ClusterDasConfigInfo{Enabled: &no}})
	r.reconfigure(types.ClusterConfigSpecEx{DrsConfig: &types.ClusterDrsConfigInfo{DefaultVmBehavior: types.DrsBehaviorManual}})
	r.reconfigure(types.ClusterConfigSpecEx{DpmConfig: &types.ClusterDpmConfigInfo{Enabled: &yes}})
	want := ClusterState{DRS: true, DRSLevel: "manual", DPM: true}
	require.Equal(t, want, r.Clusters()["Lab"])
	cfg, err := r.cluster().Configuration(r.ctx)
	require.NoError(t, err)
	require.False(t, *cfg.DasConfig.Enabled)
	require.True(t, *cfg.DrsConfig.Enabled, "what is not named stays")
	require.Equal(t, types.DrsBehaviorManual, cfg.DrsConfig.DefaultVmBehavior)
	require.True(t, *cfg.DpmConfigInfo.Enabled)
	require.Equal(t, 1, r.Count("ReconfigureComputeResource_Task:ha=false", "Lab"))
	require.Equal(t, 1, r.Count("ReconfigureComputeResource_Task:drs=manual", "Lab"))
	require.Equal(t, 3, r.Count("ReconfigureComputeResource_Task", "Lab"))
	r.reconfigure(types.ClusterConfigSpecEx{DrsConfig: &types.ClusterDrsConfigInfo{Enabled: &no}})
	require.True(t, r.Clusters()["Lab"].PoolsLost, "disabling DRS deletes the resource pools")
}

func (r *rig) setVCLS(value string) {
	r.t.Helper()
	m := object.NewOptionManager(r.c.Client, *r.c.ServiceContent.Setting)
	key := "config.vcls.clusters." + r.cluster().Reference().Value + ".enabled"
	require.NoError(r.t, m.Update(r.ctx, []types.BaseOptionValue{&types.OptionValue{Key: key, Value: value}}))
	got, err := m.Query(r.ctx, key)
	require.NoError(r.t, err)
	require.Equal(r.t, value, got[0].GetOptionValue().Value)
}

func TestVCLSComesBackUntilRetreatMode(t *testing.T) {
	r := newRig(t, SmallSpec())
	var vcls *object.VirtualMachine
	list, err := r.find.VirtualMachineList(r.ctx, "vCLS/*")
	require.NoError(t, err)
	require.Len(t, list, 2)
	vcls = list[0]
	var m mo.VirtualMachine
	r.props(vcls.Reference(), &m, "config.managedBy", "config.extraConfig", "name")
	require.Equal(t, "com.vmware.vim.eam", m.Config.ManagedBy.ExtensionKey)
	require.Equal(t, "", r.ends(vcls.PowerOff(r.ctx)))
	r.until("it starts itself again", func(l *Lab) bool { return l.VCLSCount() == 2 })

	r.setVCLS("false")
	r.until("they are gone", func(l *Lab) bool { return l.VCLSCount() == 0 })
	r.until("and deleted", func(l *Lab) bool { return len(l.Guests()) == len(l.Spec().Guests) })
	_, err = r.find.VirtualMachineList(r.ctx, "vCLS/*")
	require.Error(t, err)
	require.Equal(t, 1, r.Count("UpdateOptions", "Lab"))

	r.setVCLS("true")
	r.until("they come back", func(l *Lab) bool { return l.VCLSCount() == 2 })
}

func TestVCLSKeepsTheLastHostFromMaintenanceMode(t *testing.T) {
	r := newRig(t, SmallSpec())
	r.guestsOff("dc01", "db01", "web01")
	task, err := r.host("esx21").EnterMaintenanceMode(r.ctx, 0, false, nil)
	require.Equal(t, "", r.ends(task, err), "its vCLS VM moves to esx22")
	r.until("both on esx22", func(l *Lab) bool { return l.VCLSCount() == 2 })
	task, err = r.host("esx22").EnterMaintenanceMode(r.ctx, 1, false, nil)
	require.Equal(t, "Timedout", r.ends(task, err))
	waiting, err := r.host("esx22").EnterMaintenanceMode(r.ctx, 0, false, nil)
	require.NoError(t, err)
	r.setVCLS("false")
	require.NoError(t, waiting.Wait(r.ctx))
}

func TestATaskCanBeCancelled(t *testing.T) {
	r := newRig(t, SmallSpec())
	task, err := r.host("esx21").EnterMaintenanceMode(r.ctx, 0, false, nil)
	require.NoError(t, err)
	require.NoError(t, task.Cancel(r.ctx))
	require.Equal(t, "RequestCanceled", r.ends(task, nil))
	r.guestsOff("dc01", "db01", "web01")
	require.False(t, r.Hosts()["esx21"].Maintenance)
}

func TestTasksAreThereToBeFound(t *testing.T) {
	r := newRig(t, SmallSpec())
	begin := time.Now().Add(-time.Minute)
	h := r.host("esx21")
	task, err := h.EnterMaintenanceMode(r.ctx, 0, false, nil)
	require.NoError(t, err)
	var tm mo.TaskManager
	r.props(*r.c.ServiceContent.TaskManager, &tm, "recentTask")
	require.Contains(t, tm.RecentTask, task.Reference())
	var m mo.HostSystem
	r.props(h.Reference(), &m, "recentTask")
	require.Contains(t, m.RecentTask, task.Reference())
	var mt mo.Task
	r.props(task.Reference(), &mt, "info")
	require.Equal(t, types.TaskInfoStateRunning, mt.Info.State)
	require.Equal(t, "HostSystem.enterMaintenanceMode", mt.Info.DescriptionId)
	require.Equal(t, "esx21", mt.Info.EntityName)
	require.Equal(t, h.Reference(), *mt.Info.Entity)

	r.guestsOff("dc01", "db01")
	require.NoError(t, task.Wait(r.ctx))
	filter := types.TaskFilterSpec{
		Entity: &types.TaskFilterSpecByEntity{Entity: h.Reference(), Recursion: types.TaskFilterSpecRecursionOptionSelf},
		Time:   &types.TaskFilterSpecByTime{TimeType: types.TaskFilterSpecTimeOptionQueuedTime, BeginTime: &begin},
	}
	res, err := methods.CreateCollectorForTasks(r.ctx, r.c.Client, &types.CreateCollectorForTasks{This: *r.c.ServiceContent.TaskManager, Filter: filter})
	require.NoError(t, err)
	read, err := methods.ReadNextTasks(r.ctx, r.c.Client, &types.ReadNextTasks{This: res.Returnval, MaxCount: 100})
	require.NoError(t, err)
	var found []string
	for _, info := range read.Returnval {
		found = append(found, info.DescriptionId+" "+string(info.State))
	}
	require.Contains(t, found, "HostSystem.enterMaintenanceMode success")
}

func TestWaitForEndsWithItsContext(t *testing.T) {
	r := newRig(t, SmallSpec())
	ctx, cancel := context.WithTimeout(r.ctx, 10*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, r.WaitFor(ctx, func(*Lab) bool { return false }), context.DeadlineExceeded)
}
