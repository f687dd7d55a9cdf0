package activities

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/fault"
	"nightshift/internal/inventory"
	"nightshift/internal/plan"
	"nightshift/internal/sshexec"
	"nightshift/internal/storagesetup"
	"nightshift/internal/vmfs"
	"nightshift/runbooks"
)

// Act is that of the host; partition tables are written by the program that is installed there.
func (r *lunRig) Act(ctx context.Context, argv []string, stdin io.Reader) (sshexec.Result, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if ofCopies(argv) {
		return r.inHome(ctx, argv, stdin)
	}
	if len(argv) < 4 || argv[2] != storagesetup.WriteTablePath {
		return r.Host.Act(ctx, argv, stdin)
	}
	r.writes++
	if r.loses == "call" {
		return sshexec.Result{}, fault.As(fault.Unreachable, io.ErrUnexpectedEOF)
	}
	program := storagesetup.WriteTableProgram()
	for from, to := range map[string]string{"target=/sys/kernel/config/target": "target=" + r.Path("/sys/kernel/config/target"), "block=/sys/class/block": "block=" + r.Path("/block"),
		"zvols=/dev/zvol": "zvols=" + r.Path("/dev/zvol"), `[ -b "`: `[ -e "`, `blockdev --flushbufs "$device"`: `[ -w "$device" ]`, `readlink -f -- "$of"`: `readlink -f -- "` + r.Path("") + `$of"`} {
		require.Contains(r, program, from)
		program = strings.Replace(program, from, to, 1)
	}
	if r.loses == "rest" { // it dies before so many of its writes
		const write = "	dd if=\"$new\" of="
		require.Contains(r, program, write)
		program = strings.Replace(program, write, "	[ \"$((part += 1))\" -le "+strconv.Itoa(r.part)+" ] || kill -9 $$\n"+write, 1)
		program = strings.Replace(program, "at=0\n", "at=0 part=0\n", 1)
	}
	var errs bytes.Buffer
	cmd := exec.CommandContext(ctx, "/bin/sh", append([]string{"-c", program, "nightshift-write-table"}, argv[3:]...)...)
	cmd.Stdin, cmd.Stderr = stdin, &errs
	_ = cmd.Run()
	if r.loses == "answer" || r.loses == "rest" {
		return sshexec.Result{}, fault.As(fault.Unreachable, io.ErrUnexpectedEOF)
	}
	return sshexec.Result{Status: cmd.ProcessState.ExitCode(), Stderr: errs.Bytes()}, nil
}

// newTableLab is the LUN with a backup, whose partition table was lost then.
func newTableLab(t *testing.T) *lunRig {
	t.Helper()
	r := newLUNRig(t)
	r.papers = t.TempDir()
	r.lab.StorageHosts[0].RestorePartitions = true
	_, err := r.step(plan.SaveVolume, saveParams(3))
	require.NoError(t, err)
	r.overwrite(0, make([]byte, vmfs.Sector))
	return r
}

func (r *lunRig) overwrite(at int64, b []byte) { r.overwriteOf("mail", at, b) }

func (r *lunRig) overwriteOf(name string, at int64, b []byte) {
	r.Helper()
	f, err := os.OpenFile(r.Path("/dev/zvol/tank/"+name), os.O_RDWR, 0)
	require.NoError(r, err)
	defer f.Close()
	_, err = f.WriteAt(b, at)
	require.NoError(r, err)
}

func (r *lunRig) firstSector() []byte {
	r.Helper()
	f, err := os.Open(r.Path("/dev/zvol/tank/mail"))
	require.NoError(r, err)
	defer f.Close()
	b := make([]byte, vmfs.Sector)
	_, err = io.ReadFull(f, b)
	require.NoError(r, err)
	return b
}

// planned is the plan of the runbook, of what is live.
func (r *lunRig) planned(given map[string]string) plan.Plan {
	r.Helper()
	book, ok := runbooks.Lookup(runbooks.VMFSRestorePartition)
	require.True(r, ok)
	st, err := r.inspectFor(r.Context(), r.world.book, book.Reads, given)
	require.NoError(r, err)
	p, err := book.Plan(runbooks.Input{Lab: r.lab, State: st, Parameters: given})
	require.NoError(r, err)
	return p
}

func (r *lunRig) serial() string {
	r.Helper()
	h, err := r.lunHost("ss1")
	require.NoError(r, err)
	l, err := h.find(r.Context(), "mail")
	require.NoError(r, err)
	require.NotEmpty(r, l.Serial)
	return l.Serial
}

