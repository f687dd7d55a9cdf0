package contract_test

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/inventory"
	"nightshift/internal/iscsi"
	"nightshift/internal/simlab/storage"
	"nightshift/test/contract"
)

func TestSimulatedSameDisk(t *testing.T) {
	t.Parallel()
	p := pair(t)
	contract.SameDisk(t, withTarget(t, p.Source, "10.99.0.1:3260"), withTarget(t, p.Target, "10.99.0.2:3260"))
}

func TestSimulatedSilent(t *testing.T) {
	t.Parallel()
	contract.Silent(t, withTarget(t, pair(t).Source, "10.99.0.1:3260"))
}

// A targetHost is a simulated host with LIO.
type targetHost struct {
	*host
	portal    string
	initiator *initiator
}

func withTarget(t *testing.T, h contract.Host, portal string) targetHost {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("the simulated LIO needs Linux' shell tools")
	}
	th := targetHost{h.(*host), portal, nil} //nolint:forcetypeassert // pair made it
	require.NoError(t, th.AddTarget(t.TempDir(), portal))
	th.initiator = &initiator{storage.NewInitiator("iqn.1993-08.org.debian:01:" + th.Host.Name()), t}
	return th
}

func (h targetHost) Target(string) *iscsi.LIOTarget {
	h.t.Helper()
	target, err := iscsi.Open(inventory.StorageHost{Name: h.Host.Name(), Elevate: inventory.ElevateSudo, Target: &inventory.StorageTarget{Kind: inventory.TargetLIO}}, h.shared)
	require.NoError(h.t, err)
	require.IsType(h.t, &iscsi.LIOTarget{}, target)
	require.NoError(h.t, target.(*iscsi.LIOTarget).Version(h.t.Context()))
	return target.(*iscsi.LIOTarget)
}

func (h targetHost) Await(string)                  {}
func (h targetHost) Portal() string                { return h.portal }
func (h targetHost) Initiator() contract.Initiator { return h.initiator }

type initiator struct {
	sim *storage.Initiator
	t   *testing.T
}

func (i *initiator) Name() string { return i.sim.IQN }

func (i *initiator) Login(at contract.TargetHost, target, user, secret string) int {
	return i.sim.Login(at.(targetHost).Host, target, user, secret)
}

func (i *initiator) Logout(target string) { require.NoError(i.t, i.sim.Logout(target)) }

func (i *initiator) Disks(target string) []iscsi.Disk {
	i.t.Helper()
	disks, err := iscsi.Disks(i.t.Context(), i.sim, target)
	require.NoError(i.t, err)
	return disks
}

func (i *initiator) Write(target string, lun, mib int) {
	i.t.Helper()
	h, volume := i.sim.Volume(i.t.Context(), target, uint16(lun))
	require.NoError(i.t, h.Write(volume, 0, int64(mib)<<20))
}

func (i *initiator) Digest(target string, lun int) string {
	i.t.Helper()
	h, volume := i.sim.Volume(i.t.Context(), target, uint16(lun))
	sum, err := h.Digest(volume)
	require.NoError(i.t, err)
	return sum
}
