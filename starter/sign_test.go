package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"nightshift/internal/plan"
	"nightshift/internal/report"
	"nightshift/internal/runapi"
	"nightshift/internal/signature"
	"nightshift/internal/signature/signaturetest"
	"nightshift/workflows"
)

// A signers is a lab whose power-down needs the signature of bob or joe, with everybody's keys in files.
type signers struct {
	*console
	run    string
	keys   map[string]ed25519.PrivateKey
	people []plan.Approver
	sheet  runapi.Sheet
}

func newSigners(t *testing.T) *signers {
	p := plan.Plan{Schema: plan.SchemaVersion, Runbook: "power-down", Lab: "home", Title: "Power down lab home"}
	run := "power-down-home-20261120-220000"
	s := &signers{run: run, keys: map[string]ed25519.PrivateKey{}}
	lab := &fakeLab{plan: &p, infos: map[string]runInfo{run: {Run: run, Open: true, FirstRun: "0198-aa"}}}
	s.console = newConsole(t, lab)
	text, err := os.ReadFile("lab.yaml")
	require.NoError(t, err)
	people := "people:\n"
	for _, name := range []string{"ann", "bob", "joe"} {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		require.NoError(t, err)
		s.keys[name] = key
		s.write(t, name, "")
		public, err := ssh.NewPublicKey(key.Public())
		require.NoError(t, err)
		line := signature.Line(public)
		require.NoError(t, os.WriteFile(name+".pub", []byte(line+" comment\n"), 0o600))
		s.people = append(s.people, plan.Approver{Name: name, Key: line})
		people += fmt.Sprintf("  - {name: %s, key: %q}\n", name, line)
	}
	people += "runbooks: {power-down: {approvers: {of: [bob, joe]}}}\n"
	require.NoError(t, os.WriteFile("lab.yaml", append(text, people...), 0o600))
	s.sheet = runapi.Sheet{Lab: "home", Runbook: "power-down", Phase: runapi.PhaseApprove, Hash: p.Hash(), Waiting: "approval of plan x, signed by 1 of bob, joe", Started: midnight(),
		Approvers: &plan.Approvers{Need: 1, Of: s.people[1:], Known: s.people}, Requester: &runapi.Consent{At: midnight(), Name: "ann", Key: s.people[0].Key}}
	lab.script = []runapi.Sheet{s.sheet}
	return s
}

// write writes a private key into a file of the person's name.
func (s *signers) write(t *testing.T, name, passphrase string) {
	t.Helper()
	b, err := ssh.MarshalPrivateKey(s.keys[name], "")
	if passphrase != "" {
		b, err = ssh.MarshalPrivateKeyWithPassphrase(s.keys[name], "", []byte(passphrase))
	}
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(name, pem.EncodeToMemory(b), 0o600))
}

// agent serves keys of these people.
func (s *signers) agent(t *testing.T, names ...string) {
	t.Helper()
	keyring := agent.NewKeyring()
	for _, n := range names {
		require.NoError(t, keyring.Add(agent.AddedKey{PrivateKey: s.keys[n]}))
	}
	s.serve(t, keyring)
}

// serve speaks an agent's protocol at a socket.
func (s *signers) serve(t *testing.T, a agent.Agent) {
	t.Helper()
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "agent"))
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			go func() { _ = agent.ServeAgent(a, c) }()
		}
	}()
	s.env.(fakeEnv)["SSH_AUTH_SOCK"] = l.Addr().String()
}

// approvedBy is who signed the order that was sent.
func (s *signers) approvedBy(t *testing.T) string {
	t.Helper()
	require.Len(t, s.lab.orders, 1, s.stderr)
	o := s.lab.orders[0]
	require.NotNil(t, o.Signature)
	who, _, err := signature.CheckApproval(o.Signature.Text, o.Signature.SSH, s.want(), s.people, midnight())
	require.NoError(t, err)
	return who.Name
}

