package workflows

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"golang.org/x/crypto/ssh"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
	"nightshift/internal/signature"
)

const (
	testRun      = "default-test-workflow-id"
	testFirstRun = "" // the test environment tells none
)

// keys are people by their keys.
type keys map[string]ssh.Signer

func newKeys(t *testing.T, names ...string) keys {
	out := keys{}
	for _, n := range names {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		require.NoError(t, err)
		out[n], err = ssh.NewSignerFromSigner(key)
		require.NoError(t, err)
	}
	return out
}

func (k keys) people(names ...string) (out []plan.Approver) {
	for _, n := range names {
		out = append(out, plan.Approver{Name: n, Key: signature.Line(k[n].PublicKey())})
	}
	return out
}

func (k keys) sign(t *testing.T, who, namespace, text string) *runapi.Signature {
	t.Helper()
	sig, err := signature.Sign(k[who], namespace, text)
	require.NoError(t, err)
	return &runapi.Signature{Text: text, SSH: sig}
}

// signed is a bench whose runbook needs signatures.
type signed struct {
	*bench
	keys      keys
	approvers []plan.Approver
}

// newSigned: bob, joe and ann may approve, eve may only ask.
func newSigned(t *testing.T, need int) *signed {
	s := &signed{bench: newBench(t, step("a")), keys: newKeys(t, "ann", "bob", "joe", "eve", "mallory")}
	s.approvers = s.keys.people("ann", "bob", "joe")
	s.OnActivity(plan.MakePlan, mock.Anything, mock.Anything).Return(func(ctx context.Context, req plan.Request) (plan.Reply, error) {
		reply, err := s.makePlan(ctx, req)
		reply.Settings.Approval = true
		reply.Settings.Approvers = &plan.Approvers{Need: need, Of: s.approvers, Known: s.keys.people("ann", "bob", "joe", "eve")}
		return reply, err
	})
	s.SetStartTime(time.Date(2026, 11, 20, 22, 0, 0, 0, time.UTC))
	return s
}

// params are those of a run that who has asked for.
func (s *signed) params(who string) runapi.Params {
	p := runapi.Params{Lab: "home", Runbook: "power-down", By: "ann", Approved: true}
	req := Request(p, testRun)
	req.Requester, req.At = who, s.Now()
	p.Signature = s.keys.sign(s.t, who, signature.RequestNamespace, req.Text())
	return p
}

// approve is the order of an approver.
func (s *signed) approve(who string, change func(*signature.Approval)) runapi.Order {
	hash := s.plan.Hash()
	a := signature.Approval{Lab: "home", Runbook: "power-down", Run: testRun, FirstRun: testFirstRun, Plan: hash, Approver: who, Expires: s.Now().Add(30 * time.Minute)}
	if change != nil {
		change(&a)
	}
	return runapi.Order{By: "root", Hash: hash, Signature: s.keys.sign(s.t, who, signature.ApprovalNamespace, a.Text())}
}

func TestASignedApprovalIsTaken(t *testing.T) {
	s := newSigned(t, 1)
	o := s.approve("bob", nil)
	s.order(time.Minute, runapi.Approve, o, "")
	s.run(s.params("eve"))
	sheet := s.sheet()
	require.Equal(t, runapi.Done, sheet.Outcome, sheet.Why)
	require.Equal(t, "eve", sheet.Requester.Name)
	require.Len(t, sheet.Approvals, 1)
	a := sheet.Approvals[0]
	require.Equal(t, "bob", a.Name)
	require.Equal(t, s.plan.Hash(), a.Hash)
	require.Equal(t, o.Signature.SSH, a.SSH, "kept, to be verified again")
	require.Equal(t, 1, sheet.Approvers.Need)
}

