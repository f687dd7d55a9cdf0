package worker

import (
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	historypb "go.temporal.io/api/history/v1"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
	"nightshift/internal/signature"
	"nightshift/internal/simlab"
	"nightshift/workflows"
)

// only is the one step that is blocked, by its note.
func only(t *testing.T, s runapi.Sheet) (step string) {
	t.Helper()
	for id, note := range s.Notes {
		if strings.Contains(note, "NoPermission") {
			require.Empty(t, step, "%v", s.Notes)
			step = id
		}
	}
	require.NotEmpty(t, step, "%v", s.Notes)
	return step
}

// A night with a person beside it: one step is skipped, another is tried again as it was, while the run pauses, and then with other
// parameters.
func TestAPowerDownThatPeopleGuide(t *testing.T) {
	t.Parallel()
	s := newSite(t, simlab.SmallSpec())
	refused := simlab.Fault{System: "vcenter", Kind: simlab.Error, SOAP: "NoPermission"}
	ha, guest := refused, refused
	ha.Verb, guest.Verb, guest.Target = "ReconfigureComputeResource_Task:ha=false", "ShutdownGuest", "db01"
	mendHA, mendGuest := s.lab.Inject(ha), s.lab.Inject(guest)
	defer mendHA()
	down := s.begin("down", plan.PowerDownWorkflow, "power-down", runapi.Params{})
	id := only(t, s.blocked(down, 1))
	require.NoError(t, s.tell(down, runapi.Skip, runapi.Order{Steps: []string{id}, Reason: "nobody restarts anything tonight"}))
	id = "shutdown-guest:db01"
	sheet := s.blocked(down, 1)
	require.Contains(t, sheet.Notes[id], "NoPermission")

	require.NoError(t, s.tell(down, runapi.Pause, runapi.Order{Reason: "phone"}))
	require.NoError(t, s.tell(down, runapi.Retry, runapi.Order{Steps: []string{id}}))
	require.NotEmpty(t, s.sheetOf(down).Paused)
	require.NoError(t, s.tell(down, runapi.Resume, runapi.Order{}))
	sheet = s.blocked(down, 1)
	require.Equal(t, 2, sheet.Attempts[id])
	mendGuest()
	require.NoError(t, s.tell(down, runapi.Retry, runapi.Order{Steps: []string{id}, Params: map[string]any{"timeout": "4m0s"}}))
	sheet = s.result(down)
	require.Equal(t, runapi.Partial, sheet.Outcome, "%s %v", sheet.Why, sheet.Notes)
	require.Len(t, sheet.Decisions, 2)
	require.Len(t, sheet.Orders, 5)
	for name, h := range s.lab.Hosts() {
		require.Equal(t, "Off", h.Power, name)
	}
	record(t, s.client, "down", "guided")
}

// A night in which the lab changes: a guest moves, which needs nobody's yes, and one is started, which does.
func TestAPowerDownWhosePlanIsAmended(t *testing.T) {
	t.Parallel()
	s := newSite(t, slowToGoDown(8*time.Minute))
	down := s.begin("down", plan.PowerDownWorkflow, "power-down", runapi.Params{})
	require.NoError(t, s.lab.WaitFor(t.Context(), func(l *simlab.Lab) bool { return l.Count("ShutdownGuest", "") > 0 }))
	require.NoError(t, s.tell(down, runapi.Pause, runapi.Order{Reason: "look away"}))
	until(t, "nothing is under way", func() bool { return s.sheetOf(down).Running == 0 })
	require.NoError(t, s.lab.Move("dc01", "esx22"))
	require.NoError(t, s.lab.Start("spare"))
	require.NoError(t, s.lab.WaitFor(t.Context(), func(l *simlab.Lab) bool { return l.Guests()["spare"].Tools }))
	require.NoError(t, s.tell(down, runapi.Resume, runapi.Order{}))
	var sheet runapi.Sheet
	until(t, "a new plan waits for a yes", func() bool { sheet = s.sheetOf(down); return sheet.Proposal != nil })
	require.Contains(t, strings.Join(sheet.Proposal.Beyond, "\n"), "spare")
	require.Zero(t, s.lab.Count("ShutdownGuest", "spare"))
	require.NoError(t, s.tell(down, runapi.Approve, runapi.Order{Hash: sheet.Proposal.To}))
	sheet = s.result(down)
	require.Equal(t, runapi.Done, sheet.Outcome, "%s %v", sheet.Why, sheet.Notes)
	require.Zero(t, s.lab.Crashes())
	for name, h := range s.lab.Hosts() {
		require.Equal(t, "Off", h.Power, name)
	}
	require.Contains(t, record(t, s.client, "down", "amended"), "vain-plans", "a step has asked for the new plan")
}

