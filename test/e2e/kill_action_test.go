//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/nut/nuttest"
	"nightshift/internal/plan"
	"nightshift/internal/simlab"
	"nightshift/test/kinds"
)

// A leg is a run in which nightshift is killed at the first step of each of the kinds.
type leg struct {
	run []string // the runbook and its parameters
	at  []kinds.Kind
	// before is what happens to the lab first. May be nil.
	before func(*hunt)
}

func through(actions ...plan.Action) (list []kinds.Kind) {
	for _, a := range actions {
		list = append(list, kinds.Kind{Action: a})
	}
	return list
}

func directly(actions ...plan.Action) (list []kinds.Kind) {
	for _, a := range actions {
		list = append(list, kinds.Kind{Action: a, Direct: true})
	}
	return list
}

// onUPS has a run made on account of the UPS that feeds both hosts.
const onUPS = "ups=rack"

// killed are tours of one lab each: runs one after the other, after which all is as it was.
var killed = map[string][]leg{
	"settings, guests and hosts": {
		{run: []string{"power-down"}, at: append(through(plan.RememberRunning, plan.MarkLab, plan.SuspendSetting, plan.ShutdownGuest, plan.EnterMaintenance, plan.ShutdownHost),
			directly(plan.ShutdownGuest)...)},
		{run: []string{"power-up"}, at: append(through(plan.PowerOnHost, plan.AwaitVCenter, plan.SettleDebt, plan.PowerOnGuest, plan.CheckGuest), directly(plan.PowerOnGuest)...)},
	},
	"what the lab stands on": {
		{run: []string{"power-down"}, at: append(through(plan.RecordLab, plan.SilenceMonitoring, plan.StopApplication), directly(plan.EnterMaintenance, plan.ShutdownHost)...)},
		{run: []string{"power-up"}, at: append(through(plan.AwaitHost, plan.AwaitDatastores, plan.StartApplication, plan.ResumeMonitoring),
			directly(plan.AwaitHost, plan.ExitMaintenance, plan.AwaitDatastores, plan.CheckGuest)...)},
	},
	"a power cut": {
		{run: []string{"power-down", "-p", onUPS}, at: through(plan.CheckMains, plan.UnmarkLab, plan.OrderLoadOff)},
		{run: []string{"power-up"}, at: through(plan.MarkLab, plan.ExitMaintenance, plan.ForgetRunning)},
	},
	"step runbooks": {
		{run: []string{"l1tf-options", "-p", "mode=protect", "-p", "hosts=esx22"}, at: through(plan.SetHostOption, plan.RebootHost)},
		{run: []string{"words"}, at: through(plan.RunCommand, plan.ProbeHTTP, plan.Wait, plan.ReadHostOption, plan.SendMessage, plan.Confirm)},
		{run: []string{"cbt-reset", "-p", "guests=web01", "-p", "unmap=disable"},
			at: through(plan.RunInGuest, plan.SetChangeTracking, plan.SnapshotGuest, plan.RemoveSnapshot)},
	},
	"replicas": {
		{run: []string{"replicate", "-p", "group=mail"}, before: func(h *hunt) {
			require.NoError(h.t, kinds.OldPoints(h.t.Context(), h.lab))
			slowStorage(h)
		},
			at: through(plan.MarkGroup, plan.SnapshotGroup, plan.SendDataset, plan.VerifyReplicas, plan.KeepPoint, plan.SaveRecord, plan.MeasureGroup)},
		{run: []string{"prune", "-p", "group=mail", "-p", "release=true"}, before: func(h *hunt) {
			h.must("run", "replicate", "-p", "group=mail", "--yes") // so that a point of today is not the newest
			require.NoError(h.t, kinds.HoldOldPoints(h.t.Context(), h.lab))
		}, at: through(plan.ReleaseHolds, plan.DestroyPoints, plan.UnmarkGroup)},
	},
	"LUNs": {
		{run: []string{"lun-map"}, before: slowStorage, at: through(plan.MapLUNs)},
		{run: []string{"vmfs-inspect"}, at: through(plan.InspectVolume)},
		{run: []string{"vmfs-backup"}, at: through(plan.SaveVolume, plan.CopyBackup)},
		{run: []string{"vmfs-restore-partition", "-p", "lun=" + kinds.LostDataset, "-p", "serial=" + simlab.NewLUN(kinds.LostDataset, 0).Serial},
			before: func(h *hunt) { require.NoError(h.t, kinds.LoseTable(h.lab)) }, at: through(plan.RestoreTable)},
	},
}

// slowStorage makes steps that only read last long enough for one to be seen under way, from now on.
func slowStorage(h *hunt) {
	h.lab.Inject(simlab.Fault{System: "ssh:ss1", Kind: simlab.Delay, Delay: 300 * time.Millisecond})
}

// spared are the actions at which nightshift is not killed.
var spared = map[plan.Action]string{
	plan.Join: "it does nothing: where many edges of a large plan meet",
}

