package runbooks_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/inventory"
	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/runbooks"
)

// randomLab is a lab of some clusters in some state: kept and unlisted hosts, hosts that are down or in maintenance mode,
// guests that are off, kept, without Tools, and depend on each other.
func randomLab(seed uint64) *fixture {
	r := rand.New(rand.NewPCG(seed, 7))
	f := &fixture{lab: newLab(), state: &live.State{At: at, Instance: us, VCenters: []live.VCenter{{Name: "vc1", Version: "8.0.2"}}}}
	f.lab.Policies.Guest.NoTools = "powerOff"
	n := 0
	for c := range 1 + r.IntN(3) {
		ref := fmt.Sprintf("domain-c%d", c)
		f.vc().Clusters = append(f.vc().Clusters, live.Cluster{Ref: ref, Name: fmt.Sprintf("cluster%d", c), HA: r.IntN(2) == 0, DRS: true,
			DRSLevel: "fullyAutomated", DPM: r.IntN(3) == 0})
		for range 1 + r.IntN(4) {
			n++
			name := fmt.Sprintf("esx%02d", n)
			f.addHost(n, name, ref)
			h := labHost(name)
			h.Keep = r.IntN(8) == 0
			if r.IntN(8) > 0 {
				f.lab.Hosts = append(f.lab.Hosts, h)
			}
			down := r.IntN(5) == 0
			if down {
				f.bmc(name).Power, f.host(name).Connection = live.Off, live.NotResponding
			}
			f.host(name).Maintenance = r.IntN(6) == 0
			f.randomGuests(r, name, down)
		}
	}
	return f
}

func (f *fixture) randomGuests(r *rand.Rand, host string, down bool) {
	for range r.IntN(7) {
		n := len(f.vc().Guests) + 1
		g := f.addGuest(n, fmt.Sprintf("g%03d", r.IntN(200)), host) // names repeat now and then
		g.Tools = r.IntN(5) > 0
		if down || r.IntN(4) == 0 {
			g.Power = live.PoweredOff
		}
		if r.IntN(12) == 0 {
			g.Tags = append(g.Tags, "KeepOn")
			g.Power = live.PoweredOff // where it runs the plan has blockers
		}
		if r.IntN(3) == 0 {
			g.Tags = append(g.Tags, fmt.Sprintf("tier%d", r.IntN(3)))
		}
		if r.IntN(3) == 0 && down {
			f.ledger.Memory = append(f.ledger.Memory, plan.RememberedGuest{Endpoint: "vc1", UUID: g.UUID, Name: g.Name, Tools: true})
		}
	}
	f.lab.Groups = []inventory.Group{{Name: "t0", Tag: "tier0"}, {Name: "t1", Tag: "tier1", After: []string{"group:t0"}}, {Name: "t2", Tag: "tier2", After: []string{"group:t1"}}}
}

// before lists, for each step, all that are behind it.
func before(p plan.Plan) map[string]map[string]bool {
	needs := map[string][]string{}
	for _, s := range p.Steps {
		needs[s.ID] = s.Needs
	}
	all := map[string]map[string]bool{}
	var walk func(id string) map[string]bool
	walk = func(id string) map[string]bool {
		if all[id] == nil {
			all[id] = map[string]bool{}
			for _, n := range needs[id] {
				all[id][n] = true
				for x := range walk(n) {
					all[id][x] = true
				}
			}
		}
		return all[id]
	}
	for _, s := range p.Steps {
		walk(s.ID)
	}
	return all
}

func each(t *testing.T, check func(t *testing.T, f *fixture, down, up plan.Plan)) {
	for seed := range uint64(150) {
		f := randomLab(seed)
		down, up := f.plan(t, runbooks.PowerDown), f.plan(t, runbooks.PowerUp) // valid, or the helper fails
		check(t, f, down, up)
		if t.Failed() {
			t.Fatalf("seed %d:\n%s\n%s", seed, down.Tree(plan.TreeOptions{Full: true}), up.Tree(plan.TreeOptions{Full: true}))
		}
	}
}

func TestGuestsAreDownBeforeTheirHost(t *testing.T) {
	checked := 0
	each(t, func(t *testing.T, f *fixture, p, _ plan.Plan) {
		all := before(p)
		byHost := map[string][]string{}
		for _, s := range p.Steps {
			if s.Action == plan.ShutdownGuest {
				g := find(f.vc().Guests, func(g live.Guest) bool { return g.Ref == s.Target.Ref })
				byHost[g.Host] = append(byHost[g.Host], s.ID)
			}
		}
		for _, s := range p.Steps {
			if s.Action != plan.EnterMaintenance && s.Action != plan.ShutdownHost {
				continue
			}
			running := 0
			for _, g := range f.vc().Guests {
				if g.Host == s.Target.Ref && g.Power == live.PoweredOn {
					running++
				}
			}
			require.Len(t, byHost[s.Target.Ref], running, "every guest that runs on %s goes down", s.Target.Name)
			for _, guest := range byHost[s.Target.Ref] {
				require.True(t, all[s.ID][guest], "%s must come after %s", s.ID, guest)
				checked++
			}
		}
	})
	require.Positive(t, checked)
}

