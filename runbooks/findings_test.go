package runbooks_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/inventory"
	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/runbooks"
)

// A finding is expected by its subject and a piece of its text.
type finding struct{ subject, text string }

func among(list []plan.Finding, f finding) bool {
	return slices.ContainsFunc(list, func(x plan.Finding) bool { return x.Subject == f.subject && strings.Contains(x.Text, f.text) })
}

type findingCase struct {
	name string
	bend func(f *fixture)
	want finding
}

func TestPowerDownBlockers(t *testing.T) {
	require.Empty(t, homeLab().plan(t, runbooks.PowerDown).Blockers)
	for _, c := range slices.Concat(powerBlockers(), lifeBlockers(), []findingCase{
		{"a backup runs", func(f *fixture) {
			f.vc().Tasks = []live.Task{{Name: "com.vendor.vadp.BackupTask", Entity: "vm-13"}}
		}, finding{"guest web01", "backup is under way"}},
		{"DRS moves a guest", func(f *fixture) {
			f.vc().Tasks = []live.Task{{Name: "Drm.ExecuteVMotionLRO", Entity: "vm-13"}}
		}, finding{"guest web01", "migration is under way"}},
		{"a guest is cloned from one that is off", func(f *fixture) {
			f.vc().Tasks = []live.Task{{Name: "VirtualMachine.clone", Entity: "vm-16"}}
		}, finding{"guest spare", "clone is under way"}},
		{"consolidation", func(f *fixture) {
			f.vc().Tasks = []live.Task{{Name: "VirtualMachine.consolidateDisks", Entity: "vm-12"}}
		}, finding{"guest db01", "consolidation is under way"}},
		{"relocation", func(f *fixture) {
			f.vc().Tasks = []live.Task{{Name: "VirtualMachine.relocate", Entity: "vm-12"}}
		}, finding{"guest db01", "relocation is under way"}},
		{"vSAN", func(f *fixture) { f.vc().Clusters[1].VSAN = true }, finding{"cluster Lab", "vSAN"}},
		{"FT", func(f *fixture) { f.guest("db01").FT = true }, finding{"guest db01", "Fault Tolerance"}},
		{"encrypted", func(f *fixture) { f.guest("db01").Encrypted = true }, finding{"guest db01", "is encrypted"}},
		{"no Tools, policy leave", func(f *fixture) { f.guest("web01").Tools = false }, finding{"guest web01", "leave it on"}},
		{"suspend on time-out is refused", func(f *fixture) {
			f.lab.Policies.Guest.OnTimeout = plan.SuspendGuest
			f.guest("db01").NoSuspend = "multi-writer disk"
		}, finding{"guest db01", "multi-writer disk"}},
		{"suspend is refused", func(f *fixture) {
			f.labGuest("db01").Shutdown = &inventory.GuestPolicy{Method: plan.SuspendGuest}
			f.guest("db01").NoSuspend = "vGPU"
		}, finding{"guest db01", "vGPU"}},
		{"unknown power state", func(f *fixture) { f.guest("db01").Power = "" }, finding{"guest db01", "nobody knows whether it runs"}},
		{"orphaned", func(f *fixture) { f.guest("db01").Connection = "orphaned" }, finding{"guest db01", "orphaned"}},
		{"read-only licence", func(f *fixture) { f.host("esx21").ReadOnly = true }, finding{"host esx21", "licence"}},
		{"graceful without the reset", func(f *fixture) {
			f.lab.Policies.Host.NoRights = plan.GracefulBMC
			f.bmc("esx22").ResetTypes = []string{"On", "ForceOff"}
		}, finding{"host esx22", "GracefulShutdown"}},
		{"force off without the reset", func(f *fixture) {
			f.lab.Policies.Host.OnTimeout = plan.ForceOffBMC
			f.bmc("esx22").ResetTypes = []string{"On"}
		}, finding{"host esx22", "ForceOff"}},
		{"kept guest on it", func(f *fixture) { f.guest("db01").Tags = []string{"KeepOn"} }, finding{"guest db01", "its host esx22 would go down"}},
		{"guest kept in the file on it", func(f *fixture) { f.labGuest("db01").Keep = true }, finding{"guest db01", "its host esx22 would go down"}},
		{"the vCenter is on it", func(f *fixture) {
			f.labHost("nuc").Keep = false
			f.labHost("nuc").BMC = f.labHost("esx21").BMC
			f.withNUCBMC()
			f.lab.Self = inventory.Self{Outside: true}
		},
			finding{"host nuc", "guest vcsa on it provides vcenter vc1"}},
		{"the vCenter is on it, by its address", func(f *fixture) { f.guest("web01").IP = "192.168.4.20" }, finding{"guest web01", "vCenter vc1 runs in it"}},
		{"self is on it", func(f *fixture) { f.lab.Self.Guest = "web01" }, finding{"guest web01", "nightshift runs in it"}},
		{"self needs what is on it", func(f *fixture) { f.lab.Self.Needs = []string{"web01"} }, finding{"guest web01", "nightshift itself needs it (self.needs)"}},
		{"what self needs is not found", func(f *fixture) { f.lab.Self.Needs = []string{"pg"} }, finding{"guest pg", "no vCenter has such a guest"}},
		{"self is not found", func(f *fixture) { f.lab.Self.Guest = "mgmt2" }, finding{"guest mgmt2", "no vCenter has such a guest"}},
		{"tags were not read", func(f *fixture) { f.vc().Warnings = []string{"tags: no permission"} }, finding{"vCenter vc1", "would not be kept"}},
		{"kept guest is misspelt", func(f *fixture) {
			f.lab.Guests = append(f.lab.Guests, inventory.Guest{Name: "bd01", VCenter: "vc1", Keep: true})
		}, finding{"guest bd01", "would not be kept"}},
	}) {
		t.Run(c.name, func(t *testing.T) {
			expect(t, runbooks.PowerDown, c, func(p plan.Plan) []plan.Finding { return p.Blockers })
		})
	}
}

