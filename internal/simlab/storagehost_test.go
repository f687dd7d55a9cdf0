package simlab

import (
	"context"
	"errors"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/fault"
	"nightshift/internal/inventory"
	"nightshift/internal/iscsi"
	"nightshift/internal/live"
	"nightshift/internal/replica"
	"nightshift/internal/simlab/storage"
	"nightshift/internal/sshexec"
	"nightshift/internal/zfs"
)

// A storageRig is a lab with storage, its lab file, and clients of both hosts as the lab file has them.
type storageRig struct {
	*Lab
	t        *testing.T
	file     *inventory.Lab
	ss1, ss2 *zfs.Client
}

func newStorageRig(t *testing.T) *storageRig {
	t.Helper()
	l, err := Start(context.WithoutCancel(t.Context()), Config{Spec: StorageSpec(), Speed: testSpeed})
	require.NoError(t, err)
	t.Cleanup(l.Close)
	path, err := l.WriteLabFile(t.TempDir())
	require.NoError(t, err)
	file, err := inventory.Load(path)
	require.NoError(t, err)
	r := &storageRig{Lab: l, t: t, file: file}
	r.ss1, r.ss2 = r.client("ss1"), r.client("ss2")
	return r
}

func (r *storageRig) client(name string) *zfs.Client {
	return zfs.New(name, zfs.OverSSH(r.shared(name)))
}

func (r *storageRig) shared(name string) *sshexec.Shared {
	host, found := r.file.StorageHost(name)
	require.True(r.t, found)
	shared := sshexec.NewShared(func(ctx context.Context) (*sshexec.Client, error) {
		login, err := sshexec.Resolve(ctx, name, host.SSH, r.file.Dir)
		if err != nil {
			return nil, err
		}
		return sshexec.Dial(ctx, login)
	})
	r.t.Cleanup(shared.Close)
	return shared
}

func (r *storageRig) route() zfs.Route {
	host, found := r.file.StorageHost("ss2")
	require.True(r.t, found)
	address, port := host.ReplicationAddress()
	n, err := strconv.Atoi(port)
	require.NoError(r.t, err)
	return zfs.Route{Address: address, Port: n, User: host.SSH.User}
}

// send takes snapshot x of a volume of the group, once, and sends it in full.
func (r *storageRig) send(name string) error {
	r.t.Helper()
	if err := r.ss1.Snapshot(r.t.Context(), nil, "tank/"+name+"@x"); err != nil && !errors.Is(err, zfs.ErrExists) {
		require.NoError(r.t, err)
	}
	_, err := r.ss1.Direct(r.t.Context(), r.ss2, r.route(), zfs.Transfer{Send: zfs.Send{Snapshot: "tank/" + name + "@x"},
		Receive: zfs.Receive{Dataset: "backup/ss1/" + name, Set: zfs.ReplicaProps(true)}})
	return err
}

func (r *storageRig) replica(name string) *live.ZDataset {
	r.t.Helper()
	found, err := r.ss2.List(r.t.Context(), true, "backup")
	require.NoError(r.t, err)
	host := live.StorageHost{Datasets: found}
	return host.Dataset("backup/ss1/" + name)
}

func TestStorageHostsOfTheLabFile(t *testing.T) {
	r := newStorageRig(t)
	g, found := r.file.ProtectionGroup("mail")
	require.True(t, found)
	found2, err := r.ss1.List(t.Context(), true, "tank")
	require.NoError(t, err)
	host := live.StorageHost{Datasets: found2}
	for _, d := range g.Source.Datasets {
		require.NotNil(t, host.Dataset(d))
		require.Positive(t, host.Dataset(d).Referenced)
		require.Equal(t, "backup/ss1/"+d[len("tank/"):], g.Replica(d))
	}
	require.NoError(t, r.ss1.Snapshot(t.Context(), nil, g.Source.Datasets[0]+"@x", g.Source.Datasets[1]+"@x"))
	require.ErrorIs(t, r.ss1.Snapshot(t.Context(), nil, "tank@x"), fault.Permission, "it may do what it needs, and no more")
	require.Equal(t, 2, r.Count("zfs snapshot", "ss1"), "what was refused, too")
	require.Equal(t, "zfs snapshot:tank/mail@x tank/mail-log@x", r.Calls()[0].Verb)
	require.Positive(t, r.Logins()["ssh:ss1"].OK)
}

