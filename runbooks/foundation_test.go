package runbooks_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/inventory"
	"nightshift/internal/ledger"
	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/runbooks"
)

func worlds() map[string]func() *fixture {
	return map[string]func() *fixture{"home": homeLab, "dr-box": drBox, "one-host": oneHost, "inside": insideLab, "applications": appLab}
}

// run does the steps of a plan in some order that its needs allow, and calls each before every step with what is left.
func (f *fixture) run(t *testing.T, p plan.Plan, r *rand.Rand, each func(left []plan.Step)) {
	t.Helper()
	left := slices.Clone(p.Steps)
	done := map[string]bool{}
	for len(left) > 0 {
		if each != nil {
			each(left)
		}
		var may []int
		for i, s := range left {
			if !slices.ContainsFunc(s.Needs, func(id string) bool { return !done[id] }) {
				may = append(may, i)
			}
		}
		require.NotEmpty(t, may)
		i := may[r.IntN(len(may))]
		f.apply(t, left[i])
		done[left[i].ID] = true
		left = slices.Delete(left, i, i+1)
	}
}

// Wherever a run stands, a new plan is the rest of the old one; at the end there is none. Each step finds the way that it
// goes by, whatever order its needs allow.
func TestAPlanInTheMiddleIsTheRest(t *testing.T) {
	for name, world := range worlds() {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(12) {
				r := rand.New(rand.NewPCG(seed, 3))
				f := world()
				f.lab.Policies.Guest.NoTools = "powerOff"
				for _, runbook := range []string{runbooks.PowerDown, runbooks.PowerUp} {
					p := f.observed().plan(t, runbook)
					require.Empty(t, p.Blockers)
					require.NotEmpty(t, p.Steps)
					f.run(t, p, r, func(left []plan.Step) {
						if r.IntN(3) == 0 {
							requireRest(t, f.observed().plan(t, runbook), p, left)
						}
					})
					end := f.observed().plan(t, runbook)
					require.Empty(t, end.Blockers)
					require.Empty(t, end.Steps, "%s", end.Tree(plan.TreeOptions{}))
					require.Contains(t, end.Title, "Nothing to do")
				}
				require.Empty(t, f.ledger.Debts)
				require.Empty(t, f.ledger.Memory)
			}
		})
	}
}

// What only reads, or keeps nightshift's own books, may be done again. So may what finds an application as it should be.
func requireRest(t *testing.T, again, p plan.Plan, left []plan.Step) {
	t.Helper()
	require.Empty(t, again.Blockers, "with %d steps left of\n%s", len(left), p.Tree(plan.TreeOptions{Full: true}))
	for _, s := range again.Steps {
		in := func(list []plan.Step) bool {
			return slices.ContainsFunc(list, func(x plan.Step) bool { return x.ID == s.ID && x.Action == s.Action })
		}
		if s.Changes() && s.Target.Kind != plan.Application {
			require.True(t, in(left), "%s is planned again, or is new; left was\n%s\nnow\n%s", s.ID, ids(left), again.Tree(plan.TreeOptions{Full: true}))
		} else if s.Action != plan.Join {
			require.True(t, in(p.Steps), "%s is new", s.ID)
		}
	}
	for _, s := range left { // and nothing is forgotten
		if s.Action == plan.ShutdownGuest || s.Action == plan.ShutdownHost || s.Action == plan.PowerOnGuest || s.Action == plan.SettleDebt {
			require.True(t, has(again, s.ID), "%s is left, and not planned any more:\n%s", s.ID, again.Tree(plan.TreeOptions{Full: true}))
		}
	}
}

func ids(list []plan.Step) (out []string) {
	for _, s := range list {
		out = append(out, s.ID)
	}
	return out
}

