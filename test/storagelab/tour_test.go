//go:build storagelab

package storagelab_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/storagesetup"
	"nightshift/test/command"
	"nightshift/test/storagelab"
)

// newTour is a station with the lab file of `lab.sh up --prepared`, for pools and accounts of its own. The accounts are not there yet.
func newTour(t *testing.T, lab *storagelab.Lab) *station {
	t.Helper()
	s := emptyStation(t, lab)
	s.of = newLogin(t)
	s.volumes = []string{s.from.pool.Dataset("mail"), s.from.pool.Dataset("mail-log")}
	text, err := os.ReadFile(filepath.Join("demo", "lab.yaml"))
	require.NoError(t, err)
	file := strings.NewReplacer("@account@", s.of.name, "@key@", filepath.Join(s.of.dir, "id"), "@tank@", s.from.pool.Name, "@backup@", s.to.pool.Dataset("backup"),
		"@ss1@", lab.SS1.Address, "@ss2@", lab.SS2.Address, "@ss1key@", hostKey(t, lab, lab.SS1), "@ss2key@", hostKey(t, lab, lab.SS2)).Replace(string(text))
	require.NoError(t, os.WriteFile(filepath.Join(s.dir, "lab.yaml"), []byte(file), 0o600))
	t.Cleanup(func() {
		s.end()
		s.clear()
		if r := s.prepare("--undo", "--yes"); r.Failed != nil {
			t.Error(r.Failed)
		}
	})
	return s
}

// prepare is `lab prepare-storage` as root.
func (s *station) prepare(more ...string) command.Result {
	return s.run(append([]string{"lab", "prepare-storage", "--as", "root", "--key", s.lab.AdminKey}, more...)...)
}

// clear removes what nobody takes back unasked: replicas, and what nightshift keeps in the home of its account.
func (s *station) clear() {
	s.t.Helper()
	if s.to.m.Try("zfs", "list", s.under).Status == 0 {
		s.forget()
	}
	for _, m := range []*storagelab.Machine{s.from.m, s.to.m} {
		m.Run("rm", "-rf", "/home/"+s.of.name+"/.nightshift")
	}
}

// must runs a command that is to do what it is asked for and to print all of that.
func (s *station) must(args []string, says ...string) string {
	s.t.Helper()
	r := s.run(args...)
	s.t.Log("nightshift "+strings.Join(args, " ")+"\n", r.Out, r.Err)
	require.NoError(s.t, r.Failed)
	s.says(r, says...)
	return r.Out
}

// refuses runs a command that is not to do what it is asked for, and to print why.
func (s *station) refuses(args []string, says ...string) {
	s.t.Helper()
	r := s.run(args...)
	s.t.Log("nightshift "+strings.Join(args, " ")+"\n", r.Out, r.Err)
	require.Error(s.t, r.Failed)
	s.says(r, says...)
}

func (s *station) says(r command.Result, says ...string) {
	s.t.Helper()
	for _, text := range says {
		require.Contains(s.t, r.Out+r.Err, text)
	}
}

// demo runs a script of demo/ on a machine.
func demo(t testing.TB, m *storagelab.Machine, script string, args ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("demo", script))
	require.NoError(t, err)
	return m.Run(append([]string{"bash", "-c", string(text), script}, args...)...)
}

// fixture is a dump of a real VMFS3 volume.
func fixture(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "internal", "vmfs", "testdata", name))
	require.NoError(t, err)
	return string(text)
}

// The LUN on which the volume of the dumps was made.
const (
	fixtureSerial = "07ed404000000496ff8cd0003"
	fixtureNAA    = "600144f" + fixtureSerial
	fixtureNumber = 3
)

