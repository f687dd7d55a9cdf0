package storagesetup

import (
	_ "embed"
	"net"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh/knownhosts"

	"nightshift/internal/inventory"
)

var (
	//go:embed receive.sh
	receiveProgram string
	//go:embed read.sh
	readProgram string
	//go:embed write-table.sh
	writeTableProgram string
)

// ReadProgram is the program for ReadPath, a script for sh.
func ReadProgram() string { return readProgram }

// WriteTableProgram is the program for WriteTablePath, a script for sh.
func WriteTableProgram() string { return writeTableProgram }

// What is installed on a storage host, beside iscsi.LIOProgramPath.
const (
	// ReceivePath is the only command of the keys of other storage hosts.
	ReceivePath = "/usr/local/sbin/nightshift-receive"
	// ReadPath reads zvols. The service account may run it as root: nightshift-read DATASET SKIP COUNT, in sectors of 512 bytes.
	ReadPath = "/usr/local/sbin/nightshift-read"
	// WriteTablePath puts partition tables of zvols back. The service account may run it as root where the lab file says so:
	// nightshift-write-table DATASET WAS IS SKIP:COUNT..., as its source says.
	WriteTablePath = "/usr/local/sbin/nightshift-write-table"
	// KeyFile is the key of a source for its targets, in the home directory of the service account.
	KeyFile = ".ssh/nightshift"
)

// What ZFS has to allow. Of snapshots, destroy is needed to prune them, and ZFS wants mount wherever it makes or destroys
// something, though nothing is ever mounted.
var (
	sourcePermissions = []string{"bookmark", "destroy", "hold", "mount", "release", "send", "snapshot", "userprop"}
	targetPermissions = []string{"bookmark", "canmount", "create", "destroy", "hold", "mount", "readonly", "receive", "release", "userprop", "volmode"}
)

// A Want is how a storage host is to be.
type Want struct {
	Name    string
	Account string
	// Login is the public key by which nightshift logs in as the account, as in authorized_keys; empty: NoLogin says why there is none.
	Login, NoLogin string
	Sources        []string // datasets that are sent from here
	Targets        []string // datasets below which replicas are received
	Sends          bool     // it sends to other hosts by itself
	From           []string // names of hosts that send to it by themselves
	Known          []Peer   // hosts of the same groups
	LIO            bool     // its target is changed by nightshift
	Tables         bool     // partition tables are put back there
	Elevate        string
}

// A Peer is another storage host, as this one reaches it.
type Peer struct {
	Name, Host, Port, Account string
	HostKey                   string // "ssh-ed25519 AAAA…"
	Sends                     bool   // this one sends to it
}

// line is the peer in known_hosts.
func (p Peer) line() string {
	return knownhosts.Normalize(net.JoinHostPort(p.Host, p.Port)) + " " + p.HostKey
}

// Wants is what the lab file says of a storage host. hostKeys are those of all hosts of its groups, by their names; login is the
// public key of its account.
func Wants(lab *inventory.Lab, h *inventory.StorageHost, hostKeys map[string]string, login, noLogin string) Want {
	w := Want{Name: h.Name, Account: h.SSH.User, Login: login, NoLogin: noLogin, Elevate: h.Elevate}
	w.LIO = h.Target != nil && h.Target.Kind == inventory.TargetLIO
	w.Tables = w.LIO && h.RestorePartitions
	add := func(list *[]string, s string) {
		if !slices.Contains(*list, s) {
			*list = append(*list, s)
		}
	}
	for _, g := range lab.ProtectionGroups {
		direct := g.Send.Via == inventory.ViaDirect && g.Source.Host != g.Target.Host
		if g.Source.Host == h.Name {
			for _, d := range g.Source.Datasets {
				add(&w.Sources, d)
			}
			if direct {
				w.Sends = true
				w.know(lab, g.Target.Host, hostKeys, true)
			}
		}
		if g.Target.Host == h.Name {
			add(&w.Targets, g.Target.Under)
			if direct {
				add(&w.From, g.Source.Host)
				w.know(lab, g.Source.Host, hostKeys, false)
			}
		}
	}
	return w
}

// know adds a host of the same group: also a target knows its source, for the way back.
func (w *Want) know(lab *inventory.Lab, name string, hostKeys map[string]string, sends bool) {
	h, ok := lab.StorageHost(name)
	if !ok {
		return
	}
	for i := range w.Known {
		if w.Known[i].Name == name {
			w.Known[i].Sends = w.Known[i].Sends || sends
			return
		}
	}
	p := Peer{Name: name, Account: h.SSH.User, HostKey: withoutComment(hostKeys[name]), Sends: sends}
	p.Host, p.Port = h.ReplicationAddress()
	w.Known = append(w.Known, p)
}

// withoutComment is the type and the key alone.
func withoutComment(key string) string {
	words := strings.Fields(key)
	return strings.Join(words[:min(2, len(words))], " ")
}

// may lists the programs that the account may run as root.
func (w Want) may() []string {
	var list []string
	if w.LIO {
		list = append(list, lioPath)
	}
	if w.LIO || len(w.Sources)+len(w.Targets) > 0 {
		list = append(list, ReadPath)
	}
	if w.Tables {
		list = append(list, WriteTablePath)
	}
	return list
}

// sudoers is the file that says so, and its name: sudo reads none with a dot in it.
func (w Want) sudoers() (path, text string) {
	path = "/etc/sudoers.d/nightshift-" + strings.ReplaceAll(w.Account, ".", "_")
	text = "# Written by `nightshift lab prepare-storage`: what `zfs allow` cannot permit.\n"
	return path, text + w.Account + " ALL=(root) NOPASSWD: " + strings.Join(w.may(), ", ") + "\n"
}
