package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"nightshift/internal/sshexec"
	"nightshift/internal/storagesetup"
)

// anIllumos is an SSH server that is asked what it is, and says SunOS; who may log in is the owner of the key.
func anIllumos(t *testing.T, key ssh.PublicKey) (addr, hostKey string, commands *atomic.Int32) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	signer, err := ssh.NewSignerFromKey(private)
	require.NoError(t, err)
	config := &ssh.ServerConfig{PublicKeyCallback: func(c ssh.ConnMetadata, k ssh.PublicKey) (*ssh.Permissions, error) {
		if c.User() != "root" || string(k.Marshal()) != string(key.Marshal()) {
			return nil, fmt.Errorf("%s may not", c.User())
		}
		return nil, nil
	}}
	config.AddHostKey(signer)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = ln.Close() })
	commands = &atomic.Int32{}
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go serveIllumos(conn, config, commands)
		}
	}()
	return ln.Addr().String(), sshexec.HostKeyLine(signer.PublicKey()), commands
}

func serveIllumos(conn net.Conn, config *ssh.ServerConfig, commands *atomic.Int32) {
	_, channels, requests, err := ssh.NewServerConn(conn, config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for nc := range channels {
		ch, requests, err := nc.Accept()
		if err != nil {
			return
		}
		go func() {
			for req := range requests {
				commands.Add(1)
				_ = req.Reply(req.Type == "exec", nil)
				_, _ = ch.Write([]byte("SunOS\n"))
				_, _ = ch.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{0}))
				_ = ch.Close()
			}
		}()
	}
}

func TestLabPrepareStorage(t *testing.T) {
	t.Setenv("SSH_AUTH_SOCK", "")
	c := newConsole(t, &fakeLab{})
	_, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	signer, err := ssh.NewSignerFromKey(private)
	require.NoError(t, err)
	block, err := ssh.MarshalPrivateKey(private, "")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile("id", pem.EncodeToMemory(block), 0o600))
	addr, hostKey, commands := anIllumos(t, signer.PublicKey())

	require.Equal(t, exitUsage, c.run("lab", "prepare-storage"))
	require.Contains(t, c.stderr.String(), "--as is missing")
	require.Equal(t, exitUsage, c.run("lab", "prepare-storage", "--as", "root", "--key", "id"))
	require.Contains(t, c.stderr.String(), "no protectionGroups")

	text, err := os.ReadFile("lab.yaml")
	require.NoError(t, err)
	host := func(name, addr string) string {
		return fmt.Sprintf("  - {name: %s, elevate: pfexec, ssh: {address: \"%s\", user: zfsadm, key: id, hostKey: %s}}\n", name, addr, hostKey)
	}
	lab := string(text) + "storageHosts:\n" + host("ss1", addr) + host("ss2", addr) +
		"protectionGroups:\n  - {name: mail, source: {host: ss1, datasets: [tank/mail]}, target: {host: ss2, under: backup/ss1}, every: 1h}\n"
	require.NoError(t, os.WriteFile("lab.yaml", []byte(lab), 0o600))

	require.Equal(t, exitUsage, c.run("lab", "prepare-storage", "--as", "root", "--key", "id", "ss3"))
	require.Contains(t, c.stderr.String(), `there is no storage host "ss3"`)
	require.Equal(t, exitUsage, c.run("lab", "prepare-storage", "--as", "root"))
	require.Contains(t, c.stderr.String(), "no terminal to ask for a password")
	require.Equal(t, exitFailed, c.run("lab", "prepare-storage", "--as", "admin", "--key", "id"))
	require.Contains(t, c.stderr.String(), "the login as admin by key SHA256:")
	require.Zero(t, commands.Load())

	// On what was never tried everything is shown and nothing done, whatever is asked for.
	for _, args := range [][]string{nil, {"--yes"}} {
		require.Equal(t, exitDone, c.run(append([]string{"lab", "prepare-storage", "--as", "root", "--key", "id", "-o", "json"}, args...)...), c.stderr)
		var list []storagesetup.Thing
		require.NoError(t, json.Unmarshal([]byte(strings.SplitAfterN(c.stdout.String(), "]\n", 2)[0]), &list))
		require.Len(t, list, 14)
		for _, thing := range list {
			require.Equal(t, storagesetup.Manual, thing.State)
		}
	}
	require.Equal(t, exitDone, c.run("lab", "prepare-storage", "--as", "root", "--key", "id", "ss1"), c.stderr)
	require.Contains(t, c.stdout.String(), "zfs allow -u zfsadm bookmark,destroy,hold,mount,release,send,snapshot,userprop tank/mail")
	require.NotContains(t, c.stdout.String(), "ss2 runs")
	require.Equal(t, exitDone, c.run("lab", "prepare-storage", "--as", "root", "--key", "id", "--undo", "--yes"), c.stderr)
	require.Contains(t, c.stdout.String(), "Nothing is on the record.")
	require.Equal(t, exitDone, c.run("lab", "prepare-storage", "--as", "root", "--key", "id", "--undo"), c.stderr)
	require.Equal(t, "Nothing is on the record.\n", c.stdout.String(), "and so nothing is promised")
}
