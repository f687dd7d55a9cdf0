package activities

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"nightshift/internal/endpoint"
	"nightshift/internal/fault"
	"nightshift/internal/inventory"
	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/internal/simlab"
	"nightshift/internal/vsphere"
)

// An appRig is the simulated lab with an application cluster, and activities that reach it as they reach a real one.
type appRig struct {
	*simlab.Lab
	t   *testing.T
	w   *world // for the heartbeats alone
	lab *inventory.Lab
}

func newAppRig(t *testing.T) *appRig {
	t.Helper()
	sim, err := simlab.Start(t.Context(), simlab.Config{Spec: simlab.ClusterAppSpec(), Speed: 600})
	require.NoError(t, err)
	t.Cleanup(sim.Close)
	path, err := sim.WriteLabFile(t.TempDir())
	require.NoError(t, err)
	lab, err := inventory.Load(path)
	require.NoError(t, err)
	return &appRig{sim, t, newWorld(), lab}
}

// activities are those of a new process.
func (r *appRig) activities() *Activities {
	a := newActivities(r.w)
	a.lab, a.clients = r.lab, newClients(r.lab, slog.New(slog.DiscardHandler))
	r.t.Cleanup(a.Close)
	return a
}

// A short time is still enough for the simulated cluster, which takes some 50 ms.
const appShort = 1500 * time.Millisecond

func appCall(limit time.Duration) plan.Call {
	return plan.Call{Run: "run-1", Lab: "cluster", Step: "stop-application:pg", Target: plan.Target{Kind: plan.Application, Name: "pg"},
		Params: plan.Encode(plan.ApplicationParams{Application: "pg", Timeout: plan.Duration(limit)})}
}

func (r *appRig) stop(limit time.Duration) (plan.Outcome, error) {
	return attemptOf(r.t, r.activities(), plan.StopApplication, appCall(limit), nil)
}

func (r *appRig) state() string { return r.Applications()["pg"].State }

func (r *appRig) until(what string, cond func(*simlab.Lab) bool) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), time.Minute)
	defer cancel()
	require.NoError(r.t, r.WaitFor(ctx, cond), what)
}

// guests shuts the guests down, or starts them, through the vCenter, and waits until they are there.
func (r *appRig) guests(power string, names ...string) {
	r.t.Helper()
	v := r.lab.VCenters[0]
	e, err := endpoint.Resolve(r.t.Context(), v.Name, v.Endpoint, r.lab.Dir)
	require.NoError(r.t, err)
	c, err := vsphere.Connect(r.t.Context(), e)
	require.NoError(r.t, err)
	defer func() { _ = c.Close(context.WithoutCancel(r.t.Context())) }()
	all, err := c.Inspect(r.t.Context())
	require.NoError(r.t, err)
	for _, name := range names {
		for _, g := range all.Guests {
			switch {
			case g.Name != name:
			case power == "poweredOff":
				require.NoError(r.t, c.ShutdownGuest(r.t.Context(), g.Ref))
			default:
				_, err := c.PowerOnGuest(r.t.Context(), g.Ref)
				require.NoError(r.t, err)
			}
		}
	}
	r.until(power, func(l *simlab.Lab) bool {
		for _, name := range names {
			if g := l.Guests()[name]; g.Power != power || g.Ready != (power == "poweredOn") {
				return false
			}
		}
		return true
	})
}

func TestStopThenMembersDownFencesNobody(t *testing.T) {
	r := newAppRig(t)
	out, err := r.stop(time.Minute)
	require.NoError(t, err)
	require.True(t, out.Acted)
	require.Contains(t, out.Evidence, "stopped (`cluster status` at "+r.lab.ApplicationClusters[0].At[0].Address+": exit status 3: cluster pg is stopped")
	r.guests("poweredOff", "pg01", "pg02")
	require.Equal(t, simlab.ApplicationState{State: "stopped"}, r.Applications()["pg"])

	// Asked once more, nobody answers: the vCenter knows why.
	out, err = r.stop(time.Minute)
	require.NoError(t, err)
	require.Equal(t, "was already down with its members, which are all off: pg01, pg02", out.Note)
	require.False(t, out.Acted)

	r.guests("poweredOn", "pg01", "pg02")
	out, err = attemptOf(t, r.activities(), plan.StartApplication, appCall(time.Minute), nil)
	require.NoError(t, err)
	require.True(t, out.Acted)
	require.Equal(t, "running", r.state())
	out, err = attemptOf(t, r.activities(), plan.StartApplication, appCall(time.Minute), nil)
	require.NoError(t, err)
	require.Contains(t, out.Note, "was already up (")
	require.Equal(t, 1, r.Count("cluster stop", "pg"))
	require.Equal(t, 1, r.Count("cluster start", "pg"))
	require.Zero(t, r.Applications()["pg"].Failovers)
}