// withNUCBMC gives the NUC a BMC of its own.
func (f *fixture) withNUCBMC() {
	f.state.BMCs = append(f.state.BMCs, live.BMC{Host: "nuc", Power: live.On, UUID: uuid(1, 10), Serial: "NUC1", ResetTypes: []string{"On"}})
}

// powerBlockers are about hosts and their BMCs.
func powerBlockers() []findingCase {
	return []findingCase{
		{"vCenter unreachable", func(f *fixture) { f.state.VCenters = nil }, finding{"vCenter vc1", "could not be read"}},
		{"another nightshift", func(f *fixture) { f.vc().Mark = "nightshift-of-bob" }, finding{"vCenter vc1", "another nightshift"}},
		{"an ESXi for a vCenter", func(f *fixture) { f.vc().APIType = "HostAgent" }, finding{"vCenter vc1", "single ESXi host"}},
		{"no bmc:", func(f *fixture) { f.labHost("esx21").BMC = nil; f.host("esx21").Connection = live.NotResponding }, finding{"host esx21", "has no bmc:"}},
		{"BMC unreachable", func(f *fixture) {
			*f.bmc("esx21") = live.BMC{Host: "esx21", Err: "connect: no route"}
			f.host("esx21").Connection = live.NotResponding
		}, finding{"host esx21", "no route"}},
		{"BMC not read", func(f *fixture) { f.state.BMCs = f.state.BMCs[1:]; f.host("esx21").Connection = live.NotResponding }, finding{"host esx21", "its BMC was not read"}},
		{"unknown to vCenter", func(f *fixture) { f.labHost("esx21").Address = "esx21.example" }, finding{"host esx21", "does not know a host esx21.example"}},
		{"Off but connected", func(f *fixture) {
			f.bmc("esx21").Power = live.Off
			f.host("esx21").Connection, f.host("esx21").Power, f.host("esx21").Maintenance = live.Connected, live.PoweredOn, false
		}, finding{"host esx21", "vCenter says connected"}},
		{"Off but connected, and a guest is on", func(f *fixture) {
			f.bmc("esx21").Power = live.Off
			f.host("esx21").Connection, f.host("esx21").Power, f.host("esx21").Maintenance = live.Connected, live.PoweredOn, true
			f.addGuest(60, "left", "esx21").Power = live.PoweredOn
		}, finding{"host esx21", "vCenter says connected"}},
		{"in between", func(f *fixture) { f.bmc("esx21").Power = live.PoweringOff }, finding{"host esx21", "neither On nor Off"}},
		{"recorded serial number", func(f *fixture) {
			f.labHost("esx21").BMC.Serial = "OTHER"
			f.host("esx21").Connection = live.NotResponding
		},
			finding{"host esx21", "this is another machine"}},
		{"recorded UUID", func(f *fixture) {
			f.labHost("esx21").BMC.UUID = uuid(8, 8)
			f.host("esx21").Connection = live.NotResponding
		}, finding{"host esx21", "this is another machine"}},
		{"UUID of another machine, and nothing recorded", func(f *fixture) {
			f.bmc("esx21").UUID = uuid(7, 7)
			f.host("esx21").Connection = live.NotResponding
		}, finding{"host esx21", "this is another machine"}},
		{"two hosts with one BMC", func(f *fixture) {
			f.bmc("esx22").Serial, f.bmc("esx22").UUID = f.bmc("esx21").Serial, f.bmc("esx21").UUID
			f.host("esx22").Connection = live.NotResponding
		}, finding{"host esx22", "are the same machine"}},
	}
}