func TestAStreamThatBreaksIsResumed(t *testing.T) {
	r := newStorageRig(t)
	r.Inject(Fault{System: "ssh:ss2", Verb: "zfs receive", Kind: Break, Bytes: 1 << 20, Times: 1})
	require.ErrorIs(t, r.send("mail-log"), fault.Unreachable)
	token := r.replica("mail-log").ResumeToken
	require.NotEmpty(t, token)
	e, err := r.ss1.Estimate(t.Context(), zfs.Send{Token: token})
	require.NoError(t, err)
	require.Positive(t, e.AlreadyArrived)
	_, err = r.ss1.Relay(t.Context(), r.ss2, zfs.Transfer{Send: zfs.Send{Token: token}, Receive: zfs.Receive{Dataset: "backup/ss1/mail-log", Set: zfs.ReplicaProps(true)}})
	require.NoError(t, err)
	here, err := r.StorageHost("ss1").Digest("tank/mail-log@x")
	require.NoError(t, err)
	there, err := r.StorageHost("ss2").Digest("backup/ss1/mail-log@x")
	require.NoError(t, err)
	require.Equal(t, here, there)
}

func TestALostAnswerActs(t *testing.T) {
	r := newStorageRig(t)
	r.Inject(Fault{System: "ssh:ss1", Verb: "zfs snapshot", Kind: LoseAnswer, Times: 1})
	require.ErrorIs(t, r.ss1.Snapshot(t.Context(), nil, "tank/mail@x"), fault.Unreachable)
	require.Eventually(t, func() bool {
		guids, err := r.ss1.GUIDs(t.Context(), "tank/mail@x")
		return err == nil && len(guids) == 1
	}, 10*time.Second, 10*time.Millisecond)
	r.Inject(Fault{System: "ssh:ss1", Verb: "zfs snapshot", Kind: Drop, Times: 1})
	require.ErrorIs(t, r.ss1.Snapshot(t.Context(), nil, "tank/mail@y"), fault.Unreachable)
	r.Inject(Fault{System: "ssh:ss1", Verb: "zfs snapshot", Kind: Error, Times: 1})
	require.Eventually(t, func() bool { // the old connection is closed, which is only noticed when it is used
		err := r.ss1.Snapshot(t.Context(), nil, "tank/mail@y")
		require.Error(t, err)
		return !errors.Is(err, sshexec.ErrNotSent)
	}, 10*time.Second, 10*time.Millisecond)
	guids, err := r.ss1.GUIDs(t.Context(), "tank/mail@y")
	require.NoError(t, err)
	require.Empty(t, guids)
}

func TestWithoutCurrentAndWithoutNetwork(t *testing.T) {
	r := newStorageRig(t)
	require.NoError(t, r.send("mail-log"))
	back := r.CutOff("storage:ss2", 0)
	_, err := r.ss2.List(t.Context(), false, "backup")
	require.ErrorIs(t, err, fault.Unreachable)
	require.ErrorIs(t, r.send("mail"), fault.Unreachable)
	back()
	require.NotNil(t, r.replica("mail-log").Snapshot("x"), "what was there is there")
	restore := r.CutOff("replication", 0)
	require.ErrorIs(t, r.send("mail"), fault.Unreachable)
	_, err = r.ss2.List(t.Context(), false, "backup")
	require.NoError(t, err, "nightshift's own way is another")
	restore()
	require.NoError(t, r.send("mail"))
	_, err = replica.ChooseBase(r.replica("mail"), "x", r.replica("mail"), replica.Stream{})
	require.NoError(t, err)
}

