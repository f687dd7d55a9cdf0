package report

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
	"nightshift/internal/signature"
)

// A notary has keys, and makes the signed report of a run that ann asked for and bob and joe approved.
type notary struct {
	t    *testing.T
	keys map[string]ssh.Signer
}

func newNotary(t *testing.T) *notary {
	n := &notary{t: t, keys: map[string]ssh.Signer{}}
	for _, name := range []string{"ann", "bob", "joe", "eve"} {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		require.NoError(t, err)
		n.keys[name], err = ssh.NewSignerFromSigner(key)
		require.NoError(t, err)
	}
	return n
}

func (n *notary) people(names ...string) (out []plan.Approver) {
	for _, name := range names {
		out = append(out, plan.Approver{Name: name, Key: signature.Line(n.keys[name].PublicKey())})
	}
	return out
}

func (n *notary) consent(name, namespace, text string) runapi.Consent {
	n.t.Helper()
	sig, err := signature.Sign(n.keys[name], namespace, text)
	require.NoError(n.t, err)
	return runapi.Consent{At: at(0), Name: name, Key: signature.Line(n.keys[name].PublicKey()), Hash: hashed, Signature: runapi.Signature{Text: text, SSH: sig}}
}

func at(minutes int) time.Time {
	return time.Date(2026, 11, 20, 22, minutes, 0, 0, time.UTC)
}

var hashed, other = strings.Repeat("ab", 32), strings.Repeat("ef", 32)

func (n *notary) approval(name string) runapi.Consent { return n.approvalOf(hashed, name) }

func (n *notary) approvalOf(hash, name string) runapi.Consent {
	c := n.consent(name, signature.ApprovalNamespace, signature.Approval{Lab: "home", Runbook: "power-down", Run: "r1", FirstRun: "f1", Plan: hash,
		Approver: name, Expires: at(15)}.Text())
	c.Hash = hash
	return c
}

func (n *notary) report() Report {
	q := n.consent("ann", signature.RequestNamespace, signature.Request{Lab: "home", Runbook: "power-down", Run: "r1", Requester: "ann", At: at(0)}.Text())
	return Report{Run: "r1", Lab: "home", Runbook: "power-down", Hash: hashed, Counts: Counts{Done: 1}, Requester: &q,
		Approvers: &plan.Approvers{Need: 2, Of: n.people("ann", "bob", "joe"), Known: n.people("ann", "bob", "joe")},
		Approvals: []runapi.Consent{n.approval("bob"), n.approval("joe")}}
}

