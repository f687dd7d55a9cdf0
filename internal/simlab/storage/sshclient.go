package storage

import (
	"context"
	"errors"
	"io"
	"net"
	"time"

	"golang.org/x/crypto/ssh"
)

// sshFailed is the status of ssh where it is not that of the command.
const sshFailed = 255

// What directScript asks ssh for: ServerAliveInterval and ServerAliveCountMax.
const (
	aliveEvery = 5 * time.Second
	aliveMost  = 3
)

var errUnknownKey = errors.New("no known key")

// ssh is ssh -p PORT -l USER -- ADDRESS COMMAND, by the key of this host's account.
func (c *call) ssh(ctx context.Context, args []string) Exit {
	if len(args) != 7 {
		c.say("ssh: the simulated one takes -p PORT -l USER -- ADDRESS COMMAND")
		return Exit{Status: sshFailed}
	}
	port, user, host, command := args[1], args[3], args[5], args[6]
	conn, err := c.dial(net.JoinHostPort(host, port), c.p.gone)
	if err != nil {
		c.say("ssh: connect to host %s port %s: %v", host, port, err)
		return Exit{Status: sshFailed}
	}
	defer func() { _ = conn.Close() }() // it may be closed already
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	over := make(chan struct{})
	defer close(over)
	go func() {
		select {
		case <-c.p.gone:
			_ = conn.Close() // it may be closed already
		case <-over:
		}
	}()
	client, status := c.login(conn, net.JoinHostPort(host, port), user)
	if client == nil {
		return Exit{Status: status}
	}
	session, err := client.NewSession()
	if err != nil {
		c.say("Connection to %s closed by remote host.", host)
		return Exit{Status: sshFailed}
	}
	session.Stdin, session.Stdout, session.Stderr = nil, c.out, c.err
	in, err := session.StdinPipe()
	if err == nil {
		err = session.Start(command)
	}
	if err != nil {
		c.say("Connection to %s closed by remote host.", host)
		return Exit{Status: sshFailed}
	}
	go func() {
		_, _ = io.Copy(in, c.in) // how the command ends tells why
		_ = in.Close()
	}()
	ended := make(chan error, 1)
	go func() { ended <- session.Wait() }()
	dead := make(chan struct{})
	go c.keepAlive(client, over, dead)
	select {
	case err = <-ended:
	case <-dead:
		c.say("Timeout, server %s not responding.", host)
		return Exit{Status: sshFailed}
	}
	var exit *ssh.ExitError
	switch {
	case err == nil:
		return Exit{}
	case errors.As(err, &exit) && exit.Signal() == "":
		return Exit{Status: exit.ExitStatus()}
	case errors.As(err, &exit):
	default:
		c.say("client_loop: send disconnect: Broken pipe")
	}
	return Exit{Status: sshFailed}
}

func (c *call) login(conn net.Conn, address, user string) (*ssh.Client, int) {
	c.mu.Lock()
	own, known := c.own, c.known[address]
	c.mu.Unlock()
	var shown ssh.PublicKey
	config := &ssh.ClientConfig{User: user, HostKeyCallback: func(_ string, _ net.Addr, key ssh.PublicKey) error {
		shown = key
		if known == nil || string(known.Marshal()) != string(key.Marshal()) {
			return errUnknownKey
		}
		return nil
	}}
	if own != nil {
		config.Auth = []ssh.AuthMethod{ssh.PublicKeys(own)}
	}
	transport, channels, requests, err := ssh.NewClientConn(conn, address, config)
	if err == nil {
		return ssh.NewClient(transport, channels, requests), 0
	}
	host, _, _ := net.SplitHostPort(address) // it was joined
	var lost net.Error
	switch {
	case errors.Is(err, errUnknownKey) && known == nil:
		c.say("No ED25519 host key is known for %s and you have requested strict checking.\nHost key verification failed.", host)
	case errors.Is(err, errUnknownKey):
		c.say(keyChanged, ssh.FingerprintSHA256(shown), user, host)
	case errors.Is(err, io.EOF), errors.Is(err, net.ErrClosed), errors.As(err, &lost):
		c.say("kex_exchange_identification: Connection closed by remote host")
	default:
		c.say("%s@%s: Permission denied (publickey).", user, host)
	}
	return nil, sshFailed
}

// keyChanged is what ssh says of another host key than it knows: fingerprint, user, host.
const keyChanged = `@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
IT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!
Someone could be eavesdropping on you right now (man-in-the-middle attack)!
It is also possible that a host key has just been changed.
The fingerprint for the ED25519 key sent by the remote host is
%[1]s.
Please contact your system administrator.
Add correct host key in /home/%[2]s/.ssh/known_hosts to get rid of this message.
Offending ED25519 key in /home/%[2]s/.ssh/known_hosts:1
  remove with:
  ssh-keygen -f "/home/%[2]s/.ssh/known_hosts" -R "%[3]s"
Host key for %[3]s has changed and you have requested strict checking.
Host key verification failed.`

// keepAlive asks whether the server is still there, and closes dead when it is not.
func (c *call) keepAlive(client *ssh.Client, over <-chan struct{}, dead chan<- struct{}) {
	for {
		if !c.sleep(aliveEvery, over) {
			return
		}
		answer := make(chan error, 1)
		go func() {
			_, _, err := client.SendRequest("keepalive@openssh.com", true, nil)
			answer <- err
		}()
		late := time.NewTimer(max(c.scaled(aliveEvery*(aliveMost-1)), 2*time.Second)) // at any speed, this machine is as slow
		select {
		case err := <-answer:
			late.Stop()
			if err != nil {
				return // it is closed: Wait tells
			}
		case <-late.C:
			close(dead)
			return
		case <-over:
			late.Stop()
			return
		}
	}
}
