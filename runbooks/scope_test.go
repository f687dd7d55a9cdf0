package runbooks_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/inventory"
	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/runbooks"
)

func (f *fixture) part(kv ...string) *fixture {
	f.params = map[string]string{}
	for i := 0; i < len(kv); i += 2 {
		f.params[kv[i]] = kv[i+1]
	}
	return f
}

// acts lists what a plan changes.
func acts(p plan.Plan) (out []string) {
	for _, s := range p.Steps {
		if s.Changes() {
			out = append(out, s.ID)
		}
	}
	return out
}

// What no run touches is neither up nor down: the first plans after an import, which keeps all.
func TestWhereEverythingIsKeptNothingIsSaidToBeDown(t *testing.T) {
	for _, book := range []string{runbooks.PowerDown, runbooks.PowerUp} {
		f := homeLab()
		for i := range f.lab.Hosts {
			f.lab.Hosts[i].Keep = true
		}
		p := f.plan(t, book)
		require.Empty(t, p.Steps)
		require.Equal(t, "Nothing to do: everything is left alone (keep: true)", p.Title, book)
	}
	f := homeLab()
	f.lab.Hosts = nil
	require.Equal(t, "Nothing to do: everything is left alone (not in the lab file)", f.plan(t, runbooks.PowerDown).Title)
	require.NotContains(t, allDown().plan(t, runbooks.PowerDown).Title, "left alone", "the hosts that are not kept are off")
}

func TestAPartOfTheLabGoesDown(t *testing.T) {
	esx23 := []string{"shutdown-guest:web01", "enter-maintenance:esx23", "shutdown-host:esx23"}
	for name, c := range map[string]struct {
		params []string
		want   []string
	}{
		"a host":            {[]string{"host", "esx23"}, esx23},
		"a guest":           {[]string{"vm", "web02"}, []string{"shutdown-guest:web02"}},
		"guests, in order":  {[]string{"vm", "db01,web01"}, []string{"shutdown-guest:web01", "shutdown-guest:db01"}},
		"a host and guests": {[]string{"host", "esx23", "vm", "win-old"}, append([]string{"shutdown-guest:win-old"}, esx23...)},
	} {
		t.Run(name, func(t *testing.T) {
			f := homeLab().part(c.params...)
			p := f.plan(t, runbooks.PowerDown)
			require.Empty(t, p.Blockers)
			require.ElementsMatch(t, c.want, acts(p))
			f.run(t, p, newRand(), nil)
			end := f.plan(t, runbooks.PowerDown)
			require.Empty(t, end.Steps)
			require.Contains(t, end.Title, "as far as was asked for")
		})
	}
	whole := homeLab().part("host", "esx21,esx22,esx23,esx24").plan(t, runbooks.PowerDown)
	require.True(t, has(whole, "suspend-ha:Lab"), "that is the whole cluster")
	require.Equal(t, acts(homeLab().plan(t, runbooks.PowerDown)), acts(homeLab().part("cluster", "Lab").plan(t, runbooks.PowerDown)))
}

func TestAPartOfTheLabComesUp(t *testing.T) {
	p := allDown().part("host", "esx21,esx22").plan(t, runbooks.PowerUp)
	require.Empty(t, p.Blockers)
	require.ElementsMatch(t, []string{"power-on-host:esx21", "exit-maintenance:esx21", "power-on-host:esx22", "exit-maintenance:esx22",
		"power-on-guest:dc01", "power-on-guest:db01"}, acts(p))
	require.True(t, among(p.Warnings, finding{"cluster Lab", "not all of its hosts come up"}))

	rest := allDown()
	up := homeLab()
	for _, h := range []string{"esx21", "esx22", "esx23"} {
		*rest.host(h), *rest.bmc(h) = *up.host(h), *up.bmc(h)
	}
	require.True(t, has(rest.part("host", "esx24").plan(t, runbooks.PowerUp), "settle-ha:Lab"), "now all are back")

	off := homeLab()
	off.guest("web01").Power = live.PoweredOff
	require.Equal(t, []string{"power-on-guest:web01"}, acts(off.part("vm", "web01").plan(t, runbooks.PowerUp)), "by its name, remembered or not")
	off.guest("db01").Power = live.PoweredOff
	p = off.plan(t, runbooks.PowerUp)
	require.Equal(t, []string{"power-on-guest:web01"}, acts(p), "and no other")
	require.True(t, among(p.Warnings, finding{"guest web01", "needs guest db01, which does not run"}))
}

func TestWhatOthersNeedIsNamed(t *testing.T) {
	p := homeLab().part("host", "esx22").plan(t, runbooks.PowerDown)
	require.True(t, among(p.Warnings, finding{"guest db01", "guest web01 needs it and stays up"}))
	require.True(t, among(p.Warnings, finding{"cluster Lab", "DRS may move guests"}))
}

