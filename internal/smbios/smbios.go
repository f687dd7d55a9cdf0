// Package smbios tells which machine this process runs on, by the UUID that firmware, or the hypervisor, gave it.
package smbios

import (
	"os"
	"strings"
)

// File is where Linux shows the UUID (SMBIOS 3.6, §7.2: System Information); only root may read it.
const File = "/sys/class/dmi/id/product_uuid"

// UUID reads the machine's UUID, lower case. Empty: not known, as on other systems, in most containers, or without the right.
func UUID(file string) string {
	b, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	return strings.ToLower(strings.TrimSpace(string(b)))
}
