//go:build storagelab

package storagelab_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"nightshift/internal/inventory"
	"nightshift/internal/iscsi"
	"nightshift/internal/sshexec"
	"nightshift/test/storagelab"
)

// A host runs commands on a machine, with input, as iscsi wants it.
type host struct {
	t      testing.TB
	client *ssh.Client
}

func connect(t testing.TB, lab *storagelab.Lab, m *storagelab.Machine) host {
	t.Helper()
	text, err := os.ReadFile(lab.AdminKey)
	require.NoError(t, err)
	key, err := ssh.ParsePrivateKey(text)
	require.NoError(t, err)
	client, err := ssh.Dial("tcp", m.Address, &ssh.ClientConfig{User: "root", Auth: []ssh.AuthMethod{ssh.PublicKeys(key)},
		HostKeyCallback: ssh.InsecureIgnoreHostKey()}) // lab.Connect has compared it
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	return host{t, client}
}

func (h host) Query(ctx context.Context, argv []string) (sshexec.Result, error) {
	return h.Act(ctx, argv, nil)
}

func (h host) Act(_ context.Context, argv []string, stdin io.Reader) (sshexec.Result, error) {
	line, err := sshexec.Quote(argv)
	if err != nil {
		return sshexec.Result{}, err
	}
	session, err := h.client.NewSession()
	if err != nil {
		return sshexec.Result{}, err
	}
	defer session.Close()
	var out, errs bytes.Buffer
	session.Stdin, session.Stdout, session.Stderr = stdin, &out, &errs
	err = session.Run(line)
	res := sshexec.Result{Stdout: out.Bytes(), Stderr: errs.Bytes()}
	var exit *ssh.ExitError
	if errors.As(err, &exit) {
		res.Status, err = exit.ExitStatus(), nil
	}
	return res, err
}

func root(argv []string) []string { return argv }

// install puts on a machine what prepare-storage does.
func install(m *storagelab.Machine) {
	m.Script(`umask 022; printf '%s' "$1" >"$2.new"; chmod 755 "$2.new"; mv "$2.new" "$2"`, iscsi.LIOProgram(), iscsi.LIOProgramPath)
	m.Script(`umask 022; printf '%s' "$1" >"$2"; systemctl daemon-reload; systemctl enable -q nightshift-lio.service`, iscsi.LIOUnit(), iscsi.LIOUnitPath)
}

// target is the LIO of a machine, from which a name is taken at the end.
func target(t testing.TB, lab *storagelab.Lab, m *storagelab.Machine, name string) *iscsi.LIOTarget {
	t.Helper()
	install(m)
	lio := iscsi.NewLIO(connect(t, lab, m), root)
	require.NoError(t, lio.Version(t.Context()))
	t.Cleanup(func() { m.Run(iscsi.LIOProgramPath, "unpublish", name, "sessions") })
	return lio
}

// identity is one of COMSTAR, which nobody else has.
func identity() iscsi.Identity {
	yes := true
	return iscsi.Identity{LUN: 7, NAA: "600144f" + strings.ReplaceAll(uuid.NewString(), "-", "")[:25], Vendor: "SUN", Product: "COMSTAR", Revision: "1.0",
		LogicalBlock: 512, CompareAndWrite: &yes, ExtendedCopy: &yes}
}

func publication(name, device string, m *storagelab.Machine, initiator string) iscsi.Publication {
	return iscsi.Publication{Name: name, Device: device, Identity: identity(), Target: "iqn.2026-01.lab.storage:" + name, Group: 1, Portals: []string{m.Private + ":3260"},
		Grants: []iscsi.Grant{{Initiator: initiator, CHAP: &iscsi.CHAP{User: "lab", Secret: inventory.NewSecret("labsecret12345")}}}}
}

func portalOf(p iscsi.Publication, m *storagelab.Machine) storagelab.Portal {
	return storagelab.Portal{Address: m.Private, Target: p.Target, User: "lab", Password: "labsecret12345"}
}
