package storagesetup

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/inventory"
	"nightshift/internal/iscsi"
	"nightshift/internal/iscsi/liosim"
)

const (
	tableSectors = 4096
	esxIQN       = "iqn.1998-01.com.vmware:esx1"
)

// A zvol of a host without a kernel, on which the very program runs.
type tableRig struct {
	*testing.T
	host    *liosim.Host
	program string
	file    string // the device
}

func newTableRig(t *testing.T) *tableRig {
	t.Helper()
	h, err := liosim.New(t.TempDir(), "10.0.0.1:3260")
	require.NoError(t, err)
	device, err := h.AddVolume("tank/mail", tableSectors*512, 16384)
	require.NoError(t, err)
	r := &tableRig{T: t, host: h}
	r.file, err = filepath.EvalSymlinks(h.Path(device))
	require.NoError(t, err)
	whole := make([]byte, tableSectors*512)
	for i := range whole {
		whole[i] = byte(i / 512)
	}
	require.NoError(t, os.WriteFile(r.file, whole, 0o600))
	r.program = WriteTableProgram()
	for from, to := range map[string]string{"target=/sys/kernel/config/target": "target=" + h.Path("/sys/kernel/config/target"), "block=/sys/class/block": "block=" + h.Path("/block"),
		"zvols=/dev/zvol": "zvols=" + h.Path("/dev/zvol"), `[ -b "`: `[ -e "`, `blockdev --flushbufs "$device"`: `[ -w "$device" ]`, `readlink -f -- "$of"`: `readlink -f -- "` + h.Path("") + `$of"`} {
		require.Contains(t, r.program, from)
		r.program = strings.Replace(r.program, from, to, 1)
	}
	return r
}

func (r *tableRig) publish() {
	r.Helper()
	target := iscsi.NewLIO(r.host, func(argv []string) []string { return argv })
	_, err := target.Publish(r.Context(), iscsi.Publication{Name: "mail", Device: "/dev/zvol/tank/mail", Target: "iqn.2026-01.lab.storage:ds1", Group: 1, Portals: []string{"10.0.0.1:3260"},
		Identity: iscsi.Identity{LUN: 3, NAA: "600144f07ed404000000496ff8cd0003", Vendor: "SUN", Product: "COMSTAR"}, Grants: []iscsi.Grant{{Initiator: esxIQN}}})
	require.NoError(r, err)
}