// words is a step runbook with what those of the library do not have.
const words = `name: words
description: what the runbooks of the library do not have
steps:
  - {id: command, uses: ssh/run, with: {at: box, run: [touch, /tmp/nightshift]}, timeout: 1m}
  - {id: probe, uses: http/probe, with: {url: %[1]q}, timeout: 1m}
  - {id: pause, uses: wait, with: {for: 3s}}
  - {id: option, uses: host/readOption, with: {host: esx21, option: UserVars.SuppressHyperthreadWarning}}
  - {id: message, uses: notify, with: {text: "all is well", channels: [hook]}}
  - {id: question, uses: confirm, with: {message: "Go on?"}, timeout: 1h}
`

// beside is what the lab file has beside the lab: who is to be quiet, a UPS, and who takes messages.
const beside = `
runbooks: {power-down: {silence: always}, power-up: {silence: always}}
monitoring: [{name: pager, silence: {url: "%[1]s/silence", insecure: true}, resume: {url: "%[1]s/resume", insecure: true}}]
ups:
  - {name: rack, server: %[2]q, user: %[3]s, password: "file:%[4]s", feeds: [esx21, esx22], self: true, switches: [core],
     onBattery: {charge: 1, after: 1000h, steady: 2s}, policy: {hosts: {timeout: 5m}}, loadOff: {delay: 10s}, powerUp: {auto: false}}
notifications:
  channels: [{name: hook, url: "file:%[5]s", on: [message], runbooks: [words]}]
`

// TestEveryActionIsKilledOrSpared fails where there is a new one.
func TestEveryActionIsKilledOrSpared(t *testing.T) {
	at := map[kinds.Kind]bool{}
	for _, legs := range killed {
		for _, l := range legs {
			for _, k := range l.at {
				at[k] = true
			}
		}
	}
	for _, k := range kinds.All() {
		if k.Alarms {
			continue // an action as that of other settings
		}
		why := spared[k.Action]
		require.NotEqual(t, at[k], why != "", "%s: nightshift is either killed at it, or there is a reason", k)
		if why != "" {
			t.Logf("not killed at %s: %s", k, why)
		}
		delete(at, k)
	}
	require.Empty(t, at, "no such kinds of steps")
}

// TestKilledAtEveryKindOfStep kills nightshift at each kind of step: when its call has arrived and is not answered yet, or, of
// those that send none, as soon as one is under way.
func TestKilledAtEveryKindOfStep(t *testing.T) {
	for name, legs := range killed {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // most of it is waiting
			r := newRig(t, kinds.Lab(), 1)
			h := &hunt{rig: r}
			r.hear = func(c simlab.Record) { h.call(c.System, c.Verb) }
			h.furnish()
			before, clusters := r.lab.Guests(), r.lab.Clusters()
			r.start()
			for _, l := range legs {
				h.mains(!slices.Contains(l.run, onUPS))
				if l.before != nil {
					l.before(h)
				}
				h.through(l)
			}
			for name, g := range r.lab.Guests() {
				if was, ok := before[name]; ok && !was.VCLS && !g.VCLS {
					require.Equal(t, was.Power, g.Power, "guest %s", name)
				}
			}
			requireNoCrash(t, r.lab)
			require.Equal(t, clusters, r.lab.Clusters())
			st := r.ledger()
			require.Empty(t, st.Locks)
			require.Empty(t, st.Debts)
			require.Empty(t, st.Memory)
		})
	}
}

// furnish gives the lab what is beside it: each tells the hunt of what it is asked, before it answers.
func (h *hunt) furnish() {
	t := h.t
	t.Helper()
	web := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) { h.asked(q.URL.Path) }))
	t.Cleanup(web.Close)
	h.nut = nuttest.Start(t, map[string]*nuttest.UPS{"rack": {Vars: map[string]string{"battery.charge": "90", "ups.delay.shutdown": "20"},
		Writable: []string{"ups.delay.shutdown", "ups.delay.start"}, Commands: []string{"shutdown.return"}, Counts: true}})
	h.nut.OnOrder(func(order string) { h.call("nut", order) })
	h.mains(true)
	secret, hook := filepath.Join(h.dir, "nut-password"), filepath.Join(h.dir, "hook-url")
	require.NoError(t, os.WriteFile(secret, []byte(h.nut.Password), 0o600))
	require.NoError(t, os.WriteFile(hook, []byte("generic+"+web.URL+"/hook?template=json"), 0o600))
	require.NoError(t, os.Mkdir(filepath.Join(h.dir, "runbooks"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(h.dir, "runbooks", "words.yaml"), fmt.Appendf(nil, words, web.URL+"/probe"), 0o600))
	lab, err := os.ReadFile(h.labFile)
	require.NoError(t, err)
	lab = fmt.Appendf(lab, beside, web.URL, h.nut.Address(), h.nut.User, secret, hook)
	require.NoError(t, os.WriteFile(h.labFile, lab, 0o600))
}

// mains are there, or are cut. The UPS counts nothing down.
func (h *hunt) mains(on bool) {
	status := "OB DISCHRG"
	if on {
		status = "OL CHRG"
	}
	h.nut.Set("rack", "ups.status", status)
	h.nut.Set("rack", "ups.timer.shutdown", "-1")
}
