package storage

import (
	"slices"
	"strconv"
	"strings"

	"nightshift/internal/homefile"
	"nightshift/internal/iscsi"
	"nightshift/internal/vmfs"
	"nightshift/internal/zfs"
)

func itoa(n int) string { return strconv.Itoa(n) }

// stripped is a command without env and sudo in front, and whether sudo was there.
func stripped(argv []string) (rest []string, elevated bool) {
	for len(argv) > 0 {
		switch {
		case argv[0] == "env":
			argv = argv[1:]
			for len(argv) > 0 && strings.Contains(argv[0], "=") {
				argv = argv[1:]
			}
			continue
		case argv[0] == "sudo" && len(argv) > 1 && argv[1] == "-n":
			argv, elevated = argv[2:], true
			continue
		}
		break
	}
	return argv, elevated
}

// reads are the verbs of zfs that change nothing.
var reads = []string{"list", "get", "holds", "version", "diff"}

// describe is how a command is recorded, and whether it changes something: "zfs destroy:tank/mail@x", "nightshift-lio publish:mail".
// What it sets things to is not in it.
func describe(argv []string) (verb string, changes bool) {
	argv, _ = stripped(argv)
	switch {
	case len(argv) == 0:
		return "", false
	case argv[0] == "sh" && len(argv) > 4 && argv[2] == zfs.DirectScript && len(argv) > 10:
		verb, _ := describe(argv[10:])
		return verb, true
	case argv[0] == "sh" && len(argv) > 4 && argv[2] == zfs.StaleScript:
		return "end receivers:" + argv[4], true
	case argv[0] == "sh" && len(argv) > 2 && argv[2] == zfs.SystemScript:
		return "zfs version", false
	case argv[0] == "sh" && len(argv) > 2 && argv[2] == iscsi.LIOReadScript():
		return "nightshift-lio list", false
	case argv[0] == "sh" && len(argv) > 5 && argv[2] == homefile.SaveScript:
		if dir, is := strings.CutPrefix(argv[4], vmfs.CopyDir+"/"); is {
			return "save copy:" + dir, true
		}
		return "save record:" + argv[5], true
	case argv[0] == "sh" && len(argv) > 4 && argv[2] == vmfs.RemoveCopiesScript:
		return "remove copies:" + argv[4], true
	case argv[0] == "sh":
		return "sh", false
	case argv[0] == writeTableProgram:
		return "nightshift-write-table:" + strings.Join(argv[1:min(2, len(argv))], ""), true
	case argv[0] == iscsi.LIOProgramPath:
		if len(argv) > 2 {
			return "nightshift-lio " + argv[1] + ":" + argv[2], true
		}
		return "nightshift-lio " + strings.Join(argv[1:], " "), false
	case argv[0] != "zfs" || len(argv) < 2:
		return strings.Join(argv[:min(2, len(argv))], " "), false
	}
	tells := slices.Contains(reads, argv[1]) || argv[1] == "send" || argv[1] == "allow" && len(argv) == 3
	return "zfs " + argv[1] + ":" + strings.Join(about(argv[2:]), " "), !tells
}

// about is what a command is about: without options and their values, and without what properties are set to.
func about(argv []string) []string {
	var out []string
	for i := 0; i < len(argv); i++ {
		switch a := argv[i]; {
		case len(a) == 2 && a[0] == '-' && strings.IndexByte("oxitdVb", a[1]) >= 0:
			i++
		case a != "" && a[0] == '-':
		default:
			name, _, _ := strings.Cut(a, "=")
			out = append(out, name)
		}
	}
	return out
}
