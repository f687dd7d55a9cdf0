package signature_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"nightshift/internal/plan"
	"nightshift/internal/signature"
	"nightshift/internal/signature/signaturetest"
)

var tonight = time.Date(2026, 11, 20, 22, 0, 0, 0, time.UTC)

func signer(t *testing.T, key crypto.Signer) ssh.Signer {
	t.Helper()
	s, err := ssh.NewSignerFromSigner(key)
	require.NoError(t, err)
	return s
}

func newEd25519(t *testing.T) ssh.Signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	return signer(t, key)
}

func newRSA(t *testing.T, bits int) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	require.NoError(t, err)
	return key
}

func person(name string, s ssh.Signer) plan.Approver {
	return plan.Approver{Name: name, Key: signature.Line(s.PublicKey())}
}

// sha1Signer signs as old clients do.
type sha1Signer struct{ ssh.AlgorithmSigner }

func (s sha1Signer) SignWithAlgorithm(r io.Reader, data []byte, _ string) (*ssh.Signature, error) {
	return s.AlgorithmSigner.SignWithAlgorithm(r, data, ssh.KeyAlgoRSA)
}

func curve(t *testing.T, c elliptic.Curve) ssh.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(c, rand.Reader)
	require.NoError(t, err)
	return signer(t, key)
}

func TestEveryKindOfKey(t *testing.T) {
	for name, s := range map[string]ssh.Signer{
		"ed25519": newEd25519(t), "ecdsa 256": curve(t, elliptic.P256()), "ecdsa 384": curve(t, elliptic.P384()), "ecdsa 521": curve(t, elliptic.P521()),
		"rsa": signer(t, newRSA(t, 2048)), "sk ed25519": signaturetest.NewFIDO(t, ssh.KeyAlgoSKED25519, 1), "sk ecdsa, verified by PIN": signaturetest.NewFIDO(t, ssh.KeyAlgoSKECDSA256, 5),
	} {
		t.Run(name, func(t *testing.T) {
			sig, err := signature.Sign(s, signature.ApprovalNamespace, "yes\n")
			require.NoError(t, err)
			key, err := signature.Verify(sig, signature.ApprovalNamespace, "yes\n")
			require.NoError(t, err)
			require.True(t, signature.Same(s.PublicKey(), key))
			parsed, err := signature.ParseKey(signature.Line(s.PublicKey()) + " with a comment")
			require.NoError(t, err)
			require.True(t, signature.Same(parsed, key))
			_, err = signature.Verify(sig, signature.ApprovalNamespace, "no\n")
			require.ErrorContains(t, err, "does not belong to this text")
			_, err = signature.Verify(sig, signature.RequestNamespace, "yes\n")
			require.ErrorContains(t, err, `signed for namespace "nightshift-approval@v1"`)
		})
	}
}

// reseal changes the bytes of a signature and wraps them again.
func reseal(t *testing.T, sig string, change func([]byte) []byte) string {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(sig), "\n")
	blob, err := base64.StdEncoding.DecodeString(strings.Join(lines[1:len(lines)-1], ""))
	require.NoError(t, err)
	return lines[0] + "\n" + base64.StdEncoding.EncodeToString(change(blob)) + "\n" + lines[len(lines)-1] + "\n"
}

func TestSignaturesThatDoNotCount(t *testing.T) {
	good := newEd25519(t)
	sig, err := signature.Sign(good, signature.ApprovalNamespace, "yes\n")
	require.NoError(t, err)
	by := func(s ssh.Signer) string {
		sig, err := signature.Sign(s, signature.ApprovalNamespace, "yes\n")
		require.NoError(t, err)
		return sig
	}
	old, ok := signer(t, newRSA(t, 2048)).(ssh.AlgorithmSigner)
	require.True(t, ok)
	for _, c := range []struct{ name, sig, says string }{
		{"none", "", "no SSH signature"},
		{"PGP", "-----BEGIN PGP SIGNATURE-----\n=\n-----END PGP SIGNATURE-----", "no SSH signature"},
		{"no base64", strings.Replace(sig, "U1NI", "U1N\x00", 1), "damaged"},
		{"cut off", reseal(t, sig, func(b []byte) []byte { return b[:len(b)-1] }), "no SSH signature"},
		{"lengthened", reseal(t, sig, func(b []byte) []byte { return append(b, 0) }), "no SSH signature"},
		{"of another version", reseal(t, sig, func(b []byte) []byte { b[9] = 2; return b }), "format version 2"},
		{"changed", reseal(t, sig, func(b []byte) []byte { b[len(b)-1] ^= 1; return b }), "does not belong"},
		{"with another key", reseal(t, sig, func(b []byte) []byte { b[40] ^= 1; return b }), "does not belong"},
		{"endless", strings.Repeat("A", 1<<20), "too long"},
		{"SHA-1", by(sha1Signer{old}), "only SHA-2 counts"},
		{"untouched ed25519-sk", by(signaturetest.NewFIDO(t, ssh.KeyAlgoSKED25519, 0)), "nobody touched"},
		{"untouched ecdsa-sk", by(signaturetest.NewFIDO(t, ssh.KeyAlgoSKECDSA256, 4)), "nobody touched"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := signature.Verify(c.sig, signature.ApprovalNamespace, "yes\n")
			require.ErrorContains(t, err, c.says)
		})
	}
	_, err = signature.Sign(signer(t, newRSA(t, 1024)), signature.ApprovalNamespace, "yes\n")
	require.ErrorContains(t, err, "too short")
}

