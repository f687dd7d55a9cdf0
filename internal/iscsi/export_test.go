package iscsi

// ParseIscsitadm and ParseLIO are for tests with captured output.
var (
	ParseIscsitadm = parseIscsitadm
	ParseLIO       = parseLIO
)
