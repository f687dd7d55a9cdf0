package main

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/inventory"
	"nightshift/internal/labimport"
	"nightshift/internal/live"
	"nightshift/runbooks"
)

// Whatever vApps, rules, priorities, autostarts and datastores say, and however they contradict each other: what an import
// guesses of it is an order without circles, by the planners' own judgement.
func TestAnImportedOrderHasNoCircles(t *testing.T) {
	orders := 0
	for seed := range uint64(300) {
		in := randomLab(rand.New(rand.NewPCG(seed, 7)))
		b, err := labimport.Write(in)
		require.NoError(t, err)
		lab, err := inventory.Parse("lab.yaml", b)
		require.NoError(t, err, "seed %d\n%s", seed, b)
		in.Live.Name = in.VCenter.Name
		g := runbooks.StartOrder(lab, &live.State{VCenters: []live.VCenter{in.Live}})
		require.Empty(t, g.Findings, "seed %d\n%s", seed, b)
		orders += len(g.Nodes)
	}
	require.Greater(t, orders, 1000, "there was something to order")
}

func randomLab(r *rand.Rand) labimport.Input {
	in := labimport.Input{VCenter: inventory.VCenter{Name: "vc1", Endpoint: inventory.Endpoint{URL: "https://192.0.2.100", User: "night", Password: "env:P"}}}
	in.Live.Clusters = []live.Cluster{{Ref: "c1", Name: "Lab"}}
	guests, stores := 4+r.IntN(12), 1+r.IntN(4)
	ref := func() string { return fmt.Sprintf("vm-%d", r.IntN(guests)) }
	refs := func() (list []string) {
		for range 1 + r.IntN(5) {
			list = append(list, ref())
		}
		return list
	}
	order := func() (list []live.StartOrder) {
		for place := range 1 + r.IntN(4) {
			list = append(list, live.StartOrder{Place: place + 1, Guests: refs()})
		}
		return list
	}
	for i := range stores {
		ds := fmt.Sprintf("ds-%d", i)
		in.Live.Datastores = append(in.Live.Datastores, live.Datastore{Ref: ds, Name: ds})
		in.Setup.Datastores = append(in.Setup.Datastores, live.DatastoreSetup{Ref: ds, Via: "NFS", From: []string{fmt.Sprintf("192.0.2.%d", r.IntN(guests+2))}, Sure: r.IntN(3) > 0})
	}
	for i := range 2 {
		h := fmt.Sprintf("host-%d", i)
		in.Live.Hosts = append(in.Live.Hosts, live.Host{Ref: h, Name: "esx" + h, Cluster: "c1", Connection: live.Connected})
		in.Setup.Hosts = append(in.Setup.Hosts, live.HostSetup{Ref: h, DNS: []string{fmt.Sprintf("192.0.2.%d", r.IntN(guests))}, NTP: []string{fmt.Sprintf("192.0.2.%d", r.IntN(guests))}, AutoStart: order()})
	}
	priority := map[string]string{}
	for i := range guests {
		g := live.Guest{Ref: fmt.Sprintf("vm-%d", i), Name: fmt.Sprintf("guest%d", i), UUID: fmt.Sprintf("00000000-0000-4000-8000-%012x", i), Host: fmt.Sprintf("host-%d", r.IntN(2)),
			Power: live.PoweredOn, Connection: live.Connected, IP: fmt.Sprintf("192.0.2.%d", i), Datastores: []string{fmt.Sprintf("ds-%d", r.IntN(stores))}}
		if r.IntN(8) == 0 {
			g.Encrypted, g.KeyProvider = true, "kms"
		}
		in.Live.Guests = append(in.Live.Guests, g)
		if r.IntN(2) == 0 {
			priority[g.Ref] = []string{"highest", "high", "medium", "low", "lowest"}[r.IntN(5)]
		}
	}
	in.Setup.KeyProviders = []live.KeyProvider{{ID: "kms", Servers: []string{fmt.Sprintf("192.0.2.%d", r.IntN(guests))}}}
	in.Setup.VApps = []live.VApp{{Ref: "v1", Name: "Shop", Order: order()}, {Ref: "v2", Name: "Mail", Order: order()}}
	in.Setup.Clusters = []live.ClusterSetup{{Ref: "c1", DefaultPriority: []string{"", "medium", "low"}[r.IntN(3)], RestartPriority: priority, Rules: []live.Rule{
		{Name: "a", Kind: live.RuleAfter, Group: "g1", Guests: refs(), BeforeGroup: "g2", Before: refs()},
		{Name: "b", Kind: live.RuleAfter, Group: "g3", Guests: refs(), BeforeGroup: "g4", Before: refs()},
		{Name: "c", Kind: live.RuleApart, Guests: refs()}}}}
	if r.IntN(2) == 0 {
		in.VCenter.URL = fmt.Sprintf("https://192.0.2.%d", r.IntN(guests))
	}
	return in
}