// The administrator's command on real hosts: it shows, does, finds nothing left to do, and takes all of it back but for what is not its own.
func TestPrepareStorageByCommand(t *testing.T) {
	long(t)
	lab := storagelab.ConnectAlone(t)
	s := newTour(t, lab)
	for _, name := range []string{"mail", "mail-log", "files"} {
		s.from.Volume(name, 16)
		s.from.Write(s.from.pool.Dataset(name), 0, 2)
	}
	account := func(m *storagelab.Machine) bool { return m.Try("getent", "passwd", s.of.name).Status == 0 }
	shown := func(more ...string) (list []storagesetup.Thing) {
		r := s.prepare(append(more, "-o", "json")...)
		require.NoError(t, r.Failed)
		require.NoError(t, json.Unmarshal([]byte(r.Out), &list))
		return list
	}
	r := s.prepare()
	t.Log(r.Out)
	require.NoError(t, r.Failed)
	s.says(r, "the account "+s.of.name, "Nothing was done. With --yes ", "things are done; --undo takes that back.")
	require.False(t, account(lab.SS1) || account(lab.SS2), "it was only shown")

	r = s.prepare("--yes")
	t.Log(r.Out, r.Err)
	require.NoError(t, r.Failed)
	s.says(r, "ss1 reaches ss2 as "+s.of.name+", and may do nothing there but receive.")
	for _, thing := range shown() {
		require.Equal(t, storagesetup.So, thing.State, "%s: %s", thing.Host, thing.What)
	}
	r = s.prepare("--yes")
	require.NoError(t, r.Failed)
	s.says(r, "0 things done, all else was so already.", "ss1 reaches ss2")

	s.serve()
	s.must([]string{"run", "replicate", "-p", "group=mail", "--yes"})
	s.same()
	s.settled(1)
	s.server.Kill() // it stays logged in for a while, and no account goes that processes run as

	require.NotEmpty(t, shown("--undo"))
	require.True(t, account(lab.SS1) && account(lab.SS2), "it was only shown")
	r = s.prepare("--undo", "--yes")
	t.Log(r.Out, r.Err)
	require.Error(t, r.Failed)
	s.says(r, "3 things are left as they are", "the dataset "+s.under, "identity records and copies of VMFS backups lie in its home directory")
	require.True(t, account(lab.SS2), "there is something in its home that nobody else has")
	s.same()

	s.clear()
	r = s.prepare("--undo", "--yes")
	t.Log(r.Out, r.Err)
	require.NoError(t, r.Failed)
	require.False(t, account(lab.SS1) || account(lab.SS2))
	for _, m := range []*storagelab.Machine{lab.SS1, lab.SS2} {
		for _, path := range []string{storagesetup.ReadPath, storagesetup.ReceivePath, storagesetup.WriteTablePath, "/etc/sudoers.d/nightshift-" + s.of.name} {
			require.NotZero(t, m.Try("ls", path).Status, "%s on %s", path, m.Name)
		}
	}
	require.NotContains(t, lab.SS1.Run("zfs", "allow", s.volumes[0]), "user ")
	require.NotZero(t, lab.SS2.Try("zfs", "list", s.under).Status)
	require.Empty(t, shown("--undo"))
}

