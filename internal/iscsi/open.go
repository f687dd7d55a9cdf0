package iscsi

import (
	"context"
	"errors"
	"fmt"
	"io"

	"nightshift/internal/fault"
	"nightshift/internal/inventory"
	"nightshift/internal/sshexec"
)

// Open is the target of a storage host of the lab file, over a connection to it. It sends nothing. fault.Invalid: the lab file does
// not say that the host has one.
func Open(h inventory.StorageHost, over sshexec.Starter) (Target, error) {
	return OpenWith(h, OverSSH(over))
}

// OpenWith is Open with what runs the commands.
func OpenWith(h inventory.StorageHost, run Runner) (Target, error) {
	if h.Target == nil {
		return nil, fault.As(fault.Invalid, fmt.Errorf("storage host %s: the lab file does not say which iSCSI target it has: add target: {kind: lio}", h.Name))
	}
	elevate := func(argv []string) []string { return sshexec.Elevate(h.Elevate, argv) }
	switch kind := h.Target.Kind; kind {
	case inventory.TargetLIO:
		return NewLIO(run, elevate), nil
	case inventory.TargetCOMSTAR:
		return NewCOMSTAR(run, elevate, h.Target.Proven()), nil
	case inventory.TargetIscsitgt:
		return NewIscsitgt(run, elevate, h.Target.Proven()), nil
	default:
		return nil, fault.As(fault.Invalid, fmt.Errorf("storage host %s: targets of the kind %q are not known", h.Name, kind))
	}
}

// OverSSH runs commands over a connection.
func OverSSH(over sshexec.Starter) Runner { return overSSH{over} }

type overSSH struct{ sshexec.Starter }

// Act implements Runner.
func (o overSSH) Act(ctx context.Context, argv []string, stdin io.Reader) (sshexec.Result, error) {
	cmd, err := o.StartWith(ctx, argv, sshexec.Streams{Stdin: stdin})
	if err != nil {
		if errors.Is(err, sshexec.ErrNotSent) || errors.Is(err, fault.Invalid) || errors.Is(err, fault.Permission) {
			err = fault.As(fault.NotDone, err) // nothing ran
		}
		return sshexec.Result{}, err
	}
	return cmd.Wait(ctx)
}
