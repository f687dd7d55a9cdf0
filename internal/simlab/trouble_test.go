package simlab

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/types"

	"nightshift/internal/fault"
	"nightshift/internal/zfs"
)

func begin(t *testing.T, l *Lab, name, target string) {
	t.Helper()
	all := Troubles()
	i := slices.IndexFunc(all, func(x Trouble) bool { return x.Name == name })
	require.Contains(t, all[i].Targets(l.Spec()), target)
	require.NoError(t, all[i].Begin(l, target))
}

func TestTroubles(t *testing.T) {
	r := newRig(t, SmallSpec())
	begin := func(name, target string) { begin(t, r.Lab, name, target) }
	begin("guest-ignores-shutdown", "dc01")
	require.NoError(t, r.guest("dc01").ShutdownGuest(r.ctx))
	begin("guest-refused", "db01")
	require.Equal(t, "types.NoPermission", soapFault(t, r.guest("db01").ShutdownGuest(r.ctx)))
	begin("answer-lost", "web01")
	require.Error(t, r.guest("web01").ShutdownGuest(r.ctx))
	r.until("the guest is off", func(l *Lab) bool { return l.Guests()["web01"].Power == guestOff })
	require.Equal(t, guestOn, r.Guests()["dc01"].Power, "it takes no notice")
	begin("guest-asks", "dc01")
	require.True(t, r.Guests()["dc01"].Question)

	begin("host-refused", "esx21")
	_, err := methods.ShutdownHost_Task(r.ctx, r.c.Client, &types.ShutdownHost_Task{This: r.host("esx21").Reference(), Force: true})
	require.Equal(t, "types.NoPermission", soapFault(t, err))
	begin("host-hangs", "esx22")
	begin("host-does-not-boot", "esx22")
	r.read(func() {
		require.Equal(t, never, r.hostNamed("esx22").spec.Shutdown)
		require.Equal(t, never, r.hostNamed("esx22").spec.Boot)
	})
	begin("bmc-silent", "esx21")
	require.True(t, r.gateOf("bmc:esx21").cut)
}

func TestTroublesOfGroups(t *testing.T) {
	r := newStorageRig(t)
	begin(t, r.Lab, "written-to", "files")
	found, err := r.ss2.List(t.Context(), false, "backup/ss1/files")
	require.NoError(t, err)
	require.Positive(t, found[0].Written)
	begin(t, r.Lab, "stream-breaks", "files")
	source, err := r.ss1.List(t.Context(), false, "tank/files")
	require.NoError(t, err)
	require.GreaterOrEqual(t, source[0].Written, int64(muchToSend), "else there is nothing to break off")
	begin(t, r.Lab, "stream-breaks", "mail")
	require.ErrorIs(t, r.send("mail"), fault.Unreachable)
	require.NotEmpty(t, r.replica("mail").ResumeToken, "what had arrived stays")
	begin(t, r.Lab, "target-full", "mail")
	require.ErrorIs(t, r.send("mail-log"), zfs.ErrQuota)
	begin(t, r.Lab, "target-silent", "mail")
	_, err = r.ss2.List(t.Context(), false, "backup")
	require.ErrorIs(t, err, fault.Unreachable)
}

// Each of them can happen to something in one of the labs that are simulated, and only to what a run works on.
func TestTroublesHaveTargets(t *testing.T) {
	for _, x := range Troubles() {
		require.NotEmpty(t, x.What, x.Name)
		targets := x.Targets(HomeSpec())
		if x.About == OfGroup || x.About == OfReplicated {
			require.Empty(t, targets, "it has no groups")
			targets = x.Targets(StorageSpec())
		}
		require.NotEmpty(t, targets, x.Name)
		require.NotContains(t, targets, "nuc1", "it is left alone")
		require.NotContains(t, targets, "vcenter")
		require.NotContains(t, targets, "template-test", "it is off")
	}
}
