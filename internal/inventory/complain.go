package inventory

import "nightshift/internal/yamlfile"

// Complain makes an error about a field (schedules[0].runbook) of a file that is valid in itself: for those who know more
// than this package, such as which runbooks there are.
func (l *Lab) Complain(field, problem, remedy string) *Error {
	d := yamlfile.Decoder{File: l.Path, At: l.places}
	d.Complain(field, problem, remedy)
	return d.Problems[0]
}

// Allowed is the remedy for a word that is none of the allowed ones.
func Allowed(got string, words []string) string { return yamlfile.Allowed(got, words) }

// AsError is an Errors of them in the order of their lines; none is nil.
func AsError(es []*Error) error { return yamlfile.AsError(es) }
