//go:build !linux && !darwin && !freebsd

package statedir

import (
	"io/fs"
	"math"
)

// modesCount: access is the business of ACLs here, which the profile directory has right.
const modesCount = false

// FreeBytes is not known on this system: never short.
func FreeBytes(string) (uint64, error) { return math.MaxUint64, nil }

func ownedByUs(fs.FileInfo) bool { return true }
