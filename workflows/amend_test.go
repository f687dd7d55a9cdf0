package workflows

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
)

// guest is a step that shuts a guest down.
func guest(id, onTimeout string, needs ...string) plan.Step {
	s := step(id, needs...)
	s.Action, s.Target = plan.ShutdownGuest, plan.Target{Kind: plan.Guest, Name: id, Endpoint: "vc", Ref: "vm-" + id}
	s.Params = plan.Encode(plan.ShutdownGuestParams{Method: plan.ShutdownByTools, Timeout: plan.Duration(time.Minute), OnTimeout: onTimeout, NoTools: plan.LeaveGuest})
	return s
}

func always(id string, needs ...string) plan.Step {
	s := step(id, needs...)
	s.Action, s.Always = plan.UnmarkLab, true
	return s
}

// asking asks for a new plan that often.
func asking(times int, why string) func(plan.Call) (plan.Outcome, error) {
	return func(plan.Call) (plan.Outcome, error) {
		if times--; times >= 0 {
			return plan.Outcome{Replan: why}, nil
		}
		return plan.Outcome{Acted: true}, nil
	}
}

// replanned is the plan of what is left: the second one that is made. The end state is right.
func (b *bench) replanned(steps ...plan.Step) plan.Plan {
	p := b.plan
	p.Steps = steps
	b.again = func(n int) (plan.Plan, error) {
		if n == 2 {
			return p, nil
		}
		return b.left, nil
	}
	return p
}

func (b *bench) currentPlan() plan.Plan {
	b.t.Helper()
	var packed []byte
	v, err := b.QueryWorkflow(runapi.PlanQuery)
	require.NoError(b.t, err)
	require.NoError(b.t, v.Get(&packed))
	p, err := plan.Unpack(packed)
	require.NoError(b.t, err)
	return p
}

func count(list []string, id string) (n int) {
	for _, s := range list {
		if s == id {
			n++
		}
	}
	return n
}

// The guest has moved: its step, and the host's, are planned anew, without an approval, and the rest stays as it was.
func TestAStepThatFindsItsGuestElsewhere(t *testing.T) {
	b := newBench(t, guest("g1", plan.LeaveGuest), guest("g2", plan.LeaveGuest), step("host", "g1", "g2"), always("unmark", "host"))
	b.does["g1"] = asking(1, "guest g1 is on host esx22 now")
	moved := guest("g1", plan.LeaveGuest)
	moved.Holds, moved.Timeout = []string{"host:esx22"}, plan.Duration(time.Hour)
	b.replanned(moved, step("host", "g1"), always("unmark", "host"))
	b.run(runapi.Params{Approved: true})
	s := b.sheet()
	require.Equal(t, runapi.Done, s.Outcome, s.Why)
	require.Equal(t, "dddd", s.Steps)
	require.Equal(t, 3, b.planned)
	require.Equal(t, 2, count(b.ran(), "g1"))
	require.Equal(t, 1, count(b.ran(), "g2"), "what is behind is not done again")
	require.Equal(t, "unmark", b.ran()[len(b.ran())-1])
	require.Len(t, s.Amendments, 1)
	a := s.Amendments[0]
	require.Equal(t, "guest g1 is on host esx22 now", a.Why)
	require.Equal(t, []any{b.plan.Hash(), s.Hash, 0, "", ""}, []any{a.From, a.To, a.Added, a.ApprovedBy, a.Refused})
	require.NotEqual(t, a.From, a.To)
	require.Empty(t, s.Notes, "nothing is the matter any more")
	p := b.currentPlan()
	require.Equal(t, s.Hash, p.Hash())
	require.Equal(t, []string{"host:esx22"}, p.Steps[0].Holds)
}