// restore carries the step of the plan out.
func (r *lunRig) restore(memo *plan.Memo) (plan.Outcome, error) {
	r.Helper()
	p := r.planned(map[string]string{"lun": "mail", "serial": r.serial()})
	require.Empty(r, p.Blockers)
	require.Len(r, p.Steps, 1)
	return r.carryOut(p, memo)
}

func (r *lunRig) carryOut(p plan.Plan, memo *plan.Memo) (plan.Outcome, error) {
	r.Helper()
	s := p.Steps[0]
	return attemptOf(r.T, r.Activities, s.Action, plan.Call{Run: "run-1", Lab: "home", Step: s.ID, Target: s.Target, Params: s.Params}, memo)
}

func TestAPartitionTableComesBack(t *testing.T) {
	r := newTableLab(t)
	given := map[string]string{"lun": "tank/mail", "serial": r.serial()}
	p := r.planned(given)
	require.Empty(t, p.Blockers)
	require.Empty(t, p.Warnings)
	require.Contains(t, p.Steps[0].Title, "Now: none, no partition. Then: MBR, partition 1: VMFS (fb), sectors 128 to 131071")
	require.True(t, p.Steps[0].Changes())

	out, err := r.restore(nil)
	require.NoError(t, err)
	require.True(t, out.Acted)
	require.Contains(t, out.Note, "hosts see it after a rescan; what lay there before is in ")
	require.Equal(t, 1, r.writes)
	looked, err := r.step(plan.InspectVolume, mailParams())
	require.NoError(t, err)
	require.Equal(t, `"mail01", VMFS 3.31, `+mailUUID, looked.Note)

	p = r.planned(given)
	require.Empty(t, p.Steps)
	require.Contains(t, p.Title, "Nothing to do: the partition table of tank/mail on ss1 is that of the backup")
	before, err := filepath.Glob(filepath.Join(r.savedDir("ss1", "mail"), "*"+beforeRestore))
	require.NoError(t, err)
	require.Len(t, before, 1)
	f, err := os.Open(before[0])
	require.NoError(t, err)
	defer f.Close()
	_, table, err := vmfs.ReadBackup(f)
	require.NoError(t, err)
	require.Equal(t, []vmfs.Extent{{Offset: 0, Bytes: make([]byte, vmfs.Sector)}}, table)

	// And what lay there before can be put back as well.
	given["from"] = filepath.Base(before[0])
	p = r.planned(given)
	require.Empty(t, p.Blockers)
	require.Contains(t, p.Warnings[0].Text, "with this partition table, no volume is found")
	_, err = r.carryOut(p, nil)
	require.NoError(t, err)
	require.Equal(t, make([]byte, vmfs.Sector), r.firstSector())
}

// newGPTLab is the LUN with a GPT in the place of the master boot record, and a backup.
func newGPTLab(t *testing.T) *lunRig {
	t.Helper()
	sfdisk, err := exec.LookPath("sfdisk")
	if err != nil {
		t.Skip("needs sfdisk (Debian: fdisk), which is not installed")
	}
	r := newLUNRig(t)
	r.papers = t.TempDir()
	r.lab.StorageHosts[0].RestorePartitions = true
	cmd := exec.Command(sfdisk, "--quiet", r.file())
	cmd.Stdin = strings.NewReader("label: gpt\nfirst-lba: 34\nstart=128, size=130000, type=AA31E02A-400F-11DB-9590-000C2911D1B8\n")
	said, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", said)
	_, err = r.step(plan.SaveVolume, saveParams(3))
	require.NoError(t, err)
	return r
}

// file is the zvol, and device what is on it.
func (r *lunRig) file() string {
	r.Helper()
	file, err := filepath.EvalSymlinks(r.Path("/dev/zvol/tank/mail"))
	require.NoError(r, err)
	return file
}

func (r *lunRig) device() []byte {
	r.Helper()
	b, err := os.ReadFile(r.file())
	require.NoError(r, err)
	return b
}

// Both copies of a GPT, in two places.
func TestAGPTComesBack(t *testing.T) {
	r := newGPTLab(t)
	whole := r.device()
	r.overwrite(0, bytes.Repeat([]byte{0xff}, 34*vmfs.Sector))
	r.overwrite(mailSize-33*vmfs.Sector, bytes.Repeat([]byte{0xff}, 33*vmfs.Sector))
	p := r.planned(map[string]string{"lun": "mail", "serial": r.serial()})
	require.Empty(t, p.Blockers)
	var params plan.RestoreTableParams
	require.NoError(t, json.Unmarshal(p.Steps[0].Params, &params))
	require.Equal(t, []string{"131039:33", "0:34"}, params.Ranges)
	_, err := r.restore(nil)
	require.NoError(t, err)
	require.True(t, bytes.Equal(whole, r.device()))
	said, err := exec.Command("sfdisk", "--verify", r.file()).CombinedOutput()
	require.NoError(t, err, "%s", said)
}

