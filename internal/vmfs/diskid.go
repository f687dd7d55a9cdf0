package vmfs

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
)

// A DiskID is how ESXi knows a LUN again. The one in the LVM header is that of the LUN on which the volume was made, or last
// resignatured: where a LUN shows another, ESXi takes the volume for a snapshot and does not mount it.
type DiskID struct {
	Type       byte   `json:"type"`       // of the identity: 2 = from INQUIRY page 0x83, 0 = the path of a local disk
	Length     byte   `json:"length"`     // of the identity that counts, in bytes
	LUN        uint16 `json:"lun"`        // number of the LUN
	DeviceType byte   `json:"deviceType"` // SCSI peripheral device type: 0 = disk
	SCSILevel  byte   `json:"scsiLevel"`
	Vendor     string `json:"vendor"` // INQUIRY, 8 characters; empty in later volumes, as are product and SCSI level
	Model      string `json:"model"`  // INQUIRY product, 16 characters
	Revision   string `json:"revision"`
	// Identity is the whole of it: the NAA (or EUI) designator and the first characters of the product.
	Identity []byte `json:"identity"`
}

// Layout of SCSI_DiskId, 78 bytes.
const (
	diskIDLength   = 78
	identityLength = 44
	productPart    = 6 // characters of the product behind the designator, as seen in every dump
)

func parseDiskID(b []byte) (DiskID, error) {
	d := DiskID{Type: b[0], Length: b[1], LUN: binary.LittleEndian.Uint16(b[2:]), DeviceType: b[4], SCSILevel: b[5],
		Vendor: text(b[6:14]), Model: text(b[14:30]), Revision: text(b[30:34])}
	if int(d.Length) > identityLength {
		return d, damaged("LVM header", "the LUN's identity has %d bytes, there is room for %d", d.Length, identityLength)
	}
	d.Identity = bytes.Clone(b[34 : 34+int(d.Length)])
	return d, nil
}

// Designator is the identity without the characters of the product: an NAA of 16 or 8 bytes, as a rule.
func (d DiskID) Designator() []byte {
	return d.Identity[:max(0, len(d.Identity)-productPart)]
}

// NAA is the designator as ESXi writes it, "naa.600144f0…"; empty where it is none.
func (d DiskID) NAA() string {
	switch b := d.Designator(); {
	case len(b) == 16 && b[0]>>4 == 6, len(b) == 8 && (b[0]>>4 == 5 || b[0]>>4 == 2 || b[0]>>4 == 3):
		return "naa." + hex.EncodeToString(b)
	}
	return ""
}

// Name is the NAA, or where there is none what the identity has as text or as digits: a local disk without page 0x83 has the path
// on which its host found it, "vmhba0:4:0".
func (d DiskID) Name() string {
	if naa := d.NAA(); naa != "" {
		return naa
	}
	for _, c := range d.Identity {
		if c < 0x20 || c > 0x7e {
			return "no NAA, " + hex.EncodeToString(d.Identity)
		}
	}
	return fmt.Sprintf("no NAA, %q", d.Identity)
}

// VML is the name under /vmfs/devices/disks that ESXi makes of it: type, a zero, LUN number (low byte first), device type,
// identity.
func (d DiskID) VML() string {
	b := append([]byte{d.Type, 0, byte(d.LUN), byte(d.LUN >> 8), d.DeviceType}, d.Identity...)
	return "vml." + hex.EncodeToString(b)
}
