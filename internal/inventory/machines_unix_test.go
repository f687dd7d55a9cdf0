//go:build unix

package inventory_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/inventory"
)

// One file of the library that cannot be read takes none of the others with it, and a pipe keeps nobody waiting.
func TestAFileOfTheLibraryThatCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	library := filepath.Join(dir, "runbooks")
	require.NoError(t, os.Mkdir(library, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(library, "good.yaml"), []byte("name: good"), 0o600))
	require.NoError(t, os.Symlink("nowhere", filepath.Join(library, "dangling.yaml")))
	require.NoError(t, syscall.Mkfifo(filepath.Join(library, "pipe.yaml"), 0o600))
	lab := inventory.Lab{Dir: dir}
	files, err := lab.RunbookFiles()
	require.ErrorContains(t, err, "dangling.yaml: no such file")
	require.ErrorContains(t, err, "pipe.yaml is no regular file")
	require.Equal(t, []inventory.RunbookFile{{Path: filepath.Join(library, "good.yaml"), Data: []byte("name: good")}}, files)
}