func foundationBlockers() []findingCase {
	return []findingCase{
		{"no esxi", func(f *fixture) { f.labHost("esx2").ESXi = nil }, finding{"host esx2", "guest kms01 on it provides keys kms, and goes down when vCenter vc1 is gone: that takes the host's own API, and the lab file does not say how to reach it"}},
		{"lockdown", func(f *fixture) { f.host("esx2").Lockdown = "lockdownNormal" }, finding{"host esx2", "is in lockdown mode (lockdownNormal)"}},
		{"free licence", func(f *fixture) { f.host("esx1").ReadOnly = true }, finding{"host esx1", "licence"}},
		{"self is served by a guest that goes down", func(f *fixture) {
			f.lab.Hosts = append(f.lab.Hosts, labHost("nuc"))
			f.addHost(10, "nuc", "")
			f.host("nuc").Datastores = []string{"datastore-3"}
			f.labHost("nuc").Keep = true
			f.lab.Self = inventory.Self{Guest: "mgmt"}
			f.addGuest(60, "mgmt", "nuc").Datastores = []string{"datastore-3"}
		}, finding{"guest ss1", "provides datastore tank, where files of guest mgmt lie, which stays up (nightshift runs in it)"}},
		{"self's Temporal server goes down", func(f *fixture) {
			f.guest("db01").IP = "192.168.4.77"
			f.state.Needs = []live.Need{{What: "its Temporal server", Address: "192.168.4.77"}}
		}, finding{"guest db01", "nightshift itself needs it: its Temporal server"}},
		{"self's name server goes down", func(f *fixture) {
			f.guest("dc01").IP = "192.168.4.5"
			f.lab.VCenters[0].URL = "https://vcsa.home.example"
			f.state.Needs = []live.Need{{What: "its name server", Address: "192.168.4.5"}}
		}, finding{"guest dc01", "nightshift itself needs it: its name server"}},
		{"HA that nobody switched off", func(f *fixture) { // the vCenter died, and was not taken down
			f.record = f.vc()
			f.guest("vcsa").Power = live.PoweredOff
		}, finding{"cluster Lab", "had HA when vCenter vc1 last told"}},
		{"guests without their vCenter", func(f *fixture) {
			f.record = f.vc()
			f.guest("vcsa").Power = live.PoweredOff
		}, finding{"guest web01", "through which it would be shut down, does not answer"}},
		{"a host that nobody sees", func(f *fixture) {
			f.record = f.vc()
			f.guest("vcsa").Power = live.PoweredOff
		}, finding{"host esx3", "the lab file has no esxi: for the host"}},
		{"no vCenter and no record", func(f *fixture) { f.guest("vcsa").Power = live.PoweredOff }, finding{"vCenter vc1", "could not be read"}},
		{"a provider that needs itself", func(f *fixture) { f.on("datastore-3", "ss1") }, finding{"guest ss1", "guest ss1 needs guest ss1, which provides datastore tank (its files lie there)"}},
		{"a provider that is not found", func(f *fixture) { f.labGuest("kms01").Name = "kms02" }, finding{"guest kms02", "provides keys kms, but vCenter vc1 has no such guest"}},
		{"two guests of a provider's name", func(f *fixture) { // a copy that is off; the other one serves a guest that is kept
			f.lab.Hosts = append(f.lab.Hosts, labHost("nuc"))
			f.addHost(10, "nuc", "")
			f.host("nuc").Datastores = []string{"datastore-3"}
			f.labHost("nuc").Keep = true
			f.addGuest(60, "kept", "nuc").Datastores = []string{"datastore-3"}
			f.addGuest(61, "ss1", "esx1").Power = live.PoweredOff
		}, finding{"guest ss1", "the lab file says that it provides datastore tank, but 2 guests have this name"}},
		{"keys from nobody", func(f *fixture) { f.guest("secret").KeyProvider = "other" }, finding{"guest secret", "is encrypted"}},
		{"part of the lab that is needed", func(f *fixture) { f.params = map[string]string{"vm": "dc01"} }, finding{"guest dc01", "which the rest of the lab needs"}},
		{"part of the lab that serves files", func(f *fixture) { f.params = map[string]string{"vm": "ss1"} }, finding{"guest ss1", "provides datastore tank, where files of guest web01 lie, which stays up"}},
		{"the vCenter alone", func(f *fixture) { f.params = map[string]string{"host": "esx2"} }, finding{"guest vcsa", "which the rest of the lab needs"}},
		{"vCLS that nobody takes away", func(f *fixture) { f.labHost("esx3").Keep = true }, finding{"host esx2", "carries vCLS guests"}},
		{"a host that provides", func(f *fixture) {
			f.store("datastore-9", "nfs", "esx3", "esx1")
			f.on("datastore-9", "web01")
			f.labHost("esx3").Provides = []inventory.Provision{"datastore:nfs"}
		}, finding{"host esx3", "the host itself provides datastore nfs, and goes down when vCenter vc1 is gone"}},
		{"a host's datastore under a guest that stays", func(f *fixture) {
			f.store("datastore-9", "nfs", "esx3", "esx1")
			f.on("datastore-9", "web01")
			f.labHost("esx3").Provides = []inventory.Provision{"datastore:nfs"}
			f.labHost("esx1").Keep = true
		}, finding{"host esx3", "provides datastore nfs, where files of guest web01 lie"}},
	}
}

