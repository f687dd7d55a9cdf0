package statedir

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
)

// lockPatience is how long Lock tries: a command that looks for a server holds the lock, shared, for an instant.
const lockPatience = time.Second

// LockedError says that another process serves the directory.
type LockedError struct {
	Dir     string
	PID     int     // 0: not known
	Address Address // zero while the other one is still starting
}

func (e *LockedError) Error() string {
	who := "another nightshift"
	switch {
	case e.PID != 0 && e.Address.Temporal != "":
		who += fmt.Sprintf(" (pid %d, at %s)", e.PID, e.Address.Temporal)
	case e.PID != 0:
		who += fmt.Sprintf(" (pid %d, still starting)", e.PID)
	}
	return fmt.Sprintf("%s already serves the state directory %s: use that one, stop it, or give this one a directory of its own with --state-dir", who, e.Dir)
}

// holder is what the lock file says about who holds it. It means nothing while nobody holds the lock.
type holder struct {
	PID     int       `json:"pid"`
	Started time.Time `json:"started"`
}

// Lock makes this process the only server of the directory until Close, or until the process ends in any way: the lock is
// the operating system's. A directory that another process serves gives a *LockedError.
func (d *Dir) Lock(ctx context.Context) error {
	if d.Locked() {
		return nil
	}
	file := filepath.Join(d.path, lockFile)
	lock := flock.New(file, flock.SetPermissions(0o600))
	patience, cancel := context.WithTimeout(ctx, lockPatience)
	defer cancel()
	ok, err := lock.TryLockContext(patience, lockPatience/20)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("lock state directory %s: %w; is it writable, and on a file system that knows locks?", d.path, err)
	}
	if !ok {
		return d.lockedBy()
	}
	d.lock = lock
	if err := writeHolder(file); err != nil {
		return errors.Join(err, d.Close())
	}
	// What a killed server left behind would otherwise look like ours until we publish.
	if err := os.Remove(filepath.Join(d.path, addressFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(fmt.Errorf("remove the address of an earlier server: %w", err), d.Close())
	}
	return nil
}

// Locked says whether this process serves the directory.
func (d *Dir) Locked() bool { return d.lock != nil && d.lock.Locked() }

// Close withdraws the address, if one was published, and frees the lock. The order matters: an address without a lock is
// taken for that of a killed server.
func (d *Dir) Close() error {
	if !d.Locked() {
		return nil
	}
	err := os.Remove(filepath.Join(d.path, addressFile))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	err = errors.Join(err, d.lock.Unlock())
	d.lock = nil
	if err != nil {
		return fmt.Errorf("leave state directory %s: %w", d.path, err)
	}
	return nil
}

func (d *Dir) lockedBy() error {
	e := &LockedError{Dir: d.path, PID: readHolder(d.path).PID}
	if a, err := readAddressFile(d.path); err == nil && a.PID == e.PID {
		e.Address = a
	}
	return e
}

func writeHolder(file string) error {
	b, err := json.Marshal(holder{PID: os.Getpid(), Started: time.Now().UTC().Truncate(time.Second)})
	if err != nil {
		return err
	}
	if err := os.WriteFile(file, append(b, '\n'), 0o600); err != nil {
		return fmt.Errorf("write lock file: %w", err)
	}
	return nil
}

// readHolder says who wrote the lock file; the zero holder when that cannot be read, as it only serves a message.
func readHolder(dir string) holder {
	var h holder
	b, err := os.ReadFile(filepath.Join(dir, lockFile))
	if err != nil || json.Unmarshal(b, &h) != nil {
		return holder{}
	}
	return h
}

// held says whether any process serves the directory.
func held(dir string) (bool, error) {
	// Read-only and without O_CREATE: looking must not leave anything behind.
	lock := flock.New(filepath.Join(dir, lockFile), flock.SetFlag(os.O_RDONLY))
	ok, err := lock.TryRLock()
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for a server of state directory %s: %w", dir, err)
	}
	if !ok {
		return true, nil
	}
	return false, lock.Unlock()
}