func TestApprovalsThatAreRefused(t *testing.T) {
	for _, c := range []struct {
		name, by, says string
		change         func(*signature.Approval)
		at             time.Duration
		order          func(o runapi.Order) runapi.Order
	}{
		{name: "unsigned", by: "bob", says: "a name alone is none", order: func(o runapi.Order) runapi.Order { o.Signature = nil; return o }},
		{name: "on another run", by: "bob", says: "signed for run other", change: func(a *signature.Approval) { a.Run = "other" }},
		{name: "on a later run of the same id", by: "bob", says: "signed for first run", change: func(a *signature.Approval) { a.FirstRun = "other" }},
		{name: "of another plan", by: "bob", says: "signed for plan", change: func(a *signature.Approval) { a.Plan = "cd" + a.Plan[2:] }},
		{name: "of another plan by its order", by: "bob", says: "read it again", order: func(o runapi.Order) runapi.Order { o.Hash = "cd"; return o }},
		{name: "expired", by: "bob", says: "expired", at: 31 * time.Minute},
		{name: "far ahead", by: "bob", says: "24h ahead is the most", change: func(a *signature.Approval) { a.Expires = a.Expires.Add(24 * time.Hour) }},
		{name: "by a stranger", by: "mallory", says: "of nobody who may sign"},
		{name: "by the one who asked", by: "ann", says: "ann asked for this run"},
		{name: "by somebody who only may ask", by: "eve", says: "eve is no approver"},
		{name: "under another name", by: "ann", says: "names bob, but was signed with the key of ann", change: func(a *signature.Approval) { a.Approver = "bob" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSigned(t, 1)
			o := s.approve(c.by, c.change)
			if c.order != nil {
				o = c.order(o)
			}
			s.order(max(c.at, time.Minute), runapi.Approve, o, c.says)
			s.run(s.params("ann"))
			sheet := s.sheet()
			require.Equal(t, runapi.Refused, sheet.Outcome)
			require.Equal(t, "nobody approved the plan within 1h", sheet.Why, "silence is no")
			require.Empty(t, s.ran())
			require.Empty(t, sheet.Approvals)
		})
	}
}

// TestOneKeyUnderTwoNamesApprovesNothing: the lab file refuses that, the run does too.
func TestOneKeyUnderTwoNamesApprovesNothing(t *testing.T) {
	s := newSigned(t, 1)
	s.keys["ann"] = s.keys["bob"]
	s.order(time.Minute, runapi.Approve, s.approve("bob", nil), "names bob, but was signed with the key of ann")
	s.order(2*time.Minute, runapi.Approve, s.approve("bob", func(a *signature.Approval) { a.Approver = "ann" }), "nobody approves their own")
	s.run(s.params("ann"))
	require.Equal(t, runapi.Refused, s.sheet().Outcome)
}

func TestSeveralHaveToApprove(t *testing.T) {
	s := newSigned(t, 2)
	s.order(time.Minute, runapi.Approve, s.approve("bob", nil), "")
	s.order(2*time.Minute, runapi.Approve, s.approve("bob", func(a *signature.Approval) { a.Expires = a.Expires.Add(time.Minute) }), "bob has approved this plan already: 2 different people have to")
	s.RegisterDelayedCallback(func() {
		require.Empty(t, s.ran())
		require.Equal(t, runapi.PhaseApprove, s.now().Phase)
	}, 3*time.Minute)
	s.order(4*time.Minute, runapi.Approve, s.approve("joe", nil), "")
	s.run(s.params("ann"))
	sheet := s.sheet()
	require.Equal(t, runapi.Done, sheet.Outcome, sheet.Why)
	require.Len(t, sheet.Approvals, 2)
}

// An approval that has expired before the last one came is none any more; who gave it may give it again.
func TestAnApprovalThatHasExpiredDoesNotCount(t *testing.T) {
	s := newSigned(t, 2)
	soon := s.approve("bob", func(a *signature.Approval) { a.Expires = s.Now().Add(2 * time.Minute) })
	s.order(time.Minute, runapi.Approve, soon, "")
	s.order(5*time.Minute, runapi.Approve, s.approve("joe", nil), "")
	s.RegisterDelayedCallback(func() {
		require.Empty(t, s.ran())
		require.Equal(t, runapi.PhaseApprove, s.now().Phase)
	}, 6*time.Minute)
	s.order(7*time.Minute, runapi.Approve, s.approve("bob", nil), "")
	s.run(s.params("ann"))
	sheet := s.sheet()
	require.Equal(t, runapi.Done, sheet.Outcome, sheet.Why)
	require.Len(t, sheet.Approvals, 2)
	require.Equal(t, "joe", sheet.Approvals[0].Name)
}

func TestOneOfTwoApprovalsIsNone(t *testing.T) {
	s := newSigned(t, 2)
	s.order(time.Minute, runapi.Approve, s.approve("bob", nil), "")
	s.run(s.params("ann"))
	require.Equal(t, runapi.Refused, s.sheet().Outcome)
	require.Equal(t, "only 1 of 2 approvals of the plan came within 1h", s.sheet().Why)
	require.Empty(t, s.ran())
}

