package sshexec

import (
	"crypto/ed25519"
	"crypto/rand"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"nightshift/internal/fault"
	"nightshift/internal/inventory"
)

// certify has a key signed.
func certify(t *testing.T, authority ssh.Signer, key ssh.PublicKey, kind uint32, principal string, until time.Time) *ssh.Certificate {
	t.Helper()
	c := &ssh.Certificate{Key: key, CertType: kind, KeyId: "test", ValidPrincipals: []string{principal}, ValidBefore: uint64(until.Unix())}
	require.NoError(t, c.SignCert(rand.Reader, authority))
	return c
}

func TestKnownHostsFiles(t *testing.T) {
	t.Setenv("GOOD", password)
	_, other := newKey(t)
	_, authority := newKey(t)
	tomorrow := time.Now().Add(24 * time.Hour)
	for name, c := range map[string]struct {
		certificate *time.Time // until when the machine's is valid; nil: it has none
		lines       func(m *machine, key string) []string
		kind        error
		says        string
	}{
		"the key": {lines: func(m *machine, key string) []string { return []string{knownhosts.Normalize(m.addr) + " " + key} }},
		"hashed": {lines: func(m *machine, key string) []string {
			return []string{knownhosts.HashHostname(knownhosts.Normalize(m.addr)) + " " + key}
		}},
		"one of several": {lines: func(m *machine, key string) []string {
			return []string{"# mine", "[127.0.0.*]:* " + ecdsaLine(t), knownhosts.Normalize(m.addr) + " " + key}
		}},
		"another key": {lines: func(m *machine, _ string) []string {
			return []string{knownhosts.Normalize(m.addr) + " " + HostKeyLine(other.PublicKey())}
		}, kind: fault.Identity, says: "is not the one in"},
		"a key of another kind": {lines: func(m *machine, _ string) []string {
			return []string{knownhosts.Normalize(m.addr) + " " + ecdsaLine(t)}
		}, kind: fault.Identity, says: "no host key of the kind"},
		"another machine's": {lines: func(_ *machine, key string) []string { return []string{"elsewhere " + key} }, kind: fault.Identity, says: "knows no host key for"},
		"nothing":           {lines: func(*machine, string) []string { return nil }, kind: fault.Identity, says: "knows no host key for"},
		"revoked": {lines: func(m *machine, key string) []string {
			return []string{knownhosts.Normalize(m.addr) + " " + key, "@revoked * " + key}
		}, kind: fault.Identity, says: "revoked"},
		"no file of that kind": {lines: func(*machine, string) []string { return []string{"hello"} }, kind: fault.Invalid, says: "not readable"},
		"a certificate": {certificate: &tomorrow, lines: func(m *machine, _ string) []string {
			return []string{"@cert-authority " + knownhosts.Normalize(m.addr) + " " + HostKeyLine(authority.PublicKey())}
		}},
		"a certificate that expired": {certificate: new(time.Time), lines: func(m *machine, _ string) []string {
			return []string{"@cert-authority " + knownhosts.Normalize(m.addr) + " " + HostKeyLine(authority.PublicKey())}
		}, kind: fault.Identity, says: "expired"},
		"a certificate by somebody": {certificate: &tomorrow, lines: func(m *machine, _ string) []string {
			return []string{"@cert-authority " + knownhosts.Normalize(m.addr) + " " + HostKeyLine(other.PublicKey())}
		}, kind: fault.Identity, says: "is not accepted"},
		"a certificate by somebody, and the key": {certificate: &tomorrow, lines: func(m *machine, key string) []string {
			return []string{"@cert-authority " + knownhosts.Normalize(m.addr) + " " + HostKeyLine(other.PublicKey()), knownhosts.Normalize(m.addr) + " " + key}
		}},
		"a revoked authority": {certificate: &tomorrow, lines: func(m *machine, _ string) []string {
			return []string{"@cert-authority " + knownhosts.Normalize(m.addr) + " " + HostKeyLine(authority.PublicKey()), "@revoked * " + HostKeyLine(authority.PublicKey())}
		}, kind: fault.Identity, says: "revoked"},
		"an authority, and a machine without a certificate": {lines: func(m *machine, _ string) []string {
			return []string{"@cert-authority " + knownhosts.Normalize(m.addr) + " " + HostKeyLine(authority.PublicKey())}
		}, kind: fault.Identity, says: "no host key of the kind"},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t)
			if c.certificate != nil {
				var err error
				m.hostCert, err = ssh.NewCertSigner(certify(t, authority, m.host.PublicKey(), ssh.HostCert, "127.0.0.1", *c.certificate), m.host)
				require.NoError(t, err)
			}
			dir := t.TempDir()
			text := ""
			for _, line := range c.lines(m, HostKeyLine(m.host.PublicKey())) {
				text += line + "\n"
			}
			require.NoError(t, os.WriteFile(filepath.Join(dir, "kh"), []byte(text), 0o600))
			err := Check(t.Context(), inventory.SSH{Address: m.addr, User: "u", Password: "env:GOOD", KnownHosts: "kh"}, dir)
			if c.kind == nil {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, c.kind)
			require.ErrorContains(t, err, c.says)
			require.Zero(t, m.passwords.Load(), "nothing is sent to a machine that is not known")
		})
	}
	err := Check(t.Context(), inventory.SSH{Address: "127.0.0.1:1", User: "u", Password: "env:GOOD", KnownHosts: "none"}, t.TempDir())
	require.ErrorIs(t, err, fault.Invalid)
}

