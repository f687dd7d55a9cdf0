package inventory_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/inventory"
)

// Whoever forgets a kind of endpoint lets a power-down take the name server away without which that one is not found.
func TestAsksByName(t *testing.T) {
	at := func(host string) inventory.File {
		ssh := inventory.SSH{Address: host + ":22"}
		return inventory.File{
			VCenters:            []inventory.VCenter{{Endpoint: inventory.Endpoint{URL: "https://" + host}}},
			Hosts:               []inventory.Host{{BMC: &inventory.BMC{Endpoint: inventory.Endpoint{URL: "ipmi://" + host}}}, {ESXi: &inventory.Endpoint{URL: "https://" + host}}, {SSH: &ssh}},
			StorageHosts:        []inventory.StorageHost{{SSH: ssh}},
			ApplicationClusters: []inventory.ApplicationCluster{{At: []inventory.SSH{ssh}}},
		}
	}
	for _, host := range []string{"192.168.4.5", "[fd00::5]", "localhost"} {
		l := inventory.Lab{File: at(host)}
		require.False(t, l.AsksByName(), host)
	}
	named := at("nas.lab")
	for what, only := range map[string]inventory.File{
		"a vCenter":              {VCenters: named.VCenters},
		"a BMC":                  {Hosts: named.Hosts[:1]},
		"a host's own API":       {Hosts: named.Hosts[1:2]},
		"a host over SSH":        {Hosts: named.Hosts[2:]},
		"a storage host":         {StorageHosts: named.StorageHosts},
		"an application cluster": {ApplicationClusters: named.ApplicationClusters},
	} {
		l := inventory.Lab{File: only}
		require.True(t, l.AsksByName(), what)
	}
}
