//go:build e2e

package sshexec

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	mathrand "math/rand"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
	"golang.org/x/sync/errgroup"

	"nightshift/internal/fault"
	"nightshift/internal/inventory"
)

// openSSH runs a real sshd on a port of loopback with a configuration of its own, and says how to log in by key. An authority, where
// there is one, has signed its host key, and is believed about users.
func openSSH(t *testing.T, authority ...ssh.Signer) (entry inventory.SSH, dir string) {
	t.Helper()
	sshd, err := exec.LookPath("sshd")
	if err != nil {
		if sshd, err = exec.LookPath("/usr/sbin/sshd"); err != nil {
			t.Skip("needs OpenSSH's sshd (Debian: openssh-server), which is not installed")
		}
	}
	if os.Geteuid() == 0 {
		// Its unprivileged half needs this directory, which only the package's start script makes.
		require.NoError(t, os.MkdirAll("/run/sshd", 0o755))
	}
	me, err := user.Current()
	require.NoError(t, err)
	dir = t.TempDir()
	hostKey, host := newKey(t)
	userKey, login := newKey(t)
	saveKey(t, dir, "host", hostKey, "")
	saveKey(t, dir, "id", userKey, "")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "authorized"), ssh.MarshalAuthorizedKey(login.PublicKey()), 0o600))
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := free.Addr().(*net.TCPAddr)
	require.NoError(t, free.Close())
	config := fmt.Sprintf("Port %d\nListenAddress 127.0.0.1\nHostKey %s/host\nAuthorizedKeysFile %s/authorized\nPidFile none\n"+
		"StrictModes no\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\n", addr.Port, dir, dir)
	for _, a := range authority {
		cert := certify(t, a, host.PublicKey(), ssh.HostCert, "127.0.0.1", time.Now().Add(time.Hour))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "host-cert.pub"), ssh.MarshalAuthorizedKey(cert), 0o600))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "ca.pub"), ssh.MarshalAuthorizedKey(a.PublicKey()), 0o600))
		config += fmt.Sprintf("HostCertificate %s/host-cert.pub\nTrustedUserCAKeys %s/ca.pub\n", dir, dir)
		require.NoError(t, os.Remove(filepath.Join(dir, "authorized")))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "config"), []byte(config), 0o600))
	var log bytes.Buffer
	cmd := exec.Command(sshd, "-D", "-e", "-f", filepath.Join(dir, "config"))
	cmd.Stdout, cmd.Stderr = &log, &log
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log("sshd said:\n" + log.String())
		}
	})
	entry = inventory.SSH{Address: addr.String(), User: me.Username, Key: "id", HostKey: HostKeyLine(host.PublicKey())}
	require.Eventually(t, func() bool {
		key, err := HostKey(t.Context(), entry, "")
		return err == nil && HostKeyLine(key) == entry.HostKey
	}, time.Minute, 20*time.Millisecond, "sshd does not answer")
	return entry, dir
}

