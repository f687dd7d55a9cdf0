package activities

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/fault"
	"nightshift/internal/identity"
	"nightshift/internal/inventory"
	"nightshift/internal/iscsi"
	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/internal/sshexec"
	"nightshift/internal/vmfs"
	"nightshift/internal/vmfs/vmfsimage"
	"nightshift/runbooks"
)

const recordFile = ".nightshift/records/home.mail.json"

// newRecordLab is a mailLab whose tank/mail is shown as LUN 3, with a VMFS volume on which a VM lies.
func newRecordLab(t *testing.T) *mailLab {
	t.Helper()
	m := newMailLab(t)
	require.NoError(t, m.ss1.AddTarget(t.TempDir(), "10.0.0.1:3260"))
	host := &m.lab.StorageHosts[0]
	host.Elevate, host.Target = inventory.ElevateSudo, &inventory.StorageTarget{Kind: inventory.TargetLIO}
	h, err := m.a.lunHost("ss1")
	require.NoError(t, err)
	target, err := iscsi.OpenWith(*host, h.run)
	require.NoError(t, err)
	_, err = target.Publish(t.Context(), iscsi.Publication{Name: "mail", Device: "/dev/zvol/tank/mail", Target: "iqn.2026-01.lab.storage:ds1", Group: 1, Portals: []string{"10.0.0.1:3260"},
		Identity: iscsi.Identity{LUN: 3, NAA: mailNAA, Vendor: "SUN", Product: "COMSTAR"}, Grants: []iscsi.Grant{{Initiator: esxIQN}}})
	require.NoError(t, err)
	uuid, err := vmfs.ParseUUID(mailUUID)
	require.NoError(t, err)
	require.NoError(t, vmfsimage.Write(m.ss1.Volume("tank/mail"), vmfsimage.Volume{Label: "mail01", UUID: uuid, LUN: vmfs.LU{LUN: 3, NAA: mailNAA, Vendor: "SUN", Product: "COMSTAR"}, Size: mailSize}))
	m.lab.Guests = []inventory.Guest{{Name: "web01", After: []string{"mail01", "group:base"}}, {Name: "mail01", After: []string{"group:base"}}, {Name: "other"}}
	m.lab.Groups = []inventory.Group{{Name: "base", Guests: []string{"dns"}}, {Name: "unused"}}
	m.w.lies = live.Occupants{InstanceUUID: "vc-uuid", Version: "8.0.3", Read: time.Now().UTC().Truncate(time.Second),
		Stores: []live.OccupiedStore{{Name: "mail01", Type: "VMFS", UUID: mailUUID, Disks: []string{"naa." + mailNAA + ":1"}}},
		Guests: []live.Occupant{{Name: "mail01", UUID: "u-1", Path: "[mail01] mail01/mail01.vmx", Power: live.PoweredOn, NICs: []live.OccupantNIC{{MAC: "00:50:56:aa:bb:cc", Network: "LAN", VLAN: "12"}}}}}
	m.restart()
	return m
}

func (m *mailLab) recordOf(dataset string) (identity.Record, error) {
	m.t.Helper()
	host := "ss2"
	if strings.HasPrefix(dataset, "tank") {
		host = "ss1"
	}
	s, err := m.a.records(host)
	require.NoError(m.t, err)
	return s.OnDataset(m.t.Context(), dataset)
}

func (m *mailLab) fileRecord() identity.Record {
	m.t.Helper()
	r, _, err := identity.Open(m.ss2.File(recordFile))
	require.NoError(m.t, err)
	return r
}

func TestARecordTravelsWithTheData(t *testing.T) {
	m := newRecordLab(t)
	p := m.plan()
	m.must(p, "run-1", "snapshot:mail", "send:tank/mail", "send:tank/log", "verify:mail")
	out := m.must(p, "run-1", "record:mail")
	require.Contains(t, out.Note, "1 LUN and 1 VM; warning: not read: LUN of tank/log: the target of ss1 shows none")
	require.Contains(t, out.Evidence, "~/.nightshift/records/home.mail.json on ss2")
	require.True(t, out.Acted)

	want := m.fileRecord()
	for _, d := range []string{"tank/mail", "tank/log", "backup/ss1/mail", "backup/ss1/log"} {
		got, err := m.recordOf(d)
		require.NoError(t, err, d)
		require.Equal(t, want, got, d)
	}
	require.Equal(t, "run-1", want.Run)
	require.Equal(t, m.lab.ProtectionGroups[0], want.Protection)
	require.Equal(t, "backup/ss1/mail", want.Datasets[0].Replica)
	lun := want.Datasets[0].LUNs[0]
	require.Equal(t, uint16(3), lun.Identity.LUN)
	require.Equal(t, mailNAA, lun.Identity.NAA)
	require.Equal(t, "COMSTAR", lun.Identity.Product)
	require.NotEmpty(t, lun.Identity.Serial)
	require.Equal(t, esxIQN, lun.Paths[0].ACLs[0].Initiator)
	require.Equal(t, mailUUID, lun.VMFS.UUID)
	require.Equal(t, "vml.0200030000600144f07ed404000000496ff8cd0003434f4d535441", lun.VMFS.Expects)
	require.Empty(t, lun.VMFS.Differs)
	require.Equal(t, "00:50:56:aa:bb:cc", want.VCenters[0].Guests[0].NICs[0].MAC)
	require.Equal(t, []inventory.Guest{{Name: "mail01", After: []string{"group:base"}}}, want.Guests, "not those that lie elsewhere")
	require.Equal(t, []inventory.Group{{Name: "base", Guests: []string{"dns"}}}, want.Groups)

	out = m.must(p, "run-1", "record:mail")
	require.False(t, out.Acted, "it is there already")
	require.Equal(t, want, m.fileRecord())
	out = m.must(p, "run-2", "record:mail")
	require.True(t, out.Acted, "each run writes its own")
}

