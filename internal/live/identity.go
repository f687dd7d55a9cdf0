package live

import (
	"fmt"
	"strings"
)

// An Identity says whether a BMC is that of a host.
type Identity int

// The identities.
const (
	Unproven     Identity = iota // neither side tells what could be compared
	Proven                       // what a person recorded, or else the UUID, is the same
	Contradicted                 // it is another
)

// A Pin is what a person confirmed of a server, as its BMC tells it. Either may be empty.
type Pin struct{ Serial, UUID string }

// Recorded tells whether there is anything to compare with.
func (p Pin) Recorded() bool { return p.Serial != "" || p.UUID != "" }

// Identify holds the BMC against what was recorded of its server; without that, against the UUID by which the vCenter
// knows the host (empty: not known). why says in a person's words what differs.
func (b BMC) Identify(p Pin, hostUUID string) (id Identity, why string) {
	serial, uuid := strings.TrimSpace(p.Serial), strings.TrimSpace(p.UUID)
	switch {
	case serial != "" && !strings.EqualFold(serial, strings.TrimSpace(b.Serial)):
		return Contradicted, fmt.Sprintf("tells serial number %q, the lab file has recorded %q", b.Serial, serial)
	case uuid != "" && !SameUUID(uuid, b.UUID):
		return Contradicted, fmt.Sprintf("tells UUID %q, the lab file has recorded %q", b.UUID, uuid)
	case p.Recorded():
		return Proven, ""
	case !GenuineUUID(b.UUID) || !GenuineUUID(hostUUID):
		return Unproven, ""
	case !SameUUID(hostUUID, b.UUID):
		return Contradicted, fmt.Sprintf("tells UUID %s, the vCenter knows the host as %s", b.UUID, hostUUID)
	}
	return Proven, ""
}

// GenuineUUID is Genuine for a UUID: what some services call so is none ("1").
func GenuineUUID(id string) bool {
	digits := strings.ReplaceAll(strings.ToLower(strings.TrimSpace(id)), "-", "")
	return Genuine(id) && len(digits) == 32 && strings.Trim(digits, "0123456789abcdef") == ""
}

// Genuine tells a serial number or a UUID from what firmware says when nobody gave it one.
func Genuine(id string) bool {
	s := strings.ToLower(strings.TrimSpace(id))
	switch s {
	case "none", "n/a", "unknown", "default string", "system serial number", "not specified", "to be filled by o.e.m.",
		"03000200-0400-0500-0006-000700080009":
		return false
	}
	return strings.Trim(s, "0f-. ") != ""
}
