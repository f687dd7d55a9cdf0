package statedir

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// holdEnv names the directory that the test binary, started again, locks and publishes an address in.
const holdEnv = "NIGHTSHIFT_TEST_HOLD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(holdEnv); dir != "" {
		hold(dir)
	}
	os.Exit(m.Run())
}

// hold is a server that waits for its end.
func hold(path string) {
	d, err := Open(path)
	if err == nil {
		err = errors.Join(d.Lock(context.Background()), d.Publish(Address{Temporal: "127.0.0.1:7233", PID: os.Getpid(), Started: time.Now()}))
	}
	if err != nil {
		os.Stdout.WriteString(err.Error())
		os.Exit(1)
	}
	os.Stdout.WriteString("held\n")
	select {}
}

// holder starts a second process that serves dir, and gives back what kills it as kill -9 does.
func startHolder(t *testing.T, dir string) (pid int, kill func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), holdEnv+"="+dir)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	killed := false
	kill = func() {
		if !killed {
			killed = true
			require.NoError(t, cmd.Process.Kill())
			_ = cmd.Wait() // "killed" is what it should say
		}
	}
	t.Cleanup(kill)
	said := make([]byte, 5)
	_, err = out.Read(said)
	require.NoError(t, err)
	require.Equal(t, "held\n", string(said))
	return cmd.Process.Pid, kill
}

func locked(t *testing.T, path string) *Dir {
	t.Helper()
	d, err := Open(path)
	require.NoError(t, err)
	require.NoError(t, d.Lock(t.Context()))
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d
}

func TestPathTakesFlagThenEnvironmentThenXDG(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", "/xdg")
	path := func(flag string) string {
		p, err := Path(flag)
		require.NoError(t, err)
		return p
	}
	require.Equal(t, "/xdg/nightshift", path(""))
	t.Setenv(Env, "/env")
	require.Equal(t, "/env", path(""))
	require.Equal(t, "/flag", path("/flag"))
	require.True(t, filepath.IsAbs(path("relative")))

	t.Setenv(Env, "")
	t.Setenv("XDG_STATE_HOME", "relative is to be ignored")
	require.NotContains(t, path(""), "ignored")

	t.Setenv("XDG_STATE_HOME", "")
	t.Setenv("HOME", "")
	_, err := Path("")
	require.ErrorContains(t, err, "--state-dir")
}

// People ask the service of a package as its user: sudo -u nightshift nightshift status.
func TestPathOfTheServiceIsForItsUser(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", "/xdg")
	t.Setenv(Env, "")
	service := t.TempDir()
	of := func(flag string) string {
		p, err := path(flag, service)
		require.NoError(t, err)
		return p
	}
	require.Equal(t, service, of(""))
	require.Equal(t, "/flag", of("/flag"))
	t.Setenv(Env, "/env")
	require.Equal(t, "/env", of(""))
	t.Setenv(Env, "")
	if os.Geteuid() == 0 {
		require.NoError(t, os.Chown(service, 1, 1))
		require.Equal(t, "/xdg/nightshift", of(""), "that of another user")
	}
}

func TestOpenCreatesItForTheOwnerOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "b")
	d, err := Open(path)
	require.NoError(t, err)
	require.Empty(t, d.Notices())
	requireMode(t, 0o700, path)
}

func TestOpenTightensWhatIsOurs(t *testing.T) {
	for name, content := range map[string]string{"empty": "", "with a database": databaseFile, "with a lock": lockFile} {
		t.Run(name, func(t *testing.T) {
			path := lax(t, content)
			d, err := Open(path)
			require.NoError(t, err)
			require.Len(t, d.Notices(), 1)
			require.Contains(t, d.Notices()[0], "0755")
			requireMode(t, 0o700, path)
		})
	}
}

func TestOpenLeavesASharedDirectoryAlone(t *testing.T) {
	path := lax(t, "somebody's thesis")
	_, err := Open(path)
	require.ErrorContains(t, err, "--state-dir")
	requireMode(t, 0o755, path)
}

func TestOpenWhereNothingCanBeCreated(t *testing.T) {
	_, err := Open("/dev/null/state")
	require.ErrorContains(t, err, "create state directory /dev/null/state")
	require.ErrorContains(t, err, Env)
}

func lax(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "lax")
	require.NoError(t, os.Mkdir(path, 0o700))
	require.NoError(t, os.Chmod(path, 0o755)) // whatever the umask
	if content != "" {
		require.NoError(t, os.WriteFile(filepath.Join(path, content), []byte("x"), 0o600))
	}
	return path
}

func requireMode(t *testing.T, want os.FileMode, path string) {
	t.Helper()
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, want, info.Mode().Perm())
}