// What blocks the plan, one after the other.
func TestWhatIsNotRestored(t *testing.T) {
	r := newTableLab(t)
	given := map[string]string{"lun": "mail"}
	first := func() string {
		p := r.planned(given)
		require.NotEmpty(t, p.Blockers)
		return p.Blockers[0].String()
	}
	require.Contains(t, first(), "its serial number has to be typed")
	given["serial"] = "1234"
	require.Contains(t, first(), `its serial number is not "1234"`)
	given["serial"] = r.serial()
	require.NoError(t, r.Login(esxIQN, true))
	require.Contains(t, first(), "initiators are logged in that may use it: "+esxIQN)
	require.NoError(t, r.Login(esxIQN, false))
	r.lab.StorageHosts[0].RestorePartitions = false
	require.Contains(t, first(), "set restorePartitions: true")
	r.lab.StorageHosts[0].RestorePartitions = true
	for from, want := range map[string]string{"../x.tar.gz": "is no name of a backup", "none.tar.gz": "there is no backup", "README": "is no name of a backup"} {
		given["from"] = from
		require.Contains(t, first(), want)
	}
	delete(given, "from")
	list, err := r.saved("ss1", "mail")
	require.NoError(t, err)
	path := filepath.Join(r.savedDir("ss1", "mail"), list[0].File)
	good, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, good[:len(good)/2], 0o600))
	require.Contains(t, first(), "no whole backup")
	require.NoError(t, os.Remove(path))
	require.Contains(t, first(), "there is no backup of it")
}

// Between the plan and the step, things change: nothing is written.
func TestWhatChangedSinceThePlanIsNotRestored(t *testing.T) {
	r := newTableLab(t)
	p := r.planned(map[string]string{"lun": "mail", "serial": r.serial()})
	none := make([]byte, vmfs.Sector)

	require.NoError(t, r.Login(esxIQN, true))
	_, err := r.carryOut(p, nil)
	requireType(t, err, Precondition)
	require.ErrorContains(t, err, esxIQN)
	require.NoError(t, r.Login(esxIQN, false))

	r.overwrite(0, bytes.Repeat([]byte{7}, vmfs.Sector))
	out, err := r.carryOut(p, nil)
	require.NoError(t, err)
	require.Contains(t, out.Replan, "neither that of the backup nor what it was")
	r.overwrite(0, none)

	r.lab.StorageHosts[0].RestorePartitions = false
	_, err = r.carryOut(p, nil)
	requireType(t, err, Unsafe)
	r.lab.StorageHosts[0].RestorePartitions = true

	list, err := r.saved("ss1", "mail")
	require.NoError(t, err)
	require.NoError(t, os.Rename(filepath.Join(r.savedDir("ss1", "mail"), list[0].File), filepath.Join(r.savedDir("ss1", "mail"), "2020-01-01T000000Z.tar.gz")))
	_, err = r.carryOut(p, nil)
	requireType(t, err, NotFound)
	require.Zero(t, r.writes)
	require.Equal(t, none, r.firstSector())
}

// A call whose answer is lost is cleared up by looking; it compares before it writes, so that sending it again does no more.
func TestALostAnswerOfATable(t *testing.T) {
	r := newTableLab(t)
	r.loses = "answer"
	out, err := r.restore(nil)
	require.NoError(t, err)
	require.True(t, out.Acted)
	require.Nil(t, out.Unclear)
	require.Equal(t, 1, r.writes)

	r = newTableLab(t)
	p := r.planned(map[string]string{"lun": "mail", "serial": r.serial()})
	memo := &plan.Memo{Intent: "the partition table of tank/mail", Phase: "write"}
	_, err = r.Act(t.Context(), slices.Concat([]string{"sudo", "-n", storagesetup.WriteTablePath, "tank/mail"}, r.writeArgs(p)), bytes.NewReader(r.savedTable())) // by an attempt that died
	require.NoError(t, err)
	out, err = r.carryOut(p, memo)
	require.NoError(t, err)
	require.Nil(t, out.Unclear)
	require.Equal(t, 1, r.writes, "an attempt with a memo only looks")
}

