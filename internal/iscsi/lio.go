package iscsi

import (
	"context"
	_ "embed"
	"fmt"
	"strings"

	"nightshift/internal/fault"
	"nightshift/internal/inventory"
	"nightshift/internal/sshexec"
)

var (
	//go:embed lio_read.sh
	lioReadScript string
	//go:embed lio.sh
	lioProgram string
	//go:embed lio.service
	lioUnit string
)

// What is installed on a storage host, by prepare-storage.
const (
	// LIOProgramPath is the program that changes LIO. The service account may run it, and nothing else of LIO, as root.
	LIOProgramPath = "/usr/local/sbin/nightshift-lio"
	// LIOUnitPath is the systemd unit that puts back what is published when the host boots.
	LIOUnitPath = "/etc/systemd/system/nightshift-lio.service"
	lioVersion  = "nightshift-lio 1"
)

// LIOProgram is the program for LIOProgramPath, a script for sh.
func LIOProgram() string { return lioProgram }

// LIOUnit is the unit for LIOUnitPath.
func LIOUnit() string { return lioUnit }

// Where LIO, and what belongs to it, is on a storage host.
var lioPlaces = []string{"/sys/kernel/config/target", "/sys/class/block", "/dev/zvol", "/etc/nightshift-lio"}

// Exit statuses of the program, as it documents them.
const (
	lioNotUnderstood = 2
	lioInTheWay      = 3
	lioLoggedIn      = 4
	notFoundStatus   = 127 // of a shell
)

// A LIOTarget is the target of Linux.
//
// It is read from configfs, not from targetcli's saveconfig.json: configfs is what initiators see now, tells of sessions, knows company id,
// vendor and product, which saveconfig.json does not, and its CHAP secrets can be left unread.
type LIOTarget struct {
	run     Runner
	elevate func(argv []string) []string
}

// NewLIO makes the target of a storage host; elevate makes of a command the one that runs it as root.
func NewLIO(run Runner, elevate func(argv []string) []string) *LIOTarget {
	return &LIOTarget{run: run, elevate: elevate}
}

// List reads configfs. No rights are needed for it.
func (t *LIOTarget) List(ctx context.Context) (Listing, error) {
	argv := append([]string{"sh", "-c", lioReadScript, "sh"}, lioPlaces...)
	res, err := t.run.Query(ctx, argv)
	if err != nil {
		return Listing{}, fmt.Errorf("read LIO's configuration: %w", err)
	}
	if res.Status != 0 {
		return Listing{}, fault.As(fault.Unsupported, fmt.Errorf("read LIO's configuration: %s", res.Summary()))
	}
	return parseLIO(res.Stdout)
}

// Plan implements Target: it is one command, with what it reads. What else is in the way the program finds before it changes anything.
func (t *LIOTarget) Plan(ctx context.Context, p Publication) ([]Command, error) {
	spec, err := lioSpec(p, func(whose string, _ inventory.Secret) string { return "(" + whose + ")" })
	if err != nil {
		return nil, err
	}
	l, err := t.List(ctx)
	if err != nil {
		return nil, err
	}
	differs, err := Differs(l, p)
	if err != nil || len(differs) == 0 {
		return nil, err
	}
	for _, lu := range l.LUs {
		if (lu.Name == p.Name) != (Volume(lu.Device) == Volume(p.Device)) {
			return nil, fault.As(fault.NotDone, inTheWay("publish %s: %s: unpublish it first", p.Name, lu.Describe()))
		}
	}
	return []Command{{Argv: t.elevate([]string{LIOProgramPath, "publish", p.Name}), Input: spec}}, nil
}

// Publish implements Target. It needs the program: fault.NotFound, with fault.NotDone, where it is not there.
func (t *LIOTarget) Publish(ctx context.Context, p Publication) ([]string, error) {
	spec, err := lioSpec(p, func(_ string, s inventory.Secret) string { return s.Reveal() })
	if err != nil {
		return nil, err
	}
	return t.act(ctx, "publish "+p.Name, spec, "publish", p.Name)
}

// Unpublish implements Target.
func (t *LIOTarget) Unpublish(ctx context.Context, name string, sessions bool) ([]string, error) {
	if err := checkName(name); err != nil {
		return nil, fault.As(fault.NotDone, fault.As(fault.Invalid, err))
	}
	argv := []string{"unpublish", name}
	if sessions {
		argv = append(argv, "sessions")
	}
	return t.act(ctx, "unpublish "+name, "", argv...)
}

// act sends one command. The spec may hold secrets: it goes over standard input, and is in no error.
func (t *LIOTarget) act(ctx context.Context, what, spec string, args ...string) ([]string, error) {
	res, err := t.run.Act(ctx, t.elevate(append([]string{LIOProgramPath}, args...)), strings.NewReader(spec))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	if res.Status == 0 {
		return trimmed(string(res.Stdout)), nil
	}
	return trimmed(string(res.Stdout)), t.refused(what, res)
}

func (t *LIOTarget) refused(what string, res sshexec.Result) error {
	err := fmt.Errorf("%s: %s", what, res.Summary())
	switch res.Status {
	case lioNotUnderstood:
		return fault.As(fault.NotDone, fault.As(fault.Invalid, err))
	case lioInTheWay, lioLoggedIn:
		return fault.As(fault.NotDone, fault.As(fault.State, err))
	}
	refused := sshexec.NotElevated(res) // else what is said is the program's own, which may have done a part
	if res.Status == notFoundStatus || refused && strings.Contains(string(res.Stderr), "command not found") {
		return fault.As(fault.NotDone, fault.As(fault.NotFound, fmt.Errorf("%w; %s is not there: run `nightshift lab prepare-storage`", err, LIOProgramPath)))
	}
	if refused {
		return fault.As(fault.NotDone, fault.As(fault.Permission, fmt.Errorf("%w; the account may not run %s as root: run `nightshift lab prepare-storage`",
			err, LIOProgramPath)))
	}
	return err // it may have done a part: what is there is read again
}

// Version is nil where the program is there in the version that this nightshift knows. It changes nothing.
func (t *LIOTarget) Version(ctx context.Context) error {
	res, err := t.run.Query(ctx, []string{LIOProgramPath, "version"})
	if err != nil {
		return fmt.Errorf("ask for the version of %s: %w", LIOProgramPath, err)
	}
	got := strings.TrimSpace(string(res.Stdout))
	switch {
	case res.Status != 0:
		return fault.As(fault.NotFound, fmt.Errorf("%s: %s: run `nightshift lab prepare-storage`", LIOProgramPath, res.Summary()))
	case got != lioVersion:
		return fault.As(fault.Unsupported, fmt.Errorf("%s is %q, this nightshift needs %q: run `nightshift lab prepare-storage`", LIOProgramPath, clip(got), lioVersion))
	}
	return nil
}

// LIOReadScript is the script that reads LIO's configuration, for `sh -c`; LIOPlaces are its arguments. They are for whoever
// stands in for a storage host.
func LIOReadScript() string { return lioReadScript }

// InitiatorScript is the script by which Disks asks an initiator, for `sh -c`.
func InitiatorScript() string { return initiatorScript }

// LIOPlaces are the arguments of LIOReadScript.
func LIOPlaces() []string { return lioPlaces }
