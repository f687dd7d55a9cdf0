package activities

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/plan"
	"nightshift/internal/vmfs"
)

func saveParams(keep int) plan.SaveVolumeParams {
	return plan.SaveVolumeParams{Host: "ss1", Device: "/dev/zvol/tank/mail", Dataset: "tank/mail", LUN: "mail", Keep: keep}
}

func TestSaveVolume(t *testing.T) {
	r := newLUNRig(t)
	_, err := r.step(plan.SaveVolume, saveParams(3))
	requireType(t, err, Precondition) // no state directory
	r.papers = t.TempDir()
	out, err := r.step(plan.SaveVolume, saveParams(3))
	require.NoError(t, err)
	require.Contains(t, out.Note, `"mail01", 3 pieces, in `+filepath.Join(r.papers, "vmfs", "ss1", "mail"))
	list, err := r.saved("ss1", "mail")
	require.NoError(t, err)
	require.Len(t, list, 1)
	f, err := os.Open(filepath.Join(r.savedDir("ss1", "mail"), list[0].File))
	require.NoError(t, err)
	defer f.Close()
	b, table, err := vmfs.ReadBackup(f)
	require.NoError(t, err)
	require.Len(t, table, 1)
	require.Equal(t, []any{mailNAA, mailUUID, "mail01", "tank/mail", "run-1", int64(mailSize)}, []any{b.NAA, b.UUID, b.Label, b.Dataset, b.Run, b.Size})
	info, err := f.Stat()
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	require.LessOrEqual(t, r.read, 60, "at most half a megabyte with a command")
}

// The newest files stay; what is not ours stays, too.
func TestOldSavesAreLetGo(t *testing.T) {
	r := newLUNRig(t)
	r.papers = t.TempDir()
	dir := r.savedDir("ss1", "mail")
	require.NoError(t, os.MkdirAll(dir, 0o700))
	for _, name := range []string{"2026-01-01T000000Z.tar.gz", "2026-01-03T000000Z.tar.gz", "2026-01-02T000000Z.tar.gz", "mine.tar.gz", "2026-01-01.txt"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
	}
	out, err := r.step(plan.SaveVolume, saveParams(2))
	require.NoError(t, err)
	require.Contains(t, out.Note, "; 2 older files removed")
	list, err := r.saved("ss1", "mail")
	require.NoError(t, err)
	require.Len(t, list, 2)
	require.Equal(t, "2026-01-03T000000Z.tar.gz", list[1].File)
	require.Equal(t, time.Date(2026, 1, 3, 0, 0, 0, 0, time.UTC), list[1].Taken)
	require.FileExists(t, filepath.Join(dir, "mine.tar.gz"))
	require.FileExists(t, filepath.Join(dir, "2026-01-01.txt"))
}

// A clock that was wrong once does not have the newest one let go of for ever after, nor copied in its place.
func TestASaveOfTheFuture(t *testing.T) {
	r := newLUNRig(t)
	r.papers = t.TempDir()
	dir := r.savedDir("ss1", "mail")
	require.NoError(t, os.MkdirAll(dir, 0o700))
	const future = "2999-01-01T000000Z.tar.gz"
	require.NoError(t, os.WriteFile(filepath.Join(dir, future), nil, 0o600))
	for keep := 2; keep > 0; keep-- {
		out, err := r.step(plan.SaveVolume, saveParams(keep))
		require.NoError(t, err)
		require.FileExists(t, filepath.Join(dir, regexp.MustCompile(`mail/([^/;]+)`).FindStringSubmatch(out.Note)[1]))
	}
	require.NoFileExists(t, filepath.Join(dir, future))
}

// A connection that ends is no end of the device: nobody knows what lies there.
func TestALostAnswerIsNoEndOfADevice(t *testing.T) {
	for _, lost := range []error{io.EOF, io.ErrUnexpectedEOF} {
		r := newLUNRig(t)
		r.papers = t.TempDir()
		r.cut = lost
		_, err := r.step(plan.SaveVolume, saveParams(3))
		requireType(t, err, Transient)
		_, err = r.step(plan.InspectVolume, mailParams())
		requireType(t, err, Transient)
		st, err := r.inspectTarget(t.Context(), "ss1", look{})
		require.NoError(t, err)
		require.Contains(t, st.LUNs[0].NoVMFS, "not known: ")
	}
}

// Backups of one LUN are not those of another, whatever the storage host calls them, and lie nowhere else.
func TestDirectoriesOfLUNs(t *testing.T) {
	require.Equal(t, "mail-2.a_b", directory("mail-2.a_b"))
	seen := map[string]string{}
	for _, name := range []string{"a b", "a/b", "a_b", "", ".", "..", "...", "../..", "ü", "u", "-x", "\x00"} {
		dir := directory(name)
		require.Empty(t, seen[dir], "%q and %q", name, seen[dir])
		seen[dir] = name
		require.Equal(t, dir, filepath.Base(filepath.Join("x", dir)), "%q", name)
		_, err := vmfs.NewCopies(nil, "home", dir, dir)
		require.NoError(t, err, "%q", name)
	}
}

// A volume that cannot be read any more pushes no good backup out.
func TestABrokenVolumeIsNotSaved(t *testing.T) {
	r := newLUNRig(t)
	r.papers = t.TempDir()
	_, err := r.step(plan.SaveVolume, saveParams(1))
	require.NoError(t, err)
	before, err := r.saved("ss1", "mail")
	require.NoError(t, err)
	f, err := os.OpenFile(r.Path("/dev/zvol/tank/mail"), os.O_RDWR, 0)
	require.NoError(t, err)
	defer f.Close()
	_, err = f.WriteAt(make([]byte, 512), 0)
	require.NoError(t, err)
	_, err = r.step(plan.SaveVolume, saveParams(1))
	requireType(t, err, Precondition)
	after, err := r.saved("ss1", "mail")
	require.NoError(t, err)
	require.Equal(t, before, after)
}

// Nothing is saved under the name of a LUN that has become another.
func TestAnotherLUNIsNotSaved(t *testing.T) {
	r := newLUNRig(t)
	r.papers = t.TempDir()
	p := saveParams(1)
	p.Device = "/dev/zvol/tank/other"
	_, err := r.step(plan.SaveVolume, p)
	requireType(t, err, Unsafe)
	c := plan.Call{Run: "run-1", Step: "s", Target: plan.Target{Kind: plan.LUN, Name: "mail", Endpoint: "ss1", UUID: "6001"}, Params: plan.Encode(saveParams(1))}
	_, err = attemptOf(t, r.Activities, plan.SaveVolume, c, nil)
	requireType(t, err, Unsafe)
}
