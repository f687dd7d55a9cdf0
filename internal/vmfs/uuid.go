package vmfs

import (
	"encoding/binary"
	"fmt"
	"net"
)

// A UUID names a volume or a device, in ESXi's own form: two words of time, two random bytes, and the MAC address of the host
// that made it.
type UUID [16]byte

// String is the form that ESXi shows: 49716cd8-ebcbbf9a-6792-000d60d46e2e.
func (u UUID) String() string {
	return fmt.Sprintf("%08x-%08x-%04x-%x", binary.LittleEndian.Uint32(u[0:]), binary.LittleEndian.Uint32(u[4:]), binary.LittleEndian.Uint16(u[8:]), u[10:])
}

// Host is the MAC address of the host that made it: the last six bytes, as in the host's own system UUID (esx.conf).
func (u UUID) Host() string { return net.HardwareAddr(u[10:]).String() }

// IsZero tells a field that was never written.
func (u UUID) IsZero() bool { return u == UUID{} }

// MarshalText writes the form of String.
func (u UUID) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// UnmarshalText reads the form of String.
func (u *UUID) UnmarshalText(b []byte) error {
	v, err := ParseUUID(string(b))
	*u = v
	return err
}

// ParseUUID reads the form of String.
func ParseUUID(s string) (UUID, error) {
	var hi, lo, mac uint64
	var r uint16
	if len(s) != len("49716cd8-ebcbbf9a-6792-000d60d46e2e") {
		return UUID{}, fmt.Errorf("%q is no VMFS UUID such as 49716cd8-ebcbbf9a-6792-000d60d46e2e", s)
	}
	if n, err := fmt.Sscanf(s, "%08x-%08x-%04x-%012x", &hi, &lo, &r, &mac); n != 4 || err != nil {
		return UUID{}, fmt.Errorf("%q is no VMFS UUID such as 49716cd8-ebcbbf9a-6792-000d60d46e2e", s)
	}
	var u UUID
	binary.LittleEndian.PutUint32(u[0:], uint32(hi))
	binary.LittleEndian.PutUint32(u[4:], uint32(lo))
	binary.LittleEndian.PutUint16(u[8:], r)
	var m [8]byte
	binary.BigEndian.PutUint64(m[:], mac)
	copy(u[10:], m[2:])
	if u.String() != s {
		return UUID{}, fmt.Errorf("%q is no VMFS UUID: it would be read as %s", s, u)
	}
	return u, nil
}
