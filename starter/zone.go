package main

import (
	"os"
	"strings"
)

// localZone is the IANA name of this machine's time zone; UTC where it cannot be told.
func localZone() string {
	if link, err := os.Readlink("/etc/localtime"); err == nil {
		if _, name, ok := strings.Cut(link, "zoneinfo/"); ok {
			return name
		}
	}
	if b, err := os.ReadFile("/etc/timezone"); err == nil && len(strings.TrimSpace(string(b))) > 0 {
		return strings.TrimSpace(string(b))
	}
	return "UTC"
}
