// Package fault is the error vocabulary that all device clients share: what kind of no was said. A client wraps one of
// these; activities/ decides from it whether to try again, to ask or to give up.
package fault

import "errors"

// Kinds of failure. Test with errors.Is.
var (
	// Auth: the login was refused. Never tried again by itself: accounts get locked.
	Auth = errors.New("login refused")
	// Identity: the machine that answers is not the one that was meant: fingerprint, host key, serial number, UUID.
	Identity = errors.New("not the machine that was meant")
	// Permission: logged in, but not allowed to do this.
	Permission = errors.New("no permission")
	// NotFound: the object is not there (any more).
	NotFound = errors.New("not found")
	// State: the object is in a state in which this cannot be done.
	State = errors.New("not possible in this state")
	// Unsupported: the system cannot do this at all.
	Unsupported = errors.New("not supported")
	// Invalid: what was asked for makes no sense to the system.
	Invalid = errors.New("invalid request")
	// Unreachable: no answer, refused or broken connection, or "not ready yet". After a call that changes something it
	// says nothing about whether the call arrived.
	Unreachable = errors.New("unreachable")
)

// Marks of an error of a call that was to change something, beside its kind.
var (
	// NotDone proves that nothing was done: it was refused before it was sent, no connection came about, or the system
	// answered that it refuses. Without the mark nothing is known: the call may have been carried out.
	NotDone = errors.New("nothing was done")
	// TurnedAway marks a NotDone for which the call had been sent: the system answered that it is not ready.
	TurnedAway = errors.New("it was sent, and turned away")
)

// kinded gives an error a kind without changing its text.
type kinded struct {
	error
	kind error
}

func (k kinded) Unwrap() []error { return []error{k.error, k.kind} }

// As gives err a kind: errors.Is(As(k, err), k). The text stays err's.
func As(kind, err error) error {
	if err == nil {
		return nil
	}
	return kinded{err, kind}
}
