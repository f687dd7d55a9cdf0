package inventory

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// fileMode is that of new lab files: they tell where passwords are kept, and who may switch what off.
const fileMode = 0o600

// WriteNew writes a new lab file in one step, readable by its owner only. What it says must be valid. Without replace an
// existing file is left, and the error is fs.ErrExist; with it, a symbolic link stays one.
func WriteNew(path string, data []byte, replace bool) error {
	if _, err := Parse(path, data); err != nil {
		return err
	}
	if _, err := os.Lstat(path); err == nil {
		if !replace {
			return fmt.Errorf("write the lab file %s: %w", path, fs.ErrExist)
		}
		if path, err = filepath.EvalSymlinks(path); err != nil {
			return fmt.Errorf("find the lab file: %w", err)
		}
	}
	return replaceFile(path, data, fileMode)
}

// replaceFile writes beside the file and renames, so that a crash leaves the old one or the new one. mode 0: that of the
// old one.
func replaceFile(path string, data []byte, mode os.FileMode) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("write the lab file: %w", err)
		}
	}()
	if mode == 0 {
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		mode = info.Mode().Perm()
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(tmp.Name())
		}
	}()
	_, err = tmp.Write(data)
	err = errors.Join(err, tmp.Chmod(mode), tmp.Sync(), tmp.Close())
	if err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}
