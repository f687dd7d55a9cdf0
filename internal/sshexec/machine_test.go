package sshexec

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"nightshift/internal/inventory"
)

// A machine is an SSH server that runs commands with /bin/sh. It takes one password, and counts what arrives.
type machine struct {
	t         *testing.T
	addr      string
	host      ssh.Signer
	userKey   ssh.PublicKey // who may log in by key; nil: nobody
	passwords atomic.Int32  // how many were tried
	logins    atomic.Int32
	commands  atomic.Int32
	noChannel bool
	// exec, where set, answers the exec request instead of the shell.
	exec func(line string, ch ssh.Channel, req *ssh.Request, conn *ssh.ServerConn)
	// other, where set, hears all other requests of a session.
	other func(*ssh.Request)
	// mute leaves keep-alives without an answer.
	mute atomic.Bool
}

const password = "right"

func newKey(t *testing.T) (ed25519.PrivateKey, ssh.Signer) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	signer, err := ssh.NewSignerFromKey(private)
	require.NoError(t, err)
	return private, signer
}

// saveKey writes a private key, with a passphrase where one is given.
func saveKey(t *testing.T, dir, name string, key ed25519.PrivateKey, passphrase string) {
	t.Helper()
	block, err := ssh.MarshalPrivateKey(key, "")
	if passphrase != "" {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(key, "", []byte(passphrase))
	}
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600))
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	m := &machine{t: t}
	_, m.host = newKey(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	m.addr = ln.Addr().String()
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go m.serve(conn)
		}
	}()
	return m
}

func (m *machine) serve(conn net.Conn) {
	defer conn.Close()
	no := errors.New("no")
	config := &ssh.ServerConfig{
		PasswordCallback: func(_ ssh.ConnMetadata, p []byte) (*ssh.Permissions, error) {
			m.passwords.Add(1)
			if string(p) == password {
				return nil, nil
			}
			return nil, no
		},
		KeyboardInteractiveCallback: func(ssh.ConnMetadata, ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
			m.passwords.Add(1) // a second way to send the same password
			return nil, no
		},
		PublicKeyCallback: func(_ ssh.ConnMetadata, k ssh.PublicKey) (*ssh.Permissions, error) {
			if m.userKey != nil && string(k.Marshal()) == string(m.userKey.Marshal()) {
				return nil, nil
			}
			return nil, no
		},
	}
	config.AddHostKey(m.host)
	c, channels, requests, err := ssh.NewServerConn(conn, config)
	if err != nil {
		return
	}
	m.logins.Add(1)
	go func() {
		for r := range requests {
			if r.WantReply && !m.mute.Load() {
				_ = r.Reply(false, nil)
			}
		}
	}()
	for nc := range channels {
		if m.noChannel {
			_ = nc.Reject(ssh.ResourceShortage, "open failed")
			continue
		}
		ch, requests, err := nc.Accept()
		if err != nil {
			return
		}
		go m.session(c, ch, requests)
	}
}

func (m *machine) session(conn *ssh.ServerConn, ch ssh.Channel, requests <-chan *ssh.Request) {
	for req := range requests {
		var p struct{ Line string }
		if req.Type != "exec" || ssh.Unmarshal(req.Payload, &p) != nil {
			if m.other != nil {
				m.other(req)
			}
			continue
		}
		m.commands.Add(1)
		if m.exec != nil {
			m.exec(p.Line, ch, req, conn)
			continue
		}
		_ = req.Reply(true, nil)
		go func() {
			cmd := exec.Command("/bin/sh", "-c", p.Line)
			cmd.Stdin, cmd.Stdout, cmd.Stderr = ch, ch, ch.Stderr()
			status := uint32(0)
			if err := cmd.Run(); err != nil {
				status = uint32(cmd.ProcessState.ExitCode())
			}
			exit(ch, status)
			_ = ch.Close()
		}()
	}
}

func exit(ch ssh.Channel, status uint32) {
	_, _ = ch.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{status}))
}

// entry is the machine as a lab file has it.
func (m *machine) entry() inventory.SSH {
	m.t.Helper()
	m.t.Setenv("SSHEXEC_PASSWORD", password)
	return inventory.SSH{Address: m.addr, User: "ns", Password: "env:SSHEXEC_PASSWORD", HostKey: HostKeyLine(m.host.PublicKey())}
}

func (m *machine) dial() *Client {
	m.t.Helper()
	r, err := Resolve(m.t.Context(), "node1", m.entry(), m.t.TempDir())
	require.NoError(m.t, err)
	c, err := Dial(m.t.Context(), r)
	require.NoError(m.t, err)
	m.t.Cleanup(c.Close)
	return c
}
