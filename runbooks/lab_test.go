package runbooks_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/inventory"
	"nightshift/internal/ledger"
	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/runbooks"
)

var at = time.Date(2026, 11, 20, 22, 0, 0, 0, time.UTC)

const (
	minute = plan.Duration(time.Minute)
	us     = "nightshift-of-ann"
)

// A fixture is a lab, to be bent by a test.
type fixture struct {
	lab    *inventory.Lab
	state  *live.State
	ledger ledger.State
	params map[string]string
	record *live.VCenter // of the vCenter, in the ledger
	// scheduled: its runs are begun by a schedule.
	scheduled bool
	// spares: what goes down may leave guests behind that need it, but for their files.
	spares bool
}

func (f *fixture) input() runbooks.Input {
	return runbooks.Input{Lab: f.lab, State: f.state, Ledger: f.ledger, Parameters: f.params, Run: "run-1", Scheduled: f.scheduled}
}

func (f *fixture) plan(t *testing.T, name string) plan.Plan {
	t.Helper()
	r, ok := runbooks.Lookup(name)
	require.True(t, ok)
	p, err := r.Plan(f.input())
	require.NoError(t, err)
	require.NoError(t, p.Validate())
	for _, s := range p.Steps {
		require.Contains(t, r.Actions, s.Action, "the runbook does not say that it does this: nobody would be told which rights it needs")
	}
	return p
}

func (f *fixture) vc() *live.VCenter { return &f.state.VCenters[0] }

func (f *fixture) host(name string) *live.Host {
	return find(f.vc().Hosts, func(h live.Host) bool { return h.Name == name })
}

func (f *fixture) guest(name string) *live.Guest {
	return find(f.vc().Guests, func(g live.Guest) bool { return g.Name == name })
}

func (f *fixture) bmc(host string) *live.BMC {
	return find(f.state.BMCs, func(b live.BMC) bool { return b.Host == host })
}

func (f *fixture) labHost(name string) *inventory.Host {
	return find(f.lab.Hosts, func(h inventory.Host) bool { return h.Name == name })
}

func find[T any](list []T, match func(T) bool) *T {
	return &list[slices.IndexFunc(list, match)]
}

func newLab(hosts ...inventory.Host) *inventory.Lab {
	l := &inventory.Lab{Hash: strings.Repeat("ab", 32), File: inventory.File{
		Lab: "home", Self: inventory.Self{Outside: true}, Hosts: hosts,
		VCenters: []inventory.VCenter{{Name: "vc1", Endpoint: inventory.Endpoint{URL: "https://192.168.4.20"}}},
		Tags:     inventory.Tags{Keep: "KeepOn", Start: "StartUp"},
		Limits:   inventory.Limits{VCenter: 16, Host: 4, BMC: 1, PowerOn: 4},
		Policies: inventory.Policies{
			Guest: inventory.GuestPolicy{Method: "shutdown", Timeout: 5 * minute, OnTimeout: "powerOff", NoTools: "leave"},
			Host: inventory.HostPolicy{Via: "vcenter", NoRights: "leave", Timeout: 15 * minute, OnTimeout: "leave", Boot: 20 * minute,
				Maintenance: 10 * minute},
			SettleTime: minute, VCLS: 10 * minute, Datastores: 10 * minute,
		},
		Runbooks: map[string]inventory.Runbook{},
	}}
	return l
}

func labHost(name string) inventory.Host {
	return inventory.Host{Name: name, VCenter: "vc1", Address: name,
		BMC: &inventory.BMC{Endpoint: inventory.Endpoint{URL: "https://" + name + "-oob"}}}
}

func uuid(kind, n int) string { return fmt.Sprintf("%08x-0000-4000-8000-%012x", kind, n) }

// addHost puts an ESXi host with its BMC into the state.
func (f *fixture) addHost(n int, name, cluster string) {
	f.vc().Hosts = append(f.vc().Hosts, live.Host{Ref: fmt.Sprintf("host-%d", n), Name: name, Cluster: cluster, UUID: uuid(1, n),
		Connection: live.Connected, Power: live.PoweredOn, Lockdown: "lockdownDisabled", Version: "7.0.3", Datastores: []string{"datastore-2", "datastore-1"}})
	f.state.BMCs = append(f.state.BMCs, live.BMC{Host: name, Power: live.On, UUID: uuid(1, n), Serial: fmt.Sprintf("SVC%04d", n),
		ResetTypes: []string{"On", "ForceOff", "GracefulShutdown"}})
}