// The services of members that are up may need a while: it is decided to try again, and that is recorded.
func TestAStartWithoutAQuorumIsADecision(t *testing.T) {
	r := newAppRig(t)
	_, err := r.stop(time.Minute)
	require.NoError(t, err)
	r.guests("poweredOff", "pg02")
	a := r.activities()
	a.settle = 10 * time.Millisecond
	out, err := attemptOf(t, a, plan.StartApplication, appCall(time.Minute), nil)
	require.NoError(t, err)
	require.True(t, out.Unclear.NeverArrived)
	require.Contains(t, out.Unclear.What, "the command `cluster start` to application cluster pg was refused: ")
	require.Contains(t, out.Unclear.What, "exit status 1: no quorum: 1 of 2 members are up, 2 are needed")
	require.Contains(t, out.Unclear.Evidence, "stopped")
	require.Equal(t, 1, r.Count("cluster start", "pg"))
}

func TestARefusedStopTellsWhatWasPrinted(t *testing.T) {
	r := newAppRig(t)
	r.Inject(simlab.Fault{Verb: "cluster stop", Kind: simlab.Error, Status: 2})
	_, err := r.stop(time.Minute)
	requireType(t, err, Precondition)
	require.ErrorContains(t, err, "was refused: exit status 2: the cluster manager does not answer")
	require.Equal(t, 1, r.Count("cluster stop", "pg"))
	require.Equal(t, "running", r.state())
}

func TestALostAnswerOfAStopIsNotSentAgain(t *testing.T) {
	r := newAppRig(t)
	r.Inject(simlab.Fault{Verb: "cluster stop", Kind: simlab.LoseAnswer, Times: 1})
	out, err := r.stop(time.Minute)
	require.NoError(t, err)
	require.Nil(t, out.Unclear)
	require.True(t, out.Acted)
	require.Equal(t, "stopped", r.state())
	require.Equal(t, 1, r.Count("cluster stop", "pg"))
}

// Whether it arrived is not known, and it did not: nothing is sent without somebody who decides.
func TestAStopWithoutAnEffectIsUnclear(t *testing.T) {
	for name, kind := range map[string]simlab.Kind{"cut": simlab.Drop, "hangs": simlab.Hang} {
		t.Run(name, func(t *testing.T) {
			r := newAppRig(t)
			r.Inject(simlab.Fault{Verb: "cluster stop", Kind: kind, Times: 1})
			out, err := r.stop(appShort)
			require.NoError(t, err)
			require.NotNil(t, out.Unclear)
			require.False(t, out.Unclear.NeverArrived)
			require.Contains(t, out.Unclear.What, "still up (")
			require.Equal(t, "running", r.state())

			again := appCall(time.Minute)
			again.Decision, again.Before = 1, &out.Unclear.Memo
			out, err = attemptOf(t, r.activities(), plan.StopApplication, again, nil)
			require.NoError(t, err)
			require.Nil(t, out.Unclear)
			require.Equal(t, 1, r.Count("cluster stop", "pg"), "a recorded decision sends it")
		})
	}
}

