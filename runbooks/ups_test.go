package runbooks_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/inventory"
	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/runbooks"
)

// onUPS puts hosts on a UPS that switches its load off, and has the run be on its account.
func (f *fixture) onUPS(hosts ...string) *fixture {
	f.lab.UPS = append(f.lab.UPS, inventory.UPS{Name: "rack", Server: "127.0.0.1", Feeds: hosts, OnBattery: inventory.OnBattery{Steady: minute},
		Policy: inventory.UPSPolicy{OnFailure: plan.Skip, Deadline: 20 * minute, Guests: inventory.UPSGuests{Timeout: 3 * minute, OnTimeout: "powerOff", NoTools: "powerOff"},
			Hosts: inventory.UPSHosts{Timeout: 10 * minute, OnTimeout: "forceOff"}},
		LoadOff: &inventory.LoadOff{Delay: 2 * minute, RestartDelay: 5 * minute}})
	f.params = map[string]string{"ups": "rack"}
	return f
}

func allOfHome() []string { return []string{"esx21", "esx22", "esx23", "esx24"} }

func stepOf(t *testing.T, p plan.Plan, id string) plan.Step {
	t.Helper()
	i := slices.IndexFunc(p.Steps, func(s plan.Step) bool { return s.ID == id })
	require.GreaterOrEqual(t, i, 0, "there is no step %s", id)
	return p.Steps[i]
}

// allBefore lists all steps that come before one.
func allBefore(p plan.Plan, id string) map[string]bool {
	needs := map[string][]string{}
	for _, s := range p.Steps {
		needs[s.ID] = s.Needs
	}
	seen := map[string]bool{}
	var look func(string)
	look = func(id string) {
		for _, n := range needs[id] {
			if !seen[n] {
				seen[n] = true
				look(n)
			}
		}
	}
	look(id)
	return seen
}

// TestPointOfNoReturn: it lies after every guest and before every host, and the load-off after all.
func TestPointOfNoReturn(t *testing.T) {
	for name, f := range map[string]*fixture{
		"home": homeLab().onUPS(allOfHome()...), "inside": insideLab().observed().onUPS("esx1", "esx2", "esx3"),
		"application": appLab().onUPS(allOfHome()...), "a part": homeLab().onUPS("esx23"),
	} {
		t.Run(name, func(t *testing.T) {
			p := f.plan(t, runbooks.PowerDown)
			require.Empty(t, p.Blockers)
			point := allBefore(p, "check-mains")
			hosts, last := 0, allBefore(p, "order-load-off:rack")
			require.Len(t, last, len(p.Steps)-1, "everything is before the load-off")
			for _, s := range p.Steps {
				switch s.Action {
				case plan.EnterMaintenance, plan.ShutdownHost:
					hosts++
					require.True(t, allBefore(p, s.ID)["check-mains"], "%s is beyond the point of no return", s.ID)
				case plan.ShutdownGuest:
					foundation := allBefore(p, s.ID)["check-mains"]
					require.True(t, point[s.ID] != foundation, s.ID)
					require.True(t, point[s.ID] || name == "inside", "only what the lab stands on goes down after the point: %s", s.ID)
				}
			}
			require.Positive(t, hosts)
		})
	}
}

func TestAUPSHurries(t *testing.T) {
	f := homeLab().onUPS("esx23", "esx24")
	f.lab.Policies.Guest.OnTimeout = "leave"
	p := f.plan(t, runbooks.PowerDown)
	require.Empty(t, p.Blockers)
	var guest plan.ShutdownGuestParams
	require.NoError(t, json.Unmarshal(stepOf(t, p, "shutdown-guest:web01").Params, &guest))
	require.Equal(t, plan.ShutdownGuestParams{Method: "shutdown", Timeout: 3 * minute, OnTimeout: "powerOff", NoTools: "powerOff", Host: "host-23"}, guest)
	var host plan.ShutdownHostParams
	require.NoError(t, json.Unmarshal(stepOf(t, p, "shutdown-host:esx23").Params, &host))
	require.Equal(t, plan.ShutdownHostParams{Host: "esx23", Via: "vcenter", NoRights: "leave", Timeout: 10 * minute, OnTimeout: "forceOff"}, host)
	for _, s := range p.Steps {
		require.NotContains(t, s.ID, "esx21", "what another feeds stays up")
		if !s.Always {
			require.Equal(t, plan.Skip, s.OnFailure, s.ID)
		}
	}
	require.True(t, stepOf(t, p, "check-mains").Own, "a UPS that says nothing any more stops no power-down, whatever the run does with failures")
	require.Equal(t, plan.Settings{OnFailure: plan.Skip, Deadline: 20 * minute, OnStale: "stop", BlockedDeadline: 720 * minute, ApprovalDeadline: 60 * minute},
		runbooks.RunSettings(f.lab, runbooks.PowerDown, f.params))
	require.Equal(t, f.lab.Settings(runbooks.PowerUp), runbooks.RunSettings(f.lab, runbooks.PowerUp, f.params))
	require.Equal(t, f.lab.Settings(runbooks.PowerDown), runbooks.RunSettings(f.lab, runbooks.PowerDown, nil))

	f.params = nil
	p = f.plan(t, runbooks.PowerDown)
	require.NotContains(t, p.Tree(plan.TreeOptions{Full: true}), "UPS", "a run that no UPS asks for is as ever")
}

