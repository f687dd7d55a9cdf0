package plan

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// numbers are written so that small ones, of either sign, take a byte. Words can stand among them.
type numbers struct {
	b   []byte
	err error
}

func (n *numbers) add(v int) { n.b = binary.AppendVarint(n.b, int64(v)) }

func (n *numbers) next() int {
	v, size := binary.Varint(n.b)
	if size <= 0 || v > maxUnpacked || v < -maxUnpacked {
		n.err, n.b = errShort, nil
		return 0
	}
	n.b = n.b[size:]
	return int(v)
}

// count is a number that says how many more of them follow.
func (n *numbers) count() int {
	v := n.next()
	if v < 0 || v > len(n.b) {
		n.err, n.b = errShort, nil
		return 0
	}
	return v
}

// word writes the word that comes after another: as the distance of the numbers at their ends where that is all in which
// they differ (vm-1013 after vm-1007), else in full.
func (n *numbers) word(before, word string) {
	if d := successor(before, word); d > 0 {
		n.add(d)
		return
	}
	n.add(-1 - len(word))
	n.b = append(n.b, word...)
}

func (n *numbers) nextWord(before string) string {
	v := n.next()
	if v > 0 {
		return advance(before, v)
	}
	size := -1 - v
	if size < 0 || size > len(n.b) {
		n.err, n.b = errShort, nil
		return ""
	}
	word := string(n.b[:size])
	n.b = n.b[size:]
	return word
}

// successor is by how much the number at the end of word is greater; 0: it is not, or that is not all.
func successor(before, word string) int {
	a, b := trailing(before), trailing(word)
	if a < 0 || b <= a || advance(before, b-a) != word {
		return 0
	}
	return b - a
}

// advance adds to the number at the end of the word, and keeps its zeros.
func advance(word string, by int) string {
	stem := strings.TrimRight(word, "0123456789")
	stem = word[:max(len(stem), len(word)-maxDigits)]
	digits := word[len(stem):]
	v, _ := strconv.Atoi(digits) // 0 where there are none
	return stem + fmt.Sprintf("%0*d", len(digits), v+by)
}

// maxDigits of a number at the end of a word are counted: what is before them belongs to the stem.
const maxDigits = 6

// trailing is the number at the end of the word; -1: there is none.
func trailing(word string) int {
	stem := strings.TrimRight(word, "0123456789")
	stem = word[:max(len(stem), len(word)-maxDigits)]
	v, err := strconv.Atoi(word[len(stem):])
	if err != nil {
		return -1
	}
	return v
}

// isUUID tells whether s is a UUID as uuidText writes it.
func isUUID(s string) bool {
	if len(s) != uuidLength || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return false
	}
	b, err := hex.DecodeString(strings.ReplaceAll(s, "-", ""))
	return err == nil && len(b) == 16 && uuidText(b) == s
}

func uuidText(b []byte) string {
	h := hex.EncodeToString(b)
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
