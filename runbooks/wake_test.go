package runbooks_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/inventory"
	"nightshift/internal/live"
	"nightshift/runbooks"
)

const wakes = "00:11:22:33:44:55"

// withoutBMC takes esx21's BMC away: it wakes by a packet, and two witnesses tell whether it is on.
func (f *fixture) withoutBMC(power string) {
	h := f.labHost("esx21")
	h.BMC, h.WakeOnLAN = nil, &inventory.WakeOnLAN{MAC: "00-11-22-33-44-55", Witness: []string{"192.168.4.21:443"}}
	f.host("esx21").MACs = []string{"00:11:22:33:44:54", wakes}
	*f.bmc("esx21") = live.BMC{Host: "esx21", Power: power, ResetTypes: []string{"On"}, Model: "Wake-on-LAN"}
}

// emptied is what a BMC would be believed of: no guest is on, though vCenter says connected.
func (f *fixture) emptied() {
	f.withoutBMC(live.Off)
	for i, g := range f.vc().Guests {
		if g.Host == f.host("esx21").Ref {
			f.vc().Guests[i].Power = live.PoweredOff
		}
	}
}

func TestHostsWithoutABMCGoDown(t *testing.T) {
	f := homeLab()
	f.withoutBMC(live.On)
	p := f.plan(t, runbooks.PowerDown)
	require.Empty(t, p.Blockers)
	require.True(t, has(p, "shutdown-host:esx21"))

	for name, c := range map[string]struct {
		change func()
		says   string
	}{
		"another machine's MAC":    {func() { f.host("esx21").MACs = []string{"00:11:22:33:44:54"} }, "another machine would wake"},
		"silent, and connected":    {func() { f.withoutBMC(live.Off) }, "silence alone is no proof"},
		"made ready, and silent":   {func() { f.emptied(); f.putAside("esx21") }, "silence alone is no proof"},
		"nobody could be asked":    {func() { *f.bmc("esx21") = live.BMC{Host: "esx21", Err: "no such host"} }, "its witnesses do not tell"},
		"answers, vCenter lost it": {func() { f.host("esx21").Connection = live.NotResponding }, "vCenter says notResponding"},
	} {
		t.Run(name, func(t *testing.T) {
			f = homeLab()
			f.withoutBMC(live.On)
			c.change()
			p := f.plan(t, runbooks.PowerDown)
			require.True(t, among(p.Blockers, finding{"host esx21", c.says}), "%v", p.Blockers)
		})
	}
}

// A network that is broken looks like hosts that are off: whoever approves the plan is told.
func TestSilenceIsSaid(t *testing.T) {
	const says = "a broken network looks the same"
	f := allDown()
	f.withoutBMC(live.Off)
	require.False(t, among(f.plan(t, runbooks.PowerDown).Warnings, finding{"host esx21", says}), "an earlier run has emptied it")
	f.ledger.Debts = nil
	require.True(t, among(f.plan(t, runbooks.PowerDown).Warnings, finding{"host esx21", says}))
}

func TestHostsWithoutABMCWakeUp(t *testing.T) {
	f := allDown()
	f.withoutBMC(live.Off)
	p := f.plan(t, runbooks.PowerUp)
	require.Empty(t, p.Blockers)
	s := step(t, p, "power-on-host:esx21")
	require.Equal(t, "Wake host esx21 over the network", s.Title)
	require.Greater(t, time.Duration(s.Timeout), 20*time.Minute, "its witness answers when it has booted")
	require.Less(t, time.Duration(step(t, p, "power-on-host:esx22").Timeout), 20*time.Minute)
	require.True(t, has(p, "await-host:esx21"))

	f.host("esx21").MACs = nil
	require.True(t, among(f.plan(t, runbooks.PowerUp).Warnings, finding{"host esx21", "compare"}) ||
		among(f.plan(t, runbooks.PowerUp).Warnings, finding{"host esx21", "does not tell its network cards"}))
}