func TestSecondServerIsRefusedByName(t *testing.T) {
	path := t.TempDir()
	pid, kill := startHolder(t, path)
	d, err := Open(path)
	require.NoError(t, err)

	var other *LockedError
	require.ErrorAs(t, d.Lock(t.Context()), &other)
	require.Equal(t, pid, other.PID)
	require.ErrorContains(t, other, "127.0.0.1:7233")
	require.ErrorContains(t, other, path)
	require.False(t, d.Locked())

	kill()
	require.NoError(t, d.Lock(t.Context()))
	require.True(t, d.Locked())
	require.NoError(t, d.Close())
}

func TestSecondLockInOneProcessIsRefused(t *testing.T) {
	path := t.TempDir()
	locked(t, path)
	d, err := Open(path)
	require.NoError(t, err)
	var other *LockedError
	require.ErrorAs(t, d.Lock(t.Context()), &other)
	require.Equal(t, os.Getpid(), other.PID)
	require.ErrorContains(t, other, "still starting")
}

func TestReadAddress(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	_, err := ReadAddress(path)
	require.ErrorIs(t, err, ErrNoServer)
	require.NoDirExists(t, path, "looking creates nothing")

	d := locked(t, path)
	var starting *StartingError
	_, err = ReadAddress(path)
	require.ErrorAs(t, err, &starting)
	require.Equal(t, os.Getpid(), starting.PID)

	want := Address{
		Temporal: "127.0.0.1:7233", Namespace: "default", UI: "http://127.0.0.1:8233", Lab: "home", TaskQueue: "lab-home",
		PID: os.Getpid(), Started: time.Date(2026, 11, 20, 23, 0, 0, 0, time.UTC), Version: "1.0",
	}
	require.NoError(t, d.Publish(want))
	got, err := ReadAddress(path)
	require.NoError(t, err)
	require.Equal(t, want, got)
	requireMode(t, 0o600, filepath.Join(path, addressFile))

	require.NoError(t, d.Close())
	_, err = ReadAddress(path)
	require.ErrorIs(t, err, ErrNoServer)
	require.False(t, errors.As(err, new(*StaleError)), "a graceful stop leaves no address")
}

func TestReadAddressOfAKilledServer(t *testing.T) {
	path := t.TempDir()
	pid, kill := startHolder(t, path)
	a, err := ReadAddress(path)
	require.NoError(t, err)
	require.Equal(t, pid, a.PID)
	kill()

	var stale *StaleError
	_, err = ReadAddress(path)
	require.ErrorAs(t, err, &stale)
	require.ErrorIs(t, err, ErrNoServer)
	require.Equal(t, pid, stale.Address.PID)

	locked(t, path)
	_, err = ReadAddress(path)
	require.ErrorAs(t, err, new(*StartingError), "the killed server's address is not taken for the new one's")
}

func TestReadAddressWhileTheNextServerSweepsUp(t *testing.T) {
	path := t.TempDir()
	_, kill := startHolder(t, path)
	left, err := os.ReadFile(filepath.Join(path, addressFile))
	require.NoError(t, err)
	kill()
	locked(t, path)
	require.NoError(t, os.WriteFile(filepath.Join(path, addressFile), left, 0o600))
	var starting *StartingError
	_, err = ReadAddress(path)
	require.ErrorAs(t, err, &starting)
	require.Equal(t, os.Getpid(), starting.PID)
}

func TestReadAddressThatIsDamaged(t *testing.T) {
	path := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(path, addressFile), []byte(`{"temp`), 0o600))
	_, err := ReadAddress(path)
	require.ErrorContains(t, err, "damaged")
}

func TestPublishWantsTheLock(t *testing.T) {
	d, err := Open(t.TempDir())
	require.NoError(t, err)
	require.ErrorContains(t, d.Publish(Address{}), "not locked")
}

func TestLockIsTakenWhileOthersLook(t *testing.T) {
	path := t.TempDir()
	require.NoError(t, writeHolder(filepath.Join(path, lockFile)))
	ctx, cancel := context.WithCancel(t.Context())
	looking := make(chan error)
	go func() {
		for ctx.Err() == nil {
			if _, err := held(path); err != nil {
				looking <- err
				return
			}
		}
		looking <- nil
	}()
	for range 20 {
		d, err := Open(path)
		require.NoError(t, err)
		require.NoError(t, d.Lock(t.Context()))
		require.NoError(t, d.Close())
	}
	cancel()
	require.NoError(t, <-looking)
}

func TestCheckFree(t *testing.T) {
	free := func(n uint64) func(string) (uint64, error) {
		return func(string) (uint64, error) { return n, nil }
	}
	require.NoError(t, CheckFree("/x", MinFree, free(MinFree)))
	var full *FullError
	require.ErrorAs(t, CheckFree("/x", MinFree, free(12<<20)), &full)
	require.ErrorContains(t, full, "disk full: 12 MiB free on the file system of /x, 64 MiB needed")
	require.ErrorContains(t, CheckFree(filepath.Join(t.TempDir(), "missing"), MinFree, FreeBytes), "free space of")

	n, err := FreeBytes(t.TempDir())
	require.NoError(t, err)
	require.Positive(t, n)
}