func TestUserCertificates(t *testing.T) {
	private, key := newKey(t)
	_, other := newKey(t)
	_, authority := newKey(t)
	_, somebody := newKey(t)
	m := newMachine(t)
	m.userCA = authority.PublicKey()
	dir := t.TempDir()
	saveKey(t, dir, "id", private, "")
	day := 24 * time.Hour
	now := time.Now()
	early := certify(t, authority, key.PublicKey(), ssh.UserCert, "u", now.Add(2*day))
	early.ValidAfter = uint64(now.Add(day).Unix())
	require.NoError(t, early.SignCert(rand.Reader, authority))
	for name, c := range map[string]struct {
		cert  ssh.PublicKey
		agent bool
		kind  error
		says  string
	}{
		"valid":               {cert: certify(t, authority, key.PublicKey(), ssh.UserCert, "u", now.Add(day))},
		"with an agent's key": {cert: certify(t, authority, key.PublicKey(), ssh.UserCert, "u", now.Add(day)), agent: true},
		"expired":             {cert: certify(t, authority, key.PublicKey(), ssh.UserCert, "u", now.Add(-time.Minute)), kind: fault.Invalid, says: "expired at"},
		"of tomorrow":         {cert: early, kind: fault.Invalid, says: "is not valid before"},
		"of a host":           {cert: certify(t, authority, key.PublicKey(), ssh.HostCert, "u", now.Add(day)), kind: fault.Invalid, says: "for a host"},
		"of another key":      {cert: certify(t, authority, other.PublicKey(), ssh.UserCert, "u", now.Add(day)), kind: fault.Invalid, says: "for another key"},
		"none":                {cert: key.PublicKey(), kind: fault.Invalid, says: "is no certificate"},
		"by somebody":         {cert: certify(t, somebody, key.PublicKey(), ssh.UserCert, "u", now.Add(day)), kind: fault.Auth, says: `by certificate "test" for key SHA256:`},
		"of another user":     {cert: certify(t, authority, key.PublicKey(), ssh.UserCert, "root", now.Add(day)), kind: fault.Auth},
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, os.WriteFile(filepath.Join(dir, "cert.pub"), ssh.MarshalAuthorizedKey(c.cert), 0o600))
			s := inventory.SSH{Address: m.addr, User: "u", Key: "id", Certificate: "cert.pub", HostKey: HostKeyLine(m.host.PublicKey())}
			if t.Setenv("SSH_AUTH_SOCK", ""); c.agent {
				anAgent(t, private)
				s.Key = ""
			}
			m.logins.Store(0)
			err := Check(t.Context(), s, dir)
			if c.kind == nil {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, c.kind)
			require.ErrorContains(t, err, c.says)
		})
	}
}

// FuzzKnownHosts: whatever the file holds, it is read or refused, and a stranger's key is never accepted.
func FuzzKnownHosts(f *testing.F) {
	const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ"
	for _, s := range []string{"", "a " + key, "@cert-authority *.example " + key, "@revoked * " + key, "|1|JfKTdBh7rNbXkVAQCRp4OQoPfmI=|USECr3SWf1JUPsms5AqfD5QfxkM= " + key,
		"[a]:22,!b,c* " + key + "\r\n\n# x\n", "a", "@x a " + key, "* " + key + " comment"} {
		f.Add([]byte(s))
	}
	_, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(f, err)
	stranger, err := ssh.NewSignerFromKey(private)
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "kh")
		require.NoError(t, os.WriteFile(path, data, 0o600))
		known, err := knownHosts(path, "a:22")
		if err != nil || known.check == nil {
			return
		}
		require.NotEmpty(t, known.algorithms)
		require.ErrorIs(t, known.check("a:22", &net.TCPAddr{IP: net.IPv4zero}, stranger.PublicKey()), fault.Identity)
	})
}
