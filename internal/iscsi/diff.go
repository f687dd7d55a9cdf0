package iscsi

import (
	"fmt"
	"slices"
	"strconv"
)

// A Difference is a part of an identity that is not as it should be.
type Difference struct {
	Field string `json:"field"` // "LUN number"
	Want  string `json:"want"`
	Got   string `json:"got"` // "not known" where it could not be read
	// Copy says that ESXi compares it with the header of the volume: it would take the volume for a copy, and not mount it.
	Copy bool `json:"copy,omitempty"`
}

func (d Difference) String() string {
	text := fmt.Sprintf("%s: %s is wanted, it is %s", d.Field, d.Want, d.Got)
	if d.Copy {
		text += " (ESXi would take a volume on it for a copy)"
	}
	return text
}

const notKnown = "not known"

// productPart is how many characters of the product ESXi compares.
const productPart = 6

// Diff compares an identity with the wanted one, field by field. What the wanted one leaves open is not compared; what it names
// and got does not know is a difference.
func Diff(want, got Identity) []Difference {
	var list []Difference
	add := func(field, a, b string, isCopy bool) {
		if a != "" && a != b {
			if b == "" {
				b = notKnown
			}
			list = append(list, Difference{Field: field, Want: a, Got: b, Copy: isCopy})
		}
	}
	add("device type", strconv.Itoa(int(want.DeviceType)), strconv.Itoa(int(got.DeviceType)), true)
	add("LUN number", strconv.Itoa(int(want.LUN)), strconv.Itoa(int(got.LUN)), true)
	add("NAA", want.NAA, got.NAA, true)
	add("vendor", quoted(want.Vendor), quoted(got.Vendor), false)
	add("product", quoted(want.Product), quoted(got.Product), firstOf(want.Product) != firstOf(got.Product))
	add("revision", quoted(want.Revision), quoted(got.Revision), false)
	add("serial number", quoted(want.Serial), quoted(got.Serial), false)
	add("names in page 0x83", names(want.Designators), names(got.Designators), false)
	add("logical block size", number(uint64(want.LogicalBlock)), number(uint64(got.LogicalBlock)), false)
	add("physical block size", number(uint64(want.PhysicalBlock)), number(uint64(got.PhysicalBlock)), false)
	add("size in bytes", number(want.Size), number(got.Size), false)
	add("compare and write", yesNo(want.CompareAndWrite), yesNo(got.CompareAndWrite), false)
	add("extended copy", yesNo(want.ExtendedCopy), yesNo(got.ExtendedCopy), false)
	add("write cache", yesNo(want.WriteCache), yesNo(got.WriteCache), false)
	return list
}

// Words is the differences as sentences.
func Words(list []Difference) []string {
	var words []string
	for _, d := range list {
		words = append(words, d.String())
	}
	return words
}

// IsCopy tells whether ESXi would take a volume for a copy because of any of the differences.
func IsCopy(list []Difference) bool {
	return slices.ContainsFunc(list, func(d Difference) bool { return d.Copy })
}

func quoted(s string) string {
	if s == "" {
		return ""
	}
	return strconv.Quote(s)
}

func number(n uint64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatUint(n, 10)
}

func yesNo(b *bool) string {
	switch {
	case b == nil:
		return ""
	case *b:
		return "yes"
	}
	return "no"
}

// firstOf is the part of a product that ESXi compares, padded as INQUIRY pads it.
func firstOf(product string) string { return fmt.Sprintf("%-*s", productPart, product)[:productPart] }

func names(list []Designator) string {
	text := ""
	for i, d := range list {
		if i > 0 {
			text += ", "
		}
		text += d.String()
	}
	return text
}
