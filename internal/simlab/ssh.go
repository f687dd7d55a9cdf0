package simlab

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"
)

// sshUser is who may log in at the members of application clusters, and at other machines.
const sshUser = "cluster"

// An sshNode is the SSH server of one member of an application cluster, which answers while its guest's services are up, or
// of another machine.
type sshNode struct {
	lab      *Lab
	name     string                          // of the guest or machine
	target   string                          // as calls are recorded: the application cluster or machine
	up       func() bool                     // whether it answers; the world is locked
	run      func(line string) (int, string) // carries out a command
	changes  func(line string) bool          // tells whether a command changes something
	system   string                          // "ssh:NAME"
	addr     string
	password string
	hostKey  ssh.Signer
	// userKey may log in, too: the private key, in OpenSSH's form.
	userKey []byte
	user    ssh.PublicKey

	mu    sync.Mutex // taken before the lab's
	conns map[net.Conn]struct{}
}

// SSH is how to log in at a member of an application cluster: by password, or by a private key.
type SSH struct {
	Address, User, Password string
	HostKey                 string // "ssh-ed25519 AAAA…"
	PrivateKey              []byte // as in a file
}

// SSH returns how to reach a guest; false: it is no member of an application cluster.
func (l *Lab) SSH(guestName string) (SSH, bool) {
	for _, a := range l.apps {
		for _, n := range a.nodes {
			if n.name == guestName {
				return SSH{n.addr, sshUser, n.password, n.hostKeyLine(), n.userKey}, true
			}
		}
	}
	return SSH{}, false
}

func newSSHKey() (ssh.Signer, ed25519.PrivateKey, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	signer, err := ssh.NewSignerFromKey(private)
	return signer, private, err
}

func (n *sshNode) hostKeyLine() string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(n.hostKey.PublicKey())))
}

// startSSH serves a node of which what it does is said.
func (l *Lab) startSSH(n *sshNode) error {
	n.lab, n.system, n.password, n.conns = l, "ssh:"+n.name, newPassword(n.name+"-ssh"), map[net.Conn]struct{}{}
	fail := func(err error) error {
		return fmt.Errorf("simulated lab %s: %s: %w", l.spec.Name, n.system, err)
	}
	var err error
	if n.hostKey, _, err = newSSHKey(); err != nil {
		return fail(err)
	}
	user, private, err := newSSHKey()
	if err != nil {
		return fail(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		return fail(err)
	}
	n.user, n.userKey = user.PublicKey(), pem.EncodeToMemory(block)
	ln, err := (&net.ListenConfig{}).Listen(l.ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fail(err)
	}
	n.addr = ln.Addr().String()
	cut := newGate(ln) // for CutOff
	l.gates[n.system] = cut
	l.closes = append(l.closes, func() { _ = ln.Close() }) // the lab ends
	l.goRun(n.follow)
	l.goRun(func() { n.accept(cut) })
	return nil
}

// follow closes what is open when the guest goes down.
func (n *sshNode) follow() {
	for {
		if n.lab.wait(n.lab.ctx, n.up) != nil || n.lab.wait(n.lab.ctx, func() bool { return !n.up() }) != nil {
			return
		}
		n.hangUp()
	}
}

func (n *sshNode) hangUp() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for c := range n.conns {
		_ = c.Close() // gone already is as good
	}
	clear(n.conns)
}

// accept serves connections while the guest is up: who sees that finds the server.
func (n *sshNode) accept(ln net.Listener) {
	for {
		conn, err := ln.Accept()
		if err != nil {
			n.hangUp() // the lab ends
			return
		}
		n.mu.Lock()
		up := false
		n.lab.read(func() { up = n.up() })
		if up {
			n.conns[conn] = struct{}{}
		}
		n.mu.Unlock()
		if !up {
			_ = conn.Close() // the peer sees it closed, which is all that is wanted
			continue
		}
		n.lab.goRun(func() {
			n.serve(conn)
			n.mu.Lock()
			defer n.mu.Unlock()
			delete(n.conns, conn)
		})
	}
}

