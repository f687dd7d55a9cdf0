//go:build e2e

package e2e

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/simlab"
)

// TestHostsOfEveryMake powers a lab down and up whose hosts are switched by Redfish, by IPMI, and by a magic packet.
func TestHostsOfEveryMake(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("a simulated host can fall silent on Linux only")
	}
	t.Parallel()
	spec := simlab.SmallSpec()
	spec.Hosts[1].IPMI = true
	spec.Hosts = append(spec.Hosts, simlab.HostSpec{Name: "esx23", Cluster: "Lab", WakeOnLAN: true})
	spec.Guests = append(spec.Guests, simlab.GuestSpec{Name: "app01", Host: "esx23", Tags: []string{"StartUp"}, After: []string{"db01"}})
	p := newTemporalRig(t).place(t, "makes", spec, nil)
	guests, clusters := p.lab.Guests(), p.lab.Clusters()

	p.done("power-down")
	p.isDown()
	require.Zero(t, p.lab.Count("Reset", ""), "hosts go down by their vCenter")
	require.Zero(t, p.lab.Count("Wake", ""))
	for _, host := range []string{"esx21", "esx22", "esx23"} {
		require.Equal(t, 1, p.lab.Count("ShutdownHost_Task", host))
	}

	p.done("power-up")
	p.isAs(guests, clusters)
	require.Equal(t, 1, p.lab.Count("Reset:On", "esx21"))
	require.Equal(t, 1, p.lab.Count("Reset:On", "esx22"))
	require.NotZero(t, p.lab.Count("Wake", "esx23"))
	for name, h := range p.lab.Hosts() {
		require.Equal(t, 1, h.Boots, name)
		require.False(t, h.Maintenance, name)
	}
}
