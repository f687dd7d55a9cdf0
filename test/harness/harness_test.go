//go:build e2e

package harness

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
	"nightshift/internal/simlab"
)

// A kind of step: an action, through the vCenter or through a host's own API. Settings are of two kinds: those of clusters
// that others wait for, and alarms, for which nothing waits.
type kind struct {
	action plan.Action
	direct bool
	alarms bool
}

func (k kind) String() string {
	if k.alarms {
		return string(k.action) + " (alarms)"
	}
	if k.direct {
		return string(k.action) + " (direct)"
	}
	return string(k.action)
}

func kindOf(s plan.Step) kind {
	k := kind{action: s.Action, direct: s.Target.Direct != ""}
	if s.Action == plan.SuspendSetting || s.Action == plan.SettleDebt {
		k.alarms = s.Minor()
	}
	return k
}

// kinds are all there are: every action, and those of them that may go to a host itself.
func kinds() (all []kind) {
	for _, a := range plan.Actions() {
		all = append(all, kind{action: a})
		switch a {
		case plan.SuspendSetting, plan.SettleDebt:
			all = append(all, kind{action: a, alarms: true})
		case plan.ShutdownGuest, plan.PowerOnGuest, plan.CheckGuest, plan.EnterMaintenance, plan.ExitMaintenance, plan.ShutdownHost, plan.AwaitHost, plan.AwaitDatastores:
			all = append(all, kind{action: a, direct: true})
		}
	}
	return all
}

// A subject is a runbook that the harness tries. A new runbook joins by a line in subjects.
type subject struct {
	runbook, workflow string
	from              begin
	// told are the parameters that it is given, NAME=VALUE with spaces between them.
	told string
}

// A begin is how the lab is when a subject begins.
type begin int

const (
	running begin = iota // all that is to run does
	lowered              // a power-down for the same reason has ended, well or not
	halfway              // a power-down was aborted at its first guest
)

// subjects are tried one after the other on the same lab, which after the last is again as it was. Which kinds of steps they
// have is found out by running them once.
var subjects = []subject{
	{"l1tf-options", runapi.StepsType, running, "mode=protect hosts=esx22"}, // first: a host is seen to be booted again a minute after it was booted
	{"cbt-reset", runapi.StepsType, running, "guests=web01 unmap=disable"},
	{"words", runapi.StepsType, running, ""},
	down,
	up,
	{"power-down", runapi.PowerDownType, running, onUPS},
	{"power-up", runapi.PowerUpType, lowered, onUPS}, // it has no steps that power-up has not, and no policy of its own
	owing,
}

var (
	down  = subject{"power-down", runapi.PowerDownType, running, ""}
	up    = subject{"power-up", runapi.PowerUpType, lowered, ""}
	owing = subject{"settle", runapi.SettleType, halfway, ""}
)

// onUPS has a run made on account of the UPS that feeds both hosts: nobody is asked, and what fails is skipped.
const onUPS = "ups=rack"

// String is its name in the table.
func (s subject) String() string {
	if s.told == onUPS {
		return s.runbook + " by UPS"
	}
	return s.runbook
}

// before is the power-down after which a subject that begins with a lowered lab does.
func (s subject) before() subject {
	return subject{down.runbook, down.workflow, running, s.told}
}

// words is a step runbook with what the others have not.
const words = `name: words
description: what the other runbooks of the harness do not have
steps:
  - {id: command, uses: ssh/run, with: {at: box, run: [touch, /tmp/nightshift]}, timeout: 20s}
  - {id: probe, uses: http/probe, with: {url: %q}, timeout: 1m}
  - {id: pause, uses: wait, with: {for: 1s}}
  - {id: option, uses: host/readOption, with: {host: esx21, option: UserVars.SuppressHyperthreadWarning}}
`