// addGuest puts a running guest with Tools into the state.
func (f *fixture) addGuest(n int, name, host string) *live.Guest {
	h := f.host(host)
	f.vc().Guests = append(f.vc().Guests, live.Guest{Ref: fmt.Sprintf("vm-%d", n), Name: name, UUID: uuid(2, n), Host: h.Ref, Cluster: h.Cluster,
		Power: live.PoweredOn, Connection: live.Connected, Tools: true, ToolsInstalled: true, Heartbeat: "green"})
	return &f.vc().Guests[len(f.vc().Guests)-1]
}

// homeLab is the lab of a person with an always-on NUC and four servers.
func homeLab() *fixture {
	f := &fixture{lab: newLab(labHost("nuc"), labHost("esx21"), labHost("esx22"), labHost("esx23"), labHost("esx24")),
		state: &live.State{At: at, Instance: us}}
	f.lab.Self = inventory.Self{Guest: "mgmt"}
	f.labHost("nuc").Keep, f.labHost("nuc").BMC = true, nil
	f.lab.Guests = []inventory.Guest{
		{Name: "vcsa", VCenter: "vc1", Provides: []inventory.Provision{"vcenter:vc1"}},
		{Name: "db01", VCenter: "vc1", After: []string{"dc01"}, Health: &inventory.Health{TCP: []string{"192.168.4.31:5432"}, Timeout: 5 * minute}},
		{Name: "win-old", VCenter: "vc1", Shutdown: &inventory.GuestPolicy{NoTools: "powerOff"}},
	}
	f.lab.Groups = []inventory.Group{{Name: "web", Guests: []string{"web01"}, Tag: "web", After: []string{"db01"}}}

	f.state.VCenters = []live.VCenter{{Name: "vc1", InstanceUUID: uuid(9, 1), Version: "7.0.3", APIType: "VirtualCenter",
		Clusters: []live.Cluster{
			{Ref: "domain-c1", Name: "Management"},
			{Ref: "domain-c8", Name: "Lab", HA: true, DRS: true, DRSLevel: "fullyAutomated", DPM: true},
		}}}
	f.addHost(10, "nuc", "domain-c1")
	f.state.BMCs = nil
	for i := 1; i <= 4; i++ {
		f.addHost(20+i, fmt.Sprintf("esx2%d", i), "domain-c8")
	}
	f.addGuest(1, "vcsa", "nuc")
	f.addGuest(2, "mgmt", "nuc")
	f.addGuest(11, "dc01", "esx21")
	f.addGuest(12, "db01", "esx22")
	f.addGuest(13, "web01", "esx23").Tags = []string{"StartUp"}
	f.addGuest(14, "web02", "esx24").Tags = []string{"web", "StartUp"}
	old := f.addGuest(15, "win-old", "esx24")
	old.Tools, old.ToolsInstalled, old.Heartbeat = false, false, "gray"
	f.addGuest(16, "spare", "esx21").Power = live.PoweredOff
	f.addGuest(17, "golden", "esx22").Template = true
	f.guest("golden").Power = live.PoweredOff
	for i := 1; i <= 2; i++ {
		f.addGuest(90+i, fmt.Sprintf("vCLS-%d", i), fmt.Sprintf("esx2%d", i)).VCLS = true
	}
	return f
}

// allDown is the home lab after a power-down.
func allDown() *fixture {
	f := homeLab()
	for i := 1; i <= 4; i++ {
		name := fmt.Sprintf("esx2%d", i)
		h := f.host(name)
		h.Connection, h.Power, h.Maintenance = live.NotResponding, "unknown", true
		f.bmc(name).Power = live.Off
	}
	c := &f.vc().Clusters[1]
	no := "false"
	c.HA, c.DRSLevel, c.DPM, c.VCLS = false, "manual", false, &no
	f.vc().Guests = slices.DeleteFunc(f.vc().Guests, func(g live.Guest) bool { return g.VCLS })
	for i := range f.vc().Guests {
		g := &f.vc().Guests[i]
		if g.Cluster != "domain-c8" {
			continue
		}
		if g.Power == live.PoweredOn {
			f.ledger.Memory = append(f.ledger.Memory, plan.RememberedGuest{Endpoint: "vc1", UUID: g.UUID, Name: g.Name, Tools: g.Tools, Since: at, Run: "run-0"})
		}
		g.Power, g.Connection, g.Tools, g.Heartbeat = live.PoweredOff, live.Disconnected, false, "gray"
	}
	for s, was := range map[plan.Setting]string{plan.HA: "true", plan.DRS: "fullyAutomated", plan.DPM: "true", plan.VCLS: ""} {
		f.owe(s, was)
	}
	for i := 1; i <= 4; i++ {
		f.putAside(fmt.Sprintf("esx2%d", i))
	}
	return f
}

