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

	"github.com/stretchr/testify/require"

	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/internal/runapi"
	"nightshift/internal/simlab"
	"nightshift/test/kinds"
)

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
	running    begin = iota // all that is to run does
	lowered                 // a power-down for the same reason has ended, well or not
	halfway                 // a power-down was aborted at its first guest
	tableless               // all volumes were saved, and then the partition table of one was lost
	replicated              // there are old recovery points on both sides, of which two are held for nothing
)

// subjects are tried one after the other on the same lab, which after the last is again as it was. Which kinds of steps they
// have is found out by running them once.
var subjects = []subject{
	{"l1tf-options", plan.StepsWorkflow, running, "mode=protect hosts=esx22"}, // first: a host is seen to be booted again a minute after it was booted
	{"cbt-reset", plan.StepsWorkflow, running, "guests=web01 unmap=disable"},
	{"words", plan.StepsWorkflow, running, ""},
	{"vcsa-restart-services", plan.StepsWorkflow, running, "machine=appliance"},
	{"guest-repair-sysprep", plan.StepsWorkflow, running, "guest=web01"},
	down,
	up,
	{"power-down", plan.PowerDownWorkflow, running, onUPS},
	{"power-up", plan.PowerUpWorkflow, lowered, onUPS}, // it has no steps that power-up has not, and no policy of its own
	owing,
	mail,
	{"prune", plan.PruneWorkflow, replicated, "group=mail release=true"},
	{"lun-map", plan.LUNMapWorkflow, running, ""},
	{"vmfs-inspect", plan.VMFSInspectWorkflow, running, ""},
	saving,
	{"vmfs-restore-partition", plan.VMFSRestorePartitionWorkflow, tableless, "lun=" + kinds.LostDataset + " serial=" + simlab.NewLUN(kinds.LostDataset, 0).Serial},
}

