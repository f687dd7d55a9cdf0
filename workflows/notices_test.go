package workflows

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"nightshift/internal/ledger"
	"nightshift/internal/plan"
	"nightshift/internal/runapi"
)

// told collects the messages that a run starts, and the ids of their workflows.
func (b *bench) told(events ...runapi.Event) (list *[]runapi.Notice, ids *[]string) {
	b.wanted = events
	list, ids = new([]runapi.Notice), new([]string)
	b.OnWorkflow(runapi.NotifyType, mock.Anything, mock.Anything).Return(func(ctx workflow.Context, n runapi.Notice) error {
		*list, *ids = append(*list, n), append(*ids, workflow.GetInfo(ctx).WorkflowExecution.ID)
		return nil
	})
	return list, ids
}

func events(list []runapi.Notice) (out []string) {
	for _, n := range list {
		out = append(out, string(n.Event))
	}
	return out
}

func TestNobodyIsToldWhereNobodyAsked(t *testing.T) {
	b := newBench(t, ladder()...)
	list, _ := b.told()
	b.does["g1"] = failing(1, "no")
	b.order(time.Hour, runapi.Skip, runapi.Order{By: "ann", Reason: "x", Steps: []string{"g1"}}, "")
	b.run(runapi.Params{Approved: true})
	require.Equal(t, runapi.Partial, b.sheet().Outcome)
	require.Empty(t, *list)
}

func TestStepsThatBlockSoonAfterEachOtherAreOneMessage(t *testing.T) {
	var steps []plan.Step
	b := newBench(t)
	for i := range 200 {
		id := fmt.Sprintf("g%03d", i)
		steps = append(steps, step(id))
		b.does[id] = failing(1, "it ignores the shutdown")
	}
	b.plan.Steps, b.plan.Limits = steps, nil
	list, ids := b.told(runapi.EventBlocked, runapi.EventDone)
	var all []string
	for _, s := range steps {
		all = append(all, s.ID)
	}
	b.order(time.Hour, runapi.Retry, runapi.Order{By: "ann", Steps: all}, "")
	b.run(runapi.Params{Approved: true, Parameters: map[string]string{"cluster": "Lab"}})
	require.Equal(t, runapi.Done, b.sheet().Outcome, b.sheet().Why)
	require.Equal(t, []string{"blocked", "done"}, events(*list))
	n := (*list)[0]
	require.Len(t, n.Steps, runapi.MostNoticeSteps)
	require.Equal(t, 200-runapi.MostNoticeSteps, n.More)
	require.Equal(t, "it ignores the shutdown", n.Sheet.Notes[n.Steps[0].ID])
	require.Equal(t, map[string]string{"cluster": "Lab"}, n.Parameters)
	require.Equal(t, "default-test-workflow-id", n.Run)
	require.Empty(t, n.Sheet.Steps, "a message has no lists")
	require.Equal(t, runapi.Done, (*list)[1].Sheet.Outcome)
	require.True(t, strings.HasPrefix((*ids)[0], "default-test-workflow-id-notify-blocked-"), (*ids)[0])
}

func TestAStepThatBlocksAgainIsToldAgain(t *testing.T) {
	b := newBench(t, step("g1"))
	list, ids := b.told(runapi.EventBlocked)
	b.does["g1"] = failing(2, "no")
	for i := range 2 {
		b.order(time.Duration(i+1)*time.Hour, runapi.Retry, runapi.Order{By: "ann", Steps: []string{"g1"}}, "")
	}
	b.run(runapi.Params{Approved: true})
	require.Equal(t, []string{"blocked", "blocked"}, events(*list))
	require.NotEqual(t, (*ids)[0], (*ids)[1])
}

// One who answers within seconds knows already.
func TestAStepThatIsAnsweredAtOnceIsNotTold(t *testing.T) {
	b := newBench(t, step("g1"))
	list, _ := b.told(runapi.EventBlocked)
	b.does["g1"] = failing(1, "no")
	b.order(gather/2, runapi.Retry, runapi.Order{By: "ann", Steps: []string{"g1"}}, "")
	b.run(runapi.Params{Approved: true})
	require.Equal(t, runapi.Done, b.sheet().Outcome)
	require.Empty(t, *list)
}

