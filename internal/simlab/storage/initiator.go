package storage

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"nightshift/internal/fault"
	"nightshift/internal/iscsi"
	"nightshift/internal/sshexec"
)

// Statuses of iscsiadm.
const (
	noTarget    = 8  // no such target there
	loginFailed = 24 // refused: another secret, or an initiator that is not listed
)

// An Initiator is a machine that logs in at targets, and sees disks. It implements iscsi.Runner for iscsi.Disks.
type Initiator struct {
	IQN string
	at  map[string]*Host // where it is logged in, by the target's IQN
}

// NewInitiator makes one that is logged in nowhere.
func NewInitiator(iqn string) *Initiator { return &Initiator{IQN: iqn, at: map[string]*Host{}} }

// Login logs in at a target of a host, with a user and secret of CHAP or without. It answers the status of iscsiadm: 0, or why not.
func (i *Initiator) Login(h *Host, target, user, secret string) int {
	l := h.target
	if l == nil {
		return noTarget
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	groups, _ := filepath.Glob(l.sim.Path("/sys/kernel/config/target/iscsi/" + target + "/tpgt_*")) // a name of ours
	for _, g := range groups {
		if value(g, "enable") != "1" {
			continue
		}
		acl := filepath.Join(g, "acls", i.IQN)
		if _, err := os.Stat(acl); err != nil {
			return loginFailed
		}
		wants := value(acl, "attrib/authentication")
		if wants == "-1" || wants == "" {
			wants = value(g, "attrib/authentication")
		}
		if wants == "1" && (value(acl, "auth/userid") != user || value(acl, "auth/password") != secret || user == "") {
			return loginFailed
		}
		if l.sim.Login(i.IQN, true) != nil {
			return 1
		}
		i.at[target] = h
		return 0
	}
	return noTarget
}

// value is what a file of configfs holds.
func value(dir, file string) string {
	text, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil || strings.TrimSpace(string(text)) == "NULL" {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// Logout ends the session at a target.
func (i *Initiator) Logout(target string) error {
	h := i.at[target]
	if h == nil {
		return nil
	}
	delete(i.at, target)
	h.target.mu.Lock()
	defer h.target.mu.Unlock()
	return h.target.sim.Login(i.IQN, false)
}

// Query implements iscsi.Runner: it knows the script of iscsi.Disks.
func (i *Initiator) Query(ctx context.Context, argv []string) (sshexec.Result, error) {
	if len(argv) != 6 || argv[2] != iscsi.InitiatorScript() {
		return sshexec.Result{Status: notFound}, nil
	}
	var b strings.Builder
	b.WriteString("nightshift-initiator 1\n")
	n := 0
	for target, h := range i.at {
		if argv[5] != "" && argv[5] != target {
			continue
		}
		lus, err := i.shown(ctx, h, target)
		if err != nil {
			return sshexec.Result{}, err
		}
		for _, lun := range slices.Sorted(maps.Keys(lus)) {
			fmt.Fprintf(&b, "D2:0:0:%d\tsd%c\t%s\n%s", lun, 'a'+n, target, answers(lus[lun].Identity))
			n++
		}
	}
	b.WriteString("end\n")
	return sshexec.Result{Stdout: []byte(b.String())}, nil
}

// shown are the logical units that a target shows it.
func (i *Initiator) shown(ctx context.Context, h *Host, target string) (map[uint16]iscsi.LU, error) {
	h.target.mu.Lock()
	defer h.target.mu.Unlock()
	l, err := iscsi.NewLIO(h.target.sim, func(a []string) []string { return a }).List(ctx)
	if err != nil {
		return nil, err
	}
	found := map[uint16]iscsi.LU{}
	for _, lu := range l.LUs {
		for _, p := range lu.Paths {
			for _, a := range p.ACLs {
				if p.Target == target && p.Enabled && a.Initiator == i.IQN {
					found[a.LUN] = lu
				}
			}
		}
	}
	return found, nil
}

// Volume is the volume behind a LUN, and its host; nil: it sees none.
func (i *Initiator) Volume(ctx context.Context, target string, lun uint16) (h *Host, volume string) {
	if h = i.at[target]; h == nil {
		return nil, ""
	}
	lus, err := i.shown(ctx, h, target)
	if err != nil || lus[lun].Device == "" {
		return nil, ""
	}
	return h, strings.TrimPrefix(lus[lun].Device, "/dev/zvol/")
}

// Act implements iscsi.Runner: an initiator changes nothing.
func (i *Initiator) Act(context.Context, []string, io.Reader) (sshexec.Result, error) {
	return sshexec.Result{}, fault.As(fault.NotDone, fault.As(fault.Unsupported, errors.New("an initiator changes nothing")))
}

// answers are what a logical unit says when it is asked, as sysfs keeps it (SPC-5, SBC-4).
func answers(id iscsi.Identity) string {
	inquiry := make([]byte, 36)
	inquiry[2], inquiry[3], inquiry[4] = 6, 2, 31
	if id.ExtendedCopy != nil && *id.ExtendedCopy {
		inquiry[5] |= 8
	}
	copy(inquiry[8:], padded(id.Vendor, 8)+padded(id.Product, 16)+padded(id.Revision, 4))
	var names []byte
	for _, d := range id.Designators {
		names = append(names, d.CodeSet, d.Association<<4|d.Type, 0, byte(len(d.Value)))
		names = append(names, d.Value...)
	}
	limits := make([]byte, 60)
	if id.CompareAndWrite != nil && *id.CompareAndWrite {
		limits[1] = 1
	}
	cache := "write through"
	if id.WriteCache != nil && *id.WriteCache {
		cache = "write back"
	}
	return fmt.Sprintf("inquiry\t%x\nvpd_pg80\t%x\nvpd_pg83\t%x\nvpd_pgb0\t%x\nNsectors\t%d\nNlogical\t%d\nNphysical\t%d\nCcache\t%s\n",
		inquiry, page(0x80, []byte(id.Serial)), page(0x83, names), page(0xb0, limits), id.Size/sector, id.LogicalBlock, id.PhysicalBlock, cache)
}

func padded(s string, n int) string { return (s + strings.Repeat(" ", n))[:n] }

func page(number byte, body []byte) []byte {
	return append(binary.BigEndian.AppendUint16([]byte{0, number}, uint16(len(body))), body...)
}
