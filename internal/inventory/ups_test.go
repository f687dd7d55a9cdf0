package inventory_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/inventory"
	"nightshift/internal/plan"
)

const rackUPS = good + "ups:\n  - {name: rack, server: 127.0.0.1, feeds: [esx21]}\n"

// withUPS is the good file with a UPS of these keys; it begins in line 23.
func withUPS(keys string) string { return good + "ups:\n  - {" + keys + "}\n" }

func TestUPSDefaults(t *testing.T) {
	l, err := inventory.Parse("lab.yaml", []byte(rackUPS))
	require.NoError(t, err)
	u, ok := l.UPSOf("rack")
	require.True(t, ok)
	const minute = plan.Duration(time.Minute)
	yes := true
	require.Equal(t, &inventory.UPS{Name: "rack", Server: "127.0.0.1", Feeds: []string{"esx21"}, WhenLost: "alarm",
		OnBattery: inventory.OnBattery{Charge: 40, Runtime: 10 * minute, After: 2 * minute, Steady: minute},
		Policy: inventory.UPSPolicy{OnFailure: plan.Skip, Guests: inventory.UPSGuests{Timeout: 3 * minute, OnTimeout: "powerOff", NoTools: "powerOff"},
			Hosts: inventory.UPSHosts{Timeout: 10 * minute, OnTimeout: "leave"}},
		PowerUp: inventory.UPSPowerUp{Auto: &yes, Charge: 50, Settle: 5 * minute}}, u)
	require.Equal(t, "127.0.0.1:3493", u.Address())
	require.Equal(t, []string{"rack"}, l.FeedsOf("esx21"))
	require.Empty(t, l.FeedsOf("esx99"))

	for server, want := range map[string]string{"nas": "nas:3493", "nas:4000": "nas:4000", "::1": "[::1]:3493", "[::1]": "[::1]:3493", "[::1]:4000": "[::1]:4000"} {
		require.Equal(t, want, inventory.UPS{Server: server}.Address())
	}
	s := u.Settings(plan.Settings{OnFailure: plan.Ask, Deadline: minute, BlockedDeadline: minute})
	require.Equal(t, plan.Settings{OnFailure: plan.Skip, OnStale: "stop", BlockedDeadline: minute}, s)
}

func TestUPSPolicyIsNeverGentler(t *testing.T) {
	l, err := inventory.Parse("lab.yaml", []byte(rackUPS))
	require.NoError(t, err)
	u, _ := l.UPSOf("rack")
	const minute = plan.Duration(time.Minute)
	own := inventory.GuestPolicy{Method: "shutdown", Timeout: 20 * minute, OnTimeout: "leave", NoTools: "suspend"}
	require.Equal(t, inventory.GuestPolicy{Method: "shutdown", Timeout: 3 * minute, OnTimeout: "powerOff", NoTools: "suspend"}, u.Policy.Guest(own))
	own.Timeout = minute
	require.Equal(t, minute, u.Policy.Guest(own).Timeout)
	host := inventory.HostPolicy{Timeout: 15 * minute, OnTimeout: "forceOff", Via: "graceful"}
	require.Equal(t, inventory.HostPolicy{Timeout: 10 * minute, OnTimeout: "forceOff", Via: "graceful"}, u.Policy.Host(host))
}

func TestWhatIsWrongWithAUPS(t *testing.T) {
	const start = "name: rack, server: 127.0.0.1, feeds: [esx21]"
	for _, b := range []bad{
		{name: "no host", place: "23:31", text: withUPS("name: rack, server: nas, feeds: []"), field: "ups[0].feeds", says: []string{"it feeds no host"}},
		{name: "another host", place: "23:39", text: withUPS("name: rack, server: nas, feeds: [esx12]"), field: "ups[0].feeds[0]", says: []string{`there is no host "esx12"`, "did you mean"}},
		{name: "a host twice", place: "23:46", text: withUPS("name: rack, server: nas, feeds: [esx21, esx21]"), field: "ups[0].feeds[1]", says: []string{"the host esx21 is here twice"}},
		{name: "a name that is none", place: "23:12", text: withUPS("name: rack 1, server: nas, feeds: [esx21]"), field: "ups[0].name", says: []string{"is no name"}},
		{name: "twice", place: "24:12", text: withUPS(start) + "  - {" + start + "}\n", field: "ups[1].name", says: []string{"the UPS rack is here twice"}},
		{name: "no address", place: "23:26", text: withUPS("name: rack, server: 'http://nas', feeds: [esx21]"), field: "ups[0].server", says: []string{"is no address", "host:port of upsd"}},
		{name: "the password itself", place: "23:72", text: withUPS(start + ", user: n, password: geheim"), field: "ups[0].password", says: []string{"never stands in the lab file"}},
		{name: "a password over the network", place: "23:53", text: withUPS("name: rack, server: nas, feeds: [esx21], user: n, password: 'env:P'"), field: "ups[0].user",
			says: []string{"clear text", "insecure: true"}},
		{name: "TLS and not", place: "23:72", text: withUPS(start + ", tls: {}, insecure: true"), field: "ups[0].insecure", says: []string{"without TLS"}},
		{name: "a charge beyond", place: "23:73", text: withUPS(start + ", onBattery: {charge: 120}"), field: "ups[0].onBattery.charge", says: []string{"percent: 1 to 100"}},
		{name: "no charge", place: "23:71", text: withUPS(start + ", powerUp: {charge: 0}"), field: "ups[0].powerUp.charge", says: []string{"percent: 1 to 100"}},
		{name: "a strange way", place: "23:63", text: withUPS(start + ", whenLost: panic"), field: "ups[0].whenLost", says: []string{"alarm"}},
		{name: "load off by nobody", place: "23:53", text: withUPS(start + ", loadOff: {delay: 2m}"), field: "ups[0].loadOff", says: []string{"upsd.users"}},
		{name: "load off at once", place: "23:98", text: withUPS(start + ", user: n, password: 'env:P', loadOff: {delay: 2s}"), field: "ups[0].loadOff.delay", says: []string{"too short"}},
		{name: "an approval", place: "24:35", text: withUPS(start) + "runbooks: {power-down: {approval: true}}\n", field: "runbooks.power-down.approval", says: []string{"nobody to ask"}},
		{name: "an approval of power-up", place: "24:33", text: withUPS(start) + "runbooks: {power-up: {approval: true}}\n", field: "runbooks.power-up.approval", says: []string{"auto: false"}},
	} {
		b.run(t)
	}
	_, err := inventory.Parse("lab.yaml", []byte(withUPS(start+", powerUp: {auto: false}")+"runbooks: {power-up: {approval: true}}\n"))
	require.NoError(t, err)
	_, err = inventory.Parse("lab.yaml", []byte(withUPS("name: rack, server: nas, feeds: [esx21], user: n, password: 'env:P', insecure: true")))
	require.NoError(t, err)
}
