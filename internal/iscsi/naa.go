package iscsi

import (
	"fmt"
	"strconv"
	"strings"
)

// LIOCompany is the company id of LIO's own NAAs (OpenFabrics Alliance), where no other one is set.
const LIOCompany = 0x001405

const serialDigits = 25 // of the serial number that go into an NAA

// LIONAA is the NAA that LIO makes of a company id and a unit serial number: 6, the six digits of the company, and the first 25
// hexadecimal digits of the serial number; all other characters of it are skipped, and zeros stand for digits that are missing.
// Source: spc_gen_naa_6h_vendor_specific in Linux' drivers/target/target_core_spc.c. Serial numbers that differ behind the 25th digit
// only have one NAA.
func LIONAA(company uint32, serial string) string {
	digits := make([]byte, 0, serialDigits)
	for i := 0; i < len(serial) && len(digits) < serialDigits; i++ {
		if c := serial[i]; isHex(c) {
			digits = append(digits, c|0x20) // digits stay what they are: 0x30 to 0x39 have the bit
		}
	}
	return fmt.Sprintf("6%06x%s%s", company&0xffffff, digits, strings.Repeat("0", serialDigits-len(digits)))
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

// splitNAA is the company id and the serial number's digits of an NAA of 32 digits.
func splitNAA(naa string) (company uint32, digits string, ok bool) {
	if len(naa) != 32 || naa[0] != '6' {
		return 0, "", false
	}
	n, err := strconv.ParseUint(naa[1:7], 16, 32)
	return uint32(n), naa[7:], err == nil
}

// lioWWN is the company id and the unit serial number with which LIO shows an identity. Where the serial number of the identity
// does not make its NAA, the NAA counts, and its digits are the serial number.
func lioWWN(id Identity) (company uint32, serial string, err error) {
	company, digits, ok := splitNAA(id.NAA)
	if !ok {
		return 0, "", fmt.Errorf("LIO shows no NAA but one of 32 digits that begins with 6; this is %q", id.NAA)
	}
	if serial = strings.TrimSpace(id.Serial); serial != "" && LIONAA(company, serial) == id.NAA { // it takes the blanks away
		return company, serial, nil
	}
	return company, digits, nil
}
