package zfs

import (
	"fmt"
	"strings"

	"nightshift/internal/fault"
)

const (
	maxName = 255 // bytes: ZFS_MAX_DATASET_NAME_LEN less its NUL
	maxTag  = 255
	// MaxValue is how long the value of a user property may be, in bytes (ZFS_MAXPROPLEN less its NUL).
	MaxValue = 8191
)

// checkDataset refuses what is no name of a file system or volume, so that a word of a command can never be taken for an
// option, a range or a snapshot. The rules are those of module/zcommon/zfs_namecheck.c, without its internal names (%).
func checkDataset(name string) error {
	if strings.ContainsAny(name, "@#") {
		return badName(name, "it is the name of a snapshot or bookmark")
	}
	return checkPath(name, name)
}

// checkSnapshot wants "dataset@name".
func checkSnapshot(name string) error { return checkPair(name, "@", "snapshot") }

// checkBookmark wants "dataset#name".
func checkBookmark(name string) error { return checkPair(name, "#", "bookmark") }

func checkPair(name, mark, kind string) error {
	dataset, rest, found := strings.Cut(name, mark)
	switch {
	case !found || rest == "":
		return badName(name, "a "+kind+" is dataset"+mark+"name")
	case strings.ContainsAny(rest, "@#/"):
		return badName(name, "there is a second @, # or a / behind the "+mark)
	}
	if err := checkPath(name, dataset); err != nil {
		return err
	}
	return checkChars(name, rest)
}

func checkPath(whole, dataset string) error {
	if len(whole) > maxName {
		return badName(whole, fmt.Sprintf("it is longer than %d bytes", maxName))
	}
	for part := range strings.SplitSeq(dataset, "/") {
		switch part {
		case "":
			return badName(whole, "a part of it is empty")
		case ".", "..":
			return badName(whole, "a part of it is "+part)
		}
		if err := checkChars(whole, part); err != nil {
			return err
		}
	}
	if c := dataset[0]; (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
		return badName(whole, "the name of a pool begins with a letter")
	}
	return nil
}

func checkChars(whole, part string) error {
	for i := range len(part) {
		c := part[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && strings.IndexByte("-_.: ", c) < 0 {
			return badName(whole, fmt.Sprintf("ZFS knows no %q in names", c))
		}
	}
	return nil
}

func checkTag(tag string) error {
	if tag == "" || len(tag) > maxTag || tag[0] == '-' || strings.ContainsFunc(tag, control) {
		return fault.As(fault.NotDone, fault.As(fault.Invalid, fmt.Errorf("%q is no tag of a hold", tag)))
	}
	return nil
}

func control(r rune) bool { return r < ' ' || r == 0x7f }

func badName(name, why string) error {
	return fault.As(fault.NotDone, fault.As(fault.Invalid, fmt.Errorf("%q is no name for ZFS here: %s", name, why)))
}

// all checks a list of names, of which there must be one at least.
func all(names []string, check func(string) error) error {
	if len(names) == 0 {
		return fault.As(fault.NotDone, errNoNames)
	}
	for _, n := range names {
		if err := check(n); err != nil {
			return err
		}
	}
	return nil
}
