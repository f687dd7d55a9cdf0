package runbooks_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/inventory"
	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/runbooks"
)

// boots has the host be on its way up, or its management network be dead: nobody can tell which.
func (f *fixture) boots(host string) {
	f.host(host).Connection, f.host(host).Power = live.NotResponding, "unknown"
}

func idsOf(p plan.Plan, action plan.Action) (ids []string) {
	for _, s := range p.Steps {
		if s.Action == action {
			ids = append(ids, s.Target.Name)
		}
	}
	slices.Sort(ids)
	return ids
}

// upTo is the plan with the steps of an action alone, and what they need.
func upTo(p plan.Plan, action plan.Action) plan.Plan {
	all := before(p)
	p.Steps = slices.DeleteFunc(slices.Clone(p.Steps), func(s plan.Step) bool {
		return s.Action != action && !slices.ContainsFunc(p.Steps, func(o plan.Step) bool { return o.Action == action && all[o.ID][s.ID] })
	})
	return p
}

// TestOneHostDoesNotKeepTheOthersUp: what stands in the way of one host, or of one guest, is in nobody else's way on battery.
func TestOneHostDoesNotKeepTheOthersUp(t *testing.T) {
	for _, c := range []struct {
		name   string
		bend   func(f *fixture)
		hosts  []string // that go down
		guests []string
		left   []string
		want   finding
	}{
		{"it boots", func(f *fixture) { f.boots("esx21") }, []string{"esx22", "esx23", "esx24"}, []string{"db01", "web01", "web02", "win-old"},
			[]string{"host esx21"}, finding{"host esx21", "nobody knows what it does, or which guests run on it; it is left as it is"}},
		{"Off, but connected", func(f *fixture) { f.bmc("esx21").Power = live.Off }, []string{"esx22", "esx23", "esx24"}, []string{"db01", "web01", "web02", "win-old"},
			[]string{"host esx21"}, finding{"host esx21", "it was not emptied and put into maintenance mode before; it is left as it is"}},
		{"in between", func(f *fixture) { f.bmc("esx21").Power = live.PoweringOn }, []string{"esx22", "esx23", "esx24"}, []string{"db01", "web01", "web02", "win-old"},
			[]string{"host esx21"}, finding{"host esx21", "neither On nor Off; it is left as it is"}},
		{"unknown to vCenter", func(f *fixture) { f.labHost("esx21").Address = "esx21.example" }, []string{"esx22", "esx23", "esx24"}, []string{"db01", "web01", "web02", "win-old"},
			[]string{"host esx21"}, finding{"host esx21", "does not know a host esx21.example"}},
		{"its BMC is gone", func(f *fixture) { *f.bmc("esx21") = live.BMC{Host: "esx21", Err: "no route"} }, []string{"esx22", "esx23", "esx24"},
			[]string{"db01", "dc01", "web01", "web02", "win-old"}, []string{"host esx21"}, finding{"host esx21", "no route; it stays on, and its guests go down"}},
		{"two with one BMC", func(f *fixture) {
			f.bmc("esx22").Serial, f.bmc("esx22").UUID = f.bmc("esx21").Serial, f.bmc("esx21").UUID
			f.host("esx22").UUID = f.host("esx21").UUID
		}, []string{"esx23", "esx24"}, []string{"db01", "dc01", "web01", "web02", "win-old"}, []string{"host esx21", "host esx22"},
			finding{"host esx22", "are the same machine"}},
		{"every BMC is gone", func(f *fixture) {
			for _, h := range allOfHome() {
				*f.bmc(h) = live.BMC{Host: h, Err: "no route"}
			}
		}, nil, []string{"db01", "dc01", "web01", "web02", "win-old"}, []string{"host esx21", "host esx22", "host esx23", "host esx24"},
			finding{"host esx24", "it stays on, and its guests go down"}},
		{"a backup runs", func(f *fixture) { f.vc().Tasks = []live.Task{{Name: "com.vendor.vadp.BackupTask", Entity: "vm-14"}} },
			[]string{"esx21", "esx22", "esx23"}, []string{"db01", "dc01", "web01", "win-old"}, []string{"guest web02"},
			finding{"guest web02", "a backup is under way (task com.vendor.vadp.BackupTask); it stays up"}},
		{"Fault Tolerance", func(f *fixture) { f.guest("web01").FT = true }, []string{"esx21", "esx22", "esx24"}, []string{"db01", "dc01", "web02", "win-old"},
			[]string{"guest web01"}, finding{"guest web01", "Fault Tolerance is on; it stays up"}},
		{"orphaned", func(f *fixture) { f.guest("web01").Connection = "orphaned" }, []string{"esx21", "esx22", "esx24"}, []string{"db01", "dc01", "web02", "win-old"},
			[]string{"guest web01"}, finding{"guest web01", "orphaned"}},
		{"what nightshift needs", func(f *fixture) {
			f.guest("web01").IP = "192.168.4.9"
			f.state.Needs = []live.Need{{What: "its Temporal server", Address: "192.168.4.9"}}
		}, []string{"esx21", "esx22", "esx24"}, []string{"db01", "dc01", "web02", "win-old"}, []string{"guest web01"}, finding{"guest web01", "nightshift itself needs it"}},
		{"vSAN", func(f *fixture) { f.vc().Clusters[1].VSAN = true }, nil, []string{"db01", "dc01", "web01", "web02", "win-old"},
			[]string{"host esx21", "host esx22", "host esx23", "host esx24"}, finding{"host esx21", "is a vSAN cluster"}},
		// These stay for good: nobody waits for them.
		{"a kept guest was moved there", func(f *fixture) { f.guest("mgmt").Host = "host-24" }, []string{"esx21", "esx22", "esx23"},
			[]string{"db01", "dc01", "web01", "web02", "win-old"}, nil, finding{"host esx24", "stays on, as guest mgmt on it does"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := homeLab().onUPS(allOfHome()...)
			c.bend(f)
			p := f.plan(t, runbooks.PowerDown)
			tree := p.Tree(plan.TreeOptions{Full: true})
			require.Empty(t, p.Blockers, tree)
			require.True(t, among(p.Warnings, c.want), tree)
			require.Equal(t, c.hosts, idsOf(p, plan.ShutdownHost), tree)
			require.Equal(t, c.guests, idsOf(p, plan.ShutdownGuest), tree)
			require.Equal(t, c.left, p.Left)
			require.Empty(t, idsOf(p, plan.OrderLoadOff), "something is on")
			require.True(t, among(p.Warnings, finding{"UPS rack", "is not told to switch its load off"}), tree)
			require.False(t, has(p, "suspend-ha:Lab"), "not all of the cluster goes down")
		})
	}
}

