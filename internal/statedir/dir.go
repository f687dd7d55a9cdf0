// Package statedir knows the directory in which one nightshift server keeps what must survive it: the engine's database,
// the lock that keeps a second server out, and the file that tells the other commands where the server listens; and its
// backups. It knows nothing of Temporal, so that commands which only look for a server compile and start fast.
package statedir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/adrg/xdg"
	"github.com/gofrs/flock"
)

// Env is the environment variable that moves the state directory.
const Env = "NIGHTSHIFT_STATE_DIR"

// Service is the state directory of the service that packages install (deploy/systemd). It belongs to that service's user.
const Service = "/var/lib/nightshift"

// Names of the files in a state directory.
const (
	databaseFile = "temporal.db"
	lockFile     = "nightshift.lock"
	addressFile  = "address.json"
)

// Path says which directory is meant, as an absolute path: the flag's value, else $NIGHTSHIFT_STATE_DIR, else Service for
// the user that it belongs to, else nightshift under the XDG state home. It creates nothing.
func Path(flag string) (string, error) { return path(flag, Service) }

func path(flag, service string) (string, error) {
	dir := flag
	if dir == "" {
		dir = os.Getenv(Env)
	}
	if info, err := os.Stat(service); dir == "" && err == nil && modesCount && ownedByUs(info) {
		dir = service
	}
	if dir == "" {
		home, err := stateHome()
		if err != nil {
			return "", err
		}
		dir = filepath.Join(home, "nightshift")
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("state directory %s: %w", dir, err)
	}
	return abs, nil
}

func stateHome() (string, error) {
	// Not xdg.StateHome alone: the library reads the environment once, when the program starts.
	if home := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(home) {
		return home, nil
	}
	if _, err := os.UserHomeDir(); err != nil {
		return "", fmt.Errorf("no place for the state directory: %w; set --state-dir or $%s", err, Env)
	}
	return xdg.StateHome, nil
}

// Dir is an existing state directory that only its owner can enter. Not for use by several goroutines.
type Dir struct {
	path    string
	notices []string
	lock    *flock.Flock // nil unless held
}

// Open creates the directory with mode 0700, or takes an existing one. One that others may enter is tightened when it is a
// state directory of ours already or empty, and refused otherwise: the path may be somebody's home or /tmp.
func Open(path string) (*Dir, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("create state directory %s: %w; choose another with --state-dir or $%s", path, err, Env)
	}
	d := &Dir{path: path}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("state directory %s: %w", path, err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 && modesCount {
		if err := d.tighten(info); err != nil {
			return nil, err
		}
	}
	return d, nil
}

func (d *Dir) tighten(info fs.FileInfo) error {
	mode := info.Mode().Perm()
	if !ownedByUs(info) {
		return fmt.Errorf("state directory %s belongs to another user and is open to others (mode %04o): choose another with --state-dir or $%s", d.path, mode, Env)
	}
	ours, err := oursOrEmpty(d.path)
	if err != nil {
		return fmt.Errorf("state directory %s: %w", d.path, err)
	}
	if !ours {
		return fmt.Errorf("%s is open to others (mode %04o) and holds files that are not nightshift's: choose a directory of its own with --state-dir or $%s", d.path, mode, Env)
	}
	if err := os.Chmod(d.path, 0o700); err != nil {
		return fmt.Errorf("state directory %s is open to others (mode %04o) and could not be closed: %w", d.path, mode, err)
	}
	d.notices = append(d.notices, fmt.Sprintf("state directory %s was open to others (mode %04o): now 0700", d.path, mode))
	return nil
}

func oursOrEmpty(path string) (bool, error) {
	for _, name := range []string{databaseFile, lockFile, addressFile} {
		_, err := os.Lstat(filepath.Join(path, name))
		if err == nil {
			return true, nil
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return false, err
		}
	}
	entries, err := os.ReadDir(path)
	return len(entries) == 0, err
}

// Path is the absolute path of the directory.
func (d *Dir) Path() string { return d.path }

// Database is the path of the engine's SQLite file.
func (d *Dir) Database() string { return filepath.Join(d.path, databaseFile) }

// Database is the path of the engine's SQLite file in the state directory at path.
func Database(path string) string { return filepath.Join(path, databaseFile) }

// Notices say, for the log, what Open had to change.
func (d *Dir) Notices() []string { return d.notices }
