package zfs

import (
	"context"
	"fmt"
	"io"

	"nightshift/internal/fault"
	"nightshift/internal/sshexec"
)

// OverSSH runs commands on a machine over SSH: an sshexec.Client or sshexec.Shared.
func OverSSH(s sshexec.Starter) Runner { return overSSH{s} }

type overSSH struct{ starter sshexec.Starter }

func (o overSSH) Run(ctx context.Context, argv []string, s Streams) (Exit, error) {
	cmd, err := o.starter.StartWith(ctx, argv, sshexec.Streams{Stdin: s.Stdin, Stdout: orDiscard(s.Stdout), Stderr: orDiscard(s.Stderr)})
	if err != nil {
		return Exit{}, err
	}
	result, err := cmd.Wait(ctx)
	if err != nil {
		cmd.Abandon() // it reads its end, and what it writes arrives nowhere
		return Exit{}, err
	}
	if result.Unfinished { // zfs and zpool leave nothing running
		return Exit{}, fault.As(fault.Unreachable, fmt.Errorf("what `%s` printed did not arrive as a whole", argv[0]))
	}
	return exited(result), nil
}

// exited is how a command ended. Where the account's login shell waits for it, as dash does, the shell tells of a signal, by its own status.
func exited(r sshexec.Result) Exit {
	if r.Signal != "" {
		return Exit{Status: r.Status, Signal: r.Signal}
	}
	return shellStatus(r.Status)
}

func orDiscard(w io.Writer) io.Writer {
	if w == nil {
		return io.Discard
	}
	return w
}
