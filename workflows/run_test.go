package workflows

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"nightshift/internal/ledger"
	"nightshift/internal/plan"
	"nightshift/internal/runapi"
)

// A bench runs one workflow against activities that do what the test says.
type bench struct {
	*testsuite.TestWorkflowEnvironment
	t         *testing.T
	mu        sync.Mutex
	plan      plan.Plan
	left      plan.Plan                                        // what planning finds after the execution
	does      map[string]func(plan.Call) (plan.Outcome, error) // by step id; default: done
	held      ledger.State
	lock      error
	verifying func() // runs before the end state is inspected
	// nudge is what the running steps answer.
	nudge func() (map[string]*plan.Memo, error)

	// again makes the second plan and those after it, by their number; nil: left.
	again func(n int) (plan.Plan, error)
	set   func(*plan.Settings) // changes what the lab file says

	wanted   []runapi.Event // that somebody is to be told of
	unwanted error          // why that is not known

	calls    []plan.Call
	orders   int
	planned  int
	released int
}

func newBench(t *testing.T, steps ...plan.Step) *bench {
	return newBenchWith(t, func(*testsuite.WorkflowTestSuite) {}, steps...)
}

// newBenchWith is newBench whose workflows log, or count, somewhere.
func newBenchWith(t *testing.T, set func(*testsuite.WorkflowTestSuite), steps ...plan.Step) *bench {
	var s testsuite.WorkflowTestSuite
	set(&s)
	b := &bench{TestWorkflowEnvironment: s.NewTestWorkflowEnvironment(), t: t, does: map[string]func(plan.Call) (plan.Outcome, error){}}
	b.plan = plan.Plan{Schema: plan.SchemaVersion, Runbook: "power-down", Lab: "home", Title: "Power down lab home", Steps: steps,
		Limits: map[string]int{"vcenter": 2}}
	b.left = plan.Plan{Schema: plan.SchemaVersion, Title: "Nothing to do"}
	b.SetTestTimeout(time.Minute) // of real time, without anything to do: these machines are slow and shared
	b.RegisterWorkflowWithOptions(Run, workflow.RegisterOptions{Name: plan.PowerDownWorkflow})
	b.register(plan.MakePlan, b.makePlan)
	b.register(plan.TakeLocks, func(context.Context, plan.LockRequest) error { return b.lock })
	b.register(plan.ReleaseLocks, func(context.Context, plan.LockRequest) error { b.released++; return nil })
	b.register(plan.ReadLedger, func(context.Context, string) (ledger.State, error) { return b.held, nil })
	b.nudge = func() (map[string]*plan.Memo, error) { return nil, nil }
	b.register(plan.Nudge, func(context.Context, string) (map[string]*plan.Memo, error) { return b.nudge() })
	b.RegisterWorkflowWithOptions(Notify, workflow.RegisterOptions{Name: runapi.NotifyType})
	b.register(plan.WantedNotices, func(context.Context, string) ([]runapi.Event, error) { return b.wanted, b.unwanted })
	for _, a := range plan.Actions() {
		b.register(string(a), b.step)
	}
	return b
}

func (b *bench) register(name string, f any) {
	b.RegisterActivityWithOptions(f, activity.RegisterOptions{Name: name})
}

func (b *bench) makePlan(_ context.Context, _ plan.Request) (plan.Reply, error) {
	p := b.plan
	if b.planned++; b.planned > 1 {
		if b.verifying != nil {
			b.mu.Lock()
			b.verifying()
			b.mu.Unlock()
		}
		p = b.left
		if b.again != nil {
			var err error
			if p, err = b.again(b.planned); err != nil {
				return plan.Reply{}, err
			}
		}
	}
	settings := plan.Settings{OnFailure: plan.Ask, BlockedDeadline: plan.Duration(12 * time.Hour), ApprovalDeadline: plan.Duration(time.Hour)}
	if b.set != nil {
		b.set(&settings)
	}
	packed, err := p.Pack()
	return plan.Reply{Title: p.Title, Hash: p.Hash(), Steps: len(p.Steps), Blockers: p.Blockers, Left: p.Left, Packed: packed, Settings: settings}, err
}

func (b *bench) step(_ context.Context, c plan.Call) (plan.Outcome, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls = append(b.calls, c)
	if do := b.does[c.Step]; do != nil {
		return do(c)
	}
	return plan.Outcome{Acted: true}, nil
}

// during does something when the activity begins for the nth time: no clock says when that is.
func (b *bench) during(name string, nth int, do func()) {
	b.SetOnActivityStartedListener(func(info *activity.Info, _ context.Context, _ converter.EncodedValues) {
		if info.ActivityType.Name != name {
			return
		}
		if nth--; nth == 0 {
			do()
		}
	})
}

// say gives an order now, which is obeyed, or refused with this text.
func (b *bench) say(verb string, o runapi.Order, refused string) {
	b.orders++
	b.UpdateWorkflow(verb, fmt.Sprint(b.orders), &testsuite.TestUpdateCallback{
		OnAccept: func() { require.Empty(b.t, refused, "%s %v", verb, o) },
		OnReject: func(err error) {
			require.NotEmpty(b.t, refused, "%s: %v", verb, err)
			require.ErrorContains(b.t, err, refused)
		},
		OnComplete: func(any, error) {},
	}, o)
}

