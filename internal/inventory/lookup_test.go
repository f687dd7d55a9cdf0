package inventory_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/inventory"
)

// Whoever forgets a kind of endpoint lets a power-down take the name server away without which that one is not found.
func TestAsksByName(t *testing.T) {
	at := func(host string) map[string]inventory.File {
		ssh, api := inventory.SSH{Address: host + ":22"}, inventory.Endpoint{URL: "https://" + host}
		one := func(h inventory.Host) inventory.File { return inventory.File{Hosts: []inventory.Host{h}} }
		provider := func(h inventory.Health) inventory.File {
			return inventory.File{Guests: []inventory.Guest{{Provides: []inventory.Provision{"ntp"}, Health: &h}}}
		}
		hook := inventory.Hook{Run: []string{"quiet"}, At: &ssh}
		return map[string]inventory.File{
			"a vCenter":                    {VCenters: []inventory.VCenter{{Endpoint: api}}},
			"a BMC":                        one(inventory.Host{BMC: &inventory.BMC{Endpoint: inventory.Endpoint{URL: "ipmi://" + host}}}),
			"a host's own API":             one(inventory.Host{ESXi: &api}),
			"a host over SSH":              one(inventory.Host{SSH: &ssh}),
			"a witness":                    one(inventory.Host{WakeOnLAN: &inventory.WakeOnLAN{Witness: []string{"10.0.0.1:80", host + ":443"}}}),
			"a broadcast address":          one(inventory.Host{WakeOnLAN: &inventory.WakeOnLAN{Broadcast: host}}),
			"a broadcast address and port": one(inventory.Host{WakeOnLAN: &inventory.WakeOnLAN{Broadcast: host + ":9"}}),
			"a provider's TCP check":       provider(inventory.Health{TCP: []string{host + ":123"}}),
			"a provider's HTTP check":      provider(inventory.Health{HTTP: []string{"http://" + host + "/up"}}),
			"a storage host":               {StorageHosts: []inventory.StorageHost{{SSH: ssh}}},
			"a machine":                    {Machines: []inventory.Machine{{SSH: ssh}}},
			"an application cluster":       {ApplicationClusters: []inventory.ApplicationCluster{{At: []inventory.SSH{ssh}}}},
			"a jump host":                  {Machines: []inventory.Machine{{SSH: inventory.SSH{Address: "10.0.0.1", Jump: &inventory.Jump{Address: host}}}}},
			"monitoring":                   {Monitoring: []inventory.Monitoring{{Silence: inventory.Hook{URL: "https://" + host + "/${TOKEN}"}}}},
			"monitoring over SSH":          {Monitoring: []inventory.Monitoring{{Resume: hook}}},
			"a UPS":                        {UPS: []inventory.UPS{{Server: host}}},
		}
	}
	for _, host := range []string{"192.168.4.5", "[fd00::5]", "localhost"} {
		for what, only := range at(host) {
			l := inventory.Lab{File: only}
			require.False(t, l.AsksByName(), "%s at %s", what, host)
		}
	}
	for what, only := range at("nas.lab") {
		l := inventory.Lab{File: only}
		require.True(t, l.AsksByName(), what)
	}
	for what, only := range map[string]inventory.File{
		"a machine by its bare address":         {Machines: []inventory.Machine{{SSH: inventory.SSH{Address: "fd00::5"}}}},
		"one that a jump host looks up":         {Machines: []inventory.Machine{{SSH: inventory.SSH{Address: "db.lab", Jump: &inventory.Jump{Address: "10.0.0.1"}}}}},
		"a check when the lab has names again":  {Guests: []inventory.Guest{{Health: &inventory.Health{TCP: []string{"web.lab:80"}}}}},
		"the default broadcast, no other words": {Hosts: []inventory.Host{{WakeOnLAN: &inventory.WakeOnLAN{}}}},
	} {
		l := inventory.Lab{File: only}
		require.False(t, l.AsksByName(), what)
	}
}
