package inventory

import (
	"fmt"
	"strings"
)

// What ZFS allows in names: OpenZFS, module/zcommon/zfs_namecheck.c. It allows blanks, too, and % in names that it makes itself;
// here they are refused, so that no name needs quotes anywhere.
const (
	mostZFSName    = 255 // bytes, with the snapshot's name (ZFS_MAX_DATASET_NAME_LEN is 256, with the NUL)
	mostZFSNesting = 50  // zfs_max_dataset_nesting
)

// dataset says what is wrong with the name of a dataset; empty: nothing.
func datasetProblem(name string) string {
	parts := strings.Split(name, "/")
	switch {
	case name == "":
		return "the name is empty"
	case strings.ContainsAny(name, "@#"):
		return fmt.Sprintf("%q is no dataset, but a snapshot or bookmark of one", name)
	case strings.HasPrefix(name, "/"):
		return fmt.Sprintf("%q begins with a slash: it is a path, and a dataset is named from its pool on", name)
	case len(name) > mostZFSName:
		return fmt.Sprintf("the name is longer than ZFS's %d characters", mostZFSName)
	case len(parts) > mostZFSNesting:
		return fmt.Sprintf("it lies deeper than ZFS's %d levels", mostZFSNesting)
	}
	for i, p := range parts {
		switch {
		case p == "":
			return fmt.Sprintf("%q has an empty part", name)
		case p == "." || p == "..":
			return fmt.Sprintf("%q has a part %q, which ZFS does not allow", name, p)
		case strings.ContainsFunc(p, func(r rune) bool { return !zfsLetter(r) }):
			return fmt.Sprintf("%q has characters that ZFS, or nightshift, does not allow", name)
		case i == 0 && !letter(rune(p[0])):
			return fmt.Sprintf("%q does not begin with the name of a pool, which begins with a letter", name)
		case i == 0 && (p == "mirror" || p == "raidz" || p == "draid"):
			return fmt.Sprintf("no pool is called %q", p)
		}
	}
	return ""
}

const datasetRemedy = "POOL/NAME, as `zfs list` shows it: letters, digits, and _ - . : in each part"

func letter(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' }

func zfsLetter(r rune) bool {
	return letter(r) || r >= '0' && r <= '9' || strings.ContainsRune("_-.:", r)
}

// longestSnapshot is how long the name of a snapshot of a group is, its @ included: @nightshift_GROUP_2006-01-02T15:04:05Z.
func longestSnapshot(group string) int {
	return len("@nightshift_") + len(group) + len("_2006-01-02T15:04:05Z")
}

// around are the datasets that a dataset lies in, itself first.
func around(name string) []string {
	out := []string{name}
	for i := strings.LastIndexByte(name, '/'); i > 0; i = strings.LastIndexByte(name, '/') {
		name = name[:i]
		out = append(out, name)
	}
	return out
}