// hang keeps a step in flight until the test ends.
// hang is a step that is under way until the test ends; then, once it is, these things happen, one after the other.
func (b *bench) hang(then ...func()) {
	for _, f := range then {
		b.RegisterDelayedCallback(f, 0)
	}
	b.mu.Unlock()
	defer b.mu.Lock()
	<-b.t.Context().Done()
}

func (b *bench) run(p runapi.Params, more ...any) {
	p.Lab, p.Runbook, p.By = "home", cmp.Or(p.Runbook, "power-down"), "ann"
	args := append([]any{p}, more...)
	for len(args) < 3 {
		args = append(args, [][]any{{}, {[]byte(nil)}, {State{}}}[len(args)]...)
	}
	b.ExecuteWorkflow(plan.PowerDownWorkflow, args...)
	require.True(b.t, b.IsWorkflowCompleted())
}

// now is the sheet of the run that is under way.
func (b *bench) now() (s runapi.Sheet) {
	b.t.Helper()
	v, err := b.QueryWorkflow(runapi.SheetQuery)
	require.NoError(b.t, err)
	require.NoError(b.t, v.Get(&s))
	return s
}

func (b *bench) sheet() (s runapi.Sheet) {
	b.t.Helper()
	require.NoError(b.t, b.GetWorkflowError())
	require.NoError(b.t, b.GetWorkflowResult(&s))
	return s
}

// order gives an order at a time; refused with this text, or obeyed.
func (b *bench) order(at time.Duration, verb string, o runapi.Order, refused string) {
	b.RegisterDelayedCallback(func() { b.say(verb, o, refused) }, at)
}

func (b *bench) ran() (ids []string) {
	for _, c := range b.calls {
		ids = append(ids, c.Step)
	}
	return ids
}

func failing(times int, text string) func(plan.Call) (plan.Outcome, error) {
	return func(plan.Call) (plan.Outcome, error) {
		if times--; times >= 0 {
			return plan.Outcome{}, temporal.NewNonRetryableApplicationError(text, "Precondition", nil)
		}
		return plan.Outcome{Acted: true}, nil
	}
}

func step(id string, needs ...string) plan.Step {
	return plan.Step{ID: id, Title: "do " + id, Group: "Guests", Action: plan.PowerOnGuest, Timeout: plan.Duration(time.Minute), Needs: needs}
}

// ladder is HA off, four guests, their host, and the mark that is always taken away.
func ladder() []plan.Step {
	last := step("unmark", "host")
	last.Always = true
	return []plan.Step{step("ha"), step("g1", "ha"), step("g2", "ha"), step("g3", "ha"), step("g4", "ha"), step("host", "g1", "g2", "g3", "g4"), last}
}

func TestRunDoesEverythingAndVerifies(t *testing.T) {
	b := newBench(t, ladder()...)
	b.held.Debts = []plan.Debt{{ID: "vc/domain-c8/ha", Was: "true"}}
	b.run(runapi.Params{Approved: true})
	s := b.sheet()
	require.Equal(t, runapi.Done, s.Outcome)
	require.Equal(t, b.held.Debts, s.Owed, "what is owed can be recovered from the result")
	require.Equal(t, "ddddddd", s.Steps)
	require.Equal(t, 2, b.planned, "planned, then verified")
	require.Equal(t, 1, b.released)
	require.Equal(t, "ha", b.ran()[0])
	require.Equal(t, []string{"host", "unmark"}, b.ran()[5:])
}

func TestWhatIsLeftMakesTheRunPartial(t *testing.T) {
	b := newBench(t, ladder()...)
	b.left.Steps = []plan.Step{step("g2")}
	b.run(runapi.Params{Approved: true})
	s := b.sheet()
	require.Equal(t, runapi.Partial, s.Outcome)
	require.Equal(t, "do g2", s.Left[0].Text)
}

func TestNothingToDo(t *testing.T) {
	b := newBench(t)
	b.plan.Title = "Nothing to do: lab home is down"
	b.run(runapi.Params{})
	require.Equal(t, runapi.Done, b.sheet().Outcome)
	require.Equal(t, "Nothing to do: lab home is down", b.sheet().Why)
	require.Equal(t, 1, b.released)
}

func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		set  func(*bench)
		p    runapi.Params
		want string
	}{
		"blocker": {func(b *bench) { b.plan.Blockers = []plan.Finding{{Subject: "host esx21", Text: "has no bmc"}} }, runapi.Params{Approved: true}, "host esx21: has no bmc"},
		"drift":   {func(*bench) {}, runapi.Params{Approved: true, PlanHash: "0123456789abcdef"}, "the lab has changed since the plan was made"},
		"locked": {func(b *bench) {
			b.lock = temporal.NewNonRetryableApplicationError("lab is locked by run x", ledger.Locked, nil)
		},
			runapi.Params{Approved: true}, "lab is locked by run x"},
		"silence": {func(*bench) {}, runapi.Params{}, "nobody approved the plan within 1h"},
		"no": {func(b *bench) {
			b.order(time.Minute, runapi.Reject, runapi.Order{By: "bob", Reason: "backup runs"}, "")
		}, runapi.Params{}, "rejected by bob: backup runs"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, ladder()...)
			c.set(b)
			b.run(c.p)
			s := b.sheet()
			require.Equal(t, runapi.Refused, s.Outcome)
			require.Contains(t, s.Why, c.want)
			require.Empty(t, b.calls, "nothing is touched")
			require.Equal(t, name == "locked", b.planned == 0, "the lab is inspected under the lock")
			require.NotContains(t, s.Steps, string(runapi.HalfDone))
			require.Equal(t, 1, b.released)
		})
	}
}

