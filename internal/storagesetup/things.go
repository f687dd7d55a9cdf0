package storagesetup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"slices"
	"strings"

	"nightshift/internal/inventory"
	"nightshift/internal/iscsi"
)

const (
	authorizedKeys = ".ssh/authorized_keys"
	knownHostsFile = ".ssh/known_hosts"
	lioPath        = iscsi.LIOProgramPath
	lioUnit        = "nightshift-lio.service"
)

// States of a thing.
const (
	So      = "already so"
	Missing = "missing"
	Differs = "differs"
	Waits   = "waits"   // for something else on this list
	Manual  = "by hand" // it is only shown
	Done    = "done"
	Undone  = "undone"
	Left    = "left as it is"
)

// A Thing is one part of how a storage host is to be.
type Thing struct {
	Host  string `json:"host"`
	What  string `json:"what"`
	State string `json:"state"`
	// How is what brings it about, or takes it back, as a person would type it; else what there is to say.
	How string `json:"how,omitempty"`

	entry entry
	do    func(ctx context.Context) error
}

// Open says that there is something to do.
func (t Thing) Open() bool { return t.State == Missing || t.State == Differs }

// file is one that is ours altogether.
type file struct{ what, path, mode, text string }

// programs are the files that w wants, in the order in which they are needed.
func (m *Machine) programs(w Want) []file {
	var list []file
	if len(w.From) > 0 {
		list = append(list, file{"the program that lets others do nothing but zfs receive", ReceivePath, "755", receiveProgram})
	}
	if slices.Contains(w.may(), ReadPath) {
		list = append(list, file{"the program that reads zvols", ReadPath, "755", readProgram})
	}
	if w.Tables {
		list = append(list, file{"the program that puts partition tables back", WriteTablePath, "755", writeTableProgram})
	}
	if w.LIO {
		list = append(list, file{"the program that publishes LUNs", lioPath, "755", iscsi.LIOProgram()},
			file{"the unit that publishes them when the host boots", iscsi.LIOUnitPath, "644", iscsi.LIOUnit()})
	}
	if w.Elevate == inventory.ElevateSudo && len(w.may()) > 0 {
		path, text := w.sudoers()
		list = append(list, file{"what the account may run as root", path, "440", text})
	}
	return list
}

// Things compares what was read with what is wanted. senders are the public keys of the hosts that send to it, by their names, as
// far as they have one.
func (m *Machine) Things(w Want, senders map[string]string) []Thing {
	if !m.Tried() {
		return manual(w, m.system)
	}
	list := []Thing{m.account(w)}
	list = append(list, m.inSSH(w, senders)...)
	for _, f := range m.programs(w) {
		list = append(list, m.whole(w, f))
	}
	if w.LIO {
		list = append(list, m.enabled(w))
	}
	for _, d := range w.Targets {
		list = append(list, m.datasets(w, d)...)
	}
	for _, d := range w.Sources {
		list = append(list, m.permissions(w, d, sourcePermissions, true))
	}
	for _, d := range w.Targets {
		list = append(list, m.permissions(w, d, targetPermissions, false))
	}
	if m.home == "" { // all else needs the account
		for i := range list[1:] {
			if t := &list[1+i]; t.Open() && t.entry.Kind != didDataset && t.entry.Kind != didFile {
				t.State = Waits
			}
		}
	}
	return list
}

func (m *Machine) account(w Want) Thing {
	argv := []string{"useradd", "--create-home", "--shell", "/bin/sh", "--comment", "nightshift", "--password", "*", w.Account}
	t := Thing{Host: w.Name, What: "the account " + w.Account, State: So, entry: entry{Kind: didAccount, Account: w.Account}}
	if m.home == "" {
		t.State, t.How = Missing, typed(argv)
		t.do = func(ctx context.Context) error { return m.act(ctx, "", "", argv...) }
	}
	return t
}

const directoryScript = `umask 077; mkdir "$1"`

// inSSH is what belongs into the account's .ssh.
func (m *Machine) inSSH(w Want, senders map[string]string) []Thing {
	var list []Thing
	switch {
	case w.Login != "":
		list = append(list, m.line(w, "nightshift logs in as "+w.Account, authorizedKeys, "restrict "+withoutComment(w.Login)+" nightshift"))
	case w.NoLogin != "":
		list = append(list, Thing{Host: w.Name, What: "nightshift logs in as " + w.Account, State: Manual, How: w.NoLogin})
	}
	if w.Sends {
		list = append(list, m.key(w))
	}
	for _, name := range w.From {
		what := fmt.Sprintf("%s sends to it, and may do nothing else", name)
		if senders[name] == "" {
			list = append(list, Thing{Host: w.Name, What: what, State: Waits, How: "until " + name + " has a key"})
			continue
		}
		list = append(list, m.line(w, what, authorizedKeys, `restrict,command="`+ReceivePath+`" `+withoutComment(senders[name])+" nightshift:"+name))
	}
	for _, p := range w.Known {
		if p.HostKey == "" {
			list = append(list, Thing{Host: w.Name, What: "knows " + p.Name, State: Manual, How: "the host key of " + p.Name + " is not known here: name it on the command line, too"})
			continue
		}
		list = append(list, m.line(w, "knows "+p.Name, knownHostsFile, p.line()))
	}
	return list
}

const lineScript = `umask 077
mkdir -p "$(dirname "$1")" || exit
[ ! -s "$1" ] || [ -z "$(tail -c 1 "$1")" ] || echo >>"$1" || exit
printf '%s\n' "$2" >>"$1"`

