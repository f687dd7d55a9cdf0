package runbooks_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/inventory"
	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/runbooks"
)

// planBook plans a runbook of the user's own in the home lab.
func (f *fixture) planBook(t *testing.T, body string) plan.Plan {
	t.Helper()
	r, err := runbooks.Read(inventory.RunbookFile{Path: "mine.yaml", Data: []byte("name: mine\ndescription: x\n" + body)}, nil)
	require.NoError(t, err)
	p, err := r.Plan(f.input())
	require.NoError(t, err)
	for _, s := range p.Steps {
		does := s.Action
		if s.Target.Kind == plan.Host && (does == plan.SuspendSetting || does == plan.SettleDebt) {
			does = plan.Silencing
		}
		require.Contains(t, r.Actions, does)
	}
	return p
}

func bootedLab() *fixture {
	f := homeLab()
	for i := range f.vc().Hosts {
		f.vc().Hosts[i].Booted = at.Add(-24 * time.Hour)
	}
	f.lab.Machines = []inventory.Machine{{Name: "box", SSH: inventory.SSH{Address: "192.168.4.9", User: "root"}}}
	f.lab.Notifications.Channels = []inventory.Channel{{Name: "phone", URL: "env:PHONE"}}
	return f
}

// What is prepared stands before what is done, though a step before it needs no vCenter.
func TestPreparationStandsBeforeTheSteps(t *testing.T) {
	p := bootedLab().planBook(t, steps+"{id: wait, uses: wait, with: {for: 1m}}\n  - {id: up, uses: guest/powerOn, with: {guest: web01}, needs: [wait]}\n")
	require.Empty(t, p.Blockers)
	var ids []string
	for _, s := range p.Steps {
		ids = append(ids, s.ID)
	}
	require.Equal(t, []string{"mark-lab:vc1", "wait", "up", "unmark-lab:vc1"}, ids)
	require.ElementsMatch(t, []string{"wait", "mark-lab:vc1"}, p.Steps[2].Needs)
}

// A schedule with onFailure neither goes past what has to be so before the next step, nor ends at what may fail.
func TestSkipAndAbortInAStepRunbookStand(t *testing.T) {
	p := bootedLab().planBook(t, steps+`{id: must, uses: wait, with: {for: 1m}, onFailure: abort}
  - {id: may, uses: wait, with: {for: 1m}, onFailure: skip}
  - {id: asks, uses: wait, with: {for: 1m}, onFailure: ask}
  - {id: presses, uses: wait, with: {for: 1m}, onFailure: force}
  - {id: as-the-rest, uses: wait, with: {for: 1m}}
`)
	require.Empty(t, p.Blockers)
	own := map[string]bool{}
	for _, s := range p.Steps {
		own[s.ID] = s.Own
	}
	require.Equal(t, map[string]bool{"must": true, "may": true, "asks": false, "presses": false, "as-the-rest": false}, own)
}

func TestAMessageIsASteps(t *testing.T) {
	f := bootedLab()
	p := f.planBook(t, steps+"{id: a, uses: notify, with: {text: \"web01 is up\", channels: [phone]}}\n")
	require.Empty(t, p.Blockers)
	require.Equal(t, plan.SendMessage, p.Steps[0].Action)
	require.Equal(t, "Tell phone", p.Steps[0].Title)
	require.False(t, p.Steps[0].Changes(), "it is no change of the lab")
	require.JSONEq(t, `{"text": "web01 is up", "channels": ["phone"]}`, string(p.Steps[0].Params))
	f.lab.Notifications.Channels = nil
	p = f.planBook(t, steps+"{id: a, uses: notify, with: {text: x}}\n")
	require.Empty(t, p.Blockers)
	require.Contains(t, p.Warnings[0].String(), "nobody is told")
}

const steps = "steps:\n  - "

func TestWhatStepRunbooksMayNotDo(t *testing.T) {
	for body, says := range map[string]string{
		"{id: a, uses: guest/shutdown, with: {guest: vcsa}}":                                              "is left alone",
		"{id: a, uses: guest/shutdown, with: {guest: mgmt}}":                                              "is left alone",
		"{id: a, uses: guest/powerOn, with: {guest: wbe01}}":                                              `no vCenter has such a guest`,
		"{id: a, uses: guest/run, with: {guest: web01, run: [/bin/x]}}":                                   "has no login",
		"{id: a, uses: host/enterMaintenance, with: {host: nuc}}":                                         "is left alone",
		"{id: a, uses: host/reboot, with: {host: esx21}}":                                                 "is not in maintenance mode",
		"{id: a, uses: host/shutdown, with: {host: esx21}}":                                               "is not in maintenance mode",
		"{id: a, uses: ssh/run, with: {at: bx, run: [x]}}":                                                "no machine of that name",
		"{id: a, uses: notify, with: {text: x, channels: [phon]}}":                                        "did you mean phone?",
		"{id: a, uses: application/stop, with: {application: pg}}":                                        "none of that name",
		"{id: a, uses: vcenter/await, with: {vcenter: vc2}}":                                              "none of that name",
		"{id: a, uses: guest/snapshot, with: {guest: vcsa, name: x}}":                                     "is left alone",
		"{id: a, uses: host/setOption, with: {host: nuc, option: A.B, value: 1}}":                         "is left alone",
		"{id: a, foreach: {guests: {name: win-old}}, uses: guest/check, with: {guest: \"${item.name}\"}}": "nobody can say when it is up",
	} {
		p := bootedLab().planBook(t, steps+body+"\n")
		require.NotEmpty(t, p.Blockers, body)
		require.Contains(t, p.Blockers[0].String(), says, body)
	}
}

