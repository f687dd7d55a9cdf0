package wholefile

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestReplace(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "lab.yaml")
	is := func(content string, mode os.FileMode) {
		t.Helper()
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, content, string(b))
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.Equal(t, mode, info.Mode().Perm())
	}
	require.NoError(t, Replace(path, []byte("new")))
	is("new", 0o600)
	require.NoError(t, os.Chmod(path, 0o640))
	require.NoError(t, Replace(path, []byte("newer")))
	is("newer", 0o640)

	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(path, link))
	require.NoError(t, Replace(link, []byte("newest")))
	is("newest", 0o640)
	info, err := os.Lstat(link)
	require.NoError(t, err)
	require.NotZero(t, info.Mode()&os.ModeSymlink)

	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 1, "nothing is left beside it")
	require.Error(t, Replace(filepath.Join(dir, "none", "lab.yaml"), nil))
	for _, no := range []string{dir, os.DevNull} {
		require.ErrorContains(t, Replace(no, nil), "no regular file")
	}
}