// A stop that one member calls done may still be under way at the others, as long as the command has not ended.
func TestAStopIsNotDoneBeforeItsCommandHasEnded(t *testing.T) {
	r := newAppRig(t)
	r.Inject(simlab.Fault{System: "ssh:pg01", Verb: "cluster stop", Kind: simlab.Hang, Times: 1})
	a := r.activities()
	env, leave := newEnv(), make(chan struct{})
	env.SetWorkerStopChannel(leave)
	var once sync.Once
	r.w.record = func() error { // the intent, then the answer, which comes when the command was taken
		if n := len(r.w.memos); n == 1 {
			once.Do(func() { close(leave) })
		}
		return nil
	}
	out, err := attemptIn(t, env, a, plan.StopApplication, appCall(5*time.Second), nil)
	require.NoError(t, err)
	require.NotNil(t, out.Yield)
	require.True(t, out.Yield.Answered)
	r.w.record = nil

	// Somebody stops the cluster at the other member. The next attempt finds the command of this process still open.
	other := r.activities()
	other.lab = r.atOnly(1)
	elsewhere := appCall(time.Minute)
	elsewhere.Run = "run-2"
	_, err = attemptOf(t, other, plan.StopApplication, elsewhere, nil)
	require.NoError(t, err)
	next := appCall(5 * time.Second)
	next.Memo = out.Yield
	yielded, err := attemptIn(t, stopped(), a, plan.StopApplication, next, nil)
	require.NoError(t, err)
	require.NotNil(t, yielded.Yield, "done before the command has ended: %+v", yielded)
	next.Memo = yielded.Yield
	out, err = attemptOf(t, a, plan.StopApplication, next, nil)
	require.NoError(t, err)
	require.Nil(t, out.Unclear, "the command is given up a little before the time is over, and the status decides")
	require.Contains(t, out.Evidence, "stopped (")
}

// atOnly is the lab with one machine of the cluster.
func (r *appRig) atOnly(i int) *inventory.Lab {
	lab := *r.lab
	app := lab.ApplicationClusters[0]
	app.At = app.At[i : i+1]
	lab.ApplicationClusters = []inventory.ApplicationCluster{app}
	return &lab
}

// The process dies at every heartbeat. What is left on the server goes to the next process, which only looks.
func TestAStopIsSentOnceWhereverTheProcessDies(t *testing.T) {
	for at := 1; ; at++ {
		r := newAppRig(t)
		r.w.crashAt = at
		_, err := r.stop(appShort)
		if err == nil {
			require.Greater(t, at, 1, "it died nowhere")
			require.Equal(t, 1, r.Count("cluster stop", "pg"))
			return
		}
		require.ErrorContains(t, err, errCrash.Error())
		memo := r.w.memos[len(r.w.memos)-1]
		out, err := attemptOf(t, r.activities(), plan.StopApplication, appCall(appShort), &memo)
		require.NoError(t, err)
		sent := r.Count("cluster stop", "pg")
		require.LessOrEqual(t, sent, 1, "event %d", at)
		require.Equal(t, sent == 0, out.Unclear != nil, "event %d: %+v", at, out)
		if out.Unclear != nil {
			require.False(t, out.Unclear.NeverArrived)
		}
	}
}

func TestAnUnknownStatusIsNeitherGoodNorBad(t *testing.T) {
	for _, op := range []plan.Action{plan.StopApplication, plan.StartApplication} {
		r := newAppRig(t)
		remove := r.Inject(simlab.Fault{Verb: "cluster status", Kind: simlab.Error, Status: 5})
		_, err := attemptOf(t, r.activities(), op, appCall(appShort), nil)
		requireType(t, err, Transient)
		require.ErrorContains(t, err, "its state is unknown: `cluster status` at")
		require.ErrorContains(t, err, "exit status 5: the cluster manager does not answer")
		require.Empty(t, r.Calls())
		remove()
	}
	// After it was sent: waited for, and for ever unknown is unclear.
	r := newAppRig(t)
	r.Inject(simlab.Fault{Verb: "cluster status", Kind: simlab.Error, Status: 127})
	memo := &plan.Memo{Intent: "the command", Phase: string(plan.StopApplication), At: time.Now()}
	out, err := attemptOf(t, r.activities(), plan.StopApplication, appCall(20*time.Millisecond), memo)
	require.NoError(t, err)
	require.NotNil(t, out.Unclear)
	require.Contains(t, out.Unclear.What, "exit status 127")
	require.Empty(t, r.Calls())
}

func TestTheFirstMachineThatAnswersIsTaken(t *testing.T) {
	r := newAppRig(t)
	r.CutOff("ssh:pg01", 0)
	out, err := r.stop(time.Minute)
	require.NoError(t, err)
	require.Contains(t, out.Evidence, r.lab.ApplicationClusters[0].At[1].Address)
	require.Equal(t, "ssh:pg02", r.Calls()[0].System)

	r.CutOff("ssh:pg02", 0)
	_, err = r.stop(time.Minute)
	requireType(t, err, Transient)
	require.ErrorContains(t, err, "none of its machines answers")
	require.ErrorContains(t, err, "not all its members are off: pg0")
	_, err = attemptOf(t, r.activities(), plan.StartApplication, appCall(time.Minute), nil)
	requireType(t, err, Transient)
}