func TestEveryOutcomeIsTold(t *testing.T) {
	for outcome, set := range map[string]func(*bench, *runapi.Params){
		runapi.Done:    func(*bench, *runapi.Params) {},
		runapi.Partial: func(b *bench, _ *runapi.Params) { b.left.Steps = []plan.Step{step("g1")} },
		runapi.Refused: func(b *bench, _ *runapi.Params) { b.plan.Blockers = []plan.Finding{{Subject: "host", Text: "no"}} },
		runapi.Failed: func(b *bench, _ *runapi.Params) {
			b.again = func(int) (plan.Plan, error) { return plan.Plan{}, nil }
			b.lock = temporal.NewNonRetryableApplicationError("the ledger cannot be read", "Precondition", nil)
		},
		runapi.Aborted: func(b *bench, _ *runapi.Params) {
			b.does["g1"] = failing(1, "no")
			b.order(time.Hour, runapi.Abort, runapi.Order{By: "ann"}, "")
		},
		runapi.Skipped: func(b *bench, p *runapi.Params) {
			p.Scheduled = true
			b.held.Hold = holdUntil(b.Now().Add(time.Hour))
		},
	} {
		t.Run(outcome, func(t *testing.T) {
			b := newBench(t, step("g1"))
			list, _ := b.told(runapi.Event(outcome))
			p := runapi.Params{Approved: true}
			set(b, &p)
			b.run(p)
			require.Equal(t, outcome, b.sheet().Outcome, b.sheet().Why)
			require.Equal(t, []string{outcome}, events(*list))
			require.Equal(t, b.sheet().Why, (*list)[0].Sheet.Why)
		})
	}
}

func TestAnApprovalThatIsWaitedForIsTold(t *testing.T) {
	b := newBench(t, step("g1"))
	list, _ := b.told(runapi.EventApproval)
	b.order(time.Minute, runapi.Reject, runapi.Order{By: "ann"}, "")
	b.run(runapi.Params{})
	require.Equal(t, []string{"approval"}, events(*list))
	n := (*list)[0]
	require.Equal(t, runapi.PhaseApprove, n.Sheet.Phase)
	require.Equal(t, b.now().Started.Add(time.Hour), n.Sheet.Deadline)
}

// Whoever starts a run at a terminal is asked there: an answer within seconds calls nobody.
func TestAnApprovalThatIsGivenAtOnceIsNotTold(t *testing.T) {
	b := newBench(t, step("g1"))
	list, _ := b.told(runapi.EventApproval)
	b.RegisterDelayedCallback(func() { b.say(runapi.Approve, runapi.Order{By: "ann", Hash: b.now().Hash}, "") }, gather/2)
	b.run(runapi.Params{})
	require.Equal(t, runapi.Done, b.sheet().Outcome)
	require.Empty(t, *list)
}

// A mail server that is dead, and a worker that cannot say who is to be told: the run ends as if nothing were.
func TestARunEndsInTimeWhateverBecomesOfItsMessages(t *testing.T) {
	for name, set := range map[string]func(*bench){
		"never sent": func(b *bench) {
			b.wanted = []runapi.Event{runapi.EventBlocked, runapi.EventDone}
			b.register(plan.NoticeChannels, func(context.Context, runapi.Notice) ([]string, error) { return []string{"mail"}, nil })
			b.register(plan.SendNotice, func(context.Context, runapi.NoticeCall) error {
				return temporal.NewApplicationError("away", "Transient")
			})
		},
		"fails": func(b *bench) {
			b.wanted = []runapi.Event{runapi.EventBlocked, runapi.EventDone}
			b.OnWorkflow(runapi.NotifyType, mock.Anything, mock.Anything).Return(temporal.NewNonRetryableApplicationError("no", "NotSent", nil))
		},
		"who is not known": func(b *bench) { b.unwanted = temporal.NewNonRetryableApplicationError("no", "x", nil) },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, step("g1"), step("g2", "g1"))
			set(b)
			b.does["g1"] = failing(1, "no")
			b.order(time.Minute, runapi.Retry, runapi.Order{By: "ann", Steps: []string{"g1"}}, "")
			late := false
			b.RegisterDelayedCallback(func() { late = !b.IsWorkflowCompleted() }, time.Hour)
			b.run(runapi.Params{Approved: true})
			require.Equal(t, runapi.Done, b.sheet().Outcome)
			require.False(t, late, "the run waited for its message")
		})
	}
}

// What blocked just before a run hands over is told by the run that saw it, and not held back for the rest of the pause.
func TestAHandOverTellsFirst(t *testing.T) {
	b := newBench(t, step("g1"), step("g2", "g1"))
	b.does["g1"] = failing(1, "no")
	list, _ := b.told(runapi.EventBlocked)
	b.RegisterDelayedCallback(func() { b.SetCurrentHistoryLength(9000) }, gather/4)
	b.order(gather/2, runapi.Pause, runapi.Order{By: "ann"}, "") // it wakes
	b.run(runapi.Params{Approved: true})
	var next *workflow.ContinueAsNewError
	require.ErrorAs(t, b.GetWorkflowError(), &next)
	require.Equal(t, []string{"blocked"}, events(*list))
	require.Less(t, (*list)[0].At.Sub((*list)[0].Sheet.Started), gather)
}

