package storagesetup

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/fault"
	"nightshift/internal/inventory"
)

const (
	aKey    = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ"
	another = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKK"
)

func source() Want {
	return Want{Name: "ss1", Account: "zfsadm", Login: aKey + " me@laptop", Elevate: "sudo", LIO: true, Sources: []string{"tank/mail", "tank/log"}, Sends: true,
		Known: []Peer{{Name: "ss2", Host: "10.99.0.2", Port: "2222", Account: "zfsadm", HostKey: aKey, Sends: true}}}
}

func target() Want {
	return Want{Name: "ss2", Account: "zfsadm", Login: aKey, Elevate: "sudo", Targets: []string{"tank/replicas/ss1"}, From: []string{"ss1"},
		Known: []Peer{{Name: "ss1", Host: "10.99.0.1", Port: "22", Account: "zfsadm", HostKey: aKey}}}
}

func states(list []Thing) map[string]string {
	out := map[string]string{}
	for _, t := range list {
		out[t.What] = t.State
	}
	return out
}

// prepare does all, as the command does, and answers how often it had to read again.
func prepareAll(t *testing.T, m *Machine, w Want, senders map[string]string) int {
	t.Helper()
	for round := 0; ; round++ {
		require.Less(t, round, 5)
		require.NoError(t, m.Read(t.Context(), w))
		things := m.Things(w, senders)
		for what, state := range states(things) {
			require.NotEqual(t, Manual, state, what)
		}
		n, err := m.Do(t.Context(), things, func(Thing) {})
		require.NoError(t, err)
		if n == 0 {
			return round
		}
	}
}

func TestASourceIsPreparedAndTakenBack(t *testing.T) {
	f, m := newFake(t, "tank", "tank/mail", "tank/log")
	before := f.tree()
	w := source()
	require.NoError(t, m.Read(t.Context(), w))
	require.Equal(t, Missing, states(m.Things(w, nil))["the account zfsadm"])
	require.Equal(t, Waits, states(m.Things(w, nil))["knows ss2"])
	require.Equal(t, before, f.tree(), "looking changes nothing")

	prepareAll(t, m, w, nil)
	require.Equal(t, "restrict "+aKey+" nightshift\n", f.read("home/zfsadm/.ssh/authorized_keys"))
	require.Equal(t, "[10.99.0.2]:2222 "+aKey+"\n", f.read("home/zfsadm/.ssh/known_hosts"))
	require.True(t, strings.HasPrefix(m.Key(), "ssh-ed25519 AAAA"))
	info, err := os.Stat(filepath.Join(f.dir, "home/zfsadm", KeyFile))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	require.Contains(t, f.read("etc/sudoers.d/nightshift-zfsadm"), "zfsadm ALL=(root) NOPASSWD: /usr/local/sbin/nightshift-lio, /usr/local/sbin/nightshift-read\n")
	info, err = os.Stat(filepath.Join(f.dir, "etc/sudoers.d/nightshift-zfsadm"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o440), info.Mode().Perm())
	require.Equal(t, "tank/mail Local+Descendent zfsadm bookmark,destroy,hold,mount,release,send,snapshot,userprop\ntank/log Local+Descendent zfsadm bookmark,destroy,hold,mount,release,send,snapshot,userprop\n", f.read("allow"))
	for what, state := range states(m.Things(w, nil)) {
		require.Equal(t, So, state, what)
	}

	// Again: nothing is sent that changes anything.
	acts := f.acts
	require.Zero(t, prepareAll(t, m, w, nil))
	require.Equal(t, acts, f.acts)

	for _, thing := range m.Record("ss1") {
		require.NoError(t, m.Undo(t.Context(), thing))
	}
	require.Equal(t, before, f.tree(), "all of it is taken back, and nothing else")
}