func (s *signers) want() signature.Approval {
	return signature.Approval{Lab: "home", Runbook: "power-down", Run: s.run, FirstRun: "0198-aa", Plan: s.sheet.Hash}
}

func TestApproveSigns(t *testing.T) {
	for _, c := range []struct {
		name string
		agent,
		args []string
		encrypted string
		by        string
	}{
		{name: "with a key file", args: []string{"--key", "joe"}, by: "joe"},
		{name: "with the agent's key of an approver", agent: []string{"ann", "bob"}, by: "bob"},
		{name: "with the key of the agent that is named", agent: []string{"bob", "joe"}, args: []string{"--key", "joe.pub"}, by: "joe"},
		{name: "with a passphrase", args: []string{"--key", "bob"}, encrypted: "bob", by: "bob"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSigners(t)
			if c.agent != nil {
				s.agent(t, c.agent...)
			}
			if c.encrypted != "" {
				s.write(t, c.encrypted, "open sesame")
				s.password = func(string) ([]byte, error) { return []byte("open sesame"), nil }
			}
			s.in = strings.NewReader("yes\n")
			require.Equal(t, exitDone, s.console.run(append([]string{"approve", s.run, "--sign"}, c.args...)...), s.stderr)
			require.Equal(t, c.by, s.approvedBy(t))
			require.Contains(t, s.stderr.String(), "plan: "+s.sheet.Hash, "what is signed is shown")
			require.Contains(t, s.stderr.String(), "expires: 2026-11-20T22:15:00Z")
		})
	}
}

// A FIDO key is never in a file: the agent has it, and another kind of signature comes back.
func TestApproveSignsWithAFIDOKey(t *testing.T) {
	for _, kind := range []string{ssh.KeyAlgoSKED25519, ssh.KeyAlgoSKECDSA256} {
		t.Run(kind, func(t *testing.T) {
			s := newSigners(t)
			key := signaturetest.NewFIDO(t, kind, 1)
			s.people[2].Key = signature.Line(key.PublicKey()) // joe's
			s.serve(t, signaturetest.Agent(signaturetest.NewFIDO(t, kind, 1), key))
			require.Equal(t, exitDone, s.console.run("approve", s.run, "--sign", "--yes"), s.stderr)
			require.Equal(t, "joe", s.approvedBy(t))
			require.Contains(t, s.stderr.String(), "To be signed as joe with the "+kind+" key")
		})
	}
}

