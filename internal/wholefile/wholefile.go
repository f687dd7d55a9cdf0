// Package wholefile puts files in their place whole: who reads one, whenever the power is cut, sees the old content or the new one,
// never a part. It knows nothing of what is in them.
package wholefile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Mode is that of new files: for their owner only.
const Mode fs.FileMode = 0o600

// Replace writes a file, in a directory that is there. One that it replaces leaves it its mode, owner and group; a symbolic link stays
// one, and what is no regular file is not replaced. Where the group may not be kept nothing is replaced, as those of the group could no longer read it. Of the owner that is tried
// only. A process that is killed may leave a file beside it whose name begins with a dot.
func Replace(path string, data []byte) error {
	if to, err := filepath.EvalSymlinks(path); err == nil {
		path = to
	}
	old, err := os.Stat(path)
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	case err == nil && !old.Mode().IsRegular(): // root could put a file into the place of /dev/null
		return fmt.Errorf("%s is no regular file", path)
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	mode := Mode
	if old != nil {
		mode, err = old.Mode().Perm(), keepOwner(tmp, old)
	}
	if err == nil {
		_, err = tmp.Write(data)
	}
	err = errors.Join(err, tmp.Chmod(mode), tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	return SyncDir(filepath.Dir(path))
}
