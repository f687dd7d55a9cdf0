package iscsi

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"nightshift/internal/fault"
)

// What a logical unit answers to an initiator, as bytes. Sources: SPC-5 (INQUIRY, vital product data), SBC-4 (READ CAPACITY(16),
// page 0xB0).

const (
	pageSerial         = 0x80
	pageIdentification = 0x83
	pageBlockLimits    = 0xb0

	inquiryLength     = 36
	capacityLength    = 14 // up to the exponent of the physical block; the whole is 32
	thirdPartyCopy    = 0x08
	maxBlockExponent  = 16
	designatorsHeader = 4
)

// Inquiry is the standard answer to INQUIRY, as far as it is part of an identity.
type Inquiry struct {
	Connected  bool // there is a logical unit, and not only room for one
	DeviceType byte
	Vendor     string
	Product    string
	Revision   string
	// ThirdPartyCopy is the bit 3PC: it takes EXTENDED COPY.
	ThirdPartyCopy bool
}

// ParseInquiry reads the standard answer to INQUIRY.
func ParseInquiry(b []byte) (Inquiry, error) {
	if len(b) < inquiryLength {
		return Inquiry{}, unreadable("the answer to INQUIRY has %d bytes, at least %d are needed", len(b), inquiryLength)
	}
	return Inquiry{Connected: b[0]>>5 == 0, DeviceType: b[0] & 0x1f, ThirdPartyCopy: b[5]&thirdPartyCopy != 0,
		Vendor: printable(b[8:16]), Product: printable(b[16:32]), Revision: printable(b[32:36])}, nil
}

// ParseDesignators reads page 0x83 and gives all names in it.
func ParseDesignators(page []byte) ([]Designator, error) {
	b, err := body(page, pageIdentification)
	if err != nil {
		return nil, err
	}
	var list []Designator
	for at := 0; at < len(b); {
		rest := b[at:]
		if len(rest) < designatorsHeader || len(rest) < designatorsHeader+int(rest[3]) {
			return nil, unreadable("page 0x83 ends within the name at byte %d", at+designatorsHeader)
		}
		n := designatorsHeader + int(rest[3])
		list = append(list, Designator{CodeSet: rest[0] & 0x0f, Association: rest[1] >> 4 & 0x03, Type: rest[1] & 0x0f,
			Value: append(Hex{}, rest[designatorsHeader:n]...)})
		at += n
	}
	return list, nil
}

// ParseSerial reads page 0x80. Some targets (tgt) fill it up with blanks in front, as SPC has it right-aligned.
func ParseSerial(page []byte) (string, error) {
	b, err := body(page, pageSerial)
	if err != nil {
		return "", err
	}
	return strings.TrimLeft(printable(b), " "), nil
}

// ParseCompareAndWrite reads from page 0xB0 whether COMPARE AND WRITE is there: the longest that is taken is not 0 blocks.
func ParseCompareAndWrite(page []byte) (bool, error) {
	b, err := body(page, pageBlockLimits)
	if err != nil {
		return false, err
	}
	if len(b) < 2 {
		return false, unreadable("page 0xb0 has %d bytes, at least 2 are needed", len(b))
	}
	return b[1] != 0, nil
}

// A Capacity is what READ CAPACITY(16) tells, in bytes.
type Capacity struct {
	Size                        uint64
	LogicalBlock, PhysicalBlock uint32
}

// ParseCapacity reads the answer to READ CAPACITY(16).
func ParseCapacity(b []byte) (Capacity, error) {
	if len(b) < capacityLength {
		return Capacity{}, unreadable("the answer to READ CAPACITY(16) has %d bytes, at least %d are needed", len(b), capacityLength)
	}
	last, block, exponent := binary.BigEndian.Uint64(b), binary.BigEndian.Uint32(b[8:]), b[13]&0x0f
	if block == 0 || block > 1<<maxBlockExponent || last >= 1<<63/uint64(block) {
		return Capacity{}, unreadable("READ CAPACITY(16) tells of blocks up to %d, of %d bytes each", last, block)
	}
	return Capacity{Size: (last + 1) * uint64(block), LogicalBlock: block, PhysicalBlock: block << exponent}, nil
}

// body is a page of vital product data without its header.
func body(page []byte, number byte) ([]byte, error) {
	if len(page) < 4 {
		return nil, unreadable("page %#02x has %d bytes", number, len(page))
	}
	if page[1] != number {
		return nil, unreadable("page %#02x was asked for, the answer is page %#02x", number, page[1])
	}
	n := int(binary.BigEndian.Uint16(page[2:]))
	if len(page) < 4+n {
		return nil, unreadable("page %#02x says that it has %d bytes, %d came", number, n, len(page)-4)
	}
	return page[4 : 4+n], nil
}

// Seen is what an initiator has read of a logical unit, as bytes. What it could not read is nil.
type Seen struct {
	LUN         uint16
	Inquiry     []byte
	Page80      []byte
	Page83      []byte
	PageB0      []byte
	Capacity16  []byte
	CacheIsBack *bool // what the caching mode page says: it has a write-back cache
}

// Identity is what the bytes say. Without the answer to INQUIRY and page 0x83 there is none.
func (s Seen) Identity() (Identity, error) {
	id := Identity{LUN: s.LUN, WriteCache: s.CacheIsBack}
	inquiry, err := ParseInquiry(s.Inquiry)
	if err != nil {
		return id, err
	}
	if !inquiry.Connected {
		return id, fault.As(fault.NotFound, errors.New("there is no logical unit behind this number"))
	}
	id.DeviceType, id.Vendor, id.Product, id.Revision = inquiry.DeviceType, inquiry.Vendor, inquiry.Product, inquiry.Revision
	id.ExtendedCopy = of(inquiry.ThirdPartyCopy)
	all, err := ParseDesignators(s.Page83)
	if err != nil {
		return id, err
	}
	for _, d := range all {
		if d.Association == ofLogicalUnit && d.Type <= DesignatorNAA {
			id.Designators = append(id.Designators, d)
		}
		if d.Association == ofLogicalUnit && d.Type == DesignatorNAA && len(d.Value)*2 > len(id.NAA) { // the longest, as ESXi and Linux take it
			id.NAA = d.Value.String()
		}
	}
	return id, id.readRest(s)
}

func (id *Identity) readRest(s Seen) error {
	if s.Page80 != nil {
		serial, err := ParseSerial(s.Page80)
		if err != nil {
			return err
		}
		id.Serial = serial
	}
	if s.PageB0 != nil {
		caw, err := ParseCompareAndWrite(s.PageB0)
		if err != nil {
			return err
		}
		id.CompareAndWrite = of(caw)
	}
	if s.Capacity16 != nil {
		c, err := ParseCapacity(s.Capacity16)
		if err != nil {
			return err
		}
		id.Size, id.LogicalBlock, id.PhysicalBlock = c.Size, c.LogicalBlock, c.PhysicalBlock
	}
	return nil
}

// unreadable is an answer in a form that this package does not know: of a newer tool, or cut short.
func unreadable(format string, args ...any) error {
	return fault.As(fault.Unsupported, fmt.Errorf(format, args...))
}