func TestRequestsThatAreRefused(t *testing.T) {
	for _, c := range []struct {
		name, says string
		change     func(s *signed, p *runapi.Params)
	}{
		{"unsigned", "nightshift run power-down --sign", func(_ *signed, p *runapi.Params) { p.Signature = nil }},
		{"of a claimed schedule", "nightshift run power-down --sign", func(_ *signed, p *runapi.Params) {
			p.Signature, p.Scheduled, p.By = nil, true, "schedule nightly"
		}},
		{"with other parameters", "signed for parameters -", func(_ *signed, p *runapi.Params) { p.Parameters = map[string]string{"cluster": "Lab"} }},
		{"with another policy", "signed for on failure -", func(_ *signed, p *runapi.Params) { p.OnFailure = plan.Force }},
		{"of another run", "signed for run yesterday", func(s *signed, p *runapi.Params) {
			req := Request(*p, "yesterday")
			req.Requester, req.At = "eve", s.Now()
			p.Signature = s.keys.sign(s.t, "eve", signature.RequestNamespace, req.Text())
		}},
		{"by a stranger", "of nobody who may sign", func(s *signed, p *runapi.Params) { *p = s.params("mallory") }},
		{"an approval", "not this request", func(s *signed, p *runapi.Params) { p.Signature = s.approve("bob", nil).Signature }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSigned(t, 1)
			p := s.params("ann")
			c.change(s, &p)
			s.runAs(p)
			sheet := s.sheet()
			require.Equal(t, runapi.Refused, sheet.Outcome)
			require.Contains(t, sheet.Why, c.says)
			require.Empty(t, s.ran())
			require.Equal(t, 1, s.released)
		})
	}
}

// runAs runs with these parameters and no other.
func (s *signed) runAs(p runapi.Params) {
	s.ExecuteWorkflow(plan.PowerDownWorkflow, p, []byte(nil), State{})
	require.True(s.t, s.IsWorkflowCompleted())
}

func TestAScheduleIsNobodysOwn(t *testing.T) {
	for _, c := range []struct {
		by, mark, id string
		ok           bool
	}{
		{"schedule nightly", "power-down-home-nightly", "power-down-home-nightly-2026-11-20T22:00:00Z", true},
		{"schedule nightly", "power-down-home-weekly", "power-down-home-nightly-2026-11-20T22:00:00Z", false},
		{"schedule nightly", "power-down-home-nightly", "power-down-home-20261120-220000", false},
		{"schedule nightly", "power-down-home-weekly", "power-down-home-weekly-2026-11-20T22:00:00Z", false},
		{"ann", "power-down-home-nightly", "power-down-home-nightly-2026-11-20T22:00:00Z", false},
	} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			s := newSigned(t, 1)
			s.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: c.id, TaskQueue: "q"})
			require.NoError(t, s.SetTypedSearchAttributesOnStart(temporal.NewSearchAttributes(scheduledBy.ValueSet(c.mark))))
			if c.ok {
				s.order(time.Minute, runapi.Approve, s.approve("ann", func(a *signature.Approval) { a.Run = c.id }), "")
				s.RegisterDelayedCallback(func() {
					require.Equal(t, runapi.PhaseApprove, s.now().Phase, "ann may be the one who has added the schedule")
					require.Contains(t, s.now().Waiting, "signed by 2 of")
				}, 2*time.Minute)
				s.order(3*time.Minute, runapi.Approve, s.approve("bob", func(a *signature.Approval) { a.Run = c.id }), "")
			}
			s.runAs(runapi.Params{Lab: "home", Runbook: "power-down", By: c.by, Scheduled: true, Approved: true})
			sheet := s.sheet()
			if !c.ok {
				require.Contains(t, sheet.Why, "--sign")
				return
			}
			require.Equal(t, runapi.Done, sheet.Outcome, sheet.Why)
			require.Equal(t, "schedule nightly", sheet.Requester.Name)
			require.Equal(t, 2, sheet.Approvers.Need)
		})
	}
}

