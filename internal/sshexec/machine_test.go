package sshexec

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
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
	hostCert  ssh.Signer    // shown, too, where set
	userKey   ssh.PublicKey // who may log in by key; nil: nobody
	userCA    ssh.PublicKey // whose certificates may log in; nil: nobody's
	forwards  bool          // it is a jump host
	most      int32         // sessions at a time; 0: any number
	sessions  atomic.Int32
	running   atomic.Int32 // commands
	peak      atomic.Int32 // how many there were at most
	conns     sync.Map     // *ssh.ServerConn -> true
	passwords atomic.Int32 // how many were tried
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
	if m.userCA != nil {
		checker := ssh.CertChecker{IsUserAuthority: func(k ssh.PublicKey) bool { return sameKey(k, m.userCA) }}
		config.PublicKeyCallback = checker.Authenticate
	}
	config.AddHostKey(m.host)
	if m.hostCert != nil {
		config.AddHostKey(m.hostCert)
	}
	c, channels, requests, err := ssh.NewServerConn(conn, config)
	if err != nil {
		return
	}
	m.logins.Add(1)
	m.conns.Store(c, true)
	go func() {
		for r := range requests {
			if r.WantReply && !m.mute.Load() {
				_ = r.Reply(false, nil)
			}
		}
	}()
	for nc := range channels {
		switch {
		case nc.ChannelType() == "direct-tcpip" && m.forwards:
			go forward(nc)
			continue
		case nc.ChannelType() == "direct-tcpip":
			_ = nc.Reject(ssh.Prohibited, "open failed")
			continue
		case m.noChannel || m.most > 0 && m.sessions.Load() >= m.most:
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

// forward opens the connection that a jump host is asked for.
func forward(nc ssh.NewChannel) {
	var to struct {
		Host       string
		Port       uint32
		OriginHost string
		OriginPort uint32
	}
	if ssh.Unmarshal(nc.ExtraData(), &to) != nil {
		return
	}
	conn, err := net.Dial("tcp", net.JoinHostPort(to.Host, strconv.Itoa(int(to.Port))))
	if err != nil {
		_ = nc.Reject(ssh.ConnectionFailed, "connection refused")
		return
	}
	ch, requests, err := nc.Accept()
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	go func() { _, _ = io.Copy(ch, conn); _ = ch.Close() }()
	_, _ = io.Copy(conn, ch)
	_ = conn.Close()
}

// cut ends all connections, as a cable does.
func (m *machine) cut() {
	m.conns.Range(func(c, _ any) bool {
		_ = c.(*ssh.ServerConn).Close()
		m.conns.Delete(c)
		return true
	})
}

func (m *machine) session(conn *ssh.ServerConn, ch ssh.Channel, requests <-chan *ssh.Request) {
	m.sessions.Add(1)
	defer m.sessions.Add(-1)
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
		go m.run(p.Line, ch)
	}
}

// run runs a command as sshd does: it does not wait for input that the command does not read. With the test it ends.
func (m *machine) run(line string, ch ssh.Channel) {
	n := m.running.Add(1)
	for peak := m.peak.Load(); n > peak && !m.peak.CompareAndSwap(peak, n); peak = m.peak.Load() {
	}
	cmd := exec.CommandContext(m.t.Context(), "/bin/sh", "-c", line)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.Stdout, cmd.Stderr = ch, ch.Stderr()
	in, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	status := uint32(255)
	if err == nil {
		go func() {
			_, _ = io.Copy(in, ch)
			_ = in.Close()
		}()
		_ = cmd.Wait()
		status = uint32(cmd.ProcessState.ExitCode())
	}
	m.running.Add(-1)
	exit(ch, status)
	_ = ch.Close()
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
