package runbooks_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/inventory"
	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/runbooks"
)

// watched is a lab whose alarms act, with a monitoring; its runs are begun by a schedule.
func watched(f *fixture) *fixture {
	f.scheduled = true
	f.lab.Monitoring = []inventory.Monitoring{{Name: "pager"}}
	for i := range f.vc().Hosts {
		f.vc().Hosts[i].Alarms = live.AlarmsOn
	}
	for i := range f.vc().Clusters {
		f.vc().Clusters[i].Alarms = live.AlarmsOn
	}
	return f
}

// quiet lists whose alarms do nothing.
func (f *fixture) quiet() (names []string) {
	for _, h := range f.vc().Hosts {
		if h.Alarms == live.AlarmsOff {
			names = append(names, h.Name)
		}
	}
	for _, c := range f.vc().Clusters {
		if c.Alarms == live.AlarmsOff {
			names = append(names, c.Name)
		}
	}
	return names
}

func (f *fixture) silences() (list []plan.Setting) {
	for _, d := range f.ledger.Debts {
		if d.Setting == plan.Alarms || d.Setting == plan.Watch {
			list = append(list, d.Setting)
		}
	}
	return list
}

func stepsOf(p plan.Plan, part string) (list []string) {
	for _, s := range p.Steps {
		if strings.Contains(s.ID, part) {
			list = append(list, s.ID)
		}
	}
	return list
}

// What a scheduled power-down silences stays so until the power-up, whoever begins that.
func TestScheduledPowerDownIsQuiet(t *testing.T) {
	for name, lab := range map[string]func() *fixture{"home": homeLab, "its vCenter goes down, too": insideLab, "dr-box": drBox} {
		t.Run(name, func(t *testing.T) {
			f := watched(lab())
			down := f.observed().plan(t, runbooks.PowerDown)
			require.Empty(t, down.Blockers)
			require.NotEmpty(t, stepsOf(down, "silence-host:"))
			require.Contains(t, stepsOf(down, "silence-"), "silence-monitoring:pager")
			require.Empty(t, stepsOf(down, "resume-"), "it stays so")
			all := before(down)
			for _, s := range down.Steps {
				require.False(t, all[s.ID]["silence-monitoring:pager"], "%s waits for a monitoring", s.ID)
				if host, ok := strings.CutPrefix(s.ID, "shutdown-host:"); ok {
					require.True(t, all[s.ID]["silence-host:"+host], s.ID)
				}
			}
			f.run(t, down, newRand(), nil)
			require.NotEmpty(t, f.quiet())
			require.NotContains(t, f.quiet(), "nuc")
			require.Len(t, f.silences(), len(f.quiet())+1)
			again := f.observed().plan(t, runbooks.PowerDown)
			require.Empty(t, again.Steps, "%v", again.Steps)

			f.scheduled = false // a person comes in the morning
			up := f.observed().plan(t, runbooks.PowerUp)
			require.Empty(t, up.Blockers)
			require.Empty(t, stepsOf(up, "silence-"))
			last := before(up)["resume-monitoring:pager"]
			for _, s := range up.Steps {
				if s.Action == plan.PowerOnGuest || s.Action == plan.PowerOnHost {
					require.True(t, last[s.ID], "%s comes before who watches is told", s.ID)
				}
			}
			f.run(t, up, newRand(), nil)
			require.Empty(t, f.quiet())
			require.Empty(t, f.silences())
			require.Empty(t, f.observed().plan(t, runbooks.PowerUp).Steps)
		})
	}
}

// A power-up gives back what it has silenced itself, after an abort, too.
func TestScheduledPowerUpIsQuietWhileItRuns(t *testing.T) {
	f := watched(allDown())
	up := f.plan(t, runbooks.PowerUp)
	require.Len(t, stepsOf(up, "silence-host:"), 4)
	require.Equal(t, []string{"silence-cluster:Lab"}, stepsOf(up, "silence-cluster:"))
	for _, id := range stepsOf(up, "resume-") {
		s := step(t, up, id)
		require.True(t, s.Always)
		require.Equal(t, strings.Replace(id, "resume-", "silence-", 1), s.OnlyAfter)
	}
	f.run(t, up, newRand(), nil)
	require.Empty(t, f.quiet())
	require.Empty(t, f.silences())
	require.Empty(t, f.plan(t, runbooks.PowerUp).Steps)
}

func TestWhoIsSilencedWhen(t *testing.T) {
	unwatched := homeLab().plan(t, runbooks.PowerDown).Hash()
	f := watched(homeLab())
	f.scheduled = false
	require.Equal(t, unwatched, f.plan(t, runbooks.PowerDown).Hash(), "runs of people are as before")
	f.lab.Runbooks = map[string]inventory.Runbook{runbooks.PowerDown: {Silence: inventory.SilenceAlways}}
	require.Len(t, stepsOf(f.plan(t, runbooks.PowerDown), "silence-"), 6)
	f.scheduled = true
	f.lab.Runbooks[runbooks.PowerDown] = inventory.Runbook{Silence: inventory.SilenceNever}
	require.Empty(t, stepsOf(f.plan(t, runbooks.PowerDown), "silence-"))

	f = watched(homeLab())
	f.vc().Hosts[1].Alarms, f.vc().Clusters[1].Alarms = live.AlarmsDenied, live.AlarmsDenied
	f.vc().Hosts[2].Alarms, f.vc().Hosts[3].Alarms = live.AlarmsOff, ""
	p := f.plan(t, runbooks.PowerDown)
	require.Equal(t, []string{"silence-host:esx24", "silence-monitoring:pager"}, stepsOf(p, "silence-"))
	require.True(t, among(p.Warnings, finding{"host esx21", "may not switch off alarm actions"}))
	require.True(t, among(p.Warnings, finding{"cluster Lab", "may not switch off alarm actions"}))
	for _, s := range p.Steps {
		require.Equal(t, strings.Contains(s.ID, "silence-"), s.Minor(), s.ID)
	}
}