// A member that no vCenter has, or whose host is not seen, is not off.
func TestSilenceIsNotDown(t *testing.T) {
	r := newAppRig(t)
	_, err := r.stop(time.Minute)
	require.NoError(t, err)
	r.guests("poweredOff", "pg01", "pg02")
	r.lab.ApplicationClusters[0].Members = append(r.lab.ApplicationClusters[0].Members, "pg03")
	_, err = r.stop(time.Minute)
	requireType(t, err, Transient)
	require.ErrorContains(t, err, "no vCenter has its member pg03")

	r.lab.ApplicationClusters[0].Members = []string{"pg01", "pg02"}
	r.CutOff("host:esx21", 0)
	a := r.activities()
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		vc, err := a.clients.vcenter(t.Context(), r.lab.VCenters[0].Name)
		require.NoError(c, err)
		all, err := vc.Inspect(t.Context())
		require.NoError(c, err)
		i := slices.IndexFunc(all.Guests, func(g live.Guest) bool { return g.Name == "pg01" })
		require.Equal(c, live.Disconnected, all.Guests[i].Connection, "the vCenter has lost its host")
	}, time.Minute, 50*time.Millisecond)
	_, err = r.stop(time.Minute)
	requireType(t, err, Transient)
	require.ErrorContains(t, err, "not all its members are off: pg01")

	r.CutOff("vcenter", 0)
	_, err = r.stop(time.Minute)
	requireType(t, err, Transient)
	require.ErrorContains(t, err, "whether its members are off is not known")
}

func TestAnotherHostKeyIsUnsafe(t *testing.T) {
	r := newAppRig(t)
	at := r.lab.ApplicationClusters[0].At
	at[0].HostKey = at[1].HostKey
	_, err := r.stop(time.Minute)
	requireType(t, err, Unsafe)
	require.ErrorContains(t, err, "it shows host key SHA256:")
	at[0].HostKey = ""
	_, err = r.stop(time.Minute)
	requireType(t, err, Unsafe)
	require.Empty(t, r.Calls())
	require.Empty(t, r.Logins()["ssh:pg01"], "a password was sent to an unknown machine")
	require.Empty(t, r.Logins()["ssh:pg02"], "the next machine is for those that do not answer")
}

func TestARefusedLoginOverSSHArrivesOnce(t *testing.T) {
	r := newAppRig(t)
	secret := filepath.Join(r.lab.Dir, "secrets", "pg01.ssh")
	right, err := os.ReadFile(secret)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(secret, []byte("wrong\n"), 0o600))
	a := r.activities()
	var wg sync.WaitGroup
	for i := range 5 {
		wg.Go(func() {
			for range 2 {
				m := &machine{a: a, name: fmt.Sprint(i), entry: r.lab.ApplicationClusters[0].At[0]}
				_, err := m.connect(t.Context())
				require.ErrorIs(t, err, fault.Auth)
			}
		})
	}
	wg.Wait()
	require.Equal(t, simlab.Logins{Failed: 1}, r.Logins()["ssh:pg01"])
	_, err = attemptOf(t, a, plan.StopApplication, appCall(time.Minute), nil)
	requireType(t, err, Auth)
	require.ErrorContains(t, err, "not tried again with the same login")
	require.Equal(t, simlab.Logins{Failed: 1}, r.Logins()["ssh:pg01"])
	require.Empty(t, r.Logins()["ssh:pg02"])

	require.NoError(t, os.WriteFile(secret, right, 0o600))
	_, err = attemptOf(t, a, plan.StopApplication, appCall(time.Minute), nil)
	require.NoError(t, err, "the corrected one is used at once")
	require.Equal(t, simlab.Logins{OK: 1, Failed: 1}, r.Logins()["ssh:pg01"], "one connection for the whole step")
}