// TestAFIDOSignatureCannotBeGivenATouch: the flags are signed.
func TestAFIDOSignatureCannotBeGivenATouch(t *testing.T) {
	sig, err := signature.Sign(signaturetest.NewFIDO(t, ssh.KeyAlgoSKED25519, 0), signature.ApprovalNamespace, "yes\n")
	require.NoError(t, err)
	forged := reseal(t, sig, func(b []byte) []byte { b[len(b)-5] = 1; return b })
	_, err = signature.Verify(forged, signature.ApprovalNamespace, "yes\n")
	require.ErrorContains(t, err, "does not belong")
}

func approval() signature.Approval {
	return signature.Approval{Lab: "home", Runbook: "power-down", Run: "power-down-home-20261120-220000", FirstRun: "0198-aa", Plan: strings.Repeat("ab", 32),
		Approver: "ann", Expires: tonight.Add(15 * time.Minute)}
}

func TestTheTextIsForPeople(t *testing.T) {
	require.Equal(t, `nightshift approval

lab: home
runbook: power-down
run: power-down-home-20261120-220000
first run: 0198-aa
plan: abababababababababababababababababababababababababababababababab
approver: ann
expires: 2026-11-20T22:15:00Z
`, approval().Text())
	require.Equal(t, `nightshift request

lab: home
runbook: power-up
parameters: "cluster"="Lab", "tag"="a\nplan: x\u202e"
plan: -
on failure: skip
deadline: 2h0m0s
run: power-up-home-20261120-220000
requester: bob
signed: 2026-11-20T22:00:00Z
`, signature.Request{Lab: "home", Runbook: "power-up", Parameters: map[string]string{"tag": "a\nplan: x\u202e", "cluster": "Lab"}, OnFailure: "skip", Deadline: 2 * time.Hour,
		Run: "power-up-home-20261120-220000", Requester: "bob", At: tonight}.Text())
}

