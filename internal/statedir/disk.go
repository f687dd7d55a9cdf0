package statedir

import "fmt"

// MinFree is the free space in bytes below which a server does not start: the database writes before every act, and a
// server that cannot write can neither go on nor stop a run.
const MinFree = 64 << 20

// FullError says that the file system of a state directory has too little space. Sizes are in bytes.
type FullError struct {
	Path       string
	Free, Need uint64
}

func (e *FullError) Error() string {
	return fmt.Sprintf("disk full: %d MiB free on the file system of %s, %d MiB needed: free some space there, or move the state directory with --state-dir",
		e.Free>>20, e.Path, e.Need>>20)
}

// CheckFree gives a *FullError when fewer than need bytes are free where path lies. free is FreeBytes, or a test's.
func CheckFree(path string, need uint64, free func(path string) (uint64, error)) error {
	n, err := free(path)
	if err != nil {
		return fmt.Errorf("free space of %s: %w", path, err)
	}
	if n < need {
		return &FullError{Path: path, Free: n, Need: need}
	}
	return nil
}
