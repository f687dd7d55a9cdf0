//go:build linux

package wholefile

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// as says of a process of this test that it is another user, and does what.
const as = "NIGHTSHIFT_TEST_REPLACE"

func TestMain(m *testing.M) {
	if path := os.Getenv(as); path != "" {
		if err := Replace(path, []byte("theirs")); err != nil {
			_, _ = os.Stderr.WriteString(err.Error())
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// A service reads files by their group: that is not lost where somebody else changes them.
func TestOwnerAndGroupAreKept(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	dir := t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o755)) // others come through it
	require.NoError(t, os.Chmod(dir, 0o777))
	self, err := os.ReadFile("/proc/self/exe")
	require.NoError(t, err)
	program := filepath.Join(dir, "program")
	require.NoError(t, os.WriteFile(program, self, 0o755))
	path := filepath.Join(dir, "lab.yaml")
	replaceAs := func(uid, gid uint32, groups ...uint32) error {
		cmd := exec.CommandContext(t.Context(), program)
		cmd.Env = append(os.Environ(), as+"="+path)
		var said strings.Builder
		cmd.Stderr = &said
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: gid, Groups: groups}}
		err := cmd.Run()
		if err != nil {
			t.Log(said.String())
		}
		return err
	}
	owned := func(uid, gid uint32, content string) {
		t.Helper()
		info, err := os.Stat(path)
		require.NoError(t, err)
		st := info.Sys().(*syscall.Stat_t)
		require.Equal(t, []uint32{uid, gid}, []uint32{st.Uid, st.Gid})
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, content, string(b))
		require.Equal(t, os.FileMode(0o640), info.Mode().Perm())
	}
	require.NoError(t, os.WriteFile(path, []byte("first"), 0o640))
	require.NoError(t, os.Chown(path, 11, 22))
	require.NoError(t, Replace(path, []byte("root's")))
	owned(11, 22, "root's")
	require.Error(t, replaceAs(33, 33), "not of the group")
	owned(11, 22, "root's")
	require.NoError(t, replaceAs(33, 33, 22))
	owned(33, 22, "theirs")
}
