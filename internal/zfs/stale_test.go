package zfs

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/fault"
)

// TestMain makes this test stand in for a process that runs until it is ended.
func TestMain(m *testing.M) {
	if os.Getenv("ZFS_TEST_STAY") != "" {
		_, _ = io.Copy(io.Discard, os.Stdin)
		return
	}
	os.Exit(m.Run())
}

// stay is a process that ps shows as these words, until it is ended.
func stay(t *testing.T, words ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self)
	cmd.Args, cmd.Env = words, append(os.Environ(), "ZFS_TEST_STAY=1")
	_, err = cmd.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd
}

func TestOnlyOurReceiversOfThisDatasetAreEnded(t *testing.T) {
	for _, shell := range []string{"sh", "bash", "ksh"} {
		t.Run(shell, func(t *testing.T) {
			if _, err := exec.LookPath(shell); err != nil {
				t.Skip("there is no " + shell)
			}
			b := newBench(t)
			b.shell = shell
			mine := stay(t, "zfs", "receive", "-s", "-u", "-o", "readonly=on", "backup/zfs-test/mail")
			plain := stay(t, "zfs", "receive", "-s", "-u", "backup/zfs-test/mail")
			var others []*exec.Cmd
			for _, words := range [][]string{
				{"zfs", "receive", "-s", "-u", "-o", "readonly=on", "backup/zfs-test/mail-log"},
				{"zfs", "receive", "-s", "-u", "-o", "readonly=on", "other/backup/zfs-test/mail"},
				{"zfs", "receive", "backup/zfs-test/mail"},
				{"zfs", "send", "-s", "-u", "backup/zfs-test/mail"},
			} {
				others = append(others, stay(t, words...))
			}
			c := b.client("ss2")
			type answer struct {
				pids []int
				err  error
			}
			done := make(chan answer, 1)
			go func() {
				pids, err := c.EndReceivers(t.Context(), "backup/zfs-test/mail")
				done <- answer{pids, err}
			}()
			require.Error(t, mine.Wait(), "killed") // a process that nobody waits for stays as a zombie
			require.Error(t, plain.Wait())
			a := <-done
			require.NoError(t, a.err)
			require.ElementsMatch(t, []int{mine.Process.Pid, plain.Process.Pid}, a.pids)
			for _, o := range others {
				require.NoError(t, o.Process.Signal(syscall.Signal(0)), "%v", o.Args)
			}
			pids, err := c.EndReceivers(t.Context(), "backup/zfs-test/mail")
			require.NoError(t, err)
			require.Empty(t, pids)
		})
	}
}

func TestAReceiverThatDoesNotEndIsTold(t *testing.T) {
	c := New("ss2", scripted(func([]string) (string, string, Exit) { return "12 13\n", "still there: 13\n", Exit{Status: 3} }))
	pids, err := c.EndReceivers(t.Context(), "backup/mail")
	require.ErrorIs(t, err, fault.State)
	require.ErrorIs(t, err, ErrBusy, "it may end later")
	require.ErrorContains(t, err, "ss2: ending the receivers into backup/mail ended with status 3: still there: 13")
	require.Equal(t, []int{12, 13}, pids)

	c = New("ss2", scripted(func([]string) (string, string, Exit) { return "", "sh: ps: not found\n", Exit{Status: 4} }))
	_, err = c.EndReceivers(t.Context(), "backup/mail")
	require.ErrorIs(t, err, fault.State)
	require.NotErrorIs(t, err, ErrBusy)
	c = New("ss2", scripted(func([]string) (string, string, Exit) { return "", "", Exit{Status: -1, Signal: "TERM"} }))
	_, err = c.EndReceivers(t.Context(), "backup/mail")
	require.ErrorIs(t, err, fault.Unreachable, "the host goes down")
	_, err = c.EndReceivers(t.Context(), "backup/$(x)")
	require.ErrorIs(t, err, fault.Invalid)
}

func TestVersionOfThisMachine(t *testing.T) {
	b := newBench(t)
	b.program("zfs", "echo zfs-2.3.2-2; echo zfs-kmod-2.3.2-1")
	b.program("date", `[ "$*" = +%s ] && echo $(($(/bin/date +%s) + 7200))`)
	system, err := b.client("here").System(t.Context())
	require.NoError(t, err)
	require.Contains(t, system.Name, "Linux ")
	require.Equal(t, "2.3.2-2", system.Tools)
	require.Equal(t, "2.3.2-1", system.Module)
	require.InDelta(t, 2*time.Hour, system.Ahead, float64(time.Minute))

	b.program("zfs", "echo \"unrecognized command 'version'\" >&2; exit 2") // illumos
	b.program("date", "echo s")                                             // Solaris 10
	system, err = b.client("here").System(t.Context())
	require.NoError(t, err)
	require.Empty(t, system.Tools)
	require.Zero(t, system.Ahead)

	require.NoError(t, os.Remove(filepath.Join(b.dir, "zfs")))
	if _, err := exec.LookPath("zfs"); err != nil {
		_, err = b.client("here").System(t.Context())
		require.ErrorIs(t, err, fault.Unsupported)
		require.ErrorContains(t, err, "not found")
	}
}

func TestHowMuchAClockIsAhead(t *testing.T) {
	asked := time.Unix(1000, 500e6)
	for second, want := range map[string]time.Duration{"1000": 0, "1001": 0, "1003": 0, "1010": 6 * time.Second, "999": 0, "990": -9 * time.Second, "": 0, "s": 0} {
		require.Equal(t, want, ahead(second, asked, asked.Add(3*time.Second)), second)
	}
}