func TestLUNsComeBackAfterALossOfCurrent(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the simulated LIO needs Linux' shell tools")
	}
	r := newStorageRig(t)
	ctx := t.Context()
	host, found := r.file.StorageHost("ss1")
	require.True(t, found)
	target, err := iscsi.Open(*host, r.shared("ss1"))
	require.NoError(t, err)
	p := iscsi.Publication{Name: "log", Device: "/dev/zvol/tank/mail-log", Identity: iscsi.Identity{LUN: 3, NAA: "600144f0123456789abcdef012345678", Vendor: "SUN", Product: "COMSTAR"},
		Target: "iqn.2026-01.lab:log", Group: 1, Portals: []string{host.Target.Portal}, Grants: []iscsi.Grant{{Initiator: "iqn.2026-01.lab:esx21"}}}
	done, err := iscsi.Ensure(ctx, target, p)
	require.NoError(t, err, "%v", done)
	esx := storage.NewInitiator("iqn.2026-01.lab:esx21")
	require.Zero(t, esx.Login(r.StorageHost("ss1"), p.Target, "", ""))
	disks, err := iscsi.Disks(ctx, esx, p.Target)
	require.NoError(t, err)
	require.Equal(t, p.Identity.NAA, disks[0].Identity.NAA)
	require.Equal(t, uint16(3), disks[0].Identity.LUN)

	r.CutOff("storage:ss1", 0)()
	require.Eventually(t, func() bool {
		l, err := target.List(ctx)
		if err != nil {
			return false
		}
		lu, found := l.Find("log")
		require.True(t, found)
		loggedIn, _ := lu.Sessions()
		return lu.State == iscsi.Online && len(loggedIn) == 0
	}, time.Minute, 10*time.Millisecond)
}

// A group that was replicated for long has the same points on both sides, and goes on from them.
func TestTheHistoryOfAGroup(t *testing.T) {
	r := newStorageRig(t)
	here, err := r.ss1.List(t.Context(), false, "tank/files")
	require.NoError(t, err)
	there, err := r.ss2.List(t.Context(), false, "backup/ss1/files")
	require.NoError(t, err)
	require.Len(t, here[0].Snapshots, 243)
	require.Len(t, there[0].Snapshots, 240)
	require.True(t, there[0].ReadOnly)
	for i, s := range there[0].Snapshots {
		require.Equal(t, here[0].Snapshots[i].GUID, s.GUID)
		require.Equal(t, here[0].Snapshots[i].Name, s.Name)
	}
	newest := here[0].Newest().Name
	base, err := replica.ChooseBase(&here[0], newest, &there[0], replica.Stream{LargeBlocks: true})
	require.NoError(t, err)
	tr := zfs.Transfer{Send: zfs.Send{Snapshot: "tank/files@" + newest, From: base.From, Compressed: true, LargeBlocks: true},
		Receive: zfs.Receive{Dataset: "backup/ss1/files", Set: zfs.ReplicaProps(true)}}
	_, err = r.ss1.Relay(t.Context(), r.ss2, tr)
	require.NoError(t, err)
	a, err := r.StorageHost("ss1").Digest("tank/files@" + newest)
	require.NoError(t, err)
	b, err := r.StorageHost("ss2").Digest("backup/ss1/files@" + newest)
	require.NoError(t, err)
	require.Equal(t, a, b)
}

func TestStorageSpecsThatCannotBe(t *testing.T) {
	for name, change := range map[string]func(*Spec){
		"a host without a pool":       func(s *Spec) { s.StorageHosts[0].Pools = nil },
		"a host twice":                func(s *Spec) { s.StorageHosts[1].Name = "ss1" },
		"a dataset in nothing":        func(s *Spec) { s.StorageHosts[0].Datasets[0].Name = "none/mail" },
		"a group of what is not":      func(s *Spec) { s.Groups[0].Datasets = []string{"tank/web"} },
		"a group to where nothing is": func(s *Spec) { s.Groups[0].Under = "backup/none" },
	} {
		t.Run(name, func(t *testing.T) {
			s := StorageSpec()
			change(&s)
			_, err := s.complete(0)
			require.Error(t, err)
		})
	}
}

func TestShortDurations(t *testing.T) {
	for want, d := range map[string]time.Duration{"1h": time.Hour, "10m": 10 * time.Minute, "30s": 30 * time.Second, "1h30m": 90 * time.Minute, "1h0m5s": time.Hour + 5*time.Second} {
		require.Equal(t, want, short(d))
	}
}