func TestApprovalIsOfTheHash(t *testing.T) {
	b := newBench(t, ladder()...)
	b.order(time.Minute, runapi.Approve, runapi.Order{By: "bob", Hash: "another"}, "read it again")
	b.order(time.Minute, runapi.Approve, runapi.Order{Hash: b.plan.Hash()}, "who gives it")
	b.order(2*time.Minute, runapi.Approve, runapi.Order{By: "bob", Hash: b.plan.Hash()}, "")
	b.run(runapi.Params{})
	s := b.sheet()
	require.Equal(t, runapi.Done, s.Outcome)
	require.Equal(t, "bob", s.Orders[0].By)
}

func TestScheduledRunObeysTheHold(t *testing.T) {
	b := newBench(t, ladder()...)
	b.held.Hold = &ledger.Hold{Until: b.Now().Add(time.Hour), By: "ann", Reason: "guests tonight"}
	b.run(runapi.Params{Approved: true, Scheduled: true, Parameters: map[string]string{"host": "esx21"}})
	require.Equal(t, runapi.Skipped, b.sheet().Outcome)
	require.Equal(t, "esx21", b.sheet().Parameters["host"], "to type it again, before there is a plan")
	require.Contains(t, b.sheet().Why, "guests tonight")
	require.Empty(t, b.calls)
}

func TestScheduledRunIsSkippedWhileAnotherHasTheLab(t *testing.T) {
	for name, c := range map[string]struct {
		before bool // the run began before nightshift knew this
		want   string
	}{"now": {false, runapi.Skipped}, "of an earlier nightshift": {true, runapi.Refused}} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, ladder()...)
			if c.before {
				b.OnGetVersion(skipIfLocked, workflow.DefaultVersion, workflow.Version(1)).Return(workflow.DefaultVersion)
			}
			b.lock = temporal.NewNonRetryableApplicationError("lab is locked by run x", ledger.Locked, nil)
			b.run(runapi.Params{Approved: true, Scheduled: true})
			require.Equal(t, c.want, b.sheet().Outcome)
			require.Equal(t, "lab is locked by run x", b.sheet().Why)
			require.Empty(t, b.calls)
		})
	}
}

// Nobody gives back the lock of a run that was terminated: a scheduled run that is skipped for it is one every night, and
// nobody is told.
func TestScheduledRunIsRefusedWhileALockIsOrphaned(t *testing.T) {
	b := newBench(t, ladder()...)
	b.lock = temporal.NewNonRetryableApplicationError("lab is locked by run x: an orphan", ledger.Locked, nil, ledger.Lock{Holder: ledger.Holder{Workflow: "x"}}, true)
	told, _ := b.told(runapi.EventRefused)
	b.run(runapi.Params{Approved: true, Scheduled: true})
	require.Equal(t, runapi.Refused, b.sheet().Outcome)
	require.Equal(t, "x", b.sheet().Orphan)
	require.Len(t, *told, 1)
	require.True(t, (*told)[0].Event.NeedsPerson(), "what every channel gets that does not say")
	require.Equal(t, "x", (*told)[0].Sheet.Orphan)
}

// Who watches the lab holds nothing up, whatever the run does with steps that fail.
func TestMonitoringThatDoesNotAnswerHoldsNothingUp(t *testing.T) {
	quiet, alarms := step("quiet"), step("alarms", "quiet")
	quiet.Action, quiet.Target, quiet.Params = plan.SilenceMonitoring, plan.Target{Kind: plan.Watcher, Name: "pager"}, plan.Encode(plan.MonitoringParams{Monitoring: "pager"})
	alarms.Action, alarms.Params = plan.SuspendSetting, plan.Encode(plan.SettingParams{Setting: plan.Alarms})
	b := newBench(t, append(ladder(), quiet, alarms)...)
	b.does["quiet"], b.does["alarms"] = failing(1, "403 Forbidden"), failing(1, "no right")
	b.run(runapi.Params{Approved: true, Scheduled: true, OnFailure: plan.Abort})
	s := b.sheet()
	require.Equal(t, runapi.Partial, s.Outcome, "and the run does not end green")
	require.Equal(t, 2, s.Skipped)
	require.Contains(t, s.Notes["quiet"], "403 Forbidden")
}

