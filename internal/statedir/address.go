package statedir

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"nightshift/internal/wholefile"
)

// Address tells other commands where the server of a state directory listens. Fields are only ever added.
type Address struct {
	Temporal  string    `json:"temporal"` // host:port of Temporal's frontend
	Namespace string    `json:"namespace"`
	UI        string    `json:"ui,omitempty"`      // URL of the Temporal Web UI; empty: none
	Lab       string    `json:"lab,omitempty"`     // name of the lab that is served
	LabFile   string    `json:"labFile,omitempty"` // absolute path of its lab file
	TaskQueue string    `json:"taskQueue,omitempty"`
	PID       int       `json:"pid"`
	Started   time.Time `json:"started"`
	Version   string    `json:"version,omitempty"` // of nightshift
	Speed     float64   `json:"speed,omitempty"`   // how much faster than a real one the simulated lab is; 0: it is a real one
}

// ErrNoServer: nothing serves the state directory.
var ErrNoServer = errors.New("no nightshift server")

// StaleError says that the server of a state directory ended without withdrawing its address: it was killed, or the machine
// went down. It is an ErrNoServer.
type StaleError struct {
	Dir     string
	Address Address
}

func (e *StaleError) Error() string {
	return fmt.Sprintf("the nightshift server of %s is gone without a goodbye (pid %d, started %s): start it again with `nightshift serve`; runs go on where they were",
		e.Dir, e.Address.PID, e.Address.Started.Local().Format(time.DateTime))
}

// Unwrap makes it an ErrNoServer.
func (e *StaleError) Unwrap() error { return ErrNoServer }

// StartingError says that a server has the directory but does not listen yet.
type StartingError struct {
	Dir string
	PID int // 0: not known
}

func (e *StartingError) Error() string {
	return fmt.Sprintf("the nightshift server of %s (pid %d) is still starting: try again in a moment", e.Dir, e.PID)
}

// Publish writes the address for other commands to find. Only the process that holds the lock may.
func (d *Dir) Publish(a Address) error {
	if !d.Locked() {
		return fmt.Errorf("publish address in %s: the directory is not locked by this process", d.path)
	}
	b, err := json.MarshalIndent(a, "", "  ")
	if err != nil {
		return fmt.Errorf("publish address: %w", err)
	}
	if err := wholefile.Replace(filepath.Join(d.path, addressFile), append(b, '\n')); err != nil {
		return fmt.Errorf("publish address: %w", err)
	}
	return nil
}

// ReadAddress finds the running server of the state directory at path, which may be missing; nothing is created. Errors: an
// ErrNoServer (a *StaleError after a crash), a *StartingError, or whatever kept it from reading.
func ReadAddress(path string) (Address, error) {
	a, err := readAddressFile(path)
	missing := errors.Is(err, fs.ErrNotExist)
	if err != nil && !missing {
		return Address{}, err
	}
	running, err := held(path)
	switch {
	case err != nil:
		return Address{}, err
	case running && (missing || a.PID != readHolder(path).PID): // the other one's: it was killed, and is not yet swept away
		return Address{}, &StartingError{Dir: path, PID: readHolder(path).PID}
	case missing:
		return Address{}, fmt.Errorf("%w for the state directory %s: start one with `nightshift serve`, or name another with --state-dir or --temporal-address", ErrNoServer, path)
	case !running:
		return Address{}, &StaleError{Dir: path, Address: a}
	}
	return a, nil
}

func readAddressFile(dir string) (Address, error) {
	file := filepath.Join(dir, addressFile)
	b, err := os.ReadFile(file)
	if err != nil {
		return Address{}, fmt.Errorf("read server address: %w", err)
	}
	var a Address
	if err := json.Unmarshal(b, &a); err != nil {
		return Address{}, fmt.Errorf("server address %s is damaged (%w): restart `nightshift serve`, which writes it anew", file, err)
	}
	return a, nil
}
