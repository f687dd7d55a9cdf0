package iscsi

import (
	"fmt"
	"strconv"
)

// A Difference is a part of an identity that is not as it should be.
type Difference struct {
	Field string `json:"field"` // "LUN number"
	Want  string `json:"want"`
	Got   string `json:"got"` // "not known" where it could not be read
}

func (d Difference) String() string {
	return fmt.Sprintf("%s: %s is wanted, it is %s", d.Field, d.Want, d.Got)
}

const notKnown = "not known"

// Diff compares an identity with the wanted one, field by field. What the wanted one leaves open is not compared; what it names
// and got does not know is a difference. What ESXi compares with the header of a volume is vmfs.Guard's.
func Diff(want, got Identity) []Difference {
	var list []Difference
	add := func(field, a, b string) {
		if a != "" && a != b {
			if b == "" {
				b = notKnown
			}
			list = append(list, Difference{Field: field, Want: a, Got: b})
		}
	}
	add("device type", strconv.Itoa(int(want.DeviceType)), strconv.Itoa(int(got.DeviceType)))
	add("LUN number", lunOf(want), lunOf(got))
	add("NAA", want.NAA, got.NAA)
	add("vendor", quoted(want.Vendor), quoted(got.Vendor))
	add("product", quoted(want.Product), quoted(got.Product))
	add("revision", quoted(want.Revision), quoted(got.Revision))
	add("serial number", quoted(want.Serial), quoted(got.Serial))
	add("names in page 0x83", names(want.Designators), names(got.Designators))
	add("logical block size", number(uint64(want.LogicalBlock)), number(uint64(got.LogicalBlock)))
	add("physical block size", number(uint64(want.PhysicalBlock)), number(uint64(got.PhysicalBlock)))
	add("size in bytes", number(want.Size), number(got.Size))
	add("compare and write", yesNo(want.CompareAndWrite), yesNo(got.CompareAndWrite))
	add("extended copy", yesNo(want.ExtendedCopy), yesNo(got.ExtendedCopy))
	add("write cache", yesNo(want.WriteCache), yesNo(got.WriteCache))
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

func lunOf(id Identity) string {
	if id.NoLUN {
		return ""
	}
	return strconv.Itoa(int(id.LUN))
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
