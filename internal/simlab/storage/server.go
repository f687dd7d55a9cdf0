package storage

import (
	"bytes"
	"context"
	"errors"
	"net"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
)

// Serve lets people log in over SSH until the listener is closed or the host ends. Door may be nil.
func (h *Host) Serve(ln net.Listener, door Door) error {
	key, _, err := NewKey()
	if err != nil {
		return err
	}
	if door == nil {
		door = openDoor{}
	}
	h.key, h.addr = key, ln.Addr().String()
	context.AfterFunc(h.ctx, func() { _ = ln.Close() }) // it ends accept
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go h.serve(conn, door)
		}
	}()
	return nil
}

func (h *Host) config(door Door) *ssh.ServerConfig {
	no := errors.New("denied")
	find := func(user string, key ssh.PublicKey) (login, bool) {
		h.mu.Lock()
		defer h.mu.Unlock()
		i := slices.IndexFunc(h.trust, func(l login) bool { return l.user == user && bytes.Equal(l.key.Marshal(), key.Marshal()) })
		if i < 0 {
			return login{}, false
		}
		return h.trust[i], true
	}
	c := &ssh.ServerConfig{
		MaxAuthTries: 6, ServerVersion: "SSH-2.0-OpenSSH_9.2p1 simulated",
		PublicKeyCallback: func(m ssh.ConnMetadata, k ssh.PublicKey) (*ssh.Permissions, error) {
			l, is := find(m.User(), k)
			if !is {
				door.Login(false)
				return nil, no
			}
			p := &ssh.Permissions{}
			if l.receives {
				p.CriticalOptions = map[string]string{"force-command": "nightshift-receive"}
			}
			return p, nil // only asked for; it may still fail to sign
		},
		VerifiedPublicKeyCallback: func(_ ssh.ConnMetadata, _ ssh.PublicKey, p *ssh.Permissions, _ string) (*ssh.Permissions, error) {
			door.Login(true)
			return p, nil
		},
	}
	c.AddHostKey(h.key)
	return c
}

func (h *Host) serve(conn net.Conn, door Door) {
	stop := context.AfterFunc(h.ctx, func() { _ = conn.Close() })
	defer stop()
	defer func() { _ = conn.Close() }() // it may be closed already
	if !door.Connect() {
		return
	}
	server, channels, requests, err := ssh.NewServerConn(conn, h.config(door))
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	forced := server.Permissions.CriticalOptions["force-command"] != ""
	for nc := range channels {
		if nc.ChannelType() != "session" {
			_ = nc.Reject(ssh.UnknownChannelType, "only sessions")
			continue
		}
		ch, requests, err := nc.Accept()
		if err != nil {
			return
		}
		go h.session(&guest{conn: conn, door: door, user: server.User(), forced: forced}, ch, requests)
	}
}

// A guest is who is logged in.
type guest struct {
	conn   net.Conn
	door   Door
	user   string
	forced bool
}

// session runs the one command that it is for.
func (h *Host) session(g *guest, ch ssh.Channel, requests <-chan *ssh.Request) {
	defer func() { _ = ch.Close() }() // the caller may be gone
	for req := range requests {
		var p struct{ Line string }
		if req.Type != "exec" || ssh.Unmarshal(req.Payload, &p) != nil {
			if req.WantReply {
				_ = req.Reply(false, nil) // the caller may be gone
			}
			continue
		}
		h.exec(g, ch, req, requests, p.Line)
		return
	}
}

// exec carries a command out: here faults happen, and what arrives is recorded before it acts.
func (h *Host) exec(g *guest, ch ssh.Channel, req *ssh.Request, requests <-chan *ssh.Request, line string) {
	argv, err := words(line)
	verb, changes := describe(argv)
	a := g.door.Arrive(verb, changes)
	if a.Fate == IsLost {
		_ = g.conn.Close() // that is what is wanted
		return
	}
	_ = req.Reply(true, nil) // the caller may be gone
	var exit Exit
	switch {
	case a.Fate == Hangs:
		<-h.ctx.Done()
		return
	case a.Fate == IsRefused:
		exit.Status = a.Status
		_, _ = ch.Stderr().Write([]byte("the host does not do it now\n"))
	case err != nil:
		exit.Status = usage
		_, _ = ch.Stderr().Write([]byte("sh: 1: " + err.Error() + "\n"))
	case g.forced && !received(argv):
		exit.Status = 126
		_, _ = ch.Stderr().Write([]byte("nightshift-receive: only zfs receive -s -u is allowed\n"))
	default:
		// A command lives on when who sent it hangs up, as without a terminal: it ends when its streams do.
		go ssh.DiscardRequests(requests)
		switch a.Fate {
		case LosesAnswer:
			exit = h.unheard(g, argv)
		case Breaks:
			b := &breaker{conn: g.conn, left: a.Bytes}
			exit = h.Run(h.ctx, g.user, argv, Streams{In: breaking{ch, b}, Out: breaking{ch, b}, Err: ch.Stderr()})
		default:
			exit = h.Run(h.ctx, g.user, argv, Streams{In: ch, Out: ch, Err: ch.Stderr()})
		}
	}
	a.Done(exit.String(), a.Fate == LosesAnswer)
	if h.cfg.Waits {
		exit = Exit{Status: exit.Shell()}
	}
	if exit.Signal != "" {
		_, _ = ch.SendRequest("exit-signal", false, ssh.Marshal(struct {
			Signal string
			Core   bool
			Text   string
			Tongue string
		}{Signal: exit.Signal}))
		return
	}
	_, _ = ch.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{uint32(exit.Status)}))
}

// unheard runs a command whose caller is gone before it ends.
func (h *Host) unheard(g *guest, argv []string) Exit {
	_ = g.conn.Close() // that is what is wanted
	return h.Run(h.ctx, g.user, argv, Streams{})
}

// String is how it ended, as calls are recorded.
func (e Exit) String() string {
	switch {
	case e.Signal != "":
		return "killed by " + e.Signal
	case e.Status != 0:
		return "exit status " + itoa(e.Status)
	}
	return "ok"
}

// received says whether a command is what nightshift-receive lets through.
func received(argv []string) bool {
	argv, _ = stripped(argv)
	return len(argv) > 4 && strings.Join(argv[:4], " ") == "zfs receive -s -u"
}
