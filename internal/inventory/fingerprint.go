package inventory

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// ParseFingerprint reads a SHA-256 fingerprint as tools print them: 64 hex digits, with or without colons between the
// bytes and "SHA256:" before them.
func ParseFingerprint(s string) ([32]byte, error) {
	var sum [32]byte
	digits := strings.TrimSpace(s)
	if len(digits) >= 7 && (strings.EqualFold(digits[:7], "SHA256:") || strings.EqualFold(digits[:7], "SHA256=")) {
		digits = digits[7:]
	}
	if strings.Count(digits, ":") == len(sum)-1 {
		digits = strings.ReplaceAll(digits, ":", "")
	}
	b, err := hex.DecodeString(digits)
	if err != nil || len(b) != len(sum) {
		return sum, errors.New("not a SHA-256 fingerprint")
	}
	copy(sum[:], b)
	return sum, nil
}

// FormatFingerprint writes a fingerprint as "AA:BB:…".
func FormatFingerprint(sum [32]byte) string {
	return strings.ReplaceAll(fmt.Sprintf("% X", sum[:]), " ", ":")
}