func TestATargetIsPreparedAndTakenBack(t *testing.T) {
	f, m := newFake(t, "tank", "other")
	before := f.tree()
	w := target()
	require.NoError(t, m.Read(t.Context(), w))
	waits := states(m.Things(w, nil))
	require.Equal(t, Waits, waits["ss1 sends to it, and may do nothing else"])
	require.Equal(t, Missing, waits["the dataset tank/replicas"])

	prepareAll(t, m, w, map[string]string{"ss1": another + " nightshift:ss1"})
	require.Equal(t, "restrict "+aKey+" nightshift\nrestrict,command=\"/usr/local/sbin/nightshift-receive\" "+another+" nightshift:ss1\n", f.read("home/zfsadm/.ssh/authorized_keys"))
	require.Equal(t, "tank\nother\ntank/replicas\ntank/replicas/ss1\n", f.read("datasets"))
	require.Equal(t, "tank/replicas/ss1 Local+Descendent zfsadm bookmark,canmount,create,destroy,hold,mount,readonly,receive,release,userprop,volmode\n", f.read("allow"))

	// What somebody has put into a dataset of ours, or changed in a file, stays.
	f.write("datasets", f.read("datasets")+"tank/replicas/ss1/mail\n")
	f.write("usr/local/sbin/nightshift-read", "#!/bin/sh\n# mine\n")
	left := 0
	for _, thing := range m.Record("ss2") {
		if err := m.Undo(t.Context(), thing); err != nil {
			left++
		}
	}
	require.Equal(t, 3, left, "the dataset, that around it, and the file")
	require.Equal(t, "#!/bin/sh\n# mine\n", f.read("usr/local/sbin/nightshift-read"))
	require.Contains(t, f.read("datasets"), "tank/replicas/ss1/mail")

	// It stays on the record until it can be taken back.
	f.write("datasets", "tank\nother\ntank/replicas\ntank/replicas/ss1\n")
	f.write("usr/local/sbin/nightshift-read", readProgram)
	require.NoError(t, m.Read(t.Context(), w))
	for _, thing := range m.Record("ss2") {
		require.NoError(t, m.Undo(t.Context(), thing))
	}
	require.Equal(t, before, f.tree())
}

// A dataset that nightshift made, and that somebody has used since, is not destroyed: ZFS asks for nothing where it has no children.
func TestADatasetThatSomebodyUsesIsNotTakenBack(t *testing.T) {
	for _, is := range []string{"filesystem\ton\n", "filesystem\tnoauto\n", "volume\t-\n"} {
		f, m := newFake(t, "tank", "other")
		w := target()
		prepareAll(t, m, w, map[string]string{"ss1": another + " nightshift:ss1"})
		f.write("is", is)
		for _, thing := range m.Record("ss2") {
			if err := m.Undo(t.Context(), thing); strings.HasPrefix(thing.What, "the dataset") {
				require.ErrorIs(t, err, errChanged, is)
			}
		}
		require.Equal(t, "tank\nother\ntank/replicas\ntank/replicas/ss1\n", f.read("datasets"))
	}
}

// An account that a nightshift is logged in with is there until that has ended.
func TestAnAccountThatIsLoggedInIsNotTakenBack(t *testing.T) {
	f, m := newFake(t, "tank", "other")
	before := f.tree()
	prepareAll(t, m, target(), map[string]string{"ss1": another + " nightshift:ss1"})
	f.write("busy", "4711")
	for _, thing := range m.Record("ss2") {
		if err := m.Undo(t.Context(), thing); strings.HasPrefix(thing.What, "the account") {
			require.ErrorContains(t, err, "user zfsadm is currently used by process 4711: end the nightshift that is logged in there")
		} else {
			require.NoError(t, err)
		}
	}
	require.NoError(t, os.Remove(filepath.Join(f.dir, "busy")))
	require.NoError(t, m.Read(t.Context(), target()))
	for _, thing := range m.Record("ss2") {
		require.NoError(t, m.Undo(t.Context(), thing))
	}
	require.Equal(t, before, f.tree())
}

// What is kept for the day on which there is nothing else does not go with the account that keeps it.
func TestAnAccountThatKeepsRecordsIsNotTakenBack(t *testing.T) {
	f, m := newFake(t, "tank", "other")
	before := f.tree()
	prepareAll(t, m, target(), map[string]string{"ss1": another + " nightshift:ss1"})
	kept := filepath.Join(f.dir, "home/zfsadm/.nightshift")
	require.NoError(t, os.MkdirAll(kept+"/records", 0o700))
	f.write("home/zfsadm/.nightshift/records/home.mail.json", "{}")
	var said []string
	for _, thing := range m.Record("ss2") {
		if err := m.Undo(t.Context(), thing); err != nil {
			said = append(said, err.Error())
		}
	}
	require.Len(t, said, 1)
	require.Contains(t, said[0], "the account zfsadm")
	require.Contains(t, said[0], "records/home.mail.json): copy what you need of "+kept)
	require.Equal(t, "{}", f.read("home/zfsadm/.nightshift/records/home.mail.json"))

	require.NoError(t, os.RemoveAll(kept))
	require.NoError(t, m.Read(t.Context(), target()))
	for _, thing := range m.Record("ss2") {
		require.NoError(t, m.Undo(t.Context(), thing))
	}
	require.Equal(t, before, f.tree())
}