// A host that goes down is lost to its vCenter, which looks like a fault: the plan is made again when that has landed, also
// where it lands between the reading of the lab and the plan.
func TestBlockersThatComeOfWhatIsUnderWay(t *testing.T) {
	for name, inTheWay := range map[string]func(*plan.Plan){
		"blocked": func(p *plan.Plan) {
			p.Blockers = []plan.Finding{{Subject: "host esx21", Text: "nobody knows what it does"}}
		},
		"left as it is": func(p *plan.Plan) { p.Left, p.Steps = []string{"host esx21"}, nil },
	} {
		t.Run(name, func(t *testing.T) { waitsForWhatIsUnderWay(t, inTheWay, false) })
		t.Run(name+", and it lands first", func(t *testing.T) { waitsForWhatIsUnderWay(t, inTheWay, true) })
	}
}

func waitsForWhatIsUnderWay(t *testing.T, inTheWay func(*plan.Plan), landsFirst bool) {
	b := newBench(t, guest("g1", plan.LeaveGuest), step("slow"), always("unmark", "g1", "slow"))
	b.does["g1"] = asking(1, "guest g1 is on host esx22 now")
	read, answered, over, plans := make(chan struct{}), make(chan struct{}), make(chan struct{}), 0
	b.SetOnActivityCompletedListener(func(info *activity.Info, _ converter.EncodedValue, _ error) {
		switch {
		case info.ActivityID == "slow":
			close(over)
		case info.ActivityType.Name == plan.MakePlan:
			if plans++; plans == 2 {
				close(answered)
			}
		}
	})
	var landed atomic.Bool
	b.does["slow"] = func(plan.Call) (plan.Outcome, error) {
		b.mu.Unlock()
		defer b.mu.Lock()
		if landsFirst {
			<-read
		} else {
			<-answered
		}
		landed.Store(true)
		return plan.Outcome{}, nil
	}
	b.again = func(n int) (plan.Plan, error) {
		p := b.plan
		switch n {
		case 2:
			inTheWay(&p)
			close(read)
			if landsFirst {
				<-over
			}
		case 3:
			require.True(t, landed.Load())
			p.Steps = []plan.Step{guest("g1", plan.LeaveGuest), always("unmark", "g1")}
		default:
			return b.left, nil
		}
		return p, nil
	}
	b.run(runapi.Params{Approved: true})
	s := b.sheet()
	require.Equal(t, runapi.Done, s.Outcome, s.Why)
	require.Equal(t, 4, b.planned)
	require.Len(t, s.Amendments, 1)
	require.Empty(t, s.Amendments[0].Refused)
	require.WithinDuration(t, s.Started, s.Amendments[0].At, tickEvery/2, "nothing but a tick has woken it")
}

// TestWhatIsLeftAsItIsIsNotDone: the run says so, and does not wait again for what it has left from the beginning.
func TestWhatIsLeftAsItIsIsNotDone(t *testing.T) {
	b := newBench(t, guest("g1", plan.LeaveGuest), step("slow"))
	b.plan.Left = []string{"host esx21"}
	again, ask := make(chan struct{}), asking(1, "guest g1 is on host esx22 now")
	b.does["g1"] = func(c plan.Call) (plan.Outcome, error) {
		out, err := ask(c)
		if out.Acted {
			close(again)
		}
		return out, err
	}
	b.does["slow"] = func(plan.Call) (plan.Outcome, error) {
		b.mu.Unlock()
		defer b.mu.Lock()
		<-again
		return plan.Outcome{}, nil
	}
	b.again = func(n int) (plan.Plan, error) {
		if n == 2 {
			return b.plan, nil
		}
		return b.left, nil
	}
	b.run(runapi.Params{Approved: true})
	s := b.sheet()
	require.Equal(t, runapi.Partial, s.Outcome)
	require.Equal(t, "left as it is, as the warnings say: host esx21", s.Why)
}