func TestFoundationBlockers(t *testing.T) {
	require.Empty(t, insideLab().observed().plan(t, runbooks.PowerDown).Blockers)
	for _, c := range foundationBlockers() {
		t.Run(c.name, func(t *testing.T) {
			f := insideLab()
			c.bend(f)
			p := f.observed().plan(t, runbooks.PowerDown)
			require.True(t, among(p.Blockers, c.want), "%+v is not among\n%s", c.want, p.Tree(plan.TreeOptions{Full: true}))
			for _, b := range p.Blockers {
				require.NotEmpty(t, b.Remedy, "blocker without a remedy: %s", b)
			}
		})
	}
}

// What answers at esxi: has to be the host that is meant, and has to be tried before it is needed.
func TestTheHostsOwnAPIIsTriedBefore(t *testing.T) {
	for name, c := range map[string]struct {
		bend func(o *fixture)
		says string
	}{
		"not read":        {func(o *fixture) { o.state.Hosts = nil }, "which was not read"},
		"refused":         {func(o *fixture) { o.state.Hosts[0] = live.DirectHost{Host: "esx1", Err: "login refused"} }, "login refused"},
		"another machine": {func(o *fixture) { o.state.Hosts[0].ESXi.Hosts[0].UUID = uuid(7, 7) }, "is another machine"},
		"another of the same make": {func(o *fixture) { // whose boards all have one UUID
			o.state.VCenters = slices.Clone(o.state.VCenters)
			o.state.VCenters[0].Hosts = slices.Clone(o.state.VCenters[0].Hosts)
			o.host("esx1").MACs, o.state.Hosts[0].ESXi.Hosts[0].MACs = []string{"00:11:22:33:44:01"}, []string{"00:11:22:33:44:02", "00:11:22:33:44:03"}
		}, "none of its network cards is the host's"},
		"a vCenter": {func(o *fixture) { o.state.Hosts[0].ESXi.APIType = "VirtualCenter" }, "is no ESXi host"},
	} {
		t.Run(name, func(t *testing.T) {
			o := insideLab().observed()
			c.bend(o)
			require.True(t, among(o.plan(t, runbooks.PowerDown).Blockers, finding{"host esx1", c.says}))
		})
	}
}