func TestAttacksOnApprovals(t *testing.T) {
	ann, bob, eve := newEd25519(t), newEd25519(t), newEd25519(t)
	people := []plan.Approver{person("ann", ann), person("bob", bob)}
	with := func(change func(*signature.Approval)) string {
		a := approval()
		change(&a)
		return a.Text()
	}
	text := approval().Text()
	for _, c := range []struct {
		name, text string
		by         ssh.Signer
		namespace  string
		now        time.Time
		says       string
	}{
		{name: "good", text: text},
		{name: "good until the last moment", text: text, now: tonight.Add(15*time.Minute - time.Second)},
		{name: "a day ahead", text: with(func(a *signature.Approval) { a.Expires = tonight.Add(24 * time.Hour) })},
		{name: "replay on another run", text: with(func(a *signature.Approval) { a.Run = "power-down-home-20261119-220000" }), says: "signed for run power-down-home-20261119-220000, here it is"},
		{name: "replay on a run of the same id", text: with(func(a *signature.Approval) { a.FirstRun = "0197-bb" }), says: "signed for first run 0197-bb"},
		{name: "another plan", text: with(func(a *signature.Approval) { a.Plan = strings.Repeat("cd", 32) }), says: "signed for plan cdcd"},
		{name: "the plan's short hash", text: with(func(a *signature.Approval) { a.Plan = a.Plan[:12] }), says: "signed for plan"},
		{name: "another lab", text: with(func(a *signature.Approval) { a.Lab = "work" }), says: "signed for lab work"},
		{name: "another runbook", text: with(func(a *signature.Approval) { a.Runbook = "settle" }), says: "signed for runbook settle"},
		{name: "expired", text: text, now: tonight.Add(15 * time.Minute), says: "expired at 2026-11-20T22:15:00Z"},
		{name: "for ever", text: with(func(a *signature.Approval) { a.Expires = tonight.Add(24*time.Hour + time.Second) }), says: "24h ahead is the most"},
		{name: "a stranger", text: with(func(a *signature.Approval) { a.Approver = "eve" }), by: eve, says: "of nobody who may sign"},
		{name: "under another's name", text: text, by: bob, says: "names ann, but was signed with the key of bob"},
		{name: "a stranger under another's name", text: text, by: eve, says: "of nobody who may sign"},
		{name: "signed as a request", text: text, namespace: signature.RequestNamespace, says: "signed for namespace"},
		{name: "signed as a file", text: text, namespace: "file", says: `signed for namespace "file"`},
		{name: "a line more", text: text + "expires: 2030-01-01T00:00:00Z\n", says: "8 lines, 7 are needed"},
		{name: "lines in another order", text: strings.Replace(text, "lab: home\nrunbook: power-down\n", "runbook: power-down\nlab: home\n", 1), says: `lacks its line "lab"`},
		{name: "Windows line ends", text: strings.ReplaceAll(text, "\n", "\r\n"), says: "none that begins"},
		{name: "without its last line end", text: strings.TrimSuffix(text, "\n"), says: "not written as nightshift writes it"},
		{name: "another time zone", text: strings.Replace(text, "22:15:00Z", "23:15:00+01:00", 1), says: "no time in UTC"},
		{name: "no time", text: strings.Replace(text, "2026-11-20T22:15:00Z", "tomorrow", 1), says: "no time in UTC"},
		{name: "no approver", text: with(func(a *signature.Approval) { a.Approver = "" }), says: "no usable approver"},
		{name: "a request", text: signature.Request{Lab: "home"}.Text(), says: "none that begins"},
		{name: "endless", text: strings.Repeat("x", 1<<20), says: "too long"},
	} {
		t.Run(c.name, func(t *testing.T) {
			by, namespace, now := ann, signature.ApprovalNamespace, tonight
			if c.by != nil {
				by = c.by
			}
			if c.namespace != "" {
				namespace = c.namespace
			}
			if !c.now.IsZero() {
				now = c.now
			}
			sig, err := signature.Sign(by, namespace, c.text)
			require.NoError(t, err)
			who, _, err := signature.CheckApproval(c.text, sig, approval(), people, now)
			if c.says == "" {
				require.NoError(t, err)
				require.Equal(t, people[0], who)
				return
			}
			require.ErrorContains(t, err, c.says)
		})
	}
	t.Run("tampered", func(t *testing.T) {
		late := with(func(a *signature.Approval) { a.Expires = tonight.Add(time.Hour) })
		sig, err := signature.Sign(ann, signature.ApprovalNamespace, text)
		require.NoError(t, err)
		_, _, err = signature.CheckApproval(late, sig, approval(), people, tonight)
		require.ErrorContains(t, err, "does not belong to this text")
	})
}

func TestAttacksOnRequests(t *testing.T) {
	ann, eve := newEd25519(t), newEd25519(t)
	people := []plan.Approver{person("ann", ann)}
	want := signature.Request{Lab: "home", Runbook: "power-up", Parameters: map[string]string{"tag": "a"}, Run: "r1", Requester: "ann", At: tonight}
	for _, c := range []struct {
		name   string
		change func(*signature.Request)
		by     ssh.Signer
		says   string
	}{
		{name: "good", change: func(*signature.Request) {}},
		{name: "another run", change: func(r *signature.Request) { r.Run = "r0" }, says: "signed for run r0, here it is r1"},
		{name: "other parameters", change: func(r *signature.Request) { r.Parameters = map[string]string{"tag": "b"} }, says: "signed for parameters"},
		{name: "no parameters", change: func(r *signature.Request) { r.Parameters = nil }, says: "signed for parameters -"},
		{name: "another failure policy", change: func(r *signature.Request) { r.OnFailure = "force" }, says: "signed for on failure force"},
		{name: "another deadline", change: func(r *signature.Request) { r.Deadline = time.Minute }, says: "signed for deadline 1m0s"},
		{name: "another plan", change: func(r *signature.Request) { r.Plan = "ab" }, says: "signed for plan ab"},
		{name: "long ago", change: func(r *signature.Request) { r.At = tonight.Add(-11 * time.Minute) }, says: "more than 10m0s apart"},
		{name: "for later", change: func(r *signature.Request) { r.At = tonight.Add(11 * time.Minute) }, says: "more than 10m0s apart"},
		{name: "a stranger", change: func(r *signature.Request) { r.Requester = "eve" }, by: eve, says: "of nobody who may sign"},
		{name: "under another's name", change: func(r *signature.Request) { r.Requester = "bob" }, says: "names bob, but was signed with the key of ann"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, by := want, ann
			if c.by != nil {
				by = c.by
			}
			c.change(&r)
			sig, err := signature.Sign(by, signature.RequestNamespace, r.Text())
			require.NoError(t, err)
			who, err := signature.CheckRequest(r.Text(), sig, want, people, tonight)
			if c.says == "" {
				require.NoError(t, err)
				require.Equal(t, "ann", who.Name)
				return
			}
			require.ErrorContains(t, err, c.says)
		})
	}
}