func TestTheFoundationGoesDownWithPowerDownOnly(t *testing.T) {
	f := bootedLab()
	f.lab.Guests = append(f.lab.Guests, inventory.Guest{Name: "dc01", VCenter: "vc1", Provides: []inventory.Provision{"dns"}})
	f.lab.ApplicationClusters = []inventory.ApplicationCluster{{Name: "pg", Members: []string{"db01"}}}
	p := f.planBook(t, steps+"{id: a, uses: guest/shutdown, with: {guest: dc01}}\n  - {id: b, uses: guest/shutdown, with: {guest: db01}}\n")
	require.Contains(t, p.Blockers[0].Text, "provides what the rest of the lab stands on")
	require.Contains(t, p.Blockers[1].Text, "would fail over")
}

func TestEvacuationNeedsDRS(t *testing.T) {
	body := steps + "{id: a, uses: host/enterMaintenance, with: {host: esx21, evacuate: true}}\n"
	require.Empty(t, bootedLab().planBook(t, body).Blockers)
	f := bootedLab()
	f.vc().Clusters[1].DRSLevel = "manual"
	require.Contains(t, f.planBook(t, body).Blockers[0].Text, "no fully automated DRS")
	f = bootedLab()
	for _, h := range []string{"esx22", "esx23", "esx24"} {
		f.host(h).Connection = live.NotResponding
	}
	require.Contains(t, f.planBook(t, body).Blockers[0].Text, "no other host")
}

// What is taken away is given back at the end, or by the runbook's own step, after an abort too.
func TestWhatIsTakenAwayIsGivenBack(t *testing.T) {
	p := bootedLab().planBook(t, steps+"{id: in, uses: host/enterMaintenance, with: {host: esx21, evacuate: true}}\n  - {id: trace, uses: guest/setChangeTracking, with: {guest: web01, enabled: false}}\n")
	require.Empty(t, p.Blockers)
	exit, on := step(t, p, "settle/exit-maintenance:esx21"), step(t, p, "settle-change-tracking:web01")
	require.True(t, exit.Always && on.Always)
	require.Equal(t, "in", exit.OnlyAfter)
	require.Equal(t, "trace", on.OnlyAfter)
	require.Contains(t, on.Needs, exit.ID)
	require.Equal(t, []string{on.ID}, step(t, p, "unmark-lab:vc1").Needs)

	p = bootedLab().planBook(t, steps+"{id: in, uses: host/enterMaintenance, with: {host: esx21, evacuate: true}}\n  - {id: boot, uses: host/reboot, with: {host: esx21}}\n  - {id: out, uses: host/exitMaintenance, with: {host: esx21}}\n")
	require.Empty(t, p.Blockers)
	require.Len(t, p.Steps, 5)
	out := step(t, p, "out")
	require.True(t, out.Always)
	require.Equal(t, "in", out.OnlyAfter)

	f := bootedLab()
	f.host("esx21").Maintenance = true // by a person
	p = f.planBook(t, steps+"{id: in, uses: host/enterMaintenance, with: {host: esx21}}\n  - {id: boot, uses: host/reboot, with: {host: esx21}}\n")
	require.Len(t, p.Steps, 4, "it stays in it")
}

// A vCenter that does not answer keeps no runbook from curing it, but stops what goes through it.
func TestARunbookWithoutItsVCenter(t *testing.T) {
	f := bootedLab()
	f.state.VCenters = nil
	p := f.planBook(t, steps+"{id: a, uses: ssh/run, with: {at: box, run: [x]}}\n  - {id: b, uses: vcenter/await}\n")
	require.Empty(t, p.Blockers)
	require.Len(t, p.Steps, 2)
	p = f.planBook(t, steps+"{id: b, uses: host/readOption, with: {host: esx21, option: A.B}}\n")
	require.NotEmpty(t, p.Blockers)
}

func TestAPlanKnowsItsDefinition(t *testing.T) {
	f := bootedLab()
	a := f.planBook(t, steps+"{id: a, uses: ssh/run, with: {at: box, run: [x]}}\n")
	b := f.planBook(t, "# a remark\n"+steps+"{id: a, uses: ssh/run, with: {at: box, run: [x]}}\n")
	require.NotEqual(t, a.Hash(), b.Hash())
	require.Equal(t, []string{"the file of the runbook was changed, or one that it uses"}, plan.Diff(a, b))
}

