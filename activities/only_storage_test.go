package activities

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/endpoint"
	"nightshift/internal/inventory"
	"nightshift/internal/plan"
	"nightshift/internal/simlab"
	"nightshift/internal/simlab/storage"
	"nightshift/runbooks"
)

// alone takes the vCenter and the hosts out of a lab: nobody may be asked but the storage hosts.
func alone(t *testing.T, a *Activities) {
	t.Helper()
	a.lab.VCenters, a.lab.Clusters, a.lab.Hosts, a.lab.Guests, a.lab.Groups = nil, nil, nil, nil, nil
	a.lab.Self = inventory.Self{Outside: true}
	a.papers = t.TempDir()
	a.clients.dialVC = func(context.Context, endpoint.Resolved) (vcenter, error) {
		t.Error("a vCenter was asked")
		return nil, errors.New("there is none")
	}
}

func TestALabWithoutAVCenterIsPlanned(t *testing.T) {
	for _, tc := range []struct {
		runbook, title string
		steps          int
	}{
		{runbooks.PowerDown, "Nothing to do: everything is left alone (the lab file has no hosts, so there is nothing to power down or up)", 0},
		{runbooks.PowerUp, "Nothing to do: everything is left alone (the lab file has no hosts, so there is nothing to power down or up)", 0},
		{runbooks.Settle, "Nothing to do: lab home is owed nothing", 0},
		{runbooks.LUNMap, "Map the LUNs of lab home: 1 storage host", 1},
		{runbooks.VMFSInspect, "Inspect the volumes on 1 LUN of lab home", 1},
	} {
		t.Run(tc.runbook, func(t *testing.T) {
			r := newLUNRig(t)
			alone(t, r.Activities)
			r.world.book.Memory = nil
			reply, err := makePlan(t, r.Activities, plan.Request{Runbook: tc.runbook, Lab: "home", Run: "run-1"})
			require.NoError(t, err)
			require.Equal(t, tc.title, reply.Title)
			require.Equal(t, tc.steps, reply.Steps)
			require.Empty(t, reply.Blockers)
		})
	}
}

func TestLUNsAreMappedWithoutAVCenter(t *testing.T) {
	r := newLUNRig(t)
	alone(t, r.Activities)
	out, err := r.step(plan.MapLUNs, nil)
	require.NoError(t, err)
	require.Contains(t, out.Found, "1 LUN; read: 1 storage host")
	require.Contains(t, out.Found, "tank/mail on ss1")
	require.NotContains(t, out.Found, "!", "that no host sees it is nothing to remark where there are none")
	got, err := r.MeasurePower(t.Context(), "home")
	require.NoError(t, err)
	require.Empty(t, got.Hosts)
	require.Zero(t, got.Unmetered)
	require.Empty(t, r.occupants(t.Context(), []string{mailNAA}))
}

// A lab of storage hosts alone replicates and prunes, from its lab file to what is on the disks.
func TestStorageHostsAloneReplicateAndPrune(t *testing.T) {
	b := newBench(t, simlab.StorageOnlySpec())
	require.Empty(t, b.a.lab.VCenters)
	require.Empty(t, b.a.lab.Hosts)
	b.a.clients.dialVC = func(context.Context, endpoint.Resolved) (vcenter, error) {
		t.Error("a vCenter was asked")
		return nil, errors.New("there is none")
	}
	ss1, ss2 := b.lab.StorageHost("ss1"), b.lab.StorageHost("ss2")

	replicated := b.planFor(runbooks.Replicate, map[string]string{"group": "mail"})
	b.carryOut(replicated)
	for _, name := range []string{"mail", "mail-log"} {
		here, there := newest(t, ss1, "tank/"+name), newest(t, ss2, "backup/ss1/"+name)
		require.Equal(t, here, there)
		sent, err := ss1.Digest("tank/" + name + "@" + here)
		require.NoError(t, err)
		arrived, err := ss2.Digest("backup/ss1/" + name + "@" + there)
		require.NoError(t, err)
		require.Equal(t, sent, arrived)
	}
	group, ok := b.book.Group("mail")
	require.True(t, ok, "how the group is doing is in the ledger")
	require.Len(t, group.Volumes, 2)

	b.last = map[string]plan.Memo{}
	before := len(snapshotsOf(t, ss1, "tank/files"))
	pruned := b.planFor(runbooks.Prune, map[string]string{"group": "files"})
	require.NotEmpty(t, pruned.Steps)
	b.carryOut(pruned)
	require.Less(t, len(snapshotsOf(t, ss1, "tank/files")), before)
	require.Empty(t, b.planFor(runbooks.Prune, map[string]string{"group": "files"}).Steps, "there is nothing left to prune")
}

// snapshotsOf a dataset are their names behind the @, oldest first.
func snapshotsOf(t *testing.T, h *storage.Host, dataset string) []string {
	t.Helper()
	var out, errs bytes.Buffer
	argv := []string{"zfs", "list", "-H", "-t", "snapshot", "-d", "1", "-o", "name", "-s", "createtxg", dataset}
	require.Equal(t, "ok", h.Run(t.Context(), "root", argv, storage.Streams{Out: &out, Err: &errs}).String(), errs.String())
	return strings.Fields(strings.ReplaceAll(out.String(), dataset+"@", ""))
}

func newest(t *testing.T, h *storage.Host, dataset string) string {
	t.Helper()
	all := snapshotsOf(t, h, dataset)
	require.NotEmpty(t, all, dataset)
	return all[len(all)-1]
}