func TestFailureBlocksOnlyItsBranch(t *testing.T) {
	other := step("other")
	b := newBench(t, append(ladder(), other, step("after-other", "other"))...)
	b.does["g3"], b.does["g4"] = failing(1, "no Tools"), failing(1, "no Tools")
	b.order(time.Minute, runapi.Skip, runapi.Order{By: "ann", Steps: []string{"g3"}}, "needs a reason")
	b.order(time.Minute, runapi.Retry, runapi.Order{By: "ann", Steps: []string{"g1"}}, "is not blocked")
	b.order(time.Minute, runapi.Retry, runapi.Order{By: "ann", Steps: []string{"g9"}}, "there is no step")
	b.order(2*time.Minute, runapi.Skip, runapi.Order{By: "ann", Steps: []string{"g3"}, Reason: "by hand"}, "")
	b.order(3*time.Minute, runapi.Retry, runapi.Order{By: "ann", Steps: []string{"g4", "g4"}}, "")
	b.run(runapi.Params{Approved: true})
	s := b.sheet()
	require.Equal(t, runapi.Partial, s.Outcome, "a skipped step is not done")
	require.Equal(t, "dddsddddd", s.Steps)
	require.Equal(t, "skipped by ann: by hand; before that: no Tools", s.Notes["g3"])
	require.Equal(t, []string{"act again"}, []string{s.Decisions[0].Verdict})
	require.Equal(t, "no Tools", s.Decisions[0].Evidence)
	require.Equal(t, "ann", b.calls[len(b.calls)-3].By)
	require.Equal(t, 1, b.calls[len(b.calls)-3].Decision)
	require.Contains(t, b.ran()[:7], "after-other", "it did not wait for the blocked ones")
}

func TestABlockedStepTellsWhenItBlocked(t *testing.T) {
	b := newBench(t, step("g"))
	b.does["g"] = failing(1, "still on")
	var blocked, again runapi.Sheet
	b.during(string(plan.PowerOnGuest), 2, func() { again = b.now() })
	b.RegisterDelayedCallback(func() { blocked = b.now() }, time.Minute)
	b.order(2*time.Minute, runapi.Retry, runapi.Order{By: "ann", Steps: []string{"g"}}, "")
	b.run(runapi.Params{Approved: true})
	require.Equal(t, "b", blocked.Steps)
	require.GreaterOrEqual(t, blocked.Finished[0], int64(0))
	require.Less(t, blocked.Finished[0], int64(600), "when it did, and not when somebody looks")
	require.Equal(t, "r", again.Steps)
	require.Equal(t, int64(-1), again.Finished[0], "it goes on")
	require.GreaterOrEqual(t, b.sheet().Finished[0], int64(1200))
	require.Equal(t, 1200-blocked.Finished[0], b.sheet().Asked["g"], "that it waited for ann is no time of its own")
}

// Hosts that fail for one reason are tried again with one order; where one of the steps does not take the parameter none is changed.
func TestRetryOfManyStepsWithOtherParameters(t *testing.T) {
	host := func(id string) plan.Step {
		s := step(id)
		s.Action, s.Params = plan.ShutdownHost, plan.Encode(plan.ShutdownHostParams{Host: id, Timeout: plan.Duration(time.Minute)})
		return s
	}
	b := newBench(t, host("h1"), host("h2"), step("g"))
	for _, id := range []string{"h1", "h2", "g"} {
		b.does[id] = failing(1, "may not")
	}
	graceful := map[string]any{"noRights": "graceful"}
	b.order(time.Minute, runapi.Retry, runapi.Order{By: "ann", Steps: []string{"h1", "g", "h2"}, Params: graceful},
		`step "g": action PowerOnGuest has no parameter "noRights", it has none; nothing was changed: name those that take it (h1, h2)`)
	b.order(2*time.Minute, runapi.Retry, runapi.Order{By: "ann", Steps: []string{"h1", "h2"}, Params: graceful}, "")
	b.order(3*time.Minute, runapi.Retry, runapi.Order{By: "ann", Steps: []string{"g"}}, "")
	b.run(runapi.Params{Approved: true})
	s := b.sheet()
	require.Equal(t, runapi.Done, s.Outcome, s.Why)
	for _, i := range []int{3, 4} {
		require.Contains(t, string(b.calls[i].Params), `"noRights":"graceful"`)
		require.Contains(t, s.Decisions[i-3].Verdict, "is now "+plan.ShortHash(s.Hash))
	}
}

func TestRetryWithOtherParametersIsAnAmendment(t *testing.T) {
	s := step("g")
	s.Action, s.Params = plan.ShutdownGuest, plan.Encode(plan.ShutdownGuestParams{Method: "shutdown", Timeout: plan.Duration(time.Minute), OnTimeout: "leave", NoTools: "leave"})
	b := newBench(t, s)
	b.does["g"] = failing(1, "still on")
	b.order(time.Minute, runapi.Retry, runapi.Order{By: "ann", Steps: []string{"g"}, Params: map[string]any{"timeOut": "9m"}}, `no parameter "timeOut", it has method, timeout, onTimeout, noTools`)
	b.order(2*time.Minute, runapi.Retry, runapi.Order{By: "ann", Steps: []string{"g"}, Params: map[string]any{"timeout": "9m0s"}}, "")
	b.run(runapi.Params{Approved: true})
	sheet := b.sheet()
	require.Equal(t, runapi.Done, sheet.Outcome)
	require.NotEqual(t, b.plan.Hash(), sheet.Hash, "another plan has another hash")
	var p plan.ShutdownGuestParams
	require.NoError(t, json.Unmarshal(b.calls[1].Params, &p))
	require.Equal(t, 9*time.Minute, time.Duration(p.Timeout))
	require.Equal(t, "leave", p.OnTimeout)
	require.Contains(t, sheet.Decisions[0].Verdict, "is now "+plan.ShortHash(sheet.Hash))
}

