package vsphere

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vmware/govmomi/vim25/mo"

	"nightshift/internal/live"
)

func TestAlarmsText(t *testing.T) {
	yes, no := true, false
	require.Equal(t, []string{"", live.AlarmsOn, live.AlarmsOff}, []string{alarmsText(nil), alarmsText(&yes), alarmsText(&no)})
	h := &mo.HostSystem{}
	h.AlarmActionsEnabled = &no
	require.Equal(t, live.AlarmsOff, newHost(h).Alarms)
	c := &mo.ClusterComputeResource{}
	c.AlarmActionsEnabled = &yes
	require.Equal(t, live.AlarmsOn, newCluster(c).Alarms)
}