// What is there already belongs to somebody else: it is used, and never taken back.
func TestWhatWasThereBeforeStays(t *testing.T) {
	f, m := newFake(t, "tank", "tank/mail", "tank/log")
	home := filepath.Join(f.dir, "home/zfsadm")
	require.NoError(t, os.MkdirAll(home+"/.ssh", 0o700))
	f.write("passwd", f.read("passwd")+"zfsadm:x:1000:1000::"+home+":/bin/bash\n")
	f.write("home/zfsadm/.ssh/authorized_keys", "# mine\n"+another+" admin") // without a line end
	f.write("allow", "tank/mail Local+Descendent zfsadm bookmark,destroy,hold,mount\ntank/mail Local other send\n")
	before := f.tree()

	w := source()
	prepareAll(t, m, w, nil)
	require.Equal(t, "# mine\n"+another+" admin\nrestrict "+aKey+" nightshift\n", f.read("home/zfsadm/.ssh/authorized_keys"))
	require.Contains(t, f.read("allow"), "tank/mail Local+Descendent zfsadm release,send,snapshot,userprop\n", "only what is missing")
	require.NotContains(t, f.read("calls"), "useradd")
	for _, thing := range m.Record("ss1") {
		require.NoError(t, m.Undo(t.Context(), thing))
	}
	require.NotContains(t, f.read("calls"), "userdel")
	after := f.tree()
	after["/home/zfsadm/.ssh/authorized_keys"] = strings.TrimSuffix(after["/home/zfsadm/.ssh/authorized_keys"], "\n")
	require.Equal(t, before, after)
}

// An answer that is lost at any act: what was done is on the record, and the next try does the rest.
func TestALostAnswerAtEveryAct(t *testing.T) {
	for lose := 1; ; lose++ {
		f, m := newFake(t, "tank", "tank/mail", "tank/log")
		before := f.tree()
		f.lose = lose
		w := source()
		lost := false
		for n, err := 1, error(nil); n > 0 || err != nil; {
			require.NoError(t, m.Read(t.Context(), w))
			n, err = m.Do(t.Context(), m.Things(w, nil), func(Thing) {})
			lost = lost || err != nil
		}
		f.lose = 0
		for what, state := range states(m.Things(w, nil)) {
			require.Equal(t, So, state, what)
		}
		require.NoError(t, m.Read(t.Context(), w))
		for _, thing := range m.Record("ss1") {
			require.NoError(t, m.Undo(t.Context(), thing))
		}
		require.Equal(t, before, f.tree(), "after the answer to act %d was lost", lose)
		if !lost {
			require.Greater(t, lose, 10)
			return
		}
	}
}

func TestWhatOthersWroteDownIsNotLost(t *testing.T) {
	f, m := newFake(t, "tank", "tank/mail", "tank/log")
	before := f.tree()
	other := New(f, false)
	other.root, other.path = m.root, m.path
	w := source()
	require.NoError(t, m.Read(t.Context(), w))
	require.NoError(t, other.Read(t.Context(), w))
	n, err := m.Do(t.Context(), m.Things(w, nil), func(Thing) {})
	require.NoError(t, err)
	require.NotZero(t, n)
	_, err = other.Do(t.Context(), other.Things(w, nil), func(Thing) { t.Fatal("it is written down first") })
	require.ErrorContains(t, err, "somebody else prepares this host, too")

	require.NoError(t, other.Read(t.Context(), w))
	for _, thing := range m.Record("ss1") {
		require.NoError(t, m.Undo(t.Context(), thing))
	}
	require.Equal(t, before, f.tree())
	for _, thing := range other.Record("ss1") {
		require.ErrorContains(t, other.Undo(t.Context(), thing), "somebody else prepares this host, too")
		break
	}
}

// A command has room for 100,000 bytes.
func TestARecordMayBeLongerThanACommand(t *testing.T) {
	f, m := newFake(t, "tank", "tank/mail", "tank/log")
	before := f.tree()
	w := source()
	prepareAll(t, m, w, nil)
	for i := range 400 { // of groups that the lab file has no more, and whose datasets are gone
		m.record.Done = append(m.record.Done, entry{Kind: didAllow, Account: "zfsadm", Dataset: fmt.Sprint("tank/", i), Allowed: sourcePermissions})
	}
	require.NoError(t, m.writeRecord(t.Context(), m.record.Done))
	require.Greater(t, len(f.read(recordPath)), 100_000)

	require.NoError(t, m.Read(t.Context(), w))
	own := m.record.Done[:len(m.record.Done)-400]
	require.NoError(t, m.writeRecord(t.Context(), own))
	for _, thing := range m.Record("ss1") {
		require.NoError(t, m.Undo(t.Context(), thing))
	}
	require.Equal(t, before, f.tree())
}