// scheduled begins the run as a schedule does.
func (s *signed) scheduled() {
	const id = "power-down-home-nightly"
	s.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: id + "-2026-11-20T22:00:00Z", TaskQueue: "q"})
	require.NoError(s.t, s.SetTypedSearchAttributesOnStart(temporal.NewSearchAttributes(scheduledBy.ValueSet(id))))
	s.runAs(runapi.Params{Lab: "home", Runbook: "power-down", By: "schedule nightly", Scheduled: true, Approved: true})
}

// A schedule is no way round the approvals: its runs wait for all of them, silence is no, and of two people who have to
// approve none can stand for both.
func TestAScheduleIsNoWayRoundApprovals(t *testing.T) {
	for name, c := range map[string]struct {
		need int
		of   []string
		by   []string // approve, in this order
		says string
	}{
		"nobody":                      {1, []string{"ann", "bob"}, nil, "nobody approved the plan within"},
		"one of one":                  {1, []string{"ann", "bob"}, []string{"ann"}, "only 1 of 2 approvals of the plan came within"},
		"two of three":                {3, []string{"ann", "bob", "joe"}, []string{"ann", "bob"}, "only 2 of 3 approvals of the plan came within"},
		"where there is one approver": {1, []string{"ann"}, nil, "2 people have to approve it, and power-down has only one approver"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSigned(t, c.need)
			s.approvers = s.keys.people(c.of...)
			for i, who := range c.by {
				s.order(time.Duration(i+1)*time.Minute, runapi.Approve, s.approve(who, func(a *signature.Approval) { a.Run = "power-down-home-nightly-2026-11-20T22:00:00Z" }), "")
			}
			s.scheduled()
			sheet := s.sheet()
			require.Equal(t, runapi.Refused, sheet.Outcome)
			require.Contains(t, sheet.Why, c.says)
			require.Empty(t, s.ran())
		})
	}
}

// To go on without a step that acts is another plan than was approved. One that only waits may be skipped.
func TestAStepThatActsIsNotSkippedUnsigned(t *testing.T) {
	s := newSigned(t, 1)
	wait := step("wait")
	wait.Action = plan.CheckGuest
	s.plan.Steps = []plan.Step{guest("g1", plan.LeaveGuest), wait}
	s.does["g1"], s.does["wait"] = failing(1, "no Tools"), failing(1, "not well")
	s.order(time.Minute, runapi.Approve, s.approve("bob", nil), "")
	skip := func(id string) runapi.Order { return runapi.Order{By: "eve", Reason: "enough", Steps: []string{id}} }
	s.order(10*time.Minute, runapi.Skip, skip("g1"), "power-down has approvers: to go on without it is another plan")
	s.order(11*time.Minute, runapi.Skip, skip("wait"), "")
	s.order(12*time.Minute, runapi.Retry, runapi.Order{By: "eve", Steps: []string{"g1"}}, "")
	s.run(s.params("ann"))
	require.Equal(t, runapi.Partial, s.sheet().Outcome, s.sheet().Why)
	require.Contains(t, s.sheet().Why, "1 of 2 steps skipped")
}

// TestAnAmendmentNeedsSignaturesOfItsOwn: what was signed for the first plan is none for a harsher one.
func TestAnAmendmentNeedsSignaturesOfItsOwn(t *testing.T) {
	s := newSigned(t, 1)
	s.plan.Steps = []plan.Step{guest("g1", plan.LeaveGuest), always("unmark", "g1")}
	s.does["g1"] = asking(1, "no Tools")
	s.replanned(guest("g1", plan.PowerOffGuest))
	first := s.approve("bob", nil)
	s.order(time.Minute, runapi.Approve, first, "")
	s.RegisterDelayedCallback(func() {
		to := s.now().Proposal.To
		again := first
		again.Hash = to
		s.say(runapi.Approve, again, "signed for plan")
		s.say(runapi.Approve, runapi.Order{By: "bob", Hash: to}, "a name alone is none")
		o := s.approve("joe", func(a *signature.Approval) { a.Plan = to })
		o.Hash = to
		s.say(runapi.Approve, o, "")
	}, 10*time.Minute)
	s.run(s.params("ann"))
	sheet := s.sheet()
	require.Equal(t, runapi.Done, sheet.Outcome, sheet.Why)
	require.Equal(t, "joe", sheet.Amendments[0].ApprovedBy)
	require.Len(t, sheet.Approvals, 2)
}