func TestANewPlanThatGoesBeyondWaitsForAnApproval(t *testing.T) {
	harsher, other := guest("g1", plan.PowerOffGuest), guest("g3", plan.LeaveGuest)
	for name, c := range map[string]struct {
		left   []plan.Step
		beyond string
	}{
		"harsher":       {[]plan.Step{harsher}, "do g1: this is harsher than what was approved"},
		"another guest": {[]plan.Step{guest("g1", plan.LeaveGuest), other}, "do g3: guest g3 vc vm-g3 is not in the approved plan"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, guest("g1", plan.LeaveGuest), guest("g2", plan.LeaveGuest), always("unmark", "g1", "g2"))
			b.does["g1"] = asking(1, "no Tools")
			b.replanned(c.left...)
			b.order(30*time.Second, runapi.Pause, runapi.Order{By: "ann"}, "") // whatever wakes it is no approval
			b.order(40*time.Second, runapi.Resume, runapi.Order{By: "ann"}, "")
			b.RegisterDelayedCallback(func() {
				s := b.now()
				require.Equal(t, runapi.PhaseExecute, s.Phase)
				require.Equal(t, []string{c.beyond}, s.Proposal.Beyond)
				require.True(t, s.Stuck())
				require.Equal(t, b.plan.Hash(), s.Hash, "it is not carried out")
				require.ElementsMatch(t, []string{"g1", "g2"}, b.ran())
				b.say(runapi.Approve, runapi.Order{By: "bob", Hash: s.Hash}, "read it again")
				b.say(runapi.Approve, runapi.Order{By: "bob", Hash: s.Proposal.To}, "")
			}, time.Minute)
			b.run(runapi.Params{Approved: true})
			s := b.sheet()
			require.Equal(t, runapi.Done, s.Outcome, s.Why)
			require.Equal(t, "bob", s.Amendments[0].ApprovedBy)
			require.InDelta(t, 600, s.Asked["g1"], 50, "it waited for bob, and had nothing to do meanwhile")
			require.Nil(t, s.Proposal)
			require.Equal(t, s.Hash, s.Amendments[0].To)
			require.Equal(t, "unmark", b.ran()[len(b.ran())-1])
			require.Len(t, b.ran(), 2+len(c.left)+1)
		})
	}
}

func TestANewPlanThatIsNotCarriedOut(t *testing.T) {
	for name, c := range map[string]struct {
		policy plan.OnFailure
		p      runapi.Params
		set    func(*bench)
		steps  string
		note   string
	}{
		"rejected": {set: func(b *bench) {
			b.order(time.Minute, runapi.Reject, runapi.Order{By: "bob", Reason: "not g3"}, "")
		}, steps: "bd.", note: "no Tools; rejected by bob: not g3"},
		"nobody there, skip":  {policy: plan.Skip, p: runapi.Params{}, steps: "sdd", note: "the new plan needs an approval: do g3"},
		"nobody there, abort": {policy: plan.Abort, steps: "hdd", note: "the new plan needs an approval: do g3"},
		"blockers": {set: func(b *bench) {
			b.again = func(int) (plan.Plan, error) {
				p := b.plan
				p.Blockers = []plan.Finding{{Subject: "host esx21", Text: "is gone"}}
				return p, nil
			}
		}, steps: "bd.", note: "no Tools; the new plan has 1 blocker: host esx21: is gone"},
		"no plan": {set: func(b *bench) {
			b.again = func(int) (plan.Plan, error) {
				return plan.Plan{}, temporal.NewNonRetryableApplicationError("vCenter does not answer", "Precondition", nil)
			}
		}, steps: "bd.", note: "no Tools; no new plan could be made: vCenter does not answer"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, guest("g1", plan.LeaveGuest), guest("g2", plan.LeaveGuest), always("unmark", "g1", "g2"))
			b.set = func(s *plan.Settings) {
				if c.policy != "" {
					s.OnFailure = c.policy
				}
			}
			b.does["g1"] = asking(1, "no Tools")
			b.replanned(guest("g1", plan.LeaveGuest), guest("g3", plan.LeaveGuest))
			if c.set != nil {
				c.set(b)
			}
			b.RegisterDelayedCallback(func() {
				s := b.now()
				require.Equal(t, c.steps, s.Steps)
				require.Equal(t, b.plan.Hash(), s.Hash)
				require.Contains(t, s.Notes["g1"], c.note)
				require.NotEmpty(t, s.Amendments[0].Refused)
			}, 2*time.Minute)
			if c.policy == "" {
				b.order(3*time.Minute, runapi.Retry, runapi.Order{By: "ann", Steps: []string{"g1"}}, "")
			}
			b.run(runapi.Params{Approved: true})
			s := b.sheet()
			require.Equal(t, b.plan.Hash(), s.Hash)
			require.NotContains(t, b.ran(), "g3")
			require.Equal(t, "unmark", b.ran()[len(b.ran())-1])
			require.Contains(t, s.Amendments[0].Refused, c.note[len("no Tools; ")*boolInt(c.policy == ""):])
		})
	}
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// The same step may ask three times. Then a person has to look, and may let it ask again.
func TestAStepDoesNotAskForEver(t *testing.T) {
	b := newBench(t, guest("g1", plan.LeaveGuest), step("other"))
	hosts := 0
	b.does["g1"] = func(plan.Call) (plan.Outcome, error) {
		if hosts++; hosts > mostAsked+2 {
			return plan.Outcome{Acted: true}, nil
		}
		return plan.Outcome{Replan: fmt.Sprintf("it moves about, to host %d", hosts)}, nil
	}
	b.again = func(int) (plan.Plan, error) {
		if b.planned > mostAsked+2 {
			return b.left, nil
		}
		return b.plan, nil
	}
	b.RegisterDelayedCallback(func() {
		require.Equal(t, "bd", b.now().Steps)
		require.Contains(t, b.now().Notes["g1"], "it moves about, to host 4 (3 new plans did not help)")
		require.Equal(t, 1+mostAsked, count(b.ran(), "g1"))
	}, time.Minute)
	b.order(2*time.Minute, runapi.Retry, runapi.Order{By: "ann", Steps: []string{"g1"}}, "")
	b.run(runapi.Params{Approved: true})
	require.Equal(t, runapi.Done, b.sheet().Outcome, b.sheet().Why)
	require.Len(t, b.sheet().Amendments, mostAsked+1)
}