// Who is to show the LUN again learns who proves himself by CHAP, and where the secret is kept: never the secret, and no log has it.
func TestARecordRefersToCHAPSecrets(t *testing.T) {
	m := newRecordLab(t)
	host := &m.lab.StorageHosts[0]
	const secret, mutual = "correct horse 1", "the targets own 3"
	secrets := filepath.Join(t.TempDir(), "chap")
	require.NoError(t, os.WriteFile(secrets, []byte(secret), 0o600))
	host.Target.CHAP = []inventory.TargetCHAP{{Initiators: []string{esxIQN}, User: "esx", Secret: inventory.SecretRef("file:" + secrets), MutualUser: "ss1", MutualSecret: "env:SS1_CHAP"}}
	t.Setenv("SS1_CHAP", mutual)
	h, err := m.a.lunHost("ss1")
	require.NoError(t, err)
	target, err := iscsi.OpenWith(*host, h.run)
	require.NoError(t, err)
	_, err = target.Unpublish(t.Context(), "mail", false)
	require.NoError(t, err)
	_, err = target.Publish(t.Context(), iscsi.Publication{Name: "mail", Device: "/dev/zvol/tank/mail", Target: "iqn.2026-01.lab.storage:ds1", Group: 1, Portals: []string{"10.0.0.1:3260"},
		Identity: iscsi.Identity{LUN: 3, NAA: mailNAA, Vendor: "SUN", Product: "COMSTAR"}, Grants: []iscsi.Grant{{Initiator: esxIQN, CHAP: &iscsi.CHAP{
			User: "esx", Secret: inventory.NewSecret(secret), MutualUser: "ss1", MutualSecret: inventory.NewSecret(mutual)}}}})
	require.NoError(t, err)
	m.restart()
	var log bytes.Buffer
	m.a.log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))

	p := m.plan()
	m.must(p, "run-1", "snapshot:mail", "send:tank/mail", "send:tank/log", "verify:mail")
	out := m.must(p, "run-1", "record:mail")
	acl := m.fileRecord().Datasets[0].LUNs[0].Paths[0].ACLs[0]
	require.Equal(t, iscsi.RecordACL{Initiator: esxIQN, LUN: 3, CHAP: true, User: "esx", Secret: inventory.SecretRef("file:" + secrets), MutualUser: "ss1", MutualSecret: "env:SS1_CHAP"}, acl)
	record, told := m.fileRecord(), m.w.memos
	for _, hidden := range []string{secret, mutual} {
		for what, text := range map[string]string{"the file": string(m.ss2.File(recordFile)), "its text": record.Text(), "the log": log.String(),
			"heartbeats": string(plan.Encode(told)), "the outcome": string(plan.Encode(out))} {
			require.NotContains(t, text, hidden, what)
		}
	}
}

// unreadable is a storage host on which the right to read zvols is gone.
type unreadable struct{ iscsi.Runner }

func (u unreadable) Query(ctx context.Context, argv []string) (sshexec.Result, error) {
	if strings.Contains(strings.Join(argv, " "), "nightshift-read") {
		return sshexec.Result{Status: 1, Stderr: []byte("sudo: a password is required\n")}, nil
	}
	return u.Runner.Query(ctx, argv)
}