func TestPolicies(t *testing.T) {
	for policy, want := range map[plan.OnFailure]struct {
		steps, outcome string
		starts         int
	}{
		plan.Skip:  {"dddsddd", runapi.Partial, 1},
		plan.Force: {"ddddddd", runapi.Done, 2},
		plan.Abort: {"dddhdud", runapi.Aborted, 1},
	} {
		t.Run(string(policy), func(t *testing.T) {
			b := newBench(t, ladder()...)
			b.plan.Steps[3].OnFailure = policy
			starts := 0
			b.does["g3"] = func(c plan.Call) (plan.Outcome, error) {
				if starts++; c.Force {
					return plan.Outcome{Acted: true}, nil
				}
				return plan.Outcome{}, temporal.NewNonRetryableApplicationError("no Tools", "Precondition", nil)
			}
			b.run(runapi.Params{Approved: true})
			s := b.sheet()
			require.Equal(t, want.outcome, s.Outcome)
			require.Equal(t, want.starts, starts)
			require.Equal(t, "d", s.Steps[6:], "always")
			if policy != plan.Abort { // which of g4 and host had begun depends on the order of arrival
				require.Equal(t, want.steps, s.Steps)
			}
		})
	}
}

// What whoever starts a run says of failing steps is in place of what the lab file says, not of a policy that others rely on.
func TestAStepKeepsAPolicyOfItsOwn(t *testing.T) {
	for _, c := range []struct {
		own   bool
		step  plan.OnFailure
		run   plan.OnFailure
		steps string
	}{
		{true, plan.Skip, plan.Abort, "sd"},
		{true, plan.Skip, plan.Ask, "sd"},
		{true, plan.Abort, plan.Skip, "hu"},
		{true, plan.Abort, plan.Ask, "hu"},
		{true, plan.Abort, "", "hu"},
		{false, plan.Abort, plan.Skip, "sd"},
		{false, plan.Skip, plan.Abort, "hu"},
	} {
		t.Run(fmt.Sprintf("own %t %s, run %s", c.own, c.step, c.run), func(t *testing.T) {
			b := newBench(t, step("first"), step("then", "first"))
			b.plan.Steps[0].OnFailure, b.plan.Steps[0].Own = c.step, c.own
			b.does["first"] = failing(1, "no space left")
			b.run(runapi.Params{Approved: true, OnFailure: c.run})
			require.Equal(t, c.steps, b.sheet().Steps)
			if c.steps == "hu" {
				require.Contains(t, b.sheet().Why, "no space left", "it did not wait for a person")
			}
		})
	}
}

func TestUnclearActsAgainOnlyWithProof(t *testing.T) {
	b := newBench(t, ladder()...)
	unclear := func(proof bool) func(plan.Call) (plan.Outcome, error) {
		return func(c plan.Call) (plan.Outcome, error) {
			if c.Decision > 0 {
				return plan.Outcome{Acted: true}, nil
			}
			return plan.Outcome{Unclear: &plan.Unclear{What: "sent, but still on", Evidence: "no task", NeverArrived: proof}}, nil
		}
	}
	b.does["g1"], b.does["g2"] = unclear(true), unclear(false)
	b.order(time.Minute, runapi.Retry, runapi.Order{By: "ann", Steps: []string{"g2"}, Reason: "looked: it is on"}, "")
	b.run(runapi.Params{Approved: true})
	s := b.sheet()
	require.Equal(t, runapi.Done, s.Outcome)
	require.Len(t, s.Decisions, 2)
	require.Equal(t, []string{"g1", "nightshift", "sent, but still on (no task)"}, []string{s.Decisions[0].Step, s.Decisions[0].By, s.Decisions[0].Evidence})
	require.Equal(t, []string{"g2", "ann"}, []string{s.Decisions[1].Step, s.Decisions[1].By})
}

func TestUnclearWithProofDoesNotGoOnForEver(t *testing.T) {
	b := newBench(t, step("g1"))
	b.does["g1"] = func(plan.Call) (plan.Outcome, error) {
		return plan.Outcome{Unclear: &plan.Unclear{What: "lost", Evidence: "no task", NeverArrived: true}}, nil
	}
	b.order(time.Minute, runapi.Abort, runapi.Order{By: "ann", Reason: "enough"}, "")
	b.run(runapi.Params{Approved: true})
	require.Equal(t, runapi.Aborted, b.sheet().Outcome)
	require.Len(t, b.calls, 1+ownDecisions)
}

// A step whose worker died, and whose time is over, is a person's business: what it had sent is known to the next attempt.
func TestALostStepIsNotStartedAgain(t *testing.T) {
	b := newBench(t, step("g1"))
	sent := plan.Memo{Intent: "PowerOff to guest g1", Phase: "powerOff"}
	b.does["g1"] = func(c plan.Call) (plan.Outcome, error) {
		if c.Decision == 0 && len(b.calls) < 100 { // an end, for code that starts it again and again
			return plan.Outcome{}, temporal.NewTimeoutError(enums.TIMEOUT_TYPE_START_TO_CLOSE, nil, sent)
		}
		return plan.Outcome{Acted: true}, nil
	}
	b.order(time.Hour, runapi.Retry, runapi.Order{By: "ann", Steps: []string{"g1"}}, "")
	b.run(runapi.Params{Approved: true})
	s := b.sheet()
	require.Equal(t, runapi.Done, s.Outcome)
	require.Len(t, s.Decisions, 1)
	require.Equal(t, "ann", s.Decisions[0].By)
	require.Equal(t, &sent, b.calls[len(b.calls)-1].Before)
}