// TestWhatKeepsAllUpOnBattery: nothing is done where it is not known that this is the lab, and who is kept in it.
func TestWhatKeepsAllUpOnBattery(t *testing.T) {
	for name, bend := range map[string]func(*fixture){
		"another nightshift": func(f *fixture) { f.vc().Mark = "nightshift-of-bob" },
		"tags were not read": func(f *fixture) { f.vc().Warnings = []string{"tags: no permission"} },
		"kept guest is misspelt": func(f *fixture) {
			f.lab.Guests = append(f.lab.Guests, inventory.Guest{Name: "bd01", VCenter: "vc1", Keep: true})
		},
		"the order is a circle":    func(f *fixture) { f.labGuest("db01").After = []string{"db01"} },
		"an ESXi for a vCenter":    func(f *fixture) { f.vc().APIType = "HostAgent" },
		"and one of its hosts too": func(f *fixture) { f.vc().Mark = "nightshift-of-bob"; f.boots("esx21") },
		"nothing is known at all": func(f *fixture) {
			for _, h := range allOfHome() {
				f.boots(h)
			}
		},
	} {
		f := homeLab().onUPS(allOfHome()...)
		bend(f)
		p := f.plan(t, runbooks.PowerDown)
		require.NotEmpty(t, p.Blockers, name)
		require.NotContains(t, p.Title, "Nothing to do", name)
	}
}