// A vCenter, target or device that cannot be read takes nothing from the record.
func TestARecordKeepsWhatCannotBeReadNow(t *testing.T) {
	m := newRecordLab(t)
	p := m.plan()
	m.must(p, "run-1", "snapshot:mail", "send:tank/mail", "send:tank/log", "verify:mail", "record:mail")
	before := m.fileRecord()
	m.w.readErr = fault.As(fault.Unreachable, errors.New("no route to host"))
	out := m.must(p, "run-2", "record:mail")
	require.Contains(t, out.Note, "vCenter vc1: no route to host")
	got := m.fileRecord()
	require.Equal(t, "run-2", got.Run)
	require.Equal(t, before.VCenters, got.VCenters)
	require.Contains(t, got.NotRead, live.Gap{What: "VMs of vCenter vc1", Why: "what is here is of " + before.VCenters[0].Read.Format(time.RFC3339)})
	require.Equal(t, before.Guests, got.Guests)
	before = got // its LUNs were read by this run, maybe in another second

	m.w.readErr = nil
	m.a.storage.target = func(name string) iscsi.Runner {
		h, _ := m.lab.StorageHost(name)
		return unreadable{iscsi.OverSSH(m.a.storage.of(m.a, h))}
	}
	out = m.must(p, "run-2b", "record:mail")
	require.Contains(t, out.Note, "VMFS header of LUN mail: not known: ")
	got = m.fileRecord()
	require.Equal(t, before.Datasets[0].LUNs[0].VMFS, got.Datasets[0].LUNs[0].VMFS)
	require.Equal(t, before.Datasets[0].Read, got.Datasets[0].LUNs[0].VMFSRead)
	m.a.storage.target = nil
	m.must(p, "run-2c", "record:mail")
	before = m.fileRecord()
	require.Zero(t, before.Datasets[0].LUNs[0].VMFSRead, "it was read again")

	m.lab.StorageHosts[0].Target.Kind = "unheard of" // its target is not understood any more
	m.must(p, "run-3", "record:mail")
	got = m.fileRecord()
	require.Equal(t, before.Datasets, got.Datasets)
	require.NotEmpty(t, got.VCenters[0].Guests, "the vCenter is asked for the LUNs of before")

	m.ss2.SetFile(recordFile, []byte("{}"))
	m.must(p, "run-4", "record:mail")
	require.Equal(t, before.Datasets, m.fileRecord().Datasets, "where the file is damaged, the properties have it")
}

// notRunning is a storage host on which LIO is not loaded.
type notRunning struct{ iscsi.Runner }

func (n notRunning) Query(ctx context.Context, argv []string) (sshexec.Result, error) {
	if strings.Contains(strings.Join(argv, " "), "nightshift-lio-listing") {
		return sshexec.Result{Stdout: []byte("nightshift-lio-listing 1\nabsent\nend\n")}, nil
	}
	return n.Runner.Query(ctx, argv)
}

// A LUN that is taken away where it was, to be shown elsewhere, and a target that is stopped, or comes up again, take nothing from the record.
func TestARecordKeepsALUNThatIsNotShownAnyMore(t *testing.T) {
	m := newRecordLab(t)
	p := m.plan()
	m.must(p, "run-1", "snapshot:mail", "send:tank/mail", "send:tank/log", "verify:mail", "record:mail")
	before := m.fileRecord()
	require.Zero(t, before.Datasets[1].Read, "nobody has told of a LUN there")
	kept := func(run, says string) {
		out := m.must(p, run, "record:mail")
		require.Contains(t, out.Note, says)
		got := m.fileRecord()
		require.Equal(t, before.Datasets, got.Datasets, "and when that was")
		require.Equal(t, before.VCenters, got.VCenters)
		require.Contains(t, got.NotRead, live.Gap{What: "LUNs of tank/mail", Why: "what is here is of " + before.Datasets[0].Read.Format(time.RFC3339)})
	}
	m.a.storage.target = func(name string) iscsi.Runner {
		h, _ := m.lab.StorageHost(name)
		return notRunning{iscsi.OverSSH(m.a.storage.of(m.a, h))}
	}
	kept("run-2", "the target of ss1 does not run")
	m.a.storage.target = nil

	h, err := m.a.lunHost("ss1")
	require.NoError(t, err)
	target, err := iscsi.OpenWith(*h.StorageHost, h.run)
	require.NoError(t, err)
	_, err = target.Unpublish(t.Context(), "mail", false)
	require.NoError(t, err)
	kept("run-3", "LUN of tank/mail: the target of ss1 shows none")
	kept("run-4", "LUN of tank/mail: the target of ss1 shows none")
}

// A solaris has nothing but what its tools print, in the samples of package iscsi.
type solaris struct{}

func (solaris) Query(_ context.Context, argv []string) (sshexec.Result, error) {
	file := map[string]string{"list-lu": "list-lu", "list-view": "list-view", "list-hg": "list-hg", "list-tg": "list-tg", "stmfadm list-target": "list-target",
		"itadm list-target": "itadm-list-target", "list-tpg": "itadm-list-tpg", "list-initiator": "itadm-list-initiator"}
	line := strings.Join(argv, " ")
	for command, name := range file {
		if !strings.Contains(line, command+" -") {
			continue
		}
		b, err := os.ReadFile("../internal/iscsi/testdata/comstar/" + name + ".txt")
		out := strings.NewReplacer("pool1/vm-109-disk-1", "tank/mail", "LUN          : 3", "LUN          : Auto").Replace(string(b))
		return sshexec.Result{Stdout: []byte(out)}, err
	}
	return sshexec.Result{Status: 1}, nil
}

