//go:build e2e

package e2e

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/simlab"
)

// TestPartOfALab powers parts of labs down and up again. What is not asked for stays as it is, and a cluster of which
// something stays up keeps its settings.
func TestPartOfALab(t *testing.T) {
	t.Parallel()
	b := newTemporalRig(t)
	for name, test := range map[string]func(*testing.T, *temporalRig){"a host": partHost, "two guests": partGuests, "a cluster": partCluster} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, b)
		})
	}
}

// untouchedSettings fails if a call came that changes settings of a cluster; of any where none is named.
func (p *place) untouchedSettings(cluster string) {
	p.Helper()
	for _, verb := range []string{"ReconfigureComputeResource_Task", "UpdateOptions"} {
		require.Zero(p, p.lab.Count(verb, cluster), "%s of cluster %q", verb, cluster)
	}
}

func partHost(t *testing.T, b *temporalRig) {
	p := b.place(t, "p-host", simlab.SmallSpec(), nil)
	guests, clusters := p.lab.Guests(), p.lab.Clusters()
	p.done("power-down", "--host", "esx22")
	require.Equal(t, "Off", p.lab.Hosts()["esx22"].Power)
	require.Equal(t, "On", p.lab.Hosts()["esx21"].Power)
	require.Equal(t, "poweredOff", p.lab.Guests()["web01"].Power)
	require.Equal(t, "poweredOn", p.lab.Guests()["db01"].Power)
	require.Equal(t, 1, p.lab.Count("ShutdownGuest", ""))
	require.Equal(t, clusters, p.lab.Clusters())
	p.done("power-up", "--host", "esx22")
	p.isAs(guests, clusters)
	p.untouchedSettings("")
	require.Equal(t, 1, p.lab.Count("Reset", ""))
	require.Equal(t, 1, p.lab.Count("PowerOnVM_Task", "")+p.lab.Count("PowerOnMultiVM_Task", ""))
	requireNoCrash(t, p.lab)
}

func partGuests(t *testing.T, b *temporalRig) {
	p := b.place(t, "p-vm", simlab.SmallSpec(), nil)
	guests, clusters := p.lab.Guests(), p.lab.Clusters()
	p.done("power-down", "--vm", "db01,web01")
	for name, power := range map[string]string{"dc01": "poweredOn", "db01": "poweredOff", "web01": "poweredOff"} {
		require.Equal(t, power, p.lab.Guests()[name].Power, name)
	}
	p.done("power-up", "--vm", "db01,web01")
	p.isAs(guests, clusters)
	p.untouchedSettings("")
	for _, verb := range []string{"EnterMaintenanceMode_Task", "ExitMaintenanceMode_Task", "ShutdownHost_Task", "Reset"} {
		require.Zero(t, p.lab.Count(verb, ""), verb)
	}
	requireNoCrash(t, p.lab)
}

func partCluster(t *testing.T, b *temporalRig) {
	spec := simlab.SmallSpec()
	spec.Clusters = append(spec.Clusters, simlab.ClusterSpec{Name: "Other", HA: true, DRS: true, DPM: true, VCLS: 1})
	spec.Hosts = append(spec.Hosts, simlab.HostSpec{Name: "esx31", Cluster: "Other"})
	spec.Guests = append(spec.Guests, simlab.GuestSpec{Name: "other01", Host: "esx31"})
	p := b.place(t, "p-cluster", spec, nil)
	guests, clusters := p.lab.Guests(), p.lab.Clusters()
	p.done("power-down", "--cluster", "Lab")
	for name, h := range p.lab.Hosts() {
		require.Equal(t, strings.HasPrefix(name, "esx2"), h.Power == "Off", name)
	}
	require.False(t, p.lab.Clusters()["Lab"].HA)
	require.Equal(t, clusters["Other"], p.lab.Clusters()["Other"])
	require.Equal(t, "poweredOn", p.lab.Guests()["other01"].Power)
	p.done("power-up", "--cluster", "Lab")
	p.isAs(guests, clusters)
	p.untouchedSettings("Other")
	require.Zero(t, p.lab.Count("", "esx31"))
	require.Zero(t, p.lab.Count("", "other01"))
	requireNoCrash(t, p.lab)
}
