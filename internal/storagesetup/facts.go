package storagesetup

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
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
	// recorded is the SHA-256 of the record as it was read or written; empty: there is none.
	recorded string
	// unitEnabled says that the unit for the boot is.
	unitEnabled bool
}

// readScript prints of each file how long it is, and then what it holds; "-" for one that is not there.
const readScript = `for file; do
	if [ -e "$file" ] || [ -L "$file" ]; then
		size=$(wc -c <"$file") && echo $size && cat "$file" || exit 1
	else
		echo -
	fi
done`

// readAll answers what files hold, those that are there. Files in the account's home are read as the account.
func (m *Machine) readAll(ctx context.Context, account string, files ...string) (map[string]string, error) {
	text, err := m.query(ctx, account, script(readScript, files...)...)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, file := range files {
		size, rest, ok := strings.Cut(text, "\n")
		if text = rest; ok && size == "-" {
			continue
		}
		n, err := strconv.Atoi(size)
		if err != nil || n < 0 || n > len(text) {
			return nil, fault.As(fault.Unreachable, fmt.Errorf("%s changed while it was read", file))
		}
		out[file], text = text[:n], text[n:]
	}
	return out, nil
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
	if m.system = strings.TrimSpace(system); !m.Tried() {
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
	files := []string{m.root + recordPath}
	for _, f := range m.programs(w) {
		files = append(files, m.root+f.path)
	}
	var err error
	if m.files, err = m.readAll(ctx, "", files...); err != nil {
		return err
	}
	m.record, m.recorded = record{}, ""
	if text, found := m.files[m.root+recordPath]; found {
		m.recorded = sumOf(text)
		if err := json.Unmarshal([]byte(text), &m.record); err != nil || m.record.Version != recordVersion {
			return fault.As(fault.Unsupported, fmt.Errorf("%s is not readable as what this nightshift writes there", recordPath))
		}
	}
	if m.home != "" {
		own, err := m.readAll(ctx, w.Account, m.inHome(authorizedKeys), m.inHome(knownHostsFile), m.inHome(KeyFile+".pub"))
		if err != nil {
			return err
		}
		maps.Copy(m.files, own)
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
		m.allowed[d] = allowedTo(grants, w.Account, d, true)
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
