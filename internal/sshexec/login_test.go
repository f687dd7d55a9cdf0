package sshexec

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"nightshift/internal/fault"
	"nightshift/internal/inventory"
)

// anAgent serves an SSH agent with keys, and sets SSH_AUTH_SOCK.
func anAgent(t *testing.T, keys ...any) {
	t.Helper()
	ring := agent.NewKeyring()
	for _, k := range keys {
		require.NoError(t, ring.Add(agent.AddedKey{PrivateKey: k}))
	}
	dir, err := os.MkdirTemp("", "agent") //nolint:usetesting // t.TempDir is too long for a socket
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "s")
	ln, err := net.Listen("unix", path)
	require.NoError(t, err)
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() { _ = agent.ServeAgent(ring, conn); _ = conn.Close() }()
		}
	}()
	t.Setenv("SSH_AUTH_SOCK", path)
}

func TestALoginIsTriedOnceAndInOneWay(t *testing.T) {
	private, signer := newKey(t)
	other, _ := newKey(t)
	dir := t.TempDir()
	saveKey(t, dir, "id", private, "")
	saveKey(t, dir, "locked", private, "hunter2")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "id.pub"), ssh.MarshalAuthorizedKey(signer.PublicKey()), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "junk"), []byte("hunter2"), 0o600))
	t.Setenv("GOOD", password)
	t.Setenv("BAD", "wrong")
	m := newMachine(t)
	m.userKey = signer.PublicKey()
	line := HostKeyLine(m.host.PublicKey())
	for name, c := range map[string]struct {
		ssh   inventory.SSH
		keys  []any // of the agent
		kind  error
		tries int32
		says  string
	}{
		"password":                          {ssh: inventory.SSH{User: "u", Password: "env:GOOD", HostKey: line}, tries: 1},
		"key":                               {ssh: inventory.SSH{User: "u", Key: "id", HostKey: line}},
		"key before password":               {ssh: inventory.SSH{User: "u", Key: "id", Password: "env:BAD", HostKey: line}},
		"the only key of the agent":         {ssh: inventory.SSH{User: "u", HostKey: line}, keys: []any{private}},
		"a key of the agent, by .pub":       {ssh: inventory.SSH{User: "u", Key: "id.pub", HostKey: line}, keys: []any{other, private}},
		"a key of the agent, by passphrase": {ssh: inventory.SSH{User: "u", Key: "locked", HostKey: line}, keys: []any{other, private}},
		"no user":                           {ssh: inventory.SSH{HostKey: line}},
		"wrong password":                    {ssh: inventory.SSH{User: "u", Password: "env:BAD", HostKey: line}, kind: fault.Auth, tries: 1, says: "the login as u by password was refused"},
		"wrong key of the agent":            {ssh: inventory.SSH{User: "u", HostKey: line}, keys: []any{other}, kind: fault.Auth},
		"no host key":                       {ssh: inventory.SSH{User: "u", Password: "env:GOOD"}, kind: fault.Identity, says: "nightshift lab trust"},
		"other host key":                    {ssh: inventory.SSH{User: "u", Password: "env:GOOD", HostKey: HostKeyLine(signer.PublicKey())}, kind: fault.Identity, says: "it shows host key SHA256:"},
		"host key of another kind":          {ssh: inventory.SSH{User: "u", Password: "env:GOOD", HostKey: ecdsaLine(t)}, kind: fault.Identity, says: "no host key of the kind that is recorded"},
		"no such secret":                    {ssh: inventory.SSH{User: "u", Password: "env:NOT_SET_ANYWHERE", HostKey: line}, kind: fault.Invalid},
		"not a key file":                    {ssh: inventory.SSH{User: "u", Key: "junk", HostKey: line}, kind: fault.Invalid, says: "no private key"},
		"no such key file":                  {ssh: inventory.SSH{User: "u", Key: "none", HostKey: line}, kind: fault.Invalid},
		"a passphrase and no agent":         {ssh: inventory.SSH{User: "u", Key: "locked", HostKey: line}, kind: fault.Invalid, says: "protected by a passphrase: hand it to an agent"},
		"a passphrase, another agent":       {ssh: inventory.SSH{User: "u", Key: "locked", HostKey: line}, keys: []any{other}, kind: fault.Invalid, says: "does not hold"},
		"no way to log in":                  {ssh: inventory.SSH{User: "u", HostKey: line}, kind: fault.Invalid, says: "neither key nor password"},
		"an agent with two keys":            {ssh: inventory.SSH{User: "u", HostKey: line}, keys: []any{other, private}, kind: fault.Invalid, says: "holds 2 keys"},
		"no such machine":                   {ssh: inventory.SSH{Address: "127.0.0.1:1", User: "u", Password: "env:GOOD", HostKey: line}, kind: fault.Unreachable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("SSH_AUTH_SOCK", "")
			if c.keys != nil {
				anAgent(t, c.keys...)
			}
			m.passwords.Store(0)
			m.logins.Store(0)
			if c.ssh.Address == "" {
				c.ssh.Address = m.addr
			}
			err := Check(t.Context(), c.ssh, dir)
			if c.kind == nil {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, c.kind)
				require.ErrorContains(t, err, c.says)
				require.ErrorContains(t, err, c.ssh.Address)
				require.NotContains(t, err.Error(), "hunter2")
				require.NotContains(t, err.Error(), "wrong")
			}
			require.Equal(t, c.tries, m.passwords.Load())
		})
	}
}

