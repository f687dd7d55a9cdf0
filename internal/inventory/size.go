package inventory

import (
	"errors"
	"math"
	"regexp"
	"strconv"
)

// A Size is a number of bytes as people write it: 500MiB, 1.5GiB. The units are B, KiB, MiB, GiB and TiB.
type Size string

var sizeForm = regexp.MustCompile(`^([0-9]{1,15}(?:\.[0-9]{1,6})?)(B|KiB|MiB|GiB|TiB)$`)

var sizeUnits = map[string]float64{"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}

// mostBytes is a pebibyte: no stream and no day has more, and floats still count every byte.
const mostBytes = 1 << 50

// parse is the number of bytes, above 0.
func (s Size) parse() (int64, error) {
	m := sizeForm.FindStringSubmatch(string(s))
	if m == nil {
		return 0, errors.New("this is no size")
	}
	n, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		return 0, errors.New("this is no size")
	}
	bytes := math.Round(n * sizeUnits[m[2]])
	switch {
	case bytes < 1:
		return 0, errors.New("this is nothing at all")
	case bytes > mostBytes:
		return 0, errors.New("this is more than 1024TiB")
	}
	return int64(bytes), nil
}

// Bytes is the size as a number; 0 where nothing is said.
func (s Size) Bytes() int64 {
	n, err := s.parse()
	if err != nil {
		return 0 // it is empty: the file is valid
	}
	return n
}