// A plan that comes out as the one before helps nobody: who asks for the same reason again is told so, and a person may let it ask
// again. Another reason is another matter.
func TestAStepDoesNotAskAgainInVain(t *testing.T) {
	b := newBench(t, guest("g1", plan.LeaveGuest), step("host", "g1"), always("unmark", "host"))
	b.does["host"] = asking(3, "guests run on host esx21: g1")
	b.again = func(int) (plan.Plan, error) {
		if count(b.ran(), "host") > 3 {
			return b.left, nil
		}
		p := b.plan
		p.Warnings = []plan.Finding{{Subject: "host esx21", Text: fmt.Sprintf("has looked %d times", b.planned)}}
		return p, nil
	}
	b.RegisterDelayedCallback(func() {
		require.Equal(t, "db.", b.now().Steps)
		require.Contains(t, b.now().Notes["host"], "guests run on host esx21: g1 (a new plan of what is left would do nothing about it)")
		require.Equal(t, 2, count(b.ran(), "host"))
		require.Len(t, b.now().Amendments, 1)
	}, time.Minute)
	b.order(2*time.Minute, runapi.Retry, runapi.Order{By: "ann", Steps: []string{"host"}}, "")
	b.run(runapi.Params{Approved: true})
	require.Equal(t, runapi.Done, b.sheet().Outcome, b.sheet().Why)
	require.Len(t, b.sheet().Amendments, 2)
}

func TestSeveralWhoAskGetOnePlan(t *testing.T) {
	b := newBench(t, guest("g1", plan.LeaveGuest), guest("g2", plan.LeaveGuest), guest("g3", plan.LeaveGuest, "g1", "g2"))
	b.does["g1"], b.does["g2"] = asking(1, "moved"), asking(1, "moved")
	both := make(chan struct{}, 2)
	b.replanned(b.plan.Steps...)
	inner := b.again
	b.again = func(n int) (plan.Plan, error) { // the planner is slow: by then both have asked
		if n == 2 {
			<-both
			<-both
		}
		return inner(n)
	}
	for _, id := range []string{"g1", "g2"} {
		does := b.does[id]
		b.does[id] = func(c plan.Call) (plan.Outcome, error) {
			select {
			case both <- struct{}{}:
			default:
			}
			return does(c)
		}
	}
	b.run(runapi.Params{Approved: true})
	require.Equal(t, runapi.Done, b.sheet().Outcome, b.sheet().Why)
	require.Len(t, b.sheet().Amendments, 1)
}

