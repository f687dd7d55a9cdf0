package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"
	"golang.org/x/crypto/ssh"

	"nightshift/internal/identity"
	"nightshift/internal/inventory"
	"nightshift/internal/sshexec"
	"nightshift/internal/zfs"
)

// recordOptions say how storage hosts with identity records are reached that are in no lab file.
type recordOptions struct{ key, hostKey string }

func (o *recordOptions) flags(f *pflag.FlagSet) {
	f.StringVar(&o.key, "key", "", "`file` of the SSH key for the storage host (default: the SSH agent)")
	f.StringVar(&o.hostKey, "host-key", "", "SHA-256 fingerprint of the storage host's key, SHA256:…, or the `key` itself (default: it is shown, and you are asked)")
}

// placeRecords are those of one place.
type placeRecords struct {
	found []identity.Found
	bad   []identity.Copy
	host  *inventory.SSH // nil: it is a file
	dir   string         // of the file names in host
}

// mostOfAFile is how much of a file is read: one byte more than a record may have.
const mostOfAFile = identity.MostRecord + 1

// recordsAt reads the identity records of a file, or of a storage host: USER@HOST[:PORT], or one of the lab file.
func (a *app) recordsAt(ctx context.Context, o recordOptions, place string, lab *inventory.Lab) (placeRecords, error) {
	if info, err := os.Stat(place); err == nil && info.Mode().IsRegular() {
		return recordInFile(place)
	} else if strings.Contains(place, "/") || strings.HasSuffix(place, ".json") {
		return placeRecords{}, usage("there is no file %s", place)
	}
	entry, dir, err := a.recordHost(ctx, o, place, lab)
	if err != nil {
		return placeRecords{}, err
	}
	r, err := sshexec.Resolve(ctx, "storage host "+place, entry, dir)
	if err != nil {
		return placeRecords{}, err
	}
	client, err := sshexec.Dial(ctx, r)
	if err != nil {
		return placeRecords{}, err
	}
	defer client.Close()
	a.notef("Reading %s …", entry.Address)
	p := placeRecords{host: &entry, dir: dir}
	p.found, p.bad, err = identity.NewStore(zfs.New(place, zfs.OverSSH(client)), client).All(ctx)
	for _, f := range p.found {
		prefix(f.Copies, place)
	}
	prefix(p.bad, place)
	return p, err
}

// prefix says on which host copies are.
func prefix(copies []identity.Copy, host string) {
	for i := range copies {
		copies[i].Where = host + ": " + copies[i].Where
	}
}

func recordInFile(path string) (placeRecords, error) {
	f, err := os.Open(path)
	if err != nil {
		return placeRecords{}, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, mostOfAFile))
	if err != nil {
		return placeRecords{}, err
	}
	r, _, err := identity.Open(b)
	c := identity.Copy{Where: path, Err: err}
	if err == nil {
		c.Record = &r
	}
	found, bad := identity.Sort([]identity.Copy{c})
	return placeRecords{found: found, bad: bad}, nil
}

// recordHost is how a storage host is reached, and the directory of the file names in that.
func (a *app) recordHost(ctx context.Context, o recordOptions, place string, lab *inventory.Lab) (inventory.SSH, string, error) {
	if lab != nil {
		if h, ok := lab.StorageHost(place); ok {
			if o.key != "" || o.hostKey != "" {
				return inventory.SSH{}, "", usage("--key and --host-key: storage host %s is in the lab file, with its own", place)
			}
			return h.SSH, lab.Dir, nil
		}
	}
	user, address, ok := strings.Cut(place, "@")
	if !ok || user == "" || address == "" || strings.HasPrefix(user, "-") {
		what := "say as whom to log in: zfsadm@" + place
		if lab != nil {
			what = "no storage host of the lab file, and no file: " + what
		}
		return inventory.SSH{}, "", usage("%s: %s", place, what)
	}
	if _, _, err := net.SplitHostPort(address); err != nil && strings.Count(address, ":") == 1 {
		return inventory.SSH{}, "", usage("%s: this is no address: HOST or HOST:PORT", place)
	}
	s := inventory.SSH{Address: address, User: user}
	if o.key != "" {
		abs, err := filepath.Abs(o.key)
		if err != nil {
			return s, "", err
		}
		s.Key = abs
	}
	key, err := sshexec.HostKey(ctx, s, ".")
	if err != nil {
		return s, "", err
	}
	s.HostKey = sshexec.HostKeyLine(key)
	return s, ".", a.confirmHostKey(ctx, o, s, key)
}

// confirmHostKey has the host's key compared: with what was given, or by a person.
func (a *app) confirmHostKey(ctx context.Context, o recordOptions, s inventory.SSH, key ssh.PublicKey) error {
	shows := ssh.FingerprintSHA256(key)
	if o.hostKey != "" {
		if o.hostKey == shows || sameHostKey(o.hostKey, s.HostKey) {
			return nil
		}
		return &exitError{exitRefused, fmt.Errorf("%s shows another host key than --host-key says: it shows %s. Somebody may be in between; nothing was sent", s.Address, shows)}
	}
	trustFact{Machine: "storage host", Address: s.Address, What: "host key", Shows: s.HostKey, Known: shows, State: trustNew}.text(a.err, false)
	ok, err := a.ask(ctx, "Is this the storage host's key? Compare it with what the machine itself shows (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub).")
	switch {
	case errors.Is(err, errNoAnswer):
		return &exitError{exitRefused, fmt.Errorf("nobody can be asked whether this is the right host key: compare it, and give --host-key %s; nothing was sent", shows)}
	case err != nil:
		return err
	case !ok:
		return &exitError{exitRefused, errors.New("the host key was not accepted; nothing was sent")}
	}
	return nil
}

// together lays what several places have on one pile. A damaged copy is none where no whole one is left.
func together(places []placeRecords) (found []identity.Found, bad []identity.Copy) {
	var all []identity.Copy
	for _, p := range places {
		for _, f := range p.found {
			all = append(all, f.Copies...)
		}
		bad = append(bad, p.bad...)
	}
	found, _ = identity.Sort(all)
	return found, bad
}

// noRecords is the error where none can be used; nil: there is one.
func noRecords(found []identity.Found, bad []identity.Copy) error {
	if len(found) > 0 {
		return nil
	}
	var errs []error
	for _, c := range bad {
		errs = append(errs, fmt.Errorf("%s: %w", c.Where, c.Err))
	}
	if len(errs) == 0 {
		return errors.New("there is no identity record: nightshift writes one with each `replicate`")
	}
	return fmt.Errorf("no identity record can be used: %w", errors.Join(errs...))
}

// warnBad tells of copies that are of no use.
func (a *app) warnBad(bad []identity.Copy) {
	for _, c := range bad {
		a.notef("! %s is not used: %s", c.Where, oneLine(c.Err))
	}
}
