package ipmi

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"nightshift/internal/fault"
)

// identity is who the server is, as far as its controller tells.
type identity struct{ uuid, serial, model, firmware string }

// identify reads what does not change in a session: the controller's version, the server's GUID, and the product's
// serial number (a Dell's service tag) and name from the FRU inventory. What a controller does not have stays empty.
func (c *Client) identify(ctx context.Context) (*identity, error) {
	i := &identity{}
	if id, err := c.optional(ctx, getDeviceID, nil, 4); err != nil {
		return nil, err
	} else if id != nil {
		i.firmware = fmt.Sprintf("%d.%02x", id[2]&0x7F, id[3]) // the second is BCD
	}
	if guid, err := c.optional(ctx, getSystemGUID, nil, 16); err != nil {
		return nil, err
	} else if guid != nil {
		i.uuid = uuid(guid[:16])
	} else if c.session.guid != [16]byte{} {
		i.uuid = uuid(c.session.guid[:])
	}
	area, err := c.productArea(ctx)
	if err != nil || area == nil {
		return i, err
	}
	p := parseProduct(area)
	i.serial, i.model = p.serial, strings.TrimSpace(p.manufacturer+" "+p.name)
	return i, nil
}

// optional reads what not every controller has: nil then.
func (c *Client) optional(ctx context.Context, cmd command, data []byte, atLeast int) ([]byte, error) {
	got, err := c.read(ctx, cmd, data, atLeast)
	if err != nil && !errors.Is(err, fault.Unreachable) {
		return nil, nil // it said no: it has none, or does not tell it to an operator
	}
	return got, err
}

// uuid words a GUID. The standard sends a UUID whole in reverse (§20.8); most controllers send it as SMBIOS has it, with
// the first three fields in reverse each. Version and variant tell which; live.SameUUID takes any for the same.
func uuid(g []byte) string {
	g = slices.Clone(g)
	genuine := func(version, variant byte) bool {
		return version>>4 >= 1 && version>>4 <= 5 && variant&0xC0 == 0x80
	}
	switch {
	case genuine(g[9], g[7]) && !genuine(g[7], g[8]) && !genuine(g[6], g[8]):
		slices.Reverse(g)
	case genuine(g[6], g[8]) && !genuine(g[7], g[8]): // as it is read
	default:
		slices.Reverse(g[0:4])
		slices.Reverse(g[4:6])
		slices.Reverse(g[6:8])
	}
	s := hex.EncodeToString(g)
	return s[0:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

const (
	mainboard = 0  // FRU device id of what the controller sits on
	fruChunk  = 16 // bytes read at a time: all controllers can do that many
)

// productArea reads the Product Info Area of the FRU inventory; nil where there is none.
func (c *Client) productArea(ctx context.Context) ([]byte, error) {
	info, err := c.optional(ctx, getFRUArea, []byte{mainboard}, 3)
	if err != nil || info == nil || info[2]&1 != 0 { // counted in words: too old to matter
		return nil, err
	}
	size := int(binary.LittleEndian.Uint16(info))
	header, err := c.readFRU(ctx, 0, 8, size)
	if err != nil || header == nil || header[0]&0x0F != 1 || checksum(header) != 0 || header[4] == 0 {
		return nil, err
	}
	at := int(header[4]) * 8
	head, err := c.readFRU(ctx, at, 2, size)
	if err != nil || head == nil {
		return nil, err
	}
	return c.readFRU(ctx, at, int(head[1])*8, size)
}

// readFRU reads n bytes from an offset; nil where the controller does not give them, or the inventory ends before.
func (c *Client) readFRU(ctx context.Context, at, n, size int) ([]byte, error) {
	var out []byte
	if n == 0 || at+n > size {
		return nil, nil
	}
	for len(out) < n {
		from, want := at+len(out), min(fruChunk, n-len(out))
		got, err := c.optional(ctx, readFRU, []byte{mainboard, byte(from), byte(from >> 8), byte(want)}, 2)
		if err != nil || got == nil || int(got[0]) != len(got)-1 || len(got)-1 > want || got[0] == 0 {
			return nil, err
		}
		out = append(out, got[1:]...)
	}
	return out, nil
}

// product is what is used of a Product Info Area.
type product struct{ manufacturer, name, serial string }

// parseProduct reads a Product Info Area (Platform Management FRU Information Storage Definition 1.0, §12).
func parseProduct(area []byte) product {
	if len(area) < 4 || area[0]&0x0F != 1 || checksum(area) != 0 {
		return product{}
	}
	var fields []string // manufacturer, name, part number, version, serial number, …
	for rest := area[3:]; len(rest) > 0 && rest[0] != 0xC1; {
		kind, n := rest[0]>>6, int(rest[0]&0x3F)
		if len(rest) < 1+n {
			break
		}
		fields = append(fields, strings.TrimSpace(strings.Trim(fieldText(kind, rest[1:1+n]), "\x00")))
		rest = rest[1+n:]
	}
	fields = append(fields, make([]string, 5)...)
	return product{fields[0], fields[1], fields[4]}
}

// fieldText is a field in one of the four encodings (§13).
func fieldText(kind byte, b []byte) string {
	var out strings.Builder
	switch kind {
	case 3: // 8-bit text
		for _, x := range b {
			if x >= ' ' && x < 0x7F || x == 0 {
				out.WriteByte(x)
			}
		}
	case 2: // 6-bit text, packed
		bits, have := uint(0), 0
		for _, x := range b {
			bits |= uint(x) << have
			for have += 8; have >= 6; have -= 6 {
				out.WriteByte(byte(bits&0x3F) + ' ')
				bits >>= 6
			}
		}
	case 1: // BCD plus
		for _, x := range b {
			for _, digit := range []byte{x >> 4, x & 0x0F} {
				out.WriteByte("0123456789 -.???"[digit])
			}
		}
	default:
		out.WriteString(hex.EncodeToString(b))
	}
	return out.String()
}