// TestWhatASparedHostNeedsStaysUp: its vCenter, what that needs, what serves its datastores, and the hosts of all these.
func TestWhatASparedHostNeedsStaysUp(t *testing.T) {
	f := insideLab().observed().onUPS("esx1", "esx2", "esx3")
	require.Equal(t, []string{"esx1", "esx2", "esx3"}, idsOf(f.plan(t, runbooks.PowerDown), plan.ShutdownHost))
	f.boots("esx3")
	p := f.plan(t, runbooks.PowerDown)
	tree := p.Tree(plan.TreeOptions{Full: true})
	require.Empty(t, p.Blockers, tree)
	require.Equal(t, []string{"host esx3"}, p.Left)
	require.Equal(t, []string{"web01"}, idsOf(p, plan.ShutdownGuest), tree)
	require.Empty(t, idsOf(p, plan.ShutdownHost), tree)
	require.True(t, among(p.Warnings, finding{"guest vcsa", "host esx3, which is left as it is, may need it: it provides vcenter vc1"}), tree)
	require.True(t, among(p.Warnings, finding{"guest ss1", "stays up, as host esx3"}), tree)

	f = homeLab().onUPS(allOfHome()...)
	f.labGuest("vcsa").Provides = nil // it is outside, and needs nothing of this lab
	f.store("datastore-9", "tank", "esx21", "esx22")
	f.on("datastore-9", "dc01")
	f.provides("win-old", "datastore:tank")
	f.boots("esx21")
	p = f.plan(t, runbooks.PowerDown)
	require.Empty(t, p.Blockers)
	require.Equal(t, []string{"esx22", "esx23"}, idsOf(p, plan.ShutdownHost), "win-old on esx24 serves a datastore of esx21")
	require.NotContains(t, idsOf(p, plan.ShutdownGuest), "win-old")

	f = homeLab().onUPS(allOfHome()...) // the same of a guest
	f.store("datastore-9", "tank", "esx22")
	f.on("datastore-9", "dc01")
	f.provides("win-old", "datastore:tank")
	f.guest("dc01").FT = true
	p = f.plan(t, runbooks.PowerDown)
	require.Empty(t, p.Blockers)
	require.Equal(t, []string{"esx22", "esx23"}, idsOf(p, plan.ShutdownHost))
}

// TestAVCenterThatNobodyReadsKeepsOnlyItsOwnUp: what another one knows of goes down, but for what the first may need.
func TestAVCenterThatNobodyReadsKeepsOnlyItsOwnUp(t *testing.T) {
	lab := func(fed ...string) *fixture {
		f := homeLab()
		f.withSecondVCenter()
		f.lab.Groups[0].Guests = nil // web01 would be ambiguous
		f.bmc("esx51").ResetTypes = f.bmc("esx21").ResetTypes
		return f.onUPS(fed...)
	}
	all := append(allOfHome(), "esx51")
	require.Equal(t, all, idsOf(lab(all...).plan(t, runbooks.PowerDown), plan.ShutdownHost))

	f := lab(all...)
	f.state.VCenters = f.state.VCenters[:1]
	p := f.plan(t, runbooks.PowerDown)
	tree := p.Tree(plan.TreeOptions{Full: true})
	require.Empty(t, p.Blockers, tree)
	require.Equal(t, allOfHome(), idsOf(p, plan.ShutdownHost), tree)
	require.Equal(t, []string{"host esx51"}, p.Left)
	require.True(t, among(p.Warnings, finding{"host esx51", "vCenter vc2 could not be read, so nothing is known of its hosts and guests; it is left as it is"}), tree)
	require.Empty(t, idsOf(p, plan.OrderLoadOff), "something is on")
	require.False(t, slices.ContainsFunc(p.Steps, func(s plan.Step) bool { return s.Target.Endpoint == "vc2" }), tree)

	f.provides("win-old", "vcenter:vc2")
	p = f.plan(t, runbooks.PowerDown)
	require.Empty(t, p.Blockers, p.Tree(plan.TreeOptions{Full: true}))
	require.NotContains(t, idsOf(p, plan.ShutdownGuest), "win-old", "the vCenter runs in it")
	require.Equal(t, []string{"esx21", "esx22", "esx23"}, idsOf(p, plan.ShutdownHost))

	f = lab(allOfHome()...) // what the other one has is on no UPS of this run
	f.state.VCenters = f.state.VCenters[:1]
	p = f.plan(t, runbooks.PowerDown)
	require.Empty(t, p.Blockers, p.Tree(plan.TreeOptions{Full: true}))
	require.Equal(t, allOfHome(), idsOf(p, plan.ShutdownHost))
	require.Empty(t, p.Left)
	require.Equal(t, []string{"rack"}, idsOf(p, plan.OrderLoadOff))

	f = lab(all...) // nothing is known of anything
	f.state.VCenters = nil
	p = f.plan(t, runbooks.PowerDown)
	require.True(t, among(p.Blockers, finding{"vCenter vc1", "could not be read"}))
	f = lab(all...) // nobody has said that this cannot wait
	f.params, f.state.VCenters = nil, f.state.VCenters[:1]
	require.True(t, among(f.plan(t, runbooks.PowerDown).Blockers, finding{"vCenter vc2", "could not be read"}))
}

