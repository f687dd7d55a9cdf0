package activities

import (
	"errors"
	"fmt"

	"go.temporal.io/sdk/temporal"

	"nightshift/internal/fault"
	"nightshift/internal/plan"
)

// Types of the errors that activities end with. Transient ones are retried by Temporal, the others are final.
const (
	InvalidInput = "InvalidInput" // the plan or the lab file asks for something that makes no sense
	NotFound     = "NotFound"     // the object is gone
	Auth         = "Auth"         // a login was refused
	Permission   = "Permission"   // logged in, but not allowed
	Precondition = "Precondition" // the object is in a state that forbids it, or did not get where it was sent
	Unsafe       = "Unsafe"       // a safety rule forbids it
	Locked       = "Locked"       // another run works on it
	Transient    = "Transient"    // no answer; tried again
)

// errUnsafe is the kind of what a safety rule forbids; fault.Identity is one of them.
var errUnsafe = errors.New("not safe")

// refuse makes an error of a kind.
func refuse(kind error, format string, args ...any) error {
	return fault.As(kind, fmt.Errorf(format, args...))
}

// verdicts say what a kind of failure means, and what a person can do about it. The first that fits counts.
var verdicts = []struct {
	kind error
	name string
	next string
}{
	{errUnsafe, Unsafe, "look at it, then make a new plan"},
	{fault.Identity, Unsafe, "check what changed, then make a new plan"},
	{fault.Auth, Auth, "it is not tried again, as accounts get locked; correct the login in the lab file's secret, then `nightshift retry`"},
	{fault.Permission, Permission, "give the user this right, then `nightshift retry`"},
	{fault.NotFound, NotFound, "if it was removed on purpose, `nightshift skip`; else make a new plan"},
	{fault.State, Precondition, "bring it into the right state, then `nightshift retry`, or `nightshift skip`"},
	{fault.Unsupported, Precondition, "change its policy in the lab file, or do it by hand and `nightshift skip`"},
	{fault.Invalid, InvalidInput, "correct the lab file, then make a new plan"},
	{fault.Unreachable, Transient, "tried again by itself; check the network and the machine"},
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
	name, next := Transient, "tried again by itself"
	for _, v := range verdicts {
		if errors.Is(err, v.kind) {
			name, next = v.name, v.next
			break
		}
	}
	what := string(op)
	if t.Name != "" {
		what += " of " + t.String()
	}
	msg := fmt.Sprintf("%s: %v. Next: %s", what, err, next)
	if name == Transient {
		return temporal.NewApplicationError(msg, name)
	}
	return temporal.NewNonRetryableApplicationError(msg, name, nil)
}
