package iscsi

// ParseIscsitadm and ParseLIO are for tests with captured output; LIOSpec is what nightshift-lio is given.
var (
	ParseIscsitadm = parseIscsitadm
	ParseLIO       = parseLIO
	LIOSpec        = lioSpec
)