// A step that is interrupted at a hand-over starts again only where it is known what it has sent.
func TestAnInterruptedStepOfWhichNothingIsKnown(t *testing.T) {
	memo := &plan.Memo{Intent: "PowerOff", Phase: "powerOff"}
	for name, c := range map[string]struct {
		memos map[string]*plan.Memo
		err   error
		steps string
		left  map[string]*plan.Memo
	}{
		"sent nothing": {steps: "."},
		"sent a call":  {memos: map[string]*plan.Memo{"g1": memo}, steps: ".", left: map[string]*plan.Memo{"g1": memo}},
		"is not known": {err: temporal.NewNonRetryableApplicationError("no answer", "Transient", nil), steps: "b"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, step("g1"))
			b.nudge = func() (map[string]*plan.Memo, error) { return c.memos, c.err }
			b.does["g1"] = func(plan.Call) (plan.Outcome, error) {
				b.hang(func() { b.SetCurrentHistoryLength(9000) }, func() { b.say(runapi.Pause, runapi.Order{By: "ann"}, "") })
				return plan.Outcome{}, nil
			}
			b.run(runapi.Params{Approved: true})
			var can *workflow.ContinueAsNewError
			require.ErrorAs(t, b.GetWorkflowError(), &can)
			var st State
			require.NoError(t, converter.GetDefaultDataConverter().FromPayloads(can.Input, &runapi.Params{}, &[]byte{}, &st))
			require.Equal(t, c.steps, st.Steps)
			require.Equal(t, len(c.left), len(st.Memos))
			if c.left != nil {
				require.Equal(t, c.left, st.Memos)
			}
		})
	}
}

func TestYieldGoesOnWithItsMemo(t *testing.T) {
	b := newBench(t, ladder()...)
	b.does["g1"] = func(c plan.Call) (plan.Outcome, error) {
		if c.Memo == nil {
			return plan.Outcome{Yield: &plan.Memo{Intent: "sent", Phase: "shutdown"}}, nil
		}
		require.Equal(b.t, "shutdown", c.Memo.Phase)
		return plan.Outcome{Acted: true}, nil
	}
	b.run(runapi.Params{Approved: true})
	require.Equal(t, runapi.Done, b.sheet().Outcome)
	require.Empty(t, b.sheet().Attempts, "going on is not another attempt")
}

// What has nothing to undo, or nobody to ask, does not hold up the end of an aborted run.
func TestAbortLeavesOutWhatHasNothingToUndo(t *testing.T) {
	for name, want := range map[string]string{"g1": "hd", "mark": "huu"} {
		t.Run(name, func(t *testing.T) {
			undo := always("unmark", "g1")
			undo.OnlyAfter = name
			steps := []plan.Step{guest("g1", plan.LeaveGuest), undo}
			if name == "mark" {
				undo.Needs = append(undo.Needs, "mark")
				steps = []plan.Step{guest("g1", plan.LeaveGuest), guest("mark", plan.LeaveGuest, "g1"), undo}
			}
			b := newBench(t, steps...)
			b.does["g1"] = failing(1, "no Tools")
			b.order(time.Minute, runapi.Abort, runapi.Order{By: "ann"}, "")
			b.run(runapi.Params{Approved: true})
			require.Equal(t, runapi.Aborted, b.sheet().Outcome)
			require.Equal(t, want, b.sheet().Steps)
		})
	}
}

func TestAbortTellsHalfDoneFromUntouched(t *testing.T) {
	for name, abort := range map[string]func(*bench){
		"order":  func(b *bench) { b.order(time.Minute, runapi.Abort, runapi.Order{By: "ann", Reason: "enough"}, "") },
		"cancel": func(b *bench) { b.RegisterDelayedCallback(b.CancelWorkflow, time.Minute) },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, ladder()...)
			b.does["g3"] = failing(1, "no Tools")
			abort(b)
			b.run(runapi.Params{Approved: true})
			s := b.sheet()
			require.Equal(t, runapi.Aborted, s.Outcome)
			require.Equal(t, "dddhdud", s.Steps)
			require.Equal(t, "unmark", b.ran()[len(b.ran())-1], "what must be put back is put back")
			require.Equal(t, 1, b.released)
		})
	}
}