func TestNameServersAreOnlyMissedByThoseWhoUseNames(t *testing.T) {
	f := insideLab()
	f.guest("dc01").IP = "192.168.4.5"
	f.state.Needs = []live.Need{{What: "its name server", Address: "192.168.4.5"}}
	for i := range f.lab.Hosts {
		f.lab.Hosts[i].BMC.URL = fmt.Sprintf("https://192.168.5.%d", i)
	}
	p := f.observed().plan(t, runbooks.PowerDown)
	require.Empty(t, p.Blockers)
	require.True(t, among(p.Warnings, finding{"guest dc01", "names all machines by address"}))
}

// A vCenter that is kept stays there to the end: what else the lab stands on goes down through it, last.
func TestWithAKeptVCenterNothingGoesDirectly(t *testing.T) {
	f := homeLab()
	f.provide("dc01", "dns", "identity")
	p := f.plan(t, runbooks.PowerDown)
	require.Empty(t, p.Blockers)
	all := before(p)
	for _, s := range p.Steps {
		require.Empty(t, s.Target.Direct, s.ID)
		if s.Action == plan.ShutdownGuest && s.Target.Name != "dc01" || s.Action == plan.ShutdownHost && s.Target.Name != "esx21" {
			require.True(t, all["shutdown-guest:dc01"][s.ID], "%s is before dc01", s.ID)
		}
	}
	require.False(t, has(p, "record-lab:vc1"))
	up := wentDown(t, func() *fixture { return f }).plan(t, runbooks.PowerUp)
	all = before(up)
	require.True(t, all["power-on-guest:web01"]["check-guest:dc01"])
	require.True(t, all["power-on-guest:win-old"]["check-guest:dc01"], "dns comes before everything")
	require.False(t, all["power-on-guest:dc01"]["settle-ha:Lab"], "its own host is enough")
}

// The order of storage, name service and vCenter holds whatever runs on which host.
func TestWhatTheLabStandsOnGoesLast(t *testing.T) {
	p := insideLab().observed().plan(t, runbooks.PowerDown)
	all := before(p)
	chain := []string{"mark-lab:vc1", "record-lab:vc1", "remember-running", "suspend-vcls:Lab", "shutdown-host:esx3", "unmark-lab:vc1", "shutdown-guest:vcsa",
		"shutdown-guest:kms01", "shutdown-guest:dc01", "shutdown-guest:ss1", "enter-maintenance:esx1", "shutdown-host:esx1"}
	for i := 1; i < len(chain); i++ {
		require.True(t, all[chain[i]][chain[i-1]], "%s after %s", chain[i], chain[i-1])
	}
	require.True(t, all["shutdown-guest:ss1"]["shutdown-host:esx2"], "it mounts what ss1 serves")
	for _, s := range p.Steps { // nothing asks a vCenter that is gone
		if all[s.ID]["shutdown-guest:vcsa"] {
			require.NotEmpty(t, s.Target.Direct, s.ID)
		}
	}
	require.Equal(t, "host-22", params[plan.ShutdownGuestParams](t, step(t, p, "shutdown-guest:vcsa")).Host)
	require.Equal(t, plan.Target{Kind: plan.Guest, Name: "vcsa", Endpoint: "vc1", Ref: "vm-3", UUID: uuid(2, 3), Direct: "esx2"}, step(t, p, "shutdown-guest:vcsa").Target)
}