// What `nightshift demo --storage` shows on the simulated lab, and docs/storage-lab.md on this one: the commands, one after the other, against real
// hosts, on the volume that somebody's ESXi made.
func TestTheTour(t *testing.T) {
	long(t)
	lab := storagelab.ConnectAlone(t)
	s := newTour(t, lab)
	mail, files, copied := s.volumes[0], s.from.pool.Dataset("files"), s.under+"/mail-copy"
	name := unique()
	r := s.tourBegins(files)
	t.Log(r)
	s.must([]string{"lab", "check"}, "ss1", "ss2")
	s.serve()
	s.mustReplicate()

	plan := s.must([]string{"plan", "prune", "-p", "group=files"}, "held: audit", "cloned: "+files+"-copy", "foreign: not made by nightshift", "the last common one", "destroyed")
	require.Contains(t, plan, "3 protected")
	before := s.from.snapshots(files)
	s.must([]string{"run", "prune", "-p", "group=files", "--yes"})
	after := s.from.snapshots(files)
	require.Less(t, len(after), len(before)/2)
	require.Contains(t, after, "before-the-upgrade")
	s.must([]string{"plan", "prune", "-p", "group=files"}, "Nothing to do")

	t.Cleanup(func() { lab.SS1.Run("/usr/local/sbin/nightshift-lio", "unpublish", name, "sessions") })
	demo(t, lab.SS1, "show.sh", name, mail, lab.SS1.Private+":3260", lab.SS2.Initiator, fixtureSerial)
	s.must([]string{"run", "lun-map"}, "naa."+fixtureNAA+", 750 GiB", "zvol       "+mail+" on ss1 (logical unit "+name+", LUN 3", `VMFS       "ss2-cstar-zs0.2", VMFS 3.31`)
	lab.Await("how the LUN is shown is written down", func(context.Context) bool { // a busy machine may not read its target in time: the next run does
		return strings.Contains(s.must([]string{"run", "replicate", "-p", "group=mail", "--yes"}), "1 LUN and 0 VMs")
	})

	snapshots := s.to.snapshots(s.replica(mail))
	lab.SS2.Run("zfs", "clone", "-o", "volmode=dev", s.replica(mail)+"@"+snapshots[len(snapshots)-1], copied)
	t.Cleanup(func() {
		lab.SS2.Run("/usr/local/sbin/nightshift-lio", "unpublish", name, "sessions")
		lab.SS2.Script(`until zfs destroy "$1"; do sleep 0.2; done`, copied)
	})
	targetHost{s.to, lab}.Await(storagelab.Device(copied))
	guarded := []string{"run", "vmfs-inspect", "-p", "on=ss2", "-p", "lun=" + copied, "-p", "guard=true"}
	demo(t, lab.SS2, "show.sh", name, copied, lab.SS2.Private+":3260", lab.SS1.Initiator)
	s.refuses(guarded, "the identity guard refuses logical unit "+name, "LUN number: the volume expects 3, the LUN would be 0", "NAA: the volume expects "+fixtureNAA)
	demo(t, lab.SS2, "show.sh", name, copied, lab.SS2.Private+":3260", lab.SS1.Initiator, fixtureSerial)
	s.must(guarded, "identity guard", "ESXi mounts it: the LUN is shown as the header has it")

	s.must([]string{"run", "vmfs-backup", "-p", "on=ss1", "-p", "lun=" + name}, ".nightshift/vmfs/storage-lab/ss1/"+name+"/", "read back")
	s.loseTheTable(name)
	s.onlyTheReplicasAreLeft()
}

// tourBegins has the administrator prepare both hosts, after there are volumes, and a replica of files.
func (s *station) tourBegins(files string) string {
	t, lab := s.t, s.lab
	t.Helper()
	newest := demo(t, lab.SS1, "source.sh", s.from.pool.Name, fixture(t, "mbr.hex"), fixture(t, "vmfs3-lvm.hex"), fixture(t, "vmfs3-vh.sf.hex"))
	r := s.prepare("--yes")
	require.NoError(t, r.Failed)
	stream := lab.SS1.Script(`zfs send -R "$1" | gzip | base64 -w 0`, files+"@"+newest)
	replica := s.replica(files)
	res, err := connectAs(t, lab, lab.SS2, "root", lab.AdminKey).Act(t.Context(), []string{"sh", "-c", `base64 -d | gunzip | zfs receive -u -o readonly=on -o volmode=none "$1"`, "sh", replica},
		strings.NewReader(stream))
	require.NoError(t, err)
	require.Zero(t, res.Status, res.Summary())
	lab.SS2.Run("zfs", "hold", "nightshift:files", replica+"@"+newest)
	return r.Out
}

// mustReplicate replicates mail in full, while the sender is killed and then the worker, and what is written after that.
func (s *station) mustReplicate() {
	s.t.Helper()
	u := s.replicate()
	sent := func(mib int64) {
		s.t.Helper()
		require.Eventually(s.t, func() bool { return s.progress("send:"+s.volumes[0]) > mib<<20 }, storagelab.Patience, 200*time.Millisecond)
	}
	sent(4)
	require.True(s.t, killSender.strike(nil, s))
	sent(8)
	s.server.Kill()
	s.serve()
	<-u.done
	s.t.Log(u.result.Out)
	require.NoError(s.t, u.result.Failed)
	s.says(u.result, "went on with a stream of which")
	s.settled(1)
	s.from.Write(s.volumes[0], 90, 2)
	s.must([]string{"run", "replicate", "-p", "group=mail", "--yes"}, "done")
	s.settled(2)
	require.Equal(s.t, s.begins(s.from, s.volumes[0]), s.begins(s.to, s.replica(s.volumes[0])))
}

