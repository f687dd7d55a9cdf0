package yamlfile

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"nightshift/internal/fault"
)

// An Error is one thing that is wrong with a file. It never quotes the value of a secret.
// errors.Is(err, fault.Invalid) holds.
type Error struct {
	File         string // as the caller named it
	Line, Column int    // from 1; 0 where the whole file is meant
	Field        string // hosts[2].bmc.url, counted from 0; empty for the top of the file
	Problem      string // what is wrong
	Remedy       string // what to write instead, or what is allowed; may be empty
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", e.Line, e.Column)
	}
	b.WriteString(": ")
	if e.Field != "" {
		b.WriteString(e.Field + ": ")
	}
	b.WriteString(e.Problem)
	if e.Remedy != "" {
		b.WriteString(" (" + e.Remedy + ")")
	}
	return b.String()
}

// Is makes every Error a fault.Invalid.
func (e *Error) Is(target error) bool { return target == fault.Invalid }

// Errors is all that is wrong with a file, in the order of its lines.
type Errors []*Error

// Error has one line for each.
func (es Errors) Error() string {
	lines := make([]string, len(es))
	for i, e := range es {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap gives errors.Is and errors.As each of them.
func (es Errors) Unwrap() []error {
	out := make([]error, len(es))
	for i, e := range es {
		out[i] = e
	}
	return out
}

// AsError sorts the errors; none is nil.
func AsError(es []*Error) error {
	if len(es) == 0 {
		return nil
	}
	slices.SortStableFunc(es, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return Errors(es)
}
