package inventory

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"nightshift/internal/yamlfile"
)

// A Machine is something else that step runbooks run commands on: a vCenter's appliance, a backup server.
type Machine struct {
	Name string `json:"name"`
	SSH  SSH    `json:"ssh"`
}

// A Login is an account inside a guest, for programs that are started through VMware Tools.
type Login struct {
	User     string    `json:"user"`
	Password SecretRef `json:"password"` // a reference, never the password itself
}

// SSHMachine finds where commands run that name a machine: one of machines, storageHosts, or a host with ssh. what is how
// errors call it.
func (l *Lab) SSHMachine(name string) (s SSH, what string, ok bool) {
	if m, ok := find(l.Machines, func(m *Machine) bool { return m.Name == name }); ok {
		return m.SSH, "machine " + name, true
	}
	if h, ok := find(l.StorageHosts, func(h *StorageHost) bool { return h.Name == name }); ok {
		return h.SSH, "storage host " + name, true
	}
	if h, ok := l.Host(name); ok && h.SSH != nil {
		return *h.SSH, "host " + name, true
	}
	return SSH{}, "", false
}

// SSHMachines names all of them.
func (l *Lab) SSHMachines() (all []string) {
	for _, m := range l.Machines {
		all = append(all, m.Name)
	}
	for _, h := range l.StorageHosts {
		all = append(all, h.Name)
	}
	for _, h := range l.Hosts {
		if h.SSH != nil {
			all = append(all, h.Name)
		}
	}
	return all
}

func (c *checker) machinesOfSteps() {
	seen := map[string]string{}
	for i, h := range c.f.Hosts {
		if h.SSH != nil {
			seen[h.Name] = fmt.Sprintf("hosts[%d].name", i)
		}
	}
	for i, h := range c.f.StorageHosts {
		seen[h.Name] = fmt.Sprintf("storageHosts[%d].name", i)
	}
	for i, m := range c.f.Machines {
		at := fmt.Sprintf("machines[%d]", i)
		c.name(at+".name", m.Name)
		c.unique(seen, m.Name, at+".name", "a machine that is reached over SSH and called "+m.Name)
		if !c.has(at + ".ssh") {
			continue
		}
		c.ssh(at+".ssh", m.SSH)
		c.sshLogin(at+".ssh", m.SSH)
	}
	for i, g := range c.f.Guests {
		if g.Login != nil {
			c.secret(fmt.Sprintf("guests[%d].login.password", i), g.Login.Password)
		}
	}
}

// A RunbookFile is a step runbook of the user's own.
type RunbookFile struct {
	Path string
	Data []byte
}

const (
	defaultLibrary = "runbooks"
	runbookSuffix  = ".yaml"
	mostRunbooks   = 500
)

// libraryDir is where step runbooks of the user's own lie; asked: the lab file names it.
func (f *File) libraryDir(dir string) (path string, asked bool) {
	if f.Library == "" {
		return filepath.Join(dir, defaultLibrary), false
	}
	if filepath.IsAbs(f.Library) {
		return f.Library, true
	}
	return filepath.Join(dir, f.Library), true
}

// LibraryDir is the directory of the step runbooks of the user's own. It may not be there.
func (l *Lab) LibraryDir() string {
	dir, _ := l.libraryDir(l.Dir)
	return dir
}

// RunbookFiles reads the step runbooks of the user's own as they are now, by name. A directory that is not there has none,
// if the lab file does not name it.
func (l *Lab) RunbookFiles() ([]RunbookFile, error) {
	dir, asked := l.libraryDir(l.Dir)
	names, err := runbooksIn(dir)
	if errors.Is(err, fs.ErrNotExist) && !asked {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the directory of runbooks (library: in the lab file): %w", err)
	}
	var out []RunbookFile
	var errs []error
	for _, name := range names {
		path := filepath.Join(dir, name+runbookSuffix)
		data, err := ReadRunbook(path)
		if err != nil { // the others are as good as they were
			errs = append(errs, err)
			continue
		}
		out = append(out, RunbookFile{path, data})
	}
	return out, errors.Join(errs...)
}

// ReadRunbook stops reading where a runbook would be too large anyway.
func ReadRunbook(path string) ([]byte, error) {
	info, err := os.Stat(path) // before Open, which waits at a pipe for somebody to write
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no regular file", path)
	}
	if err != nil {
		return nil, fmt.Errorf("read the runbook: %w", err)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the runbook: %w", err)
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, yamlfile.MaxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read the runbook %s: %w", path, err)
	}
	return data, nil
}

// runbooksIn names the runbooks of a directory.
func runbooksIn(dir string) (names []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), runbookSuffix); ok && !e.IsDir() && !strings.HasPrefix(name, ".") {
			names = append(names, name)
		}
	}
	if len(names) > mostRunbooks {
		return nil, fmt.Errorf("%s holds more than %d runbooks", dir, mostRunbooks)
	}
	slices.Sort(names)
	return names, nil
}

// runbookNames are those that may have settings: nightshift's own, and the user's.
func (c *checker) runbookNames() []string {
	dir, _ := c.f.libraryDir(filepath.Dir(c.File))
	own, err := runbooksIn(dir)
	if err != nil { // whoever runs one hears of it
		own = nil
	}
	return append(RunbookNames(), own...)
}
