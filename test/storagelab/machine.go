//go:build storagelab

package storagelab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"nightshift/internal/sshexec"
)

// A Machine is one of the two, as one of its users sees it.
type Machine struct {
	// Name is ss1 or ss2: its host name, and its name in KnownHosts.
	Name string
	// User is who commands run as: root, but for As.
	User string
	// Address is where SSH answers from here, as host:port; Private is its IP address for the other machine.
	Address, Private string
	// HostKey is the fingerprint of its SSH host key, as SHA256:…
	HostKey string
	// Initiator is the IQN of its open-iscsi.
	Initiator string

	lab  *Lab
	qmp  string
	key  string
	conn *connection
}

// A Result is how a command ended. Status is -1 where it told none: a signal, or a connection that was lost.
type Result struct {
	Stdout, Stderr string
	Status         int
}

func (l *Lab) machine(env environment, name string) *Machine {
	l.t.Helper()
	get := func(what string) string { return env.get(l.t, name+"_"+what) }
	m := &Machine{Name: name, Address: get("ADDRESS"), HostKey: get("HOSTKEY"), Private: get("PRIVATE"), Initiator: get("INITIATOR"), lab: l, qmp: get("QMP")}
	return m.as("root", l.AdminKey)
}

// As is the machine as that user sees it: zfsadm, the service account.
func (m *Machine) As(user string) *Machine {
	require.Equal(m.lab.t, "zfsadm", user, "there are root and zfsadm")
	return m.as(user, m.lab.ServiceKey)
}

func (m *Machine) as(user, key string) *Machine {
	other := *m
	other.User, other.key, other.conn = user, key, &connection{}
	m.lab.t.Cleanup(other.conn.close)
	return &other
}

// Run runs a command, which must succeed, and returns its standard output without white space around it.
func (m *Machine) Run(argv ...string) string {
	m.lab.t.Helper()
	r := m.Try(argv...)
	require.Zero(m.lab.t, r.Status, "%s@%s: %s\n%s%s", m.User, m.Name, strings.Join(argv, " "), r.Stdout, r.Stderr)
	return strings.TrimSpace(r.Stdout)
}

// Script runs a script of a POSIX shell, which must succeed; $1 and so on are its arguments.
func (m *Machine) Script(script string, args ...string) string {
	m.lab.t.Helper()
	return m.Run(append([]string{"sh", "-ec", script, "sh"}, args...)...)
}

// Try runs a command, however it ends.
func (m *Machine) Try(argv ...string) Result {
	m.lab.t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(m.lab.t.Context()), Patience)
	defer cancel()
	r, err := m.run(ctx, argv)
	require.NoError(m.lab.t, err, "%s@%s: %s", m.User, m.Name, strings.Join(argv, " "))
	return r
}

// run is Try with an end by ctx, and with errors: nothing was sent, or the connection was lost.
func (m *Machine) run(ctx context.Context, argv []string) (Result, error) {
	line, err := sshexec.Quote(argv)
	if err != nil {
		return Result{}, err
	}
	client, err := m.dial(ctx)
	if err != nil {
		return Result{}, err
	}
	session, err := client.NewSession()
	if err != nil {
		m.conn.close()
		return Result{}, err
	}
	defer session.Close()
	stop := context.AfterFunc(ctx, m.conn.close)
	defer stop()
	var out, errs bytes.Buffer
	session.Stdout, session.Stderr = &out, &errs
	err = session.Run(line)
	r := Result{Stdout: out.String(), Stderr: errs.String()}
	var exit *ssh.ExitError
	switch {
	case err == nil:
		return r, nil
	case errors.As(err, &exit) && exit.Signal() == "":
		r.Status = exit.ExitStatus()
		return r, nil
	case errors.As(err, &exit):
		r.Status = -1
		return r, nil
	}
	m.conn.close()
	r.Status = -1
	return r, err
}

// A connection is one to a machine as one user, made when first needed and again after it was lost.
type connection struct {
	mu     sync.Mutex
	client *ssh.Client
}

func (c *connection) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.client != nil {
		_ = c.client.Close()
		c.client = nil
	}
}

// checkKey accepts the key that lab.sh gave to the machine.
func (m *Machine) checkKey(_ string, _ net.Addr, key ssh.PublicKey) error {
	if got := ssh.FingerprintSHA256(key); got != m.HostKey {
		return fmt.Errorf("%s has the key %s, not %s", m.Name, got, m.HostKey)
	}
	return nil
}

func (m *Machine) dial(ctx context.Context) (*ssh.Client, error) {
	m.conn.mu.Lock()
	defer m.conn.mu.Unlock()
	if m.conn.client != nil {
		return m.conn.client, nil
	}
	text, err := os.ReadFile(m.key)
	if err != nil {
		return nil, err
	}
	key, err := ssh.ParsePrivateKey(text)
	if err != nil {
		return nil, err
	}
	config := &ssh.ClientConfig{User: m.User, Auth: []ssh.AuthMethod{ssh.PublicKeys(key)}, HostKeyCallback: m.checkKey}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", m.Address)
	if err != nil {
		return nil, err
	}
	// QEMU takes connections also for a machine that does not answer.
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	transport, channels, requests, err := ssh.NewClientConn(conn, m.Address, config)
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	_ = conn.SetDeadline(time.Time{})
	m.conn.client = ssh.NewClient(transport, channels, requests)
	return m.conn.client, nil
}
