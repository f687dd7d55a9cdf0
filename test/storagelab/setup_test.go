//go:build storagelab

package storagelab_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"encoding/pem"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"nightshift/internal/fault"
	"nightshift/internal/inventory"
	"nightshift/internal/sshexec"
	"nightshift/internal/storagesetup"
	"nightshift/internal/zfs"
	"nightshift/test/storagelab"
)

// prepared is a storage host whose service account was made by storagesetup, and is taken back with the test.
type prepared struct {
	*storagesetup.Machine
	want  storagesetup.Want
	admin *sshexec.Client
}

func prepareHost(t testing.TB, m *prepared, senders map[string]string) {
	t.Helper()
	for round := 0; ; round++ {
		require.Less(t, round, 5)
		require.NoError(t, m.Read(t.Context(), m.want))
		n, err := m.Do(t.Context(), m.Things(m.want, senders), func(thing storagesetup.Thing) { t.Log(thing.Host, thing.What) })
		require.NoError(t, err)
		if n == 0 {
			return
		}
	}
}

func takeBack(ctx context.Context, t testing.TB, m *prepared) {
	t.Helper()
	require.NoError(t, m.Read(ctx, m.want))
	_, err := m.admin.Act(ctx, []string{"rm", "-rf", "/home/" + m.want.Account + "/.nightshift"}, nil) // which is for a person to do
	require.NoError(t, err)
	for _, thing := range m.Record(m.want.Name) {
		require.NoError(t, m.Undo(ctx, thing), thing.What)
	}
}

// accounts are the service accounts of a source and a target, of one name that no other test has, as `nightshift lab
// prepare-storage` makes them. They are taken back with the test, with all that the hosts' records have: such tests are alone.
type accounts struct {
	name     string
	dir      string // of nightshift's key, id
	login    string // that key, as authorized_keys has it
	ss1, ss2 *prepared
}

// newLogin names accounts, and makes the key by which nightshift logs in to them. They are not there yet.
func newLogin(t testing.TB) accounts {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	block, err := ssh.MarshalPrivateKey(private, "")
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "id"), pem.EncodeToMemory(block), 0o600))
	signer, err := ssh.NewSignerFromKey(private)
	require.NoError(t, err)
	return accounts{name: "nsprep" + hex.EncodeToString(private[:3]), dir: dir, login: sshexec.HostKeyLine(signer.PublicKey())}
}

func prepareAccounts(t testing.TB, lab *storagelab.Lab, under string, sources ...string) accounts {
	t.Helper()
	made := newLogin(t)
	account, login := made.name, made.login
	a, b := connectAs(t, lab, lab.SS1, "root", lab.AdminKey), connectAs(t, lab, lab.SS2, "root", lab.AdminKey)
	ss1 := &prepared{storagesetup.New(a, false), storagesetup.Want{Name: "ss1", Account: account, Login: login, Elevate: inventory.ElevateSudo, Sends: true,
		Sources: sources,
		Known:   []storagesetup.Peer{{Name: "ss2", Host: lab.SS2.Private, Port: "22", Account: account, HostKey: sshexec.HostKeyLine(b.HostKey()), Sends: true}}}, a}
	ss2 := &prepared{storagesetup.New(b, false), storagesetup.Want{Name: "ss2", Account: account, Login: login, Elevate: inventory.ElevateSudo,
		Targets: []string{under}, From: []string{"ss1"}}, b}
	for _, m := range []*prepared{ss1, ss2} {
		t.Cleanup(func() { takeBack(context.WithoutCancel(t.Context()), t, m) })
	}
	prepareHost(t, ss1, nil)
	prepareHost(t, ss2, map[string]string{"ss1": ss1.Key()})
	require.NoError(t, ss1.Reaches(t.Context(), ss1.want, ss1.want.Known[0]))
	made.ss1, made.ss2 = ss1, ss2
	return made
}