// lifeBlockers are about the order of guests.
func lifeBlockers() []findingCase {
	return []findingCase{
		{"unknown guest in after", func(f *fixture) { f.labGuest("db01").After = []string{"dc02"} }, finding{"guest dc02", "is named in after of guest db01"}},
		{"unknown guest in a group", func(f *fixture) { f.lab.Groups[0].Guests = []string{"web09"} }, finding{"guest web09", "is named in group web"}},
		{"ambiguous guest in after", func(f *fixture) { f.addGuest(50, "dc01", "esx23") }, finding{"guest dc01", "2 guests have this name"}},
		{"circle", func(f *fixture) {
			f.lab.Guests = append(f.lab.Guests, inventory.Guest{Name: "dc01", VCenter: "vc1", After: []string{"group:web"}})
		}, finding{"guest db01", "db01 after dc01 after web01 after db01"}},
		{"after itself", func(f *fixture) { f.labGuest("db01").After = []string{"db01"} }, finding{"guest db01", "db01 after db01"}},
	}
}

func expect(t *testing.T, runbook string, c findingCase, of func(plan.Plan) []plan.Finding) {
	t.Helper()
	f := homeLab()
	if runbook == runbooks.PowerUp {
		f = allDown()
	}
	c.bend(f)
	p := f.plan(t, runbook)
	require.True(t, among(of(p), c.want), "%+v is not among\n%s", c.want, p.Tree(plan.TreeOptions{Full: true}))
	for _, b := range p.Blockers {
		require.NotEmpty(t, b.Remedy, "blocker without a remedy: %s", b)
	}
	require.NotContains(t, p.Title, "Nothing to do")
}

func TestUnknownHostIsNeverTakenForDown(t *testing.T) {
	for _, state := range []string{live.NotResponding, live.Disconnected} {
		f := homeLab()
		f.host("esx22").Connection = state
		p := f.plan(t, runbooks.PowerDown)
		require.True(t, among(p.Blockers, finding{"host esx22", "nobody knows"}))
		require.False(t, has(p, "shutdown-host:esx22"))
		require.False(t, has(p, "suspend-ha:Lab"), "a cluster with a host in an unknown state does not go down as a whole")
	}
}

// What a BMC said before it failed is no Off.
func TestAnErrorOfABMCIsNoOff(t *testing.T) {
	f := homeLab()
	f.bmc("esx22").Err, f.bmc("esx22").Power = "timed out", live.Off
	p := f.plan(t, runbooks.PowerUp)
	require.Empty(t, p.Blockers, "it is connected, whatever its BMC says")
	require.Empty(t, p.Steps)
}

func TestPowerUpBlockers(t *testing.T) {
	require.Empty(t, allDown().plan(t, runbooks.PowerUp).Blockers)
	for _, c := range slices.Concat(powerBlockers(), lifeBlockers(), []findingCase{
		{"BMC cannot switch on", func(f *fixture) { f.bmc("esx21").ResetTypes = []string{"ForceOff"} }, finding{"host esx21", "does not know the reset On"}},
		{"nobody bears the tag", func(f *fixture) { f.params = map[string]string{"tag": "startup"} }, finding{"tag startup", "no guest bears it"}},
		{"no such cluster", func(f *fixture) { f.params = map[string]string{"cluster": "Prod"} }, finding{"cluster Prod", "there are: Lab, Management"}},
		{"tags were not read", func(f *fixture) {
			f.params = map[string]string{"tag": "T"}
			f.vc().Warnings = []string{"tags: no permission"}
		}, finding{"vCenter vc1", "bear the tag T"}},
	}) {
		t.Run(c.name, func(t *testing.T) {
			expect(t, runbooks.PowerUp, c, func(p plan.Plan) []plan.Finding { return p.Blockers })
		})
	}
}