// A step that was in flight at the abort is half done, unless it is known to have sent nothing; one that had yielded too.
// Half done is what may have sent something. What always runs after it does all the same.
func TestAbortTellsWhatHasSentNothing(t *testing.T) {
	refused := func(details ...any) error {
		return temporal.NewNonRetryableApplicationError("no", "Precondition", nil, details...)
	}
	for name, tc := range map[string]struct {
		action   plan.Action
		attempts []error
		letter   string
	}{
		"sent nothing":            {plan.PowerOnGuest, []error{refused(plan.NothingSent)}, "u"},
		"not known":               {plan.PowerOnGuest, []error{refused()}, "h"},
		"nothing, twice":          {plan.PowerOnGuest, []error{refused(plan.NothingSent), refused(plan.NothingSent)}, "u"},
		"something, then nothing": {plan.PowerOnGuest, []error{refused(), refused(plan.NothingSent)}, "h"},
		"nothing, then something": {plan.PowerOnGuest, []error{refused(plan.NothingSent), refused("more")}, "h"},
		"it only looks":           {plan.CheckGuest, []error{refused()}, "u"},
	} {
		t.Run(name, func(t *testing.T) {
			s, undo := step("g"), always("undo", "g")
			s.Action, undo.OnlyAfter = tc.action, "g"
			b := newBench(t, s, undo)
			n := 0
			b.does["g"] = func(plan.Call) (plan.Outcome, error) {
				n++
				return plan.Outcome{}, tc.attempts[n-1]
			}
			for i := range tc.attempts[1:] {
				b.order(time.Duration(i+1)*time.Minute, runapi.Retry, runapi.Order{By: "ann", Steps: []string{"g"}}, "")
			}
			b.RegisterDelayedCallback(func() {
				require.Equal(t, tc.letter == "u" && tc.action != plan.CheckGuest, len(b.now().Unsent) == 1)
				b.say(runapi.Abort, runapi.Order{By: "ann", Reason: "enough"}, "")
			}, time.Hour)
			b.run(runapi.Params{Approved: true})
			require.Equal(t, runapi.Aborted, b.sheet().Outcome)
			require.Equal(t, tc.letter+"d", b.sheet().Steps)
			require.Len(t, b.calls, len(tc.attempts)+1, "what is to be undone after it is")
		})
	}
}

func TestAbortOfAStepInFlight(t *testing.T) {
	memo := &plan.Memo{Intent: "PowerOff to guest g1", Phase: "powerOff"}
	for name, c := range map[string]struct {
		memos map[string]*plan.Memo
		err   error
		note  string
	}{
		"sent a call":  {memos: map[string]*plan.Memo{"g1": memo}, note: "PowerOff to guest g1 at"},
		"had begun":    {note: "what it has sent is not known"},
		"is not known": {err: temporal.NewNonRetryableApplicationError("no answer", "Transient", nil), note: "could not be read"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, step("g1"), step("g2", "g1"))
			b.nudge = func() (map[string]*plan.Memo, error) { return c.memos, c.err }
			b.does["g1"] = func(plan.Call) (plan.Outcome, error) {
				b.hang(func() { b.say(runapi.Abort, runapi.Order{By: "ann", Reason: "storm"}, "") })
				return plan.Outcome{}, nil
			}
			b.run(runapi.Params{Approved: true})
			require.Equal(t, "hu", b.sheet().Steps)
			require.Contains(t, b.sheet().Notes["g1"], c.note)
		})
	}
	t.Run("yielded", func(t *testing.T) {
		b := newBench(t, step("g1"), step("g2", "g1"))
		packed, err := b.plan.Pack()
		require.NoError(t, err)
		b.order(time.Minute, runapi.Abort, runapi.Order{By: "ann", Reason: "storm"}, "")
		b.run(runapi.Params{Approved: true}, packed, State{Phase: runapi.PhaseExecute, Paused: "ann", Steps: "..", Memos: map[string]*plan.Memo{"g1": memo}, BegunAt: []int64{0, -1}, EndedAt: []int64{-1, -1}})
		require.Equal(t, "hu", b.sheet().Steps)
		require.Contains(t, b.sheet().Notes["g1"], "PowerOff to guest g1 at")
	})
}

func TestFailureOfAnAlwaysStepAfterAbortEndsTheRun(t *testing.T) {
	b := newBench(t, ladder()...)
	b.does["g3"], b.does["unmark"] = failing(1, "no Tools"), failing(9, "vCenter is gone")
	b.order(time.Minute, runapi.Abort, runapi.Order{By: "ann"}, "")
	b.run(runapi.Params{Approved: true})
	require.Equal(t, "dddhduh", b.sheet().Steps)
	require.Equal(t, "vCenter is gone", b.sheet().Notes["unmark"])
}

func TestPauseBeginsNothingNew(t *testing.T) {
	b := newBench(t, ladder()...)
	b.does["g3"] = failing(1, "no Tools")
	b.order(time.Minute, runapi.Pause, runapi.Order{By: "ann", Reason: "phone"}, "")
	b.order(time.Minute, runapi.Pause, runapi.Order{By: "bob"}, "cannot be paused: it is paused by ann: phone")
	b.order(2*time.Minute, runapi.Retry, runapi.Order{By: "ann", Steps: []string{"g3"}}, "")
	b.RegisterDelayedCallback(func() { require.Len(t, b.calls, 5, "paused") }, 3*time.Minute)
	b.order(4*time.Minute, runapi.Resume, runapi.Order{By: "ann"}, "")
	b.run(runapi.Params{Approved: true})
	require.Equal(t, runapi.Done, b.sheet().Outcome)
}

func TestNobodyAnswers(t *testing.T) {
	b := newBench(t, ladder()...)
	b.does["g3"] = failing(9, "no Tools")
	b.held.Debts = []plan.Debt{{ID: "vc/domain-c8/ha", Was: "true"}}
	start := b.Now()
	b.run(runapi.Params{Approved: true})
	s := b.sheet()
	require.Equal(t, runapi.Aborted, s.Outcome)
	require.Equal(t, "nobody answered for 12h", s.Why)
	require.GreaterOrEqual(t, s.Ended.Sub(start), 12*time.Hour)
	requirePutBack(t, b)
}