func (n *sshNode) config() *ssh.ServerConfig {
	no := errors.New("denied")
	login := func(ok bool) (*ssh.Permissions, error) {
		n.lab.rec.login(n.system, ok)
		if !ok {
			return nil, no
		}
		return &ssh.Permissions{}, nil
	}
	c := &ssh.ServerConfig{
		MaxAuthTries: 6, ServerVersion: "SSH-2.0-OpenSSH_9.2p1 simulated",
		PasswordCallback: func(m ssh.ConnMetadata, p []byte) (*ssh.Permissions, error) {
			return login(m.User() == sshUser && string(p) == n.password)
		},
		PublicKeyCallback: func(m ssh.ConnMetadata, k ssh.PublicKey) (*ssh.Permissions, error) {
			if m.User() != sshUser || !bytes.Equal(k.Marshal(), n.user.Marshal()) {
				return login(false)
			}
			return &ssh.Permissions{}, nil // only asked for; it may still fail to sign
		},
		VerifiedPublicKeyCallback: func(_ ssh.ConnMetadata, _ ssh.PublicKey, p *ssh.Permissions, _ string) (*ssh.Permissions, error) {
			_, err := login(true)
			return p, err
		},
	}
	c.AddHostKey(n.hostKey)
	return c
}

func (n *sshNode) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }() // it may be closed already
	if f, hit := n.lab.faults.match(n.system, []call{{"Login", n.name}}); hit && !n.pass(f) {
		return
	}
	_, channels, requests, err := ssh.NewServerConn(conn, n.config())
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for nc := range channels {
		if nc.ChannelType() != "session" {
			_ = nc.Reject(ssh.UnknownChannelType, "only sessions")
			continue
		}
		ch, requests, err := nc.Accept()
		if err != nil {
			return
		}
		n.lab.goRun(func() { n.session(conn, ch, requests) })
	}
}

// pass is what happens to a login on its way; false: it does not arrive.
func (n *sshNode) pass(f Fault) bool {
	switch f.Kind {
	case Delay:
		return sleep(n.lab.ctx, f.Delay)
	case Hang:
		<-n.lab.ctx.Done()
	case Drop, LoseAnswer, Error, Break:
	}
	return false
}

// session runs the one command that it is for.
func (n *sshNode) session(conn net.Conn, ch ssh.Channel, requests <-chan *ssh.Request) {
	defer func() { _ = ch.Close() }() // the caller may be gone
	for req := range requests {
		var p struct{ Line string }
		if req.Type != "exec" || ssh.Unmarshal(req.Payload, &p) != nil {
			if req.WantReply {
				_ = req.Reply(false, nil)
			}
			continue
		}
		go ssh.DiscardRequests(requests)
		n.exec(conn, ch, req, strings.Join(strings.Fields(p.Line), " "))
		return
	}
}

// exec carries a command out: here faults happen, and what arrives is recorded before it acts.
func (n *sshNode) exec(conn net.Conn, ch ssh.Channel, req *ssh.Request, line string) {
	calls := []call{{line, n.target}}
	f, hit := n.lab.faults.match(n.system, calls)
	if hit && f.Kind == Drop || hit && f.Kind == Delay && !sleep(n.lab.ctx, f.Delay) {
		_ = conn.Close()
		return
	}
	_ = req.Reply(true, nil)
	if hit && f.Kind == Hang {
		<-n.lab.ctx.Done()
		return
	}
	done := func(string, bool) {}
	if n.changes(line) {
		done = n.lab.rec.add(n.system, calls)
	}
	if hit && f.Kind == Error {
		status := orDefault(f.Status, 1)
		done(fmt.Sprintf("injected exit status %d", status), false)
		n.end(ch, status, "", "the cluster manager does not answer\n")
		return
	}
	if hit && f.Kind == LoseAnswer {
		_ = conn.Close() // the cluster manager goes on
	}
	status, out := n.run(line)
	result := "ok"
	if status != 0 {
		result = fmt.Sprintf("exit status %d", status)
	}
	done(result, hit && f.Kind == LoseAnswer)
	if status == 0 || !n.changes(line) {
		n.end(ch, status, out, "")
	} else {
		n.end(ch, status, "", out)
	}
}

// clusterCommand runs a command of a cluster manager.
func (l *Lab) clusterCommand(a *application, line string) (int, string) {
	switch line {
	case "cluster status":
		return l.clusterStatus(a)
	case "cluster stop":
		return l.clusterStop(a)
	case "cluster start":
		return l.clusterStart(a)
	}
	return 127, "sh: " + line + ": not found\n"
}

// end prints and tells the exit status. The caller may be gone.
func (n *sshNode) end(ch ssh.Channel, status int, stdout, stderr string) {
	_, _ = io.WriteString(ch, stdout)
	_, _ = io.WriteString(ch.Stderr(), stderr)
	_, _ = ch.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{uint32(status)}))
}
