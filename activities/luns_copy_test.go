package activities

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/fault"
	"nightshift/internal/homefile"
	"nightshift/internal/plan"
	"nightshift/internal/sshexec"
	"nightshift/internal/vmfs"
)

// ofCopies tells a script about copies of backups.
func ofCopies(argv []string) bool {
	return len(argv) > 4 && (strings.Contains(argv[2], vmfs.CopyDir) || strings.HasPrefix(argv[4], vmfs.CopyDir))
}

// home is the home directory of the service account.
func (r *lunRig) home() string { return r.Path("/home") }

// inHome runs a script about copies as a shell does. Of those that change something, what is to be lost is lost.
func (r *lunRig) inHome(ctx context.Context, argv []string, stdin io.Reader) (sshexec.Result, error) {
	save := argv[2] == homefile.SaveScript
	if save {
		r.copies++
	}
	if save && r.loses == "call" {
		return sshexec.Result{}, fault.As(fault.Unreachable, sshexec.ErrNotSent)
	}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	var out, errs bytes.Buffer
	cmd.Env, cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = []string{"HOME=" + r.home(), "PATH=" + os.Getenv("PATH")}, "/", stdin, &out, &errs
	if err := cmd.Run(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		return sshexec.Result{}, err
	}
	if save && r.loses == "answer" {
		return sshexec.Result{}, fault.As(fault.Unreachable, io.ErrUnexpectedEOF)
	}
	return sshexec.Result{Status: cmd.ProcessState.ExitCode(), Stdout: out.Bytes(), Stderr: errs.Bytes()}, nil
}

const copiesOfMail = vmfs.CopyDir + "/home/ss1/mail"

// newCopyRig is the LUN with a backup; it answers its name.
func newCopyRig(t *testing.T) (r *lunRig, file string) {
	t.Helper()
	r = newLUNRig(t)
	r.papers = t.TempDir()
	require.NoError(t, os.MkdirAll(r.home(), 0o700))
	_, err := r.step(plan.SaveVolume, saveParams(3))
	require.NoError(t, err)
	list, err := r.saved("ss1", "mail")
	require.NoError(t, err)
	require.Len(t, list, 1)
	return r, list[0].File
}

func (r *lunRig) copied(keep int) (plan.Outcome, error) {
	r.Helper()
	return r.step(plan.CopyBackup, copyParams(keep))
}

func copyParams(keep int) plan.CopyBackupParams {
	return plan.CopyBackupParams{Host: "ss1", LUN: "mail", To: "ss2", Keep: keep}
}

func (r *lunRig) copiesThere() (names []string) {
	files, err := os.ReadDir(filepath.Join(r.home(), copiesOfMail))
	require.NoError(r, err)
	for _, f := range files {
		names = append(names, f.Name())
	}
	return names
}

func TestABackupIsCopied(t *testing.T) {
	r, file := newCopyRig(t)
	out, err := r.copied(3)
	require.NoError(t, err)
	require.True(t, out.Acted)
	require.Equal(t, "with a copy on ss2, ~/"+copiesOfMail+"/"+file+", read back byte by byte", out.Evidence)
	here, err := os.ReadFile(filepath.Join(r.savedDir("ss1", "mail"), file))
	require.NoError(t, err)
	path := filepath.Join(r.home(), copiesOfMail, file)
	there, err := os.ReadFile(path)
	require.NoError(t, err)
	require.True(t, bytes.Equal(here, there))
	_, table, err := vmfs.ReadBackup(bytes.NewReader(there))
	require.NoError(t, err)
	require.Len(t, table, 1)

	out, err = r.copied(3)
	require.NoError(t, err)
	require.False(t, out.Acted)
	require.Equal(t, 1, r.copies, "it was there: nothing was sent")

	for name, spoilt := range map[string][]byte{"another byte": append([]byte{there[0] ^ 1}, there[1:]...), "cut off": there[:len(there)-1], "longer": append(bytes.Clone(there), 0)} {
		require.NoError(t, os.WriteFile(path, spoilt, 0o600))
		out, err = r.copied(3)
		require.NoError(t, err, name)
		require.True(t, out.Acted, name)
		again, err := os.ReadFile(path)
		require.NoError(t, err)
		require.True(t, bytes.Equal(here, again), name)
	}
}