func TestOneKeyUnderTwoNamesIsOnePerson(t *testing.T) {
	ann, bob := newEd25519(t), newEd25519(t)
	require.True(t, signature.SamePerson(person("ann", ann), person("robert", ann)))
	require.True(t, signature.SamePerson(person("ann", ann), person("ann", bob)))
	require.False(t, signature.SamePerson(person("ann", ann), person("bob", bob)))
	broken := plan.Approver{Name: "x", Key: "?"}
	require.False(t, signature.SamePerson(broken, plan.Approver{Name: "y", Key: "?"}))
}

// TestSigningThroughAnAgent: with a real agent protocol, over a real socket.
func TestSigningThroughAnAgent(t *testing.T) {
	keyring := agent.NewKeyring()
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	for _, k := range []any{&ed, newRSA(t, 2048)} {
		require.NoError(t, keyring.Add(agent.AddedKey{PrivateKey: k}))
	}
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "agent"))
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			go func() { _ = agent.ServeAgent(keyring, c) }()
		}
	}()
	c, err := net.Dial("unix", l.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	signers, err := agent.NewClient(c).Signers()
	require.NoError(t, err)
	require.Len(t, signers, 2)
	for _, s := range signers {
		sig, err := signature.Sign(s, signature.ApprovalNamespace, "yes\n")
		require.NoError(t, err)
		_, err = signature.Verify(sig, signature.ApprovalNamespace, "yes\n")
		require.NoError(t, err)
	}
}

// keygen runs ssh-keygen, where there is one.
func keygen(t *testing.T, stdin string, args ...string) error {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "ssh-keygen", args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return errors.Join(err, errors.New(string(out)))
	}
	return nil
}

// TestSSHKeygenAgrees: it checks what we sign, and we check what it signs.
func TestSSHKeygenAgrees(t *testing.T) {
	if _, err := exec.LookPath("ssh-keygen"); err != nil {
		t.Skip("there is no ssh-keygen here")
	}
	for _, kind := range [][]string{{"ed25519"}, {"ecdsa", "-b", "384"}, {"rsa", "-b", "2048"}} {
		t.Run(kind[0], func(t *testing.T) {
			dir := t.TempDir()
			at := func(name string) string { return filepath.Join(dir, name) }
			write := func(name, text string) { require.NoError(t, os.WriteFile(at(name), []byte(text), 0o600)) }
			require.NoError(t, keygen(t, "", append([]string{"-q", "-N", "", "-f", at("key"), "-t"}, kind...)...))
			private, err := os.ReadFile(at("key"))
			require.NoError(t, err)
			s, err := ssh.ParsePrivateKey(private)
			require.NoError(t, err)
			text := approval().Text()
			write("text", text)
			require.NoError(t, keygen(t, "", "-q", "-Y", "sign", "-n", signature.ApprovalNamespace, "-f", at("key"), at("text")))
			theirs, err := os.ReadFile(at("text.sig"))
			require.NoError(t, err)
			who, _, err := signature.CheckApproval(text, string(theirs), approval(), []plan.Approver{person("ann", s)}, tonight)
			require.NoError(t, err)
			require.Equal(t, "ann", who.Name)

			ours, err := signature.Sign(s, signature.ApprovalNamespace, text)
			require.NoError(t, err)
			write("ours.sig", ours)
			write("allowed", `ann namespaces="`+signature.ApprovalNamespace+`" `+signature.Line(s.PublicKey())+"\n")
			verify := []string{"-Y", "verify", "-f", at("allowed"), "-I", "ann", "-n", signature.ApprovalNamespace, "-s", at("ours.sig")}
			require.NoError(t, keygen(t, text, verify...))
			require.Error(t, keygen(t, text+"x", verify...))
		})
	}
}

func FuzzVerify(f *testing.F) {
	f.Add("-----BEGIN SSH SIGNATURE-----\nU1NIU0lH\n-----END SSH SIGNATURE-----\n", "nightshift approval\n\nlab: x\n")
	f.Fuzz(func(t *testing.T, sig, text string) {
		if _, _, err := signature.CheckApproval(text, sig, approval(), nil, tonight); err == nil {
			t.Fatal("nobody can have signed this")
		}
	})
}
