// Package replica says what follows from the snapshots of a source and its replica: what to send from, what to keep, how far
// the replica is behind, how much changes, when the space runs out. It is pure: plain data in, plain data out. What it reads is
// package live; who reads it there and acts are others.
package replica

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

const (
	prefix = "nightshift_"
	layout = "2006-01-02T15:04:05Z"
	// tagPrefix begins the tags of our holds.
	tagPrefix = "nightshift:"
	// maxGroup is how long the name of a group may be, in bytes.
	maxGroup = 63
)

// PointName is what the snapshots and bookmarks of a group are called that were made at a moment, to the second:
// "nightshift_mail_2026-11-21T09:00:00Z".
func PointName(group string, at time.Time) (string, error) {
	if !groupName(group) {
		return "", fmt.Errorf("%q cannot be part of the name of a snapshot: letters, digits, - and . , at most %d", group, maxGroup)
	}
	return PointPrefix(group) + at.UTC().Format(layout), nil
}

// PointPrefix is how the names of a group's snapshots begin; the rest is the moment.
func PointPrefix(group string) string { return prefix + group + "_" }

// ParsePoint reads such a name; false: it is foreign, and nothing of ours.
func ParsePoint(name string) (group string, at time.Time, ours bool) {
	rest, is := strings.CutPrefix(name, prefix)
	i := strings.LastIndexByte(rest, '_')
	if !is || i < 1 {
		return "", time.Time{}, false
	}
	at, err := time.Parse(layout, rest[i+1:])
	if err != nil || !groupName(rest[:i]) || at.Format(layout) != rest[i+1:] {
		return "", time.Time{}, false
	}
	return rest[:i], at, true
}

// HoldTag is the tag of a group's holds.
func HoldTag(group string) string { return tagPrefix + group }

func groupName(group string) bool {
	if group == "" || len(group) > maxGroup {
		return false
	}
	for i := range len(group) {
		c := group[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && strings.IndexByte("-._", c) < 0 {
			return false
		}
	}
	return true
}

var errNoZone = errors.New("there is no time zone")