// Monitoring watches the rest of the lab: it is quiet only as long as a run for a part of it.
func TestMonitoringWatchesOnAfterAPart(t *testing.T) {
	f := watched(homeLab())
	f.params = map[string]string{"host": "esx23"}
	down := f.plan(t, runbooks.PowerDown)
	require.Equal(t, []string{"silence-host:esx23", "silence-monitoring:pager"}, stepsOf(down, "silence-"))
	require.Equal(t, []string{"resume-monitoring:pager"}, stepsOf(down, "resume-"))
	require.True(t, before(down)["resume-monitoring:pager"]["shutdown-host:esx23"])
	f.run(t, down, newRand(), nil)
	require.Equal(t, []string{"esx23"}, f.quiet())
	up := f.plan(t, runbooks.PowerUp)
	require.Equal(t, []string{"silence-cluster:Lab", "silence-monitoring:pager"}, stepsOf(up, "silence-"))
	require.Equal(t, []string{"resume-cluster:Lab", "resume-host:esx23", "resume-monitoring:pager"}, stepsOf(up, "resume-"))
	f.run(t, up, newRand(), nil)
	require.Empty(t, f.quiet())
	require.Empty(t, f.silences())
}

func TestSettleLetsThemSpeakAgain(t *testing.T) {
	f := watched(homeLab())
	for _, s := range f.plan(t, runbooks.PowerDown).Steps {
		if strings.HasPrefix(s.ID, "silence-") { // and then it was aborted
			f.apply(t, s)
		}
	}
	f.host("esx22").Connection = live.NotResponding
	p := f.plan(t, runbooks.Settle)
	require.Equal(t, []string{"resume-cluster:Lab", "resume-host:esx21", "resume-host:esx23", "resume-host:esx24", "resume-monitoring:pager"}, stepsOf(p, "resume-"))
	require.True(t, among(p.Warnings, finding{"host esx22", "its alarms are to act again"}))
	f.run(t, p, newRand(), nil)
	require.Equal(t, []string{"esx22"}, f.quiet())

	f = watched(allDown())
	f.ledger.Debts = append(f.ledger.Debts, plan.Debt{ID: plan.MonitoringDebt("pager"), Setting: plan.Watch, Target: plan.Target{Kind: plan.Watcher, Name: "pager"}},
		plan.Debt{ID: plan.MonitoringDebt("old"), Setting: plan.Watch, Target: plan.Target{Kind: plan.Watcher, Name: "old"}},
		plan.Debt{ID: plan.DebtID("vc1", "host-99", plan.Alarms), Setting: plan.Alarms, Target: plan.Target{Kind: plan.Host, Name: "esx99", Endpoint: "vc1", Ref: "host-99"}})
	p = f.plan(t, runbooks.Settle)
	require.Empty(t, stepsOf(p, "resume-"))
	require.True(t, among(p.Warnings, finding{"monitoring pager", "no host of the lab is up"}))
	require.True(t, among(p.Warnings, finding{"monitoring old", "does not list it any more"}))
	require.True(t, among(p.Warnings, finding{"host esx99", "has no such host any more"}))
}

// A vCenter that does not answer, and of which nobody knows what it had, lets nothing speak again: the power-up that finds it does.
func TestWithoutARecordThoseWhoWatchAreToldLater(t *testing.T) {
	f := watched(insideLab())
	f.run(t, f.observed().plan(t, runbooks.PowerDown), newRand(), nil)
	f.record = nil
	up := f.observed().plan(t, runbooks.PowerUp)
	require.NotEmpty(t, stepsOf(up, "power-on-host:"))
	require.Empty(t, stepsOf(up, "resume-"), "the rest comes with another run")
	for range 3 {
		f.run(t, f.observed().plan(t, runbooks.PowerUp), newRand(), nil)
	}
	require.Empty(t, f.quiet())
	require.Empty(t, f.silences())
}

// What only a monitoring waits for is waited for by the end of the plan, too: the mark stays until all is done.
func TestTheMarkStaysUntilWhatMonitoringWaitsForIsDone(t *testing.T) {
	f := watched(homeLab())
	g := f.guest("web01")
	g.Power, g.Tools = live.PoweredOff, false
	f.ledger.Memory = append(f.ledger.Memory, plan.RememberedGuest{Endpoint: "vc1", UUID: g.UUID, Name: g.Name, Tools: true, Since: at, Run: "run-0"})
	up := f.plan(t, runbooks.PowerUp)
	require.Equal(t, []string{"resume-monitoring:pager"}, stepsOf(up, "resume-"))
	all := before(up)
	for _, s := range up.Steps {
		if s.ID != "unmark-lab:vc1" && s.Target.Kind != plan.Watcher {
			require.True(t, all["unmark-lab:vc1"][s.ID], "%s comes after the mark is off", s.ID)
		}
	}
}
