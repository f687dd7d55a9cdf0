package storage

import (
	"fmt"
	"strconv"
	"strings"
)

// number is a size in bytes, or as people read it (zfs_nicenum).
func number(n int64, exact bool) string {
	if exact {
		return strconv.FormatInt(n, 10)
	}
	if n < 1024 {
		return fmt.Sprintf("%dB", n)
	}
	v, i := float64(n), 0
	for ; v >= 1024 && i < 5; i++ {
		v /= 1024
	}
	text := ""
	for digits := 2; digits >= 0; digits-- {
		if text = fmt.Sprintf("%.*f", digits, v); len(text) <= 5-1 {
			break
		}
	}
	if v == float64(int64(v)) {
		text = strconv.FormatInt(int64(v), 10)
	}
	return text + string("BKMGTP"[i])
}

// size reads what people write: 12M, 1.5G, none.
func size(text string) (int64, bool) {
	if text == "none" {
		return 0, true
	}
	at := strings.IndexFunc(text, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
	if at < 0 {
		at = len(text)
	}
	n, err := strconv.ParseFloat(text[:at], 64)
	unit := strings.TrimSuffix(strings.TrimSuffix(strings.ToUpper(text[at:]), "B"), "I")
	if err != nil || len(unit) > 1 {
		return 0, false
	}
	if unit != "" {
		i := strings.Index("KMGTP", unit)
		if i < 0 {
			return 0, false
		}
		n *= float64(int64(1) << (10 * (i + 1)))
	}
	return int64(n), true
}
