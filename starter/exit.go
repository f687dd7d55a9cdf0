package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"nightshift/internal/runapi"
)

// Exit codes, as `nightshift help exit-codes` documents them. They are part of the command's contract.
const (
	exitDone     = 0 // what was asked for is done
	exitFailed   = 1 // it could not be done: see the message
	exitUsage    = 2 // the command line makes no sense
	exitBlocked  = 3 // the run waits for a person
	exitRefused  = 4 // the run was refused, nothing was touched
	exitAborted  = 5 // the run was aborted
	exitPartial  = 6 // the run ended with something left undone
	exitSkipped  = 7 // a scheduled run was skipped because of a hold or a lock
	exitDetached = 8 // left with Ctrl-C: the run goes on
)

const exitCodesHelp = `Exit codes of nightshift:

  0  done      what was asked for is done (or there was nothing to do)
  1  failed    it could not be done; the message on stderr says why and what to do
  2  usage     the command line makes no sense; nothing was started
  3  blocked   the run waits for a person: for an approval, or because all steps that are left are blocked
  4  refused   the run was refused (a blocker, drift, a lock, no approval); nothing was touched
  5  aborted   the run was aborted by an operator, a deadline or a policy
  6  partial   the run ended, but steps were skipped or the end-state check found something left
  7  skipped   a scheduled run did nothing because of a hold, or as another run had the lab
  8  detached  you left with Ctrl-C; the run goes on

apply --check exits with 6 where the lab file and what is there differ.
run, watch and report exit with the code of the run. With --detach, run exits with 0 once the run is under way.`

func newExitCodesTopic() *cobra.Command {
	return &cobra.Command{Use: "exit-codes", Short: "What the exit codes mean", Long: exitCodesHelp}
}

// An exitError ends the command with a code. Without a text nothing more is printed: what there is to say was said.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// silent ends the command with the code and without a message.
func silent(code int) error {
	if code == exitDone {
		return nil
	}
	return &exitError{code: code}
}

// usage is an error of the command line.
func usage(format string, args ...any) error {
	return &exitError{code: exitUsage, err: fmt.Errorf(format, args...)}
}

// exitCode is the code for what a command returned.
func exitCode(err error) int {
	var e *exitError
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &e):
		return e.code
	}
	return exitFailed
}

// outcomeCode is the exit code for how a run ended or, where it has not, for how it stands.
func outcomeCode(s runapi.Sheet) int {
	switch s.Outcome {
	case runapi.Done:
		return exitDone
	case runapi.Partial:
		return exitPartial
	case runapi.Refused:
		return exitRefused
	case runapi.Skipped:
		return exitSkipped
	case runapi.Aborted:
		return exitAborted
	case runapi.Failed:
		return exitFailed
	}
	if s.Stuck() {
		return exitBlocked
	}
	return exitDone
}