func TestNotifyTriesEachChannelByItself(t *testing.T) {
	var s testsuite.WorkflowTestSuite
	env := s.NewTestWorkflowEnvironment()
	b := &bench{TestWorkflowEnvironment: env, t: t}
	env.RegisterWorkflowWithOptions(Notify, workflow.RegisterOptions{Name: runapi.NotifyType})
	tries := map[string]int{}
	b.register(plan.NoticeChannels, func(context.Context, runapi.Notice) ([]string, error) { return []string{"mail", "phone", "chat"}, nil })
	b.register(plan.SendNotice, func(_ context.Context, c runapi.NoticeCall) error {
		b.mu.Lock()
		defer b.mu.Unlock()
		require.Equal(t, runapi.EventBlocked, c.Notice.Event)
		switch tries[c.Channel]++; {
		case c.Channel == "phone" && tries[c.Channel] < 5:
			return temporal.NewApplicationError("away", "Transient")
		case c.Channel == "mail":
			return temporal.NewApplicationError("channel mail is dead", "Transient")
		case c.Channel == "chat":
			return temporal.NewNonRetryableApplicationError("the token is refused", "Auth", nil)
		}
		return nil
	})
	began := env.Now()
	env.ExecuteWorkflow(runapi.NotifyType, runapi.Notice{Event: runapi.EventBlocked, Lab: "home"})
	require.ErrorContains(t, env.GetWorkflowError(), "not sent through channel mail: channel mail is dead; channel chat: the token is refused")
	require.Equal(t, 5, tries["phone"], "it came back, and was sent once")
	require.Equal(t, 1, tries["chat"], "a refused token is not tried again")
	require.Greater(t, tries["mail"], 20)
	require.Less(t, tries["mail"], 80)
	require.LessOrEqual(t, env.Now().Sub(began), tellFor+time.Hour)
}

func TestTheCaretakerTellsOnce(t *testing.T) {
	var s testsuite.WorkflowTestSuite
	env := s.NewTestWorkflowEnvironment()
	b := &bench{TestWorkflowEnvironment: env, t: t}
	env.RegisterWorkflowWithOptions(Notify, workflow.RegisterOptions{Name: runapi.NotifyType})
	env.RegisterWorkflowWithOptions(Caretaker, workflow.RegisterOptions{Name: runapi.CaretakerType})
	list, ids := b.told()
	looks := 0
	missed := func(n int) runapi.Notice {
		return runapi.Notice{Event: runapi.EventMissed, Lab: "home", Key: fmt.Sprint("missed:", n), Subject: "missed"}
	}
	b.register(plan.LookAround, func(_ context.Context, w runapi.Watch) (runapi.Sighting, error) {
		switch looks++; looks {
		case 1:
			require.Empty(t, w.Told)
			return runapi.Sighting{Missed: map[string]int{"nightly": 3}}, nil
		case 2:
			require.Equal(t, map[string]int{"nightly": 3}, w.Missed)
			return runapi.Sighting{Notices: []runapi.Notice{missed(1), missed(2), missed(2)}, Missed: map[string]int{"nightly": 5}}, nil
		case 3:
			require.Len(t, w.Told, 2)
			return runapi.Sighting{}, temporal.NewNonRetryableApplicationError("the ledger refuses", "Precondition", nil)
		case 4:
			env.SetContinueAsNewSuggested(true)
			return runapi.Sighting{Notices: []runapi.Notice{missed(2)}, Missed: map[string]int{"nightly": 5}}, nil
		}
		return runapi.Sighting{Idle: true}, nil
	})
	env.ExecuteWorkflow(runapi.CaretakerType, runapi.Watch{Lab: "home"})
	var next *workflow.ContinueAsNewError
	require.ErrorAs(t, env.GetWorkflowError(), &next)
	require.Len(t, *list, 2)
	require.NotEqual(t, (*ids)[0], (*ids)[1], "two of one kind at one moment")
}

func TestACaretakerThatNobodyNeedsEnds(t *testing.T) {
	var s testsuite.WorkflowTestSuite
	env := s.NewTestWorkflowEnvironment()
	b := &bench{TestWorkflowEnvironment: env, t: t}
	env.RegisterWorkflowWithOptions(Caretaker, workflow.RegisterOptions{Name: runapi.CaretakerType})
	b.register(plan.LookAround, func(context.Context, runapi.Watch) (runapi.Sighting, error) { return runapi.Sighting{Idle: true}, nil })
	env.ExecuteWorkflow(runapi.CaretakerType, runapi.Watch{Lab: "home"})
	require.NoError(t, env.GetWorkflowError())
}

func holdUntil(t time.Time) *ledger.Hold { return &ledger.Hold{Until: t, Reason: "backup", By: "ann"} }
