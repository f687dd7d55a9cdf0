package runbooks_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/inventory"
	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/runbooks"
)

func bothWays(t *testing.T, world func() *fixture) (down, up plan.Plan) {
	t.Helper()
	down = world().observed().plan(t, runbooks.PowerDown)
	require.Empty(t, down.Blockers)
	up = wentDown(t, world).observed().plan(t, runbooks.PowerUp)
	require.Empty(t, up.Blockers)
	return down, up
}

// The order of the tiers gives way to what is written down, and to what cannot be otherwise.
func TestWhatIsWrittenDownGoesBeforeTheTiers(t *testing.T) {
	down, up := bothWays(t, func() *fixture { // a storage guest that asks DNS, which lies elsewhere
		f := insideLab()
		f.labGuest("ss1").After = []string{"dc01"}
		return f
	})
	require.True(t, before(down)["shutdown-guest:dc01"]["shutdown-guest:ss1"])
	require.True(t, before(up)["power-on-guest:ss1"]["check-guest:dc01"])

	down, up = bothWays(t, func() *fixture { // an encrypted domain controller: keys come before DNS
		f := insideLab()
		f.guest("dc01").Encrypted, f.guest("dc01").KeyProvider = true, "kms"
		return f
	})
	require.True(t, before(down)["shutdown-guest:kms01"]["shutdown-guest:dc01"])
	require.True(t, before(up)["power-on-guest:dc01"]["check-guest:kms01"])
}

// What the vCenter comes after is needed as much as the vCenter: it goes down after it, and without it.
func TestWhatTheFoundationComesAfterIsOfIt(t *testing.T) {
	down, up := bothWays(t, func() *fixture {
		f := insideLab()
		f.guest("db01").Host = f.host("esx2").Ref
		f.labGuest("vcsa").After = []string{"db01"} // its database
		f.lab.Guests = slices.DeleteFunc(f.lab.Guests, func(g inventory.Guest) bool { return g.Name == "web01" })
		return f
	})
	require.True(t, before(down)["shutdown-guest:db01"]["shutdown-guest:vcsa"])
	require.Equal(t, "esx2", step(t, down, "shutdown-guest:db01").Target.Direct)
	require.True(t, before(up)["power-on-guest:vcsa"]["check-guest:db01"])
}

// A host that was read and does not know a guest that the record has there: nobody knows where that is now.
func TestAGuestThatItsHostDoesNotKnow(t *testing.T) {
	f := wentDown(t, insideLab)
	f.bmc("esx1").Power, f.host("esx1").Connection = live.On, live.Connected
	o := f.observed()
	esx1 := &o.state.Hosts[0].ESXi
	esx1.Guests = slices.DeleteFunc(esx1.Guests, func(g live.Guest) bool { return strings.HasSuffix(g.Path, "/web01.vmx") })
	p := o.plan(t, runbooks.PowerUp)
	require.Empty(t, p.Blockers)
	require.False(t, has(p, "power-on-guest:web01"))
	require.True(t, among(p.Warnings, finding{"guest web01", "is not started"}))

	lost := f.clone(t) // nobody has it: there is no use in waiting for the vCenter
	lost.bmc("esx2").Power, lost.host("esx2").Connection = live.On, live.Connected
	o = lost.observed()
	for i := range o.state.Hosts {
		o.state.Hosts[i].ESXi.Guests = slices.DeleteFunc(o.state.Hosts[i].ESXi.Guests, func(g live.Guest) bool { return g.Name == "vcsa" })
	}
	require.True(t, among(o.plan(t, runbooks.PowerUp).Blockers, finding{"guest vcsa", "none of its hosts knows the guest any more"}))
	o.state.Hosts = o.state.Hosts[:1] // esx2 was not read: it may have it
	require.False(t, among(o.plan(t, runbooks.PowerUp).Blockers, finding{"guest vcsa", "none of its hosts knows the guest any more"}))

	moved := f.clone(t) // by a person, at the hosts themselves
	moved.guest("ss1").Host = f.host("esx2").Ref
	moved.bmc("esx2").Power, moved.host("esx2").Connection = live.On, live.Connected
	moved.host("esx2").Maintenance = false
	p = moved.observed().plan(t, runbooks.PowerUp)
	require.Equal(t, "esx2", step(t, p, "power-on-guest:ss1").Target.Direct, "where it was found")
}

// A host whose storage is missing cannot tell who its guests are, but perhaps their names: that makes no second provider.
func TestAGuestThatCannotBeReadIsNoCopy(t *testing.T) {
	f := wentDown(t, insideLab)
	f.bmc("esx2").Power, f.host("esx2").Connection = live.On, live.Connected
	o, told := f.observed(), false
	for _, h := range o.state.Hosts {
		for i := range h.ESXi.Guests {
			if g := &h.ESXi.Guests[i]; g.UUID == "" {
				g.Name, g.Path, told = "kms01", "", true // nor where its files are
			}
		}
	}
	require.True(t, told)
	require.Empty(t, o.plan(t, runbooks.PowerUp).Blockers)
}