func (r *tableRig) run(stdin []byte, args ...string) (said string, status int) {
	r.Helper()
	cmd := exec.Command("/bin/sh", append([]string{"-c", r.program, "nightshift-write-table"}, args...)...)
	cmd.Stdin = bytes.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		r.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

func (r *tableRig) device() []byte {
	r.Helper()
	b, err := os.ReadFile(r.file)
	require.NoError(r, err)
	return b
}

func hashed(parts ...[]byte) string {
	sum := sha256.Sum256(bytes.Join(parts, nil))
	return hex.EncodeToString(sum[:])
}

func TestATableIsWritten(t *testing.T) {
	r := newTableRig(t)
	r.publish()
	was := r.device()
	last := was[(tableSectors-33)*512:]
	new1, new2 := bytes.Repeat([]byte{0xab}, 512), bytes.Repeat([]byte{0xcd}, 33*512)
	args := []string{"tank/mail", hashed(last, was[:512]), hashed(new2, new1), "4063:33", "0:1"}
	said, status := r.run(append(bytes.Clone(new2), new1...), args...)
	require.Zero(t, status, said)
	want := bytes.Clone(was)
	copy(want, new1)
	copy(want[4063*512:], new2)
	require.Equal(t, want, r.device())
	said, status = r.run(nil, args...)
	require.Zero(t, status, "it is already so: %s", said)
	require.Equal(t, want, r.device())
}

// Nothing is written but partition tables, and nothing over what nobody has read.
func TestNothingElseIsWritten(t *testing.T) {
	r := newTableRig(t)
	was := r.device()
	fresh := bytes.Repeat([]byte{1}, 512)
	sum, is := hashed(was[:512]), hashed(fresh)
	for name, c := range map[string]struct {
		status int
		stdin  []byte
		args   []string
	}{
		"another was":        {3, fresh, []string{"tank/mail", hashed(fresh, fresh), is, "0:1"}},
		"another stdin":      {2, was[1024:1536], []string{"tank/mail", sum, is, "0:1"}},
		"less":               {2, fresh[:511], []string{"tank/mail", sum, is, "0:1"}},
		"more":               {2, append(bytes.Clone(fresh), 1), []string{"tank/mail", sum, is, "0:1"}},
		"no zvol":            {2, fresh, []string{"tank/none", sum, is, "0:1"}},
		"a way out":          {2, fresh, []string{"../zd0", sum, is, "0:1"}},
		"a snapshot":         {2, fresh, []string{"tank/mail@x", sum, is, "0:1"}},
		"the LVM header":     {2, fresh, []string{"tank/mail", sum, is, "2176:1"}},
		"behind the table":   {2, fresh, []string{"tank/mail", sum, is, "34:1"}},
		"across its end":     {2, fresh, []string{"tank/mail", sum, is, "33:2"}},
		"before the backup":  {2, fresh, []string{"tank/mail", sum, is, "4062:2"}},
		"behind the device":  {2, fresh, []string{"tank/mail", sum, is, "4095:2"}},
		"none":               {2, fresh, []string{"tank/mail", sum, is, "0:0"}},
		"no range":           {2, fresh, []string{"tank/mail", sum, is}},
		"no colon":           {2, fresh, []string{"tank/mail", sum, is, "1"}},
		"an octal number":    {2, fresh, []string{"tank/mail", sum, is, "010:1"}},
		"no number":          {2, fresh, []string{"tank/mail", sum, is, "0:1 "}},
		"a command":          {2, fresh, []string{"tank/mail", sum, is, "$(id):1"}},
		"a large number":     {2, fresh, []string{"tank/mail", sum, is, "99999999999999999:1"}},
		"no sum":             {2, fresh, []string{"tank/mail", "x", is, "0:1"}},
		"seven ranges":       {2, fresh, []string{"tank/mail", sum, is, "0:1", "1:1", "2:1", "3:1", "4:1", "5:1", "6:1"}},
		"capital letters":    {2, fresh, []string{"tank/mail", strings.ToUpper(sum), is, "0:1"}},
		"a range and no sum": {2, fresh, []string{"tank/mail", "0:1"}},
	} {
		said, status := r.run(c.stdin, c.args...)
		require.Equal(t, c.status, status, "%s: %s", name, said)
		require.Equal(t, was, r.device(), name)
	}
}

// slow runs the program, and changes something while the new sectors are still on their way.
func (r *tableRig) slow(stdin []byte, meanwhile func(), args ...string) (said string, status int) {
	r.Helper()
	tmp := r.TempDir()
	cmd := exec.Command("/bin/sh", append([]string{"-c", r.program, "nightshift-write-table"}, args...)...)
	var out bytes.Buffer
	cmd.Env, cmd.Stdout, cmd.Stderr = []string{"TMPDIR=" + tmp}, &out, &out
	in, err := cmd.StdinPipe()
	require.NoError(r, err)
	require.NoError(r, cmd.Start())
	require.Eventually(r, func() bool { // it has made the file that takes them
		files, err := os.ReadDir(tmp)
		return err == nil && len(files) > 0
	}, time.Minute, 10*time.Millisecond)
	meanwhile()
	_, err = in.Write(stdin)
	require.NoError(r, err)
	require.NoError(r, in.Close())
	_ = cmd.Wait() // its status counts
	return out.String(), cmd.ProcessState.ExitCode()
}

// What counts is what lies there, and who uses it, when it is written: not when the command began.
func TestAnythingMayHappenWhileTheSectorsAreOnTheirWay(t *testing.T) {
	fresh := bytes.Repeat([]byte{1}, 512)
	r := newTableRig(t)
	r.publish()
	args := []string{"tank/mail", hashed(r.device()[:512]), hashed(fresh), "0:1"}
	var now []byte
	said, status := r.slow(fresh, func() {
		now = append(bytes.Repeat([]byte{2}, 512), r.device()[512:]...)
		require.NoError(t, os.WriteFile(r.file, now, 0o600))
	}, args...)
	require.Equal(t, 3, status, said)
	require.True(t, bytes.Equal(now, r.device()))

	args[1] = hashed(now[:512])
	said, status = r.slow(fresh, func() { require.NoError(t, r.host.Login(esxIQN, true)) }, args...)
	require.Equal(t, 4, status, said)
	require.Contains(t, said, esxIQN)
	require.True(t, bytes.Equal(now, r.device()))
}

// The name by which a target opened a zvol says nothing when that was renamed since.
func TestARenamedZvolIsInUse(t *testing.T) {
	fresh := bytes.Repeat([]byte{1}, 512)
	r := newTableRig(t)
	r.publish()
	require.NoError(t, r.host.Login(esxIQN, true))
	require.NoError(t, os.Rename(r.host.Path("/dev/zvol/tank/mail"), r.host.Path("/dev/zvol/tank/renamed")))
	require.NoError(t, os.WriteFile(r.host.Path("/sys/kernel/config/target/core/iblock_0/mail/info"),
		[]byte("Status: ACTIVATED  Max Queue Depth: 0  SectorSize: 512  HwMaxSectors: 32768\n        iBlock device: zd0  UDEV PATH: /dev/zvol/tank/mail  readonly: 0\n"), 0o600))
	was := r.device()
	said, status := r.run(fresh, "tank/renamed", hashed(was[:512]), hashed(fresh), "0:1")
	require.Equal(t, 4, status, said)
	require.Contains(t, said, esxIQN)
	require.True(t, bytes.Equal(was, r.device()))
}

// Of two at once one waits for the other, and then finds that something else lies there.
func TestOnlyOneWritesAtATime(t *testing.T) {
	fresh := bytes.Repeat([]byte{1}, 512)
	r := newTableRig(t)
	was := r.device()
	f, err := os.Open(r.file)
	require.NoError(t, err)
	defer f.Close()
	require.NoError(t, syscall.Flock(int(f.Fd()), syscall.LOCK_EX))
	r.program = strings.Replace(r.program, "flock -w 10 ", "flock -w 1 ", 1)
	said, status := r.run(fresh, "tank/mail", hashed(was[:512]), hashed(fresh), "0:1")
	require.Equal(t, 4, status, said)
	require.Contains(t, said, "another program has it locked")
	require.True(t, bytes.Equal(was, r.device()))
	require.NoError(t, syscall.Flock(int(f.Fd()), syscall.LOCK_UN))
	said, status = r.run(fresh, "tank/mail", hashed(was[:512]), hashed(fresh), "0:1")
	require.Zero(t, status, said)
}

// While an initiator may use it nothing is written: logged in, unknown, or over another fabric.
func TestATableInUseIsNotWritten(t *testing.T) {
	fresh := bytes.Repeat([]byte{1}, 512)
	refused := func(r *tableRig, who string) {
		r.Helper()
		was := r.device()
		said, status := r.run(fresh, "tank/mail", hashed(was[:512]), hashed(fresh), "0:1")
		require.Equal(r, 4, status, said)
		require.Contains(r, said, who)
		require.Equal(r, was, r.device())
	}
	r := newTableRig(t)
	r.publish()
	require.NoError(t, r.host.Login(esxIQN, true))
	refused(r, esxIQN)
	require.NoError(t, r.host.Login(esxIQN, false))
	groups, err := filepath.Glob(r.host.Path("/sys/kernel/config/target/iscsi/*/tpgt_1"))
	require.NoError(t, err)
	require.Len(t, groups, 1)
	require.NoError(t, os.WriteFile(groups[0]+"/dynamic_sessions", []byte("iqn.unlisted\n\x00"), 0o600))
	refused(r, "iqn.unlisted")
	require.NoError(t, os.Remove(groups[0]+"/dynamic_sessions")) // who is logged in cannot be read
	refused(r, groups[0])
	require.NoError(t, os.WriteFile(groups[0]+"/dynamic_sessions", nil, 0o600))
	holders := r.host.Path("/block/zd0/holders")
	require.NoError(t, os.MkdirAll(holders+"/dm-0", 0o700))
	refused(r, "dm-0")
	require.NoError(t, os.RemoveAll(holders))
	links, err := filepath.Glob(groups[0] + "/lun/lun_*/*")
	require.NoError(t, err)
	var store string
	for _, l := range links {
		if to, err := os.Readlink(l); err == nil {
			store = to
		}
	}
	require.NotEmpty(t, store)
	other := r.host.Path("/sys/kernel/config/target/loopback/naa.5001/tpgt_1/lun/lun_0")
	require.NoError(t, os.MkdirAll(other, 0o700))
	require.NoError(t, os.Symlink(store, other+"/x"))
	refused(r, "loopback")
	require.NoError(t, os.RemoveAll(r.host.Path("/sys/kernel/config/target/loopback")))
	said, status := r.run(fresh, "tank/mail", hashed(r.device()[:512]), hashed(fresh), "0:1")
	require.Zero(t, status, said)
}

// The account may run the program only where the lab file says so.
func TestPartitionTablesAreForWhoeverSaysSo(t *testing.T) {
	lab := &inventory.Lab{}
	h := inventory.StorageHost{Name: "ss1", Elevate: inventory.ElevateSudo, Target: &inventory.StorageTarget{Kind: inventory.TargetLIO}, SSH: inventory.SSH{User: "zfsadm"}}
	has := func() bool {
		w := Wants(lab, &h, nil, "", "")
		_, text := w.sudoers()
		installed := slices.ContainsFunc((&Machine{}).programs(w), func(f file) bool { return f.path == WriteTablePath })
		require.Equal(t, strings.Contains(text, WriteTablePath), installed)
		require.Contains(t, text, ReadPath, "headers are read wherever there is a target")
		return installed
	}
	require.False(t, has())
	h.RestorePartitions = true
	require.True(t, has())
	h.Target.Kind = inventory.TargetCOMSTAR
	require.NotContains(t, Wants(lab, &h, nil, "", "").may(), WriteTablePath)
}