func TestNothingKeptOrUnlistedIsTouched(t *testing.T) {
	each(t, func(t *testing.T, f *fixture, down, up plan.Plan) {
		for _, s := range slices.Concat(down.Steps, up.Steps) {
			switch s.Target.Kind {
			case plan.Host:
				h, ok := f.lab.HostByAddress("vc1", s.Target.Name)
				require.True(t, ok && !h.Keep, s.ID)
			case plan.Guest:
				g := find(f.vc().Guests, func(g live.Guest) bool { return g.Ref == s.Target.Ref })
				require.NotContains(t, g.Tags, "KeepOn", s.ID)
				on := find(f.vc().Hosts, func(h live.Host) bool { return h.Ref == g.Host })
				h, ok := f.lab.HostByAddress("vc1", on.Name)
				require.True(t, ok && !h.Keep, s.ID)
			}
		}
	})
}

func TestSettingsChangeOnlyWhereTheWholeClusterGoesDown(t *testing.T) {
	seen := 0
	each(t, func(t *testing.T, f *fixture, p, _ plan.Plan) {
		all := before(p)
		for _, s := range p.Steps {
			if s.Action != plan.SuspendSetting {
				continue
			}
			seen++
			for _, h := range f.vc().Hosts {
				if h.Cluster == s.Target.Ref {
					require.True(t, has(p, "shutdown-host:"+h.Name) || f.bmc(h.Name).Power == live.Off, "%s, but host %s stays", s.ID, h.Name)
				}
			}
			for _, g := range p.Steps { // HA and DRS must be away before the first guest of the cluster
				on := slices.IndexFunc(f.vc().Guests, func(x live.Guest) bool { return x.Ref == g.Target.Ref && x.Cluster == s.Target.Ref })
				if g.Action == plan.ShutdownGuest && on >= 0 && !strings.HasPrefix(s.ID, "suspend-vcls") {
					require.True(t, all[g.ID][s.ID], "%s must come after %s", g.ID, s.ID)
				}
			}
		}
	})
	require.Positive(t, seen)
}

func TestOrderOfTiersHolds(t *testing.T) {
	pairs := 0
	each(t, func(t *testing.T, f *fixture, down, up plan.Plan) {
		tier := func(s plan.Step) int {
			g := find(f.vc().Guests, func(g live.Guest) bool { return g.Ref == s.Target.Ref })
			if len(g.Tags) == 0 {
				return -9
			}
			n := -9
			_, _ = fmt.Sscanf(g.Tags[len(g.Tags)-1], "tier%d", &n)
			return n
		}
		check := func(p plan.Plan, a plan.Action, first func(x, y int) bool) {
			all := before(p)
			for _, x := range p.Steps {
				for _, y := range p.Steps {
					if x.Action == a && y.Action == a && tier(x) >= 0 && tier(y) >= 0 && first(tier(x), tier(y)) {
						require.True(t, all[y.ID][x.ID], "%s must come after %s", y.ID, x.ID)
						pairs++
					}
				}
			}
		}
		check(down, plan.ShutdownGuest, func(x, y int) bool { return x > y })
		check(up, plan.PowerOnGuest, func(x, y int) bool { return x < y })
	})
	require.Greater(t, pairs, 100)
}

func TestOrderOfTheInputDoesNotMatter(t *testing.T) {
	for seed := range uint64(60) {
		for _, name := range []string{runbooks.PowerDown, runbooks.PowerUp, runbooks.Settle} {
			a, b := randomLab(seed), randomLab(seed)
			if seed%3 == 1 {
				a, b = homeLab(), homeLab()
			} else if seed%3 == 2 {
				a, b = allDown(), allDown()
			}
			b.shuffled(seed)
			p, q := a.plan(t, name), b.plan(t, name)
			require.Equal(t, p.Hash(), q.Hash(), "%s seed %d: %s", name, seed, strings.Join(plan.Diff(p, q), "\n"))
		}
	}
}