// What is no longer needed is left out and named. What undoes things stays, and comes after what is new.
func TestWhatIsDroppedAndWhatStays(t *testing.T) {
	b := newBench(t, guest("g1", plan.LeaveGuest), guest("g2", plan.LeaveGuest, "g1"), step("host", "g2"), always("unmark", "host"))
	b.does["g1"] = asking(1, "host esx21 is dead")
	b.replanned(guest("g1", plan.LeaveGuest), step("host:b", "g1"))
	b.set = func(s *plan.Settings) { s.OnFailure = plan.Ask }
	b.RegisterDelayedCallback(func() {
		s := b.now()
		require.Equal(t, 2, s.Proposal.Dropped)
		require.Contains(t, s.Proposal.Changes, "no longer: do g2")
		b.say(runapi.Approve, runapi.Order{By: "bob", Hash: s.Proposal.To}, "")
	}, time.Minute)
	b.run(runapi.Params{Approved: true})
	require.Equal(t, runapi.Done, b.sheet().Outcome, b.sheet().Why)
	require.Equal(t, []string{"g1", "g1", "host:b", "unmark"}, b.ran())
	require.Equal(t, "ddd", b.sheet().Steps)
}

// Guests that come into the plan later are remembered before they go down: nightshift's own books are kept again.
func TestBooksAreKeptAgain(t *testing.T) {
	remember := func(names ...string) plan.Step {
		s := step("remember")
		s.Action = plan.RememberRunning
		var p plan.RememberParams
		for _, n := range names {
			p.Guests = append(p.Guests, plan.RememberedGuest{Endpoint: "vc", UUID: n, Name: n})
		}
		s.Params = plan.Encode(p)
		return s
	}
	b := newBench(t, remember("g1"), guest("g1", plan.LeaveGuest, "remember"))
	b.does["g1"] = asking(1, "g2 runs here, too")
	b.replanned(remember("g1", "g2"), guest("g1", plan.LeaveGuest, "remember"))
	b.run(runapi.Params{Approved: true})
	require.Equal(t, []string{"remember", "g1", "remember", "g1"}, b.ran())
	require.Contains(t, string(b.calls[2].Params), "g2")
	require.Equal(t, runapi.Done, b.sheet().Outcome)
}

// What a vCenter knew before it went down must be true in the morning: a guest that has moved since is written down anew.
func TestTheRecordIsMadeAgain(t *testing.T) {
	mark, record := step("mark"), step("record", "mark")
	mark.Action, record.Action, record.Params = plan.MarkLab, plan.RecordLab, plan.Encode(plan.RecordParams{VCenter: "vc"})
	vcsa, moved := guest("vcsa", plan.LeaveGuest, "g1"), guest("vcsa", plan.LeaveGuest, "g1")
	moved.Target.Direct = "esx22"
	b := newBench(t, mark, record, guest("g1", plan.LeaveGuest, "record"), vcsa)
	b.does["g1"] = asking(1, "g1 is on host esx22 now")
	b.replanned(mark, record, guest("g1", plan.LeaveGuest, "record"), moved)
	b.run(runapi.Params{Approved: true})
	require.Equal(t, runapi.Done, b.sheet().Outcome, b.sheet().Why)
	require.Equal(t, []string{"mark", "record", "g1", "record", "g1", "vcsa"}, b.ran())
}

