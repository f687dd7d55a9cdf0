package iscsi

import (
	"fmt"
	"strings"

	"nightshift/internal/fault"
)

// A Kind is a kind of target, as the lab file names it.
type Kind string

// Kinds of targets.
const (
	LIO      Kind = "lio"
	COMSTAR  Kind = "comstar"
	Iscsitgt Kind = "iscsitgt"
)

const (
	lioMaxLUN      = 255   // more would be told in a form that initiators read as another bus
	comstarMaxLUN  = 16383 // stmfadm(8)
	iscsitgtMaxLUN = 16383
	lioMaxSerial   = 253 // INQUIRY_VPD_SERIAL_LEN, without the NUL
	comstarSerial  = 252
)

// Expressible says, beforehand and in words, what a target of this kind would show otherwise than the identity has it. None: it
// can be published there as it is.
func Expressible(kind Kind, id Identity) []string {
	as, err := As(kind, id)
	if err != nil {
		return []string{err.Error()}
	}
	return Words(Diff(id, as))
}

// As is the nearest that a target of this kind can come to an identity: what it can be published as there. What ESXi compares is
// kept to the letter; where that cannot be, the error, fault.Unsupported, says why.
func As(kind Kind, id Identity) (Identity, error) {
	if id.DeviceType != 0 {
		return Identity{}, unsupported("it is no disk, but of device type %d", id.DeviceType)
	}
	if id.NoLUN {
		return Identity{}, unsupported("its LUN number is not known, which ESXi compares")
	}
	for _, text := range []struct {
		what, value string
		max         int
	}{{"vendor", id.Vendor, vendorLength}, {"product", id.Product, productLength}, {"revision", id.Revision, revisionLength}} {
		if len(text.value) > text.max || printable([]byte(text.value)) != text.value {
			return Identity{}, unsupported("the %s %q is not made of at most %d characters of ASCII without a blank at the end", text.what, text.value, text.max)
		}
	}
	if printable([]byte(id.Serial)) != id.Serial {
		return Identity{}, unsupported("the serial number %q is not made of ASCII without a blank at the end", id.Serial)
	}
	switch kind {
	case LIO:
		return asLIO(id)
	case COMSTAR:
		return asCOMSTAR(id)
	case Iscsitgt:
		return asIscsitgt(id)
	}
	return Identity{}, unsupported("targets of the kind %q are not known", kind)
}

func unsupported(format string, args ...any) error {
	return fault.As(fault.NotDone, fault.As(fault.Unsupported, fmt.Errorf(format, args...)))
}

func asLIO(id Identity) (Identity, error) {
	_, serial, err := lioWWN(id)
	switch {
	case err != nil:
		return Identity{}, fault.As(fault.NotDone, fault.As(fault.Unsupported, err))
	case id.LUN > lioMaxLUN:
		return Identity{}, unsupported("LIO publishes LUN numbers up to %d in the form that initiators read as such; this is %d", lioMaxLUN, id.LUN)
	case strings.TrimSpace(id.Product) != id.Product || strings.TrimSpace(id.Vendor) != id.Vendor:
		return Identity{}, unsupported("LIO takes blanks from the beginning of vendor and product: %q, %q", id.Vendor, id.Product)
	case len(serial) > lioMaxSerial:
		return Identity{}, unsupported("the serial number has %d characters, LIO takes %d", len(serial), lioMaxSerial)
	case id.Product == "":
		return Identity{}, unsupported("the product is not known, of which ESXi compares the first characters")
	}
	as := id
	as.Serial = serial
	as.Designators = lioDesignators(as)
	if id.LogicalBlock != 0 && !lioBlock(id.LogicalBlock) {
		return Identity{}, unsupported("LIO shows blocks of 512, 1024, 2048 or 4096 bytes, not of %d", id.LogicalBlock)
	}
	// LIO tells what the block device says, and a zvol has a cache that wants to be flushed. Telling otherwise loses data.
	as.WriteCache = of(true)
	if id.WriteCache == nil {
		as.WriteCache = nil
	}
	return as, nil
}

func lioBlock(n uint32) bool { return n == 512 || n == 1024 || n == 2048 || n == 4096 }

// lioDesignators are those of the logical unit that LIO tells: the NAA, and vendor, product and serial number as T10 name, which
// ends with a NUL. Source: spc_emulate_evpd_83 in Linux' drivers/target/target_core_spc.c.
func lioDesignators(id Identity) []Designator {
	naa := make(Hex, len(id.NAA)/2)
	if err := naa.UnmarshalText([]byte(id.NAA)); err != nil {
		return nil
	}
	t10 := fmt.Sprintf("%-*s%s:%s\x00", vendorLength, id.Vendor, id.Product, id.Serial)
	return []Designator{
		{CodeSet: codeSetBinary, Type: DesignatorNAA, Value: naa},
		{CodeSet: codeSetASCII, Type: DesignatorT10, Value: Hex(t10)},
	}
}

// asCOMSTAR: guid, vid, pid, serial, write cache and block size can be given to stmfadm create-lu. That COMSTAR knows COMPARE AND
// WRITE, or EXTENDED COPY, depends on the distribution: it is not promised.
func asCOMSTAR(id Identity) (Identity, error) {
	if len(id.NAA) != 32 {
		return Identity{}, unsupported("COMSTAR shows no NAA but one of 32 digits that begins with 6; this is %q", id.NAA)
	}
	if id.LUN > comstarMaxLUN {
		return Identity{}, unsupported("COMSTAR publishes LUN numbers up to %d; this is %d", comstarMaxLUN, id.LUN)
	}
	as := id
	as.Serial = id.Serial[:min(len(id.Serial), comstarSerial)]
	as.Revision = keepIf(id.Revision, "1.0")
	as.CompareAndWrite, as.ExtendedCopy = nil, nil
	as.Designators = nil
	for _, d := range id.Designators {
		if d.Type == DesignatorNAA {
			as.Designators = append(as.Designators, d)
		}
	}
	return as, nil
}

// asIscsitgt: its configuration holds guid, vid and pid (mgmt_scf.c of iscsitgtd); nothing else of the identity.
func asIscsitgt(id Identity) (Identity, error) {
	if len(id.NAA) != 32 {
		return Identity{}, unsupported("iscsitgt shows no NAA but one of 32 digits that begins with 6; this is %q", id.NAA)
	}
	if id.LUN > iscsitgtMaxLUN {
		return Identity{}, unsupported("iscsitgt publishes LUN numbers up to %d; this is %d", iscsitgtMaxLUN, id.LUN)
	}
	as := id
	as.Serial, as.Revision, as.Designators = "", "", nil
	as.CompareAndWrite, as.ExtendedCopy, as.WriteCache = nil, nil, nil
	as.PhysicalBlock = 0
	if id.LogicalBlock != 0 {
		as.LogicalBlock = 512
	}
	return as, nil
}

func keepIf(value, only string) string {
	if value == only {
		return value
	}
	return ""
}