func TestApprovalsThatAreNotSent(t *testing.T) {
	for _, c := range []struct {
		name   string
		args   []string
		answer string
		change func(s *signers)
		code   int
		says   string
	}{
		{name: "without a signature", args: []string{"--yes"}, code: exitRefused, says: "--sign`"},
		{name: "by the one who asked", args: []string{"--sign", "--key", "ann"}, code: exitRefused, says: "of nobody who may sign"},
		{name: "answered no", args: []string{"--sign", "--key", "bob"}, answer: "no\n", code: exitRefused, says: "not approved"},
		{name: "no answer", args: []string{"--sign", "--key", "bob"}, code: exitRefused, says: "no answer"},
		{name: "no agent", args: []string{"--sign"}, code: exitFailed, says: "SSH_AUTH_SOCK"},
		{name: "an agent that is gone", args: []string{"--sign"}, change: func(s *signers) { s.env.(fakeEnv)["SSH_AUTH_SOCK"] = "/nowhere" }, code: exitFailed, says: "does not answer"},
		{name: "no such key", args: []string{"--sign", "--key", "eve"}, code: exitUsage, says: "no key file eve"},
		{name: "no key", args: []string{"--sign", "--key", "lab.yaml"}, code: exitFailed, says: "cannot be used"},
		{name: "nobody to ask for the passphrase", args: []string{"--sign", "--key", "bob"}, change: func(s *signers) { s.write(t, "bob", "x") }, code: exitFailed, says: "add the key to ssh-agent"},
		{name: "a wrong passphrase", args: []string{"--sign", "--key", "bob"}, change: func(s *signers) {
			s.write(t, "bob", "x")
			s.password = func(string) ([]byte, error) { return []byte("y"), nil }
		}, code: exitFailed, says: "cannot be used"},
		{name: "no passphrase", args: []string{"--sign", "--key", "bob"}, change: func(s *signers) {
			s.write(t, "bob", "x")
			s.password = func(string) ([]byte, error) { return nil, errors.New("EOF") }
		}, code: exitFailed, says: "no passphrase"},
		{name: "for a week", args: []string{"--sign", "--expires", "168h"}, code: exitUsage, says: "at most 24h"},
		{name: "two ways", args: []string{"--sign", "--print"}, code: exitUsage, says: "three ways"},
		{name: "a key for nothing", args: []string{"--key", "bob"}, code: exitUsage, says: "--key without --sign"},
		{name: "a name for nothing", args: []string{"--as", "bob"}, code: exitUsage, says: "--as belongs to --print"},
		{name: "of which text", args: []string{"--signature", "x"}, code: exitUsage, says: "--text"},
		{name: "no signature file", args: []string{"--signature", "x.sig"}, code: exitUsage, says: "there is no file"},
		{name: "another plan", args: []string{"--sign", "--key", "bob", "--hash", "0123456789ab"}, code: exitRefused, says: "not with 0123456789ab"},
		{name: "a run that wants none", args: []string{"--sign", "--key", "bob"}, change: func(s *signers) { s.lab.script[0].Approvers = nil }, code: exitUsage, says: "wants no signature"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSigners(t)
			if c.change != nil {
				c.change(s)
			}
			s.in = strings.NewReader(c.answer)
			require.Equal(t, c.code, s.console.run(append([]string{"approve", s.run}, c.args...)...), s.stderr)
			require.Contains(t, s.stderr.String(), c.says)
			require.Empty(t, s.lab.orders)
		})
	}
}

func TestASignatureThatWasMadeElsewhere(t *testing.T) {
	s := newSigners(t)
	require.Equal(t, exitUsage, s.console.run("approve", s.run, "--print"))
	require.Contains(t, s.stderr.String(), "One of bob, joe")
	require.Equal(t, exitUsage, s.console.run("approve", s.run, "--print", "--as", "ann"), "who asked cannot")
	require.Equal(t, exitDone, s.console.run("approve", s.run, "--print", "--as", "joe"), s.stderr)
	text := s.stdout.String()
	signer, err := ssh.NewSignerFromKey(s.keys["joe"])
	require.NoError(t, err)
	sig, err := signature.Sign(signer, signature.ApprovalNamespace, text)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile("yes.txt", []byte(text), 0o600))
	require.NoError(t, os.WriteFile("yes.txt.sig", []byte(sig), 0o600))
	require.Equal(t, exitDone, s.console.run("approve", s.run, "--signature", "yes.txt.sig", "--yes"), s.stderr)
	require.Equal(t, "joe", s.approvedBy(t))

	require.NoError(t, os.WriteFile("yes.txt", []byte(text+"\n"), 0o600))
	require.Equal(t, exitRefused, s.console.run("approve", s.run, "--signature", "yes.txt.sig", "--yes"))
	require.Contains(t, s.stderr.String(), "does not belong to this text")
}