// putAside: a run has put the host into maintenance mode.
func (f *fixture) putAside(host string) {
	h := f.host(host)
	h.Maintenance = true
	f.ledger.Debts = append(f.ledger.Debts, plan.Debt{ID: plan.DebtID("vc1", h.Ref, plan.Maintenance), Setting: plan.Maintenance, Was: "false", Run: "run-0", Since: at,
		Target: plan.Target{Kind: plan.Host, Name: h.Name, Endpoint: "vc1", Ref: h.Ref, UUID: h.UUID}})
}

func (f *fixture) owe(s plan.Setting, was string) {
	f.ledger.Debts = append(f.ledger.Debts, plan.Debt{ID: plan.DebtID("vc1", "domain-c8", s), Setting: s, Was: was, Run: "run-0", Since: at,
		Target: plan.Target{Kind: plan.Cluster, Name: "Lab", Endpoint: "vc1", Ref: "domain-c8"}})
}

// withSecondVCenter adds a site whose vCenter uses the same names and references, as two fresh installations do.
func (f *fixture) withSecondVCenter() {
	f.lab.VCenters = append(f.lab.VCenters, inventory.VCenter{Name: "vc2", Endpoint: inventory.Endpoint{URL: "https://192.168.5.20"}})
	h := labHost("esx51")
	h.VCenter = "vc2"
	f.lab.Hosts = append(f.lab.Hosts, h)
	f.state.VCenters = append(f.state.VCenters, live.VCenter{Name: "vc2", Version: "7.0.3",
		Clusters: []live.Cluster{{Ref: "domain-c8", Name: "Lab", HA: true}},
		Hosts:    []live.Host{{Ref: "host-21", Name: "esx51", Cluster: "domain-c8", UUID: uuid(1, 51), Connection: live.Connected, Power: live.PoweredOn}},
		Guests: []live.Guest{{Ref: "vm-13", Name: "web01", UUID: uuid(2, 51), Host: "host-21", Cluster: "domain-c8", Power: live.PoweredOn,
			Connection: live.Connected, Tools: true}}})
	f.state.BMCs = append(f.state.BMCs, live.BMC{Host: "esx51", Power: live.On, UUID: uuid(1, 51), Serial: "SVC0051", ResetTypes: []string{"On"}})
}

// shuffled is the same lab, told in another order.
func (f *fixture) shuffled(seed uint64) {
	r := rand.New(rand.NewPCG(seed, 1))
	for i := range f.state.VCenters {
		v := &f.state.VCenters[i]
		mix(r, v.Clusters)
		mix(r, v.Hosts)
		mix(r, v.Guests)
		mix(r, v.Tasks)
		mix(r, v.Warnings)
		mix(r, v.Datastores)
		for k := range v.Guests {
			mix(r, v.Guests[k].Datastores)
		}
		for k := range v.Hosts {
			mix(r, v.Hosts[k].Datastores)
		}
	}
	mix(r, f.state.VCenters)
	mix(r, f.state.BMCs)
	mix(r, f.state.Hosts)
	for _, h := range f.state.Hosts {
		mix(r, h.ESXi.Guests)
	}
	mix(r, f.ledger.Memory)
	mix(r, f.ledger.Debts)
	mix(r, f.lab.Hosts)
	mix(r, f.lab.Guests)
	mix(r, f.lab.Groups)
	mix(r, f.lab.ApplicationClusters)
}

func mix[T any](r *rand.Rand, list []T) {
	r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
}

func step(t *testing.T, p plan.Plan, id string) plan.Step {
	t.Helper()
	i := slices.IndexFunc(p.Steps, func(s plan.Step) bool { return s.ID == id })
	require.GreaterOrEqual(t, i, 0, "no step %s in\n%s", id, p.Tree(plan.TreeOptions{Full: true}))
	return p.Steps[i]
}

func has(p plan.Plan, id string) bool {
	return slices.ContainsFunc(p.Steps, func(s plan.Step) bool { return s.ID == id })
}

func (f *fixture) labGuest(name string) *inventory.Guest {
	return find(f.lab.Guests, func(g inventory.Guest) bool { return g.Name == name })
}
