package storagesetup

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// Do brings things about, those that are open, in their order: it writes down what it is about to do, and does it. It stops at the
// first that fails, and answers how many are done: what is not done is then on the record as it was before.
func (m *Machine) Do(ctx context.Context, things []Thing, told func(Thing)) (int, error) {
	open := slices.DeleteFunc(slices.Clone(things), func(t Thing) bool { return !t.Open() || t.do == nil })
	if len(open) == 0 {
		return 0, nil
	}
	before := m.record.Done
	if err := m.writeRecord(ctx, with(before, open)); err != nil {
		return 0, err
	}
	for i, t := range open {
		err := t.do(ctx)
		if err == nil {
			told(t)
			continue
		}
		tried := open[:i+1]
		if status(err) != 0 { // the host answered that it was not done
			tried = open[:i]
		}
		if len(tried) < len(open) {
			if recordErr := m.writeRecord(ctx, with(before, tried)); recordErr != nil {
				err = fmt.Errorf("%w; %w", err, recordErr)
			}
		}
		return i, fmt.Errorf("%s: %s: %w", t.Host, t.What, err)
	}
	return len(open), nil
}

// hello is what ReceivePath answers nightshift-hello with.
const hello = "nightshift-receive 1"

// Reaches tries whether the account reaches another host by itself, and is let in there to send to it.
func (m *Machine) Reaches(ctx context.Context, w Want, p Peer) error {
	got, err := m.query(ctx, w.Account, "ssh", "-T", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", "-o", "ConnectTimeout=15",
		"-o", "IdentitiesOnly=yes", "-i", m.inHome(KeyFile), "-p", p.Port, "-l", p.Account, "--", p.Host, "nightshift-hello")
	if err == nil && strings.TrimSpace(got) != hello {
		err = fmt.Errorf("it answers %q, not %q", strings.TrimSpace(got), hello)
	}
	return err
}

const (
	unlineScript = `umask 077
grep -Fxv -- "$2" "$1" >"$1.nightshift-new"
[ $? -le 1 ] && cat "$1.nightshift-new" >"$1" || exit
rm -f "$1.nightshift-new"
[ "$3" != made ] || [ -s "$1" ] || rm -f "$1"`
	unkeyScript = `rm -f "$1" "$1.pub"`
)

// Record lists what was done on the host and is not undone, the newest first, with the command that takes it back.
func (m *Machine) Record(host string) []Thing {
	var list []Thing
	for _, e := range slices.Backward(m.record.Done) {
		t := Thing{Host: host, What: e.words(), State: Done, entry: e}
		if e.Kind == didAccount || !m.goesWith(e) {
			t.How = typed(m.undoing(e))
		}
		list = append(list, t)
	}
	return list
}

// goesWith says that a thing in a home directory goes with the account.
func (m *Machine) goesWith(e entry) bool {
	return (e.Kind == didLine || e.Kind == didKey) && slices.ContainsFunc(m.record.Done, func(x entry) bool { return x.Kind == didAccount && x.Account == e.Account })
}

func (e entry) words() string {
	switch e.Kind {
	case didAccount:
		return "the account " + e.Account + ", with its home directory"
	case didLine:
		return "a line in " + e.Path
	case didKey:
		return "the key " + e.Path
	case didFile:
		return e.Path
	case didDataset:
		return "the dataset " + e.Dataset
	case didAllow:
		return fmt.Sprintf("what %s may do with %s", e.Account, e.Dataset)
	case didEnable:
		return "the unit " + e.Unit + " is enabled"
	}
	return e.Kind
}