// line is one that a file in the account's home has. It is written as the account: root does not follow links there.
func (m *Machine) line(w Want, what, name, line string) Thing {
	path := m.inHome(name)
	text, found := m.files[path]
	t := Thing{Host: w.Name, What: what, State: So, entry: entry{Kind: didLine, Account: w.Account, Path: path, Line: line, Made: !found}}
	if m.home == "" || !slices.Contains(strings.Split(text, "\n"), line) {
		t.State, t.How = Missing, fmt.Sprintf("~%s/%s: %s", w.Account, name, line)
		t.do = func(ctx context.Context) error { return m.act(ctx, w.Account, "", script(lineScript, path, line)...) }
	}
	return t
}

func (m *Machine) key(w Want) Thing {
	path := m.inHome(KeyFile)
	t := Thing{Host: w.Name, What: "its key for the hosts that it sends to", State: So, entry: entry{Kind: didKey, Account: w.Account, Path: path}}
	if m.home == "" || m.Key() == "" {
		argv := []string{"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "nightshift:" + w.Name, "-f", path}
		t.State, t.How = Missing, strings.Replace(typed(argv), path, "~"+w.Account+"/"+KeyFile, 1)
		t.do = func(ctx context.Context) error {
			return m.act(ctx, w.Account, "", script(directoryScript+` 2>/dev/null; shift; exec "$@"`, append([]string{dirOf(path)}, argv...)...)...)
		}
	}
	return t
}

func dirOf(p string) string { return path.Dir(p) }

// Key is the public key of the account, by which it sends to others; empty: it has none yet.
func (m *Machine) Key() string { return strings.TrimSpace(m.files[m.inHome(KeyFile+".pub")]) }

const wholeScript = `umask 077
cat >"$1.nightshift-new" && chmod "$2" "$1.nightshift-new" && { [ "$3" != check ] || visudo -cqf "$1.nightshift-new"; } && mv -f "$1.nightshift-new" "$1" && exit
rm -f "$1.nightshift-new"
exit 1`

func sumOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func (m *Machine) whole(w Want, f file) Thing {
	t := Thing{Host: w.Name, What: f.what, State: So, entry: entry{Kind: didFile, Path: f.path, Sum: sumOf(f.text)}}
	text, found := m.files[m.root+f.path]
	if found && text == f.text {
		return t
	}
	if t.State, t.How = Missing, fmt.Sprintf("%s, %d bytes, mode %s, root's", f.path, len(f.text), f.mode); found {
		t.State = Differs
		if was := sumOf(text); m.record.written(f.path, was) {
			t.entry.Was = was
		}
	}
	check := ""
	if strings.HasPrefix(f.path, "/etc/sudoers.d/") {
		check = "check"
		lines := strings.Split(strings.TrimSpace(f.text), "\n")
		t.How = f.path + ": " + lines[len(lines)-1]
	}
	t.do = func(ctx context.Context) error {
		return m.act(ctx, "", f.text, script(wholeScript, m.root+f.path, f.mode, check)...)
	}
	return t
}

// enabled is the unit for the boot. It is enabled when its file is written: a link that is there says so.
func (m *Machine) enabled(w Want) Thing {
	argv := []string{"systemctl", "enable", "--quiet", lioUnit}
	t := Thing{Host: w.Name, What: "that unit is enabled", State: So, entry: entry{Kind: didEnable, Unit: lioUnit}}
	if !m.unitEnabled {
		t.State, t.How = Missing, typed(argv)
		t.do = func(ctx context.Context) error {
			if err := m.act(ctx, "", "", "systemctl", "daemon-reload"); err != nil {
				return err
			}
			return m.act(ctx, "", "", argv...)
		}
	}
	return t
}

// datasets are those that replicas are received below, with those that they lie in.
func (m *Machine) datasets(w Want, name string) []Thing {
	pool, _, _ := strings.Cut(name, "/")
	if !m.exists[pool] {
		return []Thing{{Host: w.Name, What: "the pool " + pool, State: Manual, How: "there is no such pool: nightshift makes none"}}
	}
	var list []Thing
	for i := range len(name) + 1 {
		if i < len(name) && name[i] != '/' {
			continue
		}
		d := name[:i]
		if m.exists[d] {
			continue
		}
		argv := []string{"zfs", "create", "-o", "canmount=off", "-o", "mountpoint=none", d}
		list = append(list, Thing{Host: w.Name, What: "the dataset " + d, State: Missing, How: typed(argv), entry: entry{Kind: didDataset, Dataset: d},
			do: func(ctx context.Context) error { return m.act(ctx, "", "", argv...) }})
	}
	if len(list) == 0 {
		list = append(list, Thing{Host: w.Name, What: "the dataset " + name, State: So})
	}
	return list
}

// permissions are what ZFS lets the account do with a dataset, its snapshots, which ZFS takes for descendents, and what lies in it.
// local: it has to be there already.
func (m *Machine) permissions(w Want, dataset string, want []string, local bool) Thing {
	t := Thing{Host: w.Name, What: fmt.Sprintf("what %s may do with %s", w.Account, dataset), State: So}
	var lack []string
	for _, p := range want {
		if !slices.Contains(m.allowed[dataset], p) {
			lack = append(lack, p)
		}
	}
	switch {
	case local && !m.exists[dataset]:
		t.State, t.How = Manual, "there is no such dataset: correct the lab file, or make it"
	case len(lack) > 0:
		argv := allowCommand("allow", w.Account, lack, dataset)
		t.State, t.How, t.entry = Missing, typed(argv), entry{Kind: didAllow, Account: w.Account, Dataset: dataset, Allowed: lack}
		t.do = func(ctx context.Context) error { return m.act(ctx, "", "", argv...) }
		if !m.exists[dataset] {
			t.State = Waits
		}
	}
	return t
}

func allowCommand(verb, account string, permissions []string, dataset string) []string {
	return []string{"zfs", verb, "-u", account, strings.Join(permissions, ","), dataset}
}
