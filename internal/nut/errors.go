package nut

import (
	"errors"
	"strings"

	"nightshift/internal/fault"
)

// What upsd says of a UPS of which it knows nothing just now. Both are fault.Unreachable: neither good nor bad.
var (
	// ErrNoDriver: the driver is not there, or has lost the UPS at its start.
	ErrNoDriver = errors.New("its driver is not connected to upsd (DRIVER-NOT-CONNECTED)")
	// ErrStale: the driver is there, and the UPS does not answer it.
	ErrStale = errors.New("its data is stale (DATA-STALE)")
)

// kinds of the error codes of RFC 9271, 4.2.12.
var kinds = map[string]error{
	"ACCESS-DENIED":     fault.Auth, // upsd compares user and password with each order: a wrong one and a missing right look the same
	"INVALID-PASSWORD":  fault.Auth,
	"INVALID-USERNAME":  fault.Auth,
	"USERNAME-REQUIRED": fault.Auth,
	"PASSWORD-REQUIRED": fault.Auth,

	"UNKNOWN-UPS": fault.NotFound,

	"CMD-NOT-SUPPORTED":      fault.Unsupported,
	"VAR-NOT-SUPPORTED":      fault.Unsupported,
	"READONLY":               fault.Unsupported,
	"FEATURE-NOT-SUPPORTED":  fault.Unsupported,
	"FEATURE-NOT-CONFIGURED": fault.Unsupported,
	"UNKNOWN-COMMAND":        fault.Unsupported,
	"UNKNOWN-TYPE":           fault.Unsupported,

	"INVALID-ARGUMENT": fault.Invalid,
	"INVALID-VALUE":    fault.Invalid,
	"TOO-LONG":         fault.Invalid,

	"INSTCMD-FAILED":        fault.State,
	"SET-FAILED":            fault.State,
	"FAILED":                fault.State,
	"UNKNOWN":               fault.State,
	"ALREADY-LOGGED-IN":     fault.State,
	"ALREADY-ATTACHED":      fault.State,
	"ALREADY-SET-PASSWORD":  fault.State,
	"ALREADY-SET-USERNAME":  fault.State,
	"ALREADY-SSL-MODE":      fault.State,
	"ALREADY-STARTED-TLS":   fault.State,
	"USERNAME-NOT-REQUIRED": fault.State,
	"TLS-NOT-ENABLED":       fault.Unsupported,
	"TLS-ALREADY-ENABLED":   fault.State,

	"DRIVER-NOT-CONNECTED": fault.As(fault.Unreachable, ErrNoDriver),
	"DATA-STALE":           fault.As(fault.Unreachable, ErrStale),
}

// refusal makes an error of what follows ERR. upsd refuses before it passes anything on: nothing was done. INSTCMD-FAILED and
// SET-FAILED are the driver's words, and leave that open.
func refusal(words []string) error {
	if len(words) == 0 {
		return fault.As(fault.Unreachable, errors.New("upsd says no, and not why"))
	}
	kind, known := kinds[words[0]]
	switch {
	case !known:
		kind = fault.State
	case errors.Is(kind, ErrNoDriver), errors.Is(kind, ErrStale):
		return fault.As(fault.NotDone, kind)
	}
	err := fault.As(kind, errors.New(explain(words)))
	if words[0] == "INSTCMD-FAILED" || words[0] == "SET-FAILED" || words[0] == "FAILED" {
		return err
	}
	return fault.As(fault.NotDone, err)
}

func explain(words []string) string {
	text := "upsd says " + strings.Join(words, " ")
	switch words[0] {
	case "ACCESS-DENIED":
		text += ": the user or its password is wrong, or upsd.users does not let it do this"
	case "UNKNOWN-UPS":
		text += ": ups.conf at the server has no UPS of this name"
	case "USERNAME-REQUIRED", "PASSWORD-REQUIRED":
		text += ": this needs user and password"
	}
	return text
}