func (r *lunRig) writeArgs(p plan.Plan) []string {
	var params plan.RestoreTableParams
	require.NoError(r, json.Unmarshal(p.Steps[0].Params, &params))
	return append([]string{params.Was, params.Is}, params.Ranges...)
}

func (r *lunRig) savedTable() []byte {
	l, err := r.saved("ss1", "mail")
	require.NoError(r, err)
	f, err := os.Open(filepath.Join(r.savedDir("ss1", "mail"), l[0].File))
	require.NoError(r, err)
	defer f.Close()
	_, table, err := vmfs.ReadBackup(f)
	require.NoError(r, err)
	return table[0].Bytes
}

// The host's own refusals are final, and say what to do.
func TestWhatTheProgramRefuses(t *testing.T) {
	r := newTableLab(t)
	p := r.planned(map[string]string{"lun": "mail", "serial": r.serial()})
	r.lab.StorageHosts[0].Elevate = inventory.ElevateSudo
	holders := r.Path("/block/zd0/holders/dm-0") // what only the host itself sees
	require.NoError(t, os.MkdirAll(holders, 0o700))
	_, err := r.carryOut(p, nil)
	requireType(t, err, Precondition)
	require.ErrorContains(t, err, "it is in use: the device dm-0")
	require.Equal(t, make([]byte, vmfs.Sector), r.firstSector())
}

// A host that dies between two of the writes leaves a table that is neither: the step says so, and the next plan goes on from there.
func TestATableOfWhichAPartWasWritten(t *testing.T) {
	for part := range 3 {
		r := newGPTLab(t)
		whole := r.device()
		r.overwrite(0, bytes.Repeat([]byte{0xff}, 34*vmfs.Sector))
		r.overwrite(mailSize-33*vmfs.Sector, bytes.Repeat([]byte{0xff}, 33*vmfs.Sector))
		given := map[string]string{"lun": "mail", "serial": r.serial()}
		p := r.planned(given)
		r.loses, r.part = "rest", part
		out, err := r.carryOut(p, nil)
		require.NoError(t, err)
		if part == 2 { // all was written, and only the answer was lost
			require.Nil(t, out.Unclear)
			require.True(t, bytes.Equal(whole, r.device()))
			continue
		}
		require.NotNil(t, out.Unclear, "part %d", part)
		r.loses = ""

		before, err := filepath.Glob(filepath.Join(r.savedDir("ss1", "mail"), "*"+beforeRestore))
		require.NoError(t, err)
		require.Len(t, before, 1)
		kept, err := os.ReadFile(before[0])
		require.NoError(t, err)
		if part > 0 { // the same step, decided upon again, sees that it is not as it was planned
			out, err = r.carryOut(p, nil)
			require.NoError(t, err)
			require.Contains(t, out.Replan, "neither that of the backup nor what it was")
		}
		p = r.planned(given)
		require.Empty(t, p.Blockers)
		out, err = r.carryOut(p, nil)
		require.NoError(t, err)
		require.True(t, out.Acted)
		require.True(t, bytes.Equal(whole, r.device()))
		again, err := os.ReadFile(before[0])
		require.NoError(t, err)
		require.True(t, bytes.Equal(kept, again), "what lay there at first is still kept")
	}
}

// Two runs of two nightshifts that put back two backups at once: one is refused, and nothing is mixed.
func TestTwoRestoresAtOnce(t *testing.T) {
	r := newGPTLab(t)
	first := r.device()
	list, err := r.saved("ss1", "mail")
	require.NoError(t, err)
	r.overwrite(mailSize-33*vmfs.Sector, bytes.Repeat([]byte{1}, 32*vmfs.Sector))
	given := map[string]string{"lun": "mail", "serial": r.serial(), "from": list[0].File}
	one := r.planned(given)
	_, err = r.carryOut(one, nil)
	require.NoError(t, err)
	before, err := filepath.Glob(filepath.Join(r.savedDir("ss1", "mail"), "*"+beforeRestore))
	require.NoError(t, err)
	given["from"] = filepath.Base(before[0])
	other := r.planned(given)
	r.overwrite(0, bytes.Repeat([]byte{2}, vmfs.Sector)) // by the one, since the other was planned
	out, err := r.carryOut(other, nil)
	require.NoError(t, err)
	require.NotEmpty(t, out.Replan)
	r.overwrite(0, first[:vmfs.Sector])
	require.True(t, bytes.Equal(first, r.device()))
}