var (
	down  = subject{"power-down", plan.PowerDownWorkflow, running, ""}
	up    = subject{"power-up", plan.PowerUpWorkflow, lowered, ""}
	owing = subject{"settle", plan.SettleWorkflow, halfway, ""}

	mail   = subject{"replicate", plan.ReplicateWorkflow, running, "group=mail"}
	saving = subject{"vmfs-backup", plan.VMFSBackupWorkflow, running, ""}
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
  - {id: message, uses: notify, with: {text: "all is well", channels: [hook]}}
  - {id: question, uses: confirm, with: {message: "Go on?"}, timeout: 1h}
`

// start is what a person runs whom an aborted run has left a guest that is off. A power-up starts what a power-down took down.
const start = `name: start
description: start a guest
steps:
  - {id: start, uses: guest/powerOn, with: {guest: web01}}
`

// survey runs every subject once, and tells which kinds of steps each has.
func survey(t *testing.T, srv *server) map[subject][]kinds.Kind {
	r := newRig(t, srv, "survey")
	has := map[subject][]kinds.Kind{}
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
		for _, action := range kinds.All() {
			all := slices.DeleteFunc(slices.Clone(subjects), func(s subject) bool { return !slices.Contains(has[s], action) })
			for _, f := range faults() {
				users := usersOf(all, f)
				switch {
				case action.Action == plan.Join:
					table.skip(action, f, "it does nothing: where many edges of a large plan meet")
					continue
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
func (r *rig) try(action kinds.Kind, f fault, table *table, users []subject) {
	before, clusters := r.lab.Guests(), r.lab.Clusters()
	var last subject
	var left []string // the guests that may have died
	for _, s := range users {
		r.stage(s, last)
		sheet := r.broken(s, action, f)
		table.add(s, action, f, sheet)
		target := r.traps.disarm()
		if s.told == onUPS && sheet.Outcome == runapi.Partial { // on battery all others go down
			switch action.Action {
			case plan.ShutdownGuest: // one that cannot loses its storage
				left = append(left, target)
			case plan.StopApplication: // the members of a cluster that was not stopped may fence one another
				left = append(left, r.lab.Spec().Applications[0].Members...)
			default:
			}
		}
		last = s
	}
	r.backUp() // whatever happened: everything is as it was
	for name, g := range r.lab.Guests() {
		if was, ok := before[name]; ok && !g.VCLS {
			require.Equal(r, was.Power, g.Power, "guest %s", name)
			require.True(r, g.Crashes == 0 || slices.Contains(left, name), "guest %s died", name)
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
	case tableless:
		r.whole(saving)
		require.NoError(r, kinds.LoseTable(r.lab))
	case replicated:
		r.replicated()
	case running:
	}
}

// backUp powers the lab up. Without a record of the vCenter each run does what it can see. What is owed by others than a
// power-down is given back by settle, after the snapshots that keep it from that are gone; what a step runbook has left off, a person starts.
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
	if r.lab.Guests()["web01"].Power == live.PoweredOff {
		r.whole(subject{"start", plan.StepsWorkflow, running, ""})
	}
}

// replicated leaves what is to be pruned: points of an old day on the source, and one of today on either side that is not the newest.
func (r *rig) replicated() {
	r.Helper()
	require.NoError(r, kinds.OldPoints(r.Context(), r.lab))
	r.whole(mail)
	r.whole(mail)
	require.NoError(r, kinds.HoldOldPoints(r.Context(), r.lab))
}

// halfway leaves the lab where a power-down was aborted as its first guest went down. What is in flight lands first: of a host that was only
// about to enter maintenance mode that would be owed, but there would be nothing to take back, and no call that a fault could meet.
func (r *rig) halfway() {
	r.Helper()
	r.broken(down, kinds.Kind{Action: plan.ShutdownGuest}, fault{at: straight, meanwhile: func(r *rig, run string, _ *trap) {
		r.order(run, runapi.Pause, runapi.Order{Reason: "a moment"})
		r.eventually("what is in flight lands", func() bool { return r.sheet(run).Running == 0 })
		r.order(run, runapi.Abort, runapi.Order{Reason: "enough"})
	}, ends: []string{runapi.Aborted}})
	r.traps.disarm()
}

// whole runs a runbook that nothing happens to.
func (r *rig) whole(s subject) runapi.Sheet {
	r.Helper()
	id := r.begin(s)
	sheet := r.settle(id)
	for sheet.Outcome == "" && r.confirm(id, sheet, nil) {
		sheet = r.settle(id)
	}
	require.Equal(r, runapi.Done, sheet.Outcome, "%s: %s %v\n%s", s, sheet.Why, sheet.Notes, r.planOf(id))
	r.once(id, sheet)
	require.Empty(r, r.ledger().Locks)
	return sheet
}

// broken runs a runbook of which one step breaks.
func (r *rig) broken(s subject, action kinds.Kind, f fault) runapi.Sheet {
	r.Helper()
	trap := r.traps.arm(r, "", action, f)
	r.handOverAt = f.handOver
	id := r.begin(s)
	r.handOverAt = 0
	var sheet runapi.Sheet
	answer, answered := f.answer, false
	switch {
	case answer != nil:
	case slices.Contains(unseen, action.Action):
		answer = retried
	case action.Action == plan.Confirm:
		answer = confirmed
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
		case r.confirm(id, sheet, trap): // the runbook asked, as it does
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
		require.False(r, slices.ContainsFunc(r.plan(id).Steps, func(x plan.Step) bool { return kinds.Of(x) == action }), "a step %s of %s was not begun", action, s)
		return sheet
	}
	if trap.unstruck >= 0 {
		require.Greater(r, r.lab.Struck(), trap.unstruck, "%s of %s has sent no call that the fault could meet", trap.step, s)
	}
	ends := slices.Clone(f.ends)
	if len(ends) == 0 {
		ends = []string{runapi.Done}
	}
	if r.policy(id, trap.step) == plan.Skip {
		switch {
		case f.fails:
			ends = []string{runapi.Partial}
		case f.answer != nil: // there is nobody to ask
			ends = append(ends, runapi.Partial)
		}
	}
	require.Contains(r, ends, sheet.Outcome, "%s: %s %v", s, sheet.Why, sheet.Notes)
	r.once(id, sheet)
	r.rest()
	st := r.ledger()
	require.Empty(r, st.Locks)
	require.Len(r, sheet.Owed, len(st.Debts), "what is owed is said")
	return sheet
}

// policy is what a step of a run does when it has failed for good.
func (r *rig) policy(id, step string) plan.OnFailure {
	r.Helper()
	steps := r.plan(id).Steps
	i := slices.IndexFunc(steps, func(s plan.Step) bool { return s.ID == step })
	require.GreaterOrEqual(r, i, 0, "the plan has no step %s", step)
	if steps[i].Minor() { // nothing waits for it, and the executor skips it
		return plan.Skip
	}
	return steps[i].OnFailure
}

// confirm says yes to the questions of a run, but for the one that is in the trap, and answers whether there may have been one.
func (r *rig) confirm(id string, sheet runapi.Sheet, t *trap) (asked bool) {
	r.Helper()
	p := r.plan(id)
	if len(p.Steps) != len(sheet.Steps) {
		return true // it is another by now: look again
	}
	for i, c := range sheet.Steps {
		if s := p.Steps[i]; c == runapi.Blocked && s.Action == plan.Confirm && (t == nil || t.action != kinds.Of(s)) {
			asked = true
			r.order(id, runapi.Confirm, runapi.Order{Steps: []string{s.ID}, Reason: "yes"})
		}
	}
	return asked
}

func closed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
