package vsphere

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vmware/govmomi/vim25/types"

	"nightshift/internal/live"
)

// allOfHA is every setting that HA knows of a VM, each with a value that no cluster begins with.
func allOfHA() *types.ClusterDasVmSettings {
	return &types.ClusterDasVmSettings{RestartPriorityTimeout: 300, IsolationResponse: "shutdown",
		VmToolsMonitoringSettings: &types.ClusterVmToolsMonitoringSettings{Enabled: types.NewBool(true), VmMonitoring: "vmAndAppMonitoring", ClusterSettings: types.NewBool(false),
			FailureInterval: 31, MinUpTime: 121, MaxFailures: 4, MaxFailureWindow: -1},
		VmComponentProtectionSettings: &types.ClusterVmComponentProtectionSettings{VmStorageProtectionForAPD: "restartConservative", VmTerminateDelayForAPDSec: 181,
			VmReactionOnAPDCleared: "reset", VmStorageProtectionForPDL: "restartAggressive"}}
}

func TestOverridesOfHAAreOnlyThose(t *testing.T) {
	yes, no := types.NewBool(true), types.NewBool(false)
	das := func(s types.ClusterDasVmSettings) types.ClusterDasVmConfigInfo {
		return types.ClusterDasVmConfigInfo{DasSettings: &s}
	}
	monitoring := func(clusters *bool) types.ClusterDasVmConfigInfo {
		s := *allOfHA().VmToolsMonitoringSettings
		s.ClusterSettings = clusters
		return das(types.ClusterDasVmSettings{VmToolsMonitoringSettings: &s})
	}
	for name, c := range map[string]struct {
		das   types.ClusterDasVmConfigInfo
		ready types.ClusterVmReadiness
		want  *live.OccupantHA
	}{
		"nothing": {},
		"a priority alone, and all else the cluster's": {das: das(types.ClusterDasVmSettings{RestartPriority: "high", RestartPriorityTimeout: -1, IsolationResponse: "clusterIsolationResponse",
			VmToolsMonitoringSettings: &types.ClusterVmToolsMonitoringSettings{Enabled: no, VmMonitoring: "vmMonitoringDisabled", ClusterSettings: yes, FailureInterval: 30, MinUpTime: 120, MaxFailures: 3, MaxFailureWindow: -1},
			VmComponentProtectionSettings: &types.ClusterVmComponentProtectionSettings{VmStorageProtectionForAPD: "clusterDefault", EnableAPDTimeoutForHosts: no, VmTerminateDelayForAPDSec: -1,
				VmReactionOnAPDCleared: "useClusterDefault", VmStorageProtectionForPDL: "clusterDefault"}}),
			ready: types.ClusterVmReadiness{ReadyCondition: "useClusterDefault", PostReadyDelay: -1}},
		"only when it is ready":          {ready: types.ClusterVmReadiness{ReadyCondition: "poweredOn"}, want: &live.OccupantHA{Ready: "poweredOn"}},
		"only the delay after a loss":    {das: das(types.ClusterDasVmSettings{VmComponentProtectionSettings: &types.ClusterVmComponentProtectionSettings{VmTerminateDelayForAPDSec: 60}}), want: &live.OccupantHA{StorageLoss: &live.OccupantStorageLoss{APDDelay: 60}}},
		"monitoring as the cluster":      {das: monitoring(yes)},
		"isolation in the words of 2.0":  {das: types.ClusterDasVmConfigInfo{PowerOffOnIsolation: no}, want: &live.OccupantHA{Isolation: "none"}},
		"isolation in them, to be off":   {das: types.ClusterDasVmConfigInfo{PowerOffOnIsolation: yes}, want: &live.OccupantHA{Isolation: "powerOff"}},
		"isolation in both words":        {das: types.ClusterDasVmConfigInfo{PowerOffOnIsolation: yes, DasSettings: &types.ClusterDasVmSettings{IsolationResponse: "none"}}, want: &live.OccupantHA{Isolation: "none"}},
		"isolation in both, the cluster": {das: types.ClusterDasVmConfigInfo{PowerOffOnIsolation: yes, DasSettings: &types.ClusterDasVmSettings{IsolationResponse: "clusterIsolationResponse"}}},
		"monitoring, in force or not": {das: monitoring(nil), want: &live.OccupantHA{Monitoring: &live.OccupantMonitoring{Kind: "vmAndAppMonitoring", Enabled: yes, FailureInterval: 31, MinUpTime: 121,
			MaxFailures: 4, MaxWindow: -1}}},
	} {
		c.das.Key = vmRef("vm-1")
		set := &types.ClusterConfigInfoEx{DasVmConfig: []types.ClusterDasVmConfigInfo{c.das}, VmOrchestration: []types.ClusterVmOrchestrationInfo{{Vm: vmRef("vm-1"), VmReadiness: c.ready}}}
		require.Equal(t, c.want, occupantHA(set, "vm-1"), name)
		require.Nil(t, occupantHA(set, "vm-2"), name)
	}
}