// An operator asks. A step that is blocked stays so, in its new version: to act again is a decision of its own.
func TestAnOperatorAsksForANewPlan(t *testing.T) {
	b := newBench(t, guest("g1", plan.LeaveGuest), guest("g2", plan.LeaveGuest, "g1"))
	b.does["g1"] = failing(1, "still on")
	moved := guest("g1", plan.LeaveGuest)
	moved.Timeout = plan.Duration(time.Hour)
	b.replanned(moved, b.plan.Steps[1])
	b.order(0, runapi.Replan, runapi.Order{By: "ann"}, "cannot be planned anew")
	b.order(time.Minute, runapi.Replan, runapi.Order{By: "ann", Reason: "moved it"}, "")
	b.RegisterDelayedCallback(func() {
		s := b.now()
		require.Equal(t, "b.", s.Steps)
		require.Equal(t, "still on", s.Notes["g1"])
		require.Equal(t, "asked for by ann: moved it", s.Amendments[0].Why)
		require.Equal(t, 1, count(b.ran(), "g1"))
	}, 2*time.Minute)
	b.order(3*time.Minute, runapi.Retry, runapi.Order{By: "ann", Steps: []string{"g1"}}, "")
	b.run(runapi.Params{Approved: true})
	require.Equal(t, runapi.Done, b.sheet().Outcome, b.sheet().Why)
	require.Equal(t, []string{"g1", "g1", "g2"}, b.ran())
	require.Equal(t, plan.Duration(time.Hour), b.currentPlan().Steps[0].Timeout, "it is the new one that was retried")
}

func TestAbortWhileANewPlanWaits(t *testing.T) {
	b := newBench(t, guest("g1", plan.LeaveGuest), always("unmark", "g1"))
	b.does["g1"] = asking(1, "no Tools")
	b.replanned(guest("g3", plan.LeaveGuest))
	b.RegisterDelayedCallback(func() { require.NotNil(t, b.now().Proposal) }, time.Minute)
	b.order(2*time.Minute, runapi.Abort, runapi.Order{By: "ann"}, "")
	b.run(runapi.Params{Approved: true})
	require.Equal(t, runapi.Aborted, b.sheet().Outcome)
	require.Equal(t, "ud", b.sheet().Steps)
	require.Nil(t, b.sheet().Proposal)
}

// The parameters that an operator gave a step stay with it.
func TestAChangedStepStaysChanged(t *testing.T) {
	b := newBench(t, guest("g1", plan.LeaveGuest))
	n := 0
	b.does["g1"] = func(plan.Call) (plan.Outcome, error) {
		switch n++; n {
		case 1:
			return plan.Outcome{}, temporal.NewNonRetryableApplicationError("still on", "Precondition", nil)
		case 2:
			return plan.Outcome{Replan: "it moved"}, nil
		}
		return plan.Outcome{Acted: true}, nil
	}
	b.replanned(b.plan.Steps...)
	b.order(time.Minute, runapi.Retry, runapi.Order{By: "ann", Steps: []string{"g1"}, Params: map[string]any{"onTimeout": "powerOff"}}, "")
	b.run(runapi.Params{Approved: true})
	require.Equal(t, runapi.Done, b.sheet().Outcome, b.sheet().Why)
	var p plan.ShutdownGuestParams
	require.NoError(t, json.Unmarshal(b.calls[2].Params, &p))
	require.Equal(t, plan.PowerOffGuest, p.OnTimeout)
	require.Equal(t, b.sheet().Hash, b.currentPlan().Hash())
}

// An abort while the planner is at work ends in order; a step that asked has sent nothing.
func TestAbortWhilePlanningAnew(t *testing.T) {
	b := newBench(t, guest("g1", plan.LeaveGuest), always("unmark", "g1"))
	b.does["g1"] = asking(1, "it moved")
	b.again = func(n int) (plan.Plan, error) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.hang()
		return b.left, nil
	}
	b.during(plan.MakePlan, 2, func() {
		require.Equal(t, "it moved", b.now().Replanning)
		b.say(runapi.Replan, runapi.Order{By: "ann"}, "being planned anew")
		b.say(runapi.Abort, runapi.Order{By: "ann"}, "")
	})
	b.run(runapi.Params{Approved: true})
	require.Equal(t, runapi.Aborted, b.sheet().Outcome)
	require.Equal(t, "ud", b.sheet().Steps)
	require.Empty(t, b.sheet().Replanning)
}