func TestWhatTheLabStandsOnComesFirst(t *testing.T) {
	p := wentDown(t, insideLab).observed().plan(t, runbooks.PowerUp)
	all := before(p)
	chain := []string{"power-on-host:esx1", "reach-host:esx1", "exit-maintenance:esx1", "await-datastores:esx1", "power-on-guest:ss1", "check-guest:ss1",
		"power-on-guest:dc01", "check-guest:dc01", "power-on-guest:kms01", "check-guest:kms01", "power-on-guest:vcsa", "await-vcenter:vc1", "mark-lab:vc1",
		"await-host:esx3", "await-datastores-of-ss1:esx3", "settle-vcls:Lab", "settle-ha:Lab", "power-on-guest:secret", "forget-running", "unmark-lab:vc1"}
	for i := 1; i < len(chain); i++ {
		require.True(t, all[chain[i]][chain[i-1]], "%s after %s", chain[i], chain[i-1])
	}
	require.True(t, all["power-on-guest:kms01"]["await-datastores-of-ss1:esx2"])
	require.True(t, all["power-on-host:esx3"]["check-guest:ss1"], "it mounts what ss1 serves")
	require.False(t, all["power-on-host:esx3"]["await-vcenter:vc1"], "no barrier")
	require.Equal(t, plan.AwaitDatastoresParams{Host: "esx2", Names: []string{"tank"}, Rescan: true},
		params[plan.AwaitDatastoresParams](t, step(t, p, "await-datastores-of-ss1:esx2")))
	require.Equal(t, plan.AwaitDatastoresParams{Host: "esx3", Datastores: []string{"datastore-3"}, Rescan: true},
		params[plan.AwaitDatastoresParams](t, step(t, p, "await-datastores-of-ss1:esx3")))
}

// Without a record, each power-up does what it can see, and the next one more.
func TestALostRecordIsMadeUpFor(t *testing.T) {
	worlds := map[string]func() *fixture{"dr-box": drBox, "one-host": oneHost, "inside": insideLab}
	for name, want := range map[string]int{"dr-box": 3, "one-host": 2, "inside": 2} { // who the guests of a DR box are is known when its storage is up
		t.Run(name, func(t *testing.T) {
			f := wentDown(t, worlds[name])
			f.ledger, f.record = ledger.State{}, nil
			for i := range f.vc().Guests {
				f.vc().Guests[i].Path = "[local] x/x.vmx"
			}
			runs := 0
			for f.vcenterIsOff() {
				runs++
				require.LessOrEqual(t, runs, want)
				p := f.observed().plan(t, runbooks.PowerUp)
				require.Empty(t, p.Blockers)
				f.run(t, p, rand.New(rand.NewPCG(1, 2)), nil)
			}
			require.Equal(t, want, runs)
			p := f.observed().plan(t, runbooks.PowerUp)
			require.Empty(t, p.Blockers)
		})
	}
}

// The vCenter boots, and nothing else is left to do: the run waits until it is there.
func TestAVCenterThatBootsIsAwaited(t *testing.T) {
	f := oneHost()
	o := f.observed()
	vc := *f.vc()
	vc.Remembered = at
	o.state.VCenters = []live.VCenter{vc}
	p := o.plan(t, runbooks.PowerUp)
	require.Empty(t, p.Blockers)
	require.Equal(t, []string{"await-vcenter:vc1", "await-host:esx1"}, ids(p.Steps))
}

func TestSettleNeedsItsVCenter(t *testing.T) {
	f := wentDown(t, insideLab)
	f.bmc("esx1").Power, f.host("esx1").Connection = live.On, live.Connected
	p := f.observed().plan(t, runbooks.Settle)
	require.True(t, among(p.Blockers, finding{"vCenter vc1", "nothing can be given back"}))
	require.Empty(t, p.Steps)
}

// A kept host carries nightshift, and stays; the vCenter is on another one, and goes.
func TestAKeptHostBesidesAVCenterThatGoes(t *testing.T) {
	world := func() *fixture {
		f := homeLab()
		f.guest("vcsa").Host, f.guest("vcsa").Cluster = f.host("esx21").Ref, "domain-c8"
		f.esxi("esx21")
		return f
	}
	p := world().observed().plan(t, runbooks.PowerDown)
	require.Empty(t, p.Blockers)
	require.Equal(t, "esx21", step(t, p, "shutdown-host:esx21").Target.Direct)
	require.Empty(t, step(t, p, "shutdown-host:esx22").Target.Direct)
	f := wentDown(t, world)
	require.Contains(t, f.observed().plan(t, runbooks.PowerDown).Title, "Nothing to do")
	up := f.observed().plan(t, runbooks.PowerUp)
	require.Empty(t, up.Blockers)
	require.False(t, has(up, "await-host:nuc"))
	f.run(t, up, newRand(), nil)
	require.Empty(t, f.observed().plan(t, runbooks.PowerUp).Steps)
}