// begins is the digest of the first 128 MiB of a volume's newest point: all that there is on one of 750 GiB.
func (s *station) begins(h host, dataset string) string {
	s.t.Helper()
	_, point := s.newest(h, dataset)
	clone := h.pool.Dataset("begins-" + unique())
	h.m.Run("zfs", "clone", "-o", "volmode=dev", dataset+"@"+point.Name, clone)
	targetHost{h, s.lab}.Await(storagelab.Device(clone))
	sum := h.m.Script(`head -c 128M "$1" | sha256sum`, storagelab.Device(clone))
	h.m.Script(`until zfs destroy "$1"; do sleep 0.2; done`, clone)
	return sum
}

// loseTheTable loses the partition table through an initiator, and puts it back from the backup.
func (s *station) loseTheTable(name string) {
	t, lab, mail := s.t, s.lab, s.volumes[0]
	t.Helper()
	portal := storagelab.Portal{Address: lab.SS1.Private, Target: "iqn.2026-01.lab.storage:" + name}
	login := lab.SS2.Login(portal)
	require.Zero(t, login.Status, login.Stderr)
	lab.SS2.Run("dd", "if=/dev/zero", "of="+lab.SS2.Disk(portal, fixtureNumber), "bs=4k", "count=1", "oflag=direct", "conv=notrunc", "status=none")
	inspect := []string{"run", "vmfs-inspect", "-p", "on=ss1", "-p", "lun=" + mail}
	restore := []string{"-p", "on=ss1", "-p", "lun=" + mail, "-p", "serial=" + fixtureSerial}
	s.must(inspect, "no VMFS")
	s.refuses(append([]string{"plan", "vmfs-restore-partition"}, restore...), lab.SS2.Initiator)
	s.refuses(append([]string{"run", "vmfs-restore-partition", "--yes"}, restore...), lab.SS2.Initiator)
	lab.SS2.Logout(portal)
	s.refuses([]string{"plan", "vmfs-restore-partition", "-p", "on=ss1", "-p", "lun=" + mail, "-p", "serial=" + fixtureNAA}, "serial")
	s.must(inspect, "no VMFS")
	s.must(append([]string{"plan", "vmfs-restore-partition"}, restore...), "Put back the partition table of "+mail)
	s.must(append([]string{"run", "vmfs-restore-partition", "--yes"}, restore...))
	s.must(inspect, `"ss2-cstar-zs0.2"`)
	s.must(append([]string{"plan", "vmfs-restore-partition"}, restore...), "Nothing to do")
}

// onlyTheReplicasAreLeft takes the source's power away, and makes a lab file on a machine that has nothing but the key.
func (s *station) onlyTheReplicasAreLeft() {
	t, lab := s.t, s.lab
	t.Helper()
	s.must([]string{"lab", "record", "ss2"}, "Identity record of group mail, lab storage-lab", "naa."+fixtureNAA, "initiator   "+lab.SS2.Initiator+", LUN 3", `VMFS        "ss2-cstar-zs0.2"`)
	s.server.Kill()
	lab.SS1.Crash()
	fresh := t.TempDir()
	file := filepath.Join(fresh, "lab.yaml")
	at := func(args ...string) command.Result {
		args = append([]string{"--state-dir", filepath.Join(fresh, "state")}, args...)
		r := command.Run(t.Context(), binary, args...)
		t.Log("nightshift "+strings.Join(args, " ")+"\n", r.Out, r.Err)
		return r
	}
	ss2 := []string{s.of.name + "@" + lab.SS2.Address, "--key", filepath.Join(s.of.dir, "id")}
	r := at(append([]string{"lab", "import", "--out", file, "--from-record"}, ss2...)...)
	require.Error(t, r.Failed, "nobody is there to be asked about the host key")
	r = at(append([]string{"lab", "import", "--out", file, "--host-key", lab.SS2.HostKey, "--from-record"}, ss2...)...)
	require.NoError(t, r.Failed)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	t.Log(string(text))
	for _, want := range []string{"lab: storage-lab", s.volumes[0], s.volumes[1], s.under, lab.SS1.Address, lab.SS2.Address} {
		require.Contains(t, string(text), want)
	}
	require.NoError(t, at("--lab", file, "lab", "validate").Failed)
	r = at("--lab", file, "lab", "record", "ss2")
	require.NoError(t, r.Failed)
	s.says(r, "naa."+fixtureNAA)
	lab.SS1.Boot()
}