// A hand-over in the middle of it: the next run of the chain asks for the plan, and has what was amended before.
func TestHandOverWhilePlanningAnew(t *testing.T) {
	b := newBench(t, guest("g1", plan.LeaveGuest), guest("g2", plan.LeaveGuest, "g1"))
	b.does["g1"] = asking(1, "it moved")
	b.again = func(int) (plan.Plan, error) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.hang()
		return b.left, nil
	}
	b.during(plan.MakePlan, 2, func() {
		b.SetCurrentHistoryLength(9000)
		b.say(runapi.Pause, runapi.Order{By: "ann"}, "")
	})
	b.run(runapi.Params{Approved: true})
	var can *workflow.ContinueAsNewError
	require.ErrorAs(t, b.GetWorkflowError(), &can)
	var p runapi.Params
	var packed []byte
	var st State
	require.NoError(t, converter.GetDefaultDataConverter().FromPayloads(can.Input, &p, &packed, &st))
	require.Equal(t, stateVersion, st.Version)
	require.Equal(t, []any{"it moved", []string{"g1"}, "ann", ".."}, []any{st.Replan, st.Asking, st.Paused, st.Steps})
	require.False(t, st.Due.IsZero())

	next := newBench(t)
	next.plan, next.planned = b.plan, 1
	next.replanned(guest("g1", plan.LeaveGuest))
	next.order(time.Minute, runapi.Resume, runapi.Order{By: "ann"}, "")
	next.run(p, packed, st)
	s := next.sheet()
	require.Equal(t, runapi.Done, s.Outcome, s.Why)
	require.Equal(t, []string{"g1"}, next.ran())
	require.Equal(t, 1, s.Amendments[0].Dropped)
}

// Whatever the two plans are, what is kept keeps what it had, no need is lost or goes in a circle, and what always runs
// comes last.
func TestJoinedPlansAreWhole(t *testing.T) {
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 1))
		make := func(prefix int) (p plan.Plan) {
			var ids []string
			for n := range 2 + r.IntN(8) {
				id := fmt.Sprintf("s%d", r.IntN(prefix))
				if count(ids, id) > 0 {
					continue
				}
				s := step(id)
				s.Title = fmt.Sprint(prefix, n)
				for _, need := range ids {
					if r.IntN(3) == 0 {
						s.Needs = append(s.Needs, need)
					}
				}
				ids = append(ids, id)
				p.Steps = append(p.Steps, s)
			}
			p.Steps = append(p.Steps, always("unmark", ids...))
			if prefix == 12 && r.IntN(2) == 0 {
				p.Steps = p.Steps[:len(p.Steps)-1]
			}
			return p
		}
		old, now := make(10), make(12)
		begun := map[string]bool{} // what has begun has its needs behind it
		keeps := func(i int, _ *plan.Step) (bool, bool) {
			s := old.Steps[i]
			for _, need := range s.Needs {
				if !begun[need] {
					return false, false
				}
			}
			begun[s.ID] = r.IntN(2) == 0
			return begun[s.ID], begun[s.ID]
		}
		merged := join(old, now, keeps)
		g, err := plan.NewGraph(merged)
		require.NoError(t, err, "seed %d", seed)
		for _, s := range old.Steps {
			if i, ok := g.Index(s.ID); begun[s.ID] {
				require.True(t, ok)
				require.Equal(t, s.Title, merged.Steps[i].Title)
			}
		}
		for _, s := range now.Steps {
			i, ok := g.Index(s.ID)
			require.True(t, ok)
			if !begun[s.ID] {
				require.Subset(t, merged.Steps[i].Needs, s.Needs, "seed %d", seed)
			}
		}
		if i, ok := g.Index("unmark"); ok && !begun["unmark"] {
			before := map[string]bool{}
			var walk func(i int)
			walk = func(i int) {
				for _, id := range merged.Steps[i].Needs {
					if j, _ := g.Index(id); !before[id] {
						before[id] = true
						walk(j)
					}
				}
			}
			walk(i)
			for _, s := range now.Steps {
				require.True(t, s.ID == "unmark" || begun[s.ID] || before[s.ID], "seed %d: %s", seed, s.ID)
			}
		} else {
			require.True(t, ok, "what always runs stays")
		}
	}
}
