package inventory

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"nightshift/internal/wholefile"
)

// WriteNew writes a new lab file in one step, readable by its owner only: it tells where passwords are kept, and who may switch what
// off. Whether what it says is valid is the caller's to look at. Without replace an existing file is left, and the error is fs.ErrExist; with it, a symbolic link
// stays one, and who may read the file stays as it is.
func WriteNew(path string, data []byte, replace bool) error {
	if _, err := os.Lstat(path); err == nil {
		if !replace {
			return fmt.Errorf("write the lab file %s: %w", path, fs.ErrExist)
		}
		if path, err = filepath.EvalSymlinks(path); err != nil {
			return fmt.Errorf("find the lab file: %w", err)
		}
	}
	return replaceFile(path, data)
}

func replaceFile(path string, data []byte) error {
	if err := wholefile.Replace(path, data); err != nil {
		return fmt.Errorf("write the lab file: %w", err)
	}
	return nil
}
