package runbooks_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/inventory"
	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/runbooks"
)

func newRand() *rand.Rand { return rand.New(rand.NewPCG(1, 1)) }

// largeLab has 64 hosts in four clusters, and guests in tiers of a fifth each: every guest of a tier comes after all of the
// tier before.
func largeLab(guests int) *fixture {
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
	for g := range guests {
		f.vc().Guests = append(f.vc().Guests, live.Guest{Ref: fmt.Sprintf("vm-%d", g), Name: fmt.Sprintf("guest%05d", g), UUID: uuid(2, g),
			Host: fmt.Sprintf("host-%d", g%64), Cluster: fmt.Sprintf("domain-c%d", g%4), Power: live.PoweredOn, Connection: live.Connected,
			Tools: true, ToolsInstalled: true, Heartbeat: "green", Tags: []string{fmt.Sprintf("tier%d", g*5/guests)}})
	}
	for tier := range 5 {
		group := inventory.Group{Name: fmt.Sprintf("tier%d", tier), Tag: fmt.Sprintf("tier%d", tier)}
		if tier > 0 {
			group.After = []string{fmt.Sprintf("group:tier%d", tier-1)}
		}
		f.lab.Groups = append(f.lab.Groups, group)
	}
	return f
}

// down is the lab after a power-down that has not switched off any setting.
func (f *fixture) down() *fixture {
	for i := range f.vc().Guests {
		g := &f.vc().Guests[i]
		f.ledger.Memory = append(f.ledger.Memory, plan.RememberedGuest{Endpoint: "vc1", UUID: g.UUID, Name: g.Name, Tools: true})
		g.Power, g.Connection = live.PoweredOff, live.Disconnected
	}
	for i := range f.vc().Hosts {
		f.vc().Hosts[i].Connection, f.state.BMCs[i].Power = live.NotResponding, live.Off
	}
	return f
}

func edges(p plan.Plan) (n int) {
	for _, s := range p.Steps {
		n += len(s.Needs)
	}
	return n
}

// Groups after groups: as many edges as there are guests, times a little, and a plan that fits into what one event carries.
func TestGroupsAfterGroupsStaySmall(t *testing.T) {
	for runbook, f := range map[string]*fixture{runbooks.PowerDown: largeLab(2000), runbooks.PowerUp: largeLab(2000).down()} {
		p := f.plan(t, runbook)
		require.Empty(t, p.Blockers)
		packed, err := p.Pack()
		require.NoError(t, err)
		t.Logf("%s: %d steps, %d edges, %d KiB packed", runbook, len(p.Steps), edges(p), len(packed)>>10)
		require.Less(t, edges(p), 8*len(p.Steps))
		require.Less(t, len(packed), 128<<10)
	}
}

// A Join is no barrier: the order among guests is the same as with an edge for each pair.
func TestJoinsMakeNoOrderOfTheirOwn(t *testing.T) {
	f := largeLab(100)
	for _, runbook := range []string{runbooks.PowerDown, runbooks.PowerUp} {
		if runbook == runbooks.PowerUp {
			f.down()
		}
		p := f.plan(t, runbook)
		all := before(p)
		action, joins, pairs := plan.ShutdownGuest, 0, 0
		if runbook == runbooks.PowerUp {
			action = plan.PowerOnGuest
		}
		var n [2]int
		for _, a := range p.Steps {
			if a.Action == plan.Join {
				joins++
			}
			for _, b := range p.Steps {
				if a.Action != action || b.Action != action {
					continue
				}
				for i, s := range []plan.Step{a, b} {
					_, _ = fmt.Sscanf(s.Target.Name, "guest%d", &n[i])
				}
				earlier := n[0]/20 < n[1]/20
				if runbook == runbooks.PowerDown {
					earlier = n[0]/20 > n[1]/20
				}
				require.Equal(t, earlier, all[b.ID][a.ID], "%s before %s", a.ID, b.ID)
				pairs++
			}
		}
		require.Positive(t, joins)
		require.Equal(t, 100*100, pairs)
	}
}

func BenchmarkPlan(b *testing.B) {
	for _, guests := range []int{2000, 10000} {
		for _, runbook := range []string{runbooks.PowerDown, runbooks.PowerUp} {
			b.Run(fmt.Sprintf("%s/%d", runbook, guests), func(b *testing.B) {
				f := largeLab(guests)
				if runbook == runbooks.PowerUp {
					f.down()
				}
				r, _ := runbooks.Lookup(runbook)
				for b.Loop() {
					p, err := r.Plan(f.input())
					require.NoError(b, err)
					packed, err := p.Pack()
					require.NoError(b, err)
					b.ReportMetric(float64(len(packed))/1024, "KiB-packed")
					b.ReportMetric(float64(len(p.Steps)), "steps")
				}
			})
		}
	}
}

// Names that nothing can make smaller, as machines give them to machines, keep no lab of 10,000 guests from being powered down and up.
func TestTenThousandGuestsOfLongNamesFitIntoAPlan(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2)) // the same lab each time
	random := func(n int, from string) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = from[rng.IntN(len(from))]
		}
		return string(b)
	}
	lab := func() *fixture {
		f := largeLab(10000)
		for i := range f.vc().Guests {
			id := random(32, "0123456789abcdef")
			f.vc().Guests[i].Name = random(40, "abcdefghijklmnopqrstuvwxyz0123456789")
			f.vc().Guests[i].UUID = id[:8] + "-" + id[8:12] + "-" + id[12:16] + "-" + id[16:20] + "-" + id[20:]
		}
		return f
	}
	for runbook, f := range map[string]*fixture{runbooks.PowerDown: lab(), runbooks.PowerUp: lab().down()} {
		p := f.plan(t, runbook)
		require.Empty(t, p.Blockers)
		require.Greater(t, len(p.Steps), 10000)
		packed, err := p.Pack()
		require.NoError(t, err)
		again, err := plan.Unpack(packed)
		require.NoError(t, err)
		require.Equal(t, p.Hash(), again.Hash())
		t.Logf("%s: %d steps, %d KiB packed", runbook, len(p.Steps), len(packed)>>10)
	}
}