// TestAllThatGoesDownIsTheWholeLab: a lab that a UPS feeds but for what is kept goes down with its foundation.
func TestAllThatGoesDownIsTheWholeLab(t *testing.T) {
	f := homeLab().onUPS("esx21", "esx22", "esx23", "esx24", "nuc")
	p := f.plan(t, runbooks.PowerDown)
	require.Empty(t, p.Blockers)
	stepOf(t, p, "suspend-ha:Lab")
	said := func(list []plan.Finding, text string) bool {
		return slices.ContainsFunc(list, func(x plan.Finding) bool { return strings.Contains(x.String(), text) })
	}
	require.True(t, said(p.Warnings, "host nuc: runs on UPS rack until its battery is empty: keep: true"))
	require.True(t, said(p.Warnings, "UPS rack: is not told to switch its load off: host nuc"), "%v", p.Warnings)
	require.NotContains(t, p.Tree(plan.TreeOptions{Full: true}), "Order UPS")
}

func TestLoadThatStaysOn(t *testing.T) {
	has := func(f *fixture) bool {
		p := f.plan(t, runbooks.PowerDown)
		return slices.ContainsFunc(p.Steps, func(s plan.Step) bool { return s.Action == plan.OrderLoadOff })
	}
	require.True(t, has(homeLab().onUPS(allOfHome()...)))
	require.True(t, has(allDown().onUPS(allOfHome()...)), "all is off already")

	twoFeeds := homeLab().onUPS(allOfHome()...)
	twoFeeds.params["host"] = "esx21,esx22,esx23"
	require.False(t, has(twoFeeds), "esx24 has another UPS and stays up")

	kept := homeLab().onUPS(allOfHome()...)
	kept.labHost("esx24").Keep = true
	require.False(t, has(kept))

	silent := allDown().onUPS(allOfHome()...)
	silent.bmc("esx24").Err = "no answer"
	require.False(t, has(silent), "nobody knows whether it is off")

	never := homeLab().onUPS(allOfHome()...)
	never.lab.UPS[0].LoadOff = nil
	require.False(t, has(never))
}

// TestTheLoadOffKnowsTheServers: where the lab file has recorded nothing, what the BMCs tell when the plan is made counts.
func TestTheLoadOffKnowsTheServers(t *testing.T) {
	f := homeLab().onUPS("esx21", "esx22", "esx23")
	f.labHost("esx22").BMC.Serial = f.bmc("esx22").Serial
	f.bmc("esx23").Serial, f.bmc("esx23").UUID = "None", "1"
	p := params[plan.LoadOffParams](t, stepOf(t, f.plan(t, runbooks.PowerDown), "order-load-off:rack"))
	require.Equal(t, map[string]plan.Server{"esx21": {Serial: f.bmc("esx21").Serial, UUID: f.bmc("esx21").UUID}}, p.Servers)
}

func TestWhatAUPSCannotBe(t *testing.T) {
	f := homeLab().onUPS("esx21")
	f.params["ups"] = "rock"
	p := f.plan(t, runbooks.PowerDown)
	require.Contains(t, p.Blockers[0].String(), `UPS rock: the lab file has no such UPS`)
	require.Contains(t, p.Blockers[0].Remedy, `did you mean "rack"?`)
}

func TestAPartOnAUPSComesUp(t *testing.T) {
	f := allDown().onUPS("esx23", "esx24")
	p := f.plan(t, runbooks.PowerUp)
	require.Empty(t, p.Blockers)
	stepOf(t, p, "power-on-host:esx23")
	stepOf(t, p, "power-on-host:esx24")
	for _, s := range p.Steps {
		require.False(t, s.Action == plan.PowerOnHost && (s.Target.Name == "esx21" || s.Target.Name == "esx22"))
	}
	require.Equal(t, live.Off, f.bmc("esx21").Power)
}

// TestTheBatteryDoesNotWaitForThoseWhoWatch: alarm actions that cannot be switched off hold no host up.
func TestTheBatteryDoesNotWaitForThoseWhoWatch(t *testing.T) {
	f := watched(homeLab().onUPS(allOfHome()...))
	p := f.plan(t, runbooks.PowerDown)
	require.NotEmpty(t, stepsOf(p, "silence-host:"))
	require.NotContains(t, strings.Join(stepOf(t, p, "check-mains").Needs, " "), "silence-")
	require.NotEmpty(t, stepOf(t, p, "check-mains").Needs)
}

// Nobody powers hosts up whose power is about to go: neither a person nor a schedule asks the UPSes beforehand, but their plan does.
func TestAPowerUpAsksTheUPSes(t *testing.T) {
	f := allDown().onUPS("esx23")
	f.params = nil
	say := func(u live.UPS) plan.Plan {
		f.state.UPSes = []live.UPS{u}
		return f.plan(t, runbooks.PowerUp)
	}
	p := say(live.UPS{Name: "rack"})
	require.Empty(t, p.Blockers)
	warnings := p.Warnings

	p = say(live.UPS{Name: "rack", GoesOff: true, OnBattery: true})
	require.Equal(t, []plan.Finding{{Subject: "UPS rack", Text: "is about to switch its load off, as it was told to", Remedy: "wait until it has, and is on mains again; a forced shutdown (FSD) that was called off stands until upsd is started anew", Passes: true}}, p.Blockers)
	for _, u := range []live.UPS{{Name: "rack", OnBattery: true}, {Name: "rack", Err: "DRIVER-NOT-CONNECTED"}} {
		p = say(u)
		require.Empty(t, p.Blockers)
		require.Len(t, p.Warnings, len(warnings)+1)
	}

	f.params = map[string]string{"host": "esx21"}
	p = say(live.UPS{Name: "rack", GoesOff: true})
	require.Empty(t, p.Blockers, "nothing comes up that it feeds")
}
