package signature

import (
	"bytes"
	"crypto/ed25519"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"nightshift/internal/plan"
)

// fuzzSigner is the same in each run: a corpus holds what it signed.
func fuzzSigner(f *testing.F) ssh.Signer {
	f.Helper()
	s, err := ssh.NewSignerFromKey(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize)))
	require.NoError(f, err)
	return s
}

var fuzzNow = time.Date(2026, 11, 20, 22, 0, 0, 0, time.UTC)

// FuzzVerifyBlob: of the bytes within the armour only those count that the key has signed, in that text and namespace.
func FuzzVerifyBlob(f *testing.F) {
	s := fuzzSigner(f)
	const text = "nightshift approval\n\nlab: home\n"
	sig, err := Sign(s, ApprovalNamespace, text)
	require.NoError(f, err)
	genuine, err := dearmour(sig)
	require.NoError(f, err)
	f.Add(genuine, text)
	f.Add(genuine, text+" ")
	f.Add(genuine[:len(genuine)-1], text)
	f.Add(append(bytes.Clone(genuine), 0), text)
	f.Add([]byte(magic), text)
	f.Add(bytes.Replace(genuine, []byte("sha512"), []byte("sha256"), 1), text)
	f.Add(bytes.ReplaceAll(genuine, []byte("ssh-ed25519"), []byte("sk-ssh-ed25")), text)
	f.Fuzz(func(t *testing.T, blob []byte, signed string) {
		back, err := dearmour(armour(blob))
		if err == nil {
			require.True(t, bytes.Equal(blob, back))
		} else {
			require.Greater(t, len(armour(blob)), longest)
		}
		key, err := Verify(armour(blob), ApprovalNamespace, signed)
		if err != nil {
			require.False(t, strings.ContainsFunc(err.Error(), unicode.IsControl), "%q", err.Error())
			require.Less(t, len(err.Error()), 5*longest)
			return
		}
		if Same(key, s.PublicKey()) {
			require.Equal(t, text, signed)
		}
		_, err = Verify(armour(blob), RequestNamespace, signed)
		require.Error(t, err)
	})
}

// FuzzParseKey: a key is written as it was read; a private one is never repeated.
func FuzzParseKey(f *testing.F) {
	f.Add(Line(fuzzSigner(f).PublicKey()) + " ann@desk")
	f.Add("ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAAQA=")
	f.Add("-----BEGIN OPENSSH PRIVATE KEY-----")
	f.Add("restrict ssh-ed25519 AAAA")
	f.Fuzz(func(t *testing.T, line string) {
		key, err := ParseKey(line)
		if err != nil {
			require.False(t, strings.ContainsFunc(err.Error(), unicode.IsControl), "%q", err.Error())
			return
		}
		again, err := ParseKey(Line(key))
		require.NoError(t, err)
		require.True(t, Same(key, again))
		require.Equal(t, Fingerprint(key), Fingerprint(again))
	})
}

// FuzzConsent: what is signed for one run, plan and lab counts for these and no other, whatever these are called.
func FuzzConsent(f *testing.F) {
	s := fuzzSigner(f)
	people := []plan.Approver{{Name: "ann", Key: Line(s.PublicKey())}}
	f.Add("home", "power-down", "run-1", "plan", "key", "value", "other")
	f.Add("home\nrunbook: x", "-", "", "plan\n", `"`, `", "`, "home")
	f.Add("a: b", "a\r", "run ", "-", "", "\x00", "")
	f.Fuzz(func(t *testing.T, lab, runbook, run, hash, key, value, other string) {
		a := Approval{Lab: lab, Runbook: runbook, Run: run, FirstRun: "0198", Plan: hash, Approver: "ann", Expires: fuzzNow.Add(time.Minute)}
		sig, err := Sign(s, ApprovalNamespace, a.Text())
		require.NoError(t, err)
		who, _, err := CheckApproval(a.Text(), sig, a, people, fuzzNow)
		require.True(t, err != nil || who.Name == "ann")
		plainText := !strings.ContainsAny(lab+runbook+run+hash, "\n") && len(a.Text()) < longest
		require.True(t, err == nil || !plainText, "%v", err)
		for i, field := range []*string{&a.Lab, &a.Runbook, &a.Run, &a.Plan} {
			was := *field
			if *field = other; other == was || dash(other) == dash(was) {
				*field = was
				continue
			}
			text := a
			*field = was
			_, _, err := CheckApproval(a.Text(), sig, text, people, fuzzNow)
			require.Error(t, err, "%d", i)
		}
		r := Request{Lab: lab, Runbook: runbook, Parameters: map[string]string{key: value, "b": other}, Run: run, Requester: "ann", At: fuzzNow}
		sig, err = Sign(s, RequestNamespace, r.Text())
		require.NoError(t, err)
		_, err = CheckRequest(r.Text(), sig, r, people, fuzzNow)
		require.True(t, err == nil || strings.ContainsAny(lab+runbook+run, "\n") || len(r.Text()) > longest, "%v", err)
		changed := r
		changed.Parameters = map[string]string{key: value + "x", "b": other}
		if key != "b" {
			_, err = CheckRequest(r.Text(), sig, changed, people, fuzzNow)
			require.Error(t, err)
		}
		Lines(lab + "\n\n" + other)
	})
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// FuzzMoment: a moment is read in the one form in which it is written.
func FuzzMoment(f *testing.F) {
	for _, s := range []string{"2026-11-20T22:00:00Z", "2026-11-20T22:00:00.0Z", "2026-11-20T23:00:00+01:00", "0000-01-01T00:00:00Z", "9999-12-31T23:59:59Z", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if at, err := parseMoment(s); err == nil {
			require.Equal(t, s, moment(at))
		}
	})
}