func TestSignaturesAreVerifiedAgain(t *testing.T) {
	n := newNotary(t)
	for _, c := range []struct {
		name   string
		change func(r *Report)
		fails  string // in the first check that does; empty: all hold
	}{
		{name: "as it was", change: func(*Report) {}},
		{name: "waiting for the second one", change: func(r *Report) { r.Approvals, r.Counts = r.Approvals[:1], Counts{} }},
		{name: "asked for by a schedule", change: func(r *Report) { r.Requester = &runapi.Consent{Name: "schedule nightly"} }},
		{name: "an amendment within what was approved", change: func(r *Report) { r.Amendments = []runapi.Amendment{{From: hashed, To: other}} }},
		{name: "an amendment that needed approvals, and has them", change: func(r *Report) {
			r.Amendments = []runapi.Amendment{{From: hashed, To: other, Beyond: []string{"new"}}}
			r.Approvals = append(r.Approvals, n.approvalOf(other, "bob"), n.approvalOf(other, "joe"))
		}},
		{name: "an amendment that needed approvals, and was refused", change: func(r *Report) {
			r.Amendments = []runapi.Amendment{{From: hashed, To: other, Beyond: []string{"new"}, Refused: "rejected by ann"}}
		}},
		{name: "an amendment that needed two approvals, and has one", change: func(r *Report) {
			r.Amendments = []runapi.Amendment{{From: hashed, To: other, Beyond: []string{"new: power off guest web01"}}}
			r.Approvals = append(r.Approvals, n.approvalOf(other, "bob"))
		}, fails: "carried out with 1 valid approval of plan efefefefefef, and went beyond the plan before: new: power off guest web01"},
		{name: "one approval too few", change: func(r *Report) { r.Approvals = r.Approvals[:1] }, fails: "steps have begun with 1 valid approval"},
		{name: "none", change: func(r *Report) { r.Approvals = nil }, fails: "steps have begun with 0 valid approvals"},
		{name: "one of them twice", change: func(r *Report) { r.Approvals[1] = r.Approvals[0] }, fails: "bob approved it twice"},
		{name: "nobody asked", change: func(r *Report) { r.Requester = nil }, fails: "nobody is known to have asked"},
		{name: "another run", change: func(r *Report) { r.Run = "r2" }, fails: "it was signed for run r1"},
		{name: "another plan", change: func(r *Report) { r.Approvals[0].Hash = strings.Repeat("cd", 32) }, fails: "signed for plan abab"},
		{name: "taken too late", change: func(r *Report) { r.Approvals[0].At = at(16) }, fails: "expired"},
		{name: "by the one who asked", change: func(r *Report) { r.Approvals[0] = n.approval("ann") }, fails: "ann asked for the run"},
		{name: "by a stranger", change: func(r *Report) { r.Approvals[0] = n.approval("eve") }, fails: "of nobody who may sign"},
		{name: "under another name", change: func(r *Report) { r.Approvals[0].Name = "ann" }, fails: "signed by bob, the report says ann"},
		{name: "the request of another", change: func(r *Report) { r.Requester.Name = "bob" }, fails: "signed for requester ann, the report says bob"},
		{name: "a changed request", change: func(r *Report) { r.Requester.Text += "x" }, fails: "does not belong to this text"},
		{name: "a lab file that demands nothing of this run's", change: func(r *Report) { r.Approvers = nil }, fails: "the run knew of none"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := n.report()
			c.change(&r)
			want := &plan.Approvers{Need: 2, Of: n.people("ann", "bob", "joe")}
			fails := ""
			for _, check := range r.Verify(n.people("ann", "bob", "joe"), want, "f1") {
				if !check.Holds && fails == "" {
					fails = check.Why
				}
			}
			if c.fails == "" {
				require.Empty(t, fails)
			} else {
				require.Contains(t, fails, c.fails)
			}
		})
	}
}

// TestAForgedReportDoesNotFoolALabFile: everything in the report is the forger's, and fits together.
func TestAForgedReportDoesNotFoolALabFile(t *testing.T) {
	n := newNotary(t)
	r := n.report()
	holds := func(checks []Check) bool {
		for _, c := range checks {
			if !c.Holds {
				return false
			}
		}
		return len(checks) > 0
	}
	forger := newNotary(t)
	forged := forger.report()
	require.True(t, holds(forged.Verify(nil, nil, "")), "by its own keys")
	require.False(t, holds(forged.Verify(n.people("ann", "bob", "joe"), r.Approvers, "")))
	require.False(t, holds(forged.Verify([]plan.Approver{}, nil, "")), "no people is nobody")
	require.False(t, holds(r.Verify(nil, nil, "f2")), "another run of the same id")
	r.Approvers.Need, r.Approvals = 1, r.Approvals[:1]
	require.False(t, holds(r.Verify(nil, &plan.Approvers{Need: 2, Of: n.people("bob", "joe")}, "")), "what the lab file needs counts")
	require.Nil(t, Report{}.Verify(nil, nil, ""))
}

// Nobody signs for a schedule: one approval of what it asked for may be that of whoever has added it.
func TestOneApprovalOfAScheduledRunIsNotEnough(t *testing.T) {
	n := newNotary(t)
	r := n.report()
	r.Requester, r.Approvals = &runapi.Consent{Name: "schedule nightly"}, r.Approvals[:1]
	want := &plan.Approvers{Need: 1, Of: n.people("bob", "joe")}
	checks := r.Verify(n.people("ann", "bob", "joe"), want, "f1")
	require.False(t, checks[len(checks)-1].Holds)
	require.Contains(t, checks[len(checks)-1].What, "approved by 2")
	r.Approvals = append(r.Approvals, n.approval("joe"))
	checks = r.Verify(n.people("ann", "bob", "joe"), want, "f1")
	require.True(t, checks[len(checks)-1].Holds)
}

func TestTheReportTellsWhoSigned(t *testing.T) {
	var b bytes.Buffer
	newNotary(t).report().Text(&b)
	for _, s := range []string{"Signed\n", "asked for by ann (ssh-ed25519 SHA256:", "plan abababababab approved by joe (", "nightshift report verify r1"} {
		require.Contains(t, b.String(), s)
	}
}
