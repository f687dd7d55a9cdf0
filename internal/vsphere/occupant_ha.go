package vsphere

import (
	"github.com/vmware/govmomi/vim25/types"

	"nightshift/internal/live"
)

// occupantHA is what HA does with a VM otherwise than with the rest of its cluster, beside its restart priority; nil: nothing. For a VM that
// has one setting of its own, a vCenter lists all of them: those that say that they are the cluster's are left out.
func occupantHA(set *types.ClusterConfigInfoEx, ref string) *live.OccupantHA {
	var out live.OccupantHA
	for _, v := range set.DasVmConfig {
		if v.Key.Value != ref {
			continue
		}
		out.Isolation = ownIsolation(v)
		if s := v.DasSettings; s != nil {
			out.RestartTimeout = ownSeconds(s.RestartPriorityTimeout)
			out.Monitoring, out.StorageLoss = ownMonitoring(s.VmToolsMonitoringSettings), ownStorageLoss(s.VmComponentProtectionSettings)
		}
	}
	for _, v := range set.VmOrchestration {
		if v.Vm.Value == ref {
			out.Ready = own(v.VmReadiness.ReadyCondition, types.ClusterVmReadinessReadyConditionUseClusterDefault)
			out.ReadyDelay = ownSeconds(v.VmReadiness.PostReadyDelay)
		}
	}
	if out == (live.OccupantHA{}) {
		return nil
	}
	return &out
}

// own is a setting of a VM; empty where its value says that it is the cluster's.
func own[T ~string](value string, clusters T) string {
	if value == string(clusters) {
		return ""
	}
	return value
}

// ownSeconds is a time set for a VM; 0 where it is the cluster's, for which the API has -1. A time of 0 that was set cannot be told from
// none: govmomi has one value for both.
func ownSeconds(n int32) int { return max(int(n), 0) }

// ownIsolation prefers the setting of today to the one that VI 2.0 had in its place, as the API does.
func ownIsolation(v types.ClusterDasVmConfigInfo) string {
	if s := v.DasSettings; s != nil && s.IsolationResponse != "" {
		return own(s.IsolationResponse, types.ClusterDasVmSettingsIsolationResponseClusterIsolationResponse)
	}
	switch off := v.PowerOffOnIsolation; {
	case off == nil:
		return ""
	case *off:
		return string(types.ClusterDasVmSettingsIsolationResponsePowerOff)
	}
	return string(types.ClusterDasVmSettingsIsolationResponseNone)
}

func ownMonitoring(s *types.ClusterVmToolsMonitoringSettings) *live.OccupantMonitoring {
	if s == nil || isTrue(s.ClusterSettings) { // then the rest is there, and not in force
		return nil
	}
	out := live.OccupantMonitoring{Kind: s.VmMonitoring, Enabled: s.Enabled, ClusterSettings: s.ClusterSettings, FailureInterval: int(s.FailureInterval),
		MinUpTime: int(s.MinUpTime), MaxFailures: int(s.MaxFailures), MaxWindow: int(s.MaxFailureWindow)}
	if out == (live.OccupantMonitoring{}) {
		return nil
	}
	return &out
}

// ownStorageLoss leaves out enableAPDTimeoutForHosts, which a vCenter neither keeps nor looks at for a VM.
func ownStorageLoss(s *types.ClusterVmComponentProtectionSettings) *live.OccupantStorageLoss {
	if s == nil {
		return nil
	}
	const asCluster = types.ClusterVmComponentProtectionSettingsStorageVmReactionClusterDefault
	out := live.OccupantStorageLoss{APD: own(s.VmStorageProtectionForAPD, asCluster), APDDelay: ownSeconds(s.VmTerminateDelayForAPDSec),
		APDCleared: own(s.VmReactionOnAPDCleared, types.ClusterVmComponentProtectionSettingsVmReactionOnAPDClearedUseClusterDefault),
		PDL:        own(s.VmStorageProtectionForPDL, asCluster)}
	if out == (live.OccupantStorageLoss{}) {
		return nil
	}
	return &out
}
