//go:build linux || darwin || freebsd

package wholefile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// SyncDir makes a rename in dir survive a power cut.
func SyncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// keepOwner gives a new file the owner and group of the old one, as far as this user may.
func keepOwner(f *os.File, old fs.FileInfo) error {
	is, err := f.Stat()
	if err != nil {
		return err
	}
	now, was := is.Sys().(*syscall.Stat_t), old.Sys().(*syscall.Stat_t)
	if now.Uid == was.Uid && now.Gid == was.Gid || f.Chown(int(was.Uid), int(was.Gid)) == nil || now.Gid == was.Gid {
		return nil
	}
	if err := f.Chown(-1, int(was.Gid)); err != nil {
		return fmt.Errorf("%s belongs to group %d, which this user cannot give it again: %w", old.Name(), was.Gid, err)
	}
	return nil
}