// ecdsaLine is a host key of a kind that the machine of these tests does not have.
func ecdsaLine(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	public, err := ssh.NewPublicKey(&key.PublicKey)
	require.NoError(t, err)
	return HostKeyLine(public)
}

func TestNobodyLogsInWithoutAUser(t *testing.T) {
	m := newMachine(t)
	r, err := Resolve(t.Context(), "node1", inventory.SSH{Address: m.addr, HostKey: HostKeyLine(m.host.PublicKey())}, "")
	require.NoError(t, err)
	_, err = Dial(t.Context(), r)
	require.ErrorIs(t, err, fault.Invalid)
}

// A machine that takes the connection and never says a word does not hold anybody up for longer than the caller allows.
func TestASilentMachineIsUnreachable(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	_, host := newKey(t)
	t.Setenv("GOOD", password)
	s := inventory.SSH{Address: ln.Addr().String(), User: "u", Password: "env:GOOD", HostKey: HostKeyLine(host.PublicKey())}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, Check(ctx, s, ""), fault.Unreachable)
	_, err = HostKey(ctx, s, "")
	require.ErrorIs(t, err, fault.Unreachable)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestHostKeyIsFetchedWithoutALogin(t *testing.T) {
	m := newMachine(t)
	got, err := HostKey(t.Context(), inventory.SSH{Address: m.addr}, "")
	require.NoError(t, err)
	require.Zero(t, m.logins.Load()+m.passwords.Load())
	require.True(t, strings.HasPrefix(HostKeyLine(got), "ssh-ed25519 AAAA"))
	require.Equal(t, HostKeyLine(m.host.PublicKey()), HostKeyLine(got))
	_, err = HostKey(t.Context(), inventory.SSH{Address: "127.0.0.1:1"}, "")
	require.ErrorIs(t, err, fault.Unreachable)
	require.ErrorContains(t, err, "fetch the host key of 127.0.0.1:1")
}

func TestAddresses(t *testing.T) {
	for in, want := range map[string]string{"a": "a:22", "a:23": "a:23", "::1": "[::1]:22", "[::1]": "[::1]:22", "[::1]:23": "[::1]:23"} {
		require.Equal(t, want, withPort(in))
	}
}

// A connection whose other end has gone silent is given up, so that whoever waits for a command hears of it.
func TestALostConnectionIsNoticed(t *testing.T) {
	m := newMachine(t)
	c := m.dial()
	m.mute.Store(true)
	go c.stayAlive(5 * time.Millisecond)
	cmd, err := c.Start(t.Context(), []string{"sleep", "60"})
	require.NoError(t, err)
	_, err = cmd.Wait(t.Context())
	require.ErrorIs(t, err, fault.Unreachable)
	require.NotErrorIs(t, err, ErrNotSent)
	<-c.done
	require.False(t, c.Alive())
	_, err = c.Start(t.Context(), []string{"true"})
	require.ErrorIs(t, err, ErrNotSent)
	require.ErrorIs(t, err, fault.Unreachable)
}