// undoing is the command that takes something back.
func (m *Machine) undoing(e entry) []string {
	switch e.Kind {
	case didAccount:
		return []string{"userdel", "--remove", e.Account}
	case didLine:
		made := ""
		if e.Made {
			made = "made"
		}
		return script(unlineScript, e.Path, e.Line, made)
	case didKey:
		return script(unkeyScript, e.Path)
	case didFile:
		return []string{"rm", "-f", m.root + e.Path}
	case didDataset:
		return []string{"zfs", "destroy", e.Dataset} // neither -r nor -f: not what something lies below; still keeps it from files
	case didAllow:
		return allowCommand("unallow", e.Account, e.Allowed, e.Dataset)
	case didEnable:
		return []string{"systemctl", "disable", "--quiet", e.Unit}
	}
	return nil
}

// loggedIn is userdel's exit status for an account that processes run as (userdel(8)).
const loggedIn = 8

// errChanged: somebody has changed it since.
var errChanged = errors.New("somebody has changed it since it was written")

// keptScript prints a file below the directory $1, if there is one.
const keptScript = `[ ! -d "$1" ] || find "$1" -type f | head -n 1`

// Undo takes one thing of the record back. What somebody has changed since, or put something into, stays, and on the record.
func (m *Machine) Undo(ctx context.Context, t Thing) error {
	e := t.entry
	argv := m.undoing(e)
	account := ""
	if e.Kind == didLine || e.Kind == didKey {
		account = e.Account
	}
	there, err := m.still(ctx, e, account)
	if err != nil {
		return fmt.Errorf("%s: %s: %w", t.Host, t.What, err)
	}
	if there && argv != nil {
		if err := m.act(ctx, account, "", argv...); err != nil {
			if e.Kind == didAccount && status(err) == loggedIn {
				err = fmt.Errorf("%w: end the nightshift that is logged in there, and take back again", err)
			}
			return fmt.Errorf("%s: %s: %w", t.Host, t.What, err)
		}
	}
	return m.forget(ctx, t)
}

// still tells whether a thing is there to be undone.
func (m *Machine) still(ctx context.Context, e entry, account string) (bool, error) {
	switch e.Kind {
	case didAccount, didLine, didKey:
		line, err := m.query(ctx, "", "getent", "passwd", e.Account)
		switch {
		case status(err) == noEntry:
			return false, nil
		case err == nil && e.Kind == didAccount:
			return true, m.nothingKept(ctx, line)
		case err != nil || e.Kind != didLine:
			return true, err
		}
		files, err := m.readAll(ctx, account, e.Path)
		return slices.Contains(strings.Split(files[e.Path], "\n"), e.Line), err
	case didFile:
		files, err := m.readAll(ctx, "", m.root+e.Path)
		text, found := files[m.root+e.Path]
		if sum := sumOf(text); err == nil && found && sum != e.Sum && sum != e.Was {
			err = errChanged
		}
		return found, err
	case didDataset, didAllow:
		is, err := m.query(ctx, "", "zfs", "list", "-H", "-o", "type,canmount", e.Dataset)
		if status(err) == 1 && strings.Contains(err.Error(), "does not exist") {
			return false, nil
		}
		if err == nil && e.Kind == didDataset && strings.TrimSpace(is) != "filesystem\toff" { // as it was made; else it may hold files, or be another one
			err = errChanged
		}
		return true, err
	}
	return true, nil
}

// nothingKept makes sure that in an account's home directory there is nothing left of what nightshift keeps there for the day on which
// there is nothing else: identity records, and copies of VMFS backups. entry is the account's line of the passwd database.
func (m *Machine) nothingKept(ctx context.Context, entry string) error {
	fields := strings.Split(strings.TrimSpace(entry), ":")
	if len(fields) < 6 || fields[5] == "" {
		return fmt.Errorf("its home directory is not known: %q", strings.TrimSpace(entry))
	}
	dir := path.Join(fields[5], ".nightshift")
	file, err := m.query(ctx, "", script(keptScript, dir)...)
	if err != nil {
		return err
	}
	if file = strings.TrimSpace(file); file != "" {
		return fmt.Errorf("identity records and copies of VMFS backups lie in its home directory (%s): copy what you need of %s, and remove that", file, dir)
	}
	return nil
}