func dialOpenSSH(t *testing.T) *Client {
	t.Helper()
	entry, dir := openSSH(t)
	r, err := Resolve(t.Context(), "node1", entry, dir)
	require.NoError(t, err)
	c, err := Dial(t.Context(), r)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func TestOpenSSHLogins(t *testing.T) {
	entry, dir := openSSH(t)
	require.NoError(t, Check(t.Context(), entry, dir))
	_, other := newKey(t)
	wrong := entry
	wrong.HostKey = HostKeyLine(other.PublicKey())
	require.ErrorIs(t, Check(t.Context(), wrong, dir), fault.Identity)
	wrong.HostKey = ecdsaLine(t)
	require.ErrorIs(t, Check(t.Context(), wrong, dir), fault.Identity, "sshd has no host key of that kind")
	stranger, _ := newKey(t)
	saveKey(t, dir, "stranger", stranger, "")
	wrong = entry
	wrong.Key = "stranger"
	require.ErrorIs(t, Check(t.Context(), wrong, dir), fault.Auth)
	wrong.Key, wrong.User = "", ""
	require.NoError(t, Check(t.Context(), wrong, dir), "without a user only the host key counts")
}

func TestOpenSSHCommands(t *testing.T) {
	c := dialOpenSSH(t)
	args := []string{"a b", "it's", "$HOME `id` \\ \"x\"", "", "*", "é", "\x01\x7f\xff\n", "-n"}
	res, err := c.Query(t.Context(), append([]string{"/usr/bin/printf", `%s\0`}, args...))
	require.NoError(t, err)
	var want []byte
	for _, a := range args {
		want = append(want, a+"\x00"...)
	}
	require.Equal(t, want, res.Stdout)
	for status, argv := range map[int][]string{
		3: {"sh", "-c", "echo stopped; exit 3"}, 0: {"cat"}, 127: {"no-such-program"}, 255: {"sh", "-c", "exit 255"},
	} {
		res, err = c.Query(t.Context(), argv)
		require.NoError(t, err)
		require.Equal(t, status, res.Status, "%v: %s", argv, res.Summary())
	}
	res, err = c.Query(t.Context(), []string{"sh", "-c", "kill -9 $$"})
	require.NoError(t, err)
	// The user's shell may take the signal itself, or tell of its child's.
	require.True(t, res.Signal == "KILL" || res.Status == 128+9, res.Summary())
	res, err = c.Query(t.Context(), []string{"head", "-c", "3000000", "/dev/zero"})
	require.NoError(t, err)
	require.Contains(t, string(res.Stdout[MaxOutput:]), "[cut: 1951424 bytes more]")
}

// A daemon that keeps the output open does not hold up who started it.
func TestOpenSSHDaemon(t *testing.T) {
	res, err := dialOpenSSH(t).Query(t.Context(), []string{"sh", "-c", "sleep 600 & echo $!; exit 4"})
	require.NoError(t, err)
	require.Equal(t, 4, res.Status)
	require.NoError(t, exec.Command("kill", string(bytes.TrimSpace(res.Stdout))).Run())
}

// A query that hangs is ended over there; a command that was started goes on.
func TestOpenSSHTimeouts(t *testing.T) {
	c := dialOpenSSH(t)
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	number := filepath.Join(dir, "pid")
	_, err := c.Query(ctx, []string{"sh", "-c", "echo $$ > " + number + "; exec sleep 600"})
	require.ErrorIs(t, err, fault.Unreachable)
	require.NotErrorIs(t, err, ErrNotSent)
	b, err := os.ReadFile(number)
	require.NoError(t, err)
	pid := string(bytes.TrimSpace(b))
	gone := func() bool { return exec.Command("kill", "-0", pid).Run() != nil }
	if os.Geteuid() == 0 { // sshd passes signals on to users other than root only
		require.NoError(t, exec.Command("kill", pid).Run())
	}
	require.Eventually(t, gone, time.Minute, 20*time.Millisecond, "it was not told to end")

	exists := func(path string) func() bool { return func() bool { _, err := os.Stat(path); return err == nil } }
	begun, done := filepath.Join(dir, "begun"), filepath.Join(dir, "done")
	cmd, err := c.Start(t.Context(), []string{"sh", "-c", "touch " + begun + "; sleep 1; touch " + done})
	require.NoError(t, err)
	require.Eventually(t, exists(begun), time.Minute, 20*time.Millisecond)
	cmd.Abandon()
	c.Close()
	require.Eventually(t, exists(done), time.Minute, 20*time.Millisecond, "it was ended with its connection")
}

func TestOpenSSHCertificates(t *testing.T) {
	_, authority := newKey(t)
	_, somebody := newKey(t)
	entry, dir := openSSH(t, authority)
	b, err := os.ReadFile(filepath.Join(dir, "id"))
	require.NoError(t, err)
	key, err := ssh.ParsePrivateKey(b)
	require.NoError(t, err)
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	sign := func(a ssh.Signer) {
		write("id-cert.pub", string(ssh.MarshalAuthorizedKey(certify(t, a, key.PublicKey(), ssh.UserCert, entry.User, time.Now().Add(time.Hour)))))
	}
	require.ErrorIs(t, Check(t.Context(), entry, dir), fault.Auth, "the key alone is not known there")
	entry.Certificate = "id-cert.pub"
	sign(authority)
	require.NoError(t, Check(t.Context(), entry, dir))
	sign(somebody)
	require.ErrorIs(t, Check(t.Context(), entry, dir), fault.Auth)
	sign(authority)

	plain := entry.HostKey
	entry.HostKey, entry.KnownHosts = "", "kh"
	_, port, err := net.SplitHostPort(entry.Address)
	require.NoError(t, err)
	names := "[127.0.0.1]:" + port
	write("kh", "@cert-authority "+names+" "+HostKeyLine(authority.PublicKey())+"\n")
	require.NoError(t, Check(t.Context(), entry, dir))
	write("kh", "@cert-authority "+names+" "+HostKeyLine(somebody.PublicKey())+"\n")
	require.ErrorIs(t, Check(t.Context(), entry, dir), fault.Identity)
	write("kh", names+" "+plain+"\n")
	require.NoError(t, Check(t.Context(), entry, dir))
	write("kh", names+" "+plain+"\n@revoked * "+plain+"\n")
	require.ErrorIs(t, Check(t.Context(), entry, dir), fault.Identity)
}

func TestOpenSSHAsAJumpHost(t *testing.T) {
	jump, jumpDir := openSSH(t)
	entry, dir := openSSH(t)
	entry.Jump = &inventory.Jump{Address: jump.Address, User: jump.User, Key: filepath.Join(jumpDir, "id"), HostKey: jump.HostKey}
	require.NoError(t, Check(t.Context(), entry, dir))
	key, err := HostKey(t.Context(), entry, dir)
	require.NoError(t, err)
	require.Equal(t, entry.HostKey, HostKeyLine(key))
	entry.Jump.HostKey = entry.HostKey
	require.ErrorIs(t, Check(t.Context(), entry, dir), fault.Identity)
}

// OpenSSH runs ten commands at a time in a connection, and refuses the eleventh.
func TestOpenSSHManyAtOnce(t *testing.T) {
	entry, dir := openSSH(t)
	logins := 0
	s := NewShared(func(ctx context.Context) (*Client, error) {
		logins++
		r, err := Resolve(ctx, "node1", entry, dir)
		if err != nil {
			return nil, err
		}
		return Dial(ctx, r)
	})
	t.Cleanup(s.Close)
	var g errgroup.Group
	for range 40 {
		g.Go(func() error {
			res, err := s.Query(t.Context(), []string{"sh", "-c", "sleep 0.1; echo x"})
			if err == nil && string(res.Stdout) != "x\n" {
				err = fmt.Errorf("another output: %s", res.Summary())
			}
			return err
		})
	}
	require.NoError(t, g.Wait())
	require.Equal(t, 1, logins)
}

func TestOpenSSHStreams(t *testing.T) {
	c := dialOpenSSH(t)
	const size = 20 << 20
	want, got := sha256.New(), sha256.New()
	cmd, err := c.StartWith(t.Context(), []string{"cat"}, Streams{Stdin: io.TeeReader(io.LimitReader(mathrand.New(mathrand.NewSource(1)), size), want), Stdout: got})
	require.NoError(t, err)
	res, err := cmd.Wait(t.Context())
	require.NoError(t, err)
	require.Zero(t, res.Status)
	require.Equal(t, want.Sum(nil), got.Sum(nil))

	// What is not read any more does not hold it up.
	r, w := io.Pipe()
	cmd, err = c.StartWith(t.Context(), []string{"head", "-c", "3"}, Streams{Stdin: r})
	require.NoError(t, err)
	_, err = w.Write([]byte("abc"))
	require.NoError(t, err)
	res, err = cmd.Wait(t.Context())
	require.NoError(t, err)
	require.Equal(t, "abc", string(res.Stdout))
	require.NoError(t, w.Close())
}