// TestAHostThatServesASparedOneStaysOn: its own guests go down.
func TestAHostThatServesASparedOneStaysOn(t *testing.T) {
	f := homeLab().onUPS(allOfHome()...)
	f.store("datastore-9", "tank", "esx21", "esx23")
	f.labHost("esx23").Provides = []inventory.Provision{"datastore:tank"}
	require.Equal(t, allOfHome(), idsOf(f.plan(t, runbooks.PowerDown), plan.ShutdownHost))
	f.boots("esx21")
	p := f.plan(t, runbooks.PowerDown)
	require.Empty(t, p.Blockers)
	require.Equal(t, []string{"esx22", "esx24"}, idsOf(p, plan.ShutdownHost))
	require.Contains(t, idsOf(p, plan.ShutdownGuest), "web01")
	require.Equal(t, []string{"host esx21"}, p.Left)
}

// TestHAThatNobodySeesKeepsGuestsUp: it would restart them elsewhere.
func TestHAThatNobodySeesKeepsGuestsUp(t *testing.T) {
	f := insideLab().onUPS("esx1", "esx2", "esx3")
	f.esxi("esx3")
	f.run(t, upTo(f.observed().plan(t, runbooks.PowerDown), plan.RecordLab), rand.New(rand.NewPCG(1, 1)), nil)
	for _, g := range []string{"vcsa", "db01", "web01", "secret"} {
		f.guest(g).Power = live.PoweredOff
	}
	p := f.observed().plan(t, runbooks.PowerDown)
	require.True(t, among(p.Blockers, finding{"cluster Lab", "had HA when vCenter vc1 last told"}), p.Tree(plan.TreeOptions{Full: true}))
	require.Empty(t, p.Left)
}

// TestNoLoadGoesWhileSomethingIsLeft: nobody knows what that needs.
func TestNoLoadGoesWhileSomethingIsLeft(t *testing.T) {
	f := homeLab().onUPS("esx21", "esx22")
	shelf := f.lab.UPS[0]
	shelf.Name, shelf.Feeds = "shelf", []string{"esx23", "esx24"}
	f.lab.UPS = append(f.lab.UPS, shelf)
	f.params["ups"] = "rack,shelf"
	require.Equal(t, []string{"rack", "shelf"}, idsOf(f.plan(t, runbooks.PowerDown), plan.OrderLoadOff))
	f.boots("esx24")
	require.Empty(t, idsOf(f.plan(t, runbooks.PowerDown), plan.OrderLoadOff))
}

// TestAHostThatOnlyStaysOnHoldsNobodyUp: its guests go down, so that nothing is lost on it; the vCenter goes as ever.
func TestAHostThatOnlyStaysOnHoldsNobodyUp(t *testing.T) {
	f := insideLab().observed().onUPS("esx1", "esx2", "esx3")
	f.vc().Guests = slices.DeleteFunc(f.vc().Guests, func(g live.Guest) bool { return g.VCLS })
	*f.bmc("esx3") = live.BMC{Host: "esx3", Err: "no route"}
	p := f.plan(t, runbooks.PowerDown)
	require.Empty(t, p.Blockers)
	require.Equal(t, []string{"esx1", "esx2"}, idsOf(p, plan.ShutdownHost))
	require.Contains(t, idsOf(p, plan.ShutdownGuest), "vcsa")

	// Where the vCenter cannot go, as it has to take away the vCLS guests of a cluster that stays, only that stays.
	f = insideLab().observed().onUPS("esx1", "esx2", "esx3")
	f.addGuest(60, "app9", "esx2")
	*f.bmc("esx3") = live.BMC{Host: "esx3", Err: "no route"}
	p = f.plan(t, runbooks.PowerDown)
	require.Empty(t, p.Blockers, p.Tree(plan.TreeOptions{Full: true}))
	require.NotContains(t, idsOf(p, plan.ShutdownGuest), "vcsa")
	require.Equal(t, []string{"app9", "db01", "secret", "web01"}, idsOf(p, plan.ShutdownGuest))
}