// The newest copies stay, and what is not ours. The one just made stays, whatever the clock of the others said.
func TestOldCopiesAreLetGo(t *testing.T) {
	r, file := newCopyRig(t)
	dir := filepath.Join(r.home(), copiesOfMail)
	require.NoError(t, os.MkdirAll(dir, 0o700))
	mine := []string{"2026-01-01.tar.gz", "mine.tar.gz", "notes.txt"}
	for _, name := range append([]string{"2019-01-01T000000Z.tar.gz", "2019-01-03T000000Z.tar.gz", "2019-01-02T000000Z.tar.gz", "2999-01-01T000000Z.tar.gz"}, mine...) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600))
	}
	out, err := r.copied(3)
	require.NoError(t, err)
	require.Equal(t, "in ~/"+copiesOfMail+"/"+file+", read back; 2 older copies removed", out.Note)
	require.ElementsMatch(t, append([]string{"2019-01-03T000000Z.tar.gz", "2019-01-02T000000Z.tar.gz", file}, mine...), r.copiesThere())
	out, err = r.copied(1) // fewer from now on
	require.NoError(t, err)
	require.Contains(t, out.Note, "2 older copies removed")
	require.ElementsMatch(t, append([]string{file}, mine...), r.copiesThere())
}

func TestWhatIsNotCopied(t *testing.T) {
	r, file := newCopyRig(t)
	path := filepath.Join(r.savedDir("ss1", "mail"), file)
	whole, err := os.ReadFile(path)
	require.NoError(t, err)

	require.NoError(t, os.WriteFile(path, whole[:len(whole)/2], 0o600))
	_, err = r.copied(3)
	requireType(t, err, Precondition)
	require.ErrorContains(t, err, "no whole backup")
	require.NoError(t, os.WriteFile(path, whole, 0o600))

	c := plan.Call{Run: "run-1", Lab: "home", Step: "s", Target: plan.Target{Kind: plan.LUN, Name: "mail", Endpoint: "ss1", UUID: "6001"}, Params: plan.Encode(copyParams(3))}
	_, err = attemptOf(t, r.Activities, plan.CopyBackup, c, nil)
	requireType(t, err, Unsafe)
	p := copyParams(3)
	p.To = "ss9"
	_, err = r.step(plan.CopyBackup, p)
	requireType(t, err, InvalidInput)
	p = copyParams(3)
	p.LUN = "web"
	_, err = r.step(plan.CopyBackup, p)
	requireType(t, err, NotFound)
	require.ErrorContains(t, err, "there is no backup of logical unit web of storage host ss1 to copy")
	require.NoError(t, os.Remove(r.home()))
	require.NoError(t, os.WriteFile(r.home(), nil, 0o600)) // there is no home directory
	_, err = r.copied(3)
	requireType(t, err, Precondition)
	require.ErrorContains(t, err, "in ~/"+copiesOfMail)
}

// A copy whose answer is lost is seen; one that never arrived is sent by the next attempt.
func TestALostAnswerOfACopy(t *testing.T) {
	r, file := newCopyRig(t)
	r.loses = "call"
	_, err := r.copied(3)
	requireType(t, err, Transient)
	r.loses = "answer"
	out, err := r.copied(3)
	require.NoError(t, err)
	require.True(t, out.Acted)
	require.Nil(t, out.Unclear)
	require.Equal(t, 2, r.copies)
	require.Equal(t, []string{file}, r.copiesThere())

	r, _ = newCopyRig(t)
	c := plan.Call{Run: "run-1", Lab: "home", Step: "s", Target: plan.Target{Kind: plan.LUN, Name: "mail", Endpoint: "ss1", UUID: mailNAA}, Params: plan.Encode(copyParams(3))}
	_, err = r.copied(3) // by the attempt that died
	require.NoError(t, err)
	out, err = attemptOf(t, r.Activities, plan.CopyBackup, c, &plan.Memo{Intent: "the copy", Phase: "save", At: time.Now()})
	require.NoError(t, err)
	require.True(t, out.Acted)
	require.Equal(t, 1, r.copies, "an attempt with a memo only looks")
}
