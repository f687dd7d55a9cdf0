package iscsi

import "nightshift/internal/inventory"

// ParseIscsitadm and ParseLIO are for tests with captured output.
var (
	ParseIscsitadm = parseIscsitadm
	ParseLIO       = parseLIO
)

// LIOSpec is what nightshift-lio is given.
func LIOSpec(p Publication) (string, error) {
	return lioSpec(p, func(_ string, s inventory.Secret) string { return s.Reveal() })
}
