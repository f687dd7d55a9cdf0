package storagesetup

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"nightshift/internal/fault"
)

// facts are what was read on a host.
type facts struct {
	system  string              // Linux, SunOS
	home    string              // of the account; empty: there is none
	files   map[string]string   // content of those that are there, by path
	exists  map[string]bool     // of datasets
	allowed map[string][]string // what the account may do, by dataset
	record  record
	// unitEnabled says that the unit for the boot is.
	unitEnabled bool
}

// missingFile is the exit status of readScript where there is no such file.
const missingFile = 44

const readScript = `if [ -e "$1" ] || [ -L "$1" ]; then cat "$1"; else exit 44; fi`

// readFile answers what a file holds; false: there is none. Files in the account's home are read as the account.
func (m *Machine) readFile(ctx context.Context, account, file string) (string, bool, error) {
	text, err := m.query(ctx, account, script(readScript, file)...)
	if status(err) == missingFile {
		return "", false, nil
	}
	return text, err == nil, err
}

// noEntry is getent's exit status for an account that is not there.
const noEntry = 2

// Read reads all that w is compared with. fault.Permission: the administrator is not root there, nor may become it.
func (m *Machine) Read(ctx context.Context, w Want) error {
	m.facts = facts{files: map[string]string{}, exists: map[string]bool{}, allowed: map[string][]string{}}
	system, err := m.query(ctx, "", "uname", "-s")
	if err != nil {
		return err
	}
	if m.system = strings.TrimSpace(system); m.system != "Linux" {
		return nil
	}
	id, err := m.query(ctx, "", "id", "-u")
	if err == nil && strings.TrimSpace(id) != "0" && m.root == "" {
		err = fault.As(fault.Permission, errors.New("the administrator is not root there"))
	}
	if err != nil {
		return err
	}
	entry, err := m.query(ctx, "", "getent", "passwd", w.Account)
	switch fields := strings.Split(strings.TrimSpace(entry), ":"); {
	case status(err) == noEntry:
	case err != nil:
		return err
	case len(fields) != 7 || !path.IsAbs(fields[5]):
		return fault.As(fault.Unsupported, fmt.Errorf("getent passwd %s prints something else than an account: %q", w.Account, entry))
	default:
		m.home = fields[5]
	}
	if err := m.readFiles(ctx, w); err != nil {
		return err
	}
	return m.readDatasets(ctx, w)
}

func (m *Machine) readFiles(ctx context.Context, w Want) error {
	text, found, err := m.readFile(ctx, "", m.root+recordPath)
	if err != nil {
		return err
	}
	if found {
		if err := json.Unmarshal([]byte(text), &m.record); err != nil || m.record.Version != recordVersion {
			return fault.As(fault.Unsupported, fmt.Errorf("%s is not readable as what this nightshift writes there", recordPath))
		}
	}
	type file struct{ account, path string }
	var list []file
	for _, f := range m.programs(w) {
		list = append(list, file{"", m.root + f.path})
	}
	if m.home != "" {
		for _, name := range []string{authorizedKeys, knownHostsFile, KeyFile + ".pub"} {
			list = append(list, file{w.Account, m.inHome(name)})
		}
	}
	for _, f := range list {
		text, found, err := m.readFile(ctx, f.account, f.path)
		if err != nil {
			return err
		}
		if found {
			m.files[f.path] = text
		}
	}
	if w.LIO {
		_, err := m.query(ctx, "", "systemctl", "is-enabled", "--quiet", lioUnit)
		if m.unitEnabled = err == nil; status(err) == 0 {
			return err
		}
	}
	return nil
}

func (m *Machine) inHome(name string) string { return path.Join(m.home, name) }

func (m *Machine) readDatasets(ctx context.Context, w Want) error {
	if len(w.Sources)+len(w.Targets) == 0 {
		return nil
	}
	names, err := m.query(ctx, "", "zfs", "list", "-H", "-o", "name", "-t", "filesystem,volume")
	if err != nil {
		return err
	}
	for name := range strings.Lines(names) {
		m.exists[strings.TrimSpace(name)] = true
	}
	for _, d := range slices.Concat(w.Sources, w.Targets) {
		if !m.exists[d] {
			continue
		}
		text, err := m.query(ctx, "", "zfs", "allow", d)
		if err != nil {
			return err
		}
		grants, err := parseAllow(text)
		if err != nil {
			return err
		}
		m.allowed[d] = allowedTo(grants, w.Account, d, slices.Contains(w.Targets, d))
	}
	return nil
}

// A grant is a line of what `zfs allow DATASET` prints.
type grant struct {
	dataset           string
	local, descendent bool
	who               string // "user zfsadm"
	permissions       []string
}

// parseAllow reads what `zfs allow DATASET` prints: the dataset first, then those that it lies in. Source of the form:
// print_fs_perms in OpenZFS, cmd/zfs/zfs_main.c. Permission sets and what is given to creators are left out.
func parseAllow(text string) ([]grant, error) {
	var list []grant
	var at grant
	counts := false
	for s := bufio.NewScanner(strings.NewReader(text)); s.Scan(); {
		line := s.Text()
		rest, header := strings.CutPrefix(line, "---- Permissions on ")
		name, _, _ := strings.Cut(rest, " ")
		switch who, indented := strings.CutPrefix(line, "\t"); {
		case header:
			at, counts = grant{dataset: name}, false
		case at.dataset == "" && line != "":
			return nil, fault.As(fault.Unsupported, fmt.Errorf("`zfs allow` prints a line that is not known: %q", line))
		case line == "Local permissions:":
			at.local, at.descendent, counts = true, false, true
		case line == "Descendent permissions:":
			at.local, at.descendent, counts = false, true, true
		case line == "Local+Descendent permissions:":
			at.local, at.descendent, counts = true, true, true
		case line == "Permission sets:", line == "Create time permissions:":
			counts = false
		case line == "":
		case !indented:
			return nil, fault.As(fault.Unsupported, fmt.Errorf("`zfs allow` prints a line that is not known: %q", line))
		case counts:
			cut := strings.LastIndexByte(who, ' ')
			if cut < 0 {
				return nil, fault.As(fault.Unsupported, fmt.Errorf("`zfs allow` prints a line that is not known: %q", line))
			}
			g := at
			g.who, g.permissions = who[:cut], strings.Split(who[cut+1:], ",")
			list = append(list, g)
		}
	}
	return list, nil
}

// allowedTo are the permissions that an account has on a dataset itself; all: and on all that lies in it.
func allowedTo(grants []grant, account, dataset string, all bool) []string {
	var out []string
	for _, g := range grants {
		itself := g.dataset == dataset && g.local && (g.descendent || !all)
		above := g.dataset != dataset && g.descendent
		if g.who == "user "+account && (itself || above) {
			out = append(out, g.permissions...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