// TestAnApplicationDoesNotHoldTheRestUp: half of it goes down, as it would with the battery.
func TestAnApplicationDoesNotHoldTheRestUp(t *testing.T) {
	f := appLab().onUPS(allOfHome()...)
	f.boots("esx21")
	p := f.plan(t, runbooks.PowerDown)
	require.Empty(t, p.Blockers)
	require.Contains(t, idsOf(p, plan.ShutdownGuest), "pg2")
	require.True(t, among(p.Warnings, finding{"application cluster pg", "pg2 of it go down while pg1 stay up"}))
	require.Empty(t, idsOf(p, plan.StopApplication))
}

// TestWhatIsLeftGoesNext: when the host is there, the next plan takes it down, and all that stayed for it.
func TestWhatIsLeftGoesNext(t *testing.T) {
	f := insideLab().onUPS("esx1", "esx2", "esx3")
	f.boots("esx3")
	f.run(t, f.observed().plan(t, runbooks.PowerDown), rand.New(rand.NewPCG(1, 1)), nil)
	p := f.observed().plan(t, runbooks.PowerDown)
	require.NotEmpty(t, p.Blockers, "nothing more can be done now")
	f.host("esx3").Connection, f.host("esx3").Power = live.Connected, live.PoweredOn
	p = f.observed().plan(t, runbooks.PowerDown)
	require.Empty(t, p.Blockers)
	require.Empty(t, p.Left)
	f.run(t, p, rand.New(rand.NewPCG(2, 1)), nil)
	for _, h := range []string{"esx1", "esx2", "esx3"} {
		require.Equal(t, live.Off, f.bmc(h).Power, h)
	}
	require.Equal(t, []string{"rack"}, idsOf(f.observed().plan(t, runbooks.PowerDown), plan.OrderLoadOff))
}

// TestRandomTroubleOnBattery: whatever is in the way of some, plans are sound, can be carried out in any order that they allow
// (the fixture's world fails otherwise), and what they leave is left.
func TestRandomTroubleOnBattery(t *testing.T) {
	went, spared := 0, 0
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 21))
		f := randomFoundation(seed)
		f.spares = true
		f.lab.UPS = nil
		var hosts []string
		for _, h := range f.lab.Hosts {
			hosts = append(hosts, h.Name)
		}
		params := f.params
		f.onUPS(hosts...)
		f.params["keys-outside"] = params["keys-outside"]
		for _, h := range hosts {
			switch r.IntN(8) {
			case 0:
				f.boots(h)
			case 1:
				*f.bmc(h) = live.BMC{Host: h, Power: live.On, Err: "no route"}
			case 2:
				f.bmc(h).Power = live.PoweringOn
			}
		}
		for i := range f.vc().Guests {
			if r.IntN(12) == 0 {
				f.vc().Guests[i].FT = true
			}
		}
		if f.vcenterIsOff() {
			continue // nobody would be asked
		}
		world := f.observed()
		world.state.Hosts = slices.DeleteFunc(world.state.Hosts, func(d live.DirectHost) bool { return f.host(d.Host).Connection != live.Connected })
		p := world.plan(t, runbooks.PowerDown)
		if len(p.Blockers) > 0 {
			continue
		}
		went++
		on := map[string]string{}
		for _, h := range hosts {
			on[h] = f.bmc(h).Power
		}
		says := fmt.Sprintf("seed %d\n%s", seed, p.Tree(plan.TreeOptions{Full: true}))
		f.run(t, p, r, nil)
		if len(p.Left) > 0 {
			spared++
			require.Empty(t, idsOf(p, plan.OrderLoadOff), says)
		}
		for _, h := range hosts {
			if f.host(h).Connection != live.Connected && on[h] == live.On {
				if slices.Contains(idsOf(p, plan.ShutdownHost), h) {
					continue
				}
				require.Equal(t, live.PoweredOn, f.guest("vcsa").Power, "host %s could not be seen again: %s", h, says)
			}
		}
	}
	require.Greater(t, went, 100)
	require.Greater(t, spared, 50)
}