func TestPowerDownWarnings(t *testing.T) {
	for _, c := range []findingCase{
		{"question", func(f *fixture) {
			f.guest("db01").Question = &live.Question{Text: "copied or moved?", Choices: []string{"copied", "moved"}}
		},
			finding{"guest db01", `"copied or moved?" (copied | moved)`}},
		{"no Tools", func(f *fixture) {}, finding{"guest win-old", "will be powered off"}},
		{"vCenter by http", func(f *fixture) { f.lab.VCenters[0].URL = "http://192.168.4.20" }, finding{"vCenter vc1", "plain http"}},
		{"BMC by http", func(f *fixture) { f.labHost("esx21").BMC.URL = "http://esx21-oob" }, finding{"host esx21", "plain http"}},
		{"clock", func(f *fixture) { f.vc().ClockOffset = -20 * time.Minute }, finding{"vCenter vc1", "more than 15 min behind ours"}},
		{"vCenter's own", func(f *fixture) { f.vc().Warnings = []string{"events: no permission"} }, finding{"vCenter vc1", "events: no permission"}},
		{"recorded, with another UUID", func(f *fixture) {
			f.bmc("esx21").UUID = uuid(7, 7)
			f.labHost("esx21").BMC.Serial = f.bmc("esx21").Serial
		}, finding{"host esx21", "the lab file has recorded it so"}},
		{"service tag", func(f *fixture) { f.host("esx21").Serial = "OTHER" }, finding{"host esx21", "serial number as OTHER"}},
		{"will not come back", func(f *fixture) { f.bmc("esx21").ResetTypes = []string{"ForceOff"} }, finding{"host esx21", "reset On"}},
		{"strict lockdown", func(f *fixture) { f.host("esx21").Lockdown = "lockdownStrict" }, finding{"host esx21", "strict lockdown"}},
		{"part of a cluster", func(f *fixture) { f.labHost("esx21").Keep = true }, finding{"cluster Lab", "stay as they are"}},
		{"another task", func(f *fixture) { f.vc().Tasks = []live.Task{{Name: "VirtualMachine.reconfigure", Entity: "vm-12"}} },
			finding{"guest db01", "VirtualMachine.reconfigure"}},
		{"under a guest that stays", func(f *fixture) {
			f.lab.Guests = append(f.lab.Guests, inventory.Guest{Name: "mgmt", VCenter: "vc1", After: []string{"dc01"}})
		}, finding{"guest dc01", "guest mgmt needs it and stays up"}},
		{"keys said to be outside", func(f *fixture) {
			f.guest("db01").Encrypted = true
			f.params = map[string]string{"keys-outside": "true"}
		}, finding{"guest db01", "is encrypted"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			expect(t, runbooks.PowerDown, c, func(p plan.Plan) []plan.Finding {
				require.Empty(t, p.Blockers)
				return p.Warnings
			})
		})
	}
}

func TestUUIDInTheOtherByteOrderIsTheSame(t *testing.T) {
	f := homeLab()
	f.host("esx21").UUID, f.bmc("esx21").UUID = "44454c4c-3700-1035-8051-b7c04f4d3332", "4c4c4544-0037-3510-8051-b7c04f4d3332"
	require.False(t, among(f.plan(t, runbooks.PowerDown).Warnings, finding{"host esx21", "UUID"}))
}

func TestBoardsWithoutIdentityAreNotTheSame(t *testing.T) {
	f := homeLab()
	for _, h := range []string{"esx21", "esx22"} {
		f.bmc(h).Serial, f.bmc(h).UUID = "To Be Filled By O.E.M.", "03000200-0400-0500-0006-000700080009"
	}
	require.Empty(t, f.plan(t, runbooks.PowerDown).Blockers)
	for _, h := range []string{"esx21", "esx22"} { // an emulator of which everyone runs the same
		f.bmc(h).Serial, f.bmc(h).UUID = "", "1"
	}
	require.Empty(t, f.plan(t, runbooks.PowerDown).Blockers)
}

// The SMBIOS UUID of our own machine confirms what the lab file says, or stops the run; it never decides alone.
func TestOwnMachineIsHeldAgainstItsUUID(t *testing.T) {
	f := homeLab()
	g := f.guest("web01")
	g.BIOSUUID = "4c4c4544-0042-3510-8051-b4c04f565231"
	f.state.Machine = g.BIOSUUID
	p := f.plan(t, runbooks.PowerDown)
	require.Contains(t, fmt.Sprint(p.Blockers), "guest web01: nightshift itself runs in it, by its SMBIOS UUID")

	f.lab.Self = inventory.Self{Guest: "web01"}
	require.NotContains(t, fmt.Sprint(f.plan(t, runbooks.PowerDown).Blockers), "SMBIOS")
	f.state.Machine = "4c4c4544-0042-3510-8051-b4c04f565299"
	require.Contains(t, fmt.Sprint(f.plan(t, runbooks.PowerDown).Warnings), "guest web01: the lab file says that nightshift runs in it, but this machine has another")

	f.lab.Self = inventory.Self{Outside: true}
	f.state.Machine = f.host("esx21").UUID
	require.Contains(t, fmt.Sprint(f.plan(t, runbooks.PowerDown).Blockers), "host esx21: nightshift itself runs on it")
	f.state.Machine = ""
	require.NotContains(t, fmt.Sprint(f.plan(t, runbooks.PowerDown).Blockers), "itself")
}