func TestARefusalIsNotOnTheRecord(t *testing.T) {
	f, m := newFake(t, "tank", "tank/mail", "tank/log")
	w := source()
	w.Account = "BROKEN" // visudo says no
	require.NoError(t, m.Read(t.Context(), w))
	for _, thing := range m.Things(w, nil) {
		if thing.What == "what the account may run as root" {
			_, err := m.Do(t.Context(), []Thing{thing}, func(Thing) {})
			require.ErrorIs(t, err, fault.State)
		}
	}
	require.Empty(t, m.Record("ss1"))
	entries, err := os.ReadDir(filepath.Join(f.dir, "etc/sudoers.d"))
	require.NoError(t, err)
	require.Empty(t, entries, "nothing is left there that sudo would read")
}

// What an earlier version wrote can be taken back also where an upgrade came to nothing.
func TestAnUpgradeThatFailsForgetsNothing(t *testing.T) {
	for name, fails := range map[string]func(f *fake, m *Machine) (undone func()){
		"the host answers that the first file cannot be written": func(f *fake, m *Machine) func() {
			there := f.dir + ReadPath + ".nightshift-new"
			require.NoError(t, os.Mkdir(there, 0o755))
			return func() { require.NoError(t, os.Remove(there)) }
		},
		"nightshift ends when it has written down what it is about to do": func(f *fake, m *Machine) func() {
			f.lose = f.acts + 1
			return func() {}
		},
	} {
		t.Run(name, func(t *testing.T) {
			f, m := newFake(t, "tank", "tank/mail", "tank/log")
			before := f.tree()
			w := source()
			prepareAll(t, m, w, nil)
			programs := m.programs(w)
			for _, p := range programs {
				old := "# of an earlier version\n" + p.text
				f.write(p.path, old)
				f.write(recordPath, strings.ReplaceAll(f.read(recordPath), sumOf(p.text), sumOf(old)))
			}
			require.NoError(t, m.Read(t.Context(), w))
			things := m.Things(w, nil)
			undone := fails(f, m)
			n, err := m.Do(t.Context(), things, func(Thing) {})
			require.Error(t, err)
			require.Zero(t, n)
			undone()
			require.Contains(t, f.read(programs[0].path), "an earlier version")

			require.NoError(t, m.Read(t.Context(), w))
			for _, thing := range m.Record("ss1") {
				require.NoError(t, m.Undo(t.Context(), thing))
			}
			require.Equal(t, before, f.tree())
		})
	}
}

func TestADatasetOrPoolThatIsNotThere(t *testing.T) {
	_, m := newFake(t, "other")
	w := target()
	require.NoError(t, m.Read(t.Context(), w))
	require.Equal(t, Manual, states(m.Things(w, nil))["the pool tank"])
	s := source()
	require.NoError(t, m.Read(t.Context(), s))
	require.Equal(t, Manual, states(m.Things(s, nil))["what zfsadm may do with tank/mail"])
}

func TestIllumosIsOnlyShown(t *testing.T) {
	f, m := newFake(t, "tank")
	m.system = "SunOS"
	w := target()
	w.Elevate = "pfexec"
	for _, thing := range m.Things(w, nil) {
		require.Equal(t, Manual, thing.State)
	}
	n, err := m.Do(t.Context(), m.Things(w, nil), func(Thing) {})
	require.NoError(t, err)
	require.Zero(t, n)
	require.Contains(t, states(m.Things(w, nil)), "what it may run by pfexec")
	require.Empty(t, f.read("calls"))
}

func TestWantsOfALab(t *testing.T) {
	lab, err := inventory.Load("../../examples/storage/lab.yaml")
	require.NoError(t, err)
	keys := map[string]string{"ss1": aKey + " a comment", "ss2": another}
	ss1, _ := lab.StorageHost("ss1")
	ss2, _ := lab.StorageHost("ss2")
	require.Equal(t, Want{Name: "ss1", Account: "zfsadm", Login: aKey, Elevate: "sudo", LIO: true, Sends: true, Sources: []string{"tank/mail", "tank/mail-log", "tank/files"},
		Known: []Peer{{Name: "ss2", Host: "10.99.0.2", Port: "22", Account: "zfsadm", HostKey: another, Sends: true}}}, Wants(lab, ss1, keys, aKey, ""))
	require.Equal(t, Want{Name: "ss2", Account: "zfsadm", NoLogin: "no", Elevate: "sudo", LIO: true, From: []string{"ss1"}, Targets: []string{"backup/ss1"},
		Known: []Peer{{Name: "ss1", Host: "ss1.home.example", Port: "22", Account: "zfsadm", HostKey: aKey}}}, Wants(lab, ss2, keys, "", "no"))
}
