package iscsi

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// An Identity is a logical unit as an initiator sees it. What is not known is left empty; a number is then 0.
type Identity struct {
	DeviceType byte   `json:"deviceType"` // SCSI peripheral device type: 0 = disk
	LUN        uint16 `json:"lun"`
	NoLUN      bool   `json:"noLUN,omitempty"` // the target does not tell it: LUN says nothing
	// NAA is the name of the logical unit in page 0x83, 16 or 32 hexadecimal digits in lower case.
	NAA string `json:"naa,omitempty"`
	// Designators are those of page 0x83 that name the logical unit, in the order in which it tells them. Those of ports, groups and
	// the target differ between hosts and are not among them.
	Designators []Designator `json:"designators,omitempty"`
	Serial      string       `json:"serial,omitempty"`   // page 0x80
	Vendor      string       `json:"vendor,omitempty"`   // INQUIRY, at most 8 characters, without blanks at the end
	Product     string       `json:"product,omitempty"`  // at most 16
	Revision    string       `json:"revision,omitempty"` // at most 4
	// LogicalBlock and PhysicalBlock are in bytes.
	LogicalBlock  uint32 `json:"logicalBlock,omitempty"`
	PhysicalBlock uint32 `json:"physicalBlock,omitempty"`
	Size          uint64 `json:"size,omitempty"` // in bytes
	// CompareAndWrite is the command by which ESXi locks (ATS); ExtendedCopy is how it lets the target copy (XCOPY, 3PC).
	CompareAndWrite *bool `json:"compareAndWrite,omitempty"`
	ExtendedCopy    *bool `json:"extendedCopy,omitempty"`
	WriteCache      *bool `json:"writeCache,omitempty"` // it tells initiators to have a volatile one
}

// A Designator is one name in page 0x83.
type Designator struct {
	CodeSet     byte `json:"codeSet"`     // 1 binary, 2 ASCII, 3 UTF-8
	Association byte `json:"association"` // 0 logical unit, 1 target port, 2 target device
	Type        byte `json:"type"`        // 1 T10 vendor, 2 EUI-64, 3 NAA, 8 SCSI name string, …
	Value       Hex  `json:"value"`
}

// Types of designators (SPC-5, table "Designator type").
const (
	DesignatorT10  = 1
	DesignatorEUI  = 2
	DesignatorNAA  = 3
	ofLogicalUnit  = 0 // association
	codeSetBinary  = 1
	codeSetASCII   = 2
	vendorLength   = 8
	productLength  = 16
	revisionLength = 4
)

// Hex is bytes that are written as hexadecimal digits.
type Hex []byte

// MarshalText writes them.
func (h Hex) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(h)), nil }

// UnmarshalText reads them.
func (h *Hex) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(text))
	if err != nil {
		return fmt.Errorf("%q is no list of hexadecimal digits", text)
	}
	*h = b
	return nil
}

func (h Hex) String() string { return hex.EncodeToString(h) }

func (d Designator) String() string {
	switch {
	case d.Type == DesignatorNAA:
		return "naa." + d.Value.String()
	case d.Type == DesignatorEUI:
		return "eui." + d.Value.String()
	case d.CodeSet != codeSetBinary:
		return "t10." + printable(d.Value)
	}
	return fmt.Sprintf("type %d %s", d.Type, d.Value)
}

// printable is ASCII text of a device: NULs and blanks at its end are padding, what cannot be printed becomes a dot.
func printable(b []byte) string {
	text := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '.'
		}
		return r
	}, strings.TrimRight(string(b), "\x00"))
	return strings.TrimRight(text, " ")
}

// CanonicalNAA is an NAA in the form that Identity has: tools write it in capitals, with "naa.", "0x" or "wwn-0x" before it.
func CanonicalNAA(s string) (string, error) {
	digits := strings.ToLower(strings.TrimSpace(s))
	for _, prefix := range []string{"naa.", "wwn-", "0x"} {
		digits = strings.TrimPrefix(digits, prefix)
	}
	_, err := hex.DecodeString(digits)
	ok := err == nil && (len(digits) == 32 && digits[0] == '6' || len(digits) == 16 && strings.ContainsRune("235", rune(digits[0])))
	if !ok {
		return "", fmt.Errorf("%q is no NAA: 32 hexadecimal digits that begin with 6, or 16 that begin with 2, 3 or 5", s)
	}
	return digits, nil
}

// of makes a known value of a flag.
func of(b bool) *bool { return &b }