// The same for labs that carry themselves, up, down, and with their record lost; and nothing of the input is changed.
func TestOrderOfTheInputDoesNotMatterToFoundations(t *testing.T) {
	labs := map[string]func() *fixture{"inside": insideLab, "dr-box": drBox, "applications": appLab,
		"inside, down": func() *fixture { return wentDown(t, insideLab) },
		"inside, lost": func() *fixture { f := wentDown(t, insideLab); f.record = nil; return f }}
	for seed := range uint64(40) {
		labs[fmt.Sprintf("random %d", seed)] = func() *fixture { return randomFoundation(seed) }
	}
	for name, lab := range labs {
		for _, runbook := range []string{runbooks.PowerDown, runbooks.PowerUp, runbooks.Settle} {
			a, b := lab().observed().clone(t), lab().observed().clone(t)
			a.params, b.params = nil, nil
			same := a.clone(t)
			b.shuffled(uint64(len(name)))
			p, q := a.plan(t, runbook), b.plan(t, runbook)
			require.Equal(t, p.Hash(), q.Hash(), "%s of %s: %s", runbook, name, strings.Join(plan.Diff(p, q), "\n"))
			require.Equal(t, same, a)
		}
	}
}

func TestInputIsNotChanged(t *testing.T) {
	for _, name := range []string{runbooks.PowerDown, runbooks.PowerUp, runbooks.Settle} {
		f, same := allDown(), allDown()
		f.plan(t, name)
		slices.SortFunc(f.ledger.Debts, func(a, b plan.Debt) int { return strings.Compare(a.ID, b.ID) })
		slices.SortFunc(same.ledger.Debts, func(a, b plan.Debt) int { return strings.Compare(a.ID, b.ID) })
		require.Equal(t, same, f)
	}
}

func TestPreviewHasTheHashOfTheRun(t *testing.T) {
	r, _ := runbooks.Lookup(runbooks.PowerDown)
	in := homeLab().input()
	run, err := r.Plan(in)
	require.NoError(t, err)
	in.Run = ""
	preview, err := r.Plan(in)
	require.NoError(t, err)
	require.Equal(t, preview.Hash(), run.Hash())
}

func withoutJoins(p plan.Plan) []plan.Step {
	return slices.DeleteFunc(slices.Clone(p.Steps), func(s plan.Step) bool { return s.Action == plan.Join })
}

func TestTwoThousandGuests(t *testing.T) {
	f := &fixture{lab: newLab(), state: &live.State{At: at, Instance: us, VCenters: []live.VCenter{{Name: "vc1", Version: "7.0.3"}}}}
	for c := range 4 {
		f.vc().Clusters = append(f.vc().Clusters, live.Cluster{Ref: fmt.Sprintf("domain-c%d", c), Name: fmt.Sprintf("cluster%d", c), HA: true, DRS: true,
			DRSLevel: "fullyAutomated"})
	}
	for h := range 64 {
		name := fmt.Sprintf("esx%02d", h)
		f.addHost(h, name, fmt.Sprintf("domain-c%d", h%4))
		f.lab.Hosts = append(f.lab.Hosts, labHost(name))
	}
	for g := range 2000 {
		v := f.addGuest(g, fmt.Sprintf("guest%04d", g), fmt.Sprintf("esx%02d", g%64))
		v.Tags = []string{fmt.Sprintf("app%d-%d", g%100, g/100%3)}
	}
	for a := range 100 {
		for tier := range 3 {
			group := inventory.Group{Name: fmt.Sprintf("app%d-%d", a, tier), Tag: fmt.Sprintf("app%d-%d", a, tier)}
			if tier > 0 {
				group.After = []string{fmt.Sprintf("group:app%d-%d", a, tier-1)}
			}
			f.lab.Groups = append(f.lab.Groups, group)
		}
	}
	down := f.plan(t, runbooks.PowerDown)
	require.Empty(t, down.Blockers)
	require.Equal(t, "Power down lab home: 64 hosts, 2000 guests", down.Title)
	require.Len(t, withoutJoins(down), 1+4+4*3+2000+2*64+1)
	packed, err := down.Pack()
	require.NoError(t, err)
	t.Logf("power-down: %d steps, %d KiB packed, %d lines of tree", len(down.Steps), len(packed)>>10, strings.Count(down.Tree(plan.TreeOptions{}), "\n"))
	require.Less(t, strings.Count(down.Tree(plan.TreeOptions{}), "\n"), 80, "a person can read it")

	for i := range f.vc().Guests {
		g := &f.vc().Guests[i]
		f.ledger.Memory = append(f.ledger.Memory, plan.RememberedGuest{Endpoint: "vc1", UUID: g.UUID, Name: g.Name, Tools: true})
		g.Power, g.Connection = live.PoweredOff, live.Disconnected
	}
	for i := range f.vc().Hosts {
		f.vc().Hosts[i].Connection, f.state.BMCs[i].Power = live.NotResponding, live.Off
	}
	up := f.plan(t, runbooks.PowerUp)
	require.Empty(t, up.Blockers)
	require.Len(t, withoutJoins(up), 1+64*4+2000*2+4+1)
	packed, err = up.Pack()
	require.NoError(t, err)
	t.Logf("power-up: %d steps, %d KiB packed", len(up.Steps), len(packed)>>10)
}