// requirePutBack: after a deadline, what must run has run, and what is owed is told.
func requirePutBack(t *testing.T, b *bench) {
	t.Helper()
	require.Equal(t, "dddhdud", b.sheet().Steps)
	require.Equal(t, "unmark", b.ran()[len(b.ran())-1])
	require.Equal(t, b.held.Debts, b.sheet().Owed)
	require.NotEmpty(t, b.sheet().Owed)
	require.Equal(t, 1, b.released)
}

func TestDeadline(t *testing.T) {
	b := newBench(t, ladder()...)
	b.does["g3"] = failing(9, "no Tools")
	b.held.Debts = []plan.Debt{{ID: "vc/domain-c8/ha", Was: "true"}}
	b.run(runapi.Params{Approved: true, Deadline: plan.Duration(2 * time.Hour)})
	require.Equal(t, "deadline of the run (2h)", b.sheet().Why)
	requirePutBack(t, b)
}

func TestHandsOverWithEverything(t *testing.T) {
	b := newBench(t, ladder()...)
	b.does["g3"] = failing(1, "no Tools")
	b.RegisterDelayedCallback(func() { b.SetCurrentHistoryLength(9000) }, time.Minute)
	b.order(2*time.Minute, runapi.Pause, runapi.Order{By: "ann"}, "")
	b.run(runapi.Params{Approved: true})
	var can *workflow.ContinueAsNewError
	require.ErrorAs(t, b.GetWorkflowError(), &can)
	var p runapi.Params
	var packed []byte
	var st State
	require.NoError(t, converter.GetDefaultDataConverter().FromPayloads(can.Input, &p, &packed, &st))
	require.Equal(t, "dddbd..", st.Steps)
	require.Equal(t, "ann", st.Paused)
	require.Zero(t, b.released, "the locks stay with the chain")

	next := newBench(t)
	next.planned = 1
	next.order(time.Minute, runapi.Resume, runapi.Order{By: "ann"}, "")
	next.order(time.Minute, runapi.Retry, runapi.Order{By: "ann", Steps: []string{"g3"}}, "")
	next.run(p, packed, st)
	require.Equal(t, []string{"g3", "host", "unmark"}, next.ran())
	require.Equal(t, runapi.Done, next.sheet().Outcome)
	require.Equal(t, 2, next.sheet().Runs)
	require.Len(t, next.sheet().Orders, 3)
}

func TestNoPlanIsAFailure(t *testing.T) {
	b := newBench(t)
	b.plan.Steps = []plan.Step{step("a", "b"), step("b", "a")}
	b.run(runapi.Params{Approved: true})
	require.Equal(t, runapi.Failed, b.sheet().Outcome)
	require.Contains(t, b.sheet().Why, "in a circle")
}

// A step that yielded before it failed must act when a person says so: with the memo of the yield it would only observe.
func TestRetryAfterAYieldActs(t *testing.T) {
	b := newBench(t, step("g1"))
	memo := &plan.Memo{Intent: "PowerOff to guest g1", Phase: "powerOff", GuestsOff: time.Unix(1, 0).UTC()}
	b.does["g1"] = func(c plan.Call) (plan.Outcome, error) {
		switch {
		case c.Decision > 0:
			return plan.Outcome{Acted: true}, nil
		case c.Memo == nil:
			return plan.Outcome{Yield: memo}, nil
		}
		return plan.Outcome{}, temporal.NewNonRetryableApplicationError("still on", "Precondition", nil)
	}
	b.order(time.Minute, runapi.Retry, runapi.Order{By: "ann", Steps: []string{"g1"}}, "")
	b.run(runapi.Params{Approved: true})
	require.Equal(t, runapi.Done, b.sheet().Outcome)
	last := b.calls[len(b.calls)-1]
	require.Nil(t, last.Memo)
	require.Equal(t, memo, last.Before, "it knows what was sent before, and what was seen")
}

// While the end state is looked at the run can still be aborted, and does not say that it is done.
func TestAbortWhileVerifying(t *testing.T) {
	b := newBench(t, ladder()...)
	b.verifying = func() { b.hang() }
	b.during(plan.MakePlan, 2, func() {
		require.Equal(t, runapi.PhaseVerify, b.now().Phase)
		require.Empty(t, b.now().Outcome)
		b.say(runapi.Abort, runapi.Order{By: "ann"}, "")
	})
	b.run(runapi.Params{Approved: true})
	require.Equal(t, runapi.Aborted, b.sheet().Outcome)
	require.Contains(t, b.sheet().Why, "the end state was not verified")
}

func TestPolicyForceIsUsedOnce(t *testing.T) {
	b := newBench(t, step("g1"))
	b.plan.Steps[0].OnFailure = plan.Force
	b.does["g1"] = failing(3, "no Tools")
	b.order(time.Minute, runapi.Retry, runapi.Order{By: "ann", Steps: []string{"g1"}}, "")
	b.order(2*time.Minute, runapi.Retry, runapi.Order{By: "ann", Steps: []string{"g1"}}, "")
	b.run(runapi.Params{Approved: true})
	var forced []bool
	for _, c := range b.calls {
		forced = append(forced, c.Force)
	}
	require.Equal(t, []bool{false, true, false, false}, forced)
}
