package simlab

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/types"
)

func TestTroubles(t *testing.T) {
	r := newRig(t, SmallSpec())
	begin := func(name, target string) {
		for _, x := range Troubles() {
			if x.Name == name {
				require.Contains(t, x.Targets(r.Spec()), target)
				x.Begin(r.Lab, target)
			}
		}
	}
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

// Each of them can happen to something in every lab that is simulated, and only to what a run works on.
func TestTroublesHaveTargets(t *testing.T) {
	for _, x := range Troubles() {
		require.NotEmpty(t, x.What, x.Name)
		targets := x.Targets(HomeSpec())
		require.NotEmpty(t, targets, x.Name)
		require.NotContains(t, targets, "nuc1", "it is left alone")
		require.NotContains(t, targets, "vcenter")
		require.NotContains(t, targets, "template-test", "it is off")
	}
}
