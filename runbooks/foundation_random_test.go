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

// randomFoundation is a lab of a few hosts that carries its vCenter, and some of the rest that it stands on: on guests or
// on hosts, on datastores of any kind, with some order written down.
func randomFoundation(seed uint64) *fixture {
	r := rand.New(rand.NewPCG(seed, 11))
	var hosts []string
	for i := range 1 + r.IntN(4) {
		hosts = append(hosts, fmt.Sprintf("esx%d", i+1))
	}
	f := emptyLab("Lab", hosts...)
	f.lab.Policies.Guest.NoTools = "powerOff"
	any := func() string { return hosts[r.IntN(len(hosts))] }
	names := []string{"vcsa"}
	for i := range 3 + r.IntN(8) {
		names = append(names, fmt.Sprintf("g%d", i))
	}
	for i, name := range names {
		f.addGuest(i+1, name, any())
	}
	f.esxi(hosts...)
	f.provide("vcsa", "vcenter:vc1")
	for i := range 1 + r.IntN(3) { // storage: a guest's, a host's, or nobody's
		ref, name := fmt.Sprintf("datastore-%d", i), fmt.Sprintf("store%d", i)
		f.store(ref, name, hosts...)
		for _, g := range names {
			if r.IntN(4) == 0 {
				f.on(ref, g)
			}
		}
		switch r.IntN(3) {
		case 0:
			f.provides(names[1+i], inventory.Provision("datastore:"+name))
		case 1:
			h := f.labHost(any())
			h.Provides = append(h.Provides, inventory.Provision("datastore:"+name))
		}
	}
	for _, what := range []inventory.Provision{"dns", "ntp", "identity", "keys"} {
		switch r.IntN(4) {
		case 0:
			f.provides(names[1+r.IntN(len(names)-1)], what)
		case 1:
			h := f.labHost(any())
			h.Provides = append(h.Provides, what)
		}
	}
	for range r.IntN(4) {
		g := f.provides(names[r.IntN(len(names))])
		g.After = append(g.After, names[r.IntN(len(names))])
	}
	if r.IntN(3) == 0 {
		f.lab.ApplicationClusters = []inventory.ApplicationCluster{{Name: "app", Members: []string{names[1], names[2]}, Timeout: minute}}
	}
	for _, g := range names {
		f.guest(g).Encrypted = r.IntN(8) == 0
		if _, listed := f.lab.Guest("vc1", g, ""); r.IntN(6) == 0 && !listed {
			f.guest(g).Power = live.PoweredOff
		}
	}
	f.params = map[string]string{"keys-outside": "true"}
	return f
}

// provides adds to what the guest provides.
func (f *fixture) provides(guest string, what ...inventory.Provision) *inventory.Guest {
	for i := range f.lab.Guests {
		if f.lab.Guests[i].Name == guest {
			f.lab.Guests[i].Provides = append(f.lab.Guests[i].Provides, what...)
			return &f.lab.Guests[i]
		}
	}
	return f.provide(guest, what...)
}

// Whatever a lab stands on: its plans are sound (the helper fails otherwise), they find their way whatever order their
// needs allow, and after both of them it is as it was. Where the order has a circle, the plan says so.
func TestRandomFoundations(t *testing.T) {
	went, circles := 0, 0
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 5))
		f := randomFoundation(seed)
		running := map[string]bool{}
		for _, g := range f.vc().Guests {
			running[g.Name] = g.Power == live.PoweredOn
		}
		down := f.observed().plan(t, runbooks.PowerDown)
		if len(down.Blockers) > 0 {
			for _, b := range down.Blockers {
				require.Contains(t, b.Text, "the order goes in a circle", "seed %d", seed)
			}
			circles++
			continue
		}
		went++
		f.run(t, down, r, nil)
		require.Empty(t, f.observed().plan(t, runbooks.PowerDown).Steps, "seed %d", seed)
		f.params = nil
		up := f.observed().plan(t, runbooks.PowerUp)
		require.Empty(t, up.Blockers, "seed %d", seed)
		f.run(t, up, r, nil)
		for _, g := range f.vc().Guests {
			require.Equal(t, running[g.Name], g.Power == live.PoweredOn, "seed %d: guest %s\n%s", seed, g.Name, up.Tree(plan.TreeOptions{Full: true}))
		}
		require.Empty(t, f.ledger.Debts, "seed %d", seed)
	}
	require.Greater(t, went, 100)
	require.Greater(t, circles, 10)
}
