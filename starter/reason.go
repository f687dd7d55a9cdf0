package main

import (
	"fmt"
	"unicode/utf8"

	"github.com/spf13/pflag"
)

// mostReason is how long a reason may be, in bytes: it goes into the histories of runs and of the ledger, which keep it.
const mostReason = 1000

// reasonFlag adds --reason, which is for the people who look the run up later.
func reasonFlag(f *pflag.FlagSet, reason *string, usage string) {
	f.Var((*reasonValue)(reason), "reason", usage)
}

// A reasonValue is a text for people.
type reasonValue string

func (v *reasonValue) Set(s string) error {
	switch {
	case len(s) > mostReason:
		return fmt.Errorf("it has %d bytes, and may have %d", len(s), mostReason)
	case !utf8.ValidString(s):
		return fmt.Errorf("it is not UTF-8")
	}
	*v = reasonValue(s)
	return nil
}

func (v *reasonValue) String() string { return string(*v) }
func (v *reasonValue) Type() string   { return "string" }
