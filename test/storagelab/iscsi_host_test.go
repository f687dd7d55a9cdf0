//go:build storagelab

package storagelab_test

import (
	"os"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"nightshift/internal/inventory"
	"nightshift/internal/iscsi"
	"nightshift/internal/sshexec"
	"nightshift/test/contract"
	"nightshift/test/storagelab"
)

// connect logs in at a machine as the service account.
func connect(t testing.TB, lab *storagelab.Lab, m *storagelab.Machine) *sshexec.Client {
	t.Helper()
	return connectAs(t, lab, m, "zfsadm", lab.ServiceKey)
}

// hostKey is that of a machine, as the lab file has it.
func hostKey(t testing.TB, lab *storagelab.Lab, m *storagelab.Machine) string {
	t.Helper()
	known, err := os.ReadFile(lab.KnownHosts)
	require.NoError(t, err)
	_, rest, found := strings.Cut("\n"+string(known), "\n"+m.Name+" ")
	require.True(t, found)
	key, _, _ := strings.Cut(rest, "\n")
	return key
}

func connectAs(t testing.TB, lab *storagelab.Lab, m *storagelab.Machine, user, loginKey string) *sshexec.Client {
	t.Helper()
	login := inventory.SSH{Address: m.Address, User: user, Key: loginKey, HostKey: hostKey(t, lab, m)}
	resolved, err := sshexec.Resolve(t.Context(), m.Name, login, t.TempDir())
	require.NoError(t, err)
	client, err := sshexec.Dial(t.Context(), resolved)
	require.NoError(t, err)
	t.Cleanup(client.Close)
	return client
}

// lio is a machine's target, as the lab file would have it.
func lio(t testing.TB, lab *storagelab.Lab, m *storagelab.Machine) *iscsi.LIOTarget {
	t.Helper()
	target, err := iscsi.Open(inventory.StorageHost{Name: m.Name, Elevate: inventory.ElevateSudo, Target: &inventory.StorageTarget{Kind: inventory.TargetLIO}}, connect(t, lab, m))
	require.NoError(t, err)
	require.IsType(t, &iscsi.LIOTarget{}, target)
	return target.(*iscsi.LIOTarget)
}

// install puts on a machine what prepare-storage does.
func install(m *storagelab.Machine) {
	m.Script(`umask 022; printf '%s' "$1" >"$2.new"; chmod 755 "$2.new"; mv "$2.new" "$2"`, iscsi.LIOProgram(), iscsi.LIOProgramPath)
	m.Script(`umask 022; printf '%s' "$1" >"$2"; systemctl daemon-reload; systemctl enable -q nightshift-lio.service`, iscsi.LIOUnit(), iscsi.LIOUnitPath)
	m.Script(`umask 337; printf 'zfsadm ALL=(root) NOPASSWD: %s\n' "$1" >/etc/sudoers.d/.nightshift-lio; mv /etc/sudoers.d/.nightshift-lio /etc/sudoers.d/nightshift-lio`,
		iscsi.LIOProgramPath)
}

// target is the LIO of a machine, from which a name is taken at the end.
func target(t testing.TB, lab *storagelab.Lab, m *storagelab.Machine, name string) *iscsi.LIOTarget {
	t.Helper()
	install(m)
	target := lio(t, lab, m)
	require.NoError(t, target.Version(t.Context()))
	t.Cleanup(func() { m.Run(iscsi.LIOProgramPath, "unpublish", name, "sessions") })
	return target
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

// A targetHost is a machine with its LIO and its open-iscsi, for package contract.
type targetHost struct {
	host
	lab *storagelab.Lab
}

func (h targetHost) Target(name string) *iscsi.LIOTarget {
	h.t.Helper()
	return target(h.t, h.lab, h.m, name)
}

func (h targetHost) Portal() string { return h.m.Private + ":3260" }

func (h targetHost) Await(device string) {
	h.t.Helper()
	h.m.Script(`until [ -b "$1" ]; do sleep 0.2; done`, device)
}

func (h targetHost) Initiator() contract.Initiator { return initiator(h) }

type initiator targetHost

func (i initiator) Name() string { return i.m.Initiator }

// portal is where a target is, seen from the other machine.
func (i initiator) portal(target string) storagelab.Portal {
	at := i.lab.SS1
	if published := i.lab.SS2.Try("test", "-d", "/sys/kernel/config/target/iscsi/"+target); published.Status == 0 {
		at = i.lab.SS2
	}
	return storagelab.Portal{Address: at.Private, Target: target}
}

func (i initiator) Login(at contract.TargetHost, target, user, secret string) int {
	i.t.Helper()
	p := storagelab.Portal{Address: at.(targetHost).m.Private, Target: target, User: user, Password: secret}
	return i.m.Login(p).Status
}

func (i initiator) Logout(target string) {
	i.t.Helper()
	i.m.Logout(i.portal(target))
}

func (i initiator) Disks(target string) []iscsi.Disk {
	i.t.Helper()
	disks, err := iscsi.Disks(i.t.Context(), iscsi.OverSSH(connect(i.t, i.lab, i.m)), target)
	require.NoError(i.t, err)
	for _, d := range disks {
		require.Contains(i.t, i.m.Run("sg_vpd", "--page=di", "/dev/"+d.Block), "0x"+d.Identity.NAA, "as sg3-utils read it")
	}
	return disks
}

func (i initiator) Write(target string, lun, mib int) {
	i.t.Helper()
	i.m.Scribble(i.m.Disk(i.portal(target), lun), 0, mib)
}

func (i initiator) Digest(target string, lun int) string {
	i.t.Helper()
	return i.m.Digest(i.m.Disk(i.portal(target), lun))
}