func TestScopeBlockers(t *testing.T) {
	for _, c := range []findingCase{
		{"unknown host", func(f *fixture) { f.part("host", "esx25") }, finding{"host esx25", "no such host"}},
		{"unknown guest", func(f *fixture) { f.part("vm", "web1") }, finding{"guest web1", "no vCenter has such a guest"}},
		{"unknown cluster", func(f *fixture) { f.part("cluster", "lab") }, finding{"cluster lab", "there are: Lab, Management"}},
		{"kept host", func(f *fixture) { f.part("host", "nuc") }, finding{"host nuc", "was asked for, but is left alone: keep: true"}},
		{"kept guest", func(f *fixture) { f.part("vm", "mgmt") }, finding{"guest mgmt", "was asked for, but is left alone"}},
		{"two guests of a name", func(f *fixture) { f.addGuest(60, "web01", "esx21"); f.lab.Groups = nil; f.part("vm", "web01") }, finding{"guest web01", "2 guests have this name"}},
		{"a template", func(f *fixture) { f.part("vm", "golden") }, finding{"guest golden", "no vCenter has such a guest"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, runbook := range []string{runbooks.PowerDown, runbooks.PowerUp} {
				expect(t, runbook, c, func(p plan.Plan) []plan.Finding { return p.Blockers })
			}
		})
	}
	f := homeLab().part("host", "esx2")
	require.Contains(t, f.plan(t, runbooks.PowerDown).Blockers[0].Remedy, `did you mean "esx2`)
	p := allDown().part("vm", "web01").plan(t, runbooks.PowerUp)
	require.True(t, among(p.Blockers, finding{"guest web01", "its host is not up, and was not asked for"}))
	p = wentDown(t, insideLab).observed().part("host", "esx3").plan(t, runbooks.PowerUp)
	require.True(t, among(p.Blockers, finding{"vCenter vc1", "a part of the lab comes up only through it"}))
}

func TestApplicationsAreStoppedAsAWhole(t *testing.T) {
	lab := appLab()
	p := lab.plan(t, runbooks.PowerDown)
	all := before(p)
	for _, g := range []string{"pg1", "pg2"} {
		require.True(t, all["shutdown-guest:"+g]["stop-application:pg"], g)
	}
	require.True(t, all["stop-application:pg"]["shutdown-guest:app01"], "who needs one member needs the application")
	require.True(t, all["stop-application:pg"]["remember-running"])
	require.True(t, all["shutdown-guest:dc01"]["shutdown-guest:pg2"])
	require.Equal(t, plan.ApplicationParams{Application: "pg", Timeout: 10 * minute, Commands: lab.lab.ApplicationClusters[0].Commands()}, params[plan.ApplicationParams](t, step(t, p, "stop-application:pg")))

	up := wentDown(t, appLab).plan(t, runbooks.PowerUp)
	all = before(up)
	for _, g := range []string{"pg1", "pg2"} {
		require.True(t, all["start-application:pg"]["check-guest:"+g], g)
	}
	require.True(t, all["power-on-guest:app01"]["start-application:pg"])
}

func TestPartOfAnApplication(t *testing.T) {
	p := appLab().part("host", "esx21").plan(t, runbooks.PowerDown)
	require.True(t, among(p.Blockers, finding{"application cluster pg", "pg1 of it go down while pg2 stay up"}))
	require.False(t, has(p, "stop-application:pg"))
	p = appLab().part("host", "esx21", "stop-applications", "true").plan(t, runbooks.PowerDown)
	require.Empty(t, p.Blockers)
	require.True(t, has(p, "stop-application:pg"))
	require.True(t, among(p.Warnings, finding{"application cluster pg", "is stopped as a whole, though pg2 of it stay up"}))
	f := appLab()
	f.guest("pg2").Power = live.PoweredOff
	require.Empty(t, f.part("host", "esx21").plan(t, runbooks.PowerDown).Blockers, "the other is off")
}

// A run may have ended after it stopped the application, before the first of its members went down.
func TestAStoppedApplicationWhoseMembersRunIsStarted(t *testing.T) {
	f := appLab()
	f.ledger.Memory = []plan.RememberedGuest{f.guestMemory("pg1"), f.guestMemory("pg2")}
	p := f.plan(t, runbooks.PowerUp)
	require.True(t, has(p, "start-application:pg"))
	require.False(t, has(appLab().plan(t, runbooks.PowerUp), "start-application:pg"))
}

func (f *fixture) guestMemory(name string) plan.RememberedGuest {
	return plan.RememberedGuest{Endpoint: "vc1", UUID: f.guest(name).UUID, Name: name}
}

// Between the members of an application cluster nothing can come that needs some of them: all stop at once.
func TestCirclesThroughAnApplication(t *testing.T) {
	f := appLab()
	*f.labGuest("pg2") = inventory.Guest{Name: "pg2", VCenter: "vc1", After: []string{"app01"}}
	p := f.plan(t, runbooks.PowerDown)
	require.True(t, among(p.Blockers, finding{"guest app01", "guest app01 comes after guest pg2 by after: of guest app01, with the others of application cluster pg; guest pg2 comes after guest app01 by after: of guest pg2"}))
}