func TestRunSignsTheRequest(t *testing.T) {
	s := newSigners(t)
	s.lab.taken = map[string]bool{s.run: true} // the first id is taken: the next one is signed anew
	s.agent(t, "ann")
	require.Equal(t, exitBlocked, s.console.run("run", "power-down", "--sign", "--on-failure", "skip", "--yes"), s.stderr)
	require.Contains(t, s.stderr.String(), "signed by 1 of bob, joe")
	require.Len(t, s.lab.started, 1)
	p := s.lab.started[0]
	who, err := signature.CheckRequest(p.Signature.Text, p.Signature.SSH, workflows.Request(p, "power-down-home-20261120-220001"), s.people, midnight().Add(time.Minute))
	require.NoError(t, err)
	require.Equal(t, "ann", who.Name)
	require.Empty(t, s.lab.orders, "--yes is no approval")

	require.Equal(t, exitUsage, s.console.run("run", "power-down", "--key", "ann"))
	writeLab(t, "lab.yaml", "home")
	require.Equal(t, exitUsage, s.console.run("run", "power-down", "--sign"))
	require.Contains(t, s.stderr.String(), "knows no people")
}

func TestReportVerify(t *testing.T) {
	s := newSigners(t)
	consent := func(name, namespace, text string) runapi.Consent {
		signer, err := ssh.NewSignerFromKey(s.keys[name])
		require.NoError(t, err)
		sig, err := signature.Sign(signer, namespace, text)
		require.NoError(t, err)
		return runapi.Consent{At: midnight(), Name: name, Key: signature.Line(signer.PublicKey()), Hash: s.sheet.Hash, Signature: runapi.Signature{Text: text, SSH: sig}}
	}
	a := s.want()
	a.Approver, a.Expires = "bob", midnight().Add(time.Minute)
	ask := consent("ann", signature.RequestNamespace, signature.Request{Lab: "home", Runbook: "power-down", Run: s.run, Requester: "ann", At: midnight()}.Text())
	s.lab.script[0].Requester, s.lab.script[0].Approvals = &ask, []runapi.Consent{consent("bob", signature.ApprovalNamespace, a.Text())}

	require.Equal(t, exitDone, s.console.run("report", "verify", s.run, "--people", "lab.yaml"), s.stdout)
	require.Contains(t, s.stdout.String(), "bob approved plan")
	require.Contains(t, s.stdout.String(), "expires: 2026-11-20T22:01:00Z")
	s.console.run("report", s.run, "-o", "json")
	require.NoError(t, os.WriteFile("report.json", s.stdout.Bytes(), 0o600))
	s.dial = nil // offline
	require.Equal(t, exitDone, s.console.run("report", "verify", "report.json"), s.stdout)
	require.Contains(t, s.stdout.String(), "the keys that the run recorded")

	var r report.Report
	b, err := os.ReadFile("report.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, &r))
	r.Approvals[0].Text = strings.Replace(r.Approvals[0].Text, "22:01:00", "22:02:00", 1)
	b, err = json.Marshal(r)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile("forged.json", b, 0o600))
	require.Equal(t, exitFailed, s.console.run("report", "verify", "forged.json"))
	require.Contains(t, s.stdout.String(), "FAILS")
	require.Equal(t, exitUsage, s.console.run("report", "verify", "lab.yaml"))
	writeLab(t, "lab.yaml", "home")
	require.Equal(t, exitFailed, s.console.run("report", "verify", "report.json", "--people", "lab.yaml"), "a lab file that knows nobody")
}

// A schedule is no way round the approvals: two people approve what it asks for, and where there are not as many it says so.
func TestAScheduleOfARunbookWithApprovers(t *testing.T) {
	s := newSigners(t)
	require.Equal(t, exitDone, s.console.run("schedule", "add", "nightly", "power-down", "--cron", "0 23 * * *", "--zone", "UTC"), s.stderr.String())
	require.Contains(t, s.stdout.String(), "Its runs wait for 2 signed approvals: nobody signs for a schedule")
	text, err := os.ReadFile("lab.yaml")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile("lab.yaml", []byte(strings.Replace(string(text), "of: [bob, joe]", "of: [bob]", 1)), 0o600))
	require.Equal(t, exitUsage, s.console.run("schedule", "add", "weekly", "power-down", "--cron", "0 23 * * 6", "--zone", "UTC"))
	require.Contains(t, s.stderr.String(), "power-down has only one approver in the lab file: what a schedule asks for takes 2")
}