func TestRunbookFiles(t *testing.T) {
	good := inventory.RunbookFile{Path: "lib/mine.yaml", Data: []byte("name: mine\ndescription: x\nsteps: [{id: a, uses: wait, with: {for: 1s}}]\n")}
	taken := inventory.RunbookFile{Path: "lib/settle.yaml", Data: []byte("name: settle\ndescription: x\nsteps: [{id: a, uses: wait, with: {for: 1s}}]\n")}
	broken := inventory.RunbookFile{Path: "lib/broken.yaml", Data: []byte("name: broken\n")}
	list, err := runbooks.CatalogWith([]inventory.RunbookFile{good, taken, broken})
	require.ErrorContains(t, err, "nightshift itself has a runbook settle")
	require.ErrorContains(t, err, `lib/broken.yaml:1:1: the key "description" is missing`)
	mine, ok := runbooks.Find(list, "mine")
	require.True(t, ok)
	require.Equal(t, "lib/mine.yaml", mine.Source)
	_, ok = runbooks.Find(list, "broken")
	require.False(t, ok)
}

const rolling = steps + `{id: in, uses: host/enterMaintenance, with: {host: esx21, evacuate: true}}
  - {id: boot, uses: host/reboot, with: {host: esx21}}
`

// A step runbook that the clock begins empties hosts, reboots them and shuts machines down as quietly as power-down does.
func TestScheduledStepRunbooksAreQuiet(t *testing.T) {
	f := watched(bootedLab())
	p := f.planBook(t, rolling)
	require.Empty(t, p.Blockers)
	require.Equal(t, []string{"silence-host:esx21", "silence-monitoring:pager"}, stepsOf(p, "silence-"))
	require.Equal(t, []string{"resume-host:esx21", "resume-monitoring:pager"}, stepsOf(p, "resume-"))
	all := before(p)
	require.True(t, all["in"]["silence-host:esx21"], "its alarms go off before it is emptied")
	require.False(t, all["in"]["silence-monitoring:pager"], "nothing waits for a monitoring")
	for _, id := range stepsOf(p, "resume-") {
		s := step(t, p, id)
		require.True(t, s.Always)
		require.Equal(t, strings.Replace(id, "resume-", "silence-", 1), s.OnlyAfter)
		require.True(t, all[id]["settle/exit-maintenance:esx21"], "%s comes before the host is back", id)
	}
	require.True(t, all["unmark-lab:vc1"]["resume-host:esx21"])

	// A host that stays down does so quietly, until the power-up; what only reads disturbs nobody.
	down := steps + "{id: in, uses: host/enterMaintenance, with: {host: esx21, evacuate: true}}\n  - {id: off, uses: host/shutdown, with: {host: esx21}}\n"
	p = f.planBook(t, down)
	require.Equal(t, []string{"silence-host:esx21", "silence-monitoring:pager"}, stepsOf(p, "silence-"))
	require.Equal(t, []string{"resume-monitoring:pager"}, stepsOf(p, "resume-"))
	p = f.planBook(t, down+"  - {id: up, uses: host/powerOn, with: {host: esx21}}\n")
	require.Equal(t, []string{"resume-host:esx21", "resume-monitoring:pager"}, stepsOf(p, "resume-"))
	p = f.planBook(t, steps+"{id: a, uses: guest/shutdown, with: {guest: web01}}\n")
	require.Equal(t, []string{"silence-monitoring:pager"}, stepsOf(p, "silence-"))
	p = f.planBook(t, steps+"{id: a, uses: host/readOption, with: {host: esx21, option: A.B}}\n")
	require.Empty(t, stepsOf(p, "silence-"))
}

func TestWhenStepRunbooksAreQuiet(t *testing.T) {
	unwatched := bootedLab().planBook(t, rolling).Hash()
	f := watched(bootedLab())
	f.scheduled = false
	require.Equal(t, unwatched, f.planBook(t, rolling).Hash(), "runs of people are as before")
	f.lab.Runbooks = map[string]inventory.Runbook{"mine": {Silence: inventory.SilenceAlways}}
	require.Len(t, stepsOf(f.planBook(t, rolling), "silence-"), 2)
	f.scheduled = true
	f.lab.Runbooks["mine"] = inventory.Runbook{Silence: inventory.SilenceNever}
	require.Empty(t, stepsOf(f.planBook(t, rolling), "silence-"))
	f.lab.Runbooks = nil
	f.host("esx21").Alarms = live.AlarmsDenied
	p := f.planBook(t, rolling)
	require.True(t, among(p.Warnings, finding{"host esx21", "may not switch off alarm actions"}))
	require.Equal(t, []string{"silence-monitoring:pager"}, stepsOf(p, "silence-"))
}
