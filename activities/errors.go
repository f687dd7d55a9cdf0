package activities

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.temporal.io/sdk/temporal"

	"nightshift/internal/fault"
	"nightshift/internal/ledger"
	"nightshift/internal/plan"
	"nightshift/internal/zfs"
)

// Types of the errors that activities end with. Transient ones are retried by Temporal, the others are final.
const (
	InvalidInput = "InvalidInput" // the plan or the lab file asks for something that makes no sense
	NotFound     = "NotFound"     // the object is gone
	Auth         = "Auth"         // a login was refused
	Permission   = "Permission"   // logged in, but not allowed
	Precondition = "Precondition" // the object is in a state that forbids it, or did not get where it was sent
	Unsafe       = "Unsafe"       // a safety rule forbids it
	Locked       = ledger.Locked  // another run works on it
	Transient    = "Transient"    // no answer; tried again
	Asks         = "Asks"         // a person is to say yes
)

// errUnsafe is the kind of what a safety rule forbids; fault.Identity is one of them.
var errUnsafe = errors.New("not safe")

// refuse makes an error of a kind.
func refuse(kind error, format string, args ...any) error {
	return fault.As(kind, fmt.Errorf(format, args...))
}

// advice is an error with a step of its own for whoever reads it: next, in which %s is how to try again, takes the place of what
// verdicts say.
type advice struct {
	error
	next string
}

func (a advice) Unwrap() error { return a.error }

// verdicts say what a kind of failure means, and what a person can do about it; %s is how to try again. People read
// them when nightshift itself has given up. The first that fits counts.
var verdicts = []struct {
	kind error
	name string
	next string
}{
	{errUnsafe, Unsafe, "look at it, then make a new plan"},
	{zfs.ErrPeerKey, Unsafe, "make sure that it is that host; `nightshift lab prepare-storage` shows what the source is to know it by, and tells it with --yes; then %s"},
	{zfs.ErrPeerLogin, Auth, "`nightshift lab prepare-storage` shows what is missing between the hosts, and does it with --yes; then %s"},
	{zfs.ErrRights, Permission, "`nightshift lab prepare-storage` shows which rights are missing, and gives them with --yes; then %s"},
	{fault.Identity, Unsafe, "check what changed, then make a new plan"},
	{fault.Auth, Auth, "correct the login in the lab file's secret, then %s"},
	{fault.Permission, Permission, "give the user this right, then %s"},
	{fault.NotFound, NotFound, "if it was removed on purpose, `nightshift skip`; else make a new plan"},
	{fault.State, Precondition, "bring it into the right state, then %s"},
	{fault.Unsupported, Precondition, "change its policy in the lab file, or do it by hand and `nightshift skip`"},
	{fault.Invalid, InvalidInput, "correct it, or the lab file (nightshift reads it when it starts), then make a new plan"},
	{fault.Unreachable, Transient, "check the network and the machine, then %s"},
}

// sentNothing adds to a classified error that the step has sent nothing: an aborted run need not call it half done.
func sentNothing(err error) error {
	app, ok := err.(*temporal.ApplicationError) //nolint:errorlint // classify makes it
	if !ok || app.HasDetails() {
		return err
	}
	return temporal.NewApplicationErrorWithOptions(app.Message(), app.Type(), temporal.ApplicationErrorOptions{NonRetryable: app.NonRetryable(), Cause: app.Unwrap(),
		NextRetryDelay: app.NextRetryDelay(), Details: []any{plan.NothingSent}})
}

// classify is the last line of every activity. The outermost error decides whether Temporal tries again, so nothing may
// be wrapped around what it returns. Unknown errors are tried again: where something was sent, an attempt only looks.
func classify(op plan.Action, t plan.Target, err error) error {
	if err == nil {
		return nil
	}
	if app, ok := err.(*temporal.ApplicationError); ok { //nolint:errorlint // only the outermost one counts
		return app
	}
	name, next := Transient, "look at the cause, then %s"
	for _, v := range verdicts {
		if errors.Is(err, v.kind) {
			name, next = v.name, v.next
			break
		}
	}
	if own := (advice{}); errors.As(err, &own) {
		next = own.next
	}
	what := string(op)
	if t.Name != "" {
		what += " of " + t.String()
	}
	again := "`nightshift retry` (or `nightshift skip`)"
	if !slices.Contains(plan.Actions(), op) {
		again = "start it again" // no step: there is nothing to retry
	}
	msg := fmt.Sprintf("%s: %s. Next: %s", what, strings.TrimSuffix(err.Error(), "."), strings.ReplaceAll(next, "%s", again))
	if name == Transient {
		return temporal.NewApplicationError(msg, name)
	}
	return temporal.NewNonRetryableApplicationError(msg, name, nil)
}