// labSpec is the smallest lab that has every kind of step: of two hosts one carries the storage, the name server and the
// vCenter of all, and there is a cluster inside guests.
func labSpec() simlab.Spec {
	hosts, started := []string{"esx21", "esx22"}, []string{"StartUp"} // which counts where nothing is remembered
	return simlab.Spec{
		Clusters:     []simlab.ClusterSpec{{Name: "Lab", HA: true, DRS: true, DPM: true, VCLS: 2, Evacuates: true}},
		Datastores:   []simlab.DatastoreSpec{{Name: "local21", Hosts: hosts[:1]}, {Name: "shared01", ProvidedBy: "san01"}},
		Hosts:        []simlab.HostSpec{{Name: hosts[0], Cluster: "Lab", Direct: true}, {Name: hosts[1], Cluster: "Lab"}},
		VCenterGuest: "vcenter",
		VCenterBoot:  time.Minute,
		Guests: []simlab.GuestSpec{
			{Name: "san01", Host: hosts[0], Datastore: "local21", Tags: started},
			{Name: "dc01", Host: hosts[0], Datastore: "local21", Provides: []string{"dns"}, Tags: started},
			{Name: "vcenter", Host: hosts[0], Datastore: "local21", Tags: started},
			{Name: "pg01", Host: hosts[0], Datastore: "shared01", Shutdown: 10 * time.Second, HTTP: true, Tags: started},
			{Name: "pg02", Host: hosts[1], Datastore: "shared01", HTTP: true, Tags: started},
			{Name: "web01", Host: hosts[1], Datastore: "shared01", After: []string{"pg01"}, HTTP: true, Login: true, Tracked: true, Tags: started},
			{Name: "spare", Host: hosts[1], Datastore: "shared01", Off: true},
		},
		Applications: []simlab.ApplicationSpec{{Name: "pg", Members: []string{"pg01", "pg02"}}},
		Machines:     []simlab.MachineSpec{{Name: "box", TakesAll: true}},
	}
}

// survey runs every subject once, and tells which kinds of steps each has.
func survey(t *testing.T, srv *server) map[subject][]kind {
	r := newRig(t, srv, "survey")
	has := map[subject][]kind{}
	var last subject
	for _, s := range subjects {
		r.stage(s, last)
		r.traps.kinds()
		r.whole(s)
		has[s], last = r.traps.kinds(), s
	}
	return has
}

func TestEveryStepEveryFault(t *testing.T) {
	srv := newServer(t)
	table := newTable(t)
	var n atomic.Int64
	pairs, sample := 0, 1
	if word := os.Getenv("NIGHTSHIFT_SAMPLE"); word != "" {
		var err error
		sample, err = strconv.Atoi(word)
		require.NoError(t, err)
	}
	has := survey(t, srv)
	t.Run("all", func(t *testing.T) {
		for _, action := range kinds() {
			all := slices.DeleteFunc(slices.Clone(subjects), func(s subject) bool { return !slices.Contains(has[s], action) })
			for _, f := range faults() {
				users := usersOf(all, f)
				switch {
				case len(users) == 0:
					table.skip(action, f, "no runbook of the harness has it")
					continue
				case f.skip != nil && f.skip(action) != "":
					table.skip(action, f, f.skip(action))
					continue
				}
				if pairs++; pairs%sample != 0 || table.knows(action, f) {
					continue
				}
				t.Run(strings.ReplaceAll(fmt.Sprintf("%s/%s", action, f.name), " ", "-"), func(t *testing.T) {
					t.Parallel() // most of it is waiting
					t.Cleanup(func() { table.keep(t, action, f) })
					r := newRig(t, srv, fmt.Sprintf("h%d", n.Add(1)))
					r.try(action, f, table, users)
				})
			}
		}
	})
	table.print(t)
}

// usersOf are the subjects with which a fault of a kind of step is tried: of those that run in the same workflow the first,
// and a run on account of a UPS where it does otherwise what comes after a failure.
func usersOf(all []subject, f fault) (users []subject) {
	for _, s := range all {
		same := slices.ContainsFunc(users, func(o subject) bool { return o.workflow == s.workflow })
		if !same || s.told == onUPS && s.runbook == down.runbook && f.answer != nil {
			users = append(users, s)
		}
	}
	return users
}

// try goes through the subjects that have a step with the action, and breaks the first one in each.
func (r *rig) try(action kind, f fault, table *table, users []subject) {
	before, clusters := r.lab.Guests(), r.lab.Clusters()
	var last subject
	left := "" // the guest that may have died
	for _, s := range users {
		r.stage(s, last)
		sheet := r.broken(s, action, f)
		table.add(s, action, f, sheet)
		target := r.traps.disarm()
		if s.told == onUPS && action.action == plan.ShutdownGuest && sheet.Outcome == runapi.Partial {
			left = target // on battery all others go down: one that cannot loses its storage
		}
		last = s
	}
	r.backUp() // whatever happened: everything is as it was
	for name, g := range r.lab.Guests() {
		if was, ok := before[name]; ok && !g.VCLS {
			require.Equal(r, was.Power, g.Power, "guest %s", name)
			require.True(r, g.Crashes == 0 || name == left, "guest %s died", name)
		}
	}
	require.Equal(r, clusters, r.lab.Clusters())
	for name, h := range r.lab.Hosts() {
		require.False(r, h.Maintenance, "host %s", name)
	}
	st := r.ledger()
	require.Empty(r, st.Debts)
	require.Empty(r, st.Memory)
}

