package vmfs

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// An LU is a logical unit as an initiator would see it: what a target says, or would say once a replica is published.
type LU struct {
	LUN        uint16
	DeviceType byte
	NAA        string // hexadecimal digits of its name in INQUIRY page 0x83
	Vendor     string
	Product    string
}

// DiskID is the identity that ESXi makes of it. Digits that are none make an identity that no volume has.
func (l LU) DiskID() DiskID {
	id, err := hex.DecodeString(l.NAA)
	if err != nil {
		id = nil
	}
	product := l.Product + strings.Repeat(" ", productPart)
	id = append(id, product[:productPart]...)
	return DiskID{Type: 2, Length: byte(len(id)), LUN: l.LUN, DeviceType: l.DeviceType, Vendor: l.Vendor, Model: l.Product, Identity: id}
}

// A Difference is a part of a LUN's identity in which a volume's header and a logical unit differ.
type Difference struct {
	Field  string `json:"field"`  // "LUN number"
	Header string `json:"header"` // what the volume expects
	LU     string `json:"lu"`     // what it would be shown as
}

func (d Difference) String() string {
	return fmt.Sprintf("%s: the volume expects %s, the LUN would be %s", d.Field, d.Header, d.LU)
}

// FieldLUN is the Field of a difference in the LUN number: of a LUN that nobody is shown yet, it says nothing.
const FieldLUN = "LUN number"

// Guard compares all that ESXi compares before it mounts a volume: type, length, LUN number, device type and every byte of the
// identity. No difference: the volume is mounted where it is shown as this. Otherwise ESXi takes it for a snapshot, and a
// resignature, which cannot be undone, is the only other way.
func Guard(header DiskID, lu LU) []Difference {
	var list []Difference
	differ := func(field, a, b string) {
		if a != b {
			list = append(list, Difference{field, a, b})
		}
	}
	got := lu.DiskID()
	differ("type of the identity", fmt.Sprint(header.Type), fmt.Sprint(got.Type))
	differ("device type", fmt.Sprint(header.DeviceType), fmt.Sprint(got.DeviceType))
	differ(FieldLUN, fmt.Sprint(header.LUN), fmt.Sprint(got.LUN))
	differ("length of the identity", fmt.Sprint(len(header.Identity)), fmt.Sprint(len(got.Identity)))
	if len(header.Identity) == len(got.Identity) {
		differ("NAA", hex.EncodeToString(header.Designator()), hex.EncodeToString(got.Designator()))
		differ("first characters of the product", quoted(header), quoted(got))
	}
	return list
}

func quoted(d DiskID) string { return fmt.Sprintf("%q", d.Identity[len(d.Designator()):]) }
