package vsphere

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"nightshift/internal/fault"
)

func TestClusterSettingsChangeOneThing(t *testing.T) {
	s := startSim(t, oneVM())
	c := s.connect(t)
	ref := s.any("ClusterComputeResource").Value
	spec := func(task string, err error) *types.ClusterConfigSpecEx {
		require.NoError(t, err)
		require.NoError(t, wait(t, c, task).Err)
		req := s.request("ReconfigureComputeResource_Task").(*types.ReconfigureComputeResource_Task)
		require.True(t, req.Modify)
		return req.Spec.(*types.ClusterConfigSpecEx)
	}
	yes, no := true, false
	require.Equal(t, &types.ClusterConfigSpecEx{DasConfig: &types.ClusterDasConfigInfo{Enabled: &yes}}, spec(c.SetHA(t.Context(), ref, true)))
	require.Equal(t, &types.ClusterConfigSpecEx{DasConfig: &types.ClusterDasConfigInfo{Enabled: &no}}, spec(c.SetHA(t.Context(), ref, false)))
	require.Equal(t, &types.ClusterConfigSpecEx{DpmConfig: &types.ClusterDpmConfigInfo{Enabled: &no}}, spec(c.SetDPM(t.Context(), ref, false)))
	require.Equal(t, &types.ClusterConfigSpecEx{DrsConfig: &types.ClusterDrsConfigInfo{DefaultVmBehavior: types.DrsBehaviorManual}},
		spec(c.SetDRSLevel(t.Context(), ref, "manual")), "DRS itself stays as it is")

	cl, err := c.Cluster(t.Context(), ref)
	require.NoError(t, err)
	require.False(t, cl.HA)
	require.True(t, cl.DRS)
	require.Equal(t, "manual", cl.DRSLevel)
	require.Nil(t, cl.VCLS)

	_, err = c.SetDRSLevel(t.Context(), ref, "off")
	require.ErrorIs(t, err, fault.Invalid)
	_, err = c.Cluster(t.Context(), "domain-c999")
	require.ErrorIs(t, err, fault.NotFound)
	_, err = c.VCLSRunning(t.Context(), "domain-c999")
	require.ErrorIs(t, err, fault.NotFound)
}

func TestClusterReadsDPMAndVSAN(t *testing.T) {
	yes := true
	got := newCluster(&mo.ClusterComputeResource{ComputeResource: mo.ComputeResource{ConfigurationEx: &types.ClusterConfigInfoEx{
		DpmConfigInfo: &types.ClusterDpmConfigInfo{Enabled: &yes}, VsanConfigInfo: &types.VsanClusterConfigInfo{Enabled: &yes}}}})
	require.True(t, got.DPM && got.VSAN)
	require.False(t, got.HA || got.DRS)
}

func TestVCLSOption(t *testing.T) {
	s := startSim(t, oneVM())
	c := s.connect(t)
	ref := s.any("ClusterComputeResource").Value
	set := func(value, want string) {
		t.Helper()
		require.NoError(t, c.SetVCLS(t.Context(), ref, value))
		cl, err := c.Cluster(t.Context(), ref)
		require.NoError(t, err)
		require.NotNil(t, cl.VCLS)
		require.Equal(t, want, *cl.VCLS)
	}
	set("false", "false")
	set("", "true") // it cannot be removed
	req := s.request("UpdateOptions").(*types.UpdateOptions)
	require.Equal(t, &types.OptionValue{Key: "config.vcls.clusters." + ref + ".enabled", Value: "true"}, req.ChangedValue[0])
}

func TestMark(t *testing.T) {
	s := startSim(t, oneVM())
	c := s.connect(t)
	is := func(want string) {
		t.Helper()
		got, err := c.Mark(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	is("")
	require.NoError(t, c.SetMark(t.Context(), "")) // nothing to clear, nothing made
	require.Zero(t, s.count("AddCustomFieldDef"))
	require.NoError(t, c.SetMark(t.Context(), "one"))
	is("one")
	require.NoError(t, c.SetMark(t.Context(), "two"))
	is("two")
	require.Equal(t, 1, s.count("AddCustomFieldDef"))
	require.NoError(t, c.SetMark(t.Context(), ""))
	is("")
}
