// Package storagesetup sets storage hosts up for replication, once: the service account, its keys, what ZFS lets it do, what it may do
// as root, and by what the hosts know each other. It reads first and does only what is missing, and it writes down on
// the host what it did, before it does it: only that is ever taken back.
//
// It knows neither Temporal nor plans. Commands are argument lists; where more is needed, constant scripts of POSIX sh.
package storagesetup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"nightshift/internal/fault"
	"nightshift/internal/sshexec"
)

// A Runner runs commands on a host as its administrator.
type Runner interface {
	// Query runs what changes nothing. An exit status other than 0 is no error.
	Query(ctx context.Context, argv []string) (sshexec.Result, error)
	// Act runs what does, once, and gives it stdin.
	Act(ctx context.Context, argv []string, stdin io.Reader) (sshexec.Result, error)
}

// A Machine is a storage host, as its administrator sees it.
type Machine struct {
	run   Runner
	sudo  bool
	facts        // as they were read last
	root  string // in front of all paths but those in home directories; for tests
	path  string // where programs are looked for
}

// New makes one. sudo says that the administrator is not root, and may become it without a password.
func New(run Runner, sudo bool) *Machine { return &Machine{run: run, sudo: sudo, path: searchPath} }

// searchPath is where programs are looked for: logins over SSH often come without the sbin directories.
const searchPath = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"

// command is one as root, or as another account.
func (m *Machine) command(account string, argv []string) []string {
	whole := append([]string{"env", "LC_ALL=C", "PATH=" + m.path}, argv...)
	if account != "" {
		whole = append([]string{"env", "PATH=" + m.path, "runuser", "-u", account, "--"}, whole...)
	}
	if m.sudo {
		whole = append([]string{"sudo", "-n"}, whole...)
	}
	return whole
}

// query runs what changes nothing, and answers what it printed. An exit status other than 0 is an error: a *failed.
func (m *Machine) query(ctx context.Context, account string, argv ...string) (string, error) {
	res, err := m.run.Query(ctx, m.command(account, argv))
	return said(argv, res, err)
}

func (m *Machine) act(ctx context.Context, account, stdin string, argv ...string) error {
	res, err := m.run.Act(ctx, m.command(account, argv), strings.NewReader(stdin))
	_, err = said(argv, res, err)
	return err
}

// failed is a command that ended with another status than 0.
type failed struct {
	error
	status int
}

func (f *failed) Unwrap() error { return f.error }

func said(argv []string, res sshexec.Result, err error) (string, error) {
	if err != nil {
		return "", err
	}
	if res.Unfinished {
		return "", fault.As(fault.Unreachable, fmt.Errorf("what `%s` printed did not arrive as a whole", typed(argv)))
	}
	if res.Status != 0 {
		return "", &failed{fault.As(fault.State, fmt.Errorf("`%s`: %s", typed(argv), res.Summary())), res.Status}
	}
	return string(res.Stdout), nil
}

// status is the exit status of a command that failed; 0: it did not, or was not answered.
func status(err error) int {
	if f := new(failed); errors.As(err, &f) {
		return f.status
	}
	return 0
}

// typed is a command as a person would type it. Of a script only what it is told is shown.
func typed(argv []string) string {
	if len(argv) > 4 && argv[0] == "sh" && argv[1] == "-c" {
		argv = argv[3:]
	}
	line, err := sshexec.Quote(argv)
	if err != nil {
		return strings.Join(argv, " ")
	}
	return line
}

// script is a command that runs a constant script.
func script(text string, args ...string) []string {
	return append([]string{"sh", "-c", text, "sh"}, args...)
}