// What `nightshift lab prepare-storage` does is enough to replicate, and not for more: with an account of its own, from nothing.
func TestPreparedAccountsReplicateAndDoNoMore(t *testing.T) {
	long(t)
	lab := storagelab.ConnectAlone(t)
	source, target := lab.SS1.NewPool(), lab.SS2.NewPool()
	volume := source.Volume("mail", 16)
	lab.SS1.Run("zfs", "create", source.Dataset("files"))
	lab.SS1.Scribble(storagelab.Device(volume), 0, 4)

	under := target.Dataset("backup") + "/ss1"
	of := prepareAccounts(t, lab, under, volume, source.Dataset("files"))
	account, dir, ss1, ss2 := of.name, of.dir, of.ss1, of.ss2
	a, b := ss1.admin, ss2.admin

	as := func(m *storagelab.Machine, admin *sshexec.Client) *sshexec.Shared {
		s := sshexec.NewShared(func(ctx context.Context) (*sshexec.Client, error) {
			entry := inventory.SSH{Address: m.Address, User: account, Key: "id", HostKey: sshexec.HostKeyLine(admin.HostKey())}
			r, err := sshexec.Resolve(ctx, m.Name, entry, dir)
			if err != nil {
				return nil, err
			}
			return sshexec.Dial(ctx, r)
		})
		t.Cleanup(s.Close)
		return s
	}
	from, to := as(lab.SS1, a), as(lab.SS2, b)
	z1, z2 := zfs.New("ss1", zfs.OverSSH(from)), zfs.New("ss2", zfs.OverSSH(to))
	ok := func(s *sshexec.Shared, argv ...string) string {
		res, err := s.Query(t.Context(), argv)
		require.NoError(t, err)
		require.Zero(t, res.Status, "%v: %s", argv, res.Summary())
		return string(res.Stdout)
	}
	no := func(s *sshexec.Shared, argv ...string) {
		res, err := s.Query(t.Context(), argv)
		require.NoError(t, err)
		require.NotZero(t, res.Status, "%v is allowed", argv)
	}

	home := strings.Split(strings.TrimSpace(lab.SS1.Run("getent", "passwd", account)), ":")[5]
	route := zfs.Route{Address: lab.SS2.Private, Port: 22, User: account, Key: home + "/" + storagesetup.KeyFile}
	base := ""
	for _, name := range []string{"@one", "@two"} {
		ok(from, "zfs", "snapshot", volume+name, source.Dataset("files")+name)
		ok(from, "zfs", "hold", "nightshift:mail", volume+name)
		for dataset, replica := range map[string]string{volume: under + "/mail", source.Dataset("files"): under + "/files"} {
			send := zfs.Send{Snapshot: dataset + name, Compressed: true, LargeBlocks: true}
			receive := zfs.Receive{Dataset: replica}
			if base == "" {
				receive.Set = zfs.ReplicaProps(dataset == volume)
				receive.Set["nightshift:group"] = "mail"
			} else {
				send.From = dataset + base
			}
			_, err := z1.Direct(t.Context(), z2, route, zfs.Transfer{Send: send, Receive: receive})
			require.NoError(t, err, dataset+name)
		}
		ok(to, "zfs", "hold", "nightshift:mail", under+"/mail"+name)
		base = name
	}
	require.Equal(t, lab.SS1.Run("zfs", "get", "-Hpo", "value", "guid", volume+"@two"), lab.SS2.Run("zfs", "get", "-Hpo", "value", "guid", under+"/mail@two"))
	ok(from, "zfs", "bookmark", volume+"@one", volume+"#one")
	ok(from, "zfs", "release", "nightshift:mail", volume+"@one")
	ok(from, "zfs", "destroy", volume+"@one")
	ok(to, "zfs", "release", "nightshift:mail", under+"/mail@one")
	ok(to, "zfs", "destroy", under+"/mail@one")
	ok(from, "zfs", "set", "nightshift:identity=x", volume)
	ok(to, "zfs", "set", "nightshift:identity=x", under+"/mail")
	lab.SS1.Run("udevadm", "settle")
	require.Len(t, ok(from, "sudo", "-n", storagesetup.ReadPath, volume, "0", "8"), 8*512)

	// And no more: neither by itself, nor as root, nor with the key of the source on the target.
	no(from, "zfs", "rollback", volume+"@two")
	no(from, "zfs", "destroy", "-r", source.Name)
	no(from, "zfs", "create", source.Dataset("other"))
	no(from, "zfs", "set", "readonly=on", volume)
	no(to, "zfs", "rollback", under+"/mail@two")
	no(to, "zfs", "snapshot", target.Name+"@x")
	no(from, "sudo", "-n", "id")
	no(from, "sudo", "-n", "dd", "if=/dev/null")
	for _, command := range []string{"zfs destroy " + under + "/mail@two", "id", "zfs receive -s -u -F " + under + "/mail"} {
		no(from, "ssh", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-i", route.Key, "-p", strconv.Itoa(route.Port), "-l", account, "--", route.Address, command)
	}
	stranger := route
	stranger.Key = "/nonexistent"
	_, err := z1.Direct(t.Context(), z2, stranger, zfs.Transfer{Send: zfs.Send{Snapshot: volume + "@two"}, Receive: zfs.Receive{Dataset: under + "/x"}})
	require.ErrorIs(t, err, fault.Auth)

	// All of it is taken back, but for what was received.
	from.Close()
	to.Close()
	takeBack(t.Context(), t, ss1)
	require.NotZero(t, lab.SS1.Try("getent", "passwd", account).Status)
	require.NotContains(t, lab.SS1.Run("zfs", "allow", volume), account)
	require.NotZero(t, lab.SS1.Try("ls", storagesetup.ReadPath).Status)
	lab.SS2.Run("zfs", "release", "nightshift:mail", under+"/mail@two")
	lab.SS2.Run("zfs", "destroy", "-r", under+"/mail")
	lab.SS2.Run("zfs", "destroy", "-r", under+"/files")
	takeBack(t.Context(), t, ss2)
	require.NotZero(t, lab.SS2.Try("zfs", "list", target.Dataset("backup")).Status)
}
