// Package version is which nightshift this is.
package version

import "runtime/debug"

// String is what the build recorded: a tag, or the commit.
func String() string {
	const unknown = "development"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return unknown
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return unknown + "+" + s.Value[:min(12, len(s.Value))]
		}
	}
	return unknown
}

// Time is when its commit was made (RFC 3339); empty: not known.
func Time() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.time" {
				return s.Value
			}
		}
	}
	return ""
}