func TestApplicationsThatAreNotTouched(t *testing.T) {
	for name, c := range map[string]struct {
		bend func(*appRig, *plan.Call)
		kind string
	}{
		"not in the lab file": {func(r *appRig, _ *plan.Call) { r.lab.ApplicationClusters[0].Name = "mysql" }, InvalidInput},
		"another target":      {func(_ *appRig, c *plan.Call) { c.Target.Name = "mysql" }, InvalidInput},
		"no parameters":       {func(_ *appRig, c *plan.Call) { c.Params = []byte("[]") }, InvalidInput},
		"a member is kept": {func(r *appRig, _ *plan.Call) {
			for i := range r.lab.Guests {
				r.lab.Guests[i].Keep = r.lab.Guests[i].Name == "pg02"
			}
		}, Unsafe},
		"nightshift runs in a member": {func(r *appRig, _ *plan.Call) { r.lab.Self.Guest = "pg01" }, Unsafe},
	} {
		t.Run(name, func(t *testing.T) {
			r, call := newAppRig(t), appCall(time.Minute)
			c.bend(r, &call)
			_, err := attemptOf(t, r.activities(), plan.StopApplication, call, nil)
			requireType(t, err, c.kind)
			require.Empty(t, r.Calls())
		})
	}
}

// A worker that was started with another lab file carries out no command of it that is not in the approved plan, not even to
// ask how the cluster is: it asks for a new plan, or, where something was sent, for a person.
func TestCommandsThatNobodyApproved(t *testing.T) {
	for name, c := range map[string]struct {
		edit  func(*inventory.ApplicationCluster)
		other bool
	}{
		"nothing":    {edit: func(*inventory.ApplicationCluster) {}},
		"a time-out": {edit: func(a *inventory.ApplicationCluster) { a.Timeout *= 2 }},
		"a login": {edit: func(a *inventory.ApplicationCluster) {
			a.At[0].Password = inventory.SecretRef(strings.Replace(string(a.At[0].Password), "file:/", "file:/./", 1))
		}},
		"how it stops":  {func(a *inventory.ApplicationCluster) { a.Stop = append(a.Stop, "--force") }, true},
		"how it starts": {func(a *inventory.ApplicationCluster) { a.Start = append(a.Start, "--force") }, true},
		"what it is":    {func(a *inventory.ApplicationCluster) { a.Status = []string{"true"} }, true},
		"what stopped":  {func(a *inventory.ApplicationCluster) { a.Stopped = append(a.Stopped, 9) }, true},
		"where":         {func(a *inventory.ApplicationCluster) { a.At = a.At[1:] }, true},
		"which machine": {func(a *inventory.ApplicationCluster) { a.At[0].HostKey = a.At[1].HostKey }, true},
		"who":           {func(a *inventory.ApplicationCluster) { a.At[0].User = "toor" }, true},
	} {
		t.Run(name, func(t *testing.T) {
			r, call := newAppRig(t), appCall(time.Minute)
			call.Params = plan.Encode(plan.ApplicationParams{Application: "pg", Timeout: plan.Duration(time.Minute), Commands: r.lab.ApplicationClusters[0].Commands()})
			c.edit(&r.lab.ApplicationClusters[0])
			out, err := attemptOf(t, r.activities(), plan.StopApplication, call, nil)
			if !c.other {
				require.NoError(t, err)
				require.Equal(t, "stopped", r.state())
				return
			}
			require.NoError(t, err)
			require.Contains(t, out.Replan, "the commands for application cluster pg, or the machines where they run, are not those of the plan any more")
			call.Memo = &plan.Memo{Intent: "the command", Phase: string(plan.StopApplication), At: time.Now()}
			_, err = attemptOf(t, r.activities(), plan.StopApplication, call, nil)
			requireType(t, err, Precondition)
			require.Empty(t, r.Calls())
		})
	}
}

// Where the intent is not on the server's disk, nothing is sent.
func TestNoIntentNoStop(t *testing.T) {
	r := newAppRig(t)
	r.w.record = func() error { return errors.New("away") }
	_, err := r.stop(time.Minute)
	require.Error(t, err)
	out, err := attemptIn(t, stopped(), r.activities(), plan.StopApplication, appCall(time.Minute), nil)
	require.NoError(t, err)
	require.NotNil(t, out.Yield)
	require.False(t, out.Yield.Sent())
	require.Empty(t, r.Calls())
}
