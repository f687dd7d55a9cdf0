package main

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"time"

	"nightshift/internal/inventory"
	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/runbooks"
)

// A fleet is a lab of one vCenter as the planners see it: clusters of 16 hosts, and applications of 20 guests in three
// tiers (database, application, web), each of which starts after the one before. The databases of each application are a
// cluster, its application servers are one, and so are the web servers of every third. Identities are random, as real ones are:
// they are what makes a packed plan large.
type fleet struct {
	hosts, guests int
	input         runbooks.Input
}

const (
	tiers          = 3
	perApplication = 20
	minute         = plan.Duration(time.Minute)
	vcenterLimit   = 32
)

func newFleet(hosts, guests, limit int) *fleet {
	rng := rand.New(rand.NewPCG(uint64(hosts), uint64(guests))) //nolint:gosec // the same lab each time
	uuid := func() string {
		b := make([]byte, 16)
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		h := hex.EncodeToString(b)
		return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
	}
	lab := &inventory.Lab{Hash: "bench", File: inventory.File{
		Lab: "bench", Self: inventory.Self{Outside: true},
		VCenters: []inventory.VCenter{{Name: "vc1", Endpoint: inventory.Endpoint{URL: "https://192.0.2.20"}}},
		Tags:     inventory.Tags{Keep: "KeepOn", Start: "StartUp"},
		Limits:   inventory.Limits{VCenter: limit, Host: 4, BMC: 1},
		Policies: inventory.Policies{
			Guest: inventory.GuestPolicy{Method: "shutdown", Timeout: 5 * minute, OnTimeout: "powerOff", NoTools: "leave"},
			Host: inventory.HostPolicy{Via: "vcenter", NoRights: "leave", Timeout: 15 * minute, OnTimeout: "leave", Boot: 20 * minute,
				Maintenance: 10 * minute},
			SettleTime: minute, VCLS: 10 * minute, Datastores: 10 * minute,
		},
		Runbooks: map[string]inventory.Runbook{},
	}}
	state := &live.State{At: time.Date(2026, 11, 20, 22, 0, 0, 0, time.UTC), Instance: "bench"}
	vc := live.VCenter{Name: "vc1", InstanceUUID: uuid(), Version: "8.0.3", APIType: "VirtualCenter",
		Datastores: []live.Datastore{{Ref: "datastore-1", Name: "shared01", Type: "VMFS", Accessible: true}}}
	for h := range hosts {
		name, cluster, id := fmt.Sprintf("esx%03d", h+1), fmt.Sprintf("domain-c%d", h/16+8), uuid()
		if h%16 == 0 {
			vc.Clusters = append(vc.Clusters, live.Cluster{Ref: cluster, Name: fmt.Sprintf("C%02d", h/16+1), HA: true, DRS: true, DRSLevel: "fullyAutomated"})
		}
		ref := fmt.Sprintf("host-%d", 1000+7*h)
		vc.Hosts = append(vc.Hosts, live.Host{Ref: ref, Name: name, Cluster: cluster, UUID: id, Connection: live.Connected, Power: live.PoweredOn,
			Lockdown: "lockdownDisabled", Version: "8.0.3", Datastores: []string{"datastore-1"}})
		vc.Datastores[0].Hosts = append(vc.Datastores[0].Hosts, ref)
		state.BMCs = append(state.BMCs, live.BMC{Host: name, Power: live.On, UUID: id, ResetTypes: []string{"On", "ForceOff", "GracefulShutdown"}})
		lab.Hosts = append(lab.Hosts, inventory.Host{Name: name, VCenter: "vc1", Address: name,
			BMC: &inventory.BMC{Endpoint: inventory.Endpoint{URL: "https://" + name + "-oob"}}})
	}
	applications := (guests + perApplication - 1) / perApplication
	for g := range guests {
		h := vc.Hosts[g%hosts]
		vc.Guests = append(vc.Guests, live.Guest{Ref: fmt.Sprintf("vm-%d", 2000+3*g), Name: fmt.Sprintf("vm%05d", g+1), UUID: uuid(), Host: h.Ref,
			Cluster: h.Cluster, Power: live.PoweredOn, Connection: live.Connected, Tools: true, ToolsInstalled: true, Heartbeat: "green",
			Datastores: []string{"datastore-1"}, Tags: []string{tier(g%applications, g/applications%tiers)}})
	}
	for a := range applications {
		for t := range tiers {
			group := inventory.Group{Name: tier(a, t), Tag: tier(a, t)}
			if t > 0 {
				group.After = []string{"group:" + tier(a, t-1)}
			}
			lab.Groups = append(lab.Groups, group)
			if t < tiers-1 || a%3 == 0 {
				lab.ApplicationClusters = append(lab.ApplicationClusters, inventory.ApplicationCluster{Name: group.Name, Members: []string{"group:" + group.Name},
					At: []inventory.SSH{{Address: group.Name, User: "root"}}, Status: []string{"pcs", "status"}, Stopped: []int{1},
					Stop: []string{"pcs", "cluster", "stop", "--all"}, Start: []string{"pcs", "cluster", "start", "--all"}, Timeout: 10 * minute})
			}
		}
	}
	state.VCenters = []live.VCenter{vc}
	return &fleet{hosts: hosts, guests: guests, input: runbooks.Input{Lab: lab, State: state, Run: "run-1"}}
}

func tier(application, tier int) string { return fmt.Sprintf("app%04d-%d", application, tier) }

// plan is the plan of a runbook. A power-up finds the lab as a power-down leaves it.
func (f *fleet) plan(runbook string) (plan.Plan, error) {
	if runbook == runbooks.PowerUp {
		f.goDown()
	}
	r, ok := runbooks.Lookup(runbook)
	if !ok {
		return plan.Plan{}, fmt.Errorf("there is no runbook %q", runbook)
	}
	p, err := r.Plan(f.input)
	if err != nil {
		return p, err
	}
	if len(p.Blockers) > 0 {
		return p, fmt.Errorf("the plan of the lab has a blocker: %s", p.Blockers[0])
	}
	return p, nil
}

func (f *fleet) goDown() {
	vc := &f.input.State.VCenters[0]
	f.input.Ledger.Memory, f.input.Ledger.Debts = nil, nil
	for i := range vc.Guests {
		g := &vc.Guests[i]
		f.input.Ledger.Memory = append(f.input.Ledger.Memory, plan.RememberedGuest{Endpoint: vc.Name, UUID: g.UUID, Name: g.Name, Tools: true})
		g.Power, g.Connection, g.Tools = live.PoweredOff, live.Disconnected, false
	}
	for i := range vc.Clusters {
		c := &vc.Clusters[i]
		target := plan.Target{Kind: plan.Cluster, Name: c.Name, Endpoint: vc.Name, Ref: c.Ref}
		for _, d := range []plan.Debt{{Setting: plan.HA, Was: "true"}, {Setting: plan.DRS, Was: "fullyAutomated"}} {
			d.ID, d.Target, d.Run = plan.DebtID(vc.Name, c.Ref, d.Setting), target, "down"
			f.input.Ledger.Debts = append(f.input.Ledger.Debts, d)
		}
		c.HA, c.DRSLevel = false, "manual"
	}
	for i := range vc.Hosts {
		vc.Hosts[i].Connection, f.input.State.BMCs[i].Power = live.NotResponding, live.Off
	}
}