func (s solaris) Act(ctx context.Context, argv []string, _ io.Reader) (sshexec.Result, error) {
	return s.Query(ctx, argv)
}

func TestARecordSaysThatALUNNumberIsNotTold(t *testing.T) {
	m := newRecordLab(t)
	p := m.plan()
	m.must(p, "run-1", "snapshot:mail", "send:tank/mail", "send:tank/log", "verify:mail")
	m.lab.StorageHosts[0].Target.Kind = inventory.TargetCOMSTAR
	ss2, err := m.a.lunHost("ss2")
	require.NoError(t, err)
	m.a.storage.target = func(host string) iscsi.Runner {
		if host == "ss1" {
			return solaris{}
		}
		return ss2.run
	}
	m.must(p, "run-1", "record:mail")
	got := m.fileRecord()
	require.Contains(t, got.NotRead, live.Gap{What: "LUN number of tank/mail", Why: "the target of ss1 gave it by itself and does not tell it"})
	require.True(t, got.Datasets[0].LUNs[0].Identity.NoLUN)
}

func TestARecordWithoutTargetAndVCenter(t *testing.T) {
	m := newMailLab(t)
	p := m.plan()
	m.must(p, "run-1", "snapshot:mail", "send:tank/mail", "send:tank/log", "verify:mail")
	out := m.must(p, "run-1", "record:mail")
	require.Contains(t, out.Note, "0 LUNs and 0 VMs; warning: not read: LUNs: the lab file does not say which target ss1 has")
	require.Len(t, m.fileRecord().Datasets, 2)
}

// A run with a lab file of storage hosts alone, as `lab import --from-record` writes it, takes nothing from the record either.
func TestARecordKeepsTheVMsWhereTheLabFileHasNoVCenter(t *testing.T) {
	m := newRecordLab(t)
	p := m.plan()
	m.must(p, "run-1", "snapshot:mail", "send:tank/mail", "send:tank/log", "verify:mail", "record:mail")
	before := m.fileRecord()
	m.lab.VCenters, m.lab.Hosts, m.lab.Guests, m.lab.Groups = nil, nil, nil, nil
	m.restart()
	for _, run := range []string{"run-2", "run-3"} {
		m.must(p, run, "record:mail")
		got := m.fileRecord()
		require.Equal(t, run, got.Run)
		require.Equal(t, before.VCenters, got.VCenters)
		require.Equal(t, before.Guests, got.Guests)
		require.Equal(t, before.Groups, got.Groups)
		gap := live.Gap{What: "VMs of vCenter vc1", Why: "the lab file has no vCenter; what is here is of " + before.VCenters[0].Read.Format(time.RFC3339)}
		require.Contains(t, got.NotRead, gap)
		require.Len(t, got.NotRead, 2, "the gaps of earlier runs do not add up: %v", got.NotRead)
	}
}

// Its failure is none of the replica's.
func TestARecordThatCannotBeWritten(t *testing.T) {
	m := newRecordLab(t)
	p := m.plan()
	for _, s := range p.Steps {
		if s.Action == plan.SaveRecord {
			require.Equal(t, plan.Skip, s.OnFailure)
			require.True(t, s.Changes())
		}
	}
	m.must(p, "run-1", "snapshot:mail", "send:tank/mail", "send:tank/log", "verify:mail")
	m.root(m.ss2, "zfs", "unallow", "-u", "zfsadm", "userprop", "backup")
	_, err := m.step(p, "run-1", "record:mail")
	require.ErrorContains(t, err, "permission denied")
	require.NotNil(t, m.ss2.File(recordFile), "the file is there all the same")
}

func TestInspectProtected(t *testing.T) {
	m := newRecordLab(t)
	book, _ := runbooks.Lookup(runbooks.Replicate)
	g, ok := book.Reads.Protected(m.lab, map[string]string{"group": " mail "})
	require.True(t, ok)
	got := m.a.inspectProtected(context.WithoutCancel(t.Context()), g)
	require.Len(t, got.Target.LUNs, 1)
	require.Equal(t, "tank/mail", got.Target.LUNs[0].Dataset)
	require.Len(t, got.VCenters, 1)
	require.Equal(t, "vc1", got.VCenters[0].VCenter)
	m.w.readErr = errors.New("broken")
	require.Equal(t, "broken", m.a.inspectProtected(t.Context(), g).VCenters[0].Err)
	m.lab.StorageHosts[0].Target = nil
	require.Equal(t, &live.Protected{}, m.a.inspectProtected(t.Context(), g))
}
