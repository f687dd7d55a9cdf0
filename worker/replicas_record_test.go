package worker

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/identity"
	"nightshift/internal/plan"
	"nightshift/internal/runapi"
	"nightshift/internal/simlab"
)

// What a replication says of its group, and leaves beside the replicas, on the simulated storage lab as people try it.
func TestReplicasHaveTheirRecord(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the simulated LIO needs Linux' shell tools")
	}
	t.Parallel()
	s := newSite(t, simlab.StorageSpec())
	sheet := s.result(s.replicate("mail"))
	require.Equal(t, runapi.Done, sheet.Outcome, "%s %v", sheet.Why, sheet.Notes)
	require.Contains(t, sheet.Warnings, plan.Finding{Subject: "guest mail01", Text: "has parts that are not in the group: disk [shared01] mail01-disk2.vmdk",
		Remedy: "move them onto a datastore of the group, or add what they lie on to source.datasets"})
	r, _, err := identity.Open(s.lab.StorageHost("ss2").File(".nightshift/records/storage.mail.json"))
	require.NoError(t, err)
	require.Len(t, r.NotRead, 1, "%v", r.NotRead)
	require.Len(t, r.Datasets[0].LUNs, 1)
	lun := r.Datasets[0].LUNs[0]
	require.NotEmpty(t, lun.Identity.NAA)
	require.Equal(t, "vmfs-mail", lun.VMFS.Label)
	require.Empty(t, lun.VMFS.Differs)
	require.Len(t, r.VCenters, 1)
	require.Len(t, r.VCenters[0].Guests, 1)
	g := r.VCenters[0].Guests[0]
	require.Equal(t, "mail01", g.Name)
	require.NotEmpty(t, g.UUID)
	require.Len(t, g.Disks, 2)
	require.Equal(t, []string{"StartUp"}, g.Tags)
	require.Equal(t, "mail01", r.Guests[0].Name)
	require.Empty(t, r.Source.SSH.Password)
}