// stage has the lab be as the subject begins with it, after the one that was tried last.
func (r *rig) stage(s, last subject) {
	r.Helper()
	if s.from == lowered && last == s.before() {
		return
	}
	if last != (subject{}) {
		r.backUp()
	}
	switch s.from {
	case lowered:
		r.whole(s.before())
	case halfway:
		r.halfway()
	case running:
	}
}

// backUp powers the lab up. Without a record of the vCenter each run does what it can see. What is owed by others than a
// power-down is given back by settle, after the snapshots that keep it from that are gone.
func (r *rig) backUp() {
	r.Helper()
	for range 4 {
		if r.whole(up).Total == 0 {
			break
		}
	}
	if len(r.ledger().Debts) > 0 {
		r.unsnapshot()
		r.whole(owing)
	}
}

// halfway leaves the lab where a power-down was aborted as its first guest went down.
func (r *rig) halfway() {
	r.Helper()
	r.broken(down, kind{action: plan.ShutdownGuest}, fault{at: straight, meanwhile: func(r *rig, run string, _ *trap) {
		r.order(run, runapi.Abort, runapi.Order{Reason: "enough"})
	}, ends: []string{runapi.Aborted}})
	r.traps.disarm()
}

// whole runs a runbook that nothing happens to.
func (r *rig) whole(s subject) runapi.Sheet {
	r.Helper()
	id := r.begin(s)
	sheet := r.settle(id)
	require.Equal(r, runapi.Done, sheet.Outcome, "%s: %s %v\n%s", s, sheet.Why, sheet.Notes, r.planOf(id))
	r.once(sheet)
	require.Empty(r, r.ledger().Locks)
	return sheet
}

// broken runs a runbook of which one step breaks.
func (r *rig) broken(s subject, action kind, f fault) runapi.Sheet {
	r.Helper()
	trap := r.traps.arm(r, "", action, f)
	r.handOverAt = f.handOver
	id := r.begin(s)
	r.handOverAt = 0
	var sheet runapi.Sheet
	answer, answered := f.answer, false
	if answer == nil && slices.Contains(unseen, action.action) {
		answer = retried
	}
	meanwhile := make(chan struct{})
	if f.meanwhile == nil {
		close(meanwhile)
	} else {
		r.eventually("a step "+action.String()+" of "+s.String(), func() bool {
			return closed(trap.sprung) || r.sheet(id).Phase == runapi.PhaseEnd
		})
		go func() {
			defer close(meanwhile)
			if closed(trap.sprung) {
				f.meanwhile(r, id, trap)
			}
		}()
	}
	for {
		sheet = r.settle(id)
		<-meanwhile
		if sheet.Outcome != "" {
			break
		}
		switch {
		case sheet.Blocked == 0: // not stuck any more
		case answer != nil && !answered:
			answered = true
			answer(r, id, trap)
		case answer != nil: // what came of the answer is blocked, and says why
			for _, note := range sheet.Notes {
				require.NotEmpty(r, note)
			}
			r.order(id, runapi.Abort, runapi.Order{Reason: "it goes no further"})
		default:
			require.FailNow(r, "stuck", "%s: %v", s, sheet.Notes)
		}
	}
	if !closed(trap.sprung) { // the run before this one was stopped before it had touched anything
		require.False(r, slices.ContainsFunc(r.plan(id).Steps, func(x plan.Step) bool { return kindOf(x) == action }), "a step %s of %s was not begun", action, s)
		return sheet
	}
	ends := slices.Clone(f.ends)
	if len(ends) == 0 {
		ends = []string{runapi.Done}
	}
	if f.answer != nil && s.told == onUPS { // there is nobody to ask
		ends = append(ends, runapi.Partial)
	}
	require.Contains(r, ends, sheet.Outcome, "%s: %s %v", s, sheet.Why, sheet.Notes)
	r.once(sheet)
	r.rest()
	st := r.ledger()
	require.Empty(r, st.Locks)
	require.Len(r, sheet.Owed, len(st.Debts), "what is owed is said")
	return sheet
}

func closed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