// A host that provides something itself goes down after all that need it, and comes up before them.
func TestAHostThatProvides(t *testing.T) {
	world := func() *fixture {
		f := insideLab()
		f.store("datastore-9", "nfs", "esx1", "esx2", "esx3")
		f.on("datastore-9", "web01", "vcsa")
		f.labHost("esx3").Provides = []inventory.Provision{"datastore:nfs", "dns"}
		f.esxi("esx3")
		return f
	}
	p := world().observed().plan(t, runbooks.PowerDown)
	require.Empty(t, p.Blockers)
	all := before(p)
	for _, g := range []string{"web01", "vcsa", "kms01", "secret"} {
		require.True(t, all["enter-maintenance:esx3"]["shutdown-guest:"+g], g)
	}
	require.False(t, all["shutdown-host:esx3"]["shutdown-guest:ss1"], "ss1 needs none of it")
	up := wentDown(t, world).observed().plan(t, runbooks.PowerUp)
	all = before(up)
	require.True(t, all["power-on-guest:vcsa"]["reach-host:esx3"])
	require.True(t, all["power-on-guest:web01"]["reach-host:esx3"])
	require.False(t, all["power-on-guest:ss1"]["reach-host:esx3"])
}

// A host that is on, and does not answer yet, is waited for: a run may have been stopped while it booted.
func TestAHostThatBootsIsWaitedFor(t *testing.T) {
	f := wentDown(t, insideLab)
	f.bmc("esx1").Power = live.On
	o := f.observed()
	o.state.Hosts = []live.DirectHost{{Host: "esx1", Err: "connect: no route to host"}}
	p := o.plan(t, runbooks.PowerUp)
	require.Empty(t, p.Blockers)
	require.True(t, among(p.Warnings, finding{"host esx1", "does not answer yet"}))
	require.False(t, has(p, "power-on-host:esx1"))
	require.True(t, before(p)["power-on-guest:ss1"]["reach-host:esx1"])
	f.labHost("esx1").ESXi = nil
	require.True(t, among(o.plan(t, runbooks.PowerUp).Blockers, finding{"host esx1", "comes up before vCenter vc1, as guest dc01 on it provides dns, ntp, identity: that takes the host's own API"}))
}

func TestPowerUpOfAVCenterThatIsKept(t *testing.T) {
	f := wentDown(t, insideLab)
	f.labGuest("vcsa").Keep = true
	p := f.observed().plan(t, runbooks.PowerUp)
	require.True(t, among(p.Blockers, finding{"guest vcsa", "vCenter vc1 runs in it and does not answer, but the guest is left alone"}))
}

// A run that started the storage guest was stopped before its own host had looked for what it serves.
func TestAHostThatHasNotLookedLooks(t *testing.T) {
	f := wentDown(t, insideLab)
	f.bmc("esx1").Power, f.host("esx1").Connection, f.host("esx1").Maintenance = live.On, live.Connected, false
	f.guest("ss1").Power = live.PoweredOn
	f.ledger.Debts = slices.DeleteFunc(f.ledger.Debts, func(d plan.Debt) bool { return d.Target.Name == f.host("esx1").Name })
	o := f.observed()
	require.False(t, has(o.plan(t, runbooks.PowerUp), "await-datastores-of-ss1:esx1"), "it sees it")
	stores := o.state.Hosts[0].ESXi.Datastores
	for i := range stores {
		stores[i].Accessible = stores[i].Name != "tank"
	}
	p := o.plan(t, runbooks.PowerUp)
	require.True(t, before(p)["power-on-guest:web01"]["await-datastores-of-ss1:esx1"])
}
