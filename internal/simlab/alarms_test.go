package simlab

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

func (r *rig) alarms(entity types.ManagedObjectReference, on bool) error {
	_, err := methods.EnableAlarmActions(r.ctx, r.c.Client, &types.EnableAlarmActions{This: *r.c.ServiceContent.AlarmManager, Entity: entity, Enabled: on})
	return err
}

func TestAlarmActions(t *testing.T) {
	r := newRig(t, SmallSpec())
	c := r.cluster().Reference()
	var got mo.ClusterComputeResource
	read := func() *bool {
		require.NoError(t, r.c.RetrieveOne(r.ctx, c, []string{"alarmActionsEnabled", "host"}, &got))
		return got.AlarmActionsEnabled
	}
	require.True(t, *read())
	require.NoError(t, r.alarms(c, false))
	require.False(t, *read())
	require.True(t, r.Clusters()["Lab"].Quiet)
	for name, h := range r.Hosts() {
		require.False(t, h.Quiet, "%s has alarms of its own", name)
	}
	require.NoError(t, r.alarms(got.Host[0], false))
	quiet := 0
	for _, h := range r.Hosts() {
		if h.Quiet {
			quiet++
		}
	}
	require.Equal(t, 1, quiet)
	require.NoError(t, r.alarms(c, true))
	require.False(t, r.Clusters()["Lab"].Quiet)
	require.Error(t, r.alarms(types.ManagedObjectReference{Type: "HostSystem", Value: "host-gone"}, false))
}

func TestAlarmActionsNeedTheirPrivilege(t *testing.T) {
	spec := SmallSpec()
	spec.Denied = map[string]string{"EnableAlarmActions": "Alarm.DisableActions"}
	r := newRig(t, spec)
	require.ErrorContains(t, r.alarms(r.cluster().Reference(), false), "ermission")
	require.False(t, r.Clusters()["Lab"].Quiet)
	res, err := methods.HasPrivilegeOnEntities(r.ctx, r.c.Client, &types.HasPrivilegeOnEntities{This: *r.c.ServiceContent.AuthorizationManager,
		Entity: []types.ManagedObjectReference{r.cluster().Reference()}, PrivId: []string{"Alarm.DisableActions", "System.View"}})
	require.NoError(t, err)
	require.Equal(t, []types.PrivilegeAvailability{{PrivId: "Alarm.DisableActions"}, {PrivId: "System.View", IsGranted: true}}, res.Returnval[0].PrivAvailability)
}