// slowToGoDown is the small lab whose first guest to go down takes so long.
func slowToGoDown(d time.Duration) simlab.Spec {
	spec := simlab.SmallSpec()
	for i := range spec.Guests {
		if spec.Guests[i].Name == "web01" {
			spec.Guests[i].Shutdown = d
		}
	}
	return spec
}

// On battery a host is lost to its vCenter while a guest goes down. A plan made at that moment would leave the host as it is: it
// is made again when the guest is down.
func TestAHostIsLostWhileAGuestGoesDownOnBattery(t *testing.T) {
	t.Parallel()
	s := newSite(t, slowToGoDown(100*time.Hour))
	s.amendLabFile("\nups: [{name: rack, server: \"127.0.0.1:1\", feeds: [esx21, esx22]}]\n")
	down := s.begin("down", plan.PowerDownWorkflow, "power-down", runapi.Params{Parameters: map[string]string{"ups": "rack"}, Resolute: true})
	require.NoError(t, s.lab.WaitFor(t.Context(), func(l *simlab.Lab) bool { return l.Count("ShutdownGuest", "web01") > 0 }))
	restore := s.lab.CutOff("host:esx21", 0)
	connected := func(want bool) func(*simlab.Lab) bool {
		return func(l *simlab.Lab) bool { return l.Hosts()["esx21"].Connected == want }
	}
	require.NoError(t, s.lab.WaitFor(t.Context(), connected(false)))
	require.NoError(t, s.tell(down, runapi.Replan, runapi.Order{Reason: "the host is lost"}))
	until(t, "a plan without the host is not taken", func() bool {
		return slices.Contains(changesIn(t, &historypb.History{Events: events(t, s.client, down)}), "left-in-flight")
	})
	require.Empty(t, s.sheetOf(down).Amendments)
	restore()
	require.NoError(t, s.lab.WaitFor(t.Context(), connected(true)))
	require.NoError(t, s.lab.Kill("web01"))
	var sheet runapi.Sheet
	until(t, "the next one is", func() bool { sheet = s.sheetOf(down); return len(sheet.Amendments) > 0 })
	require.Empty(t, sheet.Amendments[0].Refused)
	require.NoError(t, s.tell(down, runapi.Abort, runapi.Order{Reason: "nobody answers for the UPS"}))
	require.Equal(t, runapi.Aborted, s.result(down).Outcome)
	require.Contains(t, record(t, s.client, "down", "on-battery"), "landed-meanwhile")
}

// Three people with keys: one asks for the night, the others approve it.
func TestASignedPowerDown(t *testing.T) {
	t.Parallel()
	s := newSite(t, simlab.SmallSpec())
	keys, people := map[string]ssh.Signer{}, ""
	for _, name := range []string{"ann", "bob", "cat"} {
		_, private, err := ed25519.GenerateKey(rand.Reader)
		require.NoError(t, err)
		keys[name], err = ssh.NewSignerFromKey(private)
		require.NoError(t, err)
		people += fmt.Sprintf("  - {name: %s, key: %q}\n", name, signature.Line(keys[name].PublicKey()))
	}
	s.amendLabFile("\npeople:\n" + people + "runbooks: {power-down: {approvers: {need: 2, of: [ann, bob, cat]}}}\n")
	sign := func(who, namespace, text string) *runapi.Signature {
		sig, err := signature.Sign(keys[who], namespace, text)
		require.NoError(t, err)
		return &runapi.Signature{Text: text, SSH: sig}
	}
	asked := workflows.Request(runapi.Params{Lab: s.file.Lab, Runbook: "power-down"}, "down")
	asked.Requester, asked.At = "ann", time.Now()
	down := s.begin("down", plan.PowerDownWorkflow, "power-down", runapi.Params{Signature: sign("ann", signature.RequestNamespace, asked.Text())})
	var sheet runapi.Sheet
	until(t, "it waits", func() bool { sheet = s.sheetOf(down); return sheet.Phase == runapi.PhaseApprove })
	approve := func(who string) error {
		a := signature.Approval{Lab: s.file.Lab, Runbook: "power-down", Run: "down", FirstRun: down.GetRunID(), Plan: sheet.Hash, Approver: who, Expires: time.Now().Add(time.Hour)}
		return s.tell(down, runapi.Approve, runapi.Order{Hash: sheet.Hash, Signature: sign(who, signature.ApprovalNamespace, a.Text())})
	}
	require.ErrorContains(t, approve("ann"), "nobody approves their own")
	require.NoError(t, approve("bob"))
	require.ErrorContains(t, approve("bob"), "already")
	require.Zero(t, s.lab.Count("ShutdownGuest", ""))
	require.NoError(t, approve("cat"))
	sheet = s.result(down)
	require.Equal(t, runapi.Done, sheet.Outcome, sheet.Why)
	require.Len(t, sheet.Approvals, 2)
	require.Contains(t, record(t, s.client, "down", "signed"), "signed-rules")
}
